/* Runs as the store has them. */
#include <string.h>

#include "api/fleet_views.h"
#include "api/keeper.h"
#include "api/server.h"
#include "api/stored_internal.h"
#include "base/err.h"
#include "base/mem.h"
#include "fleet/controller.h"
#include "store/journal.h"
#include "store/run.h"

static json_t *text_or_null(const char *text)
{
    return text && text[0] ? json_string(text) : json_null();
}

static json_t *run_json(const struct store_run *run)
{
    json_t *json = json_loads(run->state ? run->state : "{}", 0, NULL);

    if (!json)
        json = json_object();
    json_object_set_new(json, "id", json_string(run->id));
    json_object_set_new(json, "test",
                        json_pack("{s:s, s:s, s:I}", "id", run->test, "name", run->test_name,
                                  "version", (json_int_t)run->version));
    json_object_set_new(json, "name", json_string(run->name));
    json_object_set_new(json, "notes", json_string(run->notes ? run->notes : ""));
    json_object_set_new(json, "phase", json_string(run->phase));
    json_object_set_new(json, "is_baseline", json_boolean(run->is_baseline));
    json_object_set_new(json, "rerun_of", text_or_null(run->rerun_of));
    return json;
}

/* --- the list ------------------------------------------------------------------------------- */

static void add_run(void *arg, const struct store_run *run)
{
    json_array_append_new(((struct stored *)arg)->json, run_json(run));
}

static int read_list(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    struct store_page page;
    struct store_run_filter filter = {
        .test = stored_param(q, "test"),
        .phases = stored_words(q, stored_param(q, "phase")),
        .results = stored_words(q, stored_param(q, "result")),
        .region = stored_param(q, "region"),
        .text = stored_param(q, "q"),
    };
    int more = stored_page(q, &page, d);

    q->json = json_array();
    if (more == 0)
        more = store_list_runs(s, &filter, &page, add_run, q, d);
    if (more < 0)
        return more;
    stored_end_page(q, &page, more);
    return 0;
}

static bool is_filtered(const struct stored *q)
{
    return stored_param(q, "cursor") || stored_param(q, "test") || stored_param(q, "phase") ||
           stored_param(q, "result") || stored_param(q, "region") || stored_param(q, "q");
}

/* Runs that live are shown as they are now; those that began within the last second are not in the
 * store yet. */
static void add_living(struct stored *q)
{
    const struct controller *c = q->context.config.controller;
    json_t *items = json_object_get(q->json, "items");
    struct fleet_run **runs;
    size_t count = controller_runs(c, &runs);
    json_t *item;
    size_t i;

    json_array_foreach(items, i, item)
    {
        const struct fleet_run *run =
            controller_find_run(c, json_string_value(json_object_get(item, "id")));
        json_t *view = run ? view_run(run) : NULL;

        if (view)
            json_object_update(item, view);
        json_decref(view);
    }
    for (i = count; i-- > 0 && !is_filtered(q);) {
        if (!keeper_has(q->context.config.keeper, fleet_run_id(runs[i])))
            json_array_insert_new(items, 0, view_run(runs[i]));
    }
    mem_free((void *)runs);
}

void runs_list(struct api_call *call)
{
    stored_start(call, read_list, add_living);
}

/* --- one run -------------------------------------------------------------------------------- */

struct found_run {
    json_t *run;
    json_t *summary;
};

static void find_run(void *arg, const struct store_run *run)
{
    struct found_run *found = arg;

    found->run = run_json(run);
    found->summary = run->summary ? json_loads(run->summary, 0, NULL) : NULL;
}

static void add_event(void *arg, const struct store_event *e)
{
    json_t *items = ((struct stored *)arg)->json;

    json_array_append_new(
        items, json_pack("{s:I, s:o, s:o, s:s, s:s, s:o, s:o, s:s, s:{}}", "id", (json_int_t)e->id,
                         "at", view_time(e->wall_nsec), "second",
                         e->second >= 0 ? json_integer(e->second) : json_null(), "kind", e->kind,
                         "severity", e->severity, "region", text_or_null(e->region), "agent",
                         text_or_null(e->agent), "message", e->message, "data"));
}

