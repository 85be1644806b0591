/* The run store with a day of three regions in it: what a second costs to keep, how large the file
 * gets, and how long answers take, from a cold file and a warm one.
 *
 *   store_bench [FOLDER [SECONDS [VALUES [RUNS]]]]
 *
 * SECONDS (86,400) of 46 series in 3 regions are 11.9 million points; VALUES (20) are those of each
 * trend in a second. The file stays in FOLDER if one is given, and is used again:
 * bench/store/day.py puts a controller on one of two runs. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/mem.h"
#include "base/rng.h"
#include "metrics/shard.h"
#include "store/journal.h"
#include "store/run.h"
#include "store/series.h"
#include "store/test.h"

enum { REGIONS = 3, URLS = 4, VARIANTS = 64, MAX_RUNS = 2, EVENTS = 200, LOGS = 5000 };

#define START_WALL (1764000000 * NSEC_PER_SEC)

static const char *const regions[REGIONS] = {"us-east-1", "eu-central-1", "ap-southeast-2"};
static const char run_id[] = "01hs4m8vz6d1"; /* the one that is read */
static const char *const run_ids[MAX_RUNS] = {run_id, "01hs4m8vz6d2"};
static struct window *windows[REGIONS][VARIANTS];

static void check(int err, const struct diag *d)
{
    if (err >= 0)
        return;
    fprintf(stderr, "store_bench: %s\n", d->message);
    exit(1);
}

/* --- what is measured --------------------------------------------------------------------- */

static tagset_id url_tags(struct shard *shard, size_t url)
{
    static const char *const names[URLS] = {"/", "/products", "/cart", "/pay"};
    tag_id tags[] = {
        shard_tag(shard, STR("name"), str_of(names[url])),
        shard_tag(shard, STR("method"), url < 2 ? STR("GET") : STR("POST")),
        shard_tag(shard, STR("status"), STR("200")),
        shard_tag(shard, STR("scenario"), STR("default")),
    };

    return shard_tagset(shard, 0, tags, COUNT_OF(tags));
}

/* A time as it is measured: whole nanoseconds. */
static double ms_of(double ms)
{
    return nsec_to_ms((int64_t)(ms * 1e6));
}

static void add_request(struct shard *shard, tagset_id tags, double ms)
{
    shard_add(shard, METRIC_HTTP_REQS, tags, 1, 0);
    shard_add(shard, METRIC_HTTP_REQ_FAILED, tags, 0, 0);
    shard_add(shard, METRIC_HTTP_REQ_DURATION, tags, ms_of(ms), 0);
    shard_add(shard, METRIC_HTTP_REQ_WAITING, tags, ms_of(ms * 0.9), 0);
    shard_add(shard, METRIC_HTTP_REQ_RECEIVING, tags, ms_of(ms * 0.01), 0);
    shard_add(shard, METRIC_HTTP_REQ_SENDING, tags, 0.02, 0);
    shard_add(shard, METRIC_HTTP_REQ_BLOCKED, tags, 0.01, 0);
    shard_add(shard, METRIC_HTTP_REQ_CONNECTING, tags, 0, 0);
    shard_add(shard, METRIC_HTTP_REQ_TLS_HANDSHAKING, tags, 0, 0);
}

/* 46 series: 9 of each URL, and 10 others. */
static void fill(struct shard *shard, struct rng *rng, size_t values, double base)
{
    tag_id check_tag = shard_tag(shard, STR("check"), STR("status is 200"));
    tagset_id checks = shard_tagset(shard, 0, &check_tag, 1);

    for (size_t url = 0; url < URLS; url++) {
        tagset_id tags = url_tags(shard, url);
        size_t count = values / 2 + rng_below(rng, values + 1);

        for (size_t i = 0; i <= count; i++)
            add_request(shard, tags, base + 5 / (rng_unit(rng) + 0.02));
        shard_add(shard, METRIC_CHECKS, checks, 1, 0);
    }
    shard_add(shard, METRIC_VUS, 0, 50, 0);
    shard_add(shard, METRIC_VUS_MAX, 0, 50, 0);
    shard_add(shard, METRIC_ITERATIONS, 0, (double)values, 0);
    shard_add(shard, METRIC_ITERATION_DURATION, 0, base * 3, 0);
    shard_add(shard, METRIC_DROPPED_ITERATIONS, 0, 0, 0);
    shard_add(shard, METRIC_DATA_RECEIVED, 0, (double)(values * 4200), 0);
    shard_add(shard, METRIC_DATA_SENT, 0, (double)(values * 120), 0);
    shard_add(shard, METRIC_LOAD_GENERATOR_CPU_PERCENT, 0, 20 + 10 * rng_unit(rng), 0);
    shard_add(shard, METRIC_LOAD_GENERATOR_LOOP_LAG, 0, rng_unit(rng), 0);
}

