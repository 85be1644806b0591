/* What a metric's values add up to: a sum, a last value, a share, or a distribution.
 *
 * Sinks merge exactly, in any order: the sink of a whole run is the merge of its windows'. */
#ifndef METRICS_SINK_H
#define METRICS_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"
#include "metrics/metric.h"

struct hist;

struct sink {
    enum metric_type type;
    bool is_empty; /* nothing was added */
    union {
        double sum; /* counter */
        struct {
            double value; /* the latest by time */
            double min;
            double max;
            int64_t wall_nsec;
        } gauge;
        struct {
            uint64_t trues;
            uint64_t total;
        } rate;
        struct hist *hist; /* trend; owned; NULL while empty */
    };
};

void sink_init(struct sink *s, enum metric_type type);
void sink_deinit(struct sink *s);
void sink_add(struct sink *s, double value, int64_t wall_nsec);
void sink_merge(struct sink *dst, const struct sink *src);

/* Empties `src` into an initialised, empty `dst` without copying. */
void sink_move(struct sink *dst, struct sink *src);

/* --- aggregations ------------------------------------------------------------------------- */

enum agg_kind { AGG_COUNT, AGG_RATE, AGG_VALUE, AGG_AVG, AGG_MIN, AGG_MAX, AGG_MED, AGG_P };

struct agg {
    enum agg_kind kind;
    double p; /* of AGG_P: 0 to 100 */
};

/* "avg", "min", "med", "max", "p(99.9)", "count", "rate", "value"; false on anything else. */
bool agg_parse(struct str name, struct agg *out);

/* Whether k6 defines the aggregation for the type (k6-features.md THR-02); count on a trend is
 * allowed for summaries. */
bool agg_fits(struct agg agg, enum metric_type type);
const char *agg_names(enum metric_type type); /* "count, rate": for messages */

/* The aggregate. A counter's rate is per second of `run_seconds` (0 when that is 0). An empty sink
 * gives 0; a trend's count is the number of values. */
double sink_aggregate(const struct sink *s, struct agg agg, double run_seconds);

#endif
