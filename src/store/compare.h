/* Two runs side by side: is what differs more than chance?
 *
 * The common span is cut into blocks. Both runs' blocks are drawn again and again, with
 * replacement and the same ones of both, and each time the statistic's difference is taken: the
 * spread of these is the difference's confidence interval (a paired block bootstrap; why, and what
 * it can't say, is in docs/statistics.md). The draws come from a fixed seed: the same runs give the
 * same answer. */
#ifndef STORE_COMPARE_H
#define STORE_COMPARE_H

#include "metrics/metric.h"
#include "metrics/sink.h"
#include "store/store.h"

struct arena;

enum {
    COMPARE_DRAWS = 1000,
    COMPARE_LEAST_BLOCKS = 10, /* fewer say nothing */
    COMPARE_MOST_BLOCKS = 40,
    COMPARE_LEAST_SECONDS = 10, /* of a block: neighbouring seconds are alike */
};

struct store_compare {
    const char *run;
    const char *base;
    int64_t from; /* seconds of either run */
    int64_t to;   /* 0: to the end of the shorter one */
    bool by_region;
    double least_percent; /* smaller differences are called the same */
};

enum compare_verdict {
    COMPARE_SAME,
    COMPARE_BETTER,
    COMPARE_WORSE,
    COMPARE_DIFFERENT, /* where neither direction is better */
    COMPARE_UNCLEAR,   /* too few blocks, or one run has nothing */
};
const char *compare_verdict_name(enum compare_verdict verdict);

struct store_difference {
    struct str metric;
    enum metric_type type;
    enum metric_contains contains;
    struct agg agg;
    struct str region; /* ptr NULL: all of them together */
    int better;        /* -1: less is better, 1: more is, 0: neither */
    double base;       /* NAN: nothing there, as are those that follow from it */
    double value;
    double low; /* of value - base, 95 % */
    double high;
    double p; /* two-sided */
    enum compare_verdict verdict;
};

struct store_comparison {
    struct store_difference
        *list; /* by metric in the order of the run's first sight, then region */
    size_t count;
    int64_t from; /* what was compared */
    int64_t to;
    int64_t block; /* seconds */
    struct arena *_texts;
};

/* Trends by avg, p(50), p(95), p(99); counters by rate; rates by rate; gauges not at all. Metrics
 * that both runs have. Takes some tenth of a second for each metric and region. */
MUST_USE int store_compare_runs(struct store *s, const struct store_compare *ask,
                                struct store_comparison *out, struct diag *d);
void store_comparison_deinit(struct store_comparison *c);

#endif
