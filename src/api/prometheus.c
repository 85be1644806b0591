/* What runs have counted is added up as it grows: a run that leaves the controller's memory takes
 * nothing away. */
#include "api/prometheus.h"

#include <stdio.h>
#include <string.h>

#include "api/call.h"
#include "api/keeper.h"
#include "api/lives.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "fleet/collector.h"
#include "fleet/controller.h"

enum { MAX_REGIONS = 1000, CLASSES = 6, PAGE_BYTES = 1024 * 1024 };

/* What became of agents' messages; the names of its label, and what of a run counts it. */
enum { MERGED, LATE, DUPLICATE, FENCED, GARBAGE, OUTCOMES };
static const char *const outcomes[OUTCOMES] = {"merged", "late", "duplicate", "fenced", "garbage"};

struct counted {
    uint64_t by[OUTCOMES];
};

struct prometheus {
    struct api_context context;
    struct controller_watch watch;
    int64_t started_wall;
    struct map runs;    /* struct counted by id: what was added to `messages` */
    struct map regions; /* uint64_t by name: seconds of windows */
    struct counted messages;
    uint64_t runs_ended;
    uint64_t answers[CLASSES]; /* by the status' first digit */
};

/* --- counting ------------------------------------------------------------------------------- */

static void count_run(struct prometheus *p, const struct fleet_run *run)
{
    struct counted *seen = map_get(&p->runs, str_of(fleet_run_id(run)));
    struct collector_counts counts;

    if (!seen) {
        seen = mem_zalloc(sizeof *seen);
        map_set(&p->runs, str_of(fleet_run_id(run)), seen);
    }
    collector_counts(fleet_run_collector(run), &counts);
    const uint64_t now[OUTCOMES] = {counts.taken, counts.late, counts.duplicates, counts.fenced,
                                    counts.poison};
    for (size_t i = 0; i < OUTCOMES; i++) {
        p->messages.by[i] += now[i] > seen->by[i] ? now[i] - seen->by[i] : 0;
        seen->by[i] = now[i];
    }
}

static void count_window(struct prometheus *p, const char *region)
{
    uint64_t *count = map_get(&p->regions, str_of(region));

    if (!count && p->regions.count >= MAX_REGIONS)
        return;
    if (!count) {
        count = mem_zalloc(sizeof *count);
        map_set(&p->regions, str_of(region), count);
    }
    ++*count;
}

static void on_news(void *arg, const struct controller_news *news)
{
    struct prometheus *p = arg;

    if (news->kind == NEWS_WINDOW) {
        count_window(p, news->region);
    } else if (news->kind == NEWS_RUN && fleet_run_is_over(news->run)) {
        count_run(p, news->run);
        p->runs_ended++;
    }
}

void prometheus_count_answer(struct prometheus *p, unsigned status)
{
    if (status / 100 < CLASSES)
        p->answers[status / 100]++;
}

struct prometheus *prometheus_new(const struct api_context *context)
{
    struct prometheus *p = mem_zalloc(sizeof *p);

    p->context = *context;
    p->started_wall = clock_wall();
    map_init(&p->runs);
    map_init(&p->regions);
    p->watch = (struct controller_watch){.fn = on_news, .arg = p};
    controller_watch(context->config.controller, &p->watch);
    return p;
}

void prometheus_stop(struct prometheus *p)
{
    controller_unwatch(p->context.config.controller, &p->watch);
}

void prometheus_free(struct prometheus *p)
{
    map_deinit_with(&p->runs, mem_free);
    map_deinit_with(&p->regions, mem_free);
    mem_free(p);
}

/* --- the page ------------------------------------------------------------------------------- */

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void gauge(struct buf *out, const char *name, const char *help, double value)
{
    head(out, name, "gauge", help);
    buf_printf(out, "%s %.17g\n", name, value);
}

