/* Pseudo-random numbers (xoshiro256**): reproducible from a seed, not for secrets. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t _s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t bound); /* uniform in [0, bound); bound > 0 */
double rng_unit(struct rng *r);                    /* uniform in [0, 1) */

/* Bytes from the system's generator, fit for keys and masks. */
void rng_system(void *out, size_t len);

#endif
