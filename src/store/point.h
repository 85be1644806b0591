/* Sinks as bytes, and rows of them: what the store's blobs hold. Internal to src/store.
 *
 *   point   of a sink, by its metric's type: counter NUMBER; gauge NUMBER value, min, max, varint
 *           time; rate varint trues, varint total; trend hist_encode
 *   NUMBER  a varint: of a whole number its zigzag doubled; else 1 and eight bytes
 *   row     varint alias plus 1: the points are those of that series; or 0 and points, each with
 *           its slot (as the step from the one before) and its length in front. A slot is a
 *           second's or step's number in a series' row, a series' number in a second's row */
#ifndef STORE_POINT_H
#define STORE_POINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "metrics/sink.h"

/* Gauges of what there is at a moment, which add up over sources: vus, vus_max. */
bool point_adds_up(struct str metric);

/* Appends a sink that is not empty. */
void point_encode(const struct sink *sink, struct buf *out);

/* Merges what was encoded into `dst`. ERR_SYNTAX when it is malformed. */
MUST_USE int point_add(struct sink *dst, struct str bytes);

/* --- rows --------------------------------------------------------------------------------- */

struct row_writer {
    struct buf *out;
    uint64_t last;
};

void row_begin(struct row_writer *w, struct buf *out);
void row_alias(struct buf *out, uint32_t series);
/* Slots ascend. */
void row_put(struct row_writer *w, uint64_t slot, struct str point);

struct row_reader {
    struct str rest;
    uint64_t slot;
    bool is_alias;
    uint32_t alias;
};

MUST_USE int row_open(struct row_reader *r, struct str row);
/* 1 with the next point, 0 at the end, ERR_SYNTAX. */
MUST_USE int row_next(struct row_reader *r, struct str *point);

#endif
