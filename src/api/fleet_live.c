/* News of the controller are turned into an event once, if anybody follows that run. */
#include "api/fleet_live.h"

#include "api/fleet_views.h"
#include "api/lives.h"
#include "api/measured_views.h"
#include "base/clock.h"
#include "base/mem.h"
#include "fleet/controller.h"
#include "loop/loop.h"

enum { SNAPSHOT_LINES = 200 };

#define AGENTS_EVERY (2 * NSEC_PER_SEC)

struct fleet_live {
    struct controller *controller;
    struct lives *lives;
    struct living runs;
    struct controller_watch watch;
    struct timer agents;
};

/* --- news ----------------------------------------------------------------------------------- */

/* Another controller goes on with the runs: whoever follows one here would wait for ever. */
static void send_away(void *arg, const char *id)
{
    struct fleet_live *f = arg;
    const struct fleet_run *run = controller_find_run(f->controller, id);

    if (!run || !fleet_run_is_over(run))
        lives_end(f->lives, id, NULL, NULL);
}

static void on_run(const struct fleet_live *f, const struct fleet_run *run)
{
    lives_send(f->lives, fleet_run_id(run), "phase", view_phase(view_run(run)));
    if (fleet_run_is_over(run))
        lives_end(f->lives, fleet_run_id(run), NULL, view_run(run));
}

static void on_news(void *arg, const struct controller_news *news)
{
    struct fleet_live *f = arg;
    const struct fleet_run *run = news->run;
    const char *id = run ? fleet_run_id(run) : NULL;

    if (news->kind == NEWS_LEADING && !controller_leads(f->controller))
        lives_each(f->lives, send_away, f);
    if (!run || !lives_are_followed(f->lives, id))
        return;
    switch (news->kind) {
    case NEWS_RUN:
        on_run(f, run);
        break;
    case NEWS_EVENT:
        lives_send(f->lives, id, "event", view_event(run, news->event));
        break;
    case NEWS_LOG:
        lives_send(f->lives, id, "log", view_log(run, news->log));
        break;
    case NEWS_SECOND:
        lives_send(f->lives, id, "window", view_window(run, news->second, news->is_late));
        break;
    case NEWS_THRESHOLDS:
        lives_send(f->lives, id, "thresholds", view_thresholds(run));
        break;
    default:
        break;
    }
}

static void send_agents(void *arg, const char *id)
{
    const struct fleet_live *f = arg;
    const struct fleet_run *run = controller_find_run(f->controller, id);

    if (run)
        lives_send(f->lives, id, "agents", view_run_agents(f->controller, run));
}

static void on_timer(struct timer *timer)
{
    struct fleet_live *f = CONTAINER_OF(timer, struct fleet_live, agents);

    lives_each(f->lives, send_agents, f);
    timer_start(controller_loop(f->controller), timer, clock_now() + AGENTS_EVERY);
}

/* --- runs in memory ------------------------------------------------------------------------- */

static json_t *ids(void *arg)
{
    json_t *list = json_array();
    struct fleet_run **runs;
    size_t count = controller_runs(((struct fleet_live *)arg)->controller, &runs);

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(fleet_run_id(runs[i])));
    mem_free((void *)runs);
    return list;
}

static struct fleet_run *find(void *arg, const char *id)
{
    return controller_find_run(((struct fleet_live *)arg)->controller, id);
}

static bool has(void *arg, const char *id)
{
    return find(arg, id) != NULL;
}

static json_t *view(void *arg, const char *id)
{
    const struct fleet_run *run = find(arg, id);

    return run ? view_run(run) : NULL;
}

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

static json_t *snapshot(void *arg, const char *id)
{
    const struct fleet_live *f = arg;
    const struct fleet_run *run = find(arg, id);

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "run", view_run(run), "series",
                     view_series(run), "thresholds", view_thresholds(run), "agents",
                     view_run_agents(f->controller, run), "events", last_events(run), "logs",
                     last_logs(run));
}

static void stop(void *arg, const char *id, const char *by, const char *reason)
{
    struct fleet_run *run = find(arg, id);

    if (fleet_run_is_over(run) || json_object_get(fleet_run_extra(run), "stopped_by"))
        return;
    fleet_run_set_extra(run, "stopped_by", json_string(by));
    controller_stop_run(((struct fleet_live *)arg)->controller, run, RUN_ABORT_SIGNAL, reason);
}

const struct living *fleet_live_runs(const struct fleet_live *f)
{
    return &f->runs;
}

/* --- life ----------------------------------------------------------------------------------- */

struct fleet_live *fleet_live_new(struct controller *c, struct lives *lives)
{
    struct fleet_live *f = mem_zalloc(sizeof *f);

    f->controller = c;
    f->lives = lives;
    f->runs = (struct living){
        .ids = ids, .has = has, .view = view, .snapshot = snapshot, .stop = stop, .arg = f};
    f->watch = (struct controller_watch){.fn = on_news, .arg = f};
    controller_watch(c, &f->watch);
    timer_init(&f->agents, on_timer);
    timer_start(controller_loop(c), &f->agents, clock_now() + AGENTS_EVERY);
    return f;
}

void fleet_live_stop(struct fleet_live *f)
{
    controller_unwatch(f->controller, &f->watch);
    timer_stop(controller_loop(f->controller), &f->agents);
}

void fleet_live_free(struct fleet_live *f)
{
    mem_free(f);
}
