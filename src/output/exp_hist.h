/* A distribution in exponential buckets, as OpenTelemetry's exponential and Prometheus' native
 * histograms have them.
 *
 * Bucket i of scale s holds what is above base^(i-1) and up to base^i, where base = 2^(2^-s); that
 * is Prometheus' numbering, OpenTelemetry's is one less. Negative values have a mirror. Each value
 * counts where the histogram it comes from knows it to be (metrics/hist.h: 0.05 % off at most). */
#ifndef OUTPUT_EXP_HIST_H
#define OUTPUT_EXP_HIST_H

#include <stddef.h>
#include <stdint.h>

struct hist;

struct exp_buckets {
    int32_t first;    /* number of the first bucket */
    uint64_t *counts; /* owned; NULL: none */
    size_t count;
};

struct exp_hist {
    int scale;
    uint64_t count; /* of all values */
    uint64_t zeros; /* at most EXP_HIST_ZERO from zero */
    struct exp_buckets positive;
    struct exp_buckets negative;
};

#define EXP_HIST_ZERO 0x1p-128

/* Of the values times `unit`, with the largest scale up to max_scale at which neither side has more
 * than max_buckets (at least 2). */
void exp_hist_init(struct exp_hist *e, const struct hist *h, double unit, int max_scale,
                   size_t max_buckets);
void exp_hist_deinit(struct exp_hist *e);

#endif
