/* Execution segments: which part of a test's VUs, iterations and arrivals one instance makes.
 *
 * A test is a row of numbered things: VU 0, 1, 2, ...; arrival 0, 1, 2, ... A segment owns some of
 * the numbers, evenly spread, so that any share of a load looks like the whole of it. Over a full
 * sequence of segments each number has exactly one owner: shares always add up.
 *
 * A stripe says which: within each cycle of `cycle` numbers those at `positions`. Segments nest
 * (region, agent, worker): the inner stripe counts what the outer one owns, so a segment is a chain
 * of stripes and no common denominator of all levels is ever needed.
 *
 * The order in a cycle: the next number goes to the segment that is due first, (owned + 1) / share,
 * the earlier segment on a tie. Source of what it must give: k6.md, "Execution segments, measured".
 */
#ifndef ENGINE_SEGMENT_H
#define ENGINE_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct stripe {
    uint64_t cycle;
    uint64_t count;      /* how many of a cycle are owned */
    uint64_t *positions; /* owned; ascending, below `cycle`; NULL: position `first` alone */
    uint64_t first;
    uint64_t *weights; /* owned; of all parts at this level; NULL: `cycle` equal ones */
    size_t parts;
    size_t index; /* which of them this is */
};

struct segment {
    struct stripe *stripes; /* outermost first; owned */
    size_t depth;           /* 0: the whole */
};

enum { SEGMENT_MAX_CYCLE = 10 * 1000 * 1000 };

void segment_init(struct segment *s); /* the whole */
void segment_deinit(struct segment *s);
void segment_copy(struct segment *dst, const struct segment *src);

/* From the options executionSegment ("20%", "1/3", "0:1/3", "0.5:0.75") and
 * executionSegmentSequence
 * ("0,1/3,2/3,1"; empty: the segment and what is left beside it). ERR_INVALID with a message. */
MUST_USE int segment_parse(struct str text, struct str sequence, struct segment *out,
                           struct diag *d);

/* Narrows `s` to part `index` of `count` equal parts of it. */
void segment_nest_equal(struct segment *s, uint64_t index, uint64_t count);

/* Narrows `s` to part `index` of parts with these weights (shares of regions, VUs of agents). */
void segment_nest_weighted(struct segment *s, const uint64_t *weights, size_t count, size_t index);

/* The segment that divides things as it divides `vus` VUs: what shared iterations are split by, so
 * that an instance without VUs gets none (k6.md: 17 iterations over 5 VUs in thirds are 7, 7, 3).
 */
void segment_by_vus(const struct segment *s, uint64_t vus, struct segment *out);

/* The segment that divides the arrivals of a scenario with `vus` VUs: `s`, but at a level where
 * some part has no VU arrivals are divided as VUs are, so that none comes where nobody could run
 * it. */
void segment_for_arrivals(const struct segment *s, uint64_t vus, struct segment *out);

/* How many of the numbers 0 .. total-1 the segment owns. */
uint64_t segment_scale(const struct segment *s, uint64_t total);

/* The number that is the k-th (from 0) of those owned: strictly increasing in k. */
uint64_t segment_index(const struct segment *s, uint64_t k);

#endif
