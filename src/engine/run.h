/* Runs one test on this machine, from VUs' init to teardown().
 *
 *   init VUs (all workers at once) -> [paused] -> setup() once -> scenarios -> teardown() once ->
 * end
 *
 * Main's thread has a loop; the caller's signals, progress and REST are ios and timers on it, and
 * the hooks below are called on it. Each worker is a thread with a loop, a shard, VUs and executors
 * of its own (worker.h); main and workers meet in posts between loops and in run_state.h.
 *
 * An abort (run_abort, exec.test.abort()) interrupts iterations at once; teardown() still runs if
 * setup() had succeeded, and the last windows still come. A worker that does not answer, because
 * some script neither yields nor can be interrupted, is left behind with an error after a time of
 * grace.
 *
 * Threads: everything here on main's thread, in or out of its loop. */
#ifndef ENGINE_RUN_H
#define ENGINE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "engine/run_state.h"

struct loop;
struct options;
struct run;
struct runner;
struct saturation;
struct window;

/* What was measured in a second. */
struct run_tick {
    /* One of each worker that answered and one of the run itself (vus, vus_max, load_generator_*).
     * Freed after the hook; to keep one, take it and leave NULL. */
    struct window **windows;
    size_t window_count;
    int64_t second; /* of the run, from its making on */
    bool is_last;
};

/* A part of a test whose others run elsewhere. Such a run is conducted: it waits after each step
 * for an order (run_do_...), VUs have their numbers in the test as __VU, and vus, vus_max and
 * load_generator_* are left to whoever has all parts of the process. A part may take over from one
 * that was lost: then it joins the scenarios when they have begun already. */
struct scenario_done {
    uint64_t completed;
    uint64_t dropped;
    uint64_t before; /* of them, by whoever had the load before from_nsec */
};

struct run_part {
    int64_t join_nsec; /* of the scenarios' time: it begins here */
    /* Arrivals before this moment were another part's, which left then (run_leave): none of them
     * is lost. 0: none was. */
    int64_t from_nsec;
    /* By scenario, what is known to be done: iterations are not run again, and arrivals before
     * join_nsec that are not among them are dropped, and counted. NULL: nothing. */
    const struct scenario_done *done;
};

struct run_hooks {
    void *arg;
    void (*phase)(void *arg, enum run_phase phase); /* may be NULL */
    void (*tick)(void *arg, struct run_tick *tick); /* each second and once at the end */
    /* Of conducted runs: the last tick was; then, when it was asked for, what handleSummary gave.
     */
    void (*over)(void *arg);
    void (*summary)(void *arg, int err, char *json,
                    struct diag *d); /* json is the hook's to free */
};

struct run_config {
    const struct options *options; /* workers, setup and teardown, paused, rps, tags, ... */
    const struct scenario_list *scenarios;
    const struct segment *segment; /* NULL: the whole */
    struct runner *runner;
    bool keep_samples;           /* for outputs that need every sample */
    bool keep_spans;             /* for an output of traces */
    bool keep_exemplars;         /* for the summary's list of them */
    const struct run_part *part; /* NULL: the run is the whole test's and goes by itself */
    struct run_hooks hooks;
};

/* k6's exit codes (k6-features.md section 6). */
enum {
    EXIT_CODE_OK = 0,
    EXIT_CODE_THRESHOLDS = 99,
    EXIT_CODE_SETUP_TIMEOUT = 100,
    EXIT_CODE_TEARDOWN_TIMEOUT = 101,
    EXIT_CODE_TIMEOUT = 102,
    EXIT_CODE_REST = 103,
    EXIT_CODE_CONFIG = 104,
    EXIT_CODE_SIGNAL = 105,
    EXIT_CODE_ADDRESS = 106,
    EXIT_CODE_SCRIPT_ERROR = 107,
    EXIT_CODE_SCRIPT_ABORT = 108,
    EXIT_CODE_CRASH = 109,
    EXIT_CODE_MARKED_FAILED = 110,
    EXIT_CODE_OTHER = 255,
};

/* Of a run that ended for that reason. */
int run_abort_exit_code(enum run_abort_reason reason);
/* "a threshold with abortOnFail was crossed": for people. */
const char *run_abort_text(enum run_abort_reason reason);

struct run_result {
    /* Of the run itself: crossed thresholds without abortOnFail are the caller's to see (they give
     * 99 where this says 0 or 110). */
    int exit_code;
    enum run_abort_reason reason;
    const char *message; /* of the abort; NULL: none. Valid until run_free */
    bool marked_failed;
    int64_t start_wall_nsec; /* 0: it never started */
    int64_t duration_nsec;   /* for rates: from the start, before setup(), to the end */
    uint64_t completed;
    uint64_t interrupted;
};

