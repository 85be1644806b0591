#include "api/result_views.h"

#include <math.h>
#include <string.h>

#include "api/fleet_views.h"
#include "base/clock.h"
#include "base/mem.h"
#include "metrics/sink.h"
#include "store/journal.h"

static json_t *text_of(struct str s)
{
    return json_stringn(s.ptr ? s.ptr : "", s.len);
}

static json_t *text_or_null(const char *text)
{
    return text && text[0] ? json_string(text) : json_null();
}

static json_t *number_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *second_or_null(int64_t second)
{
    return second >= 0 ? json_integer(second) : json_null();
}

/* --- tables --------------------------------------------------------------------------------- */

static json_t *check_json(const struct store_check_row *c)
{
    json_t *regions = json_object();

    for (size_t i = 0; i < c->region_count; i++) {
        const struct store_check_count *r = &c->regions[i];

        json_object_setn_new(regions, r->region.ptr, r->region.len,
                             json_pack("{s:I, s:I}", "passes", (json_int_t)r->passes, "fails",
                                       (json_int_t)r->fails));
    }
    return json_pack("{s:o, s:o, s:o, s:I, s:I, s:o}", "name", text_of(c->name), "group",
                     text_of(c->group), "path",
                     json_sprintf("%.*s::%.*s", STR_ARG(c->group), STR_ARG(c->name)), "passes",
                     (json_int_t)c->passes, "fails", (json_int_t)c->fails, "regions", regions);
}

json_t *view_checks(const struct store_checks *checks, size_t limit)
{
    json_t *items = json_array();

    for (size_t i = 0; i < checks->count && i < limit; i++)
        json_array_append_new(items, check_json(&checks->list[i]));
    return items;
}

static json_t *url_json(const struct store_url *u)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:I, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "region", u->region.ptr ? text_of(u->region) : json_null(), "method",
                     text_of(u->method), "name", text_of(u->name), "status", text_of(u->status),
                     "count", (json_int_t)u->count, "rps", u->rps, "failed",
                     json_real(isfinite(u->failed) ? u->failed : 0), "min", number_or_null(u->min),
                     "avg", number_or_null(u->avg), "p50", number_or_null(u->p50), "p90",
                     number_or_null(u->p90), "p95", number_or_null(u->p95), "p99",
                     number_or_null(u->p99), "max", number_or_null(u->max));
}

json_t *view_urls(const struct store_urls *urls, size_t limit)
{
    json_t *items = json_array();

    for (size_t i = 0; i < urls->count && i < limit; i++)
        json_array_append_new(items, url_json(&urls->list[i]));
    return items;
}

static json_t *failure_json(const struct store_failure *f)
{
    json_t *regions = json_object();

    for (size_t i = 0; i < f->region_count; i++)
        json_object_setn_new(regions, f->regions[i].region.ptr, f->regions[i].region.len,
                             json_integer((json_int_t)f->regions[i].count));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:o}", "error_code",
                     text_of(f->error_code), "error", text_of(f->error), "status",
                     text_of(f->status), "method", text_of(f->method), "name", text_of(f->name),
                     "count", (json_int_t)f->count, "first_second", (json_int_t)f->first,
                     "last_second", (json_int_t)f->last, "regions", regions);
}

json_t *view_failures(const struct store_failures *failures, size_t limit)
{
    json_t *items = json_array();

    for (size_t i = 0; i < failures->count && i < limit; i++)
        json_array_append_new(items, failure_json(&failures->list[i]));
    return items;
}

/* --- journals ------------------------------------------------------------------------------- */

json_t *view_stored_event(const struct store_event *e)
{
    return json_pack("{s:I, s:o, s:o, s:s, s:s, s:o, s:o, s:s, s:{}}", "id", (json_int_t)e->id,
                     "at", view_time(e->wall_nsec), "second", second_or_null(e->second), "kind",
                     e->kind, "severity", e->severity, "region", text_or_null(e->region), "agent",
                     text_or_null(e->agent), "message", e->message, "data");
}

json_t *view_stored_threshold(const struct store_threshold *t, const char *unit)
{
    return json_pack("{s:s, s:s, s:b, s:o, s:s, s:s, s:b, s:f, s:o, s:o, s:o}", "metric", t->metric,
                     "expression", t->expression, "ok", (int)t->ok, "value",
                     number_or_null(t->value), "unit", unit, "source", t->source, "abort_on_fail",
                     (int)t->abort_on_fail, "delay_abort_seconds", nsec_to_sec(t->delay_abort_nsec),
                     "window_seconds",
                     t->window_nsec ? json_real(nsec_to_sec(t->window_nsec)) : json_null(),
                     "for_seconds", t->for_nsec ? json_real(nsec_to_sec(t->for_nsec)) : json_null(),
                     "crossed_at_second", second_or_null(t->crossed));
}

