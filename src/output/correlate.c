#include "output/correlate.h"

#include <math.h>
#include <stdlib.h>

/* a[i] against b[i + lag]. */
static bool at_lag(const double *a, const double *b, size_t count, int lag, struct correlation *out)
{
    size_t from = lag < 0 ? (size_t)-lag : 0;
    size_t to = lag > 0 ? count - (size_t)lag : count;
    double sum_a = 0;
    double sum_b = 0;
    double aa = 0;
    double bb = 0;
    double ab = 0;
    size_t n = 0;

    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = from; i < to; i++) {
            double x = a[i];
            double y = b[(size_t)((long)i + lag)];

            if (!isfinite(x) || !isfinite(y))
                continue;
            if (pass == 0) {
                n++;
                sum_a += x;
                sum_b += y;
                continue;
            }
            x -= sum_a / (double)n;
            y -= sum_b / (double)n;
            aa += x * x;
            bb += y * y;
            ab += x * y;
        }
    }
    if (n < CORRELATE_SECONDS_MIN * 3 / 4 || !(aa > 0) || !(bb > 0))
        return false;
    *out = (struct correlation){ab / sqrt(aa) / sqrt(bb), lag, n};
    return isfinite(out->coefficient);
}

bool correlate(const double *a, const double *b, size_t count, struct correlation *out)
{
    int most = count / 4 < CORRELATE_LAG_MAX ? (int)(count / 4) : CORRELATE_LAG_MAX;
    bool found = false;

    if (count < CORRELATE_SECONDS_MIN)
        return false;
    /* From 0 outwards: of equal ones the shortest delay counts. */
    for (int i = 0; i <= 2 * most; i++) {
        struct correlation c;
        int lag = i % 2 ? (i + 1) / 2 : -(i / 2);

        if (!at_lag(a, b, count, lag, &c))
            continue;
        if (!found || fabs(c.coefficient) > fabs(out->coefficient) + 1e-9)
            *out = c;
        found = true;
    }
    return found;
}

/* The quantile of the normal distribution, by bisection: it is asked for once a run. */
static double normal_above(double share)
{
    double low = 0;
    double high = 12;

    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;

        if (0.5 * erfc(middle / sqrt(2)) > share)
            low = middle;
        else
            high = middle;
    }
    return low;
}

double correlate_chance(size_t pairs, size_t tests)
{
    double all = (double)(tests ? tests : 1) * (2 * CORRELATE_LAG_MAX + 1);

    return pairs > 3 ? tanh(normal_above(0.025 / all) / sqrt((double)pairs - 3)) : 1;
}

long correlate_onset(const double *a, size_t count)
{
    double sum = 0;
    double away = 0;
    double furthest = 0;
    size_t n = 0;
    long at = -1;

    for (size_t i = 0; i < count; i++) {
        if (isfinite(a[i])) {
            sum += a[i];
            n++;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(a[i]))
            continue;
        away += a[i] - sum / (double)n;
        if (fabs(away) > furthest * (1 + 1e-9) + 1e-12 * fabs(sum)) {
            furthest = fabs(away);
            at = (long)i + 1;
        }
    }
    return at;
}
