#include "api/keeper.h"

#include "api/keeper_op.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
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

/* A run that something was pushed of. */
struct kept {
    bool is_stored;  /* its beginning is committed */
    bool is_ended;   /* its end is in the queue, or committed */
    bool is_settled; /* it is committed */
    bool is_broken;  /* something of it was dropped */
};

struct keeper {
    struct keeper_config config;
    char *path;
    struct store *store; /* the writer */
    struct timer timer;
    struct map runs; /* struct kept by id */
    struct keep_op *first;
    struct keep_op **last;
    size_t waiting;
    struct keep_op *batch; /* being committed */
    int code;
    struct diag diag;
    char *problem; /* of the last commit; NULL: none */
    unsigned busy; /* fibers that use a store */
    bool is_committing;
    bool is_writing;            /* somebody has the writer's handle */
    struct turn *waiting_turns; /* for it, first come first */
    bool is_closing;
};

/* --- the queue ------------------------------------------------------------------------------ */

static struct kept *kept_of(struct keeper *k, const struct keep_op *op)
{
    struct kept *kept = map_get(&k->runs, str_of(op->run));

    if (!kept || op->kind == KEEP_BEGIN) { /* another one: a run that has come back */
        kept = mem_zalloc(sizeof *kept);
        mem_free(map_set(&k->runs, str_of(op->run), kept));
    }
    return kept;
}

void keeper_push(struct keeper *k, struct keep_op *op)
{
    struct kept *kept = kept_of(k, op);

    if (k->waiting >= MAX_WAITING && !kept->is_broken) {
        kept->is_broken = true;
        log_printf(LOG_ERROR,
                   "run %s is not stored further: the store could not be written for too long%s",
                   op->run, k->config.way_out ? k->config.way_out : "");
    }
    if (kept->is_broken) {
        keep_op_free(op);
        return;
    }
    kept->is_ended |= op->kind == KEEP_PHASE && op->phase.ended;
    *k->last = op;
    k->last = &op->next;
    k->waiting++;
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

    if (op->kind == KEEP_BEGIN)
        kept->is_stored = true;
    if (op->kind == KEEP_PHASE && op->phase.ended)
        kept->is_settled = true;
    if (k->config.settled && !kept->is_broken)
        k->config.settled(k->config.arg, op);
}

static void finish_batch(struct keeper *k)
{
    mem_free(k->problem);
    k->problem = k->code ? mem_strdup(k->diag.message ? k->diag.message : err_text(k->code)) : NULL;
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
        loop_stop(k->config.loop);
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

    timer_start(k->config.loop, timer, clock_now() + COMMIT_NSEC);
    if (k->is_committing)
        return;
    k->is_committing = true;
    k->busy++;
    if (k->code == 0 && k->config.look)
        k->config.look(k->config.arg);
    fiber_start(k->config.loop, commit_fiber, k);
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

int keeper_now(struct keeper *k, int (*fn)(struct store *s, void *arg, struct diag *d), void *arg,
               struct diag *d)
{
    struct writing writing = {.store = k->store, .fn = fn, .arg = arg, .diag = d};

    write_offloaded(&writing);
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

const char *keeper_problem(const struct keeper *k)
{
    return k->problem;
}

bool keeper_is_behind(const struct keeper *k, const char *run)
{
    const struct kept *kept = map_get(&k->runs, str_of(run));

    return kept && !kept->is_broken && (!kept->is_stored || (kept->is_ended && !kept->is_settled));
}

size_t keeper_waiting(const struct keeper *k)
{
    return k->waiting;
}

bool keeper_has(const struct keeper *k, const char *run)
{
    const struct kept *kept = map_get(&k->runs, str_of(run));

    return kept && kept->is_stored;
}

/* --- life ----------------------------------------------------------------------------------- */

int keeper_open(const struct keeper_config *config, struct keeper **out, struct diag *d)
{
    struct keeper *k = mem_zalloc(sizeof *k);
    int err = store_open(config->path, NULL, &k->store, d);

    if (err) {
        mem_free(k);
        return err;
    }
    k->config = *config;
    k->path = mem_strdup(config->path);
    k->last = &k->first;
    map_init(&k->runs);
    timer_init(&k->timer, on_timer);
    timer_start(config->loop, &k->timer, clock_now() + COMMIT_NSEC);
    *out = k;
    return 0;
}

void keeper_close(struct keeper *k)
{
    if (!k)
        return;
    timer_stop(k->config.loop, &k->timer);
    k->is_closing = true;
    while (k->busy > 0)
        loop_run(k->config.loop);
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
    mem_free(k->problem);
    mem_free(k->path);
    mem_free(k);
}
