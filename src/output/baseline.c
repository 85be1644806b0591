#include "output/baseline.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "metrics/blocks.h"
#include "metrics/threshold.h"
#include "metrics/totals.h"
#include "output/json_text.h"

#define CHANGE_SHOWN 1e-3 /* the last digit that change_format shows */

struct baseline {
    json_t *metrics; /* owned: {"name": {"p(95)": number or {value, error, blocks}}} */
};

/* --- of a run ----------------------------------------------------------------------------- */

static void add_stat(struct estimates *e, const char *name, struct agg agg)
{
    for (size_t i = 0; i < e->count; i++) {
        if (strcmp(e->stats[i].name, name) == 0)
            return;
    }
    e->stats = mem_reallocarray(e->stats, e->count + 1, sizeof *e->stats);
    e->stats[e->count++] = (struct summary_stat){mem_strdup(name), agg};
}

static void choose_stats(struct estimates *e, const struct summary_options *options)
{
    static const char *const usual[] = {"avg",   "min",   "med",   "max",
                                        "p(90)", "p(95)", "p(99)", "count"};

    switch (e->metric->type) {
    case METRIC_COUNTER:
        add_stat(e, "count", (struct agg){AGG_COUNT, 0});
        add_stat(e, "rate", (struct agg){AGG_RATE, 0});
        break;
    case METRIC_GAUGE:
        add_stat(e, "value", (struct agg){AGG_VALUE, 0});
        break;
    case METRIC_RATE:
        add_stat(e, "rate", (struct agg){AGG_RATE, 0});
        break;
    case METRIC_TREND:
        for (size_t i = 0; i < options->stat_count; i++)
            add_stat(e, options->stats[i].name, options->stats[i].agg);
        for (size_t i = 0; i < COUNT_OF(usual); i++) {
            struct agg agg;

            if (agg_parse(str_of(usual[i]), &agg))
                add_stat(e, usual[i], agg);
        }
        break;
    }
}

/* What all blocks but one say of these says little of its error. */
static bool has_error(const struct metric *metric, struct agg agg)
{
    return metric->type != METRIC_TREND ||
           (agg.kind != AGG_MIN && agg.kind != AGG_MAX && agg.kind != AGG_COUNT);
}

static void fill(struct estimates *e, const struct sink *sink, const struct blocks *blocks,
                 double run_seconds)
{
    struct agg *aggs = mem_calloc(e->count, sizeof *aggs);
    double *errors = mem_calloc(e->count, sizeof *errors);
    size_t n;

    for (size_t i = 0; i < e->count; i++)
        aggs[i] = e->stats[i].agg;
    n = blocks_errors(blocks, aggs, e->count, errors);
    e->values = mem_calloc(e->count, sizeof *e->values);
    for (size_t i = 0; i < e->count; i++) {
        bool per_run = e->metric->type == METRIC_COUNTER && aggs[i].kind == AGG_COUNT;

        e->values[i].value = sink_aggregate(sink, aggs[i], run_seconds);
        if (n == 0 || !has_error(e->metric, aggs[i]))
            continue;
        e->values[i].blocks = n;
        e->values[i].error = per_run ? errors[i] * run_seconds : errors[i];
    }
    mem_free(aggs);
    mem_free(errors);
}

static struct estimates *append(struct estimates *list, size_t *count, const char *name,
                                const struct metric *metric)
{
    list = mem_reallocarray(list, *count + 1, sizeof *list);
    list[*count] = (struct estimates){.name = name, .metric = metric};
    ++*count;
    return list;
}

struct estimates *estimates_of(const struct totals *totals, const struct summary_options *options,
                               double run_seconds, size_t *count)
{
    struct estimates *list = NULL;

    *count = 0;
    for (size_t i = 0; i < totals->metric_count; i++) {
        const struct metric_total *m = totals->metrics[i];

        if (!m->seen)
            continue;
        list = append(list, count, m->metric.name.ptr, &m->metric);
        choose_stats(&list[*count - 1], options);
        fill(&list[*count - 1], &m->sink, m->blocks, run_seconds);
        for (const struct submetric *sub = m->submetrics; sub; sub = sub->next) {
            if (sub->sink.is_empty)
                continue;
            list = append(list, count, sub->full_name, &m->metric);
            choose_stats(&list[*count - 1], options);
            fill(&list[*count - 1], &sub->sink, sub->blocks, run_seconds);
        }
    }
    return list;
}

void estimates_free(struct estimates *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < list[i].count; j++)
            mem_free(list[i].stats[j].name);
        mem_free(list[i].stats);
        mem_free(list[i].values);
    }
    mem_free(list);
}

