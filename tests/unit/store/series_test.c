/* What is put is what is answered, whatever was tidied in between: checked against a model that
 * keeps every second. */
#include "store/series.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "fixture.h"
#include "metrics/hist.h"
#include "metrics/shard.h"
#include "metrics/totals.h"

enum { SECONDS = 1510, REGIONS = 2, MOST_LATE = 700 };

static const char *const regions[REGIONS] = {"eu", "us"};
static struct sink model[REGIONS][SECONDS][SERIES_COUNT];
static int64_t newest; /* that was put */

static void model_init(void)
{
    for (size_t r = 0; r < REGIONS; r++) {
        for (size_t t = 0; t < SECONDS; t++) {
            for (size_t i = 0; i < SERIES_COUNT; i++)
                sink_init(&model[r][t][i], fixture_series((enum fixture_series)i)->metric->type);
        }
    }
}

/* VUs take the place of what the second had; everything else merges. */
static void model_add(size_t region, int64_t second, const struct window *w)
{
    newest = second > newest ? second : newest;
    for (size_t i = 0; i < SERIES_COUNT; i++) {
        struct sink *to = &model[region][second][i];
        const struct sink *from = &w->series[i].sink;

        if (i != VUS)
            sink_merge(to, from);
        else if (!from->is_empty)
            *to = *from;
    }
}

static struct window *random_window(struct rng *rng, int64_t second)
{
    struct window *w = fixture_window();
    uint64_t values = rng_below(rng, 50) == 0 ? 700 : rng_below(rng, 30);
    int64_t wall = second * 1000000000 + (int64_t)rng_below(rng, 1000000000);

    for (uint64_t i = 0; i < values; i++) {
        double ms = (double)rng_below(rng, 400000000) / 1e6;

        sink_add(fixture_sink(w, i % 3 ? DURATION_A : DURATION_B), ms, 0);
        sink_add(fixture_sink(w, i % 3 ? REQS_A : REQS_B), 1, 0);
        sink_add(fixture_sink(w, ONLY), ms * 0.7, 0);
        sink_add(fixture_sink(w, FAILED_A), i % 5 == 0, 0);
    }
    if (rng_below(rng, 4) > 0)
        sink_add(fixture_sink(w, VUS), (double)(1 + rng_below(rng, 20)), wall);
    if (rng_below(rng, 4) > 0)
        sink_add(fixture_sink(w, DEPTH), rng_unit(rng), wall);
    return w;
}

/* --- what the model answers --------------------------------------------------------------- */

static bool series_wanted(size_t i, const struct store_query *q)
{
    const struct series *series = fixture_series((enum fixture_series)i);

    if (!str_eq(series->metric->name, q->where.metric))
        return false;
    for (size_t j = 0; j < q->where.tag_count; j++) {
        if (!str_eq(tags_get(series->tags, q->where.tags[j].key), q->where.tags[j].value))
            return false;
    }
    return true;
}

static bool column_has(const struct store_query *q, const char *by, size_t region, size_t series)
{
    if (q->by.len == 0)
        return true;
    if (str_eq_c(q->by, "region"))
        return by[0] == '\0' || strcmp(by, regions[region]) == 0;
    return str_eq_c(tags_get(fixture_series((enum fixture_series)series)->tags, q->by), by);
}

/* The sum of a span as a column has it. */
static void model_sum(const struct store_query *q, const char *by, const int64_t span[2],
                      struct sink *out)
{
    for (size_t r = 0; r < REGIONS; r++) {
        for (size_t i = 0; i < SERIES_COUNT; i++) {
            struct sink last;

            if (!series_wanted(i, q) || !column_has(q, by, r, i))
                continue;
            sink_init(&last, out->type);
            for (int64_t t = span[0]; t < span[1] && t < SECONDS; t++) {
                if (i != VUS)
                    sink_merge(out, &model[r][t][i]);
                else if (!model[r][t][i].is_empty)
                    last = model[r][t][i];
            }
            if (i == VUS && !last.is_empty) {
                out->gauge.value = last.gauge.value + (out->is_empty ? 0 : out->gauge.value);
                out->is_empty = false;
            }
        }
    }
}

