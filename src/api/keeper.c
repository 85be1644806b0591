#include "api/keeper.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api/fleet_views.h"
#include "api/keeper_op.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "fleet/blob.h"
#include "fleet/controller.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "loop/offload.h"
#include "store/store.h"

/* What may wait: minutes of a large fleet. */
enum { MAX_WAITING = 200000, TIDY_PIECES = 4 };

#define COMMIT_NSEC NSEC_PER_SEC

/* A fiber that waits for the writer's handle; on its stack. */
struct turn {
    struct turn *next;
    struct fiber *fiber;
    bool has_come;
};

/* A run that is in the controller's memory. */
struct kept {
    const struct fleet_run *run; /* may be gone: to be compared only */
    bool is_stored;
    bool is_ended;   /* its end is in the queue, or committed */
    bool is_settled; /* it is committed */
    bool is_broken;  /* something of it was dropped: it stays held */
};

struct keeper {
    char *path;
    struct store *store; /* the writer */
    struct controller *controller;
    struct controller_watch watch;
    struct timer timer;
    struct map runs; /* struct kept by id */
    struct keep_op *first;
    struct keep_op **last;
    size_t waiting;
    struct keep_op *batch; /* being committed */
    int code;
    struct diag diag;
    unsigned busy; /* fibers that use a store */
    bool is_committing;
    bool is_writing;            /* somebody has the writer's handle */
    struct turn *waiting_turns; /* for it, first come first */
    bool is_closing;
};

/* --- the queue ------------------------------------------------------------------------------ */

static void push(struct keeper *k, struct keep_op *op)
{
    struct kept *kept = map_get(&k->runs, str_of(op->run));

    if (k->waiting >= MAX_WAITING && !kept->is_broken) {
        kept->is_broken = true;
        log_printf(LOG_ERROR,
                   "run %s is not stored further: the store could not be written for too long; its "
                   "data stays on the bus, and is stored when this controller is started again",
                   op->run);
    }
    if (kept->is_broken) {
        keep_op_free(op);
        return;
    }
    *k->last = op;
    k->last = &op->next;
    k->waiting++;
}

static const char *text_of(struct keep_op *op, const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));

    return text ? arena_strdup(&op->arena, text) : NULL;
}

static int64_t second_in(const json_t *json)
{
    const json_t *second = json_object_get(json, "second");

    return json_is_integer(second) ? json_integer_value(second) : -1;
}

static const char *dumped(struct keep_op *op, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    const char *copy = arena_strdup(&op->arena, text ? text : "{}");

    free(text);
    json_decref(json);
    return copy;
}

static void add_line(struct keeper *k, enum keep_kind kind, const struct fleet_run *r,
                     const json_t *view)
{
    struct keep_op *op = keep_op_new(kind, fleet_run_id(r));

    op->second = second_in(view);
    op->region = text_of(op, view, "region");
    op->agent = text_of(op, view, "agent");
    op->word = text_of(op, view, kind == KEEP_LOG ? "source" : "kind");
    op->severity = text_of(op, view, "severity");
    op->text = text_of(op, view, "message");
    op->wall_nsec = json_integer_value(json_object_get(view, "wall_nsec"));
    op->level = (enum log_level)json_integer_value(json_object_get(view, "log_level"));
    push(k, op);
}

static void add_event(struct keeper *k, const struct fleet_run *r, const struct fleet_event *e)
{
    json_t *view = view_event(r, e);

    json_object_set_new(view, "wall_nsec", json_integer(e->wall_nsec));
    add_line(k, KEEP_EVENT, r, view);
    json_decref(view);
}

static void add_log(struct keeper *k, const struct fleet_run *r, const struct fleet_log *l)
{
    json_t *view = view_log(r, l);

    json_object_set_new(view, "wall_nsec", json_integer(l->wall_nsec));
    json_object_set_new(view, "log_level", json_integer(l->level));
    add_line(k, KEEP_LOG, r, view);
    json_decref(view);
}

static void add_window(struct keeper *k, const struct controller_news *news)
{
    struct keep_op *op = keep_op_new(KEEP_WINDOW, fleet_run_id(news->run));

    op->second = news->second;
    op->region = arena_strdup(&op->arena, news->region);
    keep_op_set_window(op, news->window);
    push(k, op);
}

/* --- runs ----------------------------------------------------------------------------------- */

