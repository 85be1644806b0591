#include "api/run_export.h"

#include <string.h>

#include "api/fleet_views.h"
#include "api/result_views.h"
#include "api/run_series.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/journal.h"
#include "store/run.h"
#include "store/series.h"

/* A chart of many regions has fewer points, so that a report stays a few megabytes. */
enum { MAX_VALUES = 500000, SERIES_KEYS = 10, MIN_POINTS = 200 };

struct exporting {
    struct store *store;
    const char *run;
    json_t *out;
    json_t *left_out; /* numbers of rows by the table's name */
    struct diag *diag;
};

/* --- lists ---------------------------------------------------------------------------------- */

/* Adds a table of at most RUN_EXPORT_ROWS rows; takes `items`. */
static void put_table(struct exporting *x, const char *name, json_t *items, size_t all)
{
    json_object_set_new(x->out, name, items);
    if (all > json_array_size(items))
        json_object_set_new(x->left_out, name,
                            json_integer((json_int_t)(all - json_array_size(items))));
}

static int put_checks(struct exporting *x)
{
    const struct store_table table = {.run = x->run};
    struct store_checks checks;
    int err = store_get_checks(x->store, &table, &checks, x->diag);

    if (err)
        return err;
    put_table(x, "checks", view_checks(&checks, RUN_EXPORT_ROWS), checks.count);
    store_checks_deinit(&checks);
    return 0;
}

static int put_urls(struct exporting *x, bool by_region)
{
    const struct store_table table = {.run = x->run, .by_region = by_region};
    struct store_urls urls;
    int err = store_get_urls(x->store, &table, &urls, x->diag);

    if (err)
        return err;
    put_table(x, "urls", view_urls(&urls, RUN_EXPORT_ROWS), urls.count);
    store_urls_deinit(&urls);
    return 0;
}

static int put_errors(struct exporting *x)
{
    const struct store_table table = {.run = x->run};
    struct store_failures failures;
    int err = store_get_failures(x->store, &table, &failures, x->diag);

    if (err)
        return err;
    put_table(x, "errors", view_failures(&failures, RUN_EXPORT_ROWS), failures.count);
    store_failures_deinit(&failures);
    return 0;
}

/* --- journals ------------------------------------------------------------------------------- */

struct listing {
    json_t *items;
    size_t all;
};

static void add_event(void *arg, const struct store_event *e)
{
    struct listing *l = arg;

    l->all++;
    if (json_array_size(l->items) < RUN_EXPORT_ROWS)
        json_array_append_new(l->items, view_stored_event(e));
}

static void add_exemplar(void *arg, const struct store_exemplar *e)
{
    json_array_append_new(((struct listing *)arg)->items, view_exemplar(e));
}

static const json_t *find_metric(const json_t *summary, struct str name)
{
    const json_t *metric;
    size_t i;

    json_array_foreach(json_object_get(summary, "metrics"), i, metric)
    {
        if (str_eq_c(name, json_string_value(json_object_get(metric, "name"))))
            return metric;
    }
    return NULL;
}

static void add_threshold(void *arg, const struct store_threshold *t)
{
    struct listing *l = arg;

    json_array_append_new(l->items, view_stored_threshold(t));
}

static int put_journals(struct exporting *x)
{
    const struct store_event_filter events = {.run = x->run};
    const struct store_exemplar_filter exemplars = {.run = x->run};
    struct store_page event_page = {.limit = STORE_MAX_EVENTS};
    struct store_page exemplar_page = {.limit = RUN_EXPORT_EXEMPLARS};
    struct listing list = {.items = json_array()};
    int err = store_list_events(x->store, &events, &event_page, add_event, &list, x->diag);

    put_table(x, "events", list.items, list.all);
    list.items = json_array();
    if (err >= 0)
        err = store_list_exemplars(x->store, &exemplars, &exemplar_page, add_exemplar, &list,
                                   x->diag);
    put_table(x, "exemplars", list.items, 0);
    list.items = json_array();
    if (err >= 0)
        err = store_list_thresholds(x->store, x->run, add_threshold, &list, x->diag);
    put_table(x, "thresholds", list.items, 0);
    return err < 0 ? err : 0;
}

/* --- series --------------------------------------------------------------------------------- */

struct region_names {
    const char *list[RUN_EXPORT_REGIONS];
    size_t count;
    size_t all;
};

static void add_region(void *arg, struct str region)
{
    struct region_names *names = arg;

    if (str_starts_with(region, STR("scrape:")))
        return; /* what a target told of itself */
    if (names->all++ < RUN_EXPORT_REGIONS)
        names->list[names->count++] = str_dup(region);
}

/* What latency means for this script: requests, else calls, else iterations. */
static const char *latency_of(const json_t *run, const json_t *summary)
{
    static const char *const names[] = {"http_req_duration", "grpc_req_duration",
                                        "ws_session_duration", "iteration_duration"};
    const char *said = json_string_value(json_object_get(run, "latency_metric"));

    for (size_t i = 0; !said && i < COUNT_OF(names); i++) {
        if (find_metric(summary, str_of(names[i])))
            said = names[i];
    }
    return said ? said : names[0];
}

/* What targets told: values of gauges, and how fast counters grew; a column for each label set. */
struct target_series {
    struct run_series_other list[RUN_EXPORT_TARGET];
    size_t count;
    size_t all;
    struct arena arena;
};

