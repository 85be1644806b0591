#include "net/bandwidth.h"

#include <stdio.h>

#include "base/err.h"

static const struct {
    const char *name;
    uint64_t bits;
} units[] = {
    {"gbit", 1000000000},
    {"mbit", 1000000},
    {"kbit", 1000},
    {"bit", 1},
};

void bandwidth_init(struct bandwidth *b, uint64_t rate)
{
    b->nsec_per_byte = rate ? 8e9 / (double)rate : 0;
    atomic_init(&b->free, 0);
}

int64_t bandwidth_take(struct bandwidth *b, size_t bytes, int64_t now)
{
    int64_t span = bandwidth_nsec(b, bytes);
    int64_t free = atomic_load_explicit(&b->free, memory_order_relaxed);
    int64_t begin;

    if (b->nsec_per_byte == 0)
        return now;
    do {
        begin = free > now ? free : now;
    } while (!atomic_compare_exchange_weak_explicit(&b->free, &free, begin + span,
                                                    memory_order_relaxed, memory_order_relaxed));
    return begin;
}

int rate_parse(struct str text, uint64_t *out)
{
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        struct str unit = str_of(units[i].name);
        double number;

        if (!str_ends_with(text, unit))
            continue;
        if (!str_to_double(str_slice(text, 0, text.len - unit.len), &number))
            return ERR_INVALID;
        number *= (double)units[i].bits;
        if (!(number >= 1e3 && number <= 1e12))
            return ERR_INVALID;
        *out = (uint64_t)number;
        return 0;
    }
    return ERR_INVALID;
}

char *rate_format(uint64_t rate, char *out)
{
    size_t unit = 0;

    while (rate % units[unit].bits != 0)
        unit++;
    snprintf(out, RATE_TEXT_MAX, "%llu%s", (unsigned long long)(rate / units[unit].bits),
             units[unit].name);
    return out;
}