static void sample(struct buf *out, const char *name, const char *label, struct str value,
                   uint64_t number)
{
    buf_printf(out, "%s{%s=\"", name, label);
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '"' || value.ptr[i] == '\\')
            buf_append_char(out, '\\');
        buf_append_char(out, value.ptr[i] == '\n' ? ' ' : value.ptr[i]);
    }
    buf_printf(out, "\"} %llu\n", (unsigned long long)number);
}

/* Runs that have left the controller's memory are forgotten, those in it are counted. */
static size_t look_at_runs(struct prometheus *p)
{
    const struct controller *c = p->context.config.controller;
    struct fleet_run **runs;
    size_t count = controller_runs(c, &runs);
    size_t active = 0;

    for (size_t i = 0; i < count; i++) {
        active += !fleet_run_is_over(runs[i]);
        count_run(p, runs[i]);
    }
    for (struct map_entry *e = map_first(&p->runs); e; e = map_next(&p->runs, e)) {
        if (!controller_find_run(c, e->key.ptr))
            mem_free(map_remove(&p->runs, e->key));
    }
    mem_free((void *)runs);
    return active;
}

static void write_runs(struct prometheus *p, struct buf *out)
{
    gauge(out, "gale_runs_active", "Runs that have not ended.", (double)look_at_runs(p));
    head(out, "gale_runs_ended_total", "counter", "Runs that have ended since the start.");
    buf_printf(out, "gale_runs_ended_total %llu\n", (unsigned long long)p->runs_ended);
    head(out, "gale_agent_messages_total", "counter",
         "Agents' messages of measurements, by what became of them; late ones are merged as well.");
    for (size_t i = 0; i < OUTCOMES; i++)
        sample(out, "gale_agent_messages_total", "outcome", str_of(outcomes[i]), p->messages.by[i]);
    head(out, "gale_windows_merged_total", "counter", "Windows of a second that were merged.");
    for (struct map_entry *e = map_first(&p->regions); e; e = map_next(&p->regions, e))
        sample(out, "gale_windows_merged_total", "region", e->key, *(uint64_t *)e->value);
}

/* Agents are listed by region. */
static void write_agents(const struct controller *c, struct buf *out)
{
    struct agent_view *agents;
    size_t count = controller_agents(c, &agents);

    head(out, "gale_agents", "gauge", "Agents that are heard, by region.");
    for (size_t i = 0; i < count;) {
        const char *region = agents[i].region;
        uint64_t alive = 0;

        for (; i < count && strcmp(agents[i].region, region) == 0; i++)
            alive += agents[i].is_alive;
        sample(out, "gale_agents", "region", str_of(region), alive);
    }
    mem_free(agents);
}

static void write_api(const struct prometheus *p, struct buf *out)
{
    head(out, "gale_api_answers_total", "counter", "Answers of the API, by class of status.");
    for (size_t i = 2; i < CLASSES; i++) {
        char class[] = "0xx";

        class[0] = (char)('0' + i);
        sample(out, "gale_api_answers_total", "status", str_of(class), p->answers[i]);
    }
    gauge(out, "gale_event_streams", "Event streams that are open.",
          (double)lives_count(p->context.lives));
    gauge(out, "gale_store_waiting", "Things that wait to be stored.",
          (double)keeper_waiting(p->context.config.keeper));
}

void server_metrics(struct api_call *call)
{
    struct prometheus *p = call->context->prometheus;
    const struct controller *c = call->context->config.controller;
    struct buf out = BUF_INIT(PAGE_BYTES);

    head(&out, "gale_build_info", "gauge", "The version that runs.");
    sample(&out, "gale_build_info", "version", STR(GALE_VERSION), 1);
    gauge(&out, "gale_start_time_seconds", "When the controller was started.",
          (double)p->started_wall / (double)NSEC_PER_SEC);
    gauge(&out, "gale_nats_connected", "1: NATS is reached.", controller_is_connected(c));
    gauge(&out, "gale_leads", "1: this controller leads.", controller_leads(c));
    write_runs(p, &out);
    write_agents(c, &out);
    write_api(p, &out);
    api_answer(call->request, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&out));
    buf_deinit(&out);
}