static void make_windows(size_t values)
{
    struct rng rng;

    rng_seed(&rng, 1);
    for (size_t r = 0; r < REGIONS; r++) {
        struct shard *shard = shard_new(&(struct shard_options){0}); /* lives to the end */

        for (size_t v = 0; v < VARIANTS; v++) {
            fill(shard, &rng, values, 20 + 60 * (double)r);
            windows[r][v] = shard_take_window(shard);
        }
    }
}

/* --- writing ------------------------------------------------------------------------------ */

static void add_test(struct store *s)
{
    struct store_test test = {
        .id = "01hs4k2mb3w0", .name = "Checkout", .description = "", .labels = "{}"};
    struct diag d = DIAG_INIT;

    check(store_add_test(s, &test, &d), &d);
}

/* What the API shows of it (Run of docs/api/openapi.yaml). */
static char *state_of(int64_t seconds)
{
    return mem_printf(
        "{\"phase\":\"ended\",\"result\":\"passed\",\"exit_code\":0,\"stop\":null,"
        "\"created_at\":\"2025-11-24T16:00:00Z\",\"created_by\":\"bench\",\"started_at\":"
        "\"2025-11-24T16:00:00Z\",\"ended_at\":\"2025-11-25T16:00:00Z\",\"elapsed_seconds\":%lld,"
        "\"duration_seconds\":%lld,\"load\":\"total\",\"max_vus\":150,\"env\":{},\"tags\":{},"
        "\"on_region_lost\":\"continue\",\"latency_metric\":\"http_req_duration\",\"totals\":null,"
        "\"windows\":{\"merged\":%lld,\"late\":0,\"lost\":0},\"links\":{\"self\":\"\",\"live\":"
        "\"\",\"page\":\"\"},\"regions\":["
        "{\"region\":\"us-east-1\",\"share\":50,\"max_vus\":50,\"agents\":1,\"agents_lost\":0,"
        "\"is_emulated\":false},"
        "{\"region\":\"eu-central-1\",\"share\":30,\"max_vus\":50,\"agents\":1,"
        "\"agents_lost\":0,\"is_emulated\":false},"
        "{\"region\":\"ap-southeast-2\",\"share\":20,\"max_vus\":50,\"agents\":1,"
        "\"agents_lost\":0,\"is_emulated\":false}]}",
        (long long)seconds, (long long)seconds, (long long)seconds * REGIONS);
}

static void add_run(struct store *s, const char *id, int64_t seconds)
{
    char *state = state_of(seconds);
    struct store_run run = {.id = id,
                            .test = "01hs4k2mb3w0",
                            .version = 1,
                            .name = "A day",
                            .notes = "",
                            .labels = "{}",
                            .phase = "running",
                            .exit_code = STORE_NO_EXIT_CODE,
                            .created = START_WALL,
                            .started = START_WALL,
                            .created_by = "bench",
                            .spec = "{}",
                            .plan = "{}",
                            .state = state};
    struct diag d = DIAG_INIT;

    check(store_add_run(s, &run, &d), &d);
    mem_free(state);
}

/* Thresholds, events and log lines. */
static void add_journal(struct store *s, const char *id, int64_t seconds)
{
    const struct store_threshold threshold = {.metric = "http_req_duration",
                                              .expression = "p(95)<500",
                                              .source = "script",
                                              .unit = "ms",
                                              .ok = true,
                                              .value = 231.4,
                                              .crossed = STORE_NO_SECOND};
    struct diag d = DIAG_INIT;
    int64_t number;

    check(store_begin(s, &d), &d);
    check(store_put_thresholds(s, id, &threshold, 1, &d), &d);
    for (int64_t i = 0; i < LOGS; i++) {
        int64_t second = i * seconds / LOGS;
        struct store_event event = {.wall_nsec = START_WALL + second * NSEC_PER_SEC,
                                    .second = second,
                                    .kind = "note",
                                    .severity = "info",
                                    .region = regions[0],
                                    .message = "something of interest",
                                    .data = "{}"};
        struct store_log log = {.wall_nsec = event.wall_nsec,
                                .second = second,
                                .level = LOG_INFO,
                                .source = "console",
                                .region = regions[i % REGIONS],
                                .agent = "a1",
                                .vu = 1,
                                .iteration = i,
                                .message = "a cart of three items and their price"};

        if (i % (LOGS / EVENTS) == 0)
            check(store_add_event(s, id, &event, &number, &d), &d);
        check(store_add_log(s, id, &log, &d), &d);
    }
    check(store_commit(s, &d), &d);
}