/* --- files -------------------------------------------------------------------------------- */

static json_t *stats_json(const struct estimates *e)
{
    json_t *stats = json_object();

    for (size_t i = 0; i < e->count; i++) {
        const struct estimate *v = &e->values[i];
        json_t *json = json_object();

        json_object_set_new(json, "value", json_real(v->value));
        if (v->blocks > 0) {
            json_object_set_new(json, "error", json_real(v->error));
            json_object_set_new(json, "blocks", json_integer((json_int_t)v->blocks));
        }
        json_object_set_new(stats, e->stats[i].name, json);
    }
    return stats;
}

char *baseline_text(const struct estimates *list, size_t count, double run_seconds)
{
    json_t *metrics = json_object();
    char now[40];
    json_t *all;
    char *text;

    clock_rfc3339(clock_wall(), 0, now, sizeof now);
    for (size_t i = 0; i < count; i++)
        json_object_set_new(metrics, list[i].name,
                            json_pack("{s:s, s:s, s:o}", "type",
                                      metric_type_name(list[i].metric->type), "contains",
                                      metric_contains_name(list[i].metric->contains), "stats",
                                      stats_json(&list[i])));
    all = json_pack("{s:i, s:s, s:f, s:o}", "gale_baseline", 1, "created", now, "duration",
                    run_seconds, "metrics", metrics);
    text = json_text(all, 2);
    json_decref(all);
    return text;
}

/* Of the machine-readable form: a list of metrics, whose "p95" is p(95). */
static json_t *from_results(const json_t *results)
{
    json_t *metrics = json_object();
    json_t *metric;
    size_t i;

    json_array_foreach(json_object_get(results, "metrics"), i, metric)
    {
        const char *name = json_string_value(json_object_get(metric, "name"));
        json_t *stats = json_object();
        const char *key;
        json_t *value;

        json_object_foreach(json_object_get(metric, "values"), key, value)
        {
            bool is_percentile = key[0] == 'p' && key[1] >= '0' && key[1] <= '9';
            char *stat = is_percentile ? mem_printf("p(%s)", key + 1) : mem_strdup(key);

            json_object_set(stats, stat, value);
            mem_free(stat);
        }
        json_object_set_new(metrics, name ? name : "", stats);
    }
    return metrics;
}

/* Of gale's own form, the statistics; of --summary-export's, the values. NULL: it is neither. */
static json_t *metrics_of(const json_t *all)
{
    const json_t *results = json_object_get(all, "results");
    const json_t *metrics = json_object_get(all, "metrics");
    json_t *out;
    const char *name;
    json_t *value;

    if (json_is_array(json_object_get(results, "metrics")))
        return from_results(results);
    if (!json_is_object(metrics))
        return NULL;
    out = json_object();
    json_object_foreach((json_t *)(uintptr_t)metrics, name, value)
    {
        json_t *stats = json_object_get(value, "stats");

        json_object_set(out, name, json_is_object(stats) ? stats : value);
    }
    return out;
}

/* Takes the reference. */
static int take(json_t *all, const json_error_t *error, const char *name, struct baseline **out,
                struct diag *d)
{
    json_t *metrics = metrics_of(all);

    if (!metrics || json_object_size(metrics) == 0) {
        if (!all && error->line > 0)
            diag_set(d, ERR_INVALID, "baseline '%s', line %d: %s", name, error->line, error->text);
        else if (!all)
            diag_set(d, ERR_INVALID, "baseline: %s", error->text);
        else
            diag_set(d, ERR_INVALID,
                     "baseline '%s' has no metrics: use a file written by --summary-baseline or "
                     "--summary-export",
                     name);
        json_decref(metrics);
        json_decref(all);
        return ERR_INVALID;
    }
    *out = mem_zalloc(sizeof **out);
    (*out)->metrics = metrics;
    json_decref(all);
    return 0;
}

int baseline_load(const char *path, struct baseline **out, struct diag *d)
{
    json_error_t error;
    json_t *all = json_load_file(path, 0, &error);

    return take(all, &error, path, out, d);
}

int baseline_read(struct str text, const char *name, struct baseline **out, struct diag *d)
{
    json_error_t error;
    json_t *all = json_loadb(text.len ? text.ptr : "", text.len, 0, &error);

    return take(all, &error, name, out, d);
}