static void check_query(struct store *s, const struct store_query *q, size_t columns, int line)
{
    struct store_columns got;
    struct diag d = DIAG_INIT;

    if (store_query(s, q, &got, &d) != 0)
        test_fail(__FILE__, line, "%s", d.message);
    if (got.count != columns * q->agg_count)
        test_fail(__FILE__, line, "%zu columns, want %zu", got.count, columns * q->agg_count);
    for (size_t c = 0; c < got.count; c++) {
        for (size_t row = 0; row < got.rows; row++) {
            int64_t from = got.from + (int64_t)row * got.step;
            struct sink want;
            double value = got.list[c].values[row];
            double expected;

            sink_init(&want, got.type);
            model_sum(q, got.list[c].by, (const int64_t[]){from, from + got.step}, &want);
            expected = sink_aggregate(&want, q->aggs[got.list[c].agg],
                                      fmin((double)got.step, (double)(newest + 1 - from)));
            if (want.is_empty != isnan(value) ||
                (!want.is_empty && fabs(value - expected) > fabs(expected) * 1e-12))
                test_fail(__FILE__, line, "step %lld at %lld, column %s %zu: got %.17g, want %.17g",
                          (long long)got.step, (long long)from, got.list[c].by, c, value, expected);
            sink_deinit(&want);
        }
    }
    store_columns_deinit(&got);
}

static const struct agg p95 = {AGG_P, 95};
static const struct agg three[] = {{AGG_P, 50}, {AGG_P, 99.9}, {AGG_AVG, 0}};
static const struct agg rate = {AGG_RATE, 0};
static const struct agg value = {AGG_VALUE, 0};

/* Everything that there is to ask, at a step. */
static void check_all(struct store *s, const char *run, int64_t step)
{
    struct tag a = {STR_INIT("name"), STR_INIT("/a")};
    struct store_query q = {.run = run, .step = step, .aggs = three, .agg_count = 3};

    q.where.metric = STR("http_req_duration");
    check_query(s, &q, 1, __LINE__);
    q.by = STR("region");
    check_query(s, &q, 2, __LINE__);
    q.with_total = true;
    check_query(s, &q, 3, __LINE__);
    q.by = STR("name");
    check_query(s, &q, 2, __LINE__);
    q.by = STR("");
    q.where.tags = &a;
    q.where.tag_count = 1;
    check_query(s, &q, 1, __LINE__);
    q.by = STR("region");
    check_query(s, &q, 3, __LINE__);
    q.where.tag_count = 0;
    q.where.from = 61;
    q.where.to = 1217;
    q.where.metric = STR("only");
    check_query(s, &q, 3, __LINE__);
    q.where.from = q.where.to = 0;
    q.agg_count = 1;
    q.aggs = &rate;
    q.where.metric = STR("http_reqs");
    check_query(s, &q, 3, __LINE__);
    q.where.metric = STR("http_req_failed");
    check_query(s, &q, 3, __LINE__);
    q.aggs = &value;
    q.where.metric = STR("vus");
    check_query(s, &q, 3, __LINE__);
    q.by = STR("");
    check_query(s, &q, 1, __LINE__);
    q.where.metric = STR("depth");
    check_query(s, &q, 1, __LINE__);
}

/* --- sums --------------------------------------------------------------------------------- */

static void check_sink(const struct sink *got, const struct sink *want)
{
    CHECK_EQ(got->is_empty, want->is_empty);
    for (double q = 0; got->type == METRIC_TREND && q <= 1; q += 0.05)
        CHECK_NEAR(hist_quantile(got->hist, q), hist_quantile(want->hist, q), 1e-12);
    if (got->type == METRIC_TREND) {
        CHECK_EQ(hist_count(got->hist), hist_count(want->hist));
        CHECK_NEAR(hist_sum(got->hist), hist_sum(want->hist), 1e-9 * hist_sum(want->hist));
    } else if (got->type == METRIC_RATE) {
        CHECK_EQ(got->rate.trues, want->rate.trues);
        CHECK_EQ(got->rate.total, want->rate.total);
    } else {
        CHECK_NEAR(sink_aggregate(got, value, 1), sink_aggregate(want, value, 1), 1e-12);
    }
}

