#include "fleet/collector.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "fleet/window_wire.h"
#include "metrics/hist.h"
#include "metrics/shard.h"
#include "metrics/totals.h"
#include "metrics/window.h"
#include "support/test.h"

/* --- agents' messages ------------------------------------------------------------------------ */

struct message {
    const char *agent;
    const char *region;
    const char *boot;
    uint64_t epoch;
    uint64_t sequence;
    int64_t second;
    double vus;
    int requests; /* of 10, 20, 30, ... ms; the first failed */
    bool saturated;
    bool more;
    bool bad_window;
    int logs;
};

static void keep(void *arg, struct str bytes)
{
    buf_append_str(arg, bytes);
}

static void encode_window(const struct message *m, struct buf *out)
{
    struct shard_options options = {0};
    struct shard *shard = shard_new(&options);
    tag_id tags[] = {shard_tag(shard, STR("load_zone"), str_of(m->region)),
                     shard_tag(shard, STR("instance_id"), str_of(m->agent)),
                     shard_tag(shard, STR("name"), STR("http://shop/"))};
    tagset_id set = shard_tagset(shard, 0, tags, 3);
    struct window *w;

    if (m->vus > 0) {
        shard_add(shard, METRIC_VUS, shard_tagset(shard, 0, tags, 2), m->vus, m->second);
        shard_add(shard, METRIC_VUS_MAX, shard_tagset(shard, 0, tags, 2), m->vus + 1, m->second);
    }
    for (int i = 0; i < m->requests; i++) {
        shard_add(shard, METRIC_HTTP_REQS, set, 1, 0);
        shard_add(shard, METRIC_HTTP_REQ_FAILED, set, i == 0, 0);
        shard_add(shard, METRIC_HTTP_REQ_DURATION, set, (i + 1) * 10, 0);
        shard_add(shard, METRIC_ITERATIONS, set, 1, 0);
    }
    w = shard_take_window(shard);
    window_encode((const struct window *const *)&w, 1, SIZE_MAX, keep, out);
    window_free(w);
    shard_free(shard);
}

static struct buf pack(const struct message *m)
{
    struct buf window = BUF_INIT(SIZE_MAX);
    struct buf bytes = BUF_INIT(SIZE_MAX);
    Gale__Fleet__Data data = GALE__FLEET__DATA__INIT;
    Gale__Fleet__LogLine line = GALE__FLEET__LOG_LINE__INIT;
    Gale__Fleet__LogLine *lines[4] = {&line, &line, &line, &line};
    char text[] = "a line";
    char run[] = "r1";
    char *names[] = {mem_strdup(m->agent), mem_strdup(m->boot ? m->boot : "b1"),
                     mem_strdup(m->region)};
    char *room;

    encode_window(m, &window);
    if (m->bad_window)
        window.data[0] = 0x7f;
    line.text = text;
    data.run = run;
    data.agent = names[0];
    data.boot = names[1];
    data.region = names[2];
    data.epoch = m->epoch ? m->epoch : 1;
    data.sequence = m->sequence;
    data.second = m->second;
    data.saturated = m->saturated;
    data.more = m->more;
    data.window = (ProtobufCBinaryData){window.len, (uint8_t *)window.data};
    data.n_logs = (size_t)m->logs;
    data.logs = lines;
    room = buf_room(&bytes, gale__fleet__data__get_packed_size(&data));
    CHECK(room != NULL);
    buf_added(&bytes, gale__fleet__data__pack(&data, (uint8_t *)room));
    for (size_t i = 0; i < 3; i++)
        mem_free(names[i]);
    buf_deinit(&window);
    return bytes;
}

/* --- what the collector tells ---------------------------------------------------------------- */