/* What the config points to outlives the run. `loop` is main's, not running now. */
struct run *run_new(const struct run_config *config, struct loop *loop);

/* Runs the test: runs main's loop until the test has ended. Errors of the script outside of
 * iterations, and what saturates this machine, are logged, once. */
void run_test(struct run *run, struct run_result *out);

/* After run_test, while the workers still live: handleSummary(data), on a worker. Runs main's loop.
 * 0 with *json_out (heap; NULL: there is none, or it returned nothing), ERR_TIMEOUT, or what the
 * script threw. */
MUST_USE int run_handle_summary(struct run *run, const char *data_json, char **json_out,
                                struct diag *d);

/* --- conducted runs ------------------------------------------------------------------------- */

/* Each order starts a step and returns; the phase hook tells how it goes. An order that does not
 * fit the phase, because an abort was faster, is passed over. */

void run_begin(struct run *run); /* RUN_INIT_VUS, RUN_INIT_DONE (or RUN_INTERRUPTED) */
/* RUN_SETUP, RUN_SETUP_DONE with run_setup_data (or RUN_INTERRUPTED, or RUN_ENDED with an exit code
 * in run_get_result). */
void run_do_setup(struct run *run);
/* RUN_RUNNING, RUN_EXECUTED. Scenarios begin at `at` (monotonic), also when that is past. NULL:
 * setup() gave nothing, or there was none. */
void run_do_scenarios(struct run *run, const char *setup_json, int64_t at);
/* RUN_TEARDOWN if there is one, RUN_ENDED, over. */
void run_do_teardown(struct run *run);
void run_do_end(struct run *run); /* the same without teardown() */
/* Of a part that takes over: when it joins is known only when it is ready. Before
 * run_do_scenarios. */
void run_set_join(struct run *run, int64_t join_nsec, int64_t from_nsec);
/* Others go on from `leave_nsec` of the scenarios' time: what is due then or later is theirs, and
 * iterations that run then have their graceful stop. Once the scenarios' start is ordered; the
 * first call counts. Not for scenarios with a number of iterations, whose rest nobody would know.
 */
void run_leave(struct run *run, int64_t leave_nsec);
/* After `over`: handleSummary, then the hook `summary`; at once with 0 and NULL if there is none.
 * The input must stay until then. */
void run_do_summary(struct run *run, const char *data_json);

/* As run_test's; any time. */
void run_get_result(const struct run *run, struct run_result *out);

/* Ends the workers, frees VUs. False when a worker had to be left behind: what it uses stays as it
 * is then, so end the process without tidying up. */
bool run_free(struct run *run); /* NULL is allowed */

/* --- while it runs ------------------------------------------------------------------------ */

/* Ends the run gracefully, as soon as it can; the first reason stays. */
void run_abort(struct run *run, enum run_abort_reason reason, const char *message);

/* Starts a paused run; no-op otherwise. */
void run_resume(struct run *run);

const struct run_state *run_get_state(const struct run *run);
enum run_phase run_get_phase(const struct run *run);

/* What setup() returned, as JSON; NULL: undefined, or not yet. */
const char *run_setup_data(const struct run *run);

/* Spans in which this machine was the bottleneck (engine/saturation.h). */
const struct saturation *run_saturation(const struct run *run);

/* VUs that are initialised before the start; with them, the most that there may come to be. */
uint64_t run_planned_vus(const struct run *run);
uint64_t run_max_vus(const struct run *run);

enum scenario_phase { SCENARIO_WAITING, SCENARIO_RUNNING, SCENARIO_DONE };

/* What a progress bar shows. */
struct scenario_progress {
    const struct scenario *scenario;
    enum scenario_phase phase;
    double fraction;         /* 0 to 1 */
    int64_t starts_in_nsec;  /* while waiting */
    int64_t elapsed_nsec;    /* at most the scenario's duration */
    uint64_t iterations_all; /* 0: not bounded by a number; counts.completed are done */
    double rate;             /* arrival rates: wanted now by the test, per timeUnit */
    uint64_t vus_wanted;     /* VUs that loop: now */
    uint64_t vus;            /* of this instance: as the options say */
    uint64_t max_vus;
    struct scenario_counts counts;
};
void run_scenario_progress(const struct run *run, size_t index, struct scenario_progress *out);

#endif
