/* VUs that loop: constant-vus, ramping-vus, shared-iterations and per-vu-iterations.
 *
 * The plan says in which spans each VU is wanted. In a span the VU has a fiber that runs one
 * iteration after the other; at the span's end it finishes the one it is in, gives the VU back and
 * ends. When the next span begins before that (a ramp that goes down and soon up again), the fiber
 * just goes on.
 *
 * A task has one timer, for whatever comes next: the next span, or the moment at which the running
 * iteration has had its grace. Kinds differ only in who says that there is another iteration to do.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/executor.h"
#include "engine/plan.h"
#include "engine/run_state.h"
#include "engine/vu_pool.h"
#include "engine/worker.h"
#include "loop/fiber.h"

/* The only VU of a worker goes on without a pause until the turn is this old, when its iterations
 * don't park: a turn of the loop takes as long as a small iteration. */
enum { SLICE_NSEC = 200 * 1000 };

struct exec_vus;

struct task {
    struct exec_vus *x;
    const struct plan_task *plan;
    size_t span;          /* the one that it is in */
    int64_t end;          /* of that span, monotonic */
    int64_t deadline;     /* for an iteration that starts now */
    struct vu_slot *slot; /* while the fiber runs */
    uint64_t iterations;
    struct timer timer;
    struct vu_waiter waiter;
};

struct exec_vus {
    struct executor base;
    struct task *tasks;
    size_t count; /* that will start, or have */
    size_t next;  /* the first that has not started */
    size_t live;  /* that have started and not closed */
    struct timer starter;
};

static struct exec_vus *exec_of(struct executor *x)
{
    return CONTAINER_OF(x, struct exec_vus, base);
}

static struct loop *loop_of(const struct exec_vus *x)
{
    return x->base.worker->env.loop;
}

/* From the plan's time to the clock's. */
static int64_t moment(const struct exec_vus *x, int64_t planned)
{
    return x->base.begin - x->base.state->scenario->start_nsec + planned;
}

/* When a span of a VU begins here: not before this part joins (run.h, run_part). */
static int64_t begin_of(const struct exec_vus *x, const struct plan_span *span)
{
    int64_t join = x->base.worker->shared->state->join_nsec;

    return moment(x, span->from > join ? span->from : join);
}

static void check_done(struct exec_vus *x)
{
    bool all_started = x->base.is_stopped || x->next == x->count;

    if (all_started && x->live == 0 && !x->base.is_done)
        executor_done(&x->base);
}

/* Whether it is wanted again, before this part leaves. */
static bool has_next_span(const struct task *t)
{
    return t->span + 1 < t->plan->span_count &&
           moment(t->x, t->plan->spans[t->span + 1].from) <= t->x->base.end;
}

/* The VU is not wanted any more and has been given back. */
static void close_task(struct task *t)
{
    struct exec_vus *x = t->x;
    const struct scenario *s = x->base.state->scenario;

    timer_stop(loop_of(x), &t->timer);
    if (s->kind == EXECUTOR_PER_VU_ITERATIONS && t->iterations < s->iterations &&
        !x->base.is_stopped)
        executor_drop(&x->base, s->iterations - t->iterations);
    x->live--;
    check_done(x);
}

/* --- the loop of a VU --------------------------------------------------------------------- */

/* Whether there is another iteration to start, and its number. */
static bool take_iteration(struct task *t, uint64_t *number)
{
    struct scenario_state *state = t->x->base.state;

    if (t->x->base.is_stopped || clock_now() >= t->end)
        return false;
    if (state->scenario->kind == EXECUTOR_SHARED_ITERATIONS && !counter_take(&state->pot))
        return false;
    if (state->scenario->kind == EXECUTOR_PER_VU_ITERATIONS &&
        t->iterations == state->scenario->iterations)
        return false;
    *number = scenario_state_next_iteration(state);
    t->iterations++;
    return true;
}

/* Lets others run when this VU has not waited for anything. */
YIELDS static void be_fair(const struct task *t, int64_t turn)
{
    const struct worker *w = t->x->base.worker;

    if (loop_now(w->env.loop) != turn)
        return;
    if (tally_get(&w->shared->state->workers[w->env.index].vus_active) > 1 ||
        clock_now() - turn > SLICE_NSEC)
        fiber_yield();
}

static void count_vus(struct exec_vus *x, int64_t by)
{
    struct worker *w = x->base.worker;

    tally_add(&w->shared->state->workers[w->env.index].vus_active, by);
    tally_add(&x->base.tallies->vus_active, by);
    tally_add(&x->base.tallies->vus_held, by);
}

static void loop_fiber(void *arg)
{
    struct task *t = arg;
    struct exec_vus *x = t->x;
    struct vu_slot *slot = t->slot;
    uint64_t number;

    while (take_iteration(t, &number)) {
        int64_t turn = loop_now(loop_of(x));

        executor_iterate(&x->base, slot, number, t->deadline);
        be_fair(t, turn);
    }
    t->slot = NULL;
    slot->owner = NULL;
    count_vus(x, -1);
    vu_pool_give(&x->base.worker->pool, slot);
    if (x->base.is_stopped || !has_next_span(t))
        close_task(t);
}

static void begin_loop(struct task *t, struct vu_slot *slot)
{
    t->slot = slot;
    slot->owner = &t->x->base;
    count_vus(t->x, 1);
    fiber_start(loop_of(t->x), loop_fiber, t);
}

