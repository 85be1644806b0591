/* What turns a scenario into "start an iteration now", on one worker.
 *
 * An executor runs on its worker's thread from executor_start until executor_done, and holds VUs of
 * the worker's pool meanwhile. Two kinds of machinery: VUs that loop (exec_vus.c: constant-vus and
 * ramping-vus, and with a number of iterations shared-iterations and per-vu-iterations), and starts
 * by the clock (exec_arrivals.c: the arrival rates). When VUs come and go is in the plan, when
 * arrivals are due in the pacer: both are computed, not counted up, so nothing here drifts. */
#ifndef ENGINE_EXECUTOR_H
#define ENGINE_EXECUTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "loop/loop.h"
#include "metrics/shard.h"

struct executor;
struct plan_part;
struct scenario_state;
struct vu_slot;
struct worker;
struct worker_tallies;

enum { STACK_TRIM_EVERY = 128 }; /* iterations: see fiber_trim_stack */

struct executor_ops {
    void (*start)(struct executor *x);
    void (*stop)(struct executor *x);  /* is_stopped is set */
    void (*leave)(struct executor *x); /* `end` and `kill` have come nearer */
    void (*free)(struct executor *x);
    /* Another worker has reserved an idle VU of this one for an arrival; NULL for those that loop.
     */
    void (*arrive)(struct executor *x, int64_t due);
};

struct executor {
    const struct executor_ops *ops;
    struct worker *worker;
    struct scenario_state *state;
    struct worker_tallies *tallies; /* this worker's of the scenario */
    const struct plan_part *part;   /* what of the scenario this worker does */
    tagset_id drop_tags;            /* of dropped_iterations */
    int64_t begin;                  /* monotonic: the scenario's start */
    int64_t end;                    /* no iteration starts from here on */
    int64_t kill;                   /* running ones are interrupted here */
    bool is_started;
    bool is_stopped; /* from outside: the run is aborted */
    bool is_done;
};

struct executor *executor_new(struct worker *worker, size_t scenario, tagset_id drop_tags);
void executor_free(struct executor *x); /* NULL is allowed */

/* `execution` is time 0 of the test's scenarios. */
void executor_start(struct executor *x, int64_t execution);

/* Starts nothing more and interrupts what runs; it is done soon after. */
void executor_stop(struct executor *x);

/* Looks whether the run is to be left to others before the scenario's end (run_leave). */
void executor_leave(struct executor *x);

/* --- for the executors -------------------------------------------------------------------- */

struct executor *exec_vus_new(void);
struct executor *exec_arrivals_new(void);

void executor_done(struct executor *x);
void executor_drop(struct executor *x, uint64_t count); /* dropped_iterations */

/* Runs one iteration, number `number` of the instance, on `slot`; when the options ask for a
 * minimum duration, sleeps the rest of it, but not past the executor's end. On a fiber. */
YIELDS void executor_iterate(struct executor *x, struct vu_slot *slot, uint64_t number,
                             int64_t deadline);

/* Ends what the slot does, if anything: its iteration, or its padding. */
void executor_interrupt(struct executor *x, struct vu_slot *slot);

#endif
