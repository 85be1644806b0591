/* Starts by the clock: constant-arrival-rate and ramping-arrival-rate.
 *
 * One timer stands on the next arrival of this worker. When it is due an idle VU gets a fiber and
 * runs one iteration; VUs take turns, as in k6. When none is idle here, one is reserved at another
 * worker and the arrival is posted there: only when no VU of the instance is idle is it dropped and
 * counted, and then, up to maxVUs, one more VU is made meanwhile.
 *
 * A VU's first iteration costs many times the others': it connects, and nothing is in any cache
 * yet. At a high rate a scenario that began with all of them in a row would fall behind at once,
 * and drop what comes then. So a VU that has never run goes before rested ones at most once in
 * WARM_UP_NSEC: up to that rate the turns are k6's, above it VUs join one by one. And a turn of the
 * loop wakes one such VU at most: between two, answers arrive and set others free.
 *
 * Arrivals are never moved: the k-th is due when the pacer says so. If the worker was busy then, it
 * starts late, and how late is measured (saturation.h). */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/executor.h"
#include "engine/pacer.h"
#include "engine/plan.h"
#include "engine/run_state.h"
#include "engine/vu_pool.h"
#include "engine/worker.h"
#include "loop/fiber.h"

/* Arrivals that are handed out before the loop gets its turn, when it is behind. */
enum { BURST = 512 };

enum { WARM_UP_NSEC = 1000000 };

struct exec_arrivals;

struct arrival_waiter {
    struct vu_waiter waiter;
    struct exec_arrivals *x;
};

struct exec_arrivals {
    struct executor base;
    struct pacer pacer;
    uint64_t next; /* of this worker's arrivals */
    int64_t due;   /* when that is; INT64_MAX: there is none */
    struct timer arrivals;
    struct timer phase; /* the begin, then the end, then the kill */
    struct vu_slot **held;
    size_t held_count;
    size_t held_cap;
    struct slot_queue fresh;        /* idle, and have never run */
    struct slot_queue idle;         /* the others that are */
    int64_t fresh_due;              /* when a fresh one may go before the others again */
    bool woke_fresh;                /* in this turn of the loop */
    struct arrival_waiter *waiters; /* for planned VUs that others still hold */
    size_t running;
    bool is_growing; /* a VU is being made */
    bool grow_failed;
    bool is_open; /* between begin and end */
};

/* Of an arrival that another worker takes. */
struct handover {
    struct executor *x;
    int64_t due;
};

static struct exec_arrivals *exec_of(struct executor *x)
{
    return CONTAINER_OF(x, struct exec_arrivals, base);
}

static struct loop *loop_of(const struct exec_arrivals *x)
{
    return x->base.worker->env.loop;
}

static void check_done(struct exec_arrivals *x)
{
    if (x->is_open || x->running > 0 || x->is_growing || x->base.is_done)
        return;
    timer_stop(loop_of(x), &x->phase);
    executor_done(&x->base);
}

/* --- VUs ---------------------------------------------------------------------------------- */

static void add_idle(struct exec_arrivals *x, struct vu_slot *slot)
{
    slot_queue_push(slot->has_run ? &x->idle : &x->fresh, slot);
    tallies_unreserve(x->base.tallies);
}

/* One is there if it was reserved; NULL: none is. */
static struct vu_slot *take_idle(struct exec_arrivals *x)
{
    int64_t now = loop_now(loop_of(x));

    if (!slot_queue_is_empty(&x->fresh) && (slot_queue_is_empty(&x->idle) || now >= x->fresh_due)) {
        x->fresh_due = now + WARM_UP_NSEC;
        x->woke_fresh = true;
        return slot_queue_pop(&x->fresh);
    }
    return slot_queue_pop(&x->idle);
}

static void hold(struct exec_arrivals *x, struct vu_slot *slot)
{
    if (x->held_count == x->held_cap) {
        x->held_cap = x->held_cap ? x->held_cap * 2 : 16;
        x->held = mem_reallocarray((void *)x->held, x->held_cap, sizeof(struct vu_slot *));
    }
    x->held[x->held_count++] = slot;
    slot->owner = &x->base;
    tally_add(&x->base.tallies->vus_held, 1);
    add_idle(x, slot);
}

static void let_go(struct exec_arrivals *x, struct vu_slot *slot)
{
    struct vu_pool *pool = &x->base.worker->pool;

    slot->owner = NULL;
    if (slot->is_unplanned) {
        slot->is_unplanned = false;
        pool->unplanned++;
    }
    vu_pool_give(pool, slot);
}

static void take_slot(struct vu_waiter *waiter, struct vu_slot *slot)
{
    hold(CONTAINER_OF(waiter, struct arrival_waiter, waiter)->x, slot);
}

