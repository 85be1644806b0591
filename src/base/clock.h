/* The clocks. All times in gale are int64 nanoseconds; `nsec` in a name says so.
 *
 * Monotonic time schedules and measures; wall time only labels what leaves the process. Code below
 * the event loop takes time as an argument (loop_now), so that tests can run on a virtual clock. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define NSEC_PER_USEC INT64_C(1000)
#define NSEC_PER_MSEC INT64_C(1000000)
#define NSEC_PER_SEC INT64_C(1000000000)

int64_t clock_now(void);  /* monotonic */
int64_t clock_wall(void); /* since 1970-01-01 UTC */

/* CPU time that the calling thread has used. */
int64_t clock_thread_cpu(void);

static inline double nsec_to_ms(int64_t nsec)
{
    return (double)nsec / 1e6;
}

static inline double nsec_to_sec(int64_t nsec)
{
    return (double)nsec / 1e9;
}

/* Seconds to nanoseconds, clamped to the range of int64; NaN gives 0. */
int64_t nsec_from_sec(double sec);

/* RFC 3339 with `digits` (0 to 9) of the second's fraction, UTC: "2026-11-23T20:13:52.148173338Z".
 * `out` holds at least 40 bytes. */
void clock_rfc3339(int64_t wall_nsec, int digits, char *out, size_t size);

#endif
