/* Events, log lines, thresholds and agents of a run, as the store has them. */
#include <string.h>

#include "api/fleet_views.h"
#include "api/result_views.h"
#include "api/stored_internal.h"
#include "base/err.h"
#include "store/journal.h"
#include "store/run.h"

static const char *const levels[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

/* --- one at a time -------------------------------------------------------------------------- */

static void add_event(void *arg, const struct store_event *e)
{
    json_array_append_new(((struct stored *)arg)->json, view_stored_event(e));
}

static void add_log(void *arg, const struct store_log *l)
{
    json_array_append_new(((struct stored *)arg)->json, view_stored_log(l));
}

/* Failed ones come first. */
static void add_threshold(void *arg, const struct store_threshold *t)
{
    struct stored *q = arg;
    json_t *json = view_stored_threshold(t);

    if (t->ok)
        json_array_append_new(q->json, json);
    else
        json_array_insert_new(q->json, q->failed++, json);
}

static void add_agent(void *arg, const struct store_agent *a)
{
    json_t *json = json_loads(a->data, 0, NULL);

    if (json)
        json_array_append_new(((struct stored *)arg)->json, json);
}

static void ignore_run(void *arg, const struct store_run *run)
{
    (void)arg;
    (void)run;
}

/* ERR_NOT_FOUND for a run that is not there: its lists would be empty. */
static int begin(struct stored *q, struct store *s, struct diag *d)
{
    q->json = json_array();
    return store_get_run(s, stored_path(q, "run"), ignore_run, NULL, d);
}

/* --- reading -------------------------------------------------------------------------------- */

static int read_events(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    const struct store_event_filter filter = {
        .run = stored_path(q, "run"),
        .regions = stored_list(q, "region"),
        .kinds = stored_words(q, "kind"),
    };
    struct store_page page;
    int more = begin(q, s, d);

    if (more == 0)
        more = stored_page(q, &page, d);
    if (more == 0)
        more = store_list_events(s, &filter, &page, add_event, q, d);
    if (more < 0)
        return more;
    stored_end_page(q, &page, more);
    return 0;
}

static int read_level(const struct stored *q, enum log_level *out, struct diag *d)
{
    const char *said = stored_param(q, "level");

    *out = LOG_DEBUG;
    if (!said)
        return 0;
    for (size_t i = 0; i < COUNT_OF(levels); i++) {
        if (levels[i] && strcmp(levels[i], said) == 0) {
            *out = (enum log_level)i;
            return 0;
        }
    }
    return diag_set(d, ERR_INVALID, "level: '%s' is none: error, warn, info or debug", said);
}

static int read_log_filter(struct stored *q, struct store_log_filter *out, struct diag *d)
{
    const char *order = stored_param(q, "order");
    struct store_where span = {.from = 0};
    int err = read_level(q, &out->level, d);

    if (err == 0 && order && strcmp(order, "asc") != 0 && strcmp(order, "desc") != 0)
        err = diag_set(d, ERR_INVALID, "order: '%s' is none: asc or desc", order);
    if (err == 0)
        err = stored_check_words(q, "source", "console agent controller", d);
    if (err == 0)
        err = stored_span(q, &span, d);
    out->run = stored_path(q, "run");
    out->regions = stored_list(q, "region");
    out->agent = stored_param(q, "agent");
    out->source = stored_param(q, "source");
    out->text = stored_param(q, "q");
    out->from = span.from;
    out->to = span.to;
    out->oldest_first = order && strcmp(order, "asc") == 0;
    return err;
}

static int read_logs(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    struct store_log_filter filter = {.level = LOG_DEBUG};
    struct store_page page;
    int more = begin(q, s, d);

    if (more == 0)
        more = read_log_filter(q, &filter, d);
    if (more == 0)
        more = stored_page(q, &page, d);
    if (more == 0)
        more = store_list_logs(s, &filter, &page, add_log, q, d);
    if (more < 0)
        return more;
    stored_end_page(q, &page, more);
    return 0;
}

static void end_list(struct stored *q)
{
    q->json = json_pack("{s:o}", "items", q->json);
}

int stored_load_thresholds(struct stored *q, struct store *s, struct diag *d)
{
    int err = begin(q, s, d);

    if (err == 0)
        err = store_list_thresholds(s, stored_path(q, "run"), add_threshold, q, d);
    end_list(q);
    return err;
}

int stored_load_agents(struct stored *q, struct store *s, struct diag *d)
{
    int err = begin(q, s, d);

    if (err == 0)
        err = store_list_agents(s, stored_path(q, "run"), add_agent, q, d);
    end_list(q);
    return err;
}

static int read_thresholds(struct store *s, void *arg, struct diag *d)
{
    return stored_load_thresholds(arg, s, d);
}

static int read_agents(struct store *s, void *arg, struct diag *d)
{
    return stored_load_agents(arg, s, d);
}

/* --- handlers ------------------------------------------------------------------------------- */

void results_events(struct api_call *call)
{
    stored_start(call, read_events, NULL);
}

void results_logs(struct api_call *call)
{
    stored_start(call, read_logs, NULL);
}

/* Of a run in memory as they are at this moment. */
void results_thresholds(struct api_call *call)
{
    const struct fleet_run *run = call_fleet_run(call);

    if (run)
        api_answer_json(call->request, 200, view_thresholds(run));
    else
        stored_start(call, read_thresholds, NULL);
}

void results_agents(struct api_call *call)
{
    const struct fleet_run *run = call_fleet_run(call);

    if (run)
        api_answer_json(call->request, 200, view_run_agents(call->context->config.controller, run));
    else
        stored_start(call, read_agents, NULL);
}
