/* All that the engine knows of a virtual user: how to make one, run an iteration of it, and stop
 * it.
 *
 * The script host (src/script) is the implementation that runs JavaScript; tests have another that
 * only counts. Every function is called on the thread of the worker that owns the VU; those marked
 * YIELDS run on a fiber. */
#ifndef ENGINE_RUNNER_H
#define ENGINE_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct loop;
struct shard;
struct runner;
struct scenario;
struct vu;

/* What a worker hands to each of its VUs; constant for the run. */
struct worker_env {
    struct loop *loop;
    struct shard *shard;   /* the worker's half of metrics */
    unsigned index;        /* 0-based number of the worker */
    void *runner_data;     /* the runner's own per-worker state (connection defaults, DNS, ...) */
    struct run_state *run; /* counters that all workers share (engine/run_state.h) */
};

enum iteration_end {
    ITERATION_DONE,        /* complete, an exception thrown by the script included */
    ITERATION_INTERRUPTED, /* stopped by vu_interrupt or its deadline: emits no metric */
    ITERATION_ABORT,       /* exec.test.abort(): the run ends with exit code 108 */
};

/* One "start an iteration now" of an executor. */
struct iteration {
    const struct scenario *scenario;
    uint64_t in_scenario_vu; /* exec.vu.iterationInScenario: of this VU in this scenario, from 0 */
    uint64_t in_instance;    /* exec.scenario.iterationInInstance */
    uint64_t in_test;        /* exec.scenario.iterationInTest: unique over all segments */
    int64_t deadline;        /* monotonic: the scenario's end with gracefulStop; the VU is
                                interrupted then even if its script never yields */
};

struct runner_ops {
    /* Per-worker set-up and its end, on the worker's thread. */
    int (*worker_init)(struct runner *runner, struct worker_env *env, struct diag *d);
    void (*worker_deinit)(struct runner *runner, struct worker_env *env);

    /* Makes a VU and runs the script's init context. `id` is __VU (from 1, unique in this
     * instance); `id_in_test` is unique over the fleet. On failure `d` has the script's error. */
    YIELDS
    int (*vu_new)(struct runner *runner, struct worker_env *env, uint64_t id, uint64_t id_in_test,
                  struct vu **out, struct diag *d);
    void (*vu_free)(struct vu *vu);

    /* Runs one iteration; emits iteration_duration and iterations, logs exceptions. A VU's
     * iterations need not run on the same fiber, nor on the one that made it. A script that does
     * not park asks now and then (its engine's interrupt handler) whether the deadline has passed
     * or run_state_is_stopping, and ends as interrupted. Where the script has called
     * run_state_abort the end is ITERATION_ABORT. */
    YIELDS
    enum iteration_end (*vu_run)(struct vu *vu, const struct iteration *iteration);

    /* Ends the running iteration as soon as possible: parked calls fail, a busy script is
     * interrupted. Returns at once; vu_run returns ITERATION_INTERRUPTED soon after. */
    void (*vu_interrupt)(struct vu *vu);

    /* setup(): *json_out is what it returned, as JSON text on the heap (NULL: undefined). Runs in a
     * transient VU with __VU 0. 0, ERR_TIMEOUT (exit code 100), or another error (107). Fails with
     * ERR_CANCELLED when its fiber is cancelled or run_state_is_stopping; teardown() and
     * handleSummary() go on then. */
    YIELDS
    int (*setup)(struct runner *runner, struct worker_env *env, int64_t timeout_nsec,
                 char **json_out, struct diag *d);
    /* The data for every VU from now on; NULL: undefined. Called once, on main, before the start.
     */
    void (*set_setup_data)(struct runner *runner, const char *json);
    /* teardown(data). 0, ERR_TIMEOUT (exit code 101), or another error (107). */
    YIELDS
    int (*teardown)(struct runner *runner, struct worker_env *env, int64_t timeout_nsec,
                    struct diag *d);
    /* handleSummary(data): *json_out is its return value as JSON, files' contents as strings
     * (ArrayBuffers: {"$base64": "..."}), NULL when the script has none or returned nothing. */
    YIELDS
    int (*handle_summary)(struct runner *runner, struct worker_env *env, const char *data_json,
                          int64_t timeout_nsec, char **json_out, struct diag *d);
    bool (*has_setup)(const struct runner *runner);
    bool (*has_teardown)(const struct runner *runner);
    bool (*has_handle_summary)(const struct runner *runner);
    bool (*has_function)(const struct runner *runner, struct str name); /* an exec's target */
};

struct runner {
    const struct runner_ops *ops;
};

#endif
