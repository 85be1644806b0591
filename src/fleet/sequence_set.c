#include "fleet/sequence_set.h"

#include <string.h>

#include "base/mem.h"

void sequence_set_init(struct sequence_set *s)
{
    *s = (struct sequence_set){0};
}

void sequence_set_deinit(struct sequence_set *s)
{
    mem_free(s->ranges);
    sequence_set_init(s);
}

static void remove_range(struct sequence_set *s, size_t at)
{
    s->count--;
    memmove(s->ranges + at, s->ranges + at + 1, (s->count - at) * sizeof *s->ranges);
}

static void insert_range(struct sequence_set *s, size_t at, struct sequence_range range)
{
    if (!s->ranges)
        s->ranges = mem_calloc(SEQUENCE_SET_MAX_RANGES + 1, sizeof *s->ranges);
    memmove(s->ranges + at + 1, s->ranges + at, (s->count - at) * sizeof *s->ranges);
    s->ranges[at] = range;
    s->count++;
}

/* The first range that ends at `number` or behind it. */
static size_t find(const struct sequence_set *s, uint64_t number)
{
    size_t low = 0;
    size_t high = s->count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (s->ranges[mid].to < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Moves the mark over what follows it. */
static void advance(struct sequence_set *s)
{
    while (s->count > 0 && s->ranges[0].from == s->upto + 1) {
        s->upto = s->ranges[0].to;
        remove_range(s, 0);
    }
}

static void add_behind(struct sequence_set *s, size_t at, uint64_t number)
{
    bool joins_left = at > 0 && s->ranges[at - 1].to + 1 == number;
    bool joins_right = at < s->count && s->ranges[at].from == number + 1;

    if (joins_left && joins_right) {
        s->ranges[at - 1].to = s->ranges[at].to;
        remove_range(s, at);
    } else if (joins_left) {
        s->ranges[at - 1].to = number;
    } else if (joins_right) {
        s->ranges[at].from = number;
    } else {
        insert_range(s, at, (struct sequence_range){number, number});
    }
}

bool sequence_set_add(struct sequence_set *s, uint64_t number)
{
    size_t at;

    if (number <= s->upto)
        return false;
    if (number == s->upto + 1) {
        s->upto = number;
        advance(s);
        return true;
    }
    at = find(s, number);
    if (at < s->count && s->ranges[at].from <= number)
        return false;
    add_behind(s, at, number);
    if (s->count > SEQUENCE_SET_MAX_RANGES) {
        s->given_up += s->ranges[0].from - s->upto - 1;
        s->upto = s->ranges[0].from - 1;
        advance(s);
    }
    return true;
}

uint64_t sequence_set_missing(const struct sequence_set *s)
{
    uint64_t missing = s->given_up;
    uint64_t upto = s->upto;

    for (size_t i = 0; i < s->count; i++) {
        missing += s->ranges[i].from - upto - 1;
        upto = s->ranges[i].to;
    }
    return missing;
}
