/* One worker: a thread with a loop, a shard, the VUs whose seats are its own, and an executor per
 * scenario.
 *
 * Main makes it, posts orders to it, and gets answers by posts to main's own loop. What a worker's
 * thread writes main reads only after an answer; the rest crosses in run_state.h. */
#ifndef ENGINE_WORKER_H
#define ENGINE_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "engine/runner.h"
#include "engine/saturation.h"
#include "engine/vu_pool.h"
#include "metrics/shard.h"

struct executor;
struct fiber;
struct loop;
struct options;
struct plan;
struct run_state;
struct window;
struct worker;

/* What all workers of a run have in common; constant once they have started. */
struct worker_shared {
    struct run_state *state;
    const struct plan *plan;
    struct runner *runner;
    const struct options *options;
    int64_t min_iteration_nsec;
    struct loop *main_loop;
    struct worker **workers; /* by index */
    size_t count;
    /* Answers, on main's loop. */
    void *arg;
    void (*on_ready)(void *arg, struct worker *w);    /* VUs are there, or `error` says why not */
    void (*on_executed)(void *arg, struct worker *w); /* its executors are done */
    void (*on_aborted)(void *arg);                    /* a script has called run_state_abort */
};

struct worker {
    struct worker_env env;
    const struct worker_shared *shared;
    struct vu_pool pool;
    struct executor **executors; /* by scenario */
    size_t executors_left;
    struct vu_slot **slots; /* every VU, for the end */
    size_t slot_count;
    size_t slot_cap;
    int64_t max_late_nsec; /* of arrivals, since the last report */
    tagset_id run_tags;
    int64_t report_at; /* when the last report was taken, and what it saw */
    int64_t cpu_seen;
    int64_t waited_seen;
    int error; /* of the init; 0: fine */
    struct diag diag;
    struct fiber *setup_fiber; /* NULL: setup() is not running */
    bool is_stopped;
    bool is_inited;  /* the runner's worker_init succeeded */
    bool abort_said; /* to main */
    struct worker_thread *_thread;
};

/* Starts the thread. Negative errno. */
MUST_USE int worker_start(const struct worker_shared *shared, unsigned index,
                          const struct shard_options *shard, struct worker **out);

/* --- orders; on main's thread ------------------------------------------------------------- */

void worker_init_vus(struct worker *w); /* answer: on_ready */
/* Runs the executors; `execution` is in state->execution. Answer: on_executed. */
void worker_execute(struct worker *w);
/* Interrupts iterations, VUs' init and setup(); their own answers follow. */
void worker_stop(struct worker *w);
/* Its executors do nothing from run_state.leave_nsec on. */
void worker_leave(struct worker *w);

/* A function of the runner on a fiber of the worker. */
enum worker_call_kind { WORKER_SETUP, WORKER_TEARDOWN, WORKER_HANDLE_SUMMARY };
struct worker_call {
    enum worker_call_kind kind;
    struct worker *worker;
    int64_t timeout_nsec;
    const char *json_in; /* of handleSummary */
    char *json_out;      /* heap: the caller's */
    int err;
    struct diag diag;
    void *arg;
    void (*on_done)(struct worker_call *call); /* on main's loop */
};
void worker_call(struct worker_call *call);

/* What was gathered since the last report. */
struct worker_report {
    struct worker *worker;
    struct window *window; /* the caller's */
    struct worker_load load;
    int64_t second;
    void *arg;
    void (*on_done)(struct worker_report *report); /* on main's loop */
};
void worker_take_report(struct worker_report *report);

/* Frees its VUs and ends the thread. */
void worker_quit(struct worker *w);
/* After worker_quit: frees the worker once its thread has ended. False when it had not by the
 * deadline (monotonic): nothing more is freed then. */
MUST_USE bool worker_join(struct worker *w, int64_t deadline);

/* --- on the worker's thread --------------------------------------------------------------- */

/* Makes a VU and runs its init context. `seat` is its id minus 1. ERR_, and the script's error in
 * `d`. */
MUST_USE
YIELDS
int worker_make_vu(struct worker *w, uint64_t seat, struct vu_slot **out, struct diag *d);

/* A VU that nobody has planned for: one that another arrival rate has left, or a new one. */
MUST_USE
YIELDS
int worker_take_unplanned(struct worker *w, struct vu_slot **out, struct diag *d);

void worker_executor_done(struct worker *w);
void worker_aborted(struct worker *w); /* tells main of run_state_abort */

#endif
