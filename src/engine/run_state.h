/* The few numbers that the workers of a run share: counters that must be unique or complete over
 * all of them, and the request to stop. Everything else is a worker's own. */
#ifndef ENGINE_RUN_STATE_H
#define ENGINE_RUN_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/segment.h"

/* Why a run ends before its time; the first one stays. */
enum stop_reason {
    STOP_NONE,
    STOP_SIGNAL,     /* exit code 105 */
    STOP_THRESHOLD,  /* 99 */
    STOP_TEST_ABORT, /* 108: exec.test.abort() */
    STOP_REST,       /* 103 */
    STOP_ERROR,      /* the engine itself can't go on */
};

struct scenario_state {
    atomic_uint_fast64_t started;  /* iterations begun: iterationInInstance, and the shared pot */
    atomic_uint_fast64_t finished; /* complete ones */
    atomic_uint_fast64_t dropped;
    atomic_uint_fast64_t vus;    /* running one now */
    uint64_t planned_iterations; /* of the instance; 0: unbounded. Frozen before the start */
    struct segment numbering;    /* iterationInInstance to iterationInTest. Frozen */
};

struct run_state {
    atomic_uint_fast64_t next_vu_id; /* __VU of the next VU, from 1 */
    atomic_uint_fast64_t vus_initialized;
    atomic_uint_fast64_t vus_active;
    atomic_uint_fast64_t iterations_completed;
    atomic_uint_fast64_t iterations_interrupted;
    atomic_int stop_reason;       /* enum stop_reason */
    atomic_bool marked_failed;    /* exec.test.fail() */
    _Atomic(char *) stop_message; /* heap; of STOP_TEST_ABORT; NULL: none */

    /* Frozen before the workers start. */
    struct scenario_state *scenarios;
    size_t scenario_count;
    struct segment segment; /* of this instance in the test */

    /* Set by control right before the executors start; 0 before. */
    atomic_int_fast64_t start_nsec; /* monotonic: second 0 of the run, setup included */
    atomic_int_fast64_t executors_start_nsec;
    atomic_int_fast64_t start_wall_nsec;
};

/* Asks every worker to stop. The first reason wins and tells true; `message` (heap or NULL) is
 * taken over. The control thread sees it within its tick. */
static inline bool run_state_stop(struct run_state *s, enum stop_reason reason, char *message)
{
    int none = STOP_NONE;

    if (!atomic_compare_exchange_strong(&s->stop_reason, &none, (int)reason))
        return false;
    atomic_store(&s->stop_message, message);
    return true;
}

static inline bool run_state_is_stopping(struct run_state *s)
{
    return atomic_load_explicit(&s->stop_reason, memory_order_relaxed) != STOP_NONE;
}

#endif