struct told {
    int64_t seconds[64]; /* complete, in order */
    size_t second_count;
    size_t windows;
    size_t late_windows;
    double fleet_vus;  /* of the last window of the fleet */
    double region_vus; /* of the last of a region that has the gauge */
    double requests;   /* of all windows */
    uint64_t values;   /* of http_req_duration */
    size_t logs;
    char poison[160];
    uint64_t least_epoch;
    int64_t fence_second;
};

static struct told told;
static struct collector *collector;

static bool is_entitled(void *arg, const struct collector_origin *from)
{
    const struct told *t = arg;

    return from->epoch >= t->least_epoch || from->second < t->fence_second;
}

static void on_window(void *arg, int64_t second, const char *region, const struct window *w,
                      bool is_late)
{
    struct told *t = arg;

    CHECK(w->count > 0);
    t->windows++;
    t->late_windows += is_late;
    for (size_t i = 0; i < w->count; i++) {
        const struct series *series = w->series[i].series;
        uint32_t id = series->metric->id;

        CHECK(tags_get(series->tags, STR("instance_id")).ptr == NULL);
        for (size_t j = 0; j < i; j++)
            CHECK(w->series[j].series != series);
        if (id == METRIC_VUS && !region) {
            CHECK_EQ(series->tags->count, 0);
            t->fleet_vus = w->series[i].sink.gauge.value;
            CHECK_EQ(w->series[i].sink.gauge.wall_nsec, 1000 + (second + 1) * NSEC_PER_SEC);
        } else if (id == METRIC_VUS) {
            CHECK(str_eq_c(tags_get(series->tags, STR("load_zone")), region));
            t->region_vus = w->series[i].sink.gauge.value;
        } else if (id == METRIC_HTTP_REQS) {
            t->requests += w->series[i].sink.sum;
        } else if (id == METRIC_HTTP_REQ_DURATION) {
            t->values += hist_count(w->series[i].sink.hist);
        }
    }
}

static void on_second(void *arg, int64_t second)
{
    struct told *t = arg;

    t->seconds[t->second_count++ % COUNT_OF(t->seconds)] = second;
}

static void on_logs(void *arg, const struct Gale__Fleet__Data *data)
{
    struct told *t = arg;

    CHECK_TEXT(data->logs[0]->text, "a line");
    t->logs += data->n_logs;
}

static void on_poison(void *arg, struct str agent, const char *why)
{
    struct told *t = arg;

    snprintf(t->poison, sizeof t->poison, "%.*s: %s", STR_ARG(agent), why);
}

static void start(void)
{
    struct collector_config config = {
        .run = "r1",
        .events = {is_entitled, on_window, on_second, on_logs, on_poison, &told},
    };

    told = (struct told){0};
    collector = collector_new(&config);
    collector_started(collector, 1000);
}

static enum collector_verdict take_at(struct message m, double seconds)
{
    struct buf bytes = pack(&m);
    enum collector_verdict verdict =
        collector_take(collector, str_of(m.agent), buf_str(&bytes), (int64_t)(seconds * 1e9));

    buf_deinit(&bytes);
    return verdict;
}

/* Soon after the second. */
static enum collector_verdict take(struct message m)
{
    return take_at(m, (double)m.second + 1.1);
}

static struct collector_counts counts(void)
{
    struct collector_counts c;

    collector_counts(collector, &c);
    return c;
}

static struct second_numbers numbers(const char *region, int64_t second)
{
    struct second_numbers n = {0};

    CHECK(collector_numbers(collector, region, second, &n));
    CHECK_EQ(n.second, second);
    return n;
}

static double total_requests(struct totals *t)
{
    struct metric_total *m = totals_find(t, STR("http_reqs"));

    return m ? m->sink.sum : 0;
}

/* --- tests ----------------------------------------------------------------------------------- */

