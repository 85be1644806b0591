#include "base/rng.h"

#include <sys/random.h>

#include "base/ensure.h"

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

void rng_seed(struct rng *r, uint64_t seed)
{
    /* splitmix64 spreads any seed, 0 too, over the state. */
    for (int i = 0; i < 4; i++) {
        uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15));

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        r->_s[i] = z ^ (z >> 31);
    }
}

uint64_t rng_next(struct rng *r)
{
    uint64_t result = rotl(r->_s[1] * 5, 7) * 9;
    uint64_t t = r->_s[1] << 17;

    r->_s[2] ^= r->_s[0];
    r->_s[3] ^= r->_s[1];
    r->_s[1] ^= r->_s[2];
    r->_s[0] ^= r->_s[3];
    r->_s[2] ^= t;
    r->_s[3] = rotl(r->_s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
    uint64_t reject = (0 - bound) % bound; /* values below it would favour small results */
    uint64_t value;

    do {
        value = rng_next(r);
    } while (value < reject);
    return value % bound;
}

double rng_unit(struct rng *r)
{
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

void rng_system(void *out, size_t len)
{
    char *at = out;

    while (len > 0) {
        size_t part = len < 256 ? len : 256;

        ensure(getentropy(at, part) == 0);
        at += part;
        len -= part;
    }
}
