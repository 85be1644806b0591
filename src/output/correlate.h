/* Which of two rows of values by the second moved together, and with what delay: Pearson's
 * coefficient at each delay of some seconds, the strongest one of which counts.
 *
 * It is a hint and no proof: with many series and delays some will agree by chance, and values of
 * neighbouring seconds are not independent. correlate_chance says from which coefficient on that is
 * unlikely even so. */
#ifndef OUTPUT_CORRELATE_H
#define OUTPUT_CORRELATE_H

#include <stdbool.h>
#include <stddef.h>

struct correlation {
    double coefficient; /* -1 to 1 */
    int lag;            /* seconds by which `a` moved before `b`; negative: after it */
    size_t pairs;       /* seconds that both have at that lag */
};

enum { CORRELATE_LAG_MAX = 10, CORRELATE_SECONDS_MIN = 20 };

/* NAN stands for a second without a value. Lags go to a quarter of the length at most. False when
 * the rows are too short or one of them never moves. */
bool correlate(const double *a, const double *b, size_t count, struct correlation *out);

/* The coefficient that unrelated rows exceed in at most one of twenty tables, when the strongest of
 * `tests` series and all lags is looked for (Fisher's transformation, Bonferroni's correction). */
double correlate_chance(size_t pairs, size_t tests);

/* The second from which on the row lies on another level: where the sum of deviations from the mean
 * is furthest from zero. -1: it never moves. */
long correlate_onset(const double *a, size_t count);

#endif
