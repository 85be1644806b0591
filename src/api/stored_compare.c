/* A run beside others: two runs with the significance of what differs, and one number of each of a
 * test's last runs. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/fleet_views.h"
#include "api/measured_views.h"
#include "api/result_views.h"
#include "api/stored_internal.h"
#include "base/err.h"
#include "store/compare.h"
#include "store/run.h"
#include "store/test.h"

enum { LEAST_PERCENT = 2, LAST = 30, MAX_LAST = 200 };

static json_t *number_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static const char *agg_text(struct agg agg, char text[32])
{
    static const char *const names[] = {
        [AGG_COUNT] = "count", [AGG_RATE] = "rate", [AGG_VALUE] = "value", [AGG_AVG] = "avg",
        [AGG_MIN] = "min",     [AGG_MAX] = "max",   [AGG_MED] = "med"};

    if (agg.kind == AGG_P)
        snprintf(text, 32, "p(%.6g)", agg.p);
    else
        snprintf(text, 32, "%s", names[agg.kind]);
    return text;
}

/* --- two runs ------------------------------------------------------------------------------- */

static json_t *row_json(const struct store_difference *x)
{
    double difference = x->value - x->base;
    char agg[32];

    return json_pack(
        "{s:o, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "metric",
        json_stringn_nocheck(x->metric.ptr, x->metric.len), "agg", agg_text(x->agg, agg), "region",
        x->region.ptr ? json_stringn_nocheck(x->region.ptr, x->region.len) : json_null(), "unit",
        view_unit(x->type, x->contains, x->agg), "lower_is_better",
        x->better ? json_boolean(x->better < 0) : json_null(), "base", number_or_null(x->base),
        "value", number_or_null(x->value), "difference", number_or_null(difference), "percent",
        x->base > 0 || x->base < 0 ? number_or_null(100 * difference / fabs(x->base)) : json_null(),
        "low", number_or_null(x->low), "high", number_or_null(x->high), "p_value",
        number_or_null(x->p), "verdict", compare_verdict_name(x->verdict));
}

struct baseline {
    struct stored *q;
    const char *id; /* NULL: none */
};

static void note_test(void *arg, const struct store_run *run)
{
    struct baseline *b = arg;

    b->id = arena_strdup(&b->q->arena, run->test);
}

static void note_baseline(void *arg, const struct store_test *t)
{
    struct baseline *b = arg;

    b->id = t->baseline ? arena_strdup(&b->q->arena, t->baseline) : NULL;
}

/* The other run: as said, else the test's baseline. */
static int find_base(struct stored *q, struct store *s, const char **out, struct diag *d)
{
    struct baseline b = {.q = q};
    int err;

    *out = stored_param(q, "with");
    if (*out)
        return 0;
    err = store_get_run(s, stored_path(q, "run"), note_test, &b, d);
    if (err == 0)
        err = store_get_test(s, b.id, note_baseline, &b, d);
    if (err == 0 && !b.id)
        err = diag_set(d, ERR_INVALID,
                       "with: which run? The test has no baseline (PUT /runs/{run}/baseline)");
    *out = b.id;
    return err;
}

static int read_least(const struct stored *q, double *out, struct diag *d)
{
    const char *said = stored_param(q, "least_percent");

    *out = LEAST_PERCENT;
    if (said && (!str_to_double(str_of(said), out) || !(*out >= 0 && *out <= 1000)))
        return diag_set(d, ERR_INVALID, "least_percent: '%s' is no number from 0 to 1000", said);
    return 0;
}

static int read_comparison(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    const char *by = stored_param(q, "by");
    struct store_compare ask = {.run = stored_path(q, "run"), .by_region = by != NULL};
    struct store_where span = {.from = 0};
    struct store_comparison c;
    json_t *rows = json_array();
    int err = stored_span(q, &span, d);

    if (err == 0 && by && strcmp(by, "region") != 0)
        err = diag_set(d, ERR_INVALID, "by: '%s' is none: region", by);
    if (err == 0)
        err = read_least(q, &ask.least_percent, d);
    if (err == 0)
        err = find_base(q, s, &ask.base, d);
    ask.from = span.from;
    ask.to = span.to;
    if (err == 0)
        err = store_compare_runs(s, &ask, &c, d);
    if (err) {
        json_decref(rows);
        return err;
    }
    for (size_t i = 0; i < c.count; i++)
        json_array_append_new(rows, row_json(&c.list[i]));
    q->json = json_pack("{s:s, s:s, s:I, s:I, s:o, s:o}", "run", ask.run, "base", ask.base, "from",
                        (json_int_t)c.from, "to", (json_int_t)c.to, "method",
                        json_sprintf("paired block bootstrap, %d draws of blocks of %lld s, 95 %%",
                                     COMPARE_DRAWS, (long long)c.block),
                        "rows", rows);
    store_comparison_deinit(&c);
    return 0;
}

