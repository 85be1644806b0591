#include "cli/local_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/fleet_views.h"
#include "api/keeper.h"
#include "api/keeper_op.h"
#include "api/measured_views.h"
#include "api/run_export.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/short_id.h"
#include "cli/session.h"
#include "engine/scenario.h"
#include "fleet/timeline.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "metrics/totals.h"
#include "metrics/window.h"
#include "output/scrape.h"

#define REGION "local" /* a store knows no windows without */

enum {
    LOG_LINES = 1000, /* of a second, as are the bytes; more are counted */
    LOG_BYTES = 256 * 1024,
    SHOWN_LINES = 200, /* of a snapshot */
};

struct local_run {
    struct session *session;
    char id[SHORT_ID_SIZE];
    char *folder; /* owned, as is the path */
    char *path;   /* of the store */
    struct keeper *keeper;
    struct timeline *timeline;
    int64_t created_wall;
    int64_t started_wall;
    int64_t ended_wall;
    int64_t next_tick;   /* the second that is being measured, by the engine's count */
    int64_t offset;      /* what second 0 of the run is by that count; -1: not yet */
    int64_t last_second; /* that is there; -1: none */
    bool *was_ok;        /* by threshold; owned */
    uint64_t next_line;
    json_t *events; /* owned, as are the logs */
    json_t *logs;
    void (*watch)(void *arg, const char *event, const json_t *data);
    void *watch_arg;
};

/* --- the store ------------------------------------------------------------------------------ */

static void remove_folder(struct local_run *r)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-lock"};

    for (size_t i = 0; r->path && i < COUNT_OF(endings); i++) {
        char *path = mem_printf("%s%s", r->path, endings[i]);

        unlink(path);
        mem_free(path);
    }
    rmdir(r->folder);
}

static int open_store(struct local_run *r, struct diag *d)
{
    const char *tmp = getenv("TMPDIR");
    struct keeper_config config = {.loop = r->session->loop};

    r->folder = mem_printf("%s/gale-run-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(r->folder)) {
        int err = -errno;

        return diag_set(d, err,
                        "can't make a folder for what the run measures, %s: %s: let TMPDIR name "
                        "one that can be written",
                        r->folder, err_text(err));
    }
    r->path = mem_printf("%s/run.db", r->folder);
    config.path = r->path;
    return keeper_open(&config, &r->keeper, d);
}

static void push_begin(struct local_run *r)
{
    struct keep_op *op = keep_op_new(KEEP_BEGIN, r->id);
    struct str source = load_source(&r->session->test);
    const char *slash = strrchr(r->session->test.name, '/');

    op->content = arena_str(&op->arena, source);
    op->text = arena_strdup(&op->arena, slash ? slash + 1 : r->session->test.name);
    op->wall_nsec = r->created_wall;
    op->asked = (struct keep_asked){.test = "",
                                    .test_name = op->text,
                                    .name = op->text,
                                    .notes = "",
                                    .labels = "{}",
                                    .created_by = "",
                                    .spec = "{}",
                                    .plan = "{}"};
    keep_op_set_phase(op, local_run_view(r), 0, 0);
    keeper_push(r->keeper, op);
}

static void push_phase(struct local_run *r)
{
    struct keep_op *op = keep_op_new(KEEP_PHASE, r->id);

    keep_op_set_phase(op, local_run_view(r), r->started_wall, r->ended_wall);
    keeper_push(r->keeper, op);
}

/* What a target told of itself (--scrape). */
static void on_scraped(void *arg, int64_t second, const char *target, const struct window *w)
{
    struct local_run *r = arg;
    int64_t of_run = local_run_second(r, second + 1);
    char *region = mem_printf("scrape:%s", target);

    if (of_run >= 0)
        keeper_push(r->keeper, keep_op_window(r->id, region, of_run, w));
    mem_free(region);
}

int local_run_new(struct session *s, struct local_run **out, struct diag *d)
{
    struct local_run *r = mem_zalloc(sizeof *r);
    int err;

    r->session = s;
    r->created_wall = clock_wall();
    short_id_new(r->created_wall, r->id);
    r->timeline = timeline_new();
    r->next_tick = 1;
    r->offset = -1;
    r->last_second = -1;
    r->was_ok = mem_calloc(s->thresholds.count + 1, sizeof *r->was_ok);
    memset(r->was_ok, true, s->thresholds.count);
    r->events = json_array();
    r->logs = json_array();
    err = open_store(r, d);
    if (err) {
        local_run_free(r);
        return err;
    }
    log_keep(LOG_LINES, LOG_BYTES);
    push_begin(r);
    if (s->scrape)
        scrape_on_read(s->scrape, on_scraped, r);
    *out = r;
    return 0;
}

