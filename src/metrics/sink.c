#include "metrics/sink.h"

#include <math.h>

#include "metrics/hist.h"

void sink_init(struct sink *s, enum metric_type type)
{
    *s = (struct sink){.type = type, .is_empty = true};
}

void sink_deinit(struct sink *s)
{
    if (s->type == METRIC_TREND)
        hist_free(s->hist);
    sink_init(s, s->type);
}

void sink_add(struct sink *s, double value, int64_t wall_nsec)
{
    switch (s->type) {
    case METRIC_COUNTER:
        s->sum += value;
        break;
    case METRIC_GAUGE:
        if (s->is_empty || value < s->gauge.min)
            s->gauge.min = value;
        if (s->is_empty || value > s->gauge.max)
            s->gauge.max = value;
        s->gauge.value = value;
        s->gauge.wall_nsec = wall_nsec;
        break;
    case METRIC_RATE:
        s->rate.total++;
        s->rate.trues += value != 0;
        break;
    case METRIC_TREND:
        if (!s->hist)
            s->hist = hist_new();
        hist_record(s->hist, value);
        break;
    }
    s->is_empty = false;
}

static void merge_gauge(struct sink *dst, const struct sink *src)
{
    if (dst->is_empty || src->gauge.min < dst->gauge.min)
        dst->gauge.min = src->gauge.min;
    if (dst->is_empty || src->gauge.max > dst->gauge.max)
        dst->gauge.max = src->gauge.max;
    if (dst->is_empty || src->gauge.wall_nsec >= dst->gauge.wall_nsec) {
        dst->gauge.value = src->gauge.value;
        dst->gauge.wall_nsec = src->gauge.wall_nsec;
    }
}

void sink_merge(struct sink *dst, const struct sink *src)
{
    if (src->is_empty)
        return;
    switch (dst->type) {
    case METRIC_COUNTER:
        dst->sum += src->sum;
        break;
    case METRIC_GAUGE:
        merge_gauge(dst, src);
        break;
    case METRIC_RATE:
        dst->rate.trues += src->rate.trues;
        dst->rate.total += src->rate.total;
        break;
    case METRIC_TREND:
        if (!dst->hist)
            dst->hist = hist_new();
        hist_merge(dst->hist, src->hist);
        break;
    }
    dst->is_empty = false;
}

void sink_move(struct sink *dst, struct sink *src)
{
    *dst = *src;
    sink_init(src, src->type);
}

/* --- aggregations ------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum agg_kind kind;
} names[] = {
    {"count", AGG_COUNT}, {"rate", AGG_RATE}, {"value", AGG_VALUE}, {"avg", AGG_AVG},
    {"min", AGG_MIN},     {"max", AGG_MAX},   {"med", AGG_MED},
};

bool agg_parse(struct str name, struct agg *out)
{
    double p;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (str_eq_c(name, names[i].name)) {
            *out = (struct agg){names[i].kind, 0};
            return true;
        }
    }
    if (!str_starts_with(name, STR("p(")) || !str_ends_with(name, STR(")")))
        return false;
    name = str_trim(str_slice(name, 2, name.len - 1));
    if (!str_to_double(name, &p) || p < 0 || p > 100)
        return false;
    *out = (struct agg){AGG_P, p};
    return true;
}

bool agg_fits(struct agg agg, enum metric_type type)
{
    switch (type) {
    case METRIC_COUNTER:
        return agg.kind == AGG_COUNT || agg.kind == AGG_RATE;
    case METRIC_GAUGE:
        return agg.kind == AGG_VALUE;
    case METRIC_RATE:
        return agg.kind == AGG_RATE;
    case METRIC_TREND:
        return agg.kind != AGG_RATE && agg.kind != AGG_VALUE;
    }
    return false;
}

const char *agg_names(enum metric_type type)
{
    static const char *const by_type[] = {
        [METRIC_COUNTER] = "count, rate",
        [METRIC_GAUGE] = "value",
        [METRIC_RATE] = "rate",
        [METRIC_TREND] = "avg, min, max, med, p(N)",
    };

    return by_type[type];
}

static double aggregate_trend(const struct sink *s, struct agg agg)
{
    switch (agg.kind) {
    case AGG_COUNT:
        return (double)hist_count(s->hist);
    case AGG_AVG:
        return hist_mean(s->hist);
    case AGG_MIN:
        return hist_min(s->hist);
    case AGG_MAX:
        return hist_max(s->hist);
    case AGG_MED:
        return hist_quantile(s->hist, 0.5);
    case AGG_P:
        return hist_quantile(s->hist, agg.p / 100);
    case AGG_RATE:
    case AGG_VALUE:
        break;
    }
    return 0;
}

double sink_aggregate(const struct sink *s, struct agg agg, double run_seconds)
{
    if (s->is_empty)
        return 0;
    switch (s->type) {
    case METRIC_COUNTER:
        if (agg.kind == AGG_RATE)
            return run_seconds > 0 ? s->sum / run_seconds : 0;
        return s->sum;
    case METRIC_GAUGE:
        return agg.kind == AGG_MIN   ? s->gauge.min
               : agg.kind == AGG_MAX ? s->gauge.max
                                     : s->gauge.value;
    case METRIC_RATE:
        return s->rate.total ? (double)s->rate.trues / (double)s->rate.total : 0;
    case METRIC_TREND:
        return s->hist ? aggregate_trend(s, agg) : 0;
    }
    return 0;
}