static void take_planned(struct exec_arrivals *x)
{
    struct vu_pool *pool = &x->base.worker->pool;
    size_t count = x->base.part->task_count;

    x->waiters = mem_calloc(count, sizeof *x->waiters);
    for (size_t i = 0; i < count; i++) {
        struct vu_slot *slot = vu_pool_take(pool);

        x->waiters[i] = (struct arrival_waiter){.waiter = {.take = take_slot}, .x = x};
        if (slot)
            hold(x, slot);
        else
            vu_pool_wait(pool, &x->waiters[i].waiter);
    }
}

/* --- VUs beyond the planned ones ---------------------------------------------------------- */

static void say_failed(struct exec_arrivals *x, const struct diag *d)
{
    char *text = diag_text(d);

    log_msg(LOG_ERROR, STR("Could not initialize another VU"), "scenario",
            x->base.state->scenario->name, "error", text, NULL);
    mem_free(text);
}

static void grow_fiber(void *arg)
{
    struct exec_arrivals *x = arg;
    struct vu_slot *slot = NULL;
    struct diag d = DIAG_INIT;
    int err = worker_take_unplanned(x->base.worker, &slot, &d);

    x->is_growing = false;
    if (err) {
        x->grow_failed = true;
        say_failed(x, &d);
    } else {
        hold(x, slot);
        slot->is_unplanned = true;
        if (!x->is_open) {
            take_idle(x);
            let_go(x, slot);
        }
    }
    diag_deinit(&d);
    check_done(x);
}

static void say_insufficient(struct exec_arrivals *x)
{
    struct scenario_state *state = x->base.state;
    char *text;

    if (atomic_exchange(&state->insufficient_said, true))
        return;
    text = mem_printf("Insufficient VUs, reached %llu active VUs and cannot initialize more",
                      (unsigned long long)state->max_vus);
    log_msg(LOG_WARN, str_of(text), "executor", executor_name(state->scenario->kind), "scenario",
            state->scenario->name, NULL);
    mem_free(text);
}

static void grow(struct exec_arrivals *x)
{
    if (x->is_growing || x->grow_failed)
        return;
    if (!counter_take(&x->base.state->unplanned_left)) {
        say_insufficient(x);
        return;
    }
    x->is_growing = true;
    fiber_start(loop_of(x), grow_fiber, x);
}

/* --- arrivals ----------------------------------------------------------------------------- */

static void count_running(struct exec_arrivals *x, int by)
{
    struct worker *w = x->base.worker;

    x->running += (size_t)by;
    tally_add(&w->shared->state->workers[w->env.index].vus_active, by);
    tally_add(&x->base.tallies->vus_active, by);
}

static void note_start(struct exec_arrivals *x, int64_t due)
{
    int64_t late = clock_now() - due;

    if (late > x->base.worker->max_late_nsec)
        x->base.worker->max_late_nsec = late;
    if (late > LATE_NSEC)
        tally_add(&x->base.tallies->late_starts, 1);
}

static void run_fiber(void *arg)
{
    struct vu_slot *slot = arg;
    struct exec_arrivals *x = exec_of(slot->owner);

    if (x->base.is_stopped) {
        /* It never began, so it is not interrupted either. */
    } else if (clock_now() >= x->base.kill) {
        executor_drop(&x->base, 1);
    } else {
        note_start(x, slot->due);
        slot->has_run = true;
        executor_iterate(&x->base, slot, scenario_state_next_iteration(x->base.state),
                         x->base.kill);
    }
    count_running(x, -1);
    if (x->is_open) {
        add_idle(x, slot);
        return;
    }
    let_go(x, slot);
    check_done(x);
}

/* On an idle VU that was reserved. */
static void begin(struct exec_arrivals *x, int64_t due)
{
    struct vu_slot *slot = take_idle(x);

    slot->due = due;
    count_running(x, 1);
    fiber_start(loop_of(x), run_fiber, slot);
}

/* Posted by another worker, which has reserved a VU here. */
static void arrive(struct executor *base, int64_t due)
{
    struct exec_arrivals *x = exec_of(base);

    if (x->is_open)
        begin(x, due);
    else if (!base->is_stopped)
        executor_drop(base, 1);
}

static void take_handover(void *arg)
{
    struct handover *h = arg;

    h->x->ops->arrive(h->x, h->due);
    mem_free(h);
}

static bool hand_over(struct exec_arrivals *x, int64_t due)
{
    const struct worker_shared *shared = x->base.worker->shared;
    struct scenario_state *state = x->base.state;

    for (size_t i = 1; i < shared->count; i++) {
        size_t other = (x->base.worker->env.index + i) % shared->count;
        struct handover *h;

        if (!tallies_reserve(&state->workers[other]))
            continue;
        h = mem_alloc(sizeof *h);
        *h = (struct handover){shared->workers[other]->executors[state->scenario->index], due};
        loop_post(shared->workers[other]->env.loop, take_handover, h);
        return true;
    }
    return false;
}

static void handle_arrival(struct exec_arrivals *x, int64_t due)
{
    if (tallies_reserve(x->base.tallies)) {
        begin(x, due);
    } else if (!hand_over(x, due)) {
        executor_drop(&x->base, 1);
        grow(x);
    }
}

