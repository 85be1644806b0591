#include "fleet/window_wire.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "fleet/series_book.h"
#include "metrics/hist.h"
#include "metrics/shard.h"
#include "metrics/sink.h"
#include "metrics/window.h"
#include "support/test.h"

/* --- what was sent ------------------------------------------------------------------------ */

struct sent {
    struct buf *messages;
    size_t count;
};

static void keep(void *arg, struct str bytes)
{
    struct sent *sent = arg;

    sent->messages = mem_reallocarray(sent->messages, sent->count + 1, sizeof *sent->messages);
    buf_init(&sent->messages[sent->count], SIZE_MAX);
    buf_append_str(&sent->messages[sent->count++], bytes);
}

static void unkeep(struct sent *sent)
{
    for (size_t i = 0; i < sent->count; i++)
        buf_deinit(&sent->messages[i]);
    mem_free(sent->messages);
}

/* --- sums that a window should have ------------------------------------------------------- */

/* A series as text, so that those of different books and shards compare. */
static char *series_text(const struct series *s)
{
    struct buf text = BUF_INIT(SIZE_MAX);

    buf_printf(&text, "%s %d %d", s->metric->name.ptr, s->metric->type, s->metric->contains);
    for (uint32_t i = 0; i < s->tags->count; i++)
        buf_printf(&text, " %.*s=%.*s", STR_ARG(s->tags->list[i].key),
                   STR_ARG(s->tags->list[i].value));
    return buf_take(&text);
}

static void free_sink(void *value)
{
    sink_deinit(value);
    mem_free(value);
}

static void add_window(struct map *sums, const struct window *w)
{
    for (size_t i = 0; i < w->count; i++) {
        char *key = series_text(w->series[i].series);
        struct sink *sink = map_get(sums, str_of(key));

        if (!sink) {
            sink = mem_alloc(sizeof *sink);
            sink_init(sink, w->series[i].sink.type);
            map_set(sums, str_of(key), sink);
        }
        sink_merge(sink, &w->series[i].sink);
        mem_free(key);
    }
}

static bool same_double(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b)) ||
           fabs(a - b) <= fabs(a) * 1e-12;
}

static void check_sink(const struct sink *a, const struct sink *b)
{
    CHECK_EQ(a->type, b->type);
    switch (a->type) {
    case METRIC_COUNTER:
        CHECK(same_double(a->sum, b->sum));
        break;
    case METRIC_GAUGE:
        CHECK(same_double(a->gauge.value, b->gauge.value));
        CHECK(same_double(a->gauge.min, b->gauge.min));
        CHECK(same_double(a->gauge.max, b->gauge.max));
        CHECK_EQ(a->gauge.wall_nsec, b->gauge.wall_nsec);
        break;
    case METRIC_RATE:
        CHECK_EQ(a->rate.trues, b->rate.trues);
        CHECK_EQ(a->rate.total, b->rate.total);
        break;
    case METRIC_TREND:
        CHECK_EQ(hist_count(a->hist), hist_count(b->hist));
        CHECK(same_double(hist_sum(a->hist), hist_sum(b->hist)));
        for (double q = 0; q <= 1; q += 0.05)
            CHECK(same_double(hist_quantile(a->hist, q), hist_quantile(b->hist, q)));
        break;
    }
}

static void check_sums(const struct map *got, const struct map *want)
{
    CHECK_EQ(got->count, want->count);
    for (struct map_entry *e = map_first(want); e; e = map_next(want, e)) {
        CHECK(map_has(got, e->key));
        check_sink(map_get(got, e->key), e->value);
    }
}

/* --- random windows ----------------------------------------------------------------------- */

static double draw_value(struct rng *rng)
{
    switch (rng_below(rng, 40)) {
    case 0:
        return NAN;
    case 1:
        return INFINITY;
    case 2:
        return -INFINITY;
    case 3:
        return -0.0;
    case 4:
        return 5e-324;
    case 5:
        return 1.7e308;
    default:
        return rng_unit(rng) * 1000 - 100;
    }
}