static void check_sums(struct store *s, const char *run, int64_t from, int64_t to)
{
    struct store_where where = {.from = from, .to = to};
    struct store_sum_list sums;

    CHECK_EQ(store_sum(s, run, &where, &sums, NULL), 0);
    CHECK_EQ(sums.count, REGIONS);
    for (size_t r = 0; r < REGIONS; r++) {
        const struct window *w = sums.list[r].window;

        CHECK_TEXT(sums.list[r].region.ptr, regions[r]);
        for (size_t i = 0; i < w->count; i++) {
            struct sink want;
            size_t which = 0;

            while (!str_eq(fixture_series((enum fixture_series)which)->metric->name,
                           w->series[i].series->metric->name) ||
                   !str_eq(tags_get(fixture_series((enum fixture_series)which)->tags, STR("name")),
                           tags_get(w->series[i].series->tags, STR("name"))))
                which++;
            if (which == VUS)
                continue; /* the later second wins: not the model's merge */
            sink_init(&want, w->series[i].sink.type);
            for (int64_t t = from; t < (to ? to : SECONDS); t++)
                sink_merge(&want, &model[r][t][which]);
            check_sink(&w->series[i].sink, &want);
            sink_deinit(&want);
        }
    }
    store_sum_list_deinit(&sums);
}

/* --- the test ----------------------------------------------------------------------------- */

struct late {
    struct window *window;
    size_t region;
    int64_t second;
    int64_t due;
};

/* Puts the windows of second `t`; some are kept back and come later. */
static void put_second(struct store *s, struct rng *rng, int64_t t, struct late *late,
                       size_t *late_count)
{
    for (size_t r = 0; r < REGIONS; r++) {
        size_t agents = (size_t)rng_below(rng, 4);

        for (size_t i = 0; i < agents; i++) {
            struct window *w = random_window(rng, t);
            bool is_late = rng_below(rng, 30) == 0;

            if (is_late) {
                late[(*late_count)++] =
                    (struct late){w, r, t, t + (int64_t)rng_below(rng, MOST_LATE)};
                continue;
            }
            model_add(r, t, w);
            fixture_put(s, "run000000000", regions[r], t, w);
            window_free(w);
        }
    }
    for (size_t i = 0; i < *late_count; i++) {
        if (!late[i].window || (late[i].due > t && t < SECONDS - 1))
            continue;
        model_add(late[i].region, late[i].second, late[i].window);
        fixture_put(s, "run000000000", regions[late[i].region], late[i].second, late[i].window);
        window_free(late[i].window);
        late[i].window = NULL;
    }
}

static void check_everything(struct store *s, const int64_t *steps, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_all(s, "run000000000", steps[i]);
    check_sums(s, "run000000000", 0, 0);
    check_sums(s, "run000000000", 7, 1303);
    check_sums(s, "run000000000", 601, 607);
}

TEST(series_are_what_was_put_whatever_was_tidied)
{
    struct store *s = fixture_open();
    struct store *reader;
    struct late *late = mem_calloc((size_t)SECONDS * REGIONS * 4, sizeof *late);
    size_t late_count = 0;
    struct rng rng;

    model_init();
    rng_seed(&rng, 4);
    fixture_add_run(s, "run000000000");
    for (int64_t t = 0; t < SECONDS; t++) {
        CHECK_EQ(store_begin(s, NULL), 0);
        put_second(s, &rng, t, late, &late_count);
        CHECK_EQ(store_commit(s, NULL), 0);
        if (rng_below(&rng, 3) == 0)
            CHECK(store_tidy(s, NULL) >= 0);
        if (t == 333)
            check_all(s, "run000000000", 10);
    }
    check_everything(s, (const int64_t[]){7, 60}, 2);
    fixture_tidy_all(s);
    check_everything(s, (const int64_t[]){1, 10, 600}, 3);
    fixture_end_run(s, "run000000000", 9);
    fixture_tidy_all(s);
    CHECK_EQ(store_check(s, NULL), 0);
    reader = fixture_open_reader();
    check_everything(reader, (const int64_t[]){30, 120}, 2);
    store_close(reader);
    store_close(s);
    mem_free(late);
}