static void set_threshold(const struct baseline *b, const char *baseline, struct threshold *t)
{
    const char *metric = t->submetric ? t->submetric->full_name : t->metric->metric.name.ptr;
    struct str source = str_of(t->expr.source);
    size_t end = 0;
    char *stat;
    struct estimate then;

    while (end < source.len && !strchr("<>=!", source.ptr[end]))
        end++;
    stat = str_dup(str_trim(str_slice(source, 0, end)));
    t->has_baseline = baseline_find(b, metric, stat, &then);
    t->baseline = then.value;
    if (!t->has_baseline)
        log_printf(LOG_WARN, "baseline '%s' has no %s of %s: the threshold '%s' is not judged",
                   baseline, stat, metric, t->expr.source);
    mem_free(stat);
}

void baseline_set(const struct baseline *b, const char *name, struct threshold_set *thresholds)
{
    for (size_t i = 0; i < thresholds->count; i++) {
        if (thresholds->list[i]->expr.of_change)
            set_threshold(b, name, thresholds->list[i]);
    }
}

void baseline_free(struct baseline *b)
{
    if (!b)
        return;
    json_decref(b->metrics);
    mem_free(b);
}

bool baseline_find(const struct baseline *b, const char *metric, const char *stat,
                   struct estimate *out)
{
    const json_t *stats = json_object_get(b->metrics, metric);
    const json_t *json = json_object_get(stats, stat);
    json_int_t blocks;

    if (!json && strcmp(stat, "rate") == 0)
        json = json_object_get(stats, "value"); /* what --summary-export calls a share */
    *out = (struct estimate){0};
    if (json_is_number(json)) {
        out->value = json_number_value(json);
        return true;
    }
    if (!json_is_number(json_object_get(json, "value")))
        return false;
    out->value = json_number_value(json_object_get(json, "value"));
    out->error = json_number_value(json_object_get(json, "error"));
    blocks = json_integer_value(json_object_get(json, "blocks"));
    out->blocks = blocks > 1 && out->error >= 0 ? (size_t)blocks : 0;
    return true;
}

/* --- comparing ---------------------------------------------------------------------------- */

/* The 97.5 % quantile of Student's distribution, by its expansion around the normal one's
 * (Abramowitz and Stegun 26.7.5); 0.3 % off with 4 degrees of freedom, less with more. */
static double student(double freedom)
{
    const double z = 1.959963984540054;
    double z3 = z * z * z;
    double z5 = z3 * z * z;
    double z7 = z5 * z * z;

    return z + (z3 + z) / (4 * freedom) + (5 * z5 + 16 * z3 + 3 * z) / (96 * freedom * freedom) +
           (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * freedom * freedom * freedom);
}

/* Half of the interval's width for two errors, by Welch and Satterthwaite. */
static double half_width(double a, size_t a_blocks, double b, size_t b_blocks)
{
    double sum = a * a + b * b;
    double below = pow(a, 4) / (double)(a_blocks - 1) + pow(b, 4) / (double)(b_blocks - 1);

    return sum > 0 && below > 0 ? student(sum * sum / below) * sqrt(sum) : 0;
}

void change_of(const struct estimate *then, const struct estimate *now, bool is_share,
               struct change *out)
{
    bool is_known = then->blocks > 1 && now->blocks > 1;
    double half;

    *out = (struct change){0};
    if (is_share) {
        out->by = now->value - then->value;
        out->has_interval = is_known;
        half = is_known ? half_width(then->error, then->blocks, now->error, now->blocks) : 0;
        out->low = out->by - half;
        out->high = out->by + half;
    } else {
        out->by = threshold_change(then->value, now->value);
        if (is_known && then->value > 0 && now->value > 0) {
            /* A quotient's logarithm is nearer to normal, and its error is that of a sum. */
            half = half_width(then->error / then->value, then->blocks, now->error / now->value,
                              now->blocks);
            out->has_interval = true;
            out->low = exp(log(now->value / then->value) - half) - 1;
            out->high = exp(log(now->value / then->value) + half) - 1;
        }
    }
    out->is_clear =
        out->has_interval && (out->low > 0 || out->high < 0) && fabs(out->by) >= CHANGE_SHOWN / 2;
}

static void put_number(struct buf *out, double share)
{
    if (isinf(share))
        buf_append_c(out, share > 0 ? "+∞" : "−∞");
    else
        buf_printf(out, "%+.1f", share * 100);
}

void change_format(const struct change *c, bool is_share, struct buf *out)
{
    put_number(out, c->by);
    buf_append_c(out, is_share ? " points" : " %");
    if (!c->has_interval)
        return;
    buf_append_c(out, " (");
    put_number(out, c->low);
    buf_append_c(out, " to ");
    put_number(out, c->high);
    buf_append_char(out, ')');
}
