#include "engine/pacer.h"

#include <math.h>

#include "base/compiler.h"
#include "base/mem.h"

/* --- arrivals ----------------------------------------------------------------------------- */

/* Arrivals that a stage makes: the area under its line. */
static double stage_area(double from, double to, int64_t duration, int64_t unit)
{
    return (from + to) / 2 * ((double)duration / (double)unit);
}

void pacer_init(struct pacer *p, uint64_t start_rate, int64_t unit_nsec, const struct stage *stages,
                size_t count)
{
    double from = (double)start_rate;
    double total = 0;

    *p = (struct pacer){unit_nsec, start_rate, stages, count, NULL};
    p->_before = mem_calloc(count + 1, sizeof *p->_before);
    for (size_t i = 0; i < count; i++) {
        p->_before[i] = total;
        total += stage_area(from, (double)stages[i].target, stages[i].duration_nsec, unit_nsec);
        from = (double)stages[i].target;
    }
    p->_before[count] = total;
}

void pacer_deinit(struct pacer *p)
{
    mem_free(p->_before);
}

int64_t pacer_duration(const struct pacer *p)
{
    int64_t total = 0;

    for (size_t i = 0; i < p->stage_count; i++)
        total += p->stages[i].duration_nsec;
    return total;
}

static uint64_t rate_before(const struct pacer *p, size_t stage)
{
    return stage == 0 ? p->start_rate : p->stages[stage - 1].target;
}

/* How far into the stage `amount` arrivals have come, in nanoseconds. With the rate going from r0
 * to r1 over d, amount = (r0 t + (r1 - r0) t² / 2d) / unit; this form of its solution does not lose
 * digits where the ramp is flat. */
static double time_in_stage(const struct pacer *p, size_t stage, double amount)
{
    double r0 = (double)rate_before(p, stage);
    double d = (double)p->stages[stage].duration_nsec;
    double slope = ((double)p->stages[stage].target - r0) / d;
    double wanted = amount * (double)p->unit_nsec;
    double root = r0 * r0 + 2 * slope * wanted;

    if (wanted <= 0 && r0 > 0)
        return 0;
    return 2 * wanted / (r0 + sqrt(root > 0 ? root : 0));
}

/* A single stage at one rate: exact in integers. */
static int64_t due_constant(const struct pacer *p, uint64_t k)
{
    uint128 due = (uint128)k * (uint128)p->unit_nsec / p->start_rate;

    return due <= (uint128)p->stages[0].duration_nsec ? (int64_t)due : INT64_MAX;
}

int64_t pacer_due(const struct pacer *p, uint64_t k)
{
    double amount = (double)k;
    int64_t start = 0;

    if (p->stage_count == 1 && p->start_rate == p->stages[0].target && p->start_rate > 0)
        return due_constant(p, k);
    for (size_t i = 0; i < p->stage_count; i++) {
        int64_t duration = p->stages[i].duration_nsec;
        bool idle = rate_before(p, i) == 0 && p->stages[i].target == 0;

        /* The last stage owns what is due exactly at its end, rounding aside. */
        if (!idle && duration > 0 &&
            (amount < p->_before[i + 1] ||
             (i + 1 == p->stage_count && amount <= p->_before[i + 1] + 1e-9))) {
            double into = time_in_stage(p, i, amount - p->_before[i]);

            if (isnan(into))
                into = 0; /* arrival 0 of a ramp from 0 */
            return start + (into < (double)duration ? (int64_t)into : duration);
        }
        start += duration;
    }
    return INT64_MAX;
}

static double line_at(double from, double to, int64_t duration, int64_t at)
{
    return duration == 0 ? to : from + (to - from) * ((double)at / (double)duration);
}

double pacer_rate_at(const struct pacer *p, int64_t nsec)
{
    for (size_t i = 0; i < p->stage_count; i++) {
        if (nsec < p->stages[i].duration_nsec)
            return line_at((double)rate_before(p, i), (double)p->stages[i].target,
                           p->stages[i].duration_nsec, nsec);
        nsec -= p->stages[i].duration_nsec;
    }
    return p->stage_count ? (double)p->stages[p->stage_count - 1].target : (double)p->start_rate;
}

/* --- ramping VUs -------------------------------------------------------------------------- */

/* Within a stage from `from` VUs to `to`, the moment at which the count becomes `count`. */
static int64_t crossing(uint64_t from, uint64_t to, int64_t duration, uint64_t count)
{
    uint64_t span = to > from ? to - from : from - to;
    uint64_t part = to > from ? count - from : from - count;

    return (int64_t)((uint128)(uint64_t)duration * part / span);
}

size_t pacer_vu_spans(uint64_t start_vus, const struct stage *stages, size_t count, uint64_t index,
                      struct vu_span *out, size_t max)
{
    uint64_t before = start_vus;
    int64_t time = 0;
    size_t spans = 0;
    bool active = index < start_vus;
    struct vu_span span = {0, 0, false};

    for (size_t i = 0; i < count; i++) {
        uint64_t target = stages[i].target;
        int64_t duration = stages[i].duration_nsec;

        if (!active && index < target) {
            active = true;
            span.from_nsec = time + crossing(before, target, duration, index + 1);
        } else if (active && index >= target) {
            active = false;
            span.to_nsec = time + crossing(before, target, duration, index);
            span.ramped_down = true;
            if (spans < max)
                out[spans] = span;
            spans++;
        }
        before = target;
        time += duration;
    }
    if (active) {
        span.to_nsec = time;
        span.ramped_down = false;
        if (spans < max)
            out[spans] = span;
        spans++;
    }
    return spans;
}

uint64_t pacer_vus_at(uint64_t start_vus, const struct stage *stages, size_t count, int64_t nsec)
{
    uint64_t before = start_vus;

    for (size_t i = 0; i < count; i++) {
        if (nsec < stages[i].duration_nsec)
            return (uint64_t)line_at((double)before, (double)stages[i].target,
                                     stages[i].duration_nsec, nsec);
        nsec -= stages[i].duration_nsec;
        before = stages[i].target;
    }
    return before;
}

uint64_t pacer_max_vus(uint64_t start_vus, const struct stage *stages, size_t count)
{
    uint64_t most = start_vus;

    for (size_t i = 0; i < count; i++)
        most = stages[i].target > most ? stages[i].target : most;
    return most;
}