void local_run_free(struct local_run *r)
{
    if (!r)
        return;
    log_keep(0, 0);
    keeper_close(r->keeper);
    if (r->folder)
        remove_folder(r);
    timeline_free(r->timeline);
    json_decref(r->events);
    json_decref(r->logs);
    mem_free(r->was_ok);
    mem_free(r->path);
    mem_free(r->folder);
    mem_free(r);
}

void local_run_watch(struct local_run *r,
                     void (*fn)(void *arg, const char *event, const json_t *data), void *arg)
{
    r->watch = fn;
    r->watch_arg = arg;
}

/* Takes the data. */
static void tell(const struct local_run *r, const char *event, json_t *data)
{
    if (r->watch)
        r->watch(r->watch_arg, event, data);
    json_decref(data);
}

/* --- what is shown -------------------------------------------------------------------------- */

static const char *phase_of(const struct local_run *r)
{
    if (r->ended_wall)
        return "ended";
    if (!r->session->run)
        return "initialising";
    switch (run_get_phase(r->session->run)) {
    case RUN_SETUP:
        return "setup";
    case RUN_RUNNING:
        return "running";
    case RUN_TEARDOWN:
    case RUN_ENDED:
    case RUN_INTERRUPTED:
        return "teardown";
    default:
        return "initialising";
    }
}

static const struct run_abort *abort_of(const struct local_run *r)
{
    return r->session->run ? run_state_aborted(run_get_state(r->session->run)) : NULL;
}

static json_t *stop_of(const struct local_run *r)
{
    const struct run_abort *abort = abort_of(r);
    const char *by = "";

    if (!abort || abort->reason == RUN_ABORT_NONE)
        return json_null();
    if (abort->reason == RUN_ABORT_THRESHOLD)
        by = "threshold";
    else if (abort->reason == RUN_ABORT_SCRIPT)
        by = "script";
    return json_pack("{s:o, s:s, s:s}", "at",
                     view_time(r->ended_wall ? r->ended_wall : clock_wall()), "by", by, "reason",
                     abort->message ? abort->message : run_abort_text(abort->reason));
}

/* Of the run, so far or in all. */
static double seconds_of(const struct local_run *r)
{
    const struct session *s = r->session;

    if (r->ended_wall)
        return nsec_to_sec(s->result.duration_nsec);
    return s->run ? nsec_to_sec(run_state_duration(run_get_state(s->run), clock_now())) : 0;
}

json_t *local_run_view(const struct local_run *r)
{
    const struct session *s = r->session;
    const char *slash = strrchr(s->test.name, '/');
    const char *name = slash ? slash + 1 : s->test.name;
    const struct run_abort *abort = abort_of(r);
    bool over = r->ended_wall != 0;

    return json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:f, s:f, s:I, s:s, s:{}, s:{}, "
        "s:b, s:n, s:[], s:s, s:o, s:{s:i, s:i, s:i, s:i, s:i, s:i}, s:o}",
        "id", r->id, "name", name, "notes", "", "phase", phase_of(r), "result",
        over ? json_string(view_result(s->exit_code, abort ? abort->reason : RUN_ABORT_NONE))
             : json_null(),
        "exit_code", over ? json_integer(s->exit_code) : json_null(), "stop", stop_of(r),
        "created_at", view_time(r->created_wall), "started_at", view_time(r->started_wall),
        "ended_at", view_time(r->ended_wall), "created_by", "", "elapsed_seconds", seconds_of(r),
        "duration_seconds", nsec_to_sec(scenarios_duration(&s->test.scenarios)), "max_vus",
        (json_int_t)(s->run ? run_max_vus(s->run) : 0), "load", "total", "env", "tags",
        "is_baseline", 0, "rerun_of", "regions", "latency_metric", view_latency_metric(s->totals),
        "totals",
        r->started_wall ? view_totals(s->totals, &s->thresholds, seconds_of(r), over) : json_null(),
        "windows", "merged", 0, "late", 0, "lost", 0, "duplicates", 0, "fenced", 0, "poison", 0,
        "links", view_links(r->id));
}

