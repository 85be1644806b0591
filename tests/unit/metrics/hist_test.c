#include "metrics/hist.h"

#include <float.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "support/test.h"

/* k6's quantile over sorted raw values. */
static double exact(const double *sorted, size_t count, double q)
{
    double place = q * (double)(count - 1);
    size_t low = (size_t)place;
    size_t high = low + 1 < count ? low + 1 : low;

    return sorted[low] + (sorted[high] - sorted[low]) * (place - (double)low);
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return (left > right) - (left < right);
}

static double draw(struct rng *rng, int kind)
{
    double unit = rng_unit(rng);

    switch (kind) {
    case 0: /* latencies: long tail */
        return 0.2 / (unit + 1e-4);
    case 1: /* around zero, both signs */
        return (unit - 0.5) * 1000;
    case 2: /* many orders of magnitude */
        return pow(10, unit * 40 - 20);
    case 3: /* a few values only */
        return floor(unit * 5);
    default: /* zeros among small ones */
        return unit < 0.3 ? 0 : unit;
    }
}

static const double quantiles[] = {0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1};

TEST(hist_is_exact_while_small)
{
    struct hist *h = hist_new();

    for (int i = 100; i >= 1; i--)
        hist_record(h, i);
    CHECK_NEAR(hist_quantile(h, 0.9), 90.1, 1e-9);
    CHECK_NEAR(hist_quantile(h, 0.5), 50.5, 1e-9);
    CHECK_NEAR(hist_quantile(h, 0), 1, 0);
    CHECK_NEAR(hist_quantile(h, 1), 100, 0);
    CHECK_NEAR(hist_mean(h), 50.5, 1e-9);
    CHECK_EQ(hist_count(h), 100);
    hist_free(h);
}

TEST(hist_errs_by_a_thousandth_at_most)
{
    enum { COUNT = 20000 };
    static double values[COUNT];
    struct rng rng;

    rng_seed(&rng, 7);
    for (int kind = 0; kind < 5; kind++) {
        struct hist *h = hist_new();

        for (int i = 0; i < COUNT; i++) {
            values[i] = draw(&rng, kind);
            hist_record(h, values[i]);
        }
        qsort(values, COUNT, sizeof values[0], by_value);
        for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
            double want = exact(values, COUNT, quantiles[i]);

            CHECK_NEAR(hist_quantile(h, quantiles[i]), want, fabs(want) * 0.001 + 1e-300);
        }
        CHECK_NEAR(hist_min(h), values[0], 0);
        CHECK_NEAR(hist_max(h), values[COUNT - 1], 0);
        hist_free(h);
    }
}

TEST(hist_merge_equals_recording_everything)
{
    struct rng rng;

    rng_seed(&rng, 9);
    for (int round = 0; round < 40; round++) {
        size_t count = 1 + (size_t)rng_below(&rng, round % 2 ? 3000 : 400);
        size_t parts = 1 + (size_t)rng_below(&rng, 7);
        struct hist *all = hist_new();
        struct hist *merged = hist_new();
        struct hist *part[8];

        for (size_t i = 0; i < parts; i++)
            part[i] = hist_new();
        for (size_t i = 0; i < count; i++) {
            double value = draw(&rng, round % 5);

            hist_record(all, value);
            hist_record(part[rng_below(&rng, parts)], value);
        }
        for (size_t i = 0; i < parts; i++) {
            hist_merge(merged, part[i]);
            hist_free(part[i]);
        }
        CHECK_EQ(hist_count(merged), hist_count(all));
        CHECK_NEAR(hist_sum(merged), hist_sum(all), fabs(hist_sum(all)) * 1e-12 + 1e-12);
        for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
            CHECK_NEAR(hist_quantile(merged, quantiles[i]), hist_quantile(all, quantiles[i]), 0);
        hist_free(all);
        hist_free(merged);
    }
}

TEST(hist_selects_what_sorting_would)
{
    static double values[HIST_RAW_MAX];
    struct rng rng;

    rng_seed(&rng, 11);
    for (int round = 0; round < 300; round++) {
        size_t count = 1 + (size_t)rng_below(&rng, HIST_RAW_MAX);
        struct hist *h = hist_new();

        for (size_t i = 0; i < count; i++) {
            values[i] = draw(&rng, round % 5);
            hist_record(h, values[i]);
        }
        qsort(values, count, sizeof values[0], by_value);
        for (double q = 0; q <= 1; q += 0.0625) {
            double want = exact(values, count, q);

            CHECK_NEAR(hist_quantile(h, q), want, fabs(want) * 1e-15);
        }
        hist_free(h);
    }
}

