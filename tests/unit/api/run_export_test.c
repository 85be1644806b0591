/* What an export says of a run that is in a store. */
#include "api/run_export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "metrics/shard.h"
#include "output/scraped.h"
#include "store/journal.h"
#include "store/run.h"
#include "store/series.h"
#include "store/test.h"
#include "support/test.h"

static const char id[] = "run000000000";

struct fixture {
    char folder[64];
    char path[80];
    struct store *store;
    struct shard *shard;
    struct diag diag;
};

static void open_store(struct fixture *f)
{
    struct store_test test = {.id = "test00000000", .name = "t", .description = "", .labels = "{}"};
    struct store_run run = {.id = id,
                            .test = test.id,
                            .version = 1,
                            .name = "</script><b>",
                            .notes = "",
                            .labels = "{}",
                            .phase = "running",
                            .created_by = "",
                            .spec = "{}",
                            .plan = "{}",
                            .state = "{\"result\":\"passed\"}"};
    struct store_version version = {
        .test = test.id, .kind = "script", .filename = "a.js", .found = "{}", .created_by = ""};

    *f = (struct fixture){.diag = DIAG_INIT};
    snprintf(f->folder, sizeof f->folder, "/tmp/gale-export-XXXXXX");
    CHECK(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/gale.db", f->folder);
    CHECK_EQ(store_open(f->path, NULL, &f->store, &f->diag), 0);
    CHECK_EQ(store_add_test(f->store, &test, &f->diag), 0);
    CHECK_EQ(store_add_version(f->store, &version, STR("x"), &run.version, &f->diag), 0);
    CHECK_EQ(store_add_run(f->store, &run, &f->diag), 0);
    CHECK_EQ(store_begin(f->store, &f->diag), 0);
    f->shard = shard_new(&(struct shard_options){0});
}

static void close_store(struct fixture *f)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-lock"};

    shard_free(f->shard);
    store_close(f->store);
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        char *path = mem_printf("%s%s", f->path, endings[i]);

        unlink(path);
        mem_free(path);
    }
    rmdir(f->folder);
}

static void request(struct fixture *f, double ms)
{
    tag_id tags[] = {shard_tag(f->shard, STR("method"), STR("GET")),
                     shard_tag(f->shard, STR("name"), STR("/a")),
                     shard_tag(f->shard, STR("status"), STR("200"))};
    tagset_id set = shard_tagset(f->shard, 0, tags, COUNT_OF(tags));

    shard_add(f->shard, METRIC_HTTP_REQS, set, 1, 0);
    shard_add(f->shard, METRIC_HTTP_REQ_DURATION, set, ms, 0);
    shard_add(f->shard, METRIC_HTTP_REQ_FAILED, set, 0, 0);
}

static void put(struct fixture *f, const char *region, int64_t second)
{
    struct store_second at = {id, str_of(region), second};
    struct window *w = shard_take_window(f->shard);
    const struct window *list = w;

    CHECK_EQ(store_put_second(f->store, &at, &list, 1, &f->diag), 0);
    window_free(w);
}

/* The target shop says how long its queue is. */
static void tell(struct fixture *f, int64_t second, double length)
{
    struct scraped *scraped = scraped_new("shop", STR("queue"), false);
    struct window_series series = {.series = &scraped->series};
    struct window w = {.series = &series, .count = 1};
    const struct window *list = &w;
    struct store_second to = {id, STR("scrape:shop"), second};

    sink_init(&series.sink, METRIC_GAUGE);
    sink_add(&series.sink, length, 1);
    CHECK_EQ(store_put_second(f->store, &to, &list, 1, &f->diag), 0);
    sink_deinit(&series.sink);
    scraped_free(scraped);
}

static json_t *exported(struct fixture *f)
{
    json_t *out = NULL;

    CHECK_EQ(store_commit(f->store, &f->diag), 0);
    if (run_export(f->store, id, &out, &f->diag))
        test_fail(__FILE__, __LINE__, "%s", f->diag.message);
    return out;
}

static const json_t *column(const json_t *out, const char *region, const char *key)
{
    const json_t *series = json_object_get(out, "series");
    const json_t *columns = region ? json_object_get(json_object_get(series, "regions"), region)
                                   : json_object_get(series, "overall");

    return json_object_get(columns, key);
}

static double at(const json_t *list, size_t i)
{
    return json_number_value(json_array_get(list, i));
}

static double greatest(const json_t *list)
{
    double most = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        if (at(list, i) > most)
            most = at(list, i);
    }
    return most;
}

