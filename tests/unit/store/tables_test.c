#include "store/tables.h"

#include "base/err.h"
#include "base/mem.h"
#include "fixture.h"
#include "metrics/shard.h"

static const char run[] = "run000000000";

static tagset_id tags_of(struct shard *shard, const char *const pairs[][2], size_t count)
{
    tag_id ids[8];

    for (size_t i = 0; i < count; i++)
        ids[i] = shard_tag(shard, str_of(pairs[i][0]), str_of(pairs[i][1]));
    return shard_tagset(shard, 0, ids, count);
}

/* A request as the HTTP client samples it. */
static void request(struct shard *shard, const char *name, const char *status,
                    const char *error_code, double ms)
{
    const char *const pairs[][2] = {{"name", name},
                                    {"method", "GET"},
                                    {"status", status},
                                    {"expected_response", error_code ? "false" : "true"},
                                    {"error_code", error_code ? error_code : ""},
                                    {"error", error_code ? "it failed" : ""}};
    tagset_id set = tags_of(shard, pairs, error_code ? 6 : 4);

    shard_add(shard, METRIC_HTTP_REQS, set, 1, 0);
    shard_add(shard, METRIC_HTTP_REQ_DURATION, set, ms, 0);
    shard_add(shard, METRIC_HTTP_REQ_FAILED, set, error_code != NULL, 0);
}

static void checked(struct shard *shard, const char *group, const char *name, bool passes)
{
    const char *const pairs[][2] = {{"check", name}, {"group", group}};

    shard_add(shard, METRIC_CHECKS, tags_of(shard, pairs, 2), passes, 0);
}

static void put(struct store *s, struct shard *shard, const char *region, int64_t second)
{
    struct window *w = shard_take_window(shard);

    fixture_put(s, run, region, second, w);
    window_free(w);
}

/* 1,300 seconds of two URLs in two regions; /b fails in eu at some of them. */
static void fill(struct store *s)
{
    struct shard *shard = shard_new(&(struct shard_options){0});

    fixture_add_run(s, run);
    for (int64_t t = 0; t < 1300; t++) {
        request(shard, "/a", "200", NULL, (double)(t % 100));
        checked(shard, "::g", "ok", true);
        put(s, shard, "eu", t);
        request(shard, "/a", "200", NULL, 1000);
        if (t == 77 || t == 640 || t == 1299)
            request(shard, "/b", "503", "1503", 5);
        if (t == 650)
            request(shard, "/b", "0", "1212", 5);
        checked(shard, "::g", "ok", t % 2);
        checked(shard, "", "other", false);
        put(s, shard, "us", t);
    }
    request(shard, "/b", "503", "1503", 5); /* late */
    put(s, shard, "eu", 33);
    shard_free(shard);
}

static const struct store_url *find_url(const struct store_urls *urls, const char *region,
                                        const char *name, const char *status)
{
    for (size_t i = 0; i < urls->count; i++) {
        const struct store_url *u = &urls->list[i];

        if (str_eq_c(u->name, name) && str_eq_c(u->status, status) &&
            (region ? str_eq_c(u->region, region) : !u->region.ptr))
            return u;
    }
    test_fail(__FILE__, __LINE__, "no row %s %s %s", region ? region : "", name, status);
}

static void check_urls(struct store *s)
{
    struct store_table table = {.run = run, .by_region = true};
    struct store_urls urls;
    const struct store_url *u;

    CHECK_EQ(store_get_urls(s, &table, &urls, NULL), 0);
    CHECK_EQ(urls.count, 8);
    u = find_url(&urls, NULL, "/a", "200");
    CHECK_EQ(u->count, 2600);
    CHECK_TEXT(u->method.ptr, "GET");
    CHECK_NEAR(u->rps, 2, 1e-9);
    CHECK_NEAR(u->failed, 0, 0);
    CHECK_NEAR(u->min, 0, 0);
    CHECK_NEAR(u->max, 1000, 0);
    CHECK_NEAR(u->p95, 1000, 0.6);
    CHECK_NEAR(find_url(&urls, "eu", "/a", "200")->p50, 49.5, 0.6);
    CHECK_NEAR(find_url(&urls, "us", "/a", "200")->p50, 1000, 0.6);
    u = find_url(&urls, NULL, "/b", "503");
    CHECK_EQ(u->count, 4);
    CHECK_NEAR(u->failed, 1, 0);
    CHECK_EQ(find_url(&urls, "us", "/b", "503")->count, 3);
    store_urls_deinit(&urls);
    table.where.from = 640;
    table.where.to = 660;
    table.by_region = false;
    CHECK_EQ(store_get_urls(s, &table, &urls, NULL), 0);
    CHECK_EQ(urls.count, 3);
    CHECK_EQ(find_url(&urls, NULL, "/b", "503")->count, 1);
    CHECK_NEAR(find_url(&urls, NULL, "/a", "200")->rps, 2, 1e-9);
    store_urls_deinit(&urls);
}