json_t *view_exemplar(const struct store_exemplar *e)
{
    json_t *view = json_loads(e->data ? e->data : "{}", 0, NULL);

    if (!json_is_object(view)) {
        json_decref(view);
        view = json_object();
    }
    json_object_set_new(view, "id", json_integer(e->id));
    json_object_set_new(view, "second", json_integer(e->second));
    json_object_set_new(view, "kind", json_string(e->kind));
    json_object_set_new(view, "region", text_or_null(e->region));
    return view;
}

/* --- the summary ---------------------------------------------------------------------------- */

static void put(json_t *values, const char *name, const struct sink *sink, double seconds)
{
    struct agg agg;

    if (agg_parse(str_of(name), &agg))
        json_object_set_new(values, name, number_or_null(sink_aggregate(sink, agg, seconds)));
}

static json_t *values_json(const struct sink *sink, double seconds)
{
    static const char *const trend[] = {"avg",   "min",   "med",   "max",
                                        "p(90)", "p(95)", "p(99)", "count"};
    json_t *values = json_object();

    switch (sink->type) {
    case METRIC_COUNTER:
        put(values, "count", sink, seconds);
        put(values, "rate", sink, seconds);
        break;
    case METRIC_GAUGE:
        put(values, "value", sink, seconds);
        json_object_set_new(values, "min", number_or_null(sink->gauge.min));
        json_object_set_new(values, "max", number_or_null(sink->gauge.max));
        break;
    case METRIC_RATE:
        put(values, "rate", sink, seconds);
        json_object_set_new(values, "passes", json_integer((json_int_t)sink->rate.trues));
        json_object_set_new(values, "fails",
                            json_integer((json_int_t)(sink->rate.total - sink->rate.trues)));
        break;
    case METRIC_TREND:
        for (size_t i = 0; i < COUNT_OF(trend); i++)
            put(values, trend[i], sink, seconds);
        break;
    }
    return values;
}

/* The metric of all regions, and whose it is. */
struct whole {
    const struct metric *metric;
    struct sink sink;
    json_t *regions; /* owned */
};

struct wholes {
    struct whole *list;
    size_t count;
};

static struct whole *whole_of(struct wholes *all, const struct metric *metric)
{
    struct whole *w;

    for (size_t i = 0; i < all->count; i++) {
        if (str_eq(all->list[i].metric->name, metric->name))
            return &all->list[i];
    }
    all->list = mem_reallocarray(all->list, all->count + 1, sizeof *all->list);
    w = &all->list[all->count++];
    *w = (struct whole){.metric = metric, .regions = json_object()};
    sink_init(&w->sink, metric->type);
    return w;
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

static void add_region(struct wholes *all, const struct store_sums *sums, double seconds)
{
    for (size_t i = 0; i < sums->window->count; i++) {
        const struct window_series *series = &sums->window->series[i];
        const struct metric *metric = series->series->metric;
        struct whole *w;

        if (series->sink.is_empty)
            continue;
        w = whole_of(all, metric);
        if (str_eq_c(metric->name, "vus") || str_eq_c(metric->name, "vus_max"))
            add_gauge(&w->sink, &series->sink);
        else
            sink_merge(&w->sink, &series->sink);
        json_object_setn_new(w->regions, sums->region.ptr, sums->region.len,
                             values_json(&series->sink, seconds));
    }
}

static json_t *summary_json(struct wholes *all, const struct store_where *where, int64_t end,
                            double seconds)
{
    json_t *metrics = json_array();

    for (size_t i = 0; i < all->count; i++) {
        const struct whole *w = &all->list[i];

        json_array_append_new(
            metrics, json_pack("{s:o, s:s, s:s, s:o, s:O}", "name", text_of(w->metric->name),
                               "type", metric_type_name(w->metric->type), "contains",
                               metric_contains_name(w->metric->contains), "overall",
                               values_json(&w->sink, seconds), "regions", w->regions));
    }
    return json_pack("{s:I, s:I, s:o}", "from", (json_int_t)where->from, "to", (json_int_t)end,
                     "metrics", metrics);
}

int view_summary(struct store *s, const char *run, const struct store_where *where, json_t **out,
                 struct diag *d)
{
    struct store_sum_list sums;
    struct wholes all = {.list = NULL};
    int64_t newest = -1;
    int64_t end;
    double seconds;
    int err = store_newest_second(s, run, &newest, d);

    if (!err)
        err = store_sum_metrics(s, run, where, &sums, d);
    if (err)
        return err;
    end = where->to && where->to <= newest ? where->to : newest + 1;
    seconds = end > where->from ? (double)(end - where->from) : 0;
    for (size_t i = 0; i < sums.count; i++)
        add_region(&all, &sums.list[i], seconds);
    *out = summary_json(&all, where, end, seconds);
    for (size_t i = 0; i < all.count; i++) {
        sink_deinit(&all.list[i].sink);
        json_decref(all.list[i].regions);
    }
    mem_free(all.list);
    store_sum_list_deinit(&sums);
    return 0;
}