static void set_phase(struct keep_op *op, const struct fleet_run *r)
{
    json_t *view = view_run(r);
    const json_t *code = json_object_get(view, "exit_code");

    op->phase = (struct store_phase){
        .phase = text_of(op, view, "phase"),
        .result = text_of(op, view, "result"),
        .exit_code = json_is_integer(code) ? json_integer_value(code) : STORE_NO_EXIT_CODE,
        .started = fleet_run_started_wall(r),
        .ended = fleet_run_is_over(r) ? fleet_run_ended_wall(r) : 0,
    };
    op->phase.state = dumped(op, view);
}

static const char *text_or(struct keep_op *op, const json_t *json, const char *key,
                           const char *otherwise)
{
    const char *text = text_of(op, json, key);

    return text ? text : arena_strdup(&op->arena, otherwise);
}

static const char *object_text(struct keep_op *op, const json_t *json, const char *key)
{
    json_t *object = json_object_get(json, key);

    return object ? dumped(op, json_incref(object)) : "{}";
}

static void set_asked(const struct keeper *k, struct keep_op *op, const struct fleet_run *r)
{
    const json_t *extra = fleet_run_extra(r);
    const json_t *test = json_object_get(extra, "test");
    const json_t *spec = json_object_get(extra, "spec");
    const char *load = json_string_value(json_object_get(spec, "load"));

    op->asked = (struct keep_asked){
        .test = text_or(op, test, "id", ""),
        .version = json_integer_value(json_object_get(test, "version")),
        .test_name = text_or(op, test, "name", op->text),
        .name = text_or(op, extra, "name", op->text),
        .notes = text_or(op, extra, "notes", ""),
        .labels = object_text(op, extra, "labels"),
        .created_by = text_or(op, extra, "created_by", ""),
        .rerun_of = text_of(op, extra, "rerun_of"),
        .spec = object_text(op, extra, "spec"),
        .plan = dumped(op, view_plan(k->controller, fleet_run_plan(r), fleet_run_prepared(r),
                                     load && strcmp(load, "per-region") == 0)),
    };
}

static void begin(struct keeper *k, struct fleet_run *r)
{
    const struct prepared *prepared = fleet_run_prepared(r);
    struct keep_op *op = keep_op_new(KEEP_BEGIN, fleet_run_id(r));
    struct kept *kept = mem_zalloc(sizeof *kept);
    struct str archive = {prepared->archive, prepared->archive_len};
    struct blob_id id;
    size_t count;

    kept->run = r;
    mem_free(map_set(&k->runs, str_of(op->run), kept));
    controller_hold_run(k->controller, r);
    blob_id_of(archive, &id);
    memcpy(&op->sha256[0], &id.sha256[0], sizeof op->sha256);
    op->content = arena_str(&op->arena, archive);
    op->text = arena_strdup(&op->arena, prepared->name);
    op->wall_nsec = fleet_run_created_wall(r);
    set_asked(k, op, r);
    set_phase(op, r);
    push(k, op);
    for (size_t i = 0; i < (fleet_run_events(r, &count), count); i++)
        add_event(k, r, &fleet_run_events(r, &count)[i]);
    for (size_t i = 0; i < (fleet_run_logs(r, &count), count); i++)
        add_log(k, r, &fleet_run_logs(r, &count)[i]);
}

static json_t *text_made(const struct fleet_run *r, bool regions)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    json_t *text;

    if (regions)
        fleet_run_region_table(r, false, &out);
    else
        fleet_run_summary(r, NULL, false, &out);
    text = json_stringn_nocheck(out.len ? buf_str(&out).ptr : "", out.len);
    buf_deinit(&out);
    return text;
}

static json_t *heap_text(char *text)
{
    json_t *json = text ? json_string_nocheck(text) : json_null();

    mem_free(text);
    return json;
}

/* What is shown of a run that has left the controller's memory. */
static json_t *summary_of(const struct fleet_run *r)
{
    const char *custom = fleet_run_custom_summary(r);

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "text", text_made(r, false), "regions",
                     text_made(r, true), "summary", heap_text(fleet_run_export(r, false)),
                     "machine", heap_text(fleet_run_export(r, true)), "custom",
                     custom ? json_string_nocheck(custom) : json_null(), "thresholds",
                     view_thresholds(r));
}

/* What is true now, rather than what has happened. */
static void look_at(struct keeper *k, const struct fleet_run *r)
{
    struct keep_op *thresholds = keep_op_thresholds(r);
    struct keep_op *agents = keep_op_agents(k->controller, r);

    if (thresholds)
        push(k, thresholds);
    if (agents)
        push(k, agents);
}

static void look(struct keeper *k)
{
    struct fleet_run **runs;
    size_t count = controller_runs(k->controller, &runs);

    for (size_t i = 0; i < count; i++) {
        const struct kept *kept = map_get(&k->runs, str_of(fleet_run_id(runs[i])));

        if (kept && kept->is_stored && !kept->is_ended)
            look_at(k, runs[i]);
    }
    mem_free((void *)runs);
}

