/* A run's summary, from the store. */
#include <math.h>
#include <string.h>

#include "api/result_views.h"
#include "base/err.h"
#include "base/mem.h"
#include "metrics/sink.h"
#include "metrics/totals.h"
#include "store/journal.h"
#include "store/series.h"

static json_t *number_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

/* --- the numbers of a sink ------------------------------------------------------------------ */

struct asked {
    const json_t *stats; /* of trends */
    double seconds;      /* of the span */
};

static void put(json_t *values, const char *name, const struct sink *sink, double seconds)
{
    struct agg agg;

    if (agg_parse(str_of(name), &agg))
        json_object_set_new(values, name, number_or_null(sink_aggregate(sink, agg, seconds)));
}

static void put_trend(json_t *values, const struct sink *sink, const struct asked *asked)
{
    static const char *const usual[] = {"avg", "min", "med", "max", "p(90)", "p(95)", "p(99)"};
    json_t *name;
    size_t i;

    json_array_foreach(asked->stats, i, name)
        put(values, json_string_value(name), sink, asked->seconds);
    for (i = 0; !asked->stats && i < COUNT_OF(usual); i++)
        put(values, usual[i], sink, asked->seconds);
    put(values, "count", sink, asked->seconds);
}

static json_t *values_json(const struct sink *sink, const struct asked *asked)
{
    json_t *values = json_object();

    switch (sink->type) {
    case METRIC_COUNTER:
        put(values, "count", sink, asked->seconds);
        put(values, "rate", sink, asked->seconds);
        break;
    case METRIC_GAUGE:
        put(values, "value", sink, asked->seconds);
        json_object_set_new(values, "min", number_or_null(sink->gauge.min));
        json_object_set_new(values, "max", number_or_null(sink->gauge.max));
        break;
    case METRIC_RATE:
        put(values, "rate", sink, asked->seconds);
        json_object_set_new(values, "passes", json_integer((json_int_t)sink->rate.trues));
        json_object_set_new(values, "fails",
                            json_integer((json_int_t)(sink->rate.total - sink->rate.trues)));
        break;
    case METRIC_TREND:
        put_trend(values, sink, asked);
        break;
    }
    return values;
}

/* --- metrics of all regions ----------------------------------------------------------------- */

struct whole {
    char *name; /* owned */
    struct metric metric;
    struct sink sink;
    json_t *regions; /* owned */
};

struct wholes {
    struct whole *list;
    size_t count;
};

static struct whole *whole_of(struct wholes *all, const struct metric *metric, const char *name)
{
    struct whole *w;

    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(all->list[i].name, name) == 0)
            return &all->list[i];
    }
    all->list = mem_reallocarray(all->list, all->count + 1, sizeof *all->list);
    w = &all->list[all->count++];
    *w = (struct whole){.name = mem_strdup(name), .metric = *metric, .regions = json_object()};
    sink_init(&w->sink, metric->type);
    return w;
}

static void free_wholes(struct wholes *all)
{
    for (size_t i = 0; i < all->count; i++) {
        sink_deinit(&all->list[i].sink);
        json_decref(all->list[i].regions);
        mem_free(all->list[i].name);
    }
    mem_free(all->list);
}

/* What is there at a moment is there in each region: it adds up. */
static void add_gauge(struct sink *to, const struct sink *from)
{
    if (to->is_empty) {
        sink_merge(to, from);
        return;
    }
    to->gauge.value += from->gauge.value;
    to->gauge.min += from->gauge.min;
    to->gauge.max += from->gauge.max;
}

void view_add_region(struct sink *all, const struct metric *metric, const struct sink *region)
{
    if (str_eq_c(metric->name, "vus") || str_eq_c(metric->name, "vus_max"))
        add_gauge(all, region);
    else
        sink_merge(all, region);
}

static void add_sink(struct whole *w, struct str region, const struct sink *sink,
                     const struct asked *asked)
{
    view_add_region(&w->sink, &w->metric, sink);
    json_object_setn_new(w->regions, region.ptr, region.len, values_json(sink, asked));
}

static void add_metrics(struct wholes *all, const struct store_sums *sums,
                        const struct asked *asked)
{
    for (size_t i = 0; i < sums->window->count; i++) {
        const struct window_series *series = &sums->window->series[i];
        const struct metric *metric = series->series->metric;

        if (!series->sink.is_empty)
            add_sink(whole_of(all, metric, metric->name.ptr), sums->region, &series->sink, asked);
    }
}

/* --- sub-metrics ---------------------------------------------------------------------------- */

/* The selectors of thresholds, each once. */
static void add_selector(void *arg, const struct store_threshold *t)
{
    if (strchr(t->metric, '{'))
        json_object_set_new(arg, t->metric, json_true());
}

