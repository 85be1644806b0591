/* Executors: what turns a scenario into "start an iteration now", on one worker and its segment.
 *
 * An executor runs on a fiber of its own. It works through slots: a slot is a VU of the worker's
 * pool on loan, with a fiber that runs its iterations. One file per kind (exec_*.c) says when slots
 * come, run and go; the rest is here. */
#ifndef ENGINE_EXECUTOR_H
#define ENGINE_EXECUTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "engine/run_state.h"
#include "engine/runner.h"
#include "engine/scenario.h"
#include "engine/segment.h"
#include "loop/fiber.h"
#include "loop/loop.h"

struct worker;
struct executor;

struct slot {
    struct executor *x;
    struct vu *vu; /* on loan from the worker's pool */
    struct fiber *fiber;
    uint64_t local_index; /* of this worker in this scenario, from 0 */
    uint64_t iterations;  /* run in this scenario */
    bool running;         /* an iteration is under way */
    bool has_work;        /* arrival rates: a start was handed over */
    bool leaving;         /* ramped down: no new iteration */
    int64_t cut_nsec;     /* when a running iteration is interrupted at the latest */
    struct timer cut;
    struct slot *next;      /* in the executor's list */
    struct slot *next_idle; /* arrival rates */
};

struct executor {
    struct worker *worker;
    const struct scenario *scenario;
    const struct segment *segment; /* this worker's part of the scenario */
    struct scenario_state *state;
    uint32_t tags;      /* the tag set of the scenario's own samples */
    int64_t start_nsec; /* monotonic */
    int64_t end_nsec;   /* no new iteration from here on */
    int64_t cut_nsec;   /* running ones are interrupted here */
    bool stopping;
    struct fiber *fiber; /* of the executor itself; NULL when it is over */
    struct slot *slots;
    struct slot *idle; /* arrival rates: those that wait for work, the latest first */
    struct wait_group live;
    struct timer cut;
    uint64_t dropped;
    bool said_insufficient;
};

/* Runs the scenario to its end on the calling fiber. */
YIELDS void executor_run(struct executor *x);

/* Ends it now: nothing starts any more, what runs is interrupted. On the worker's thread. */
void executor_stop(struct executor *x);

/* --- for exec_*.c ------------------------------------------------------------------------- */

/* Starts a slot whose fiber runs `body`; NULL when the worker has no VU left to lend. */
struct slot *executor_add_slot(struct executor *x, void (*body)(struct slot *slot));

/* Whether another iteration may begin in this slot. */
bool slot_may_start(const struct slot *slot);

/* One iteration; false when it was interrupted or the run is stopping. */
YIELDS bool slot_iterate(struct slot *slot);
/* The same for an iteration whose number (iterationInInstance) was taken already. */
YIELDS bool slot_iterate_numbered(struct slot *slot, uint64_t number);

/* Sleeps until a time; false when the scenario is being stopped. */
MUST_USE YIELDS bool executor_sleep_until(struct executor *x, int64_t nsec);

/* Counts iterations that could not start. */
void executor_drop(struct executor *x, uint64_t count);

YIELDS void exec_shared_iterations(struct executor *x);
YIELDS void exec_per_vu_iterations(struct executor *x);
YIELDS void exec_constant_vus(struct executor *x);
YIELDS void exec_ramping_vus(struct executor *x);
YIELDS void exec_arrival_rate(struct executor *x);

#endif