static void on_run(struct keeper *k, struct fleet_run *r)
{
    struct kept *kept = map_get(&k->runs, str_of(fleet_run_id(r)));
    struct keep_op *op;

    if (!kept || kept->run != r) { /* another one: a run that has come back */
        begin(k, r);
        kept = map_get(&k->runs, str_of(fleet_run_id(r)));
        if (!fleet_run_is_over(r))
            return;
    }
    if (kept->is_ended)
        return;
    kept->is_ended = fleet_run_is_over(r);
    if (kept->is_ended)
        look_at(k, r);
    op = keep_op_new(KEEP_PHASE, fleet_run_id(r));
    set_phase(op, r);
    if (kept->is_ended)
        op->phase.summary = dumped(op, summary_of(r));
    push(k, op);
}

static void on_news(void *arg, const struct controller_news *news)
{
    struct keeper *k = arg;
    struct fleet_run *r = news->run;

    /* Not before it is the controller's: it may still be refused. */
    if (!r || controller_find_run(k->controller, fleet_run_id(r)) != r)
        return;
    if (news->kind == NEWS_RUN)
        on_run(k, r);
    if (!map_get(&k->runs, str_of(fleet_run_id(r))))
        return;
    if (news->kind == NEWS_EVENT)
        add_event(k, r, news->event);
    else if (news->kind == NEWS_LOG)
        add_log(k, r, news->log);
    else if (news->kind == NEWS_WINDOW)
        add_window(k, news);
}

/* --- taking turns --------------------------------------------------------------------------- */

YIELDS static void take_turn(struct keeper *k)
{
    struct turn turn = {.fiber = fiber_current()};
    struct turn **end = &k->waiting_turns;

    if (!k->is_writing) {
        k->is_writing = true;
        return;
    }
    while (*end)
        end = &(*end)->next;
    *end = &turn;
    while (!turn.has_come)
        (void)!fiber_park(); /* nobody cancels these */
}

static void give_turn(struct keeper *k)
{
    struct turn *next = k->waiting_turns;

    k->is_writing = next != NULL;
    if (!next)
        return;
    k->waiting_turns = next->next;
    next->has_come = true;
    fiber_wake(next->fiber);
}

/* --- committing ----------------------------------------------------------------------------- */

static void commit(void *arg)
{
    struct keeper *k = arg;

    k->code = store_begin(k->store, &k->diag);
    for (struct keep_op *op = k->batch; op && k->code == 0; op = op->next)
        k->code = keep_op_apply(op, k->store, &k->diag);
    if (k->code == 0)
        k->code = store_commit(k->store, &k->diag);
    if (k->code) {
        store_rollback(k->store);
        return;
    }
    for (int i = 0; i < TIDY_PIECES && store_tidy(k->store, &k->diag) == 1; i++)
        ;
}

static void take_batch(struct keeper *k)
{
    k->batch = k->first;
    k->first = NULL;
    k->last = &k->first;
}

/* Not stored: all of it is tried again, before what has come meanwhile. */
static void put_back(struct keeper *k)
{
    static struct log_limit limit;
    struct keep_op **end = &k->batch;

    log_limited(&limit, LOG_ERROR, "what runs measure can't be stored, it is tried again: %s",
                k->diag.message ? k->diag.message : err_text(k->code));
    while (*end)
        end = &(*end)->next;
    if (k->first) {
        *end = k->first;
    } else {
        k->last = end;
    }
    /* The batch is the queue's head now; an end within it must point into the list. */
    k->first = k->batch;
    if (k->last == &k->batch)
        k->last = &k->first;
    k->batch = NULL;
}

static void settle(struct keeper *k, const struct keep_op *op)
{
    struct kept *kept = map_get(&k->runs, str_of(op->run));
    struct fleet_run *r = controller_find_run(k->controller, op->run);

    if (op->kind == KEEP_BEGIN)
        kept->is_stored = true;
    if (op->kind == KEEP_PHASE && op->phase.ended)
        kept->is_settled = true;
    if (op->kind == KEEP_PHASE && op->phase.ended && !kept->is_broken && r)
        controller_release_run(k->controller, r);
}

static void finish_batch(struct keeper *k)
{
    if (k->code) {
        put_back(k);
    } else {
        while (k->batch) {
            struct keep_op *op = k->batch;

            k->batch = op->next;
            k->waiting--;
            settle(k, op);
            keep_op_free(op);
        }
    }
    diag_deinit(&k->diag);
}

