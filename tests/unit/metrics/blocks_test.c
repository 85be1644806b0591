/* Blocks: how they grow, and that their errors are what simulation says. */
#include "metrics/blocks.h"

#include <math.h>

#include "base/compiler.h"
#include "base/rng.h"
#include "metrics/hist.h"
#include "support/test.h"

static const struct agg aggs[] = {{AGG_AVG, 0}, {AGG_P, 90}};

static double normal(struct rng *r)
{
    return sqrt(-2 * log(1 - rng_unit(r))) * cos(6.283185307179586 * rng_unit(r));
}

static void add_second(struct blocks *b, struct sink *whole, struct rng *r, int64_t second)
{
    struct sink sink;

    sink_init(&sink, METRIC_TREND);
    for (int i = 0; i < 40; i++)
        sink_add(&sink, exp(0.3 * normal(r)), 0);
    blocks_merge(b, &sink, second);
    sink_merge(whole, &sink);
    sink_deinit(&sink);
}

/* Of many runs of the same: how far the statistics are apart, and what a single run thinks. */
TEST(blocks_know_the_error_of_a_trend)
{
    enum { RUNS = 120, SECONDS = 20 };
    struct rng r;
    double sum[2] = {0, 0};
    double squares[2] = {0, 0};
    double thought[2] = {0, 0};

    rng_seed(&r, 7);
    for (int run = 0; run < RUNS; run++) {
        struct blocks *b = blocks_new(METRIC_TREND);
        double errors[2];
        struct sink whole;

        sink_init(&whole, METRIC_TREND);
        for (int64_t second = 0; second < SECONDS; second++)
            add_second(b, &whole, &r, second);
        CHECK_EQ(blocks_errors(b, aggs, 2, errors), SECONDS);
        for (size_t i = 0; i < COUNT_OF(aggs); i++) {
            double value = sink_aggregate(&whole, aggs[i], 0);

            sum[i] += value;
            squares[i] += value * value;
            thought[i] += errors[i] * errors[i] / RUNS;
        }
        sink_deinit(&whole);
        blocks_free(b);
    }
    for (size_t i = 0; i < COUNT_OF(aggs); i++) {
        double mean = sum[i] / RUNS;
        double spread = sqrt((squares[i] - RUNS * mean * mean) / (RUNS - 1));

        /* 120 runs know the spread to 6 %. */
        CHECK_NEAR(sqrt(thought[i]) / spread, 1, 0.2);
    }
}

TEST(blocks_double_their_length)
{
    struct blocks *b = blocks_new(METRIC_RATE);
    const struct agg rate = {AGG_RATE, 0};
    double error = -1;
    struct sink sink;

    for (int64_t second = 0; second < 100; second++) {
        sink_init(&sink, METRIC_RATE);
        sink_add(&sink, second % 4 == 0, 0); /* in blocks of 4 seconds all alike */
        blocks_merge(b, &sink, second);
        sink_deinit(&sink);
    }
    CHECK_EQ(blocks_errors(b, &rate, 1, &error), 25);
    CHECK_NEAR(error, 0, 1e-12);
    blocks_free(b);
}

static void count(struct blocks *b, int64_t second, double value)
{
    struct sink sink;

    sink_init(&sink, METRIC_COUNTER);
    sink_add(&sink, value, 0);
    blocks_merge(b, &sink, second);
    sink_deinit(&sink);
}

TEST(blocks_leave_out_a_counters_ends)
{
    struct blocks *b = blocks_new(METRIC_COUNTER);
    const struct agg rate = {AGG_RATE, 0};
    double error = -1;

    count(b, 3, 1); /* the run began within this second */
    for (int64_t second = 4; second < 10; second++)
        count(b, second, second % 2 ? 90 : 110);
    CHECK_EQ(blocks_errors(b, &rate, 1, &error), 5);
    count(b, 10, 2);
    CHECK_EQ(blocks_errors(b, &rate, 1, &error), 6);
    CHECK_NEAR(error, 10 * sqrt(6.0 / 5) / sqrt(6), 1e-9);
    blocks_free(b);
}

TEST(blocks_that_are_few_say_nothing)
{
    struct blocks *b = blocks_new(METRIC_TREND);
    double errors[2];
    struct rng r;
    struct sink whole;

    rng_seed(&r, 1);
    sink_init(&whole, METRIC_TREND);
    CHECK_EQ(blocks_errors(b, aggs, 2, errors), 0);
    for (int64_t second = 0; second < BLOCKS_MIN; second++) {
        CHECK_EQ(blocks_errors(b, aggs, 2, errors), 0);
        add_second(b, &whole, &r, second * 3); /* seconds without samples are no blocks */
    }
    CHECK_EQ(blocks_errors(b, aggs, 2, errors), BLOCKS_MIN);
    CHECK_EQ(blocks_errors(NULL, aggs, 2, errors), 0);
    sink_deinit(&whole);
    blocks_free(b);
}
