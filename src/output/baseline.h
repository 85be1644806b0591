/* A run kept to compare later ones with: --summary-baseline writes it, --baseline reads it.
 *
 *   {"gale_baseline": 1, "created": "...", "duration": 60.1, "metrics": {
 *     "http_req_duration": {"type": "trend", "contains": "time",
 *       "stats": {"p(95)": {"value": 212.4, "error": 3.1, "blocks": 30}, ...}}, ...}}
 *
 * `error` is the standard error of the value (metrics/blocks.h); without it a comparison has no
 * interval. The files of --summary-export, in both of its forms, can be read too: they have none.
 */
#ifndef OUTPUT_BASELINE_H
#define OUTPUT_BASELINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"
#include "metrics/metric.h"
#include "metrics/sink.h"
#include "output/summary.h"

struct baseline;
struct metric_total;
struct submetric;
struct threshold_set;
struct totals;

/* A statistic with what is known of its error. */
struct estimate {
    double value;
    double error;  /* standard error; only with blocks */
    size_t blocks; /* that the error rests on; 0: it is not known */
};

/* --- of a run ------------------------------------------------------------------------------- */

/* The statistics of one metric or sub-metric. */
struct estimates {
    const char *name; /* "http_req_duration{scenario:buy}" */
    const struct metric *metric;
    size_t count;
    struct summary_stat *stats; /* owned */
    struct estimate *values;    /* owned; by stat */
};

/* Those of all metrics with samples, in order; trends have the statistics that were asked for and
 * the usual ones. `*count` of them on the heap; free with estimates_free. */
struct estimates *estimates_of(const struct totals *totals, const struct summary_options *options,
                               double run_seconds, size_t *count);
void estimates_free(struct estimates *list, size_t count);

/* --- files ---------------------------------------------------------------------------------- */

/* JSON on the heap. */
char *baseline_text(const struct estimates *list, size_t count, double run_seconds);

/* ERR_INVALID with a message that names the file, or what reading it gave. */
MUST_USE int baseline_load(const char *path, struct baseline **out, struct diag *d);
/* The same of a text; `name` is for messages. */
MUST_USE int baseline_read(struct str text, const char *name, struct baseline **out,
                           struct diag *d);
void baseline_free(struct baseline *b); /* NULL is allowed */

/* False: the baseline has no such metric, or not that statistic of it ("p(95)", "rate"). */
bool baseline_find(const struct baseline *b, const char *metric, const char *stat,
                   struct estimate *out);

/* Gives thresholds on the change what they compare with; logs a warning for each that the baseline
 * has nothing for. */
void baseline_set(const struct baseline *b, const char *name, struct threshold_set *thresholds);

/* --- comparing ------------------------------------------------------------------------------ */

/* How `now` differs from `then`. Of a share (rate metrics) in percentage points, else in percent.
 */
struct change {
    double by; /* 0.1: a tenth more; of shares: 0.1 for 10 points more */
    bool has_interval;
    double low; /* of a 95 % confidence interval */
    double high;
    bool is_clear; /* the interval excludes "no change", and there is a change to be seen */
};

void change_of(const struct estimate *then, const struct estimate *now, bool is_share,
               struct change *out);

/* "+3.1 % (-0.4 to +6.8)", with "points" in place of % for shares; without an interval "+3.1 %". */
void change_format(const struct change *c, bool is_share, struct buf *out);

#endif