/* The sum of the series that have a selector's tags. */
static void add_submetric(struct wholes *all, const char *name, const struct store_sum_list *sums,
                          const struct asked *asked)
{
    for (size_t i = 0; i < sums->count; i++) {
        const struct window *window = sums->list[i].window;
        struct sink sink;

        if (window->count == 0)
            continue;
        sink_init(&sink, window->series[0].sink.type);
        for (size_t j = 0; j < window->count; j++)
            sink_merge(&sink, &window->series[j].sink);
        if (!sink.is_empty)
            add_sink(whole_of(all, window->series[0].series->metric, name), sums->list[i].region,
                     &sink, asked);
        sink_deinit(&sink);
    }
}

/* The text between the braces is read as thresholds are. */
static int sum_submetric(struct store *s, const char *run, const struct store_where *where,
                         const char *selector, struct store_sum_list *out, struct diag *d)
{
    struct str tags = str_of(selector);
    struct metric metric = {.name = str_cut(&tags, '{'), .type = METRIC_TREND};
    struct totals *totals = totals_new();
    struct store_where narrow = *where;
    struct submetric *sub;
    int err;

    if (str_ends_with(tags, STR("}")))
        tags.len--;
    err = totals_add_submetric(totals, totals_metric(totals, &metric), tags, &sub, d);
    if (err == 0) {
        narrow.metric = metric.name;
        narrow.tags = sub->tags->list;
        narrow.tag_count = sub->tags->count;
        err = store_sum(s, run, &narrow, out, d);
    }
    totals_free(totals);
    return err;
}

static int add_submetrics(struct store *s, const char *run, const struct store_where *where,
                          struct wholes *all, const struct asked *asked, struct diag *d)
{
    json_t *selectors = json_object();
    int err = store_list_thresholds(s, run, add_selector, selectors, d);
    const char *selector;
    json_t *value;

    json_object_foreach(selectors, selector, value)
    {
        struct store_sum_list sums;

        if (err == 0)
            err = sum_submetric(s, run, where, selector, &sums, d);
        if (err == ERR_NOT_FOUND) { /* nothing was measured of it */
            diag_deinit(d);
            err = 0;
        } else if (err == 0) {
            add_submetric(all, selector, &sums, asked);
            store_sum_list_deinit(&sums);
        }
    }
    json_decref(selectors);
    return err;
}

/* --- the whole ------------------------------------------------------------------------------ */

static json_t *summary_json(const struct wholes *all, int64_t from, int64_t to,
                            const struct asked *asked)
{
    json_t *metrics = json_array();

    for (size_t i = 0; i < all->count; i++) {
        const struct whole *w = &all->list[i];

        json_array_append_new(metrics,
                              json_pack("{s:s, s:s, s:s, s:o, s:O}", "name", w->name, "type",
                                        metric_type_name(w->metric.type), "contains",
                                        metric_contains_name(w->metric.contains), "overall",
                                        values_json(&w->sink, asked), "regions", w->regions));
    }
    return json_pack("{s:I, s:I, s:o}", "from", (json_int_t)from, "to", (json_int_t)to, "metrics",
                     metrics);
}

static int check_stats(const json_t *stats, struct diag *d)
{
    struct agg agg;
    json_t *name;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)stats, i, name)
    {
        const char *text = json_string_value(name);

        if (!agg_parse(str_of(text), &agg) ||
            (agg.kind != AGG_COUNT && !agg_fits(agg, METRIC_TREND)))
            return diag_set(d, ERR_INVALID,
                            "trend_stats: '%s' is none: avg, min, med, max, p(N), count", text);
    }
    return 0;
}

int view_summary(struct store *s, const char *run, const struct store_where *where,
                 const json_t *stats, json_t **out, struct diag *d)
{
    struct store_sum_list sums;
    struct wholes all = {.list = NULL};
    struct asked asked = {.stats = stats};
    int64_t newest = -1;
    int64_t end;
    int err = check_stats(stats, d);

    if (err == 0)
        err = store_newest_second(s, run, &newest, d);
    if (err == 0)
        err = store_sum_metrics(s, run, where, &sums, d);
    if (err)
        return err;
    end = where->to && where->to <= newest ? where->to : newest + 1;
    asked.seconds = end > where->from ? (double)(end - where->from) : 0;
    for (size_t i = 0; i < sums.count; i++)
        add_metrics(&all, &sums.list[i], &asked);
    store_sum_list_deinit(&sums);
    err = add_submetrics(s, run, where, &all, &asked, d);
    if (err == 0)
        *out = summary_json(&all, where->from, end, &asked);
    free_wholes(&all);
    return err;
}
