#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int64_t clock_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_thread_cpu(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

int64_t nsec_from_sec(double sec)
{
    double nsec = sec * 1e9;

    if (isnan(nsec))
        return 0;
    if (nsec >= 9.2e18)
        return INT64_MAX;
    if (nsec <= -9.2e18)
        return INT64_MIN;
    return (int64_t)nsec;
}

void clock_rfc3339(int64_t wall_nsec, int digits, char *out, size_t size)
{
    static const int64_t unit[] = {1000000000, 100000000, 10000000, 1000000, 100000,
                                   10000,      1000,      100,      10,      1};
    time_t sec = (time_t)(wall_nsec / NSEC_PER_SEC);
    int64_t fraction = wall_nsec % NSEC_PER_SEC;
    struct tm tm;
    size_t len;

    if (fraction < 0) {
        fraction += NSEC_PER_SEC;
        sec--;
    }
    gmtime_r(&sec, &tm);
    len = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
    if (digits > 0 && digits <= 9)
        snprintf(out + len, size - len, ".%0*lldZ", digits, (long long)(fraction / unit[digits]));
    else
        snprintf(out + len, size - len, "Z");
}
