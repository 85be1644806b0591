#include "fleet/clock_sync.h"

#include "base/clock.h"
#include "support/test.h"

/* The remote clock is 1,000 s ahead of our monotonic one. */
#define AHEAD (1000 * NSEC_PER_SEC)

TEST(clock_sync_takes_the_fastest_trip)
{
    struct clock_sync c;
    struct clock_trip best;

    clock_sync_init(&c);
    CHECK(!clock_sync_best(&c, 0, &best));
    CHECK_EQ(clock_sync_to_mono(&c, 0, 5), INT64_MIN);
    /* 100 ms there, none back: the estimate errs by 50 ms, and says so. */
    clock_sync_add(&c, 0, 100 * NSEC_PER_MSEC, AHEAD + 100 * NSEC_PER_MSEC);
    CHECK(clock_sync_best(&c, 100 * NSEC_PER_MSEC, &best));
    CHECK_EQ(best.offset_nsec, AHEAD + 50 * NSEC_PER_MSEC);
    CHECK_EQ(best.error_nsec, 50 * NSEC_PER_MSEC);
    clock_sync_add(&c, NSEC_PER_SEC, NSEC_PER_SEC + 2 * NSEC_PER_MSEC,
                   AHEAD + NSEC_PER_SEC + NSEC_PER_MSEC);
    CHECK(clock_sync_best(&c, NSEC_PER_SEC, &best));
    CHECK_EQ(best.offset_nsec, AHEAD);
    CHECK_EQ(clock_sync_to_mono(&c, NSEC_PER_SEC, AHEAD + 7 * NSEC_PER_SEC), 7 * NSEC_PER_SEC);
}

TEST(clock_sync_forgets_old_trips_by_drift)
{
    struct clock_sync c;
    struct clock_trip best;

    clock_sync_init(&c);
    clock_sync_add(&c, 0, 2 * NSEC_PER_MSEC, AHEAD + NSEC_PER_MSEC);
    /* 100 s later: 1 ms of trip and 5 ms of drift are worse than a fresh trip of 8 ms. */
    clock_sync_add(&c, 100 * NSEC_PER_SEC - 8 * NSEC_PER_MSEC, 100 * NSEC_PER_SEC,
                   AHEAD + 100 * NSEC_PER_SEC);
    CHECK(clock_sync_best(&c, 100 * NSEC_PER_SEC, &best));
    CHECK_EQ(best.error_nsec, 4 * NSEC_PER_MSEC);
}

TEST(clock_sync_passes_over_nonsense)
{
    struct clock_sync c;
    struct clock_trip best;

    clock_sync_init(&c);
    clock_sync_add(&c, 10, 5, 7);
    CHECK(!clock_sync_best(&c, 10, &best));
}