TEST(export_of_one_region_is_of_the_whole)
{
    struct fixture f;
    const json_t *urls;
    const json_t *told;
    json_t *out;

    open_store(&f);
    for (int64_t t = 0; t < 5; t++) {
        if (t != 3)
            request(&f, (double)t);
        put(&f, "local", t);
    }
    tell(&f, 4, 7);
    out = exported(&f);
    told = json_object_get(json_object_get(json_object_get(out, "series"), "target"),
                           "scrape:shop/queue");
    CHECK_EQ(json_array_size(told), 5);
    CHECK_NEAR(at(told, 4), 7, 0);
    CHECK_EQ(json_array_size(json_object_get(json_object_get(out, "series"), "t")), 5);
    CHECK_EQ(json_object_size(json_object_get(json_object_get(out, "series"), "regions")), 0);
    CHECK(json_is_null(json_object_get(json_object_get(out, "series"), "thinned")));
    CHECK_NEAR(at(column(out, NULL, "rps"), 2), 1, 0);
    CHECK(json_is_number(json_array_get(column(out, NULL, "rps"), 3))); /* nothing happened */
    CHECK_NEAR(at(column(out, NULL, "rps"), 3), 0, 0);
    CHECK(json_is_null(json_array_get(column(out, NULL, "p95"), 3)));
    urls = json_object_get(out, "urls");
    CHECK_EQ(json_array_size(urls), 1);
    CHECK_EQ(json_integer_value(json_object_get(json_array_get(urls, 0), "count")), 4);
    CHECK_TEXT(json_string_value(json_object_get(json_object_get(out, "run"), "latency_metric")),
               "http_req_duration");
    CHECK_TEXT(json_string_value(json_object_get(json_object_get(out, "run"), "result")), "passed");
    json_decref(out);
    close_store(&f);
}

TEST(export_of_a_long_run_keeps_the_extremes)
{
    struct fixture f;
    const json_t *series;
    const json_t *metric;
    size_t i;
    json_t *out;

    open_store(&f);
    for (int64_t t = 0; t < 4501; t++) {
        request(&f, t == 1234 ? 900 : 10);
        put(&f, "eu", t);
        request(&f, t == 3456 ? 1 : 20);
        put(&f, "us", t);
    }
    out = exported(&f);
    series = json_object_get(out, "series");
    CHECK_EQ(json_integer_value(json_object_get(series, "thinned")), 5);
    CHECK_EQ(json_array_size(json_object_get(series, "t")), 2 * 901);
    CHECK_EQ(json_array_size(column(out, NULL, "p50")), 2 * 901);
    CHECK_NEAR(greatest(column(out, "eu", "p95")), 900, 0.5);
    CHECK_NEAR(greatest(column(out, "us", "p95")), 20, 0.1);
    CHECK_NEAR(at(column(out, "us", "p50"), (size_t)3456 / 5 * 2), 20, 0.1);
    CHECK_NEAR(at(column(out, "us", "p50"), (size_t)3456 / 5 * 2 + 1), 1, 0.1);
    json_array_foreach(json_object_get(json_object_get(out, "summary"), "metrics"), i, metric)
    {
        const json_t *overall = json_object_get(metric, "overall");

        if (strcmp(json_string_value(json_object_get(metric, "name")), "http_req_duration") != 0)
            continue;
        CHECK_EQ(json_number_value(json_object_get(overall, "count")), 9002);
        CHECK_NEAR(json_number_value(json_object_get(overall, "max")), 900, 0);
        CHECK_EQ(json_object_size(json_object_get(metric, "regions")), 2);
    }
    json_decref(out);
    close_store(&f);
}

TEST(export_of_what_has_measured_nothing)
{
    struct fixture f;
    struct store_threshold threshold = {.metric = "checks",
                                        .expression = "rate>0.5",
                                        .source = "script",
                                        .ok = false,
                                        .value = 0.25,
                                        .crossed = 7};
    const json_t *thresholds;
    json_t *out;

    open_store(&f);
    CHECK_EQ(store_put_thresholds(f.store, id, &threshold, 1, &f.diag), 0);
    out = exported(&f);
    CHECK_EQ(json_array_size(json_object_get(json_object_get(out, "series"), "t")), 0);
    thresholds = json_object_get(out, "thresholds");
    CHECK_EQ(json_array_size(thresholds), 1);
    CHECK_EQ(
        json_integer_value(json_object_get(json_array_get(thresholds, 0), "crossed_at_second")), 7);
    json_decref(out);
    CHECK_EQ(run_export(f.store, "run111111111", &out, &f.diag), ERR_NOT_FOUND);
    CHECK(strstr(f.diag.message, "run111111111"));
    diag_deinit(&f.diag);
    close_store(&f);
}