static void check_failures(struct store *s)
{
    struct store_table table = {.run = run};
    struct store_failures failures;
    struct str eu = STR("eu");

    CHECK_EQ(store_get_failures(s, &table, &failures, NULL), 0);
    CHECK_EQ(failures.count, 2);
    CHECK_TEXT(failures.list[0].error_code.ptr, "1503");
    CHECK_TEXT(failures.list[0].status.ptr, "503");
    CHECK_TEXT(failures.list[0].name.ptr, "/b");
    CHECK_TEXT(failures.list[0].error.ptr, "it failed");
    CHECK_EQ(failures.list[0].count, 4);
    CHECK_EQ(failures.list[0].first, 33);
    CHECK_EQ(failures.list[0].last, 1299);
    CHECK_EQ(failures.list[0].region_count, 2);
    CHECK_TEXT(failures.list[0].regions[0].region.ptr, "eu");
    CHECK_EQ(failures.list[0].regions[0].count, 1);
    CHECK_EQ(failures.list[0].regions[1].count, 3);
    CHECK_EQ(failures.list[1].first, 650);
    CHECK_EQ(failures.list[1].last, 650);
    store_failures_deinit(&failures);
    table.where.to = 100;
    table.where.regions = &eu;
    table.where.region_count = 1;
    CHECK_EQ(store_get_failures(s, &table, &failures, NULL), 0);
    CHECK_EQ(failures.count, 1);
    CHECK_EQ(failures.list[0].count, 1);
    CHECK_EQ(failures.list[0].last, 33);
    store_failures_deinit(&failures);
}

static void check_checks(struct store *s)
{
    struct store_table table = {.run = run};
    struct store_checks checks;

    CHECK_EQ(store_get_checks(s, &table, &checks, NULL), 0);
    CHECK_EQ(checks.count, 2);
    CHECK_TEXT(checks.list[0].name.ptr, "ok");
    CHECK_TEXT(checks.list[0].group.ptr, "::g");
    CHECK_EQ(checks.list[0].passes, 1950);
    CHECK_EQ(checks.list[0].fails, 650);
    CHECK_EQ(checks.list[0].region_count, 2);
    CHECK_EQ(checks.list[0].regions[1].fails, 650);
    CHECK_TEXT(checks.list[1].group.ptr, "");
    CHECK_EQ(checks.list[1].fails, 1300);
    store_checks_deinit(&checks);
}

static void check_metrics(struct store *s)
{
    struct store_where where = {.metric = STR("http_reqs"), .from = 10, .to = 1290};
    struct store_sum_list sums;

    CHECK_EQ(store_sum_metrics(s, run, &where, &sums, NULL), 0);
    CHECK_EQ(sums.count, 2);
    CHECK_EQ(sums.list[0].window->count, 1);
    CHECK_EQ(sums.list[0].window->series[0].series->tags->count, 0);
    CHECK_NEAR(sums.list[0].window->series[0].sink.sum, 1281, 0);
    CHECK_NEAR(sums.list[1].window->series[0].sink.sum, 1283, 0);
    store_sum_list_deinit(&sums);
    where = (struct store_where){.from = 0};
    CHECK_EQ(store_sum_metrics(s, run, &where, &sums, NULL), 0);
    CHECK_EQ(sums.list[0].window->count, 4);
    store_sum_list_deinit(&sums);
}

TEST(tables_of_what_was_put)
{
    struct store *s = fixture_open();
    struct store_table nothing = {.run = "run999999999"};
    struct store_urls urls;
    struct diag d = DIAG_INIT;

    fill(s);
    for (int round = 0; round < 2; round++) { /* as it came, and tidied */
        check_urls(s);
        check_failures(s);
        check_checks(s);
        check_metrics(s);
        fixture_tidy_all(s);
    }
    fixture_check_error(&d, store_get_urls(s, &nothing, &urls, &d), ERR_NOT_FOUND, "no run");
    store_close(s);
}