static tagset_id draw_tags(struct rng *rng, struct shard *shard, uint64_t variety)
{
    tag_id tags[12];
    size_t count = (size_t)rng_below(rng, COUNT_OF(tags));
    char value[40];

    for (size_t i = 0; i < count; i++) {
        static const char *const keys[] = {
            "name", "url", "method", "status", "group", "\xc3\xa9t\xc3\xa9", "k", "scenario"};

        snprintf(value, sizeof value, "v%llu", (unsigned long long)rng_below(rng, variety));
        tags[i] = shard_tag(shard, str_of(keys[rng_below(rng, COUNT_OF(keys))]),
                            rng_below(rng, 10) ? str_of(value) : STR(""));
    }
    return shard_tagset(shard, 0, tags, count);
}

static void fill(struct rng *rng, struct shard *shard, size_t samples)
{
    static const char *const names[] = {"my_counter", "my_gauge", "my_rate", "my_trend"};
    uint64_t variety = 1 + rng_below(rng, 30);
    const struct metric *metric = NULL;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        CHECK(metric_registry_add(shard_registry(shard), str_of(names[i]), (enum metric_type)i,
                                  METRIC_TIME, &metric, NULL) == 0);
    }
    for (size_t i = 0; i < samples; i++)
        shard_add(shard, (uint32_t)rng_below(rng, metric->id + 1), draw_tags(rng, shard, variety),
                  draw_value(rng), (int64_t)rng_below(rng, 1000));
}

/* One hot trend, so that a histogram has buckets. */
static void fill_trend(struct rng *rng, struct shard *shard, size_t samples)
{
    for (size_t i = 0; i < samples; i++)
        shard_add(shard, METRIC_HTTP_REQ_DURATION, 0, rng_unit(rng) * 100, 0);
}

static void round_trip(uint64_t seed, size_t workers, size_t samples, size_t max_bytes)
{
    struct shard_options options = {0};
    struct shard *shards[4];
    struct window *windows[4];
    struct map want = MAP_INIT;
    struct map got = MAP_INIT;
    struct sent sent = {0};
    struct series_book *book = series_book_new(0);
    struct rng rng;

    rng_seed(&rng, seed);
    for (size_t i = 0; i < workers; i++) {
        shards[i] = shard_new(&options);
        fill(&rng, shards[i], samples);
        fill_trend(&rng, shards[i], samples / 4);
        windows[i] = shard_take_window(shards[i]);
        add_window(&want, windows[i]);
    }
    window_encode((const struct window *const *)windows, workers, max_bytes, keep, &sent);
    CHECK(sent.count > 0 || want.count == 0);
    CHECK(max_bytes < SIZE_MAX || sent.count <= 1);
    for (size_t i = 0; i < sent.count; i++) {
        struct window *w = NULL;

        CHECK(max_bytes == SIZE_MAX || sent.messages[i].len <= max_bytes + 16384);
        CHECK_EQ(window_decode(book, buf_str(&sent.messages[i]), &w, NULL), 0);
        CHECK(w != NULL && w->count > 0);
        add_window(&got, w);
        window_free(w);
    }
    check_sums(&got, &want);
    CHECK_EQ(series_book_count(book), want.count);
    for (size_t i = 0; i < workers; i++) {
        window_free(windows[i]);
        shard_free(shards[i]);
    }
    map_deinit_with(&want, free_sink);
    map_deinit_with(&got, free_sink);
    unkeep(&sent);
    series_book_free(book);
}

TEST(window_wire_gives_back_the_merge)
{
    for (uint64_t seed = 1; seed <= 40; seed++)
        round_trip(seed, 1 + seed % 4, (size_t)(seed % 7) * (seed % 11) * 40, SIZE_MAX);
    round_trip(99, 4, 20000, SIZE_MAX);
}

TEST(window_wire_splits_what_is_too_large)
{
    round_trip(7, 3, 4000, 32768);
    round_trip(8, 2, 500, 1);
}

/* --- one message -------------------------------------------------------------------------- */

/* Heap; a window of every type. */
static struct str sample_message(void)
{
    struct shard_options options = {.keep_exemplars = true};
    struct shard *shard = shard_new(&options);
    struct request_record request = {.waiting = 12500000, .failed = true, .url = "http://shop/"};
    tag_id tag = shard_tag(shard, STR("name"), STR("http://shop/"));
    tagset_id tags = shard_tagset(shard, 0, &tag, 1);
    struct sent sent = {0};
    struct window *w;
    struct str bytes;