struct timing {
    int64_t sum;
    int64_t max;
    int64_t count;
};

static void note(struct timing *t, int64_t since)
{
    int64_t took = clock_now() - since;

    t->sum += took;
    t->count++;
    if (took > t->max)
        t->max = took;
}

static void say_timing(const char *what, const struct timing *t, int64_t seconds)
{
    printf("%-44s %8.3f ms a second, at most %.1f ms\n", what, nsec_to_ms(t->sum) / (double)seconds,
           nsec_to_ms(t->max));
}

static void write_run(struct store *s, size_t number, int64_t seconds)
{
    const char *id = run_ids[number];
    struct store_phase ended = {.phase = "ended",
                                .result = "passed",
                                .exit_code = 0,
                                .ended = START_WALL + seconds * NSEC_PER_SEC};
    struct timing puts = {0};
    struct timing tidies = {0};
    struct diag d = DIAG_INIT;
    int64_t cpu = clock_thread_cpu();
    int more = 0;

    add_run(s, id, seconds);
    add_journal(s, id, seconds);
    for (int64_t t = 0; t < seconds; t++) {
        int64_t start = clock_now();

        check(store_begin(s, &d), &d);
        for (size_t r = 0; r < REGIONS; r++) {
            const struct window *w = windows[r][((size_t)t * 7 + number) % VARIANTS];
            struct store_second at = {id, str_of(regions[r]), t};

            check(store_put_second(s, &at, &w, 1, &d), &d);
        }
        check(store_commit(s, &d), &d);
        note(&puts, start);
        start = clock_now();
        more = store_tidy(s, &d);
        check(more, &d);
        note(&tidies, start);
    }
    check(store_update_phase(s, id, &ended, &d), &d);
    do {
        more = store_tidy(s, &d);
    } while (more > 0);
    say_timing("put and commit a second of 3 regions", &puts, seconds);
    say_timing("tidy", &tidies, seconds);
    printf("%-44s %8.3f ms a second\n", "CPU of both",
           nsec_to_ms(clock_thread_cpu() - cpu) / (double)seconds);
}

/* --- reading ------------------------------------------------------------------------------ */

static const struct agg latencies[] = {{AGG_P, 50}, {AGG_P, 95}, {AGG_P, 99}};
static const struct agg rate = {AGG_RATE, 0};
static const struct agg value = {AGG_VALUE, 0};

static void query(struct store *s, const struct store_query *q)
{
    struct store_columns out;
    struct diag d = DIAG_INIT;

    check(store_query(s, q, &out, &d), &d);
    ensure(out.rows > 0 && out.count > 0);
    store_columns_deinit(&out);
}

/* What a run's page shows first: ten values over time, overall and of each region. */
static void open_page(struct store *s)
{
    static const char *const rates[] = {"http_reqs",          "iterations",    "http_req_failed",
                                        "dropped_iterations", "data_received", "data_sent"};
    struct store_query q = {.run = run_id, .aggs = latencies, .agg_count = 3};

    for (int by = 0; by < 2; by++) {
        q.by = by ? STR("region") : STR("");
        q.aggs = latencies;
        q.agg_count = 3;
        q.where.metric = STR("http_req_duration");
        query(s, &q);
        q.agg_count = 1;
        q.aggs = &value;
        q.where.metric = STR("vus");
        query(s, &q);
        q.aggs = &rate;
        for (size_t i = 0; i < COUNT_OF(rates); i++) {
            q.where.metric = str_of(rates[i]);
            query(s, &q);
        }
    }
}

static void hour_by_second(struct store *s)
{
    struct store_query q = {.run = run_id, .aggs = latencies, .agg_count = 1, .step = 1};

    q.where = (struct store_where){.metric = STR("http_req_duration"), .from = 3600, .to = 7200};
    q.by = STR("region");
    query(s, &q);
}