/* A VU that had to be waited for. If it comes too late, the fiber sees that and gives it back. */
static void take_slot(struct vu_waiter *waiter, struct vu_slot *slot)
{
    begin_loop(CONTAINER_OF(waiter, struct task, waiter), slot);
}

/* --- spans -------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void set_times(struct task *t)
{
    struct exec_vus *x = t->x;
    const struct plan_span *span = &t->plan->spans[t->span];
    const struct plan_span *last = &t->plan->spans[t->plan->span_count - 1];

    t->end = earlier(moment(x, span->to), x->base.end);
    t->deadline = earlier(moment(x, last->kill), x->base.kill);
    timer_start(loop_of(x), &t->timer, has_next_span(t) ? moment(x, span[1].from) : t->deadline);
}

static void enter_span(struct task *t)
{
    struct exec_vus *x = t->x;
    struct vu_pool *pool = &x->base.worker->pool;
    struct vu_slot *slot;

    set_times(t);
    if (t->slot || t->waiter._waiting)
        return;
    slot = vu_pool_take(pool);
    if (slot)
        begin_loop(t, slot);
    else
        vu_pool_wait(pool, &t->waiter);
}

static void task_due(struct timer *timer)
{
    struct task *t = CONTAINER_OF(timer, struct task, timer);
    struct exec_vus *x = t->x;

    if (has_next_span(t)) {
        t->span++;
        enter_span(t);
        return;
    }
    if (t->slot) {
        executor_interrupt(&x->base, t->slot);
    } else if (t->waiter._waiting) {
        vu_pool_unwait(&x->base.worker->pool, &t->waiter);
        close_task(t);
    }
}

/* Of a VU of per-vu-iterations that a lost part's goes on as: those that were done, shared out as
 * evenly as they were made. */
static uint64_t done_before(const struct exec_vus *x, const struct plan_task *task)
{
    const struct scenario_state *state = x->base.state;

    if (state->scenario->kind != EXECUTOR_PER_VU_ITERATIONS || state->vus == 0)
        return 0;
    return state->done / state->vus + (task->number < state->done % state->vus ? 1 : 0);
}

static void start_tasks(struct timer *timer)
{
    struct exec_vus *x = CONTAINER_OF(timer, struct exec_vus, starter);
    const struct plan_part *part = x->base.part;
    int64_t now = loop_now(loop_of(x));

    for (; x->next < x->count; x->next++) {
        struct task *t = &x->tasks[x->next];
        int64_t from = begin_of(x, &part->tasks[x->next].spans[0]);

        if (from > now) {
            timer_start(loop_of(x), &x->starter, from);
            return;
        }
        t->x = x;
        t->plan = &part->tasks[x->next];
        t->iterations = done_before(x, t->plan);
        t->waiter.take = take_slot;
        timer_init(&t->timer, task_due);
        x->live++;
        enter_span(t);
    }
}

/* --- the executor ------------------------------------------------------------------------- */

/* Those that come after this part has left are others'. */
static void count_tasks(struct exec_vus *x)
{
    const struct plan_part *part = x->base.part;

    x->count = x->next;
    while (x->count < part->task_count &&
           begin_of(x, &part->tasks[x->count].spans[0]) <= x->base.end)
        x->count++;
}

static void start(struct executor *base)
{
    struct exec_vus *x = exec_of(base);
    const struct plan_part *part = base->part;

    x->tasks = mem_calloc(part->task_count, sizeof *x->tasks);
    timer_init(&x->starter, start_tasks);
    count_tasks(x);
    if (x->count == 0)
        executor_done(base);
    else
        timer_start(loop_of(x), &x->starter, begin_of(x, &part->tasks[0].spans[0]));
}

static void stop(struct executor *base)
{
    struct exec_vus *x = exec_of(base);

    timer_stop(loop_of(x), &x->starter);
    x->live++; /* so that no closing below is the last */
    for (size_t i = 0; i < x->next; i++) {
        struct task *t = &x->tasks[i];

        vu_pool_unwait(&base->worker->pool, &t->waiter);
        if (t->slot)
            executor_interrupt(base, t->slot); /* its fiber closes the task */
        else if (timer_is_running(&t->timer))
            close_task(t);
    }
    x->live--;
    check_done(x);
}

static void leave(struct executor *base)
{
    struct exec_vus *x = exec_of(base);

    count_tasks(x);
    if (x->next == x->count)
        timer_stop(loop_of(x), &x->starter);
    x->live++; /* so that no closing below is the last */
    for (size_t i = 0; i < x->next; i++) {
        struct task *t = &x->tasks[i];

        if (!timer_is_running(&t->timer))
            continue; /* closed, or being interrupted */
        set_times(t);
        if (!has_next_span(t) && !t->slot && !t->waiter._waiting)
            close_task(t);
    }
    x->live--;
    check_done(x);
}

static void free_exec(struct executor *base)
{
    struct exec_vus *x = exec_of(base);

    mem_free(x->tasks);
    mem_free(x);
}

struct executor *exec_vus_new(void)
{
    static const struct executor_ops ops = {start, stop, leave, free_exec, NULL};
    struct exec_vus *x = mem_zalloc(sizeof *x);

    x->base.ops = &ops;
    return &x->base;
}
