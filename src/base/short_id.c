#include "base/short_id.h"

#include "base/clock.h"
#include "base/rng.h"

#define YEAR_2020 (INT64_C(1577836800) * NSEC_PER_SEC)

void short_id_new(int64_t wall_nsec, char out[SHORT_ID_SIZE])
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint32_t random;
    uint64_t bits;

    rng_system(&random, sizeof random);
    bits = (uint64_t)((wall_nsec - YEAR_2020) / NSEC_PER_MSEC) << 20 | (random & 0xfffff);
    for (int i = SHORT_ID_SIZE - 2; i >= 0; i--) {
        out[i] = digits[bits & 31];
        bits >>= 5;
    }
    out[SHORT_ID_SIZE - 1] = '\0';
}