static void day_of_one_url(struct store *s)
{
    static const struct tag tag = {STR_INIT("name"), STR_INIT("/cart")};
    static const struct agg agg = {AGG_P, 99.9};
    struct store_query q = {.run = run_id, .aggs = &agg, .agg_count = 1};

    q.where =
        (struct store_where){.metric = STR("http_req_duration"), .tags = &tag, .tag_count = 1};
    query(s, &q);
}

static void day_by_url(struct store *s)
{
    struct store_query q = {.run = run_id, .aggs = latencies, .agg_count = 3, .by = STR("name")};

    q.where.metric = STR("http_req_waiting");
    query(s, &q);
}

static void day_finely(struct store *s)
{
    struct store_query q = {.run = run_id, .aggs = latencies, .agg_count = 1, .points = 10000};

    q.where.metric = STR("http_req_duration");
    q.by = STR("region");
    query(s, &q);
}

static void last_minutes(struct store *s)
{
    struct store_query q = {.run = run_id, .aggs = latencies, .agg_count = 3, .step = 1};
    struct diag d = DIAG_INIT;
    int64_t newest;

    check(store_newest_second(s, run_id, &newest, &d), &d);
    q.where = (struct store_where){.metric = STR("http_req_duration"), .from = newest - 300};
    q.by = STR("region");
    query(s, &q);
}

static void sum_up(struct store *s)
{
    struct store_where where = {.from = 0};
    struct store_sum_list sums;
    struct diag d = DIAG_INIT;

    check(store_sum(s, run_id, &where, &sums, &d), &d);
    ensure(sums.count == REGIONS);
    store_sum_list_deinit(&sums);
}

static const struct {
    const char *name;
    void (*fn)(struct store *s);
} answers[] = {
    {"open a run's page (10 values, all + regions)", open_page},
    {"p(95) by region, an hour by the second", hour_by_second},
    {"p(99.9) of one URL, the day", day_of_one_url},
    {"3 percentiles by URL, the day", day_by_url},
    {"p(95) by region, the day in 8,640 steps", day_finely},
    {"3 percentiles by region, last 5 minutes", last_minutes},
    {"sums of every series and region, the day", sum_up},
};

/* Out of the page cache with the file, so that it is read from the disk again. */
static void chill(const char *path)
{
    int fd = open(path, O_RDONLY);

    if (fd < 0)
        return;
    fdatasync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

static double time_answer(const char *path, size_t i, int rounds)
{
    struct store_options reads = {.read_only = true};
    struct store *s = NULL;
    struct diag d = DIAG_INIT;
    double best = 0;

    check(store_open(path, &reads, &s, &d), &d);
    for (int round = 0; round < rounds; round++) {
        int64_t start = clock_now();
        double took;

        answers[i].fn(s);
        took = nsec_to_ms(clock_now() - start);
        best = round == 0 || took < best ? took : best;
    }
    store_close(s);
    return best;
}

static void read_run(const char *path)
{
    printf("%-44s %8s %8s\n", "", "cold ms", "warm ms");
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        double cold;

        chill(path);
        cold = time_answer(path, i, 1);
        printf("%-44s %8.1f %8.1f\n", answers[i].name, cold, time_answer(path, i, 5));
    }
}

int main(int argc, char **argv)
{
    char temporary[] = "/tmp/gale-store-bench-XXXXXX";
    const char *folder = argc > 1 ? argv[1] : mkdtemp(temporary);
    int64_t seconds = argc > 2 ? strtoll(argv[2], NULL, 10) : 86400;
    size_t values = argc > 3 ? strtoul(argv[3], NULL, 10) : 20;
    size_t runs = argc > 4 ? strtoul(argv[4], NULL, 10) : 1;
    char *path = mem_printf("%s/gale.db", folder);
    struct store *s = NULL;
    struct diag d = DIAG_INIT;
    struct stat st;

    setvbuf(stdout, NULL, _IOLBF, 0);
    make_windows(values);
    if (stat(path, &st) != 0) {
        size_t points = 0;

        check(store_open(path, NULL, &s, &d), &d);
        add_test(s);
        for (size_t i = 0; i < runs && i < MAX_RUNS; i++) {
            write_run(s, i, seconds);
            points += (size_t)seconds * REGIONS * windows[0][0]->count;
        }
        printf("%-44s %8.1f MB, %.1f bytes a point (%.1f million points)\n", "size",
               (double)store_bytes(s) / 1e6, (double)store_bytes(s) / (double)points,
               (double)points / 1e6);
        store_close(s);
    }
    read_run(path);
    if (argc <= 1) {
        unlink(path);
        rmdir(folder);
    }
    mem_free(path);
    return 0;
}
