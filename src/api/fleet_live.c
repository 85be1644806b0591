/* News of the controller are turned into an event once and sent to all who follow that run. */
#include "api/fleet_live.h"

#include <stdio.h>
#include <string.h>

#include "api/fleet_views.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "output/json_text.h"

enum { MAX_WAITING = 1024 * 1024, MAX_STREAMS = 256, SNAPSHOT_LINES = 200 };

#define HEARTBEAT (10 * NSEC_PER_SEC)
#define AGENTS_EVERY (2 * NSEC_PER_SEC)

struct live {
    struct fleet_lives *lives;
    struct live *next;
    struct live **link;
    struct fleet_run *run;
    struct api_stream *stream;
    char caller[SHORT_ID_SIZE]; /* the token's id */
};

struct fleet_lives {
    struct controller *controller;
    struct controller_watch watch;
    struct live *list;
    size_t count;
    uint64_t next_id;
    struct timer heartbeat;
    struct timer agents;
};

/* --- events --------------------------------------------------------------------------------- */

/* Takes the data. */
static void format(struct fleet_lives *lives, const char *event, json_t *data, struct buf *out)
{
    char *text = json_text(data, 0);

    buf_printf(out, "id: %llu\nevent: %s\ndata: %s\n\n", (unsigned long long)lives->next_id++,
               event, text);
    json_decref(data);
    mem_free(text);
}

static bool is_followed(const struct fleet_lives *lives, const struct fleet_run *run)
{
    for (const struct live *l = lives->list; l; l = l->next) {
        if (l->run == run)
            return true;
    }
    return false;
}

/* To all who follow the run; takes the data. */
static void send(struct fleet_lives *lives, const struct fleet_run *run, const char *event,
                 json_t *data)
{
    struct buf text = BUF_INIT(SIZE_MAX);

    format(lives, event, data, &text);
    for (struct live *l = lives->list, *next; l; l = next) {
        next = l->next;
        if (l->run == run)
            api_stream_send(l->stream, buf_str(&text));
    }
    buf_deinit(&text);
}

static json_t *phase_json(const struct fleet_run *run)
{
    json_t *all = view_run(run);
    json_t *phase = json_pack(
        "{s:O, s:O, s:O, s:O, s:o, s:O}", "phase", json_object_get(all, "phase"), "result",
        json_object_get(all, "result"), "exit_code", json_object_get(all, "exit_code"), "stop",
        json_object_get(all, "stop"), "at", view_time(clock_wall()), "elapsed_seconds",
        json_object_get(all, "elapsed_seconds"));

    json_decref(all);
    return phase;
}

static void drop(struct live *l)
{
    *l->link = l->next;
    if (l->next)
        l->next->link = l->link;
    l->lives->count--;
    mem_free(l);
}

size_t fleet_lives_count(const struct fleet_lives *lives)
{
    return lives->count;
}

void fleet_lives_end_caller(struct fleet_lives *lives, const char *token)
{
    for (struct live *l = lives->list, *next; l; l = next) {
        next = l->next;
        if (strcmp(l->caller, token) != 0)
            continue;
        api_stream_end(l->stream);
        drop(l);
    }
}

static void end_followers(struct fleet_lives *lives, const struct fleet_run *run)
{
    for (struct live *l = lives->list, *next; l; l = next) {
        next = l->next;
        if (l->run != run)
            continue;
        api_stream_end(l->stream);
        drop(l);
    }
}

/* Another controller goes on with the runs: whoever follows one here would wait for ever. */
static void send_away(struct fleet_lives *lives)
{
    for (struct live *l = lives->list, *next; l; l = next) {
        next = l->next;
        if (fleet_run_is_over(l->run))
            continue;
        api_stream_end(l->stream);
        drop(l);
    }
}

static void on_news(void *arg, const struct controller_news *news)
{
    struct fleet_lives *lives = arg;
    struct fleet_run *run = news->run;

    if (news->kind == NEWS_LEADING && !controller_leads(lives->controller))
        send_away(lives);
    if (!run || !is_followed(lives, run))
        return;
    switch (news->kind) {
    case NEWS_RUN:
        send(lives, run, "phase", phase_json(run));
        if (!fleet_run_is_over(run))
            break;
        send(lives, run, "end", view_run(run));
        end_followers(lives, run);
        break;
    case NEWS_EVENT:
        send(lives, run, "event", view_event(run, news->event));
        break;
    case NEWS_LOG:
        send(lives, run, "log", view_log(run, news->log));
        break;
    case NEWS_SECOND:
        send(lives, run, "window", view_window(run, news->second, news->is_late));
        break;
    case NEWS_THRESHOLDS:
        send(lives, run, "thresholds", view_thresholds(run));
        break;
    default:
        break;
    }
}