    shard_add(shard, METRIC_VUS, 0, 5, 77);
    shard_add(shard, METRIC_HTTP_REQS, tags, 1, 0);
    shard_add(shard, METRIC_HTTP_REQ_FAILED, tags, 0, 0);
    shard_add(shard, METRIC_HTTP_REQ_DURATION, tags, 12.5, 0);
    shard_add_request(shard, tags, &request);
    for (int i = 0; i < 600; i++)
        shard_add(shard, METRIC_ITERATION_DURATION, 0, i, 0);
    w = shard_take_window(shard);
    window_encode((const struct window *const *)&w, 1, SIZE_MAX, keep, &sent);
    CHECK_EQ(sent.count, 1);
    bytes = str_from(mem_dup(sent.messages[0].data, sent.messages[0].len), sent.messages[0].len);
    unkeep(&sent);
    window_free(w);
    shard_free(shard);
    return bytes;
}

TEST(window_wire_series_have_one_address)
{
    struct str bytes = sample_message();
    struct series_book *book = series_book_new(0);
    struct window *a;
    struct window *b;

    CHECK(window_decode(book, bytes, &a, NULL) == 0);
    CHECK(window_decode(book, bytes, &b, NULL) == 0);
    CHECK_EQ(a->count, 5);
    for (size_t i = 0; i < a->count; i++)
        CHECK(a->series[i].series == b->series[i].series);
    /* Tag sets are shared between metrics. */
    CHECK(a->series[1].series->tags == a->series[2].series->tags);
    CHECK_EQ(a->series[0].sink.gauge.wall_nsec, 77);
    window_free(a);
    window_free(b);
    series_book_free(book);
    mem_free((void *)(uintptr_t)bytes.ptr);
}

TEST(window_wire_carries_the_slowest_requests)
{
    struct shard *shards[2];
    struct window *w[2];
    struct series_book *book = series_book_new(0);
    struct window *got;
    struct sent sent = {0};

    for (int i = 0; i < 2; i++) { /* twelve series in each of two workers */
        shards[i] = shard_new(&(struct shard_options){.keep_exemplars = true});
        for (int j = 0; j < 12; j++) {
            struct request_record r = {.waiting = 1000 + j * 10 + i, .trace = {7, 9}, .vu = 3};
            char name[16];
            tag_id tag;

            snprintf(name, sizeof name, "%d", j);
            snprintf(r.url, sizeof r.url, "u%d\x1b", j);
            tag = shard_tag(shards[i], STR("name"), str_of(name));
            shard_add_request(shards[i], shard_tagset(shards[i], 0, &tag, 1), &r);
        }
        w[i] = shard_take_window(shards[i]);
    }
    window_encode((const struct window *const *)w, 2, SIZE_MAX, keep, &sent);
    CHECK_EQ(sent.count, 1);
    CHECK_EQ(window_decode(book, buf_str(&sent.messages[0]), &got, NULL), 0);
    CHECK_EQ(got->requests.exemplar_count, 8);
    CHECK_EQ(got->requests.exemplars[0].waiting, 1111);
    CHECK_EQ(got->requests.exemplars[7].waiting, 1041);
    CHECK_EQ(got->requests.exemplars[0].trace[1], 9);
    CHECK_EQ(got->requests.exemplars[0].vu, 3);
    CHECK_TEXT(got->requests.exemplars[0].url, "u11?");
    CHECK(str_eq_c(tags_get(got->requests.exemplars[0].tags, STR("name")), "11"));
    window_free(got);
    unkeep(&sent);
    for (int i = 0; i < 2; i++) {
        window_free(w[i]);
        shard_free(shards[i]);
    }
    series_book_free(book);
}

