/* Rows of seconds into rows of series, and those into coarser ones. Internal to src/store.
 *
 *   seconds    of a region: all series in a row         the newest, and late ones
 *   level 1    of a series: a minute in a row           60 points
 *   level 10, 60, 600   of a series: ten minutes in a row   60, 10 points, 1 */
#ifndef STORE_TIDY_H
#define STORE_TIDY_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct store;
struct diag;

enum {
    MINUTE = 60,
    BLOCK = 600,
    TIDY_GRACE = 10, /* seconds to wait for windows that are late, which otherwise cost more */
    LEVEL_COUNT = 4,
};
extern const int tidy_levels[LEVEL_COUNT]; /* seconds per point */
int tidy_row_seconds(size_t level);        /* seconds per row; of an index into tidy_levels */

/* The last multiple of `length` that is not behind `second`, which may be negative. */
static inline int64_t tidy_floor(int64_t second, int64_t length)
{
    int64_t rest = second % length;

    return second - (rest < 0 ? rest + length : rest);
}

/* The same statement for the table of each level. */
#define LEVEL_SQL(before, after)                                                                   \
    {                                                                                              \
        before "points_1" after, before "points_10" after, before "points_60" after,               \
            before "points_600" after                                                              \
    }

/* One due piece of a run: 1; 0: nothing is due. In a transaction. */
MUST_USE int tidy_windows(struct store *s, struct diag *d);

#endif