TEST(collector_completes_a_second_when_all_have_delivered)
{
    struct metric_total *vus;

    start();
    collector_expect(collector, "a", "eu", 0);
    collector_expect(collector, "b", "eu", 0);
    collector_expect(collector, "c", "us", 0);
    CHECK_EQ(take((struct message){.agent = "a",
                                   .region = "eu",
                                   .sequence = 1,
                                   .vus = 10,
                                   .requests = 4,
                                   .saturated = true}),
             COLLECTOR_TAKEN);
    CHECK_EQ(take((struct message){
                 .agent = "b", .region = "eu", .sequence = 1, .vus = 5, .requests = 2}),
             COLLECTOR_TAKEN);
    CHECK_EQ(told.second_count, 0);
    CHECK_EQ(collector_last_second(collector), -1);
    CHECK(!collector_numbers(collector, NULL, 0, &(struct second_numbers){0}));
    CHECK_EQ(take((struct message){
                 .agent = "c", .region = "us", .sequence = 1, .vus = 7, .requests = 1}),
             COLLECTOR_TAKEN);
    CHECK_EQ(told.second_count, 1);
    CHECK_EQ(told.seconds[0], 0);
    CHECK_EQ(told.windows, 3); /* two regions and the fleet */
    CHECK_NEAR(told.fleet_vus, 22, 0);
    CHECK_NEAR(numbers("eu", 0).vus, 15, 0);
    CHECK_NEAR(numbers("eu", 0).vus_max, 17, 0);
    CHECK_NEAR(numbers("eu", 0).http_reqs, 6, 0);
    CHECK_NEAR(numbers("eu", 0).failed, 2.0 / 6, 1e-12);
    CHECK_NEAR(numbers("eu", 0).avg, 130.0 / 6, 1e-9);
    CHECK_NEAR(numbers("eu", 0).p50, 20, 1e-9); /* of 10 10 20 20 30 40 */
    CHECK_EQ(numbers("eu", 0).agents, 2);
    CHECK_EQ(numbers("eu", 0).saturated, 1);
    CHECK_NEAR(numbers("us", 0).iterations, 1, 0);
    CHECK_NEAR(numbers(NULL, 0).http_reqs, 7, 0);
    CHECK_NEAR(numbers(NULL, 0).p50, 20, 1e-9);
    CHECK_EQ(numbers(NULL, 0).agents, 3);
    CHECK_NEAR(total_requests(collector_totals(collector)), 7, 0);
    CHECK_NEAR(total_requests(collector_region_totals(collector, "eu")), 6, 0);
    CHECK(collector_region_totals(collector, "mars") == NULL);
    vus = totals_find(collector_totals(collector), STR("vus"));
    CHECK_NEAR(vus->sink.gauge.value, 22, 0);
    CHECK_NEAR(vus->sink.gauge.max, 22, 0);
    vus = totals_find(collector_region_totals(collector, "us"), STR("vus"));
    CHECK_NEAR(vus->sink.gauge.value, 7, 0);
    collector_free(collector);
}

TEST(collector_knows_what_came_of_an_agent)
{
    struct agent_numbers numbers;

    start();
    collector_expect(collector, "a", "eu", 0);
    CHECK(!collector_agent_numbers(collector, "b", &numbers));
    CHECK(collector_agent_numbers(collector, "a", &numbers));
    CHECK_EQ(numbers.last_second, -1);
    for (int64_t second = 0; second < 4; second++)
        take((struct message){.agent = "a",
                              .region = "eu",
                              .sequence = (uint64_t)second + (second == 3 ? 3 : 1),
                              .second = second,
                              .saturated = second == 1 || second == 3});
    CHECK(collector_agent_numbers(collector, "a", &numbers));
    CHECK_EQ(numbers.last_second, 3);
    CHECK_EQ(numbers.missing, 2);
    CHECK_EQ(numbers.saturated_seconds, 2);
    CHECK_NEAR(numbers.dropped_iterations, 0, 0);
    collector_free(collector);
}

