/* A line of so many bits per second that many connections share, on any thread.
 *
 * It is one queue without an end: who takes some of it is told when its bytes begin to go, behind
 * all that was taken before. Fairness is the takers' part: each takes a little, and more when that
 * is gone (emulate.c). One atomic number; this is one of the few places where threads meet. */
#ifndef NET_BANDWIDTH_H
#define NET_BANDWIDTH_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"

struct bandwidth {
    double nsec_per_byte; /* 0: no limit */
    _Atomic int64_t free; /* monotonic: when what was taken has gone */
};

/* `rate` in bits per second; 0: no limit. */
void bandwidth_init(struct bandwidth *b, uint64_t rate);

/* When `bytes` begin to go, at the earliest `now`. They have gone bandwidth_nsec later. */
int64_t bandwidth_take(struct bandwidth *b, size_t bytes, int64_t now);

static inline int64_t bandwidth_nsec(const struct bandwidth *b, size_t bytes)
{
    return (int64_t)((double)bytes * b->nsec_per_byte);
}

/* "50mbit", "1.5gbit", "64kbit", "9600bit": bits per second, 1 kbit to 1,000 gbit. ERR_INVALID. */
MUST_USE int rate_parse(struct str text, uint64_t *out);
enum { RATE_TEXT_MAX = 32 };
/* The same way round; `out` holds RATE_TEXT_MAX bytes. Returns `out`. */
char *rate_format(uint64_t rate, char *out);

#endif
