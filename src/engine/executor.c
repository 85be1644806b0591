#include "engine/executor.h"

#include "base/clock.h"
#include "base/mem.h"
#include "engine/plan.h"
#include "engine/run_state.h"
#include "engine/runner.h"
#include "engine/vu_pool.h"
#include "engine/worker.h"
#include "loop/fiber.h"

struct executor *executor_new(struct worker *worker, size_t scenario, tagset_id drop_tags)
{
    struct scenario_state *state = &worker->shared->state->scenarios[scenario];
    struct executor *x;

    switch (state->scenario->kind) {
    case EXECUTOR_CONSTANT_ARRIVAL_RATE:
    case EXECUTOR_RAMPING_ARRIVAL_RATE:
        x = exec_arrivals_new();
        break;
    default:
        x = exec_vus_new();
        break;
    }
    x->worker = worker;
    x->state = state;
    x->tallies = &state->workers[worker->env.index];
    x->part = plan_part(worker->shared->plan, scenario, worker->env.index);
    x->drop_tags = drop_tags;
    return x;
}

void executor_free(struct executor *x)
{
    if (x)
        x->ops->free(x);
}

void executor_start(struct executor *x, int64_t execution)
{
    const struct scenario *s = x->state->scenario;

    x->begin = execution + s->start_nsec;
    x->end = x->begin + s->duration_nsec;
    x->kill = x->end + s->graceful_stop_nsec;
    executor_leave(x);
    x->is_started = true;
    if (x->is_stopped || x->end < x->begin)
        executor_done(x);
    else
        x->ops->start(x);
}

void executor_leave(struct executor *x)
{
    const struct run_state *run = x->worker->shared->state;
    int64_t execution = atomic_load(&run->execution);
    int64_t after = atomic_load(&run->leave_nsec);
    int64_t last;

    if (execution == 0 || after == INT64_MAX || x->is_done || x->is_stopped)
        return;
    last = execution + after - 1;
    if (last >= x->end)
        return;
    x->end = last;
    x->kill = last + x->state->scenario->graceful_stop_nsec;
    if (x->is_started)
        x->ops->leave(x);
}

void executor_stop(struct executor *x)
{
    if (x->is_stopped)
        return;
    x->is_stopped = true;
    if (x->is_started && !x->is_done)
        x->ops->stop(x);
}

/* The last of the workers closes the scenario; what is left in the pot at the end of its time was
 * not done by anybody (k6-features.md EXE-07). */
static void close_scenario(struct executor *x)
{
    struct scenario_state *state = x->state;
    int64_t now = clock_now();
    uint64_t left;

    if (atomic_fetch_sub(&state->workers_left, 1) != 1)
        return;
    atomic_store(&state->ended, now);
    left = atomic_load(&state->pot);
    if (left > 0 && !x->is_stopped && now >= x->end)
        executor_drop(x, left);
}

void executor_done(struct executor *x)
{
    x->is_done = true;
    close_scenario(x);
    worker_executor_done(x->worker);
}

void executor_drop(struct executor *x, uint64_t count)
{
    tally_add(&x->tallies->dropped, (int64_t)count);
    shard_add(x->worker->env.shard, METRIC_DROPPED_ITERATIONS, x->drop_tags, (double)count,
              clock_wall());
}

static void count_end(struct executor *x, enum iteration_end end)
{
    struct worker_tallies *all = &x->worker->shared->state->workers[x->worker->env.index];

    if (end == ITERATION_DONE) {
        tally_add(&all->completed, 1);
        tally_add(&x->tallies->completed, 1);
    } else {
        tally_add(&all->interrupted, 1);
        tally_add(&x->tallies->interrupted, 1);
    }
}

YIELDS static void pad(struct executor *x, struct vu_slot *slot, int64_t until)
{
    struct fiber *fiber = fiber_current();

    if (until > x->end)
        until = x->end;
    if (x->is_stopped || until <= clock_now())
        return;
    slot->padding = fiber;
    if (fiber_sleep_until(until) != 0)
        fiber_uncancel(fiber); /* by executor_interrupt */
    slot->padding = NULL;
}

YIELDS void executor_iterate(struct executor *x, struct vu_slot *slot, uint64_t number,
                             int64_t deadline)
{
    const struct worker_shared *shared = x->worker->shared;
    const struct scenario *scenario = x->state->scenario;
    struct iteration iteration = {
        .scenario = scenario,
        .in_scenario_vu = slot->in_scenario[scenario->index]++,
        .in_instance = number,
        .in_test = segment_index(&x->state->numbering, number),
        .deadline = deadline,
    };
    int64_t pad_until = shared->min_iteration_nsec ? clock_now() + shared->min_iteration_nsec : 0;
    enum iteration_end end;

    slot->is_running = true;
    end = shared->runner->ops->vu_run(slot->vu, &iteration);
    slot->is_running = false;
    count_end(x, end);
    if (end == ITERATION_ABORT) {
        run_state_abort(shared->state, RUN_ABORT_SCRIPT,
                        NULL); /* unless the script gave a reason */
        worker_aborted(x->worker);
    } else if (end == ITERATION_DONE && pad_until) {
        pad(x, slot, pad_until);
    }
    fiber_uncancel(fiber_current());
    if (iteration.in_scenario_vu % STACK_TRIM_EVERY == 0)
        fiber_trim_stack();
}

void executor_interrupt(struct executor *x, struct vu_slot *slot)
{
    if (slot->is_running)
        x->worker->shared->runner->ops->vu_interrupt(slot->vu);
    else if (slot->padding)
        fiber_cancel(slot->padding);
}
