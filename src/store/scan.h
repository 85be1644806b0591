/* Reads the points of a span from the fewest rows: coarse levels where the span covers their steps
 * and they are there, finer ones at its edges and for what is new. Internal to src/store. */
#ifndef STORE_SCAN_H
#define STORE_SCAN_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"
#include "store/dictionary.h"

enum { SCAN_SKIP = -1 };

struct scan {
    struct store *store;
    const struct dictionary *dict;
    /* What the points of a series are for: a number of the caller's by series id, SCAN_SKIP: not
     * wanted. For rows of series, where a total may stand for all of its metric, and for rows of
     * seconds, which have no totals. */
    const int32_t *in_rows;
    const int32_t *in_seconds;
    int max_level; /* the longest points that will do */
    /* One point: the seconds from `second` on, of a level's length. Negative ends the scan. */
    int (*fn)(void *arg, int32_t number, int64_t region, int64_t second, struct str point);
    void *arg;
    struct diag *diag;
};

/* One region from second `from` to `to`. */
MUST_USE int scan_region(const struct scan *s, int64_t region, int64_t from, int64_t to);

/* The first and the last second of [from, to) in which a series has a point in a region;
 * INT64_MAX and INT64_MIN: in none.
 * Of the scan's fields only store, dict and diag are used. */
MUST_USE int scan_ends(const struct scan *s, uint32_t series, int64_t region, const int64_t span[2],
                       int64_t out[2]);

/* -EBADMSG with a message: what a point's decoding failed with. */
int scan_damaged(const struct scan *s);

#endif
