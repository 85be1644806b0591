#include "metrics/blocks.h"

#include <math.h>

#include "base/mem.h"

struct blocks {
    enum metric_type type;
    struct sink list[BLOCKS_MAX];
    size_t count;    /* up to the last that was merged to */
    int64_t seconds; /* of a block */
};

struct blocks *blocks_new(enum metric_type type)
{
    struct blocks *b = mem_zalloc(sizeof *b);

    b->type = type;
    b->seconds = 1;
    for (size_t i = 0; i < BLOCKS_MAX; i++)
        sink_init(&b->list[i], type);
    return b;
}

void blocks_free(struct blocks *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < BLOCKS_MAX; i++)
        sink_deinit(&b->list[i]);
    mem_free(b);
}

/* Two blocks become one. */
static void double_length(struct blocks *b)
{
    for (size_t i = 0; i < BLOCKS_MAX / 2; i++) {
        struct sink merged;

        sink_init(&merged, b->type);
        sink_merge(&merged, &b->list[2 * i]);
        sink_merge(&merged, &b->list[2 * i + 1]);
        sink_deinit(&b->list[2 * i]);
        sink_deinit(&b->list[2 * i + 1]);
        sink_init(&b->list[2 * i], b->type);
        sink_init(&b->list[2 * i + 1], b->type);
        sink_deinit(&b->list[i]);
        sink_move(&b->list[i], &merged);
    }
    b->seconds *= 2;
    b->count = (b->count + 1) / 2;
}

void blocks_merge(struct blocks *b, const struct sink *sink, int64_t second)
{
    size_t index;

    if (second < 0 || b->type == METRIC_GAUGE)
        return;
    while (second / b->seconds >= BLOCKS_MAX)
        double_length(b);
    index = (size_t)(second / b->seconds);
    sink_merge(&b->list[index], sink);
    if (index >= b->count)
        b->count = index + 1;
}

/* Of a counter: blocks may be empty and count all the same. */
static size_t counter_error(const struct blocks *b, double *error)
{
    size_t first = 0;
    size_t last = b->count;
    size_t count;
    double mean = 0;
    double spread = 0;

    while (first < last && b->list[first].is_empty)
        first++;
    if (last < first + 2 + BLOCKS_MIN)
        return 0;
    first++;
    last--;
    count = last - first;
    for (size_t i = first; i < last; i++)
        mean += b->list[i].sum / (double)count;
    for (size_t i = first; i < last; i++)
        spread += (b->list[i].sum - mean) * (b->list[i].sum - mean);
    *error = sqrt(spread / (double)(count - 1) / (double)count) / (double)b->seconds;
    return count;
}

/* The aggregates of all blocks but one. */
static void without(const struct blocks *b, size_t left_out, const struct agg *aggs, size_t count,
                    double *values)
{
    struct sink rest;

    sink_init(&rest, b->type);
    for (size_t i = 0; i < b->count; i++) {
        if (i != left_out)
            sink_merge(&rest, &b->list[i]);
    }
    for (size_t i = 0; i < count; i++)
        values[i] = sink_aggregate(&rest, aggs[i], 0);
    sink_deinit(&rest);
}

static size_t jackknife(const struct blocks *b, const struct agg *aggs, size_t count,
                        double *errors)
{
    double *values = mem_calloc(b->count * count, sizeof *values);
    size_t n = 0;

    for (size_t i = 0; i < b->count; i++) {
        if (!b->list[i].is_empty)
            without(b, i, aggs, count, values + n++ * count);
    }
    for (size_t i = 0; i < count; i++) {
        double mean = 0;
        double spread = 0;

        for (size_t j = 0; j < n; j++)
            mean += values[j * count + i] / (double)n;
        for (size_t j = 0; j < n; j++)
            spread += (values[j * count + i] - mean) * (values[j * count + i] - mean);
        errors[i] = n > 0 ? sqrt(spread * (double)(n - 1) / (double)n) : 0;
    }
    mem_free(values);
    return n < BLOCKS_MIN ? 0 : n;
}

size_t blocks_errors(const struct blocks *b, const struct agg *aggs, size_t count, double *errors)
{
    size_t n;

    if (!b || b->type == METRIC_GAUGE || count == 0)
        return 0;
    if (b->type != METRIC_COUNTER)
        return jackknife(b, aggs, count, errors);
    n = counter_error(b, &errors[0]);
    for (size_t i = 1; i < count; i++)
        errors[i] = errors[0];
    return n;
}
