/* Rows of series while they are made. Internal to src/store: tidy.c makes minutes, roll.c ten of
 * them. */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "metrics/sink.h"

struct diag;
struct dictionary;
struct store;

/* Of one run and one region. */
struct tidy {
    struct store *store;
    struct dictionary *dict;
    int64_t region;
    struct diag *diag;
};

/* -EBADMSG with a message: bytes of the store are not what they should be. */
int rows_damaged(const struct tidy *t);

/* Puts a row of a level (index into tidy_levels), in place of the one that is there. */
MUST_USE int rows_put(const struct tidy *t, size_t level, uint32_t series, int64_t start,
                      struct str row);
/* Appends a minute's row to `out` (empty: there is none). */
MUST_USE int rows_get_minute(const struct tidy *t, uint32_t series, int64_t minute,
                             struct buf *out);
/* Adds a row's points to the sinks of their slots, `per_sink` slots each. */
MUST_USE int rows_add(const struct tidy *t, struct str row, struct sink *sinks, size_t count,
                      uint64_t per_sink);
/* A row of the sinks that are not empty. */
void rows_encode(const struct sink *sinks, size_t count, struct buf *out);

void sinks_init(struct sink *sinks, size_t count, enum metric_type type);
void sinks_deinit(struct sink *sinks, size_t count);

#endif