TEST(window_wire_refuses_what_is_cut_off)
{
    struct str bytes = sample_message();
    struct series_book *book = series_book_new(0);
    size_t whole = 0;

    for (size_t len = 0; len < bytes.len; len++) {
        /* A copy of the exact size, so that a read past the end is seen. */
        char *cut = mem_dup(bytes.ptr, len);
        struct window *w = NULL;
        struct diag d = DIAG_INIT;

        /* Cut between two fields it is a shorter message. */
        if (window_decode(book, str_from(cut, len), &w, &d) == 0)
            whole++;
        else
            CHECK(w == NULL && d.message != NULL);
        window_free(w);
        diag_deinit(&d);
        mem_free(cut);
    }
    CHECK(whole <= 13);
    series_book_free(book);
    mem_free((void *)(uintptr_t)bytes.ptr);
}

TEST(window_wire_survives_garbage)
{
    struct str bytes = sample_message();
    struct series_book *book = series_book_new(0);
    char *copy = mem_alloc(bytes.len);
    struct rng rng;

    rng_seed(&rng, 3);
    for (int round = 0; round < 20000; round++) {
        struct window *w = NULL;

        memcpy(copy, bytes.ptr, bytes.len);
        for (uint64_t i = 0; i <= rng_below(&rng, 4); i++)
            copy[rng_below(&rng, bytes.len)] = (char)rng_next(&rng);
        if (window_decode(book, str_from(copy, bytes.len), &w, NULL) == 0)
            window_free(w);
        else
            CHECK(w == NULL);
    }
    mem_free(copy);
    series_book_free(book);
    mem_free((void *)(uintptr_t)bytes.ptr);
}

static int decode(struct series_book *book, struct str bytes, const char *want)
{
    struct window *w = NULL;
    struct diag d = DIAG_INIT;
    int err = window_decode(book, bytes, &w, &d);

    if (err) {
        CHECK(w == NULL);
        if (!strstr(d.message, want))
            CHECK_TEXT(d.message, want);
    }
    window_free(w);
    diag_deinit(&d);
    return err;
}

TEST(window_wire_says_what_is_wrong)
{
    struct series_book *book = series_book_new(0);
    char *large = mem_zalloc(WINDOW_MAX_BYTES + 1);

    /* Fields: 0a string, 12 series; of a series: 08 metric, 10 type, 22 tags, 29 sum. */
    CHECK_EQ(decode(book, STR("\x0a\x02hi\x12\x0b\x08\x01\x29\0\0\0\0\0\0\0\0"),
                    "no string has its metric's number"),
             ERR_SYNTAX);
    CHECK_EQ(decode(book, STR("\x0a\x02hi\x12\x09\x29\0\0\0\0\0\0\0\0"), ""), 0);
    CHECK_EQ(decode(book, STR("\x0a\x02hi\x12\x0b\x10\x02\x29\0\0\0\0\0\0\0\0"),
                    "its value is not what its type has"),
             ERR_SYNTAX);
    CHECK_EQ(decode(book, STR("\x0a\x02hi\x12\x0b\x10\x07\x29\0\0\0\0\0\0\0\0"), "doesn't exist"),
             ERR_SYNTAX);
    CHECK_EQ(decode(book, STR("\x0a\x02hi\x12\x00"), "its value is not"), ERR_SYNTAX);
    CHECK_EQ(decode(book, STR("\x0a\x02hi\x12\x0c\x22\x01\x00\x29\0\0\0\0\0\0\0\0"), "half a tag"),
             ERR_SYNTAX);
    CHECK_EQ(decode(book, STR("\x0a\x02hi\x12\x0d\x22\x02\x00\x05\x29\0\0\0\0\0\0\0\0"),
                    "no string has its tag's number"),
             ERR_SYNTAX);
    CHECK_EQ(decode(book, STR("\x0a\x02hi\x12\x0f\x22\x04\0\0\0\0\x29\0\0\0\0\0\0\0\0"),
                    "aren't sorted by key"),
             ERR_SYNTAX);
    CHECK_EQ(decode(book, STR("\x0a\x02hi\x12\x06\x10\x02\x3a\x02\x08\x01"),
                    "already exists with another type"),
             ERR_INVALID);
    CHECK_EQ(decode(book, STR("\x0a\x02ho\x12\x06\x10\x02\x3a\x02\x08\x01"), "a rate above 1"),
             ERR_SYNTAX);
    CHECK_EQ(decode(book, STR("\x0a\x02no good\x12\x09\x29\0\0\0\0\0\0\0\0"), "malformed"),
             ERR_SYNTAX);
    CHECK_EQ(
        decode(book, STR("\x0a\x04\x31st!\x12\x09\x29\0\0\0\0\0\0\0\0"), "invalid metric name"),
        ERR_INVALID);
    CHECK_EQ(decode(book, STR("\x0a\x02ht\x12\x06\x10\x03\x42\x02zz"), "its histogram is none"),
             ERR_SYNTAX);
    CHECK_EQ(decode(book, str_from(large, WINDOW_MAX_BYTES + 1), "are the most"), ERR_LIMIT);
    mem_free(large);
    series_book_free(book);
}