/* As a target writes it: scrape:shop/queue{pool="db"} */
static const char *name_of(const struct series *series, struct arena *a)
{
    struct buf name = BUF_INIT(SIZE_MAX);
    const char *text;

    buf_append_str(&name, series->metric->name);
    for (uint32_t i = 0; i < series->tags->count; i++) {
        buf_printf(&name, "%s%.*s=\"", i ? "," : "{", STR_ARG(series->tags->list[i].key));
        for (size_t j = 0; j < series->tags->list[i].value.len; j++) {
            char c = series->tags->list[i].value.ptr[j];

            if (c == '"' || c == '\\')
                buf_append_char(&name, '\\');
            buf_append_char(&name, c);
        }
        buf_append_char(&name, '"');
    }
    if (series->tags->count > 0)
        buf_append_char(&name, '}');
    text = arena_str(a, buf_str(&name)).ptr;
    buf_deinit(&name);
    return text;
}

static void choose_series(void *arg, const struct series *series)
{
    struct target_series *t = arg;
    const struct metric *m = series->metric;
    struct run_series_other *to;
    struct tag *tags;

    if (!str_starts_with(m->name, STR("scrape:")) || !series->tags || t->all++ >= RUN_EXPORT_TARGET)
        return;
    to = &t->list[t->count++];
    tags = arena_alloc(&t->arena, (series->tags->count + 1) * sizeof *tags);
    for (uint32_t i = 0; i < series->tags->count; i++)
        tags[i] = (struct tag){arena_str(&t->arena, series->tags->list[i].key),
                               arena_str(&t->arena, series->tags->list[i].value)};
    *to = (struct run_series_other){
        .name = name_of(series, &t->arena),
        .metric = arena_str(&t->arena, m->name).ptr,
        .tags = tags,
        .tag_count = series->tags->count,
        .agg = m->type == METRIC_GAUGE ? "value" : "rate",
    };
}

static int choose_target(struct exporting *x, struct target_series *out)
{
    const struct store_where where = {.from = 0};
    int err;

    out->count = 0;
    out->all = 0;
    arena_init(&out->arena);
    err = store_each_series(x->store, x->run, &where, choose_series, out, x->diag);
    if (out->all > out->count)
        json_object_set_new(x->left_out, "target",
                            json_integer((json_int_t)(out->all - out->count)));
    return err;
}

static int put_series(struct exporting *x, const struct region_names *regions)
{
    /* One region says what all together say. */
    size_t shown = regions->count > 1 ? regions->count : 0;
    size_t points = MAX_VALUES / (SERIES_KEYS * (shown + 1));
    json_t *run = json_object_get(x->out, "run");
    const char *latency = latency_of(run, json_object_get(x->out, "summary"));
    struct target_series target;
    int err = choose_target(x, &target);
    struct run_series_options options = {
        .run = x->run,
        .latency = latency,
        .regions = (const char **)(uintptr_t)regions->list,
        .region_count = shown,
        .regions_are_all = regions->all == regions->count,
        .others = target.list,
        .other_count = target.count,
        .points = points > RUN_EXPORT_POINTS ? RUN_EXPORT_POINTS
                  : points < MIN_POINTS      ? MIN_POINTS
                                             : points,
    };
    json_t *series = NULL;

    if (!err)
        err = run_series(x->store, &options, &series, x->diag);
    arena_deinit(&target.arena);
    if (err)
        return err;
    json_object_set_new(x->out, "series", series);
    json_object_set_new(run, "latency_metric", json_string(latency));
    if (regions->all > regions->count)
        json_object_set_new(x->left_out, "regions",
                            json_integer((json_int_t)(regions->all - regions->count)));
    return 0;
}

/* --- the whole ------------------------------------------------------------------------------ */

static void read_run(void *arg, const struct store_run *run)
{
    *(json_t **)arg = view_stored_run(run);
}

static int put_run(struct exporting *x)
{
    json_t *run = NULL;
    int err = store_get_run(x->store, x->run, read_run, &run, x->diag);

    if (!err)
        json_object_set_new(x->out, "run", run);
    return err;
}

static int put_summary(struct exporting *x)
{
    const struct store_where where = {.from = 0};
    json_t *summary = NULL;
    int err = view_summary(x->store, x->run, &where, NULL, &summary, x->diag);

    if (!err)
        json_object_set_new(x->out, "summary", summary);
    return err;
}

int run_export(struct store *s, const char *id, json_t **out, struct diag *d)
{
    struct exporting x = {
        .store = s, .run = id, .out = json_object(), .left_out = json_object(), .diag = d};
    struct region_names regions = {.count = 0};
    int err = put_run(&x);

    json_object_set_new(x.out, "gale", json_string(GALE_VERSION));
    json_object_set_new(x.out, "made_at", view_time(clock_wall()));
    if (!err)
        err = store_each_region(s, id, add_region, &regions, d);
    if (!err)
        err = put_summary(&x);
    if (!err)
        err = put_series(&x, &regions);
    if (!err)
        err = put_checks(&x);
    if (!err)
        err = put_urls(&x, regions.all > 1);
    if (!err)
        err = put_errors(&x);
    if (!err)
        err = put_journals(&x);
    for (size_t i = 0; i < regions.count; i++)
        mem_free((void *)(uintptr_t)regions.list[i]);
    json_object_set_new(x.out, "left_out", x.left_out);
    if (err)
        json_decref(x.out);
    else
        *out = x.out;
    return err;
}
