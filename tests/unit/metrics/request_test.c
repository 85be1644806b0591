#include "metrics/request.h"

#include <stdio.h>

#include "metrics/shard.h"
#include "metrics/window.h"
#include "support/test.h"

static struct request_record took(int64_t waiting, bool failed)
{
    return (struct request_record){.waiting = waiting, .failed = failed, .sampled = true};
}

static void add(struct shard *s, tagset_id set, int64_t waiting, bool failed)
{
    struct request_record r = took(waiting, failed);

    shard_add_request(s, set, &r);
}

TEST(request_exemplars_are_the_slowest_of_each_series)
{
    struct shard *s = shard_new(&(struct shard_options){.keep_exemplars = true});
    tag_id tags[] = {shard_tag(s, STR("name"), STR("a")), shard_tag(s, STR("name"), STR("b"))};
    tagset_id a = shard_tagset(s, 0, &tags[0], 1);
    tagset_id b = shard_tagset(s, 0, &tags[1], 1);
    struct window *w;

    CHECK(shard_wants_request(s, a, false, false, 0));
    add(s, a, 5, false);
    add(s, a, 9, false);
    add(s, a, 7, false);
    add(s, a, 3, true);
    add(s, b, 1, false);
    CHECK(!shard_wants_request(s, a, false, true, 9));
    CHECK(shard_wants_request(s, a, false, false, 10));
    CHECK(shard_wants_request(s, a, true, false, 4));
    w = shard_take_window(s);
    CHECK_EQ(w->requests.exemplar_count, 3);
    CHECK_EQ(w->requests.span_count, 0);
    CHECK_EQ(w->requests.exemplars[0].waiting, 9);
    CHECK(w->requests.exemplars[1].failed && w->requests.exemplars[1].waiting == 3);
    CHECK(str_eq_c(tags_get(w->requests.exemplars[2].tags, STR("name")), "b"));
    window_free(w);
    w = shard_take_window(s);
    CHECK_EQ(w->requests.exemplar_count, 0);
    window_free(w);
    shard_free(s);
}

TEST(request_exemplars_of_too_many_series_are_the_slowest)
{
    struct shard *s = shard_new(&(struct shard_options){.keep_exemplars = true});
    struct window *w;
    int64_t least = INT64_MAX;

    for (int64_t i = 0; i < 3 * EXEMPLARS_MAX; i++) {
        char name[16];
        tag_id tag;

        snprintf(name, sizeof name, "s%d", (int)i);
        tag = shard_tag(s, STR("name"), str_of(name));
        add(s, shard_tagset(s, 0, &tag, 1), 1 + i * 7 % (3 * EXEMPLARS_MAX), false);
    }
    w = shard_take_window(s);
    CHECK_EQ(w->requests.exemplar_count, EXEMPLARS_MAX);
    for (size_t i = 0; i < EXEMPLARS_MAX; i++)
        least = w->requests.exemplars[i].waiting < least ? w->requests.exemplars[i].waiting : least;
    CHECK_EQ(least, 2 * EXEMPLARS_MAX + 1);
    window_free(w);
    shard_free(s);
}

TEST(request_spans_are_bounded_and_counted)
{
    struct shard *s = shard_new(&(struct shard_options){.keep_spans = true});
    struct request_record unsampled = {.sampled = false};
    struct window *w;

    shard_add_request(s, 0, &unsampled);
    for (int i = 0; i < SPANS_PER_WINDOW_MAX + 5; i++)
        add(s, 0, i, false);
    w = shard_take_window(s);
    CHECK_EQ(w->requests.span_count, SPANS_PER_WINDOW_MAX);
    CHECK_EQ(w->requests.dropped, 5);
    CHECK_EQ(w->requests.exemplar_count, 0);
    window_free(w);
    add(s, 0, 1, false); /* freed with the shard */
    shard_free(s);
}

TEST(shard_metadata_of_one_sample_goes_with_the_window)
{
    struct shard *s = shard_new(&(struct shard_options){.keep_samples = true});
    tag_id pairs[] = {shard_tag(s, STR("iter"), STR("3")), shard_tag(s, STR("trace_id"), STR("x")),
                      shard_tag(s, STR("vu"), STR("1"))};
    struct window *w;

    shard_set_meta(s, pairs, 3);
    shard_add_meta(s, STR("trace_id"), STR("abc"));
    shard_add(s, METRIC_ITERATIONS, 0, 1, 1);
    shard_set_meta(s, NULL, 0);
    shard_add_meta(s, STR("trace_id"), STR("def"));
    shard_add(s, METRIC_ITERATIONS, 0, 1, 1);
    shard_set_meta(s, NULL, 0);
    shard_add(s, METRIC_ITERATIONS, 0, 1, 1);
    w = shard_take_window(s);
    CHECK_EQ(w->samples[0].meta->count, 3);
    CHECK(str_eq_c(tags_get(w->samples[0].meta, STR("trace_id")), "abc"));
    CHECK(str_eq_c(w->samples[0].meta->list[2].key, "vu"));
    CHECK_EQ(w->samples[1].meta->count, 1);
    CHECK(str_eq_c(tags_get(w->samples[1].meta, STR("trace_id")), "def"));
    CHECK(w->samples[2].meta == NULL);
    window_free(w);
    shard_free(s);
}

TEST(request_texts_are_cut_and_have_no_control_characters)
{
    char text[8];

    request_text(text, sizeof text, STR("a\x1b[2J\n\x7f-and so on"));
    CHECK_TEXT(text, "a [2J  ");
    request_text(text, sizeof text, STR(""));
    CHECK_TEXT(text, "");
}
