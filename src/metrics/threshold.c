#include "metrics/threshold.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/mem.h"
#include "metrics/totals.h"

/* In matching order (k6-features.md THR-01). */
static const struct {
    const char *text;
    enum threshold_op op;
} ops[] = {
    {"<=", OP_LE},  {"<", OP_LT},  {">=", OP_GE}, {">", OP_GT},
    {"===", OP_EQ}, {"==", OP_EQ}, {"!=", OP_NE},
};

static int bad_syntax(struct str text, struct diag *d)
{
    return diag_set(d, ERR_SYNTAX,
                    "malformed threshold expression '%.*s': write AGGREGATION OPERATOR NUMBER, "
                    "as in 'p(95)<500' or 'rate>=0.99'",
                    STR_ARG(text));
}

/* Finds the operator: the first place where one of them stands. */
static bool split(struct str text, struct str *left, enum threshold_op *op, struct str *right)
{
    for (size_t at = 0; at < text.len; at++) {
        struct str rest = str_from_index(text, at);

        for (size_t i = 0; i < COUNT_OF(ops); i++) {
            if (!str_starts_with(rest, str_of(ops[i].text)))
                continue;
            *left = str_trim(str_slice(text, 0, at));
            *op = ops[i].op;
            *right = str_trim(str_from_index(rest, strlen(ops[i].text)));
            return true;
        }
    }
    return false;
}

/* '2%' on a rate, '500ms' on a time trend. */
static bool parse_short(struct str text, const struct metric *metric, struct threshold_expr *out)
{
    int64_t nsec;
    double percent;

    if (metric->type == METRIC_RATE && str_ends_with(text, STR("%")) &&
        str_to_double(str_trim(str_slice(text, 0, text.len - 1)), &percent)) {
        *out = (struct threshold_expr){.agg = {AGG_RATE, 0}, .op = OP_LT, .value = percent / 100};
        out->source = mem_printf("rate<%.15g", out->value);
        return true;
    }
    if (metric->type == METRIC_TREND && metric->contains == METRIC_TIME &&
        duration_parse(text, &nsec) == 0 && !str_eq_c(text, "0")) {
        *out = (struct threshold_expr){.agg = {AGG_P, 95}, .op = OP_LT, .value = nsec_to_ms(nsec)};
        out->source = mem_printf("p(95)<%.15g", out->value);
        return true;
    }
    return false;
}

/* "+10%", "-5.5%": the sign says that it is of a change. */
static bool parse_change(struct str text, double *out)
{
    double percent;

    if (text.len < 3 || (text.ptr[0] != '+' && text.ptr[0] != '-') ||
        !str_ends_with(text, STR("%")) ||
        !str_to_double(str_trim(str_slice(text, 1, text.len - 1)), &percent) || percent < 0)
        return false;
    *out = text.ptr[0] == '-' ? -percent / 100 : percent / 100;
    return true;
}

int threshold_parse(struct str text, const struct metric *metric, struct threshold_expr *out,
                    struct diag *d)
{
    struct threshold_expr e = {0};
    struct str left;
    struct str right;

    text = str_trim(text);
    if (parse_short(text, metric, out))
        return 0;
    if (!split(text, &left, &e.op, &right) || !agg_parse(left, &e.agg))
        return bad_syntax(text, d);
    e.of_change = parse_change(right, &e.value);
    if (!e.of_change && !str_to_double(right, &e.value))
        return bad_syntax(text, d);
    if (!agg_fits(e.agg, metric->type) || (metric->type == METRIC_TREND && e.agg.kind == AGG_COUNT))
        return diag_set(d, ERR_INVALID,
                        "threshold '%.*s' can't be used on metric '%.*s': a %s has only %s",
                        STR_ARG(text), STR_ARG(metric->name), metric_type_name(metric->type),
                        agg_names(metric->type));
    e.source = str_dup(text);
    *out = e;
    return 0;
}

void threshold_expr_deinit(struct threshold_expr *e)
{
    mem_free(e->source);
    e->source = NULL;
}

bool threshold_compare(enum threshold_op op, double left, double right)
{
    switch (op) {
    case OP_LT:
        return left < right;
    case OP_LE:
        return left <= right;
    case OP_GT:
        return left > right;
    case OP_GE:
        return left >= right;
    case OP_EQ:
        return !(left < right) && !(left > right);
    case OP_NE:
        return left < right || left > right;
    }
    return false;
}

/* --- sets --------------------------------------------------------------------------------- */

static int find_target(struct totals *totals, struct str selector, struct threshold *t,
                       struct diag *d)
{
    ptrdiff_t brace = str_find(selector, '{');
    struct str name = str_trim(str_slice(selector, 0, brace < 0 ? selector.len : (size_t)brace));

    t->metric = totals_find(totals, name);
    if (!t->metric)
        return diag_set(d, ERR_NOT_FOUND,
                        "threshold on unknown metric '%.*s': no metric of that name is built in or "
                        "made by the script",
                        STR_ARG(name));
    if (brace < 0)
        return 0;
    if (!str_ends_with(selector, STR("}")))
        return diag_set(d, ERR_SYNTAX, "malformed sub-metric '%.*s': } is missing",
                        STR_ARG(selector));
    return totals_add_submetric(totals, t->metric,
                                str_slice(selector, (size_t)brace + 1, selector.len - 1),
                                &t->submetric, d);
}

