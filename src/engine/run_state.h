/* The little that the threads of a run share: atomics with one meaning each.
 *
 * Counters that change with every iteration are kept per worker, each written by its own thread
 * only and padded to cache lines; readers add them up. What must be unique over the workers (VU
 * ids, iteration numbers, the pot of shared iterations) is one atomic addition. The script host
 * reads here what k6/execution shows; main reads it for progress.
 *
 * This is the one file of the engine with atomics in it. Any thread, unless a function says
 * otherwise. */
#ifndef ENGINE_RUN_STATE_H
#define ENGINE_RUN_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "engine/scenario.h"
#include "engine/segment.h"

enum { CACHE_LINE = 64 };

/* As the REST API numbers them (k6-features.md RST-10). */
enum run_phase {
    RUN_CREATED = 0,
    RUN_INIT_VUS = 1,
    RUN_INIT_DONE = 3,
    RUN_PAUSED = 4,
    RUN_STARTED = 5,
    RUN_SETUP = 6,
    RUN_RUNNING = 7,
    RUN_TEARDOWN = 8,
    RUN_ENDED = 9,
    RUN_INTERRUPTED = 10,
    /* Of conducted runs alone (run.h). */
    RUN_SETUP_DONE = 11,
    RUN_EXECUTED = 12,
};

/* Why a run ended before its time. */
enum run_abort_reason {
    RUN_ABORT_NONE,
    RUN_ABORT_THRESHOLD,  /* exit code 99 */
    RUN_ABORT_REST,       /* 103 */
    RUN_ABORT_SIGNAL,     /* 105 */
    RUN_ABORT_SCRIPT,     /* exec.test.abort(): 108 */
    RUN_ABORT_OPTIONS,    /* an option that only the workers can check is wrong: 104 */
    RUN_ABORT_INIT_ERROR, /* a VU's init context failed: 107 */
    RUN_ABORT_INTERNAL,   /* the system refused something: 255 */
};

struct run_abort {
    enum run_abort_reason reason;
    char *message; /* NULL: none */
};

/* A number that one thread writes and others read. */
struct tally {
    _Atomic uint64_t _value;
};

static inline uint64_t tally_get(const struct tally *t)
{
    return atomic_load_explicit(&t->_value, memory_order_relaxed);
}

/* On the owner's thread. */
static inline void tally_add(struct tally *t, int64_t by)
{
    atomic_store_explicit(&t->_value, tally_get(t) + (uint64_t)by, memory_order_relaxed);
}

/* What one worker counts: of the whole run, and again of each scenario. */
struct worker_tallies {
    struct tally vus_active; /* running a scenario's iterations */
    /* Of a scenario: VUs its executor holds or, once an arrival rate has ended, held; of the run:
     * initialised ones. */
    struct tally vus_held;
    struct tally completed;
    struct tally interrupted;
    struct tally dropped;
    struct tally late_starts; /* arrivals that began more than LATE_NSEC after they were due */
    _Atomic int64_t idle;     /* of arrival rates: VUs that any worker may reserve */
    char _apart[CACHE_LINE];  /* from what other threads write */
};

enum { LATE_NSEC = 10 * 1000 * 1000 };

struct scenario_state {
    const struct scenario *scenario;
    struct segment numbering; /* iterationInInstance to iterationInTest */
    uint64_t vus;             /* planned in this instance */
    uint64_t max_vus;
    uint64_t iterations; /* of all VUs of this instance; 0: the time ends it */
    uint64_t done;       /* of them, elsewhere and before */
    uint64_t lost;       /* arrivals that were due before this part joins and that nobody made */
    char _apart[CACHE_LINE];
    _Atomic uint64_t next_iteration; /* iterationInInstance */
    _Atomic uint64_t pot;            /* shared iterations that nobody has taken */
    _Atomic uint64_t unplanned_left; /* VUs that may still be added */
    _Atomic uint64_t workers_left;   /* that have not finished it */
    _Atomic int64_t ended;           /* monotonic; 0: not yet */
    atomic_bool insufficient_said;
    struct worker_tallies *workers; /* owned */
};

struct run_state {
    unsigned worker_count;
    size_t scenario_count;
    const struct segment *segment;    /* of this instance in the test */
    struct scenario_state *scenarios; /* owned */
    struct worker_tallies *workers;   /* owned */
    int64_t rps_interval;             /* 0: no limit */

    _Atomic int phase;            /* enum run_phase */
    _Atomic int64_t started;      /* monotonic, before setup(); 0: not yet */
    _Atomic int64_t started_wall; /* the same moment */
    _Atomic int64_t execution;    /* monotonic: time 0 of the scenarios; 0: not yet */
    _Atomic int64_t ended;        /* monotonic; 0: not yet */
    int64_t join_nsec;            /* of the scenarios' time: nothing is due before; see run_part */
    _Atomic int64_t leave_nsec;   /* of the scenarios' time: others go on; INT64_MAX: never */
    bool ids_in_test;             /* __VU is the number in the test */

