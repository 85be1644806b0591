/* The end-of-test summary, in k6's layout (reference: summary-compact.txt, summary-full.txt;
 * k6-features.md section 25). */
#ifndef OUTPUT_SUMMARY_H
#define OUTPUT_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/diag.h"
#include "metrics/sink.h"
#include "output/format.h"

struct threshold;
struct threshold_set;
struct totals;

enum summary_mode { SUMMARY_COMPACT, SUMMARY_FULL, SUMMARY_DISABLED };

/* One statistic of trends: "p(95)" as it was asked for. */
struct summary_stat {
    char *name; /* owned */
    struct agg agg;
};

struct summary_options {
    enum summary_mode mode;
    struct summary_stat *stats;
    size_t stat_count;
    enum time_unit unit;
    bool color;
    const char *distance; /* emulated ("rtt=230ms"); NULL or empty: none */
    const char *notice;   /* what the run was told about itself (saturation); NULL: nothing */
};

/* Checks a list of statistics' names. ERR_INVALID with a message. */
MUST_USE int summary_stats_parse(const char *const *names, size_t count,
                                 struct summary_options *out, struct diag *d);
void summary_stats_deinit(struct summary_options *o);

/* Appends the text. `run_seconds` is what rates are per. */
void summary_text(const struct totals *totals, const struct threshold_set *thresholds,
                  double run_seconds, const struct summary_options *options, struct buf *out);

/* "p(95)=612ms": what a threshold was judged by, with the span or the change that it is about. */
void summary_threshold_value(const struct threshold *t, enum time_unit unit, struct buf *out);

#endif
