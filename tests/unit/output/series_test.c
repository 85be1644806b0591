/* Series of several workers become one; exponential buckets hold what a histogram does. */
#include "output/series.h"

#include <math.h>

#include "base/mem.h"
#include "metrics/hist.h"
#include "metrics/shard.h"
#include "metrics/window.h"
#include "output/exp_hist.h"
#include "support/test.h"

static tagset_id tags(struct shard *s, const char *const *pairs)
{
    tag_id ids[8];
    size_t count = 0;

    for (; *pairs; pairs += 2)
        ids[count++] = shard_tag(s, str_of(pairs[0]), str_of(pairs[1]));
    return shard_tagset(s, 0, ids, count);
}

static void merge(struct series_set *set, struct shard *s)
{
    struct window *w = shard_take_window(s);

    series_set_merge(set, w);
    window_free(w);
}

static const char *const one[] = {"a", "1", "url", "x", NULL};
static const char *const other[] = {"a", "1", "url", "y", NULL};

TEST(series_merge_workers_and_outlive_windows)
{
    struct shard *shards[] = {shard_new(&(struct shard_options){0}),
                              shard_new(&(struct shard_options){0})};
    struct series_set set;

    series_set_init(&set, true);
    for (size_t i = 0; i < COUNT_OF(shards); i++) {
        shard_add(shards[i], METRIC_HTTP_REQS, tags(shards[i], one), 2, 0);
        shard_add(shards[i], METRIC_HTTP_REQS, tags(shards[i], other), 5, 0);
        shard_add(shards[i], METRIC_VUS, 0, 3, 0);
        merge(&set, shards[i]);
        shard_free(shards[i]);
    }
    CHECK_EQ(set.count, 2);
    CHECK_EQ(set.metrics[0]->count, 2);
    CHECK_NEAR(set.metrics[0]->list[0]->sink.sum, 4, 0);
    CHECK_NEAR(set.metrics[0]->list[1]->sink.sum, 10, 0);
    CHECK(str_eq_c(set.metrics[0]->list[1]->tags->list[1].value, "y"));
    CHECK(str_eq_c(set.metrics[1]->name, "vus"));
    series_set_deinit(&set);
}

static bool is_url(struct str key, const void *arg)
{
    (void)arg;
    return str_eq_c(key, "url");
}

TEST(series_leave_tags_out_and_begin_anew)
{
    struct shard *s = shard_new(&(struct shard_options){0});
    struct series_set set;
    struct out_series *series;

    series_set_init(&set, false);
    set.leaves_out = is_url;
    shard_add(s, METRIC_HTTP_REQ_DURATION, tags(s, one), 2, 0);
    shard_add(s, METRIC_HTTP_REQ_DURATION, tags(s, other), 4, 0);
    merge(&set, s);
    CHECK_EQ(set.metrics[0]->count, 1);
    series = set.metrics[0]->list[0];
    CHECK_EQ(series->tags->count, 1);
    CHECK(series->has_news);
    CHECK_NEAR(hist_sum(series->sink.hist), 6, 0);
    series_set_sent(&set);
    CHECK(!series->has_news);
    CHECK(series->sink.is_empty);
    merge(&set, s);
    CHECK(!series->has_news);
    series_set_deinit(&set);
    shard_free(s);
}

TEST(series_without_tags_are_one_per_metric)
{
    struct shard *s = shard_new(&(struct shard_options){0});
    struct series_set set;

    series_set_init(&set, true);
    set.without_tags = true;
    shard_add(s, METRIC_HTTP_REQS, tags(s, one), 2, 0);
    shard_add(s, METRIC_HTTP_REQS, tags(s, other), 4, 0);
    merge(&set, s);
    CHECK_EQ(set.metrics[0]->count, 1);
    CHECK_EQ(set.metrics[0]->list[0]->tags->count, 0);
    CHECK_NEAR(set.metrics[0]->list[0]->sink.sum, 6, 0);
    series_set_deinit(&set);
    shard_free(s);
}

/* --- exponential buckets ------------------------------------------------------------------ */

static uint64_t sum(const struct exp_buckets *b)
{
    uint64_t all = 0;

    for (size_t i = 0; i < b->count; i++)
        all += b->counts[i];
    return all;
}

TEST(exp_hist_bounds_are_powers)
{
    static const double values[] = {1, 2, 2.1, 4, -1, 0, 0x1p-130, 1000};
    struct hist *h = hist_new();
    struct exp_hist e;

    for (size_t i = 0; i < COUNT_OF(values); i++)
        hist_record(h, values[i]);
    exp_hist_init(&e, h, 1, 0, 160);
    CHECK_EQ(e.scale, 0);
    CHECK_EQ(e.count, 8);
    CHECK_EQ(e.zeros, 2);
    /* (0.5, 1] is bucket 0, (1, 2] 1, (2, 4] 2, and (512, 1024] 10. */
    CHECK_EQ(e.positive.first, 0);
    CHECK_EQ(e.positive.count, 11);
    CHECK_EQ(e.positive.counts[0], 1);
    CHECK_EQ(e.positive.counts[1], 1);
    CHECK_EQ(e.positive.counts[2], 2);
    CHECK_EQ(e.positive.counts[10], 1);
    CHECK_EQ(e.negative.first, 0);
    CHECK_EQ(e.negative.counts[0], 1);
    exp_hist_deinit(&e);
    hist_free(h);
}

TEST(exp_hist_gets_coarser_until_it_fits)
{
    struct hist *h = hist_new();
    struct exp_hist e;

    for (int i = 0; i < 5000; i++)
        hist_record(h, ldexp(1 + i % 1000 / 1000.0, i % 40 - 20));
    exp_hist_init(&e, h, 1e-3, 20, 160);
    CHECK(e.scale < 20);
    CHECK(e.positive.count <= 160);
    CHECK(e.positive.count > 80); /* the next finer scale would have had twice as many */
    CHECK_EQ(sum(&e.positive), 5000);
    exp_hist_deinit(&e);
    hist_reset(h);
    hist_record(h, 5e-324);
    hist_record(h, 1.7e308);
    exp_hist_init(&e, h, 1, 20, 2);
    CHECK_EQ(sum(&e.positive) + e.zeros, 2);
    CHECK(e.positive.count <= 2);
    exp_hist_deinit(&e);
    hist_free(h);
}
