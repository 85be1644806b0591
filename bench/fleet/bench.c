/* A synthetic fleet into one collector: fleet_bench AGENTS SERIES VALUES SECONDS [instances].
 *
 * Each agent sends a window of SERIES series a second, trends with VALUES values each, as an agent
 * of a script with HTTP requests does (10 series a URL). Prints one line of JSON: CPU time per
 * message and as a share of a core when each agent sends one a second, the memory that the
 * collector takes, and bytes per message. Windows are encoded once, beforehand; what is timed is
 * collector_take. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "fleet/collector.h"
#include "fleet/window_wire.h"
#include "metrics/shard.h"
#include "metrics/window.h"

enum { REGIONS = 5, METRICS = 10 };

struct bench {
    size_t agents;
    size_t series;
    size_t values;
    size_t seconds;
    bool keep_instances;
    struct buf *windows; /* of each agent */
    double encode_seconds;
};

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    char text[128] = "";
    char *rest = text;
    double pages = 0;

    if (file && fgets(text, sizeof text, file)) {
        strtod(text, &rest);
        pages = strtod(rest, NULL);
    }
    if (file)
        fclose(file);
    return pages * (double)sysconf(_SC_PAGESIZE);
}

static void keep(void *arg, struct str bytes)
{
    buf_append_str(arg, bytes);
}

static tagset_id url_tags(struct shard *shard, size_t agent, size_t url)
{
    char region[16];
    char instance[16];
    char name[64];

    snprintf(region, sizeof region, "region-%zu", agent % REGIONS);
    snprintf(instance, sizeof instance, "%zu", agent);
    snprintf(name, sizeof name, "https://shop.example/item/%zu", url);
    tag_id tags[] = {
        shard_tag(shard, STR("load_zone"), str_of(region)),
        shard_tag(shard, STR("instance_id"), str_of(instance)),
        shard_tag(shard, STR("url"), str_of(name)),
        shard_tag(shard, STR("name"), str_of(name)),
        shard_tag(shard, STR("method"), STR("GET")),
        shard_tag(shard, STR("status"), STR("200")),
        shard_tag(shard, STR("scenario"), STR("default")),
        shard_tag(shard, STR("expected_response"), STR("true")),
    };

    return shard_tagset(shard, 0, tags, sizeof tags / sizeof tags[0]);
}

/* http_reqs, http_req_failed, checks and seven trends for each URL. */
static void make_window(struct bench *b, size_t agent, struct rng *rng)
{
    struct shard_options options = {0};
    struct shard *shard = shard_new(&options);
    struct window *w;
    double before;

    for (size_t url = 0; url < b->series / METRICS; url++) {
        tagset_id tags = url_tags(shard, agent, url);

        for (size_t i = 0; i < b->values; i++) {
            shard_add(shard, METRIC_HTTP_REQS, tags, 1, 0);
            shard_add(shard, METRIC_HTTP_REQ_FAILED, tags, 0, 0);
            shard_add(shard, METRIC_CHECKS, tags, 1, 0);
            for (uint32_t m = METRIC_HTTP_REQ_DURATION; m <= METRIC_HTTP_REQ_RECEIVING; m++)
                shard_add(shard, m, tags, 5 / (rng_unit(rng) + 0.01), 0);
        }
    }
    shard_add(shard, METRIC_VUS, 0, 10, 0);
    w = shard_take_window(shard);
    buf_init(&b->windows[agent], SIZE_MAX);
    before = cpu_seconds();
    window_encode((const struct window *const *)&w, 1, SIZE_MAX, keep, &b->windows[agent]);
    b->encode_seconds += cpu_seconds() - before;
    window_free(w);
    shard_free(shard);
}