TEST(collector_counts_each_message_once)
{
    struct message m = {.agent = "a", .region = "eu", .sequence = 1, .requests = 3, .logs = 2};

    start();
    CHECK_EQ(take(m), COLLECTOR_TAKEN);
    CHECK_EQ(take(m), COLLECTOR_DUPLICATE);
    m.sequence = 3;
    m.second = 2;
    CHECK_EQ(take(m), COLLECTOR_TAKEN);
    CHECK_EQ(counts().missing, 1);
    CHECK_EQ(collector_upto(collector, "a", "b1"), 1);
    m.sequence = 2;
    m.second = 1;
    CHECK_EQ(take(m), COLLECTOR_TAKEN);
    CHECK_EQ(take(m), COLLECTOR_DUPLICATE);
    CHECK_EQ(collector_upto(collector, "a", "b1"), 3);
    CHECK_EQ(collector_upto(collector, "a", "b2"), 0);
    /* Another boot counts from 1 again; another epoch does not. */
    m.boot = "b2";
    m.sequence = 1;
    CHECK_EQ(take(m), COLLECTOR_TAKEN);
    m.boot = "b1";
    m.epoch = 2;
    m.sequence = 3;
    CHECK_EQ(take(m), COLLECTOR_DUPLICATE);
    collector_finish(collector);
    CHECK_NEAR(total_requests(collector_totals(collector)), 12, 0);
    CHECK_EQ(counts().taken, 4);
    CHECK_EQ(counts().duplicates, 3);
    CHECK_EQ(counts().missing, 0);
    CHECK_EQ(told.logs, 8);
    collector_free(collector);
}

TEST(collector_waits_for_nobody_longer_than_its_patience)
{
    start();
    collector_expect(collector, "a", "eu", 0);
    collector_expect(collector, "b", "eu", 0);
    for (int i = 0; i < 2; i++) {
        take((struct message){.agent = "a",
                              .region = "eu",
                              .sequence = 1 + (uint64_t)i,
                              .second = i,
                              .vus = 10,
                              .requests = 1});
        if (i == 0)
            take((struct message){
                .agent = "b", .region = "eu", .sequence = 1, .vus = 5, .requests = 1});
    }
    CHECK_EQ(told.second_count, 1);
    CHECK_EQ(collector_tick(collector, 4 * NSEC_PER_SEC), 51 * NSEC_PER_SEC / 10);
    CHECK_EQ(told.second_count, 1);
    CHECK_EQ(collector_tick(collector, 51 * NSEC_PER_SEC / 10), INT64_MAX);
    CHECK_EQ(told.second_count, 2);
    /* b is still thought to run what it last said. */
    CHECK_NEAR(told.fleet_vus, 15, 0);
    CHECK_EQ(numbers(NULL, 1).agents, 1);
    /* A lost agent is not awaited. */
    collector_unexpect(collector, "b");
    take((struct message){.agent = "a", .region = "eu", .sequence = 3, .second = 2, .vus = 10});
    CHECK_EQ(told.second_count, 3);
    CHECK_NEAR(told.fleet_vus, 10, 0);
    /* An agent that joins is awaited from its first second. */
    collector_expect(collector, "c", "eu", 4);
    take((struct message){.agent = "a", .region = "eu", .sequence = 4, .second = 3, .vus = 10});
    CHECK_EQ(told.second_count, 4);
    take((struct message){.agent = "a", .region = "eu", .sequence = 5, .second = 4, .vus = 10});
    CHECK_EQ(told.second_count, 4);
    take((struct message){.agent = "c", .region = "eu", .sequence = 1, .second = 4, .vus = 9});
    CHECK_EQ(told.second_count, 5);
    CHECK_NEAR(told.fleet_vus, 19, 0);
    collector_free(collector);
}