    char _apart[CACHE_LINE];
    _Atomic uint64_t next_vu;          /* ids given out */
    atomic_bool stopping;              /* iterations must end now */
    atomic_bool marked_failed;         /* exec.test.fail(): exit code 110 */
    _Atomic(struct run_abort *) abort; /* owned; the first one stays */
    char _apart_too[CACHE_LINE];
    _Atomic int64_t rps_next;
};

/* `scenarios` and `segment` outlive it. `rps` 0: no limit. */
void run_state_init(struct run_state *s, const struct scenario_list *scenarios,
                    const struct segment *segment, unsigned workers, uint64_t rps);
void run_state_deinit(struct run_state *s);

struct run_part;
/* Makes it that of a part (run.h), before its scenarios start. */
void run_state_join(struct run_state *s, const struct run_part *part);

/* --- stopping ----------------------------------------------------------------------------- */

/* Asks for the run's end; the first one to ask decides why. `message` is copied, NULL is allowed.
 * From a script's thread: then end the iteration with ITERATION_ABORT (setup() or teardown() with
 * an error), which is when the engine looks. False when the run was aborted already. */
bool run_state_abort(struct run_state *s, enum run_abort_reason reason, const char *message);

/* NULL: nobody has. Valid for the state's life. */
static inline const struct run_abort *run_state_aborted(const struct run_state *s)
{
    return atomic_load_explicit(&s->abort, memory_order_acquire);
}

/* Whether iterations must end at once: what a busy script's interrupt handler asks, beside its
 * iteration's deadline. Setup heeds it too; teardown() and handleSummary() do not. */
static inline bool run_state_is_stopping(const struct run_state *s)
{
    return atomic_load_explicit(&s->stopping, memory_order_relaxed);
}

/* exec.test.fail(): the run goes on, its exit code will be 110. */
static inline void run_state_mark_failed(struct run_state *s)
{
    atomic_store_explicit(&s->marked_failed, true, memory_order_relaxed);
}

static inline bool run_state_is_marked_failed(const struct run_state *s)
{
    return atomic_load_explicit(&s->marked_failed, memory_order_relaxed);
}

/* --- what k6/execution shows -------------------------------------------------------------- */

uint64_t run_state_vus_active(const struct run_state *s);
uint64_t run_state_vus_initialised(const struct run_state *s);
uint64_t run_state_completed(const struct run_state *s);
uint64_t run_state_interrupted(const struct run_state *s);

/* exec.instance.currentTestRunDuration: from the start (setup() counts) until `now`, or to the end
 * when there was one; 0 before. */
int64_t run_state_duration(const struct run_state *s, int64_t now);

/* exec.scenario.startTime: wall time at which it began. */
int64_t run_state_scenario_start_wall(const struct run_state *s, const struct scenario *scenario);

/* exec.scenario.progress, 0 to 1: of the iterations where they have a number, else of the time. */
double run_state_scenario_progress(const struct run_state *s, const struct scenario *scenario,
                                   int64_t now);

/* Sums of a scenario's tallies. */
struct scenario_counts {
    uint64_t vus_active;
    uint64_t vus_held; /* active ones and, of arrival rates, those that wait */
    uint64_t completed;
    uint64_t interrupted;
    uint64_t dropped;
    uint64_t late_starts;
};
void run_state_scenario_counts(const struct run_state *s, size_t scenario,
                               struct scenario_counts *out);

/* --- numbers that are unique in the instance ---------------------------------------------- */

/* The next iteration of a scenario: iterationInInstance. */
static inline uint64_t scenario_state_next_iteration(struct scenario_state *s)
{
    return atomic_fetch_add_explicit(&s->next_iteration, 1, memory_order_relaxed);
}

/* Takes one from the counter unless it is 0. */
static inline bool counter_take(_Atomic uint64_t *counter)
{
    uint64_t left = atomic_load_explicit(counter, memory_order_relaxed);

    while (left > 0) {
        if (atomic_compare_exchange_weak_explicit(counter, &left, left - 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    }
    return false;
}

/* Takes one VU from a worker's idle ones; false when there is none. */
static inline bool tallies_reserve(struct worker_tallies *t)
{
    int64_t idle = atomic_load_explicit(&t->idle, memory_order_relaxed);

    while (idle > 0) {
        if (atomic_compare_exchange_weak_explicit(&t->idle, &idle, idle - 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    }
    return false;
}

static inline void tallies_unreserve(struct worker_tallies *t)
{
    atomic_fetch_add_explicit(&t->idle, 1, memory_order_relaxed);
}

/* The option `rps`: when a request that wants to go at `now` may go, at the earliest `now`.
 * Requests of all workers share one row of slots (a token bucket with a burst of 1). */
int64_t run_state_rps_slot(struct run_state *s, int64_t now);

#endif