TEST(series_of_vus_add_up_over_windows_and_regions)
{
    struct store *s = fixture_open();
    struct window *w[] = {fixture_window(), fixture_window()};
    const struct window *windows[] = {w[0], w[1]};
    struct store_query q = {.run = "run000000000", .aggs = &value, .agg_count = 1, .step = 1};
    struct store_second at = {"run000000000", STR_INIT("eu"), 1};
    struct store_columns got;

    fixture_add_run(s, "run000000000");
    sink_add(fixture_sink(w[0], VUS), 5, 70);
    sink_add(fixture_sink(w[1], VUS), 7, 60);
    CHECK_EQ(store_put_second(s, &at, windows, 2, NULL), 0);
    at.region = STR("us");
    CHECK_EQ(store_put_second(s, &at, windows, 2, NULL), 0);
    CHECK_EQ(store_put_second(s, &at, windows, 1, NULL), 0); /* late: that is what it was */
    q.where.metric = STR("vus");
    for (int round = 0; round < 2; round++) {
        CHECK_EQ(store_query(s, &q, &got, NULL), 0);
        CHECK_EQ(got.rows, 2);
        CHECK_NEAR(got.list[0].values[1], 12 + 5, 0);
        store_columns_deinit(&got);
        fixture_end_run(s, "run000000000", 1);
        fixture_tidy_all(s);
    }
    window_free(w[0]);
    window_free(w[1]);
    store_close(s);
}

/* Ten minutes of many series are rolled in several pieces; what comes late between two of them is
 * not forgotten. */
TEST(series_in_great_number_are_tidied_in_pieces)
{
    enum { MANY = 1200 };
    struct store *s = fixture_open();
    struct shard *shard = shard_new(&(struct shard_options){0});
    struct store_where where = {.metric = STR("http_reqs")};
    struct store_sum_list sums;
    struct window *w;
    char text[16];
    int pieces = 0;

    for (int i = 0; i < MANY; i++) {
        tag_id tag;

        snprintf(text, sizeof text, "/%d", i);
        tag = shard_tag(shard, STR("name"), str_of(text));
        shard_add(shard, METRIC_HTTP_REQS, shard_tagset(shard, 0, &tag, 1), 1, 0);
    }
    w = shard_take_window(shard);
    fixture_add_run(s, "run000000000");
    fixture_put(s, "run000000000", "eu", 0, w);
    fixture_put(s, "run000000000", "eu", 599, w);
    fixture_put(s, "run000000000", "eu", 650, w);
    for (int i = 0; i < 3; i++) /* two minutes, and a part of the roll */
        CHECK_EQ(store_tidy(s, NULL), 1);
    fixture_put(s, "run000000000", "eu", 300, w);
    while (store_tidy(s, NULL) > 0)
        pieces++;
    CHECK(pieces >= 1 + MANY / 500);
    fixture_put(s, "run000000000", "eu", 301, w); /* and into what is rolled */
    fixture_tidy_all(s);
    CHECK_EQ(store_sum(s, "run000000000", &where, &sums, NULL), 0);
    CHECK_EQ(sums.list[0].window->count, MANY);
    for (size_t i = 0; i < MANY; i++)
        CHECK_NEAR(sums.list[0].window->series[i].sink.sum, 5, 0);
    store_sum_list_deinit(&sums);
    CHECK_EQ(store_sum_metrics(s, "run000000000", &where, &sums, NULL), 0);
    CHECK_NEAR(sums.list[0].window->series[0].sink.sum, 5 * MANY, 0);
    store_sum_list_deinit(&sums);
    window_free(w);
    shard_free(shard);
    store_close(s);
}