/* A histogram of many octaves with one value each: a few bytes on the wire, megabytes decoded. */
TEST(window_wire_bounds_histograms)
{
    struct buf hist = BUF_INIT(SIZE_MAX);
    struct buf message = BUF_INIT(SIZE_MAX);
    struct series_book *book = series_book_new(0);
    struct hist *h = hist_new();

    for (int i = 0; i < 2000; i++) {
        hist_record(h, ldexp(1, i - 1000));
        hist_record(h, -ldexp(1, i - 1000));
    }
    hist_encode(h, &hist);
    buf_append(&message, "\x0a\x02ht", 4);
    for (int i = 0; i < 20; i++) {
        size_t len = hist.len + 6;

        buf_append_char(&message, 0x12);
        buf_append_char(&message, (char)(len % 128 + 128));
        buf_append_char(&message, (char)(len / 128 % 128 + 128));
        buf_append_char(&message, (char)(len / 16384));
        len = hist.len;
        buf_append(&message, "\x10\x03\x42", 3);
        buf_append_char(&message, (char)(len % 128 + 128));
        buf_append_char(&message, (char)(len / 128 % 128 + 128));
        buf_append_char(&message, (char)(len / 16384));
        buf_append_str(&message, buf_str(&hist));
    }
    CHECK(message.len < 1000000);
    CHECK_EQ(decode(book, buf_str(&message), "histograms take more than 256 MiB"), ERR_LIMIT);
    hist_free(h);
    buf_deinit(&hist);
    buf_deinit(&message);
    series_book_free(book);
}

/* Each message brings series that the book has not seen. */
static int new_series(struct series_book *book, const char *tag, int number, int count)
{
    struct shard_options options = {0};
    struct shard *shard = shard_new(&options);
    struct sent sent = {0};
    struct window *w;
    int err;

    for (int i = 0; i < count; i++) {
        char value[32];
        tag_id id;

        snprintf(value, sizeof value, "%d", number + i);
        id = shard_tag(shard, str_of(tag), str_of(value));
        shard_add(shard, METRIC_HTTP_REQS, shard_tagset(shard, 0, &id, 1), 1, 0);
    }
    w = shard_take_window(shard);
    window_encode((const struct window *const *)&w, 1, SIZE_MAX, keep, &sent);
    window_free(w);
    shard_free(shard);
    err = window_decode(book, buf_str(&sent.messages[0]), &w, NULL);
    if (err == 0) {
        double sum = 0;

        for (size_t i = 0; i < w->count; i++)
            sum += w->series[i].sink.sum;
        CHECK_NEAR(sum, count, 0);
        window_free(w);
    }
    unkeep(&sent);
    return err;
}

TEST(window_wire_folds_series_past_the_limit)
{
    struct series_book *book = series_book_new(100);

    CHECK_EQ(new_series(book, "url", 0, 60), 0);
    CHECK_EQ(series_book_folded(book), 0);
    CHECK_EQ(new_series(book, "url", 50, 100), 0);
    CHECK_EQ(series_book_count(book), 101);
    CHECK_EQ(series_book_folded(book), 50);
    /* What has no such tag may still be new, up to a quarter more. */
    CHECK_EQ(new_series(book, "user", 0, 20), 0);
    CHECK_EQ(new_series(book, "user", 20, 5), ERR_LIMIT);
    CHECK_EQ(new_series(book, "url", 1000, 10), 0);
    CHECK_EQ(new_series(book, "user", 0, 20), 0);
    CHECK_EQ(series_book_count(book), 125);
    series_book_free(book);
}