static void find_due(struct exec_arrivals *x)
{
    const struct plan_part *part = x->base.part;
    int64_t due = INT64_MAX;

    if (part->arrival_weight > 0)
        due = pacer_due(&x->pacer, segment_index(&part->arrivals, x->next));
    x->due = due == INT64_MAX ? due : x->base.begin + due;
    if (x->due > x->base.end)
        x->due = INT64_MAX; /* others make it */
}

/* Passes over what others have done, and counts what nobody has (run.h, run_part). */
static void join(struct exec_arrivals *x)
{
    const struct run_state *run = x->base.worker->shared->state;
    const struct scenario *scenario = x->base.state->scenario;

    if (run->join_nsec <= scenario->start_nsec)
        return;
    if (x->base.worker->env.index == 0 && x->base.state->lost > 0)
        executor_drop(&x->base, x->base.state->lost);
    if (x->base.part->arrival_weight > 0)
        x->next = plan_arrivals_before(scenario, &x->base.part->arrivals, run->join_nsec);
}

static void arrivals_due(struct timer *timer)
{
    struct exec_arrivals *x = CONTAINER_OF(timer, struct exec_arrivals, arrivals);
    int64_t now = loop_now(loop_of(x));

    x->woke_fresh = false;
    for (unsigned i = 0; x->due <= now; i++) {
        if (i == BURST || x->woke_fresh) {
            timer_start(loop_of(x), timer, now + 1); /* in the next turn */
            return;
        }
        handle_arrival(x, x->due);
        x->next++;
        find_due(x);
    }
    if (x->due != INT64_MAX)
        timer_start(loop_of(x), timer, x->due);
}

/* --- the executor ------------------------------------------------------------------------- */

static void close_exec(struct exec_arrivals *x)
{
    size_t count = x->base.part->task_count;

    x->is_open = false;
    timer_stop(loop_of(x), &x->arrivals);
    for (size_t i = 0; x->waiters && i < count; i++)
        vu_pool_unwait(&x->base.worker->pool, &x->waiters[i].waiter);
    /* Nobody reserves here any more; what was reserved before comes to arrive(). */
    atomic_store(&x->base.tallies->idle, INT64_MIN / 2);
    for (struct vu_slot *slot; (slot = take_idle(x));)
        let_go(x, slot);
}

static void interrupt_all(struct exec_arrivals *x)
{
    for (size_t i = 0; i < x->held_count; i++) {
        if (x->held[i]->owner == &x->base)
            executor_interrupt(&x->base, x->held[i]);
    }
}

static void phase_due(struct timer *timer)
{
    struct exec_arrivals *x = CONTAINER_OF(timer, struct exec_arrivals, phase);

    if (timer->deadline == x->base.begin) {
        x->is_open = true;
        take_planned(x);
        join(x);
        find_due(x);
        timer_start(loop_of(x), timer, x->base.end);
        if (x->due != INT64_MAX)
            timer_start(loop_of(x), &x->arrivals, x->due);
    } else if (timer->deadline == x->base.end && x->is_open) {
        while (x->due <= x->base.end) {
            handle_arrival(x, x->due);
            x->next++;
            find_due(x);
        }
        timer_start(loop_of(x), timer, x->base.kill);
        close_exec(x);
        check_done(x);
    } else {
        interrupt_all(x);
    }
}

static void start(struct executor *base)
{
    struct exec_arrivals *x = exec_of(base);
    const struct scenario *s = base->state->scenario;

    pacer_init(&x->pacer, s->start_rate, s->unit_nsec, s->stages, s->stage_count);
    timer_init(&x->arrivals, arrivals_due);
    timer_init(&x->phase, phase_due);
    timer_start(loop_of(x), &x->phase, base->begin);
}

static void stop(struct executor *base)
{
    struct exec_arrivals *x = exec_of(base);

    timer_stop(loop_of(x), &x->phase);
    close_exec(x);
    interrupt_all(x);
    check_done(x);
}

static void leave(struct executor *base)
{
    struct exec_arrivals *x = exec_of(base);

    if (base->end < base->begin) {
        timer_stop(loop_of(x), &x->phase);
        executor_done(base);
    } else if (x->is_open) {
        timer_start(loop_of(x), &x->phase, base->end);
        if (x->due > base->end) {
            x->due = INT64_MAX;
            timer_stop(loop_of(x), &x->arrivals);
        }
    }
}

static void free_exec(struct executor *base)
{
    struct exec_arrivals *x = exec_of(base);

    if (base->is_started)
        pacer_deinit(&x->pacer);
    mem_free(x->waiters);
    mem_free((void *)x->held);
    mem_free(x);
}

struct executor *exec_arrivals_new(void)
{
    static const struct executor_ops ops = {start, stop, leave, free_exec, arrive};
    struct exec_arrivals *x = mem_zalloc(sizeof *x);

    x->base.ops = &ops;
    return &x->base;
}