static json_t *series_json(const struct local_run *r)
{
    int64_t first = r->last_second - TIMELINE_SECONDS + 1;
    json_t *t = json_array();
    json_t *overall = json_object();

    for (int64_t second = first > 0 ? first : 0; second <= r->last_second; second++) {
        struct second_numbers numbers;
        bool known = timeline_get(r->timeline, second, &numbers);

        json_array_append_new(t, json_integer(second));
        view_add_row(overall, known ? &numbers : NULL);
    }
    return json_pack("{s:i, s:o, s:o, s:{}}", "step", 1, "t", t, "overall", overall, "regions");
}

json_t *local_run_snapshot(const struct local_run *r)
{
    return json_pack("{s:o, s:o, s:o, s:{s:[]}, s:O, s:O}", "run", local_run_view(r), "series",
                     series_json(r), "thresholds",
                     view_threshold_set(&r->session->thresholds, NULL), "agents", "items", "events",
                     r->events, "logs", r->logs);
}

/* --- lines ---------------------------------------------------------------------------------- */

static json_t *second_at(const struct local_run *r, int64_t wall_nsec)
{
    return r->started_wall && wall_nsec >= r->started_wall && r->offset >= 0
               ? json_integer((wall_nsec - r->started_wall) / NSEC_PER_SEC)
               : json_null();
}

/* Takes the line. */
static void add_line(struct local_run *r, enum keep_kind kind, int64_t wall_nsec, json_t *line)
{
    json_t *list = kind == KEEP_LOG ? r->logs : r->events;

    keeper_push(r->keeper, keep_op_line(kind, r->id, wall_nsec, json_incref(line)));
    json_array_append(list, line);
    if (json_array_size(list) > SHOWN_LINES)
        json_array_remove(list, 0);
    tell(r, kind == KEEP_LOG ? "log" : "event", line);
}

static void add_event(struct local_run *r, const char *kind, const char *severity,
                      const char *message)
{
    int64_t now = clock_wall();

    add_line(r, KEEP_EVENT, now,
             json_pack("{s:I, s:o, s:o, s:s, s:s, s:n, s:n, s:s, s:{}}", "id",
                       (json_int_t)++r->next_line, "at", view_time(now), "second",
                       second_at(r, now), "kind", kind, "severity", severity, "region", "agent",
                       "message", message, "data"));
}