/* What setup() measures: not in charts, but in sums. */
TEST(series_of_before_the_start)
{
    struct store *s = fixture_open();
    struct store_where all = {.metric = STR("http_reqs")};
    struct store_where run = {.metric = STR("http_reqs"), .to = 100};
    struct store_query q = {.run = "run000000000", .aggs = &rate, .agg_count = 1, .step = 1};
    struct store_sum_list sums;
    struct store_columns got;

    fixture_add_run(s, "run000000000");
    fixture_put_value(s, "run000000000", "eu", -661, 1);
    fixture_put_value(s, "run000000000", "eu", -1, 1);
    q.where.metric = STR("http_reqs");
    for (int round = 0; round < 3; round++) {
        CHECK_EQ(store_sum(s, "run000000000", &all, &sums, NULL), 0);
        CHECK_NEAR(sums.list[0].window->series[0].sink.sum, round ? 3 : 2, 0);
        store_sum_list_deinit(&sums);
        if (round == 0)
            fixture_put_value(s, "run000000000", "eu", 0, 1);
        if (round == 1)
            fixture_end_run(s, "run000000000", 5);
        fixture_tidy_all(s);
    }
    CHECK_EQ(store_sum(s, "run000000000", &run, &sums, NULL), 0);
    CHECK_NEAR(sums.list[0].window->series[0].sink.sum, 1, 0);
    store_sum_list_deinit(&sums);
    CHECK_EQ(store_query(s, &q, &got, NULL), 0);
    CHECK_EQ(got.rows, 1);
    store_columns_deinit(&got);
    store_close(s);
}

TEST(series_that_come_after_the_end_are_taken)
{
    struct store *s = fixture_open();
    struct store_where where = {.metric = STR("http_reqs")};
    struct store_sum_list sums;

    fixture_add_run(s, "run000000000");
    fixture_put_value(s, "run000000000", "eu", 5, 1);
    fixture_end_run(s, "run000000000", 9);
    fixture_tidy_all(s);
    fixture_put_value(s, "run000000000", "eu", 5, 2);
    fixture_put_value(s, "run000000000", "us", 700, 3);
    fixture_tidy_all(s);
    CHECK_EQ(store_sum(s, "run000000000", &where, &sums, NULL), 0);
    CHECK_EQ(sums.count, 2);
    CHECK_NEAR(sums.list[0].window->series[0].sink.sum, 2, 0);
    CHECK_NEAR(sums.list[1].window->series[0].sink.sum, 1, 0);
    store_sum_list_deinit(&sums);
    store_close(s);
}

/* A controller that comes back merges sums as it did windows. */
TEST(series_rebuild_totals)
{
    struct store *s = fixture_open();
    struct store_where where = {.to = 0};
    struct store_sum_list sums;
    struct totals *totals = totals_new();
    struct metric_total *m;

    fixture_add_run(s, "run000000000");
    for (int64_t t = 0; t < 130; t++)
        fixture_put_value(s, "run000000000", t % 2 ? "eu" : "us", t, (double)t);
    fixture_tidy_all(s);
    CHECK_EQ(store_sum(s, "run000000000", &where, &sums, NULL), 0);
    for (size_t i = 0; i < sums.count; i++)
        totals_merge(totals, sums.list[i].window, 129);
    m = totals_find(totals, STR("http_req_duration"));
    CHECK(m && hist_count(m->sink.hist) == 130);
    CHECK_NEAR(hist_quantile(m->sink.hist, 0.5), 64.5, 1e-9);
    totals_free(totals);
    store_sum_list_deinit(&sums);
    store_close(s);
}