static void add_log(void *arg, const struct store_log *l)
{
    static const char *const levels[] = {
        [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};
    json_t *items = ((struct stored *)arg)->json;

    json_array_append_new(
        items, json_pack("{s:I, s:o, s:o, s:s, s:s, s:o, s:o, s:s, s:o, s:o, s:I}", "id",
                         (json_int_t)l->id, "at", view_time(l->wall_nsec), "second",
                         l->second >= 0 ? json_integer(l->second) : json_null(), "level",
                         levels[l->level], "source", l->source, "region", text_or_null(l->region),
                         "agent", text_or_null(l->agent), "message", l->message, "vu",
                         l->vu >= 0 ? json_integer(l->vu) : json_null(), "iteration",
                         l->iteration >= 0 ? json_integer(l->iteration) : json_null(), "left_out",
                         (json_int_t)l->left_out));
}

static bool is_about(const struct stored *q, const char *operation)
{
    return strcmp(q->route->operation, operation) == 0;
}

static int read_lines(struct stored *q, struct store *s, struct diag *d)
{
    bool logs = is_about(q, "listLogs");
    const char *run = stored_path(q, "run");
    const char *order = stored_param(q, "order");
    struct store_event_filter events = {.run = run,
                                        .region = stored_param(q, "region"),
                                        .kinds = stored_words(q, stored_param(q, "kind"))};
    struct store_log_filter lines = {.run = run,
                                     .level = LOG_DEBUG,
                                     .region = stored_param(q, "region"),
                                     .agent = stored_param(q, "agent"),
                                     .source = stored_param(q, "source"),
                                     .text = stored_param(q, "q"),
                                     .oldest_first = !order || strcmp(order, "desc") != 0};
    struct store_page page;
    int more = stored_page(q, &page, d);

    if (more)
        return more;
    q->json = json_array();
    more = logs ? store_list_logs(s, &lines, &page, add_log, q, d)
                : store_list_events(s, &events, &page, add_event, q, d);
    if (more < 0)
        return more;
    stored_end_page(q, &page, more);
    return 0;
}

static void give_text(struct stored *q, const json_t *from, const char *key, const char *type)
{
    const char *text = json_string_value(json_object_get(from, key));

    q->type = type;
    q->text = arena_strdup(&q->arena, text ? text : "");
    q->len = strlen(q->text);
}

static int read_part(struct stored *q, const struct found_run *found, struct diag *d)
{
    const char *format = stored_path(q, "format");

    if (is_about(q, "getRun"))
        q->json = json_incref(found->run);
    else if (is_about(q, "getSummary"))
        give_text(q, found->summary, "text", "text/plain; charset=utf-8");
    else if (is_about(q, "getCustomSummary"))
        give_text(q, found->summary, "custom", "application/json");
    else if (is_about(q, "listThresholds"))
        q->json = json_incref(json_object_get(found->summary, "thresholds"));
    else if (format && (strcmp(format, "summary") == 0 || strcmp(format, "machine") == 0))
        give_text(q, found->summary, format, "application/json");
    else
        return diag_set(d, ERR_NOT_FOUND, "run %s has ended: there is no %s of it",
                        stored_path(q, "run"), format ? format : "live stream");
    return 0;
}

static int read_run(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    struct found_run found = {.run = NULL};
    int err = store_get_run(s, stored_path(q, "run"), find_run, &found, d);

    if (err == 0 && (is_about(q, "listEvents") || is_about(q, "listLogs")))
        err = read_lines(q, s, d);
    else if (err == 0)
        err = read_part(q, &found, d);
    json_decref(found.run);
    json_decref(found.summary);
    return err;
}

void stored_run(struct api_call *call)
{
    stored_start(call, read_run, NULL);
}
