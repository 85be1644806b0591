#include "metrics/shard.h"

#include <stdio.h>

#include "base/err.h"
#include "metrics/hist.h"
#include "metrics/totals.h"
#include "metrics/window.h"
#include "support/test.h"

static const struct window_series *find(const struct window *w, uint32_t metric, const char *key,
                                        const char *value)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct series *s = w->series[i].series;

        if (s->metric->id == metric && str_eq_c(tags_get(s->tags, str_of(key)), value))
            return &w->series[i];
    }
    return NULL;
}

TEST(shard_interns_sets_whatever_the_order)
{
    struct shard *s = shard_new(&(struct shard_options){0});
    tag_id ab[] = {shard_tag(s, STR("a"), STR("1")), shard_tag(s, STR("b"), STR("2"))};
    tag_id ba[] = {ab[1], ab[0]};
    tag_id other = shard_tag(s, STR("a"), STR("9"));
    tagset_id set = shard_tagset(s, 0, ab, 2);

    CHECK_EQ(shard_tagset(s, 0, ba, 2), set);
    CHECK_EQ(shard_tagset(s, shard_tagset(s, 0, ab, 1), ab + 1, 1), set);
    CHECK(shard_tagset(s, set, &other, 1) != set);
    CHECK(str_eq_c(shard_tagset_get(s, shard_tagset(s, set, &other, 1), STR("a")), "9"));
    CHECK_EQ(shard_tagset_without(s, set, STR("b")), shard_tagset(s, 0, ab, 1));
    CHECK_EQ(shard_tagset_without(s, set, STR("zz")), set);
    CHECK_EQ(shard_tagset(s, set, NULL, 0), set);
    CHECK(shard_tagset_get(s, 0, STR("a")).ptr == NULL);
    shard_free(s);
}

TEST(shard_windows_hold_what_came_since_the_last)
{
    struct shard *s = shard_new(&(struct shard_options){.keep_samples = true});
    tag_id tag = shard_tag(s, STR("k"), STR("v"));
    tagset_id set = shard_tagset(s, 0, &tag, 1);
    struct window *w;

    shard_add(s, METRIC_ITERATIONS, set, 1, 10);
    shard_add(s, METRIC_ITERATIONS, set, 2, 11);
    shard_add(s, METRIC_ITERATION_DURATION, set, 5, 12);
    shard_set_meta(s, &tag, 1);
    shard_add(s, METRIC_VUS, 0, 3, 13);
    w = shard_take_window(s);
    CHECK_EQ(w->count, 3);
    CHECK_EQ(w->sample_count, 4);
    CHECK(w->samples[0].meta == NULL && w->samples[3].meta != NULL);
    CHECK_NEAR(find(w, METRIC_ITERATIONS, "k", "v")->sink.sum, 3, 0);
    window_free(w);
    shard_add(s, METRIC_ITERATIONS, set, 4, 14);
    w = shard_take_window(s);
    CHECK_EQ(w->count, 1);
    CHECK_NEAR(w->series[0].sink.sum, 4, 0);
    window_free(w);
    w = shard_take_window(s);
    CHECK_EQ(w->count, 0);
    window_free(w);
    shard_free(s);
}

TEST(shard_folds_urls_past_its_limit_and_loses_no_total)
{
    struct shard *s = shard_new(&(struct shard_options){.max_series = 50});
    struct totals *t = totals_new();
    struct window *w;
    char url[32];

    for (int i = 0; i < 1000; i++) {
        tag_id tags[2];

        snprintf(url, sizeof url, "http://x/%d", i);
        tags[0] = shard_tag(s, STR("url"), str_of(url));
        tags[1] = shard_tag(s, STR("method"), STR("GET"));
        shard_add(s, METRIC_HTTP_REQS, shard_tagset(s, 0, tags, 2), 1, 0);
    }
    w = shard_take_window(s);
    CHECK(w->count <= 52);
    CHECK(find(w, METRIC_HTTP_REQS, "url", "(other)"));
    CHECK(str_eq_c(
        tags_get(find(w, METRIC_HTTP_REQS, "url", "(other)")->series->tags, STR("method")), "GET"));
    totals_merge(t, w, 0);
    CHECK_NEAR(totals_find(t, STR("http_reqs"))->sink.sum, 1000, 0);
    CHECK(shard_overflowed(s));
    CHECK(!shard_overflowed(s));
    window_free(w);
    totals_free(t);
    shard_free(s);
}