TEST(collector_adds_late_windows_to_their_own_second)
{
    start();
    collector_expect(collector, "a", "eu", 0);
    for (int i = 0; i < 20; i++) {
        take((struct message){.agent = "a",
                              .region = "eu",
                              .sequence = 1 + (uint64_t)i,
                              .second = i,
                              .vus = 10,
                              .requests = 2});
    }
    CHECK_EQ(told.second_count, 20);
    CHECK_NEAR(numbers("eu", 7).p99, 19.9, 1e-9);
    /* A region that was cut off comes back, newest first. */
    for (int i = 19; i >= 0; i--) {
        CHECK_EQ(take_at((struct message){.agent = "b",
                                          .region = "us",
                                          .sequence = 1 + (uint64_t)i,
                                          .second = i,
                                          .vus = 5,
                                          .requests = 4},
                         21),
                 COLLECTOR_TAKEN);
    }
    CHECK_EQ(told.second_count, 20);
    CHECK_EQ(counts().late, 20);
    CHECK_EQ(counts().missing, 0);
    CHECK_NEAR(numbers("us", 7).http_reqs, 4, 0);
    CHECK_NEAR(numbers("us", 7).vus, 5, 0);
    CHECK_EQ(numbers("us", 7).late, 1);
    CHECK_NEAR(numbers(NULL, 7).http_reqs, 6, 0);
    CHECK_NEAR(numbers(NULL, 7).vus, 15, 0);
    CHECK_NEAR(numbers(NULL, 7).p99, 39.5, 1e-9); /* of 10 10 20 20 30 40 */
    CHECK_EQ(numbers(NULL, 7).agents, 2);
    CHECK_EQ(told.late_windows, 40);
    CHECK_NEAR(told.requests, 120, 0);
    CHECK_EQ(told.values, 120);
    CHECK_NEAR(total_requests(collector_totals(collector)), 120, 0);
    CHECK_NEAR(totals_find(collector_totals(collector), STR("vus"))->sink.gauge.max, 15, 0);
    CHECK_NEAR(totals_find(collector_totals(collector), STR("vus"))->sink.gauge.value, 15, 0);
    /* So late that nobody remembers the gauges: counts add up all the same. */
    for (int i = 20; i < 120; i++) {
        take((struct message){.agent = "a",
                              .region = "eu",
                              .sequence = 1 + (uint64_t)i,
                              .second = i,
                              .vus = 10,
                              .requests = 2});
        told.second_count = 0;
    }
    take_at(
        (struct message){
            .agent = "c", .region = "us", .sequence = 1, .second = 3, .vus = 5, .requests = 4},
        121);
    CHECK_NEAR(numbers(NULL, 3).http_reqs, 10, 0);
    CHECK_NEAR(numbers(NULL, 3).vus, 15, 0);
    collector_free(collector);
}

TEST(collector_fences_epochs)
{
    start();
    collector_expect(collector, "a", "eu", 0);
    CHECK_EQ(take((struct message){.agent = "a", .region = "eu", .sequence = 1, .requests = 1}),
             COLLECTOR_TAKEN);
    /* Its part went to b from second 5 on. */
    told.least_epoch = 2;
    told.fence_second = 5;
    collector_unexpect(collector, "a");
    CHECK_EQ(
        take((struct message){
            .agent = "b", .region = "eu", .sequence = 1, .epoch = 2, .second = 5, .requests = 1}),
        COLLECTOR_TAKEN);
    CHECK_EQ(take_at(
                 (struct message){
                     .agent = "a", .region = "eu", .sequence = 6, .second = 5, .requests = 1},
                 9),
             COLLECTOR_FENCED);
    CHECK_EQ(take_at(
                 (struct message){
                     .agent = "a", .region = "eu", .sequence = 5, .second = 4, .requests = 1},
                 9),
             COLLECTOR_TAKEN);
    collector_finish(collector);
    CHECK_EQ(counts().fenced, 1);
    CHECK_NEAR(total_requests(collector_totals(collector)), 3, 0);
    collector_free(collector);
}

static void poisoned(struct message m, double seconds, const char *why)
{
    CHECK_EQ(take_at(m, seconds), COLLECTOR_POISON);
    CHECK_TEXT(told.poison, why);
}