static void leave(struct keeper *k)
{
    k->busy--;
    if (k->busy == 0 && k->is_closing)
        loop_stop(controller_loop(k->controller));
}

YIELDS static void commit_batch(struct keeper *k)
{
    take_turn(k);
    take_batch(k);
    offload_run(commit, k);
    give_turn(k);
    finish_batch(k);
}

void keeper_flush(struct keeper *k)
{
    k->busy++;
    commit_batch(k);
    leave(k);
}

static void commit_fiber(void *arg)
{
    struct keeper *k = arg;

    commit_batch(k);
    k->is_committing = false;
    leave(k);
}

static void on_timer(struct timer *timer)
{
    struct keeper *k = CONTAINER_OF(timer, struct keeper, timer);

    timer_start(controller_loop(k->controller), timer, clock_now() + COMMIT_NSEC);
    if (k->is_committing)
        return;
    k->is_committing = true;
    k->busy++;
    if (k->code == 0)
        look(k);
    fiber_start(controller_loop(k->controller), commit_fiber, k);
}

/* --- writing for others --------------------------------------------------------------------- */

struct writing {
    struct store *store;
    int (*fn)(struct store *s, void *arg, struct diag *d);
    void *arg;
    struct diag *diag;
    int code;
};

static void write_offloaded(void *arg)
{
    struct writing *w = arg;

    w->code = store_begin(w->store, w->diag);
    if (w->code)
        return;
    w->code = w->fn(w->store, w->arg, w->diag);
    if (w->code == 0)
        w->code = store_commit(w->store, w->diag);
    if (w->code)
        store_rollback(w->store);
}

int keeper_write(struct keeper *k, int (*fn)(struct store *s, void *arg, struct diag *d), void *arg,
                 struct diag *d)
{
    struct writing writing = {.store = k->store, .fn = fn, .arg = arg, .diag = d};

    k->busy++;
    take_turn(k);
    offload_run(write_offloaded, &writing);
    give_turn(k);
    leave(k);
    return writing.code;
}

/* --- reading -------------------------------------------------------------------------------- */

struct reading {
    const char *path;
    int (*fn)(struct store *s, void *arg, struct diag *d);
    void *arg;
    struct diag *diag;
    int code;
};

static void read_offloaded(void *arg)
{
    struct reading *r = arg;
    struct store_options options = {.read_only = true};
    struct store *s = NULL;

    r->code = store_open(r->path, &options, &s, r->diag);
    if (r->code == 0)
        r->code = r->fn(s, r->arg, r->diag);
    store_close(s);
}

int keeper_read(struct keeper *k, int (*fn)(struct store *s, void *arg, struct diag *d), void *arg,
                struct diag *d)
{
    struct reading reading = {.path = k->path, .fn = fn, .arg = arg, .diag = d};

    k->busy++;
    offload_run(read_offloaded, &reading);
    leave(k);
    return reading.code;
}

bool keeper_is_behind(const struct keeper *k, const char *run)
{
    const struct kept *kept = map_get(&k->runs, str_of(run));

    return kept && !kept->is_broken && (!kept->is_stored || (kept->is_ended && !kept->is_settled));
}

bool keeper_has(const struct keeper *k, const char *run)
{
    const struct kept *kept = map_get(&k->runs, str_of(run));

    return kept && kept->is_stored;
}

/* --- life ----------------------------------------------------------------------------------- */

int keeper_open(const char *path, struct controller *controller, struct keeper **out,
                struct diag *d)
{
    struct keeper *k = mem_zalloc(sizeof *k);
    int err = store_open(path, NULL, &k->store, d);

    if (err) {
        mem_free(k);
        return err;
    }
    k->path = mem_strdup(path);
    k->controller = controller;
    k->last = &k->first;
    map_init(&k->runs);
    k->watch = (struct controller_watch){.fn = on_news, .arg = k};
    controller_watch(controller, &k->watch);
    timer_init(&k->timer, on_timer);
    timer_start(controller_loop(controller), &k->timer, clock_now() + COMMIT_NSEC);
    *out = k;
    return 0;
}

void keeper_close(struct keeper *k)
{
    if (!k)
        return;
    timer_stop(controller_loop(k->controller), &k->timer);
    k->is_closing = true;
    while (k->busy > 0)
        loop_run(controller_loop(k->controller));
    controller_unwatch(k->controller, &k->watch);
    take_batch(k);
    commit(k);
    finish_batch(k);
    while (k->first) {
        struct keep_op *op = k->first;

        k->first = op->next;
        keep_op_free(op);
    }
    store_close(k->store);
    map_deinit_with(&k->runs, mem_free);
    mem_free(k->path);
    mem_free(k);
}