TEST(metric_names_and_types_are_checked)
{
    struct metric_registry r;
    const struct metric *m = NULL;
    struct diag d = DIAG_INIT;

    metric_registry_init(&r);
    CHECK_EQ(metric_registry_add(&r, STR("my_metric"), METRIC_TREND, METRIC_TIME, &m, &d), 0);
    CHECK_EQ(m->id, METRIC_BUILTIN_COUNT);
    CHECK_EQ(metric_registry_add(&r, STR("my_metric"), METRIC_TREND, METRIC_TIME, &m, &d), 0);
    CHECK_EQ(metric_registry_add(&r, STR("checks"), METRIC_RATE, METRIC_DEFAULT, &m, &d), 0);
    CHECK_EQ(m->id, METRIC_CHECKS);
    CHECK_EQ(metric_registry_add(&r, STR("my_metric"), METRIC_RATE, METRIC_DEFAULT, &m, &d),
             ERR_INVALID);
    CHECK_TEXT(d.message, "metric 'my_metric' already exists with another type: it is a trend of "
                          "time values");
    diag_deinit(&d);
    CHECK_EQ(metric_registry_add(&r, STR("my metric"), METRIC_RATE, METRIC_DEFAULT, &m, NULL),
             ERR_INVALID);
    CHECK_EQ(metric_registry_add(&r, STR("x"), METRIC_RATE, METRIC_DEFAULT, &m, NULL), ERR_INVALID);
    CHECK_EQ(metric_registry_add(&r, STR("1a"), METRIC_RATE, METRIC_DEFAULT, &m, NULL),
             ERR_INVALID);
    metric_registry_deinit(&r);
}

TEST(totals_keep_groups_checks_and_submetrics)
{
    struct shard *s = shard_new(&(struct shard_options){0});
    struct totals *t = totals_new();
    struct metric_registry *r = shard_registry(s);
    struct submetric *sub = NULL;
    struct submetric *again = NULL;
    tag_id tags[] = {shard_tag(s, STR("group"), STR("::a::b")),
                     shard_tag(s, STR("check"), STR("is fine")),
                     shard_tag(s, STR("scenario"), STR("one"))};
    tagset_id set = shard_tagset(s, 0, tags, 3);
    struct window *w;

    CHECK_EQ(totals_add_submetric(t, totals_metric(t, r->metrics[METRIC_CHECKS]),
                                  STR(" group : '::a::b' "), &sub, NULL),
             0);
    CHECK_EQ(totals_add_submetric(t, totals_metric(t, r->metrics[METRIC_CHECKS]),
                                  STR("group:::a::b"), &again, NULL),
             0);
    CHECK(sub == again);
    CHECK_EQ(totals_add_submetric(t, totals_metric(t, r->metrics[METRIC_CHECKS]), STR("group"),
                                  &again, NULL),
             ERR_SYNTAX);
    shard_add(s, METRIC_CHECKS, set, 1, 0);
    shard_add(s, METRIC_CHECKS, set, 0, 0);
    w = shard_take_window(s);
    totals_merge(t, w, 0);
    window_free(w);
    CHECK_EQ(t->checks.count, 1);
    CHECK_EQ(t->checks.checks[0]->passes, 1);
    CHECK_EQ(t->checks.checks[0]->fails, 1);
    CHECK_TEXT(t->checks.checks[0]->path, "::a::b::is fine");
    CHECK_TEXT(t->root->groups[0]->name, "a");
    CHECK_TEXT(t->root->groups[0]->groups[0]->path, "::a::b");
    CHECK_EQ(t->root->groups[0]->groups[0]->checks.count, 1);
    CHECK_EQ(sub->sink.rate.total, 2);
    CHECK_EQ(t->scope_count, 2); /* the scenario's has all of it, the group's its own */
    for (size_t i = 0; i < 2; i++) {
        CHECK_TEXT(t->scopes[i]->scenario, "one");
        CHECK_TEXT(t->scopes[i]->path, i == 0 ? "" : "::a::b");
        CHECK_EQ(t->scopes[i]->sinks[0]->rate.total, 2);
        CHECK_EQ(t->scopes[i]->checks.checks[0]->passes, 1);
    }
    totals_free(t);
    shard_free(s);
}