TEST(collector_goes_on_after_poison)
{
    struct message good = {.agent = "a", .region = "eu", .sequence = 1, .requests = 1};
    struct message m = good;
    struct buf bytes;

    start();
    collector_expect(collector, "a", "eu", 0);
    CHECK_EQ(collector_take(collector, STR("a"), STR("\xff\xff garbage"), 0), COLLECTOR_POISON);
    CHECK_TEXT(told.poison, "a: no message of that kind");
    CHECK_EQ(collector_take(collector, STR("a"), STR(""), 0), COLLECTOR_POISON);
    CHECK_TEXT(told.poison, "a: it is of another run");
    bytes = pack(&good);
    CHECK_EQ(collector_take(collector, STR("z"), buf_str(&bytes), 0), COLLECTOR_POISON);
    CHECK_TEXT(told.poison, "z: it names another agent than its subject");
    for (size_t i = 0; i < bytes.len; i++) {
        char *cut = mem_dup(bytes.data, i);

        collector_take(collector, STR("a"), str_from(cut, i), 0);
        mem_free(cut);
    }
    collector_free(collector);
    buf_deinit(&bytes);

    start();
    collector_expect(collector, "a", "eu", 0);
    m.region = "";
    poisoned(m, 0, "a: its agent, boot or region is empty or too long");
    m = good;
    m.sequence = 0;
    poisoned(m, 0, "a: its sequence number is 0");
    m = good;
    m.second = 1000000000000;
    poisoned(m, 100, "a: its second is not yet to come");
    m = good;
    m.bad_window = true;
    m.logs = 1;
    poisoned(m, 1, "a: a malformed window: no such message");
    CHECK_EQ(counts().poison, 4);
    CHECK_EQ(told.logs, 1);
    CHECK_EQ(told.second_count, 1);
    m = good;
    m.second = 1;
    m.sequence = 2;
    CHECK_EQ(take(m), COLLECTOR_TAKEN);
    CHECK_NEAR(total_requests(collector_totals(collector)), 1, 0);
    CHECK_EQ(counts().missing, 0);
    collector_free(collector);
}

TEST(collector_takes_what_comes_before_the_start)
{
    start();
    CHECK_EQ(take_at(
                 (struct message){
                     .agent = "a", .region = "eu", .sequence = 1, .second = -1, .requests = 2},
                 -5),
             COLLECTOR_TAKEN);
    CHECK_NEAR(total_requests(collector_totals(collector)), 2, 0);
    CHECK_EQ(told.windows, 1);
    CHECK_EQ(told.late_windows, 0);
    CHECK_EQ(told.second_count, 0);
    CHECK_EQ(counts().late, 0);
    collector_free(collector);
}

TEST(collector_waits_for_the_rest_of_a_second)
{
    start();
    collector_expect(collector, "a", "eu", 0);
    take((struct message){
        .agent = "a", .region = "eu", .sequence = 1, .vus = 3, .requests = 2, .more = true});
    CHECK_EQ(told.second_count, 0);
    take((struct message){.agent = "a", .region = "eu", .sequence = 2, .requests = 2});
    CHECK_EQ(told.second_count, 1);
    CHECK_NEAR(numbers("eu", 0).http_reqs, 4, 0);
    CHECK_NEAR(numbers("eu", 0).vus, 3, 0);
    CHECK_EQ(numbers("eu", 0).agents, 1);
    collector_free(collector);
}

