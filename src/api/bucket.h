/* A token bucket: so many at once, then so many a second. Internal to src/api. */
#ifndef API_BUCKET_H
#define API_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket_limit {
    double burst;
    double per_second;
};

/* Zeroed it is full. */
struct bucket {
    double _spent;
    int64_t _at;
};

/* Takes one at `now` (monotonic nanoseconds). False: there is none, and *wait_seconds says after
 * how many whole seconds there is. */
bool bucket_take(struct bucket *b, const struct bucket_limit *limit, int64_t now,
                 unsigned *wait_seconds);

#endif
