#include "store/compare.h"

#include <stdio.h>

#include "base/err.h"
#include "base/rng.h"
#include "fixture.h"

/* A run whose latencies have a long tail, times `factor`, and follow a ramp that all runs share;
 * every second is slower or faster as a whole, and neighbours are alike. */
static void put_run(struct store *s, const char *id, uint64_t seed, int64_t seconds, double factor)
{
    struct rng rng;
    double mood = 1;

    rng_seed(&rng, seed);
    fixture_add_run(s, id);
    CHECK_EQ(store_begin(s, NULL), 0);
    for (int64_t t = 0; t < seconds; t++) {
        struct window *w = fixture_window();
        uint64_t requests = 20 + rng_below(&rng, 10);

        mood = 0.7 * mood + 0.3 * (0.8 + 0.4 * rng_unit(&rng));
        for (uint64_t i = 0; i < requests; i++) {
            double ms = (20 + (double)t / 10 + 2 / (rng_unit(&rng) + 0.01)) * mood * factor;

            sink_add(fixture_sink(w, DURATION_A), ms, 0);
            sink_add(fixture_sink(w, REQS_A), 1, 0);
            sink_add(fixture_sink(w, FAILED_A), rng_unit(&rng) < 0.02 * factor, 0);
        }
        fixture_put(s, id, t % 2 ? "eu" : "us", t, w);
        window_free(w);
    }
    CHECK_EQ(store_commit(s, NULL), 0);
}

static const struct store_difference *find(const struct store_comparison *c, const char *metric,
                                           const char *region, struct agg agg)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct store_difference *row = &c->list[i];

        if (str_eq_c(row->metric, metric) && row->agg.kind == agg.kind && !(row->agg.p < agg.p) &&
            !(row->agg.p > agg.p) && (region ? str_eq_c(row->region, region) : !row->region.ptr))
            return row;
    }
    test_fail(__FILE__, __LINE__, "no row of %s", metric);
}

static const struct agg avg = {AGG_AVG, 0};
static const struct agg p50 = {AGG_P, 50};
static const struct agg p99 = {AGG_P, 99};
static const struct agg rate = {AGG_RATE, 0};

TEST(compare_tells_a_slower_run)
{
    struct store *s = fixture_open();
    struct store_compare ask = {
        .run = "run000000002", .base = "run000000001", .least_percent = 2, .by_region = true};
    struct store_comparison c;
    const struct store_difference *row;

    put_run(s, "run000000001", 1, 600, 1);
    put_run(s, "run000000002", 2, 640, 1.3);
    fixture_tidy_all(s);
    CHECK_EQ(store_compare_runs(s, &ask, &c, NULL), 0);
    CHECK_EQ(c.from, 0);
    CHECK_EQ(c.to, 600);
    row = find(&c, "http_req_duration", NULL, p50);
    CHECK_EQ(row->verdict, COMPARE_WORSE);
    CHECK(row->low < 0.3 * row->base && row->high > 0.3 * row->base);
    CHECK(row->low > 0 && row->low < row->value - row->base && row->high > row->value - row->base);
    CHECK(row->p < 0.05);
    CHECK_EQ(find(&c, "http_req_duration", NULL, avg)->verdict, COMPARE_WORSE);
    CHECK_EQ(find(&c, "http_req_duration", "eu", p50)->verdict, COMPARE_WORSE);
    CHECK_EQ(find(&c, "http_reqs", NULL, rate)->verdict, COMPARE_SAME);
    store_comparison_deinit(&c);
    /* The other way round it is better; below the least difference it is the same. */
    ask = (struct store_compare){.run = "run000000001", .base = "run000000002"};
    CHECK_EQ(store_compare_runs(s, &ask, &c, NULL), 0);
    CHECK_EQ(find(&c, "http_req_duration", NULL, p99)->verdict, COMPARE_BETTER);
    store_comparison_deinit(&c);
    ask.least_percent = 60;
    CHECK_EQ(store_compare_runs(s, &ask, &c, NULL), 0);
    CHECK_EQ(find(&c, "http_req_duration", NULL, p99)->verdict, COMPARE_SAME);
    store_comparison_deinit(&c);
    store_close(s);
}

/* Of runs that differ by chance alone about 5 % of the intervals leave zero out; the interval of a
 * difference that is known holds it. */
TEST(compare_is_not_fooled_by_chance)
{
    enum { RUNS = 10 };
    struct store *s = fixture_open();
    int fooled[3] = {0};

    for (int i = 0; i < RUNS; i++) {
        struct store_compare ask = {.base = "run000000099", .least_percent = 0};
        struct agg aggs[] = {avg, p50, p99};
        struct store_comparison c;
        char id[SHORT_ID_SIZE];

        if (i == 0)
            put_run(s, "run000000099", 1234, 300, 1);
        snprintf(id, sizeof id, "run0000001%02d", i);
        put_run(s, id, 100 + (uint64_t)i, 300, 1);
        ask.run = id;
        CHECK_EQ(store_compare_runs(s, &ask, &c, NULL), 0);
        for (size_t a = 0; a < 3; a++)
            fooled[a] += find(&c, "http_req_duration", NULL, aggs[a])->verdict != COMPARE_SAME;
        store_comparison_deinit(&c);
    }
    for (size_t a = 0; a < 3; a++)
        CHECK(fooled[a] <= RUNS / 3);
    store_close(s);
}

TEST(compare_says_when_it_can_not_tell)
{
    struct store *s = fixture_open();
    struct store_compare ask = {.run = "run000000002", .base = "run000000001"};
    struct store_comparison c;
    struct diag d = DIAG_INIT;

    put_run(s, "run000000001", 1, 40, 1);
    put_run(s, "run000000002", 2, 40, 9);
    CHECK_EQ(store_compare_runs(s, &ask, &c, NULL), 0);
    CHECK_EQ(find(&c, "http_req_duration", NULL, p50)->verdict, COMPARE_UNCLEAR);
    store_comparison_deinit(&c);
    fixture_add_run(s, "run000000003"); /* which has nothing */
    ask.base = "run000000003";
    CHECK_EQ(store_compare_runs(s, &ask, &c, NULL), 0);
    CHECK_EQ(c.count, 0);
    store_comparison_deinit(&c);
    ask.base = "run000000004";
    fixture_check_error(&d, store_compare_runs(s, &ask, &c, &d), ERR_NOT_FOUND, "no run");
    ask.base = "run000000001";
    ask.from = 9;
    ask.to = 3;
    fixture_check_error(&d, store_compare_runs(s, &ask, &c, &d), ERR_INVALID, "no span");
    store_close(s);
}
