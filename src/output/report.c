#include "output/report.h"

#include "metrics/threshold.h"
#include "metrics/totals.h"

const char *report_metric_name(const struct threshold *t)
{
    return t->submetric ? t->submetric->full_name : t->metric->metric.name.ptr;
}

/* What gale says of itself is no result of the test. */
static bool is_own(const struct metric *metric)
{
    return str_starts_with(metric->name, STR("load_generator_"));
}

/* Extremes and counts of values say little about a change; a gauge is what it was set to. */
static bool is_compared(const struct metric *metric, struct agg agg)
{
    switch (metric->type) {
    case METRIC_COUNTER:
    case METRIC_RATE:
        return agg.kind == AGG_RATE;
    case METRIC_TREND:
        return agg.kind == AGG_AVG || agg.kind == AGG_MED || agg.kind == AGG_P;
    case METRIC_GAUGE:
        break;
    }
    return false;
}

void report_each_change(const struct report_input *in,
                        void (*fn)(void *arg, const struct estimates *e, size_t stat,
                                   const struct estimate *then, const struct change *change),
                        void *arg)
{
    for (size_t i = 0; in->baseline && i < in->estimate_count; i++) {
        const struct estimates *e = &in->estimates[i];

        for (size_t j = 0; j < e->count; j++) {
            struct estimate then;
            struct change change;

            if (is_own(e->metric) || !is_compared(e->metric, e->stats[j].agg) ||
                !baseline_find(in->baseline, e->name, e->stats[j].name, &then))
                continue;
            change_of(&then, &e->values[j], e->metric->type == METRIC_RATE, &change);
            fn(arg, e, j, &then, &change);
        }
    }
}

void report_put_value(const struct report_input *in, const struct metric *metric, struct agg agg,
                      double value, struct buf *out)
{
    if (metric->type == METRIC_RATE)
        format_percent(out, value);
    else
        format_value(out, agg.kind == AGG_COUNT ? METRIC_DEFAULT : metric->contains, value,
                     in->summary->unit);
    if (metric->type == METRIC_COUNTER && agg.kind == AGG_RATE)
        buf_append_c(out, "/s");
}