TEST(hist_takes_any_double)
{
    static const double odd[] = {0.0, -0.0, DBL_MIN / 4, -DBL_MIN / 4, DBL_MAX, -DBL_MAX};
    struct hist *h = hist_new();

    hist_record(h, (double)NAN);
    CHECK_EQ(hist_count(h), 0);
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
            hist_record(h, odd[i]);
    }
    hist_record(h, (double)INFINITY);
    CHECK_EQ(hist_count(h), 1201);
    CHECK_NEAR(hist_quantile(h, 0.5), 0, 0);
    CHECK(isfinite(hist_max(h)) && isfinite(hist_quantile(h, 0.99)));
    hist_reset(h);
    CHECK_EQ(hist_count(h), 0);
    CHECK_NEAR(hist_quantile(h, 0.5), 0, 0);
    hist_free(h);
}

TEST(hist_survives_the_wire)
{
    struct rng rng;

    rng_seed(&rng, 3);
    for (int kind = 0; kind < 10; kind++) {
        struct hist *h = hist_new();
        struct hist *back = hist_new();
        struct buf wire = BUF_INIT(SIZE_MAX);

        for (int i = 0; i < (kind < 5 ? 100 : 5000); i++)
            hist_record(h, draw(&rng, kind % 5));
        hist_encode(h, &wire);
        CHECK_EQ(hist_decode(back, buf_str(&wire)), 0);
        CHECK_EQ(hist_count(back), hist_count(h));
        for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
            CHECK_NEAR(hist_quantile(back, quantiles[i]), hist_quantile(h, quantiles[i]), 0);
        for (size_t cut = 0; cut < wire.len; cut += 1 + wire.len / 50) {
            struct hist *part = hist_new();

            CHECK(hist_decode(part, str_from(wire.data, cut)) < 0);
            CHECK_EQ(hist_count(part), 0);
            hist_free(part);
        }
        buf_deinit(&wire);
        hist_free(h);
        hist_free(back);
    }
}

TEST(hist_sums_stay_finite)
{
    struct hist *h = hist_new();
    struct hist *again = hist_new();
    struct buf wire = BUF_INIT(SIZE_MAX);

    hist_record(h, INFINITY);
    hist_record(h, INFINITY);
    hist_record(h, 1);
    CHECK_NEAR(hist_sum(h), DBL_MAX, 0);
    hist_encode(h, &wire);
    CHECK(hist_decode(again, buf_str(&wire)) == 0);
    CHECK_EQ(hist_count(again), 3);
    CHECK_NEAR(hist_sum(again), DBL_MAX, 0);
    /* Decoding into one that holds something adds to it. */
    CHECK(hist_decode(again, buf_str(&wire)) == 0);
    CHECK_EQ(hist_count(again), 6);
    CHECK_NEAR(hist_min(again), 1, 0);
    CHECK(hist_memory(again) > 0);
    buf_deinit(&wire);
    hist_free(h);
    hist_free(again);
}

TEST(hist_decodes_into_what_is_there)
{
    static const int counts[] = {0, 3, 500, 3000};
    struct rng rng;

    rng_seed(&rng, 5);
    for (size_t round = 0; round < 16; round++) {
        struct hist *part[2] = {hist_new(), hist_new()};
        struct hist *merged = hist_new();
        struct hist *decoded = hist_new();
        struct buf wire = BUF_INIT(SIZE_MAX);

        for (size_t i = 0; i < 2; i++) {
            for (int n = counts[i ? round / 4 : round % 4]; n > 0; n--)
                hist_record(part[i], draw(&rng, (int)(round % 5)));
            hist_merge(merged, part[i]);
            buf_reset(&wire);
            hist_encode(part[i], &wire);
            CHECK_EQ(hist_decode(decoded, buf_str(&wire)), 0);
        }
        CHECK_EQ(hist_count(decoded), hist_count(merged));
        CHECK_NEAR(hist_sum(decoded), hist_sum(merged), fabs(hist_sum(merged)) * 1e-15);
        for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
            CHECK_NEAR(hist_quantile(decoded, quantiles[i]), hist_quantile(merged, quantiles[i]),
                       0);
        buf_deinit(&wire);
        hist_free(part[0]);
        hist_free(part[1]);
        hist_free(merged);
        hist_free(decoded);
    }
}

/* Times are whole nanoseconds, sizes whole bytes: they take what their digits need. */
TEST(hist_wire_is_small_and_exact)
{
    static const double scaled[][4] = {
        {200, 0, 3, 17}, {0.25, 1.5, -2.125, 0}, {88.214517, 0.000001, 231.4, 1204.5}};
    static const size_t most[] = {7, 9, 18};

    for (size_t i = 0; i < 3; i++) {
        struct hist *h = hist_new();
        struct hist *back = hist_new();
        struct buf wire = BUF_INIT(SIZE_MAX);

        for (size_t j = 0; j < 4; j++)
            hist_record(h, scaled[i][j]);
        hist_encode(h, &wire);
        CHECK(wire.len <= most[i]);
        CHECK_EQ(hist_decode(back, buf_str(&wire)), 0);
        CHECK_NEAR(hist_sum(back), hist_sum(h), 0);
        for (double q = 0; q <= 1; q += 0.125)
            CHECK_NEAR(hist_quantile(back, q), hist_quantile(h, q), 0);
        buf_deinit(&wire);
        hist_free(h);
        hist_free(back);
    }
}
