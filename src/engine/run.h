/* One test on this machine, from the first VU to the last sample.
 *
 * run_execute goes through the phases of a test on the calling thread (control): workers and VUs
 * are initialised, setup() runs once, all scenarios start at one instant, teardown() runs once. The
 * caller is called back for each window of metrics and each tick; it never sees a worker.
 *
 * Source of the life cycle: k6-features.md section 8. */
#ifndef ENGINE_RUN_H
#define ENGINE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "engine/run_state.h"

struct options;
struct runner;
struct saturation;
struct scenario_list;
struct segment;
struct window;

enum run_phase {
    RUN_INIT_VUS,
    RUN_SETUP,
    RUN_PAUSED,
    RUN_RUNNING,
    RUN_TEARDOWN,
    RUN_ENDED,
};

struct run_view {
    enum run_phase phase;
    uint64_t vus_planned; /* to be initialised beforehand */
    int64_t elapsed_nsec; /* since the executors started; 0 before */
    struct run_state *state;
};

struct run_callbacks {
    void *arg;
    /* A window of one worker (or of control itself: vus, load_generator_*); the callee frees it. */
    void (*window)(void *arg, struct window *w, int64_t run_second);
    /* About ten times a second. */
    void (*tick)(void *arg, const struct run_view *view);
    /* After all windows of a second; returns true to stop the run (a threshold with
     * abortOnFail). */
    bool (*second)(void *arg, int64_t run_nsec);
};

struct run_config {
    const struct options *options;
    const struct scenario_list *scenarios;
    const struct segment *segment;
    struct runner *runner;
    unsigned workers;              /* 0: one per core that this process may use */
    bool keep_samples;             /* windows carry every sample */
    bool *stop_signal;             /* set by a signal handler: stop gracefully; may be NULL */
    bool *paused;                  /* while true the start is held back; may be NULL */
    struct saturation *saturation; /* watches this process; may be NULL */
    struct run_callbacks callbacks;
};

struct run_result {
    enum stop_reason stopped;
    char *stop_message; /* heap or NULL */
    bool marked_failed;
    int error;                /* of a phase; 0: none. The diag has its text */
    enum run_phase failed_in; /* where, with an error */
    int64_t run_nsec;         /* from the start of setup to the end of teardown */
    int64_t start_wall_nsec;
};

/* Runs the test. Returns 0 also when it was stopped or a phase failed (see result); an error when
 * it could not begin. */
MUST_USE int run_execute(const struct run_config *config, struct run_result *result,
                         struct diag *d);

/* Calls handleSummary on a fresh VU's runtime, with the workers' set-up (a loop of its own). */
MUST_USE int run_handle_summary(const struct run_config *config, const char *data_json,
                                char **json_out, struct diag *d);

#endif
