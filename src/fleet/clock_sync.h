/* How far the controller's clock is from ours, from round trips: Cristian's rule, of which the
 * fastest trip of the last while counts, because the error is at most half of its length.
 *
 * The estimate is on our monotonic clock, so that a step of our wall clock changes nothing. */
#ifndef FLEET_CLOCK_SYNC_H
#define FLEET_CLOCK_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLOCK_SYNC_TRIPS = 32 };

struct clock_trip {
    int64_t offset_nsec; /* the controller's wall clock minus our monotonic one */
    int64_t error_nsec;  /* at most */
    int64_t at_nsec;     /* when it came back, monotonic */
};

struct clock_sync {
    struct clock_trip _trips[CLOCK_SYNC_TRIPS]; /* a ring */
    size_t _count;
    size_t _next;
};

void clock_sync_init(struct clock_sync *c);

/* A question left at `sent`, the answer was here at `received` (both monotonic), and the controller
 * read its clock as `remote_wall` in between. Trips that can't be (received before sent) are passed
 * over. */
void clock_sync_add(struct clock_sync *c, int64_t sent, int64_t received, int64_t remote_wall);

/* The best estimate at `now`; false while there is none. An old trip's error grows by 50 millionths
 * of its age, what two quartz clocks drift apart at most. */
bool clock_sync_best(const struct clock_sync *c, int64_t now, struct clock_trip *out);

/* The controller's wall time `wall` on our monotonic clock; INT64_MIN while nothing is known. */
int64_t clock_sync_to_mono(const struct clock_sync *c, int64_t now, int64_t wall);

#endif
