/* Thresholds: pass/fail criteria over the totals, by k6's grammar and gale's short forms.
 *
 *   'p(95)<500'  'rate>=0.99'  'count<10'       AGG OP NUMBER (k6-features.md section 9)
 *   '2%'         on a rate: rate<0.02
 *   '500ms'      on a time trend: p(95)<500
 *   'p(95)<+10%' on the change from a baseline (gale's): a sign, a number, %
 *
 * A threshold with a window is judged on the last seconds only, and counts as crossed when that has
 * held for `for` (gale's extension). One on the change is judged once, at the end, and passes when
 * there is no baseline. */
#ifndef METRICS_THRESHOLD_H
#define METRICS_THRESHOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"
#include "metrics/metric.h"
#include "metrics/sink.h"

struct totals;
struct metric_total;
struct submetric;

enum threshold_op { OP_LT, OP_LE, OP_GT, OP_GE, OP_EQ, OP_NE };

struct threshold_expr {
    char *source; /* the expanded form, as shown: "p(95)<500"; owned */
    struct agg agg;
    enum threshold_op op;
    double value;
    bool of_change; /* value is a share of the baseline: 0.1 for +10% */
};

/* Parses and checks one expression for a metric. ERR_SYNTAX or ERR_INVALID with a message that
 * names what is wrong and what is allowed. */
MUST_USE int threshold_parse(struct str text, const struct metric *metric,
                             struct threshold_expr *out, struct diag *d);
void threshold_expr_deinit(struct threshold_expr *e);
/* now / then - 1; infinite when there was nothing then and is something now. */
double threshold_change(double then, double now);
bool threshold_compare(enum threshold_op op, double left, double right);

struct threshold {
    struct threshold_expr expr;
    bool abort_on_fail;
    int64_t delay_abort_nsec; /* no abort before this much of the run */
    int64_t window_nsec;      /* 0: the whole run */
    int64_t for_nsec;

    struct metric_total *metric;
    struct submetric *submetric; /* NULL: the metric itself */
    bool ok;                     /* the last verdict; true before the first */
    bool crossed;                /* of a window: it has been crossed once, which stays so */
    double last_value;
    int64_t failed_nsec;    /* of the run: when the verdict was bad for the first time; -1: never */
    bool has_baseline;      /* of a change: the two below are set */
    double baseline;        /* the aggregate in the run that this one is compared with */
    double last_change;     /* +0.1: a tenth more */
    int64_t bad_since_nsec; /* of a window: when it began to fail; -1: it does not */
};

struct threshold_spec {
    struct str text;
    bool abort_on_fail;
    int64_t delay_abort_nsec;
    int64_t window_nsec;
    int64_t for_nsec;
};

struct threshold_set {
    struct threshold **list; /* in the order of the script */
    size_t count;
};

/* Adds a threshold on "metric" or "metric{tag:value}", which must exist in the totals (metrics are
 * registered by then: an unknown one is an error, k6's exit code 104). */
MUST_USE int threshold_add(struct threshold_set *set, struct totals *totals, struct str selector,
                           const struct threshold_spec *spec, struct diag *d);
void threshold_set_deinit(struct threshold_set *set);

/* The verdict of one evaluation. */
struct threshold_verdict {
    bool any_failed;
    bool abort; /* one that fails has abortOnFail and its delay is over */
};

/* Judges all of them at `run_nsec` of the run. Metrics without samples are passed over unless
 * `final`, when an empty one passes (k6-features.md THR-05). */
struct threshold_verdict threshold_evaluate(struct threshold_set *set, int64_t run_nsec,
                                            bool final);

#endif
