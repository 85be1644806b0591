/* Which numbers of a sequence have come: all up to a mark, and ranges behind it.
 *
 * For messages that come once each, nearly in order: the ranges are few. Past MAX_RANGES the oldest
 * gap is given up: its numbers count as come. */
#ifndef FLEET_SEQUENCE_SET_H
#define FLEET_SEQUENCE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sequence_range {
    uint64_t from;
    uint64_t to; /* both included */
};

struct sequence_set {
    uint64_t upto; /* 1 to this have come */
    uint64_t given_up;
    struct sequence_range *ranges; /* ascending, apart from each other and from `upto`; owned */
    size_t count;
};

enum { SEQUENCE_SET_MAX_RANGES = 1024 };

void sequence_set_init(struct sequence_set *s);
void sequence_set_deinit(struct sequence_set *s);

/* False when it was there already. Numbers start at 1. */
bool sequence_set_add(struct sequence_set *s, uint64_t number);

/* How many below the highest have not come. */
uint64_t sequence_set_missing(const struct sequence_set *s);

#endif