TEST(collector_skips_a_long_silence)
{
    start();
    collector_expect(collector, "a", "eu", 0);
    take((struct message){.agent = "a", .region = "eu", .sequence = 1, .requests = 1});
    take((struct message){
        .agent = "a", .region = "eu", .sequence = 2, .second = 1, .requests = 1, .more = true});
    /* One second is still open when the next comes a day later. */
    collector_unexpect(collector, "a");
    for (int64_t i = 0; i < 3; i++) {
        take((struct message){.agent = "b",
                              .region = "eu",
                              .sequence = 1 + (uint64_t)i,
                              .second = 86400 + i,
                              .requests = 1});
    }
    collector_finish(collector);
    CHECK_EQ(collector_last_second(collector), 86402);
    CHECK(told.second_count < 200);
    CHECK_NEAR(total_requests(collector_totals(collector)), 5, 0);
    collector_free(collector);
}

/* Many agents, messages shuffled, doubled: the totals are those of each message once. */
TEST(collector_order_changes_nothing)
{
    enum { AGENTS = 8, SECONDS = 12, ALL = AGENTS * SECONDS };
    static const char *const agents[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    struct rng rng;

    rng_seed(&rng, 17);
    for (int round = 0; round < 10; round++) {
        size_t order[2 * ALL];

        start();
        for (size_t i = 0; i < AGENTS; i++)
            collector_expect(collector, agents[i], i % 3 ? "eu" : "us", 0);
        for (size_t i = 0; i < COUNT_OF(order); i++) {
            size_t j = (size_t)rng_below(&rng, i + 1);

            order[i] = order[j];
            order[j] = i % ALL;
        }
        for (size_t i = 0; i < COUNT_OF(order); i++) {
            size_t agent = order[i] % AGENTS;
            size_t second = order[i] / AGENTS;

            take_at((struct message){.agent = agents[agent],
                                     .region = agent % 3 ? "eu" : "us",
                                     .sequence = second + 1,
                                     .second = (int64_t)second,
                                     .vus = (double)agent + 1,
                                     .requests = (int)(agent + second) % 5},
                    (double)i / 8);
        }
        collector_finish(collector);
        CHECK_EQ(counts().taken, ALL);
        CHECK_EQ(counts().duplicates, ALL);
        CHECK_EQ(told.second_count, SECONDS);
        for (size_t i = 0; i < SECONDS; i++) {
            double requests = 0;

            CHECK_EQ(told.seconds[i], (int64_t)i);
            for (size_t j = 0; j < AGENTS; j++)
                requests += (double)((i + j) % 5);
            CHECK_NEAR(numbers(NULL, (int64_t)i).http_reqs, requests, 0);
            CHECK_NEAR(numbers(NULL, (int64_t)i).vus, 36, 0);
            CHECK_NEAR(numbers("eu", (int64_t)i).vus + numbers("us", (int64_t)i).vus, 36, 0);
            CHECK_EQ(numbers(NULL, (int64_t)i).agents, AGENTS);
        }
        CHECK_NEAR(told.requests, total_requests(collector_totals(collector)), 0);
        CHECK_NEAR(total_requests(collector_region_totals(collector, "eu")) +
                       total_requests(collector_region_totals(collector, "us")),
                   told.requests, 0);
        collector_free(collector);
    }
}

TEST(collector_keeps_instances_where_asked)
{
    struct collector_config config = {.run = "r1", .keep_instances = true};

    for (int kept = 0; kept < 2; kept++) {
        struct submetric *sub = NULL;
        struct metric metric = {0, STR("http_reqs"), METRIC_COUNTER, METRIC_DEFAULT};

        config.keep_instances = kept;
        collector = collector_new(&config);
        CHECK_EQ(totals_add_submetric(collector_totals(collector),
                                      totals_metric(collector_totals(collector), &metric),
                                      STR("instance_id:a"), &sub, NULL),
                 0);
        take((struct message){.agent = "a", .region = "eu", .sequence = 1, .requests = 3});
        take((struct message){.agent = "b", .region = "eu", .sequence = 1, .requests = 4});
        collector_finish(collector);
        CHECK_NEAR(sub->sink.sum, kept ? 3 : 0, 0);
        CHECK_NEAR(total_requests(collector_totals(collector)), 7, 0);
        collector_free(collector);
    }
}
