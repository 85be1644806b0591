/* Mergeable histogram of doubles: times in milliseconds, sizes, whatever a Trend is given.
 *
 * Small series are exact: up to HIST_RAW_MAX values are kept as they are, and quantiles interpolate
 * between them as k6 does. Larger ones go into log-linear buckets over the number's own exponent
 * and the top bits of its mantissa, so that a reported quantile is at most 0.05 % from a recorded
 * value (BUCKET_BITS in hist.c). Count, sum, minimum and maximum are exact throughout.
 *
 * All histograms share one layout: merging is addition, in any order, on any machine, and gives the
 * same buckets as recording everything into one. NaN is not recorded; infinities, and sums that
 * overflow, count as the largest double.
 *
 * Threads: one owner at a time. */
#ifndef METRICS_HIST_H
#define METRICS_HIST_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

struct hist;

enum { HIST_RAW_MAX = 512 };

struct hist *hist_new(void);
void hist_free(struct hist *h);  /* NULL is allowed */
void hist_reset(struct hist *h); /* forgets every value, keeps some memory */

void hist_record(struct hist *h, double value);

/* Adds everything `src` has recorded to `dst`; `src` stays as it is. */
void hist_merge(struct hist *dst, const struct hist *src);

size_t hist_memory(const struct hist *h); /* bytes that it takes */

uint64_t hist_count(const struct hist *h);
double hist_sum(const struct hist *h);
double hist_min(const struct hist *h); /* 0 when empty, as are max and mean */
double hist_max(const struct hist *h);
double hist_mean(const struct hist *h);

/* The quantile `q` (0 to 1) by k6's rule: linear between the neighbours of rank q * (count - 1);
 * 0 when empty. */
double hist_quantile(const struct hist *h, double q);

/* Calls fn for each value (raw) or non-empty bucket (its middle), in ascending order. */
void hist_each(const struct hist *h, void (*fn)(void *arg, double value, uint64_t count),
               void *arg);

/* The wire form: compact, for hist_decode on any machine. */
void hist_encode(const struct hist *h, struct buf *out);
/* Adds what was encoded to `h`. ERR_SYNTAX on anything malformed, ERR_LIMIT on more buckets than
 * the layout has; `h` is unchanged then. */
MUST_USE int hist_decode(struct hist *h, struct str bytes);

#endif
