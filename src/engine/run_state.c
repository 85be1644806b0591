#include "engine/run_state.h"

#include "base/clock.h"
#include "base/mem.h"
#include "engine/plan.h"
#include "engine/run.h"

static void init_scenario(struct scenario_state *state, const struct scenario *s,
                          const struct segment *segment, unsigned workers)
{
    *state = (struct scenario_state){
        .scenario = s,
        .vus = segment_scale(segment, s->vus),
        .max_vus = segment_scale(segment, s->max_vus),
        .workers_left = workers,
        .workers = mem_calloc(workers, sizeof *state->workers),
    };
    state->iterations = plan_iterations(s, segment, &state->numbering);
    if (s->kind == EXECUTOR_SHARED_ITERATIONS)
        state->pot = state->iterations;
    if (state->max_vus > state->vus)
        state->unplanned_left = state->max_vus - state->vus;
}

void run_state_init(struct run_state *s, const struct scenario_list *scenarios,
                    const struct segment *segment, unsigned workers, uint64_t rps)
{
    uint64_t share = segment_scale(segment, rps);

    *s = (struct run_state){
        .worker_count = workers,
        .scenario_count = scenarios->count,
        .segment = segment,
        .leave_nsec = INT64_MAX,
        .scenarios = mem_calloc(scenarios->count, sizeof *s->scenarios),
        .workers = mem_calloc(workers, sizeof *s->workers),
    };
    if (rps > 0)
        s->rps_interval = NSEC_PER_SEC / (int64_t)(share ? share : 1);
    for (size_t i = 0; i < scenarios->count; i++)
        init_scenario(&s->scenarios[i], scenarios->list[i], segment, workers);
}

void run_state_join(struct run_state *s, const struct run_part *part)
{
    s->join_nsec = part->join_nsec;
    for (size_t i = 0; i < s->scenario_count; i++) {
        struct scenario_state *scenario = &s->scenarios[i];
        uint64_t past = plan_arrivals_before(scenario->scenario, s->segment, part->join_nsec);
        uint64_t others = plan_arrivals_before(scenario->scenario, s->segment, part->from_nsec);
        struct scenario_done known = part->done ? part->done[i] : (struct scenario_done){0};
        uint64_t done = known.completed;
        uint64_t made = known.completed + known.dropped - known.before;

        if (scenario->iterations > 0 && done > scenario->iterations)
            done = scenario->iterations;
        scenario->done = done;
        if (past > others + made)
            scenario->lost = past - others - made;
        /* Numbers that the lost part may have used are not used again. */
        scenario->next_iteration = past > done ? past : done;
        if (scenario->pot > 0)
            scenario->pot -= done;
    }
}

void run_state_deinit(struct run_state *s)
{
    struct run_abort *abort = atomic_load(&s->abort);

    for (size_t i = 0; i < s->scenario_count; i++) {
        segment_deinit(&s->scenarios[i].numbering);
        mem_free(s->scenarios[i].workers);
    }
    mem_free(s->scenarios);
    mem_free(s->workers);
    if (abort)
        mem_free(abort->message);
    mem_free(abort);
}

bool run_state_abort(struct run_state *s, enum run_abort_reason reason, const char *message)
{
    struct run_abort *abort = mem_alloc(sizeof *abort);
    struct run_abort *none = NULL;

    *abort = (struct run_abort){reason, mem_strdup(message)};
    if (atomic_compare_exchange_strong(&s->abort, &none, abort)) {
        atomic_store(&s->stopping, true);
        return true;
    }
    mem_free(abort->message);
    mem_free(abort);
    return false;
}

/* --- sums --------------------------------------------------------------------------------- */

uint64_t run_state_vus_active(const struct run_state *s)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < s->worker_count; i++)
        sum += tally_get(&s->workers[i].vus_active);
    return sum;
}

uint64_t run_state_vus_initialised(const struct run_state *s)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < s->worker_count; i++)
        sum += tally_get(&s->workers[i].vus_held);
    return sum;
}

uint64_t run_state_completed(const struct run_state *s)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < s->worker_count; i++)
        sum += tally_get(&s->workers[i].completed);
    return sum;
}

uint64_t run_state_interrupted(const struct run_state *s)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < s->worker_count; i++)
        sum += tally_get(&s->workers[i].interrupted);
    return sum;
}

void run_state_scenario_counts(const struct run_state *s, size_t scenario,
                               struct scenario_counts *out)
{
    *out = (struct scenario_counts){0};
    for (unsigned i = 0; i < s->worker_count; i++) {
        const struct worker_tallies *t = &s->scenarios[scenario].workers[i];

        out->vus_active += tally_get(&t->vus_active);
        out->vus_held += tally_get(&t->vus_held);
        out->completed += tally_get(&t->completed);
        out->interrupted += tally_get(&t->interrupted);
        out->dropped += tally_get(&t->dropped);
        out->late_starts += tally_get(&t->late_starts);
    }
}

/* --- times -------------------------------------------------------------------------------- */

int64_t run_state_duration(const struct run_state *s, int64_t now)
{
    int64_t started = atomic_load_explicit(&s->started, memory_order_relaxed);
    int64_t ended = atomic_load_explicit(&s->ended, memory_order_relaxed);

    if (started == 0)
        return 0;
    return (ended ? ended : now) - started;
}

int64_t run_state_scenario_start_wall(const struct run_state *s, const struct scenario *scenario)
{
    int64_t before = atomic_load_explicit(&s->execution, memory_order_relaxed) -
                     atomic_load_explicit(&s->started, memory_order_relaxed);

    return atomic_load_explicit(&s->started_wall, memory_order_relaxed) + before +
           scenario->start_nsec;
}

static double clamp01(double x)
{
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

double run_state_scenario_progress(const struct run_state *s, const struct scenario *scenario,
                                   int64_t now)
{
    const struct scenario_state *state = &s->scenarios[scenario->index];
    int64_t begin = atomic_load_explicit(&s->execution, memory_order_relaxed);
    int64_t ended = atomic_load_explicit(&state->ended, memory_order_relaxed);
    struct scenario_counts counts;

    if (begin == 0)
        return 0;
    if (state->iterations > 0) {
        run_state_scenario_counts(s, scenario->index, &counts);
        return clamp01((double)counts.completed / (double)state->iterations);
    }
    begin += scenario->start_nsec;
    if (ended && ended < begin + scenario->duration_nsec)
        now = ended;
    if (scenario->duration_nsec == 0)
        return now >= begin ? 1 : 0;
    return clamp01((double)(now - begin) / (double)scenario->duration_nsec);
}

int64_t run_state_rps_slot(struct run_state *s, int64_t now)
{
    int64_t next = atomic_load_explicit(&s->rps_next, memory_order_relaxed);
    int64_t slot;

    if (s->rps_interval == 0)
        return now;
    do {
        slot = next > now ? next : now;
    } while (!atomic_compare_exchange_weak_explicit(&s->rps_next, &next, slot + s->rps_interval,
                                                    memory_order_relaxed, memory_order_relaxed));
    return slot;
}