TEST(series_ask_in_vain)
{
    struct store *s = fixture_open();
    struct store_query q = {.run = "run000000000", .aggs = &p95, .agg_count = 1};
    struct store_columns got;
    struct diag d = DIAG_INIT;

    fixture_add_run(s, "run000000000");
    fixture_put_value(s, "run000000000", "eu", 1, 1);
    q.where.metric = STR("nothing");
    fixture_check_error(&d, store_query(s, &q, &got, &d), ERR_NOT_FOUND, "no metric nothing");
    q.where.metric = STR("http_reqs");
    fixture_check_error(&d, store_query(s, &q, &got, &d), ERR_INVALID, "count, rate");
    q.where.metric = STR("http_req_duration");
    q.where.from = 5;
    q.where.to = 5;
    fixture_check_error(&d, store_query(s, &q, &got, &d), ERR_INVALID, "no span");
    q.where = (struct store_where){.metric = STR("http_req_duration")};
    q.run = "run000000001";
    fixture_check_error(&d, store_query(s, &q, &got, &d), ERR_NOT_FOUND, "no run");
    q.run = "run000000000";
    q.by = STR("no_such_tag");
    CHECK_EQ(store_query(s, &q, &got, NULL), 0);
    CHECK_EQ(got.count, 1);
    CHECK_TEXT(got.list[0].by, "");
    store_columns_deinit(&got);
    store_close(s);
}

TEST(series_are_refused_where_they_can_not_be)
{
    struct store *s = fixture_open();
    struct metric wrong = {.name = STR_INIT("http_reqs"), .type = METRIC_TREND};
    struct series series = {&wrong, fixture_series(REQS_A)->tags};
    struct window_series one = {.series = &series};
    struct window w = {.series = &one, .count = 1};
    const struct window *windows[] = {&w};
    struct store_second at = {"run000000000", STR_INIT("eu"), 2};
    struct diag d = DIAG_INIT;

    fixture_add_run(s, "run000000000");
    fixture_put_value(s, "run000000000", "eu", 1, 1);
    sink_init(&one.sink, METRIC_TREND);
    sink_add(&one.sink, 1, 0);
    fixture_check_error(&d, store_put_second(s, &at, windows, 1, &d), ERR_INVALID, "is a counter");
    at.run = "run999999999";
    fixture_check_error(&d, store_put_second(s, &at, windows, 1, &d), ERR_NOT_FOUND, "no run");
    at.run = "run000000000";
    at.region = STR("");
    fixture_check_error(&d, store_put_second(s, &at, windows, 1, &d), ERR_INVALID, "region");
    at.region = STR("eu");
    at.second = STORE_MIN_SECOND - 1;
    fixture_check_error(&d, store_put_second(s, &at, windows, 1, &d), ERR_LIMIT, "second -86401");
    sink_deinit(&one.sink);
    /* What was refused left nothing behind that is in the way. */
    fixture_put_value(s, "run000000000", "eu", 2, 1);
    store_close(s);
}

TEST(series_positions_come_with_the_windows)
{
    struct store *s = fixture_open();
    int64_t at = 0;

    fixture_add_run(s, "run000000000");
    CHECK_EQ(store_get_position(s, "run000000000", "stream", 7, &at, NULL), 0);
    CHECK_EQ(at, 7);
    CHECK_EQ(store_begin(s, NULL), 0);
    fixture_put_value(s, "run000000000", "eu", 1, 1);
    CHECK_EQ(store_put_position(s, "run000000000", "stream", 100, NULL), 0);
    store_rollback(s);
    CHECK_EQ(store_get_position(s, "run000000000", "stream", 7, &at, NULL), 0);
    CHECK_EQ(at, 7);
    CHECK_EQ(store_newest_second(s, "run000000000", &at, NULL), 0);
    CHECK_EQ(at, -1);
    CHECK_EQ(store_begin(s, NULL), 0);
    fixture_put_value(s, "run000000000", "eu", 1, 1);
    CHECK_EQ(store_put_position(s, "run000000000", "stream", 100, NULL), 0);
    CHECK_EQ(store_commit(s, NULL), 0);
    CHECK_EQ(store_put_position(s, "run000000000", "stream", 101, NULL), 0);
    CHECK_EQ(store_get_position(s, "run000000000", "stream", 7, &at, NULL), 0);
    CHECK_EQ(at, 101);
    CHECK_EQ(store_newest_second(s, "run000000000", &at, NULL), 0);
    CHECK_EQ(at, 1);
    store_close(s);
}