int threshold_add(struct threshold_set *set, struct totals *totals, struct str selector,
                  const struct threshold_spec *spec, struct diag *d)
{
    struct threshold *t = mem_zalloc(sizeof *t);
    int err = find_target(totals, str_trim(selector), t, d);

    if (err == 0)
        err = threshold_parse(spec->text, &t->metric->metric, &t->expr, d);
    if (err == 0 && t->expr.of_change && spec->window_nsec > 0) {
        err =
            diag_set(d, ERR_INVALID,
                     "threshold '%.*s': a change from a baseline is the whole run's: it can't have "
                     "a window",
                     STR_ARG(spec->text));
        threshold_expr_deinit(&t->expr);
    }
    if (err) {
        mem_free(t);
        diag_prefix(d, "thresholds");
        return err;
    }
    t->abort_on_fail = spec->abort_on_fail;
    t->delay_abort_nsec = spec->delay_abort_nsec;
    t->window_nsec = spec->window_nsec;
    t->for_nsec = spec->for_nsec;
    t->ok = true;
    t->bad_since_nsec = -1;
    t->failed_nsec = -1;
    if (t->window_nsec > 0)
        history_keep(t->submetric ? &t->submetric->history : &t->metric->history,
                     (size_t)((t->window_nsec + NSEC_PER_SEC - 1) / NSEC_PER_SEC));
    set->list = mem_reallocarray((void *)set->list, set->count + 1, sizeof *set->list);
    set->list[set->count++] = t;
    return 0;
}

void threshold_set_deinit(struct threshold_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        threshold_expr_deinit(&set->list[i]->expr);
        mem_free(set->list[i]);
    }
    mem_free((void *)set->list);
    *set = (struct threshold_set){NULL, 0};
}

/* --- judging ------------------------------------------------------------------------------ */

double threshold_change(double then, double now)
{
    if (then > 0 || then < 0)
        return (now - then) / fabs(then);
    return now > 0 ? INFINITY : now < 0 ? -INFINITY : 0;
}

/* Mid-run there is only a part to compare with the whole of the baseline. */
static bool judge_change(struct threshold *t, bool final)
{
    if (!final || !t->has_baseline)
        return true;
    t->last_change = threshold_change(t->baseline, t->last_value);
    return threshold_compare(t->expr.op, t->last_change, t->expr.value);
}

static bool judge_whole(struct threshold *t, int64_t run_nsec, bool final)
{
    const struct sink *sink = t->submetric ? &t->submetric->sink : &t->metric->sink;
    bool absent = t->metric->metric.type == METRIC_TREND || t->metric->metric.type == METRIC_RATE ||
                  t->metric->metric.type == METRIC_GAUGE;

    if (sink->is_empty && (!final || absent))
        return true;
    t->last_value = sink_aggregate(sink, t->expr.agg, nsec_to_sec(run_nsec));
    if (t->expr.of_change)
        return judge_change(t, final);
    return threshold_compare(t->expr.op, t->last_value, t->expr.value);
}

static bool judge_window(struct threshold *t, int64_t run_nsec)
{
    const struct history *history = t->submetric ? &t->submetric->history : &t->metric->history;
    int64_t seconds = (t->window_nsec + NSEC_PER_SEC - 1) / NSEC_PER_SEC;
    double span = nsec_to_sec(run_nsec < t->window_nsec ? run_nsec : t->window_nsec);
    struct sink sink;
    bool ok = true;

    sink_init(&sink, t->metric->metric.type);
    history_span(history, run_nsec / NSEC_PER_SEC, (size_t)seconds, &sink);
    if (!sink.is_empty) {
        t->last_value = sink_aggregate(&sink, t->expr.agg, span);
        ok = threshold_compare(t->expr.op, t->last_value, t->expr.value);
    }
    sink_deinit(&sink);
    if (ok) {
        t->bad_since_nsec = -1;
        return !t->crossed;
    }
    if (t->bad_since_nsec < 0)
        t->bad_since_nsec = run_nsec;
    if (run_nsec - t->bad_since_nsec >= t->for_nsec)
        t->crossed = true;
    return !t->crossed;
}

struct threshold_verdict threshold_evaluate(struct threshold_set *set, int64_t run_nsec, bool final)
{
    struct threshold_verdict verdict = {false, false};

    for (size_t i = 0; i < set->count; i++) {
        struct threshold *t = set->list[i];

        t->ok = t->window_nsec > 0 ? judge_window(t, run_nsec) : judge_whole(t, run_nsec, final);
        if (t->ok)
            continue;
        verdict.any_failed = true;
        if (t->failed_nsec < 0)
            t->failed_nsec = run_nsec;
        if (t->abort_on_fail && run_nsec > t->delay_abort_nsec)
            verdict.abort = true;
    }
    return verdict;
}