static void beat(struct timer *timer)
{
    struct fleet_lives *lives = CONTAINER_OF(timer, struct fleet_lives, heartbeat);

    for (struct live *l = lives->list, *next; l; l = next) {
        next = l->next;
        api_stream_send(l->stream, STR(": still here\n\n"));
    }
    timer_start(controller_loop(lives->controller), timer, clock_now() + HEARTBEAT);
}

static void send_agents(struct timer *timer)
{
    struct fleet_lives *lives = CONTAINER_OF(timer, struct fleet_lives, agents);

    for (struct live *l = lives->list; l; l = l->next) {
        bool is_first = true;

        for (struct live *before = lives->list; before != l; before = before->next)
            is_first &= before->run != l->run;
        if (is_first)
            send(lives, l->run, "agents", view_run_agents(lives->controller, l->run));
    }
    timer_start(controller_loop(lives->controller), timer, clock_now() + AGENTS_EVERY);
}

/* --- snapshots ------------------------------------------------------------------------------ */

static json_t *last_events(const struct fleet_run *run)
{
    json_t *list = json_array();
    size_t count;
    const struct fleet_event *events = fleet_run_events(run, &count);

    for (size_t i = count > SNAPSHOT_LINES ? count - SNAPSHOT_LINES : 0; i < count; i++)
        json_array_append_new(list, view_event(run, &events[i]));
    return list;
}

static json_t *last_logs(const struct fleet_run *run)
{
    json_t *list = json_array();
    size_t count;
    const struct fleet_log *logs = fleet_run_logs(run, &count);

    for (size_t i = count > SNAPSHOT_LINES ? count - SNAPSHOT_LINES : 0; i < count; i++)
        json_array_append_new(list, view_log(run, &logs[i]));
    return list;
}

static void send_snapshot(struct live *l)
{
    struct buf text = BUF_INIT(SIZE_MAX);

    buf_append_c(&text, "retry: 1000\n\n");
    format(l->lives, "snapshot",
           json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "run", view_run(l->run), "series",
                     view_series(l->run), "thresholds", view_thresholds(l->run), "agents",
                     view_run_agents(l->lives->controller, l->run), "events", last_events(l->run),
                     "logs", last_logs(l->run)),
           &text);
    api_stream_send(l->stream, buf_str(&text));
    buf_deinit(&text);
}

static void on_closed(void *arg)
{
    drop(arg);
}

void fleet_lives_add(struct fleet_lives *lives, struct fleet_run *run, const struct api_call *call)
{
    struct live *l;

    if (lives->count >= MAX_STREAMS) {
        api_add_header(call->request, "Retry-After", "2");
        api_problem(call->request, 503, "/problems/not-ready", "Not ready",
                    "%d event streams are open already: close one", MAX_STREAMS);
        return;
    }
    if (!controller_leads(lives->controller) && !fleet_run_is_over(run)) {
        api_problem(call->request, 503, "/problems/not-ready", "Not ready",
                    "another controller leads");
        return;
    }
    l = mem_zalloc(sizeof *l);
    *l = (struct live){.lives = lives, .next = lives->list, .link = &lives->list, .run = run};
    memcpy(l->caller, call->caller.id, sizeof l->caller);
    if (l->next)
        l->next->link = &l->next;
    lives->list = l;
    lives->count++;
    l->stream = api_stream_begin(call->request, MAX_WAITING, on_closed, l);
    send_snapshot(l);
    if (fleet_run_is_over(run)) {
        struct buf text = BUF_INIT(SIZE_MAX);

        format(lives, "end", view_run(run), &text);
        api_stream_send(l->stream, buf_str(&text));
        buf_deinit(&text);
        api_stream_end(l->stream);
        drop(l);
    }
}

struct fleet_lives *fleet_lives_new(struct controller *c)
{
    struct fleet_lives *lives = mem_zalloc(sizeof *lives);

    lives->controller = c;
    lives->next_id = 1;
    lives->watch.fn = on_news;
    lives->watch.arg = lives;
    controller_watch(c, &lives->watch);
    timer_init(&lives->heartbeat, beat);
    timer_init(&lives->agents, send_agents);
    timer_start(controller_loop(c), &lives->heartbeat, clock_now() + HEARTBEAT);
    timer_start(controller_loop(c), &lives->agents, clock_now() + AGENTS_EVERY);
    return lives;
}

void fleet_lives_stop(struct fleet_lives *lives)
{
    controller_unwatch(lives->controller, &lives->watch);
    timer_stop(controller_loop(lives->controller), &lives->heartbeat);
    timer_stop(controller_loop(lives->controller), &lives->agents);
    while (lives->list) {
        api_stream_end(lives->list->stream);
        drop(lives->list);
    }
}

void fleet_lives_free(struct fleet_lives *lives)
{
    mem_free(lives);
}