static void take_logs(struct local_run *r)
{
    static const char *const levels[] = {
        [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};
    struct log_kept kept;

    log_take_kept(&kept);
    for (size_t i = 0; i < kept.count; i++) {
        const struct log_line *l = &kept.lines[i];
        bool console = strstr(l->text, " source=console") != NULL;
        uint64_t left_out = i == 0 ? kept.dropped : 0;

        add_line(r, KEEP_LOG, l->wall_nsec,
                 json_pack("{s:I, s:o, s:o, s:s, s:s, s:n, s:n, s:s, s:n, s:n, s:I}", "id",
                           (json_int_t)++r->next_line, "at", view_time(l->wall_nsec), "second",
                           second_at(r, l->wall_nsec), "level", levels[l->level], "source",
                           console ? "console" : "agent", "region", "agent", "message", l->text,
                           "vu", "iteration", "left_out", (json_int_t)left_out));
    }
    log_kept_deinit(&kept);
}

/* --- as it goes ----------------------------------------------------------------------------- */

void local_run_phase(struct local_run *r, enum run_phase phase)
{
    if ((phase == RUN_SETUP || phase == RUN_RUNNING) && !r->started_wall)
        r->started_wall = clock_wall();
    if (phase == RUN_RUNNING && r->offset < 0) {
        r->offset = r->next_tick;
        add_event(r, "started", "info", "the scenarios begin");
    }
    push_phase(r);
    tell(r, "phase", view_phase(local_run_view(r)));
}

static void look_at_thresholds(struct local_run *r)
{
    const struct threshold_set *set = &r->session->thresholds;
    struct keep_op *op =
        set->count ? keep_op_thresholds(r->id, view_threshold_set(set, NULL)) : NULL;

    if (op)
        keeper_push(r->keeper, op);
    for (size_t i = 0; i < set->count; i++) {
        const struct threshold *t = set->list[i];
        char *text;

        if (t->ok == r->was_ok[i])
            continue;
        r->was_ok[i] = t->ok;
        text = mem_printf("%s: %s %s",
                          t->submetric ? t->submetric->full_name : t->metric->metric.name.ptr,
                          t->expr.source, t->ok ? "holds again" : "was crossed");
        add_event(r, t->ok ? "threshold_recovered" : "threshold_crossed", t->ok ? "info" : "error",
                  text);
        mem_free(text);
    }
    if (set->count)
        tell(r, "thresholds", view_threshold_set(set, NULL));
}

static void add_second(struct local_run *r, const struct run_tick *tick, int64_t second)
{
    const struct run_state *state = run_get_state(r->session->run);
    struct second_sums sums;
    struct second_numbers numbers;

    second_sums_init(&sums);
    for (size_t i = 0; i < tick->window_count; i++) {
        if (tick->windows[i])
            second_sums_add(&sums, tick->windows[i]);
    }
    timeline_add(r->timeline, second, &sums, false);
    second_sums_deinit(&sums);
    timeline_set_agents(r->timeline, second, (double)run_state_vus_active(state),
                        (double)run_state_vus_initialised(state), 1, 0);
    r->last_second = second;
    if (timeline_get(r->timeline, second, &numbers))
        tell(r, "window",
             json_pack("{s:I, s:b, s:o, s:{}}", "t", (json_int_t)second, "is_late", 0, "overall",
                       view_values(&numbers), "regions"));
}

int64_t local_run_second(const struct local_run *r, int64_t tick_second)
{
    return r->offset >= 0 ? tick_second - r->offset : -1;
}

void local_run_tick(struct local_run *r, const struct run_tick *tick)
{
    /* What setup() measures is before the first second; charts leave it out. */
    int64_t second = local_run_second(r, tick->second);

    r->next_tick = tick->second + 1;
    for (size_t i = 0; i < tick->window_count; i++) {
        if (tick->windows[i])
            keeper_push(r->keeper, keep_op_window(r->id, REGION, second, tick->windows[i]));
    }
    if (second >= 0)
        add_second(r, tick, second);
    look_at_thresholds(r);
    take_logs(r);
}

void local_run_end(struct local_run *r)
{
    const struct run_abort *abort = abort_of(r);
    struct keep_op *exemplars;

    if (r->ended_wall)
        return;
    if (abort && abort->reason != RUN_ABORT_NONE)
        add_event(r, "aborted", "warn",
                  abort->message ? abort->message : run_abort_text(abort->reason));
    look_at_thresholds(r);
    take_logs(r);
    exemplars = r->session->exemplars ? keep_op_exemplars(r->id, r->session->exemplars) : NULL;
    if (exemplars)
        keeper_push(r->keeper, exemplars);
    r->ended_wall = clock_wall();
    add_event(r, "ended", "info", "the run has ended");
    push_phase(r);
    tell(r, "end", local_run_view(r));
}

/* --- asked from outside --------------------------------------------------------------------- */

const char *local_run_id(const struct local_run *r)
{
    return r->id;
}

bool local_run_is_over(const struct local_run *r)
{
    return r->ended_wall != 0;
}

struct keeper *local_run_keeper(const struct local_run *r)
{
    return r->keeper;
}

bool local_run_stop(struct local_run *r, const char *reason)
{
    const struct run_abort *abort = abort_of(r);

    if (r->ended_wall || (abort && abort->reason != RUN_ABORT_NONE))
        return false;
    run_abort(r->session->run, RUN_ABORT_SIGNAL, reason);
    return true;
}

struct exporting {
    struct local_run *run;
    json_t *out;
    struct diag *diag;
    int code;
    bool is_done;
};

static int read_export(struct store *s, void *arg, struct diag *d)
{
    struct exporting *x = arg;

    return run_export(s, x->run->id, &x->out, d);
}

static void export_fiber(void *arg)
{
    struct exporting *x = arg;
    struct local_run *r = x->run;

    keeper_flush(r->keeper);
    x->code = keeper_is_behind(r->keeper, r->id)
                  ? diag_set(x->diag, ERR_LIMIT, "what the run measured could not be stored")
                  : keeper_read(r->keeper, read_export, x, x->diag);
    x->is_done = true;
    loop_stop(r->session->loop);
}

int local_run_export(struct local_run *r, json_t **out, struct diag *d)
{
    struct exporting x = {.run = r, .diag = d};
    json_t *run;

    fiber_start(r->session->loop, export_fiber, &x);
    while (!x.is_done) /* a signal stops it, too */
        loop_run(r->session->loop);
    if (x.code)
        return x.code;
    run = local_run_view(r);
    json_object_update(json_object_get(x.out, "run"), run);
    json_decref(run);
    *out = x.out;
    return 0;
}
