#include "fleet/clock_sync.h"

enum { DRIFT_PPM = 50, MILLION = 1000 * 1000 };

void clock_sync_init(struct clock_sync *c)
{
    *c = (struct clock_sync){0};
}

void clock_sync_add(struct clock_sync *c, int64_t sent, int64_t received, int64_t remote_wall)
{
    int64_t half = (received - sent) / 2;

    if (received < sent)
        return;
    c->_trips[c->_next] = (struct clock_trip){remote_wall - (sent + half), half, received};
    c->_next = (c->_next + 1) % CLOCK_SYNC_TRIPS;
    if (c->_count < CLOCK_SYNC_TRIPS)
        c->_count++;
}

bool clock_sync_best(const struct clock_sync *c, int64_t now, struct clock_trip *out)
{
    bool found = false;

    for (size_t i = 0; i < c->_count; i++) {
        struct clock_trip trip = c->_trips[i];

        trip.error_nsec += (now - trip.at_nsec) / MILLION * DRIFT_PPM;
        if (!found || trip.error_nsec < out->error_nsec)
            *out = trip;
        found = true;
    }
    return found;
}

int64_t clock_sync_to_mono(const struct clock_sync *c, int64_t now, int64_t wall)
{
    struct clock_trip best;

    return clock_sync_best(c, now, &best) ? wall - best.offset_nsec : INT64_MIN;
}
