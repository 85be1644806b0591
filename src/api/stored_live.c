/* The stream of a run that has left the controller's memory: a snapshot, and its end. */
#include "api/fleet_views.h"
#include "api/result_views.h"
#include "api/run_series.h"
#include "api/stored_internal.h"
#include "base/buf.h"
#include "base/err.h"
#include "fleet/planner.h"
#include "output/json_text.h"
#include "store/journal.h"

enum { POINTS = 1200, MAX_POINTS = 10000, EVENTS = 1000, LOGS = 100 };

/* So that a day is read by the minute: in a third of the time that steps of ten seconds take. */
enum { ROWS_PER_POINT = 4 };

/* --- the snapshot --------------------------------------------------------------------------- */

struct region_names {
    struct stored *q;
    const char *list[PLANNER_MAX_REGIONS];
    size_t count;
};

static void add_region(void *arg, struct str region)
{
    struct region_names *names = arg;

    if (names->count < PLANNER_MAX_REGIONS)
        names->list[names->count++] = arena_str(&names->q->arena, region).ptr;
}

static int put_series(struct stored *q, struct store *s, json_t *snapshot, struct diag *d)
{
    const char *latency =
        json_string_value(json_object_get(json_object_get(snapshot, "run"), "latency_metric"));
    struct region_names names = {.q = q};
    struct run_series_options options = {
        .run = stored_path(q, "run"),
        .latency = latency ? latency : "http_req_duration",
        .regions = names.list,
    };
    int64_t points = POINTS;
    json_t *series = NULL;
    int err = stored_number(q, "points", &points, MAX_POINTS, d);

    if (err == 0)
        err = store_each_region(s, options.run, add_region, &names, d);
    options.region_count = names.count;
    options.regions_are_all = names.count < PLANNER_MAX_REGIONS;
    options.points = (size_t)points;
    options.max_rows = ROWS_PER_POINT * (size_t)points;
    if (err == 0)
        err = run_series(s, &options, &series, d);
    if (err == 0)
        json_object_set_new(snapshot, "series", series);
    return err;
}

static void add_event(void *arg, const struct store_event *e)
{
    json_array_append_new(arg, view_stored_event(e));
}

static void add_log(void *arg, const struct store_log *l)
{
    json_array_append_new(arg, view_stored_log(l));
}

static int put_lines(struct stored *q, struct store *s, json_t *snapshot, struct diag *d)
{
    const struct store_event_filter events = {.run = stored_path(q, "run")};
    const struct store_log_filter logs = {.run = stored_path(q, "run"), .level = LOG_DEBUG};
    struct store_page event_page = {.limit = EVENTS};
    struct store_page log_page = {.limit = LOGS};
    json_t *list = json_array();
    int err = store_list_events(s, &events, &event_page, add_event, list, d);

    json_object_set_new(snapshot, "events", list);
    list = json_array();
    if (err >= 0)
        err = store_list_logs(s, &logs, &log_page, add_log, list, d);
    json_object_set_new(snapshot, "logs", list);
    return err < 0 ? err : 0;
}

/* q->json becomes the snapshot. */
static int read_snapshot(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    json_t *snapshot = json_object();
    int err = stored_read_ended(s, q, d);

    if (err == 0) {
        json_object_set_new(snapshot, "run", q->json);
        q->json = NULL;
        err = put_series(q, s, snapshot, d);
    }
    if (err == 0)
        err = stored_load_thresholds(q, s, d);
    if (err == 0) {
        json_object_set_new(snapshot, "thresholds", q->json);
        q->json = NULL;
        err = stored_load_agents(q, s, d);
    }
    if (err == 0) {
        json_object_set_new(snapshot, "agents", q->json);
        q->json = NULL;
        err = put_lines(q, s, snapshot, d);
    }
    json_decref(q->json);
    q->json = snapshot;
    return err;
}

/* --- the stream ----------------------------------------------------------------------------- */

static void put_event(struct buf *out, unsigned id, const char *event, const json_t *data)
{
    char *text = json_text(data, 0);

    buf_printf(out, "id: %u\nevent: %s\ndata: %s\n\n", id, event, text);
    mem_free(text);
}

static void on_closed(void *arg)
{
    (void)arg;
}

static void send(struct stored *q)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    struct api_stream *stream;

    buf_append_c(&text, "retry: 1000\n\n");
    put_event(&text, 1, "snapshot", q->json);
    put_event(&text, 2, "end", json_object_get(q->json, "run"));
    stream = api_stream_begin(q->request, buf_str(&text), 0, on_closed, NULL);
    api_stream_end(stream);
    buf_deinit(&text);
    q->request = NULL; /* it is answered */
}

void stored_follow(struct api_call *call)
{
    stored_start(call, read_snapshot, send);
}
