#include "engine/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/executor.h"
#include "engine/options.h"
#include "engine/plan.h"
#include "engine/run_state.h"
#include "loop/fiber.h"
#include "loop/loop.h"

/* VUs are initialised without a pause, but the loop has its turn this often: stops and reports. */
#define INIT_SLICE_NSEC (10 * NSEC_PER_MSEC)

struct worker_thread {
    pthread_t id;
    atomic_bool ended;
};

static struct worker_tallies *tallies_of(struct worker *w)
{
    return &w->shared->state->workers[w->env.index];
}

/* --- the thread --------------------------------------------------------------------------- */

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    char name[16];

    snprintf(name, sizeof name, "gale-%u", w->env.index);
    pthread_setname_np(pthread_self(), name);
    loop_run(w->env.loop);
    atomic_store(&w->_thread->ended, true);
    return NULL;
}

/* Signals are main's: the new thread inherits a mask that blocks them all. */
static int start_thread(struct worker *w)
{
    sigset_t all;
    sigset_t before;
    int err;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(&w->_thread->id, NULL, worker_main, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -err;
}

static void free_worker(struct worker *w)
{
    shard_free(w->env.shard);
    loop_free(w->env.loop);
    diag_deinit(&w->diag);
    mem_free((void *)w->slots);
    mem_free((void *)w->executors);
    mem_free(w->_thread);
    mem_free(w);
}

int worker_start(const struct worker_shared *shared, unsigned index,
                 const struct shard_options *shard, struct worker **out)
{
    struct worker *w = mem_zalloc(sizeof *w);
    int err = loop_new(&w->env.loop);

    if (err) {
        mem_free(w);
        return err;
    }
    w->shared = shared;
    w->env.index = index;
    w->env.run = shared->state;
    w->env.shard = shard_new(shard);
    w->report_at = clock_now();
    w->_thread = mem_zalloc(sizeof *w->_thread);
    vu_pool_init(&w->pool);
    err = start_thread(w);
    if (err) {
        free_worker(w);
        return err;
    }
    *out = w;
    return 0;
}

/* The last fibers have closed their connections. */
static void quit_quiet(void *arg)
{
    struct worker *w = arg;

    if (w->is_inited)
        w->shared->runner->ops->worker_deinit(w->shared->runner, &w->env);
    loop_stop(w->env.loop);
}

static void quit(void *arg)
{
    struct worker *w = arg;
    const struct runner_ops *ops = w->shared->runner->ops;

    for (size_t i = 0; i < w->slot_count; i++) {
        ops->vu_free(w->slots[i]->vu);
        mem_free(w->slots[i]);
    }
    for (size_t i = 0; w->executors && i < w->shared->state->scenario_count; i++)
        executor_free(w->executors[i]);
    loop_when_quiet(w->env.loop, quit_quiet, w);
}

void worker_quit(struct worker *w)
{
    loop_post(w->env.loop, quit, w);
}

bool worker_join(struct worker *w, int64_t deadline)
{
    const struct timespec pause = {0, 200 * NSEC_PER_USEC};

    while (!atomic_load(&w->_thread->ended)) {
        if (clock_now() >= deadline)
            return false;
        nanosleep(&pause, NULL);
    }
    pthread_join(w->_thread->id, NULL);
    free_worker(w);
    return true;
}

/* --- VUs ---------------------------------------------------------------------------------- */

YIELDS int worker_make_vu(struct worker *w, uint64_t seat, struct vu_slot **out, struct diag *d)
{
    const struct run_state *state = w->shared->state;
    struct runner *runner = w->shared->runner;
    struct vu *vu = NULL;
    uint64_t in_test = segment_index(state->segment, seat) + 1;
    uint64_t id = state->ids_in_test ? in_test : seat + 1;
    int err = runner->ops->vu_new(runner, &w->env, id, in_test, &vu, d);

    if (err)
        return err;
    if (w->slot_count == w->slot_cap) {
        w->slot_cap = w->slot_cap ? w->slot_cap * 2 : 64;
        w->slots = mem_reallocarray((void *)w->slots, w->slot_cap, sizeof(struct vu_slot *));
    }
    *out = vu_slot_new(vu, id, state->scenario_count);
    w->slots[w->slot_count++] = *out;
    tally_add(&tallies_of(w)->vus_held, 1);
    return 0;
}

YIELDS int worker_take_unplanned(struct worker *w, struct vu_slot **out, struct diag *d)
{
    if (w->pool.unplanned > 0 && w->pool.count > 0) {
        w->pool.unplanned--;
        *out = vu_pool_take(&w->pool);
        return 0;
    }
    return worker_make_vu(w, atomic_fetch_add(&w->shared->state->next_vu, 1), out, d);
}

/* --- init --------------------------------------------------------------------------------- */

static tagset_id add_tag(struct shard *shard, tagset_id set, const char *key, const char *value)
{
    tag_id tag = shard_tag(shard, str_of(key), str_of(value));

    return shard_tagset(shard, set, &tag, 1);
}

static tagset_id add_tags(struct shard *shard, tagset_id set, const json_t *tags)
{
    void *at;

    for (at = json_object_iter((json_t *)(uintptr_t)tags); at;
         at = json_object_iter_next((json_t *)(uintptr_t)tags, at)) {
        const char *value = json_string_value(json_object_iter_value(at));

        if (value)
            set = add_tag(shard, set, json_object_iter_key(at), value);
    }
    return set;
}

static bool has_system_tag(const struct options *options, const char *name)
{
    json_t *list = options_list(options, OPTION_SYSTEM_TAGS);
    bool found = false;

    for (size_t i = 0; i < json_array_size(list) && !found; i++) {
        const char *text = json_string_value(json_array_get(list, i));

        found = text && strcmp(text, name) == 0;
    }
    json_decref(list);
    return found;
}

static void make_executors(struct worker *w)
{
    const struct run_state *state = w->shared->state;
    bool tag_scenario = has_system_tag(w->shared->options, "scenario");

    w->run_tags = add_tags(w->env.shard, 0, options_object(w->shared->options, OPTION_TAGS));
    w->executors = mem_calloc(state->scenario_count, sizeof(struct executor *));
    for (size_t i = 0; i < state->scenario_count; i++) {
        const struct scenario *s = state->scenarios[i].scenario;
        tagset_id tags = add_tags(w->env.shard, w->run_tags, s->tags);

        if (tag_scenario)
            tags = add_tag(w->env.shard, tags, "scenario", s->name);
        w->executors[i] = executor_new(w, i, tags);
    }
}

static void answer_ready(void *arg)
{
    struct worker *w = arg;

    w->shared->on_ready(w->shared->arg, w);
}

YIELDS static int init_vus(struct worker *w)
{
    const struct plan *plan = w->shared->plan;
    struct runner *runner = w->shared->runner;
    int err = runner->ops->worker_init(runner, &w->env, &w->diag);

    if (err)
        return err;
    w->is_inited = true;
    make_executors(w);
    for (uint64_t seat = w->env.index; seat < plan->seats; seat += plan->workers) {
        struct vu_slot *slot;

        if (run_state_is_stopping(w->shared->state))
            return ERR_CANCELLED;
        err = worker_make_vu(w, seat, &slot, &w->diag);
        if (err)
            return err;
        vu_pool_give(&w->pool, slot);
        if (clock_now() - loop_now(w->env.loop) > INIT_SLICE_NSEC)
            fiber_yield();
    }
    return 0;
}

static void init_fiber(void *arg)
{
    struct worker *w = arg;

    w->error = init_vus(w);
    loop_post(w->shared->main_loop, answer_ready, w);
}

static void start_init(void *arg)
{
    struct worker *w = arg;

    fiber_start(w->env.loop, init_fiber, w);
}

void worker_init_vus(struct worker *w)
{
    loop_post(w->env.loop, start_init, w);
}

/* --- running ------------------------------------------------------------------------------ */

static void answer_executed(void *arg)
{
    struct worker *w = arg;

    w->shared->on_executed(w->shared->arg, w);
}

void worker_executor_done(struct worker *w)
{
    if (--w->executors_left == 0)
        loop_post(w->shared->main_loop, answer_executed, w);
}

static void execute(void *arg)
{
    struct worker *w = arg;
    int64_t execution = atomic_load(&w->shared->state->execution);
    size_t count = w->shared->state->scenario_count;

    w->executors_left = count + 1;
    for (size_t i = 0; i < count; i++)
        executor_start(w->executors[i], execution);
    worker_executor_done(w);
}

void worker_execute(struct worker *w)
{
    loop_post(w->env.loop, execute, w);
}

static void stop(void *arg)
{
    struct worker *w = arg;

    w->is_stopped = true;
    if (w->setup_fiber)
        fiber_cancel(w->setup_fiber);
    for (size_t i = 0; w->executors && i < w->shared->state->scenario_count; i++)
        executor_stop(w->executors[i]);
}

void worker_stop(struct worker *w)
{
    loop_post(w->env.loop, stop, w);
}

static void leave(void *arg)
{
    struct worker *w = arg;

    for (size_t i = 0; w->executors && i < w->shared->state->scenario_count; i++)
        executor_leave(w->executors[i]);
}

void worker_leave(struct worker *w)
{
    loop_post(w->env.loop, leave, w);
}

static void answer_aborted(void *arg)
{
    struct worker *w = arg;

    w->shared->on_aborted(w->shared->arg);
}

void worker_aborted(struct worker *w)
{
    if (w->abort_said)
        return;
    w->abort_said = true;
    loop_post(w->shared->main_loop, answer_aborted, w);
}

/* --- calls of the runner ------------------------------------------------------------------ */

static void answer_call(void *arg)
{
    struct worker_call *call = arg;

    call->on_done(call);
}

YIELDS static int run_setup(struct worker_call *call)
{
    struct worker *w = call->worker;
    struct runner *runner = w->shared->runner;
    int err;

    if (run_state_is_stopping(w->shared->state))
        return ERR_CANCELLED;
    w->setup_fiber = fiber_current();
    err = runner->ops->setup(runner, &w->env, call->timeout_nsec, &call->json_out, &call->diag);
    w->setup_fiber = NULL;
    return err;
}

static void call_fiber(void *arg)
{
    struct worker_call *call = arg;
    struct worker_env *env = &call->worker->env;
    struct runner *runner = call->worker->shared->runner;

    switch (call->kind) {
    case WORKER_SETUP:
        call->err = run_setup(call);
        break;
    case WORKER_TEARDOWN:
        call->err = runner->ops->teardown(runner, env, call->timeout_nsec, &call->diag);
        break;
    case WORKER_HANDLE_SUMMARY:
        call->err = runner->ops->handle_summary(runner, env, call->json_in, call->timeout_nsec,
                                                &call->json_out, &call->diag);
        break;
    }
    loop_post(call->worker->shared->main_loop, answer_call, call);
}

static void start_call(void *arg)
{
    struct worker_call *call = arg;

    fiber_start(call->worker->env.loop, call_fiber, call);
}

void worker_call(struct worker_call *call)
{
    loop_post(call->worker->env.loop, start_call, call);
}

/* --- reports ------------------------------------------------------------------------------ */

static void answer_report(void *arg)
{
    struct worker_report *report = arg;

    report->on_done(report);
}

static void take_report(void *arg)
{
    struct worker_report *report = arg;
    struct worker *w = report->worker;
    int64_t now = clock_now();
    int64_t cpu = clock_thread_cpu();
    int64_t waited = probe_thread_waited();
    struct loop_stats stats;

    loop_take_stats(w->env.loop, &stats);
    report->load = (struct worker_load){
        .span_nsec = now - w->report_at,
        .busy_nsec = stats.busy_nsec,
        .cpu_nsec = cpu - w->cpu_seen,
        .waited_nsec = waited - w->waited_seen,
        .max_lag_nsec = stats.max_lag_nsec,
        .max_late_nsec = w->max_late_nsec,
    };
    w->report_at = now;
    w->cpu_seen = cpu;
    w->waited_seen = waited;
    w->max_late_nsec = 0;
    shard_add(w->env.shard, METRIC_LOAD_GENERATOR_LOOP_LAG, w->run_tags,
              nsec_to_ms(stats.max_lag_nsec), clock_wall());
    report->window = shard_take_window(w->env.shard);
    loop_post(w->shared->main_loop, answer_report, report);
}

void worker_take_report(struct worker_report *report)
{
    loop_post(report->worker->env.loop, take_report, report);
}