void results_compare(struct api_call *call)
{
    stored_start(call, read_comparison, NULL);
}

/* --- the trend of a test -------------------------------------------------------------------- */

struct trend {
    struct agg agg;
    struct store_where where;
    const char *unit;
    json_t *runs; /* newest first */
    json_t *started;
    json_t *results;
    json_t *values;
};

static void add_run(void *arg, const struct store_run *run)
{
    struct trend *t = arg;

    if (!run->started)
        return;
    json_array_insert_new(t->runs, 0, json_string(run->id));
    json_array_insert_new(t->started, 0, view_time(run->started));
    json_array_insert_new(t->results, 0, run->result ? json_string(run->result) : json_null());
}

static int add_value(struct trend *t, struct store *s, const char *run, struct diag *d)
{
    struct store_sum_list sums;
    const struct metric *metric = NULL;
    struct sink all;
    int64_t newest = -1;
    int err = store_newest_second(s, run, &newest, d);

    if (err == 0)
        err = store_sum_metrics(s, run, &t->where, &sums, d);
    if (err && err != ERR_NOT_FOUND)
        return err;
    diag_deinit(d);
    for (size_t i = 0; err == 0 && i < sums.count; i++) {
        for (size_t j = 0; j < sums.list[i].window->count; j++) {
            const struct window_series *series = &sums.list[i].window->series[j];

            if (!metric)
                sink_init(&all, series->sink.type);
            metric = series->series->metric;
            view_add_region(&all, metric, &series->sink);
        }
    }
    if (metric && agg_fits(t->agg, metric->type)) {
        t->unit = view_unit(metric->type, metric->contains, t->agg);
        json_array_append_new(t->values, all.is_empty ? json_null()
                                                      : number_or_null(sink_aggregate(
                                                            &all, t->agg, (double)newest + 1)));
    } else {
        json_array_append_new(t->values, json_null());
    }
    if (metric)
        sink_deinit(&all);
    if (err == 0)
        store_sum_list_deinit(&sums);
    return 0;
}

static int read_values(struct trend *t, struct store *s, struct diag *d)
{
    json_t *run;
    size_t i;

    json_array_foreach(t->runs, i, run)
    {
        int err = add_value(t, s, json_string_value(run), d);

        if (err)
            return err;
    }
    return 0;
}

static void ignore_test(void *arg, const struct store_test *t)
{
    (void)arg;
    (void)t;
}

static int read_trend(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    const char *metric = stored_param(q, "metric");
    const char *agg = stored_param(q, "agg");
    struct store_run_filter filter = {.test = stored_path(q, "test")};
    struct store_page page = {.limit = LAST};
    struct trend t = {.unit = "none"};
    int64_t last = LAST;
    int err = store_get_test(s, filter.test, ignore_test, NULL, d);

    metric = metric ? metric : "http_req_duration";
    agg = agg ? agg : "p(95)";
    if (err == 0 && !agg_parse(str_of(agg), &t.agg))
        err = diag_set(d, ERR_INVALID,
                       "agg: '%s' is none: avg, min, med, max, p(N), count, rate, value", agg);
    if (err == 0)
        err = stored_number(q, "last", &last, MAX_LAST, d);
    if (err)
        return err;
    page.limit = last ? (size_t)last : 1;
    t.where.metric = str_of(metric);
    stored_regions(q, &t.where);
    t.runs = json_array();
    t.started = json_array();
    t.results = json_array();
    t.values = json_array();
    err = store_list_runs(s, &filter, &page, add_run, &t, d);
    if (err >= 0)
        err = read_values(&t, s, d);
    q->json = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "metric", metric, "agg", agg, "unit",
                        t.unit, "runs", t.runs, "started_at", t.started, "results", t.results,
                        "values", t.values);
    return err < 0 ? err : 0;
}

void tests_trend(struct api_call *call)
{
    stored_start(call, read_trend, NULL);
}