/* The message of an agent and second. */
static void pack(const struct bench *b, size_t agent, size_t second, struct buf *out)
{
    Gale__Fleet__Data data = GALE__FLEET__DATA__INIT;
    char run[] = "r";
    char boot[] = "b";
    char id[16];
    char region[16];
    char *room;

    snprintf(id, sizeof id, "agent-%zu", agent);
    snprintf(region, sizeof region, "region-%zu", agent % REGIONS);
    data.run = run;
    data.boot = boot;
    data.agent = id;
    data.region = region;
    data.sequence = second + 1;
    data.second = (int64_t)second;
    data.window = (ProtobufCBinaryData){b->windows[agent].len, (uint8_t *)b->windows[agent].data};
    buf_reset(out);
    room = buf_room(out, gale__fleet__data__get_packed_size(&data));
    if (room)
        buf_added(out, gale__fleet__data__pack(&data, (uint8_t *)room));
}

static double run_second(struct bench *b, struct collector *c, size_t second, struct buf *message)
{
    double spent = 0;

    for (size_t i = 0; i < b->agents; i++) {
        char id[16];
        double before;

        snprintf(id, sizeof id, "agent-%zu", i);
        pack(b, i, second, message);
        before = cpu_seconds();
        if (collector_take(c, str_of(id), buf_str(message), (int64_t)(second + 1) * NSEC_PER_SEC) !=
            COLLECTOR_TAKEN)
            abort();
        spent += cpu_seconds() - before;
    }
    return spent;
}

static void run(struct bench *b)
{
    struct collector_config config = {.run = "r", .keep_instances = b->keep_instances};
    struct buf message = BUF_INIT(SIZE_MAX);
    struct collector_counts counts;
    double base = resident_bytes();
    struct collector *c = collector_new(&config);
    double spent = 0;
    double first = 0;
    double early = 0;

    for (size_t i = 0; i < b->agents; i++) {
        char id[16];
        char region[16];

        snprintf(id, sizeof id, "agent-%zu", i);
        snprintf(region, sizeof region, "region-%zu", i % REGIONS);
        collector_expect(c, id, region, 0);
    }
    for (size_t second = 0; second < b->seconds; second++) {
        double took = run_second(b, c, second, &message);

        /* In the first all series are new. */
        if (second == 0)
            first = took;
        else
            spent += took;
        if (second == b->seconds / 2)
            early = resident_bytes();
    }
    collector_counts(c, &counts);
    spent /= (double)(b->seconds - 1);
    printf("{\"agents\": %zu, \"series\": %zu, \"values\": %zu, \"core\": %.4f, "
           "\"first_second_ms\": %.1f, \"us_per_message\": %.2f, \"us_per_series\": %.3f, "
           "\"encode_us\": %.1f, \"mb\": %.1f, \"kb_per_second\": %.1f, \"bytes\": %.0f, "
           "\"complete\": %lld}\n",
           b->agents, b->series, b->values, spent, first * 1e3, spent / (double)b->agents * 1e6,
           spent / (double)(b->agents * b->series) * 1e6,
           b->encode_seconds / (double)b->agents * 1e6, (resident_bytes() - base) / 1e6,
           (resident_bytes() - early) / 1e3 / ((double)b->seconds / 2),
           (double)counts.bytes / (double)counts.taken, (long long)collector_last_second(c) + 1);
    collector_free(c);
    buf_deinit(&message);
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    struct rng rng;

    if (argc < 5) {
        fprintf(stderr, "usage: fleet_bench AGENTS SERIES VALUES SECONDS [instances]\n");
        return 2;
    }
    b.agents = strtoul(argv[1], NULL, 10);
    b.series = strtoul(argv[2], NULL, 10);
    b.values = strtoul(argv[3], NULL, 10);
    b.seconds = strtoul(argv[4], NULL, 10);
    b.keep_instances = argc > 5;
    if (b.agents == 0 || b.agents > 10000 || b.series < METRICS || b.seconds < 2)
        return 2;
    mem_keep_freed(64u << 20);
    b.windows = mem_calloc(b.agents, sizeof *b.windows);
    rng_seed(&rng, 1);
    for (size_t i = 0; i < b.agents; i++)
        make_window(&b, i, &rng);
    run(&b);
    for (size_t i = 0; i < b.agents; i++)
        buf_deinit(&b.windows[i]);
    mem_free(b.windows);
    return 0;
}
