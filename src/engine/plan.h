/* Which worker does what, and when: computed once, before anything starts.
 *
 * Each VU of a scenario is wanted for some span of time, in which it may start iterations, and may
 * be needed a while longer, until its iteration is interrupted. Laid over one another these spans
 * need a number of seats: the most VUs that are wanted at one time, which is what k6 initialises.
 * Seats are given lowest first, so that scenarios one after the other sit in the same ones, and
 * seat i belongs to worker i modulo the number of workers, so that any load spreads evenly. `__VU`
 * is the seat plus 1.
 *
 * Arrivals go to the workers in proportion to the VUs that they have for them. */
#ifndef ENGINE_PLAN_H
#define ENGINE_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "engine/scenario.h"
#include "engine/segment.h"

/* Times are from the start of the scenarios. */
struct plan_span {
    int64_t from; /* iterations may start */
    int64_t to;   /* none starts any more */
    int64_t kill; /* a running one is interrupted */
};

/* One VU of a scenario, in spans that follow closely enough to be the same VU's. */
struct plan_task {
    uint64_t seat;
    uint64_t number;               /* of the scenario's VUs in this instance */
    const struct plan_span *spans; /* the plan's */
    size_t span_count;
};

/* What one worker does of one scenario. */
struct plan_part {
    struct plan_task *tasks; /* by the start of their first span */
    size_t task_count;
    uint64_t arrival_weight;
    struct segment arrivals; /* of an arrival rate: which arrivals of the whole test are ours */
};

struct plan {
    size_t workers;
    size_t scenarios;
    uint64_t seats;          /* VUs to initialise, over all workers */
    struct plan_part *parts; /* [scenario * workers + worker] */
    struct plan_span *_spans;
};

void plan_init(struct plan *p, const struct scenario_list *scenarios, const struct segment *segment,
               size_t workers);
void plan_deinit(struct plan *p);

const struct plan_part *plan_part(const struct plan *p, size_t scenario, size_t worker);

/* How many of the seats are a worker's. */
uint64_t plan_worker_seats(const struct plan *p, size_t worker);

/* What an instance with this segment does of a scenario: the number of its iterations (all of them;
 * 0 when the time ends it) and, in `numbering`, which of the test's iterations those are. */
uint64_t plan_iterations(const struct scenario *scenario, const struct segment *segment,
                         struct segment *numbering);

/* How many of the arrivals that the segment owns are due before `nsec` of the scenarios' time; 0
 * for what has no arrivals. */
uint64_t plan_arrivals_before(const struct scenario *scenario, const struct segment *segment,
                              int64_t nsec);

#endif
