/* Runs as the store has them. */
#include <errno.h>
#include <string.h>

#include "api/fleet_views.h"
#include "api/keeper.h"
#include "api/living.h"
#include "api/result_views.h"
#include "api/server.h"
#include "api/stored_internal.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/journal.h"
#include "store/run.h"

static json_t *parsed(const char *text)
{
    json_t *json = json_loads(text && text[0] ? text : "{}", 0, NULL);

    return json ? json : json_object();
}

/* A run that lives is as it is now. */
void stored_overlay(const struct api_context *context, json_t *json)
{
    static const char *const own[] = {"test", "name", "notes", "labels", "is_baseline", "rerun_of"};
    const struct living *living = context->living;
    json_t *view = living->view(living->arg, json_string_value(json_object_get(json, "id")));

    for (size_t i = 0; view && i < COUNT_OF(own); i++)
        json_object_del(view, own[i]);
    if (view)
        json_object_update(json, view);
    json_decref(view);
}

/* --- the list ------------------------------------------------------------------------------- */

static void add_run(void *arg, const struct store_run *run)
{
    json_array_append_new(((struct stored *)arg)->json, view_stored_run(run));
}

static int read_list(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    struct store_page page;
    struct store_run_filter filter = {
        .test = stored_param(q, "test"),
        .phases = stored_words(q, "phase"),
        .results = stored_words(q, "result"),
        .region = stored_param(q, "region"),
        .text = stored_param(q, "q"),
    };
    int more = stored_page(q, &page, d);

    q->json = json_array();
    if (more == 0)
        more = stored_check_words(
            q, "phase", "planned delivering initialising setup running teardown ended", d);
    if (more == 0)
        more = stored_check_words(q, "result", "passed failed aborted error", d);
    if (more == 0)
        more = stored_labels(q, &filter.labels, d);
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
           stored_param(q, "result") || stored_param(q, "region") || stored_param(q, "q") ||
           stored_param(q, "label");
}

/* Runs that live are shown as they are now; those that began within the last second are not in the
 * store yet. */
static void add_living(struct stored *q)
{
    const struct living *living = q->context.living;
    json_t *items = json_object_get(q->json, "items");
    json_t *ids = living->ids(living->arg);
    json_t *item;
    size_t i;

    json_array_foreach(items, i, item) stored_overlay(&q->context, item);
    for (i = json_array_size(ids); i-- > 0 && !is_filtered(q);) {
        const char *id = json_string_value(json_array_get(ids, i));

        if (!keeper_has(q->context.config.keeper, id))
            json_array_insert_new(items, 0, living->view(living->arg, id));
    }
    json_decref(ids);
}

void runs_list(struct api_call *call)
{
    stored_start(call, read_list, add_living);
}

/* --- one run -------------------------------------------------------------------------------- */

static void set_run(void *arg, const struct store_run *run)
{
    ((struct stored *)arg)->json = view_stored_run(run);
}

int stored_read_run(struct store *s, void *arg, struct diag *d)
{
    return store_get_run(s, stored_path(arg, "run"), set_run, arg, d);
}

int stored_read_ended(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    int err = stored_read_run(s, q, d);
    const char *phase = err ? NULL : json_string_value(json_object_get(q->json, "phase"));

    if (err == 0 && (!phase || strcmp(phase, "ended") != 0))
        err = diag_set(d, -EAGAIN, "no controller has taken over run %s yet: try again",
                       stored_path(q, "run"));
    return err;
}

void stored_finish_run(struct stored *q)
{
    stored_overlay(&q->context, q->json);
}

void runs_get(struct api_call *call)
{
    stored_start(call, stored_read_run, stored_finish_run);
}

static void set_plan(void *arg, const struct store_run *run)
{
    ((struct stored *)arg)->json = parsed(run->plan);
}

static int read_plan(struct store *s, void *arg, struct diag *d)
{
    return store_get_run(s, stored_path(arg, "run"), set_plan, arg, d);
}

void runs_plan(struct api_call *call)
{
    stored_start(call, read_plan, NULL);
}

/* --- texts made at its end ------------------------------------------------------------------ */

static void set_summary(void *arg, const struct store_run *run)
{
    ((struct stored *)arg)->work = run->summary ? json_loads(run->summary, 0, NULL) : NULL;
}

static int read_text(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    bool custom = strcmp(q->route->operation, "getCustomSummary") == 0;
    const char *format = custom ? "custom" : stored_path(q, "format");
    const char *shown = stored_param(q, "format");
    const char *key = format ? format : shown ? shown : "text";
    int err = store_get_run(s, stored_path(q, "run"), set_summary, q, d);
    const char *text = json_string_value(json_object_get(q->work, key));

    if (err == 0) {
        q->type = !format                        ? "text/plain; charset=utf-8"
                  : strcmp(format, "junit") == 0 ? "application/xml"
                                                 : "application/json";
        q->text = arena_strdup(&q->arena, text ? text : "");
        q->len = strlen(q->text);
    }
    json_decref(q->work);
    return err;
}

void stored_text(struct api_call *call)
{
    stored_start(call, read_text, NULL);
}
