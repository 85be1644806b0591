#include <limits.h>

#include "base/ensure.h"
#include "base/err.h"
#include "base/gcd.h"
#include "engine/scenario.h"

struct fraction {
    uint64_t num;
    uint64_t den;
};

/* Rounded half up; what is something stays something. */
static int scale(uint64_t *value, struct fraction by, uint64_t most)
{
    uint128 scaled = ((uint128)*value * by.num + by.den / 2) / by.den;

    if (*value > 0 && scaled == 0)
        scaled = 1;
    if (scaled > most)
        return ERR_LIMIT;
    *value = (uint64_t)scaled;
    return 0;
}

/* Exactly: what doesn't divide goes into the unit of time, so that 5/s by 1/3 is 5 per 3s. */
static int scale_rates(struct scenario *s, struct fraction by)
{
    uint64_t common = gcd(by.den, s->start_rate);
    uint128 unit;

    for (size_t i = 0; i < s->stage_count; i++)
        common = gcd(common, s->stages[i].target);
    unit = (uint128)s->unit_nsec * (by.den / common);
    if (unit > INT64_MAX)
        return ERR_LIMIT;
    s->unit_nsec = (int64_t)unit;
    if (__builtin_mul_overflow(s->start_rate / common, by.num, &s->start_rate))
        return ERR_LIMIT;
    for (size_t i = 0; i < s->stage_count; i++) {
        if (__builtin_mul_overflow(s->stages[i].target / common, by.num, &s->stages[i].target))
            return ERR_LIMIT;
    }
    return 0;
}

static int scale_scenario(struct scenario *s, struct fraction by)
{
    int err = scale(&s->vus, by, SCENARIO_MAX_VUS);

    if (err == 0)
        err = scale(&s->max_vus, by, SCENARIO_MAX_VUS);
    if (err == 0)
        err = scale(&s->start_vus, by, SCENARIO_MAX_VUS);
    if (err == 0 && s->kind == EXECUTOR_SHARED_ITERATIONS)
        err = scale(&s->iterations, by, UINT64_MAX);
    if (err)
        return err;
    if (s->kind == EXECUTOR_CONSTANT_ARRIVAL_RATE || s->kind == EXECUTOR_RAMPING_ARRIVAL_RATE)
        return scale_rates(s, by);
    for (size_t i = 0; i < s->stage_count && err == 0; i++)
        err = scale(&s->stages[i].target, by, SCENARIO_MAX_VUS);
    return err;
}

int scenarios_scale(struct scenario_list *list, uint64_t num, uint64_t den)
{
    uint64_t common = gcd(num, den);
    int err = 0;

    ensure(num > 0 && den > 0);
    for (size_t i = 0; i < list->count && err == 0; i++)
        err = scale_scenario(list->list[i], (struct fraction){num / common, den / common});
    return err;
}
