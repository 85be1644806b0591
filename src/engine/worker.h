/* A worker: one thread with its loop, its metrics shard, its VUs and its part of every scenario.
 *
 * The control thread (run.c) talks to workers by posting to their loops; nothing else is shared but
 * run_state.h. All functions here run on the worker's thread unless they say otherwise. */
#ifndef ENGINE_WORKER_H
#define ENGINE_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "engine/executor.h"
#include "engine/runner.h"
#include "engine/segment.h"
#include "loop/loop.h"

struct shard;

struct worker {
    struct worker_env env;
    struct runner *runner;
    unsigned index;
    int64_t min_iteration_nsec;
    uint32_t *scenario_tags;    /* by scenario index; owned */
    struct executor *executors; /* by scenario index; owned */
    struct segment *segments;   /* likewise */
    size_t scenario_count;
    uint64_t planned_vus;
    struct vu **idle; /* the pool: VUs on loan to nobody; the latest last */
    size_t idle_count;
    size_t idle_cap;
    uint64_t vu_count;         /* made so far */
    struct wait_group running; /* executors and VUs being made */
    struct loop_stats stats;   /* taken once a second for saturation */
};

/* On the control thread, before the worker's thread runs. */
void worker_init(struct worker *w, unsigned index);
void worker_deinit(struct worker *w);

/* Makes one VU and adds it to the pool. */
MUST_USE YIELDS int worker_make_vu(struct worker *w, struct diag *d);
void worker_free_vus(struct worker *w);

struct vu *worker_take_vu(struct worker *w); /* NULL: none is idle */
void worker_give_vu(struct worker *w, struct vu *vu);

/* Makes a VU on a fiber of its own, then calls `ready`; a failure is logged. */
void worker_init_extra_vu(struct worker *w, void (*ready)(void *arg), void *arg);

/* Runs all executors and waits for them. */
YIELDS void worker_run(struct worker *w);
/* Ends them now. */
void worker_stop(struct worker *w);

#endif
