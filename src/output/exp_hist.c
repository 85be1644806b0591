#include "output/exp_hist.h"

#include <math.h>
#include <stdbool.h>

#include "base/mem.h"
#include "metrics/hist.h"

enum { SCALE_MIN = -10 }; /* at which all doubles fit into two buckets */

struct entry {
    double value;
    uint64_t count;
};

struct entries {
    struct entry *list;
    size_t count;
    size_t room;
    double unit;
};

static void collect(void *arg, double value, uint64_t count)
{
    struct entries *e = arg;

    if (e->count == e->room) {
        e->room = e->room ? 2 * e->room : 64;
        e->list = mem_reallocarray(e->list, e->room, sizeof *e->list);
    }
    e->list[e->count++] = (struct entry){value * e->unit, count};
}

static int32_t index_of(double magnitude, int scale)
{
    return (int32_t)ceil(ldexp(log2(magnitude), scale));
}

static bool is_zero(double value)
{
    return fabs(value) <= EXP_HIST_ZERO;
}

/* The buckets of one side's smallest and largest magnitudes; false: the side has no values. */
static bool range_of(const struct entries *e, bool negative, int scale, int32_t *first,
                     int32_t *last)
{
    double low = INFINITY;
    double high = 0;

    for (size_t i = 0; i < e->count; i++) {
        double value = negative ? -e->list[i].value : e->list[i].value;

        if (value < 0 || is_zero(value))
            continue;
        low = fmin(low, value);
        high = fmax(high, value);
    }
    if (high <= 0)
        return false;
    *first = index_of(low, scale);
    *last = index_of(high, scale);
    return true;
}

static bool fits(const struct entries *e, bool negative, int scale, size_t max_buckets)
{
    int32_t first;
    int32_t last;

    return !range_of(e, negative, scale, &first, &last) ||
           (size_t)((int64_t)last - first) + 1 <= max_buckets;
}

static void fill(const struct entries *e, bool negative, int scale, struct exp_buckets *out)
{
    int32_t first;
    int32_t last;

    if (!range_of(e, negative, scale, &first, &last))
        return;
    out->first = first;
    out->count = (size_t)((int64_t)last - first) + 1;
    out->counts = mem_calloc(out->count, sizeof *out->counts);
    for (size_t i = 0; i < e->count; i++) {
        double value = negative ? -e->list[i].value : e->list[i].value;

        if (value > 0 && !is_zero(value))
            out->counts[index_of(value, scale) - first] += e->list[i].count;
    }
}

void exp_hist_init(struct exp_hist *out, const struct hist *h, double unit, int max_scale,
                   size_t max_buckets)
{
    struct entries e = {.unit = unit};

    *out = (struct exp_hist){.scale = max_scale};
    hist_each(h, collect, &e);
    while (out->scale > SCALE_MIN &&
           !(fits(&e, false, out->scale, max_buckets) && fits(&e, true, out->scale, max_buckets)))
        out->scale--;
    fill(&e, false, out->scale, &out->positive);
    fill(&e, true, out->scale, &out->negative);
    for (size_t i = 0; i < e.count; i++) {
        out->count += e.list[i].count;
        out->zeros += is_zero(e.list[i].value) ? e.list[i].count : 0;
    }
    mem_free(e.list);
}

void exp_hist_deinit(struct exp_hist *e)
{
    mem_free(e->positive.counts);
    mem_free(e->negative.counts);
    *e = (struct exp_hist){0};
}
