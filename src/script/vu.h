/* A virtual user: a JavaScript runtime of its own, driven on one fiber at a time.
 *
 * The VU runs an iteration by calling the script's function and then pumping its own little event
 * loop on the fiber: microtasks, then tasks (timers, asyncRequest, WebSockets) as they become
 * ready, until nothing is pending. Synchronous k6 calls (http.get, sleep) simply park the fiber in
 * the middle of JavaScript; nothing else of this VU runs meanwhile.
 *
 * Rules for whoever binds a module:
 *   - JavaScript of a VU runs on its fiber only. A timer's callback, another fiber or the loop
 * never calls into it: they fill a struct vu_task and call vu_task_wake, which lets the pump run
 * it.
 *   - Any call into JavaScript may yield (long scripts are preempted): treat it as YIELDS.
 *   - Bytes of JavaScript values are copied (vu->arena) before a call that parks.
 *
 * Threads: a VU belongs to its worker. */
#ifndef SCRIPT_VU_H
#define SCRIPT_VU_H

#include <quickjs.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/rng.h"
#include "engine/runner.h"
#include "metrics/shard.h"

struct fiber;
struct options;
struct scenario;
struct script;
struct script_runner;
struct shared_arrays;
struct vu_heap;
struct request_record;
struct trace_context;
struct tracer;
struct vu_task;

/* Which system tags samples get (options.systemTags). */
enum system_tag {
#define SYSTEM_TAG(id, name) SYSTEM_TAG_##id,
#include "script/system_tags.def"
#undef SYSTEM_TAG
    SYSTEM_TAG_COUNT
};

enum vu_phase {
    VU_INIT,  /* top-level code: open(), new Counter(), require() are allowed here only */
    VU_SETUP, /* __VU is 0 from here ... */
    VU_TEARDOWN,
    VU_SUMMARY,   /* handleSummary: ... to here */
    VU_ITERATION, /* the scenario's function */
    VU_IDLE,      /* between iterations: no script runs */
};

/* What the VUs of a worker share. */
struct script_worker {
    struct worker_env *env;            /* loop, shard, run state */
    struct script *script;             /* frozen: bytecode, files, shared arrays */
    const struct options *options;     /* consolidated; NULL in the first run of the init context */
    const struct network *network;     /* NULL: nothing special about it (net/dialer.h) */
    uint32_t system_tags;              /* bits 1 << SYSTEM_TAG_x */
    tagset_id run_tags;                /* options.tags */
    struct vu_heap *heap;              /* owned: memory of the worker's runtimes */
    void *http;                        /* owned by mod_http */
    void *secrets;                     /* owned by secrets/lookup.c */
    struct script_runner *runner;      /* NULL in the first run of the init context */
    struct tracer *tracer;             /* owned; NULL: requests get no trace context */
    struct shared_arrays *late_arrays; /* owned: those that the first run did not make */
};

struct vu {
    JSRuntime *rt;
    JSContext *ctx;
    struct script_worker *worker;
    struct shard *shard; /* the worker's */
    struct loop *loop;   /* the worker's */
    struct fiber *fiber; /* that runs this VU now; NULL between calls */
    uint64_t id;         /* __VU: from 1; 0 in init of the first run, setup, teardown, summary */
    uint64_t id_in_test;
    enum vu_phase phase;

    /* --- the running iteration --- */
    const struct scenario *scenario; /* NULL outside VU_ITERATION */
    struct iteration iteration;
    uint64_t iteration_count; /* __ITER: of this VU over all scenarios */
    int64_t iteration_start;  /* monotonic */
    struct arena arena;       /* reset at the end of the iteration */
    tagset_id tags;           /* what a sample gets now: run, scenario, group and VU tags */
    uint64_t data_sent;       /* bytes on the wire; flushed into data_sent, data_received at the */
    uint64_t data_received;   /* end of the iteration */
    bool interrupted;         /* vu_interrupt was called or the deadline has passed */
    bool aborted;             /* exec.test.abort() was called */

    struct rng rng;
    void *http; /* owned by mod_http: connections, cookie jar */

    struct vu_private *_private;
};

static inline struct vu *vu_of(JSContext *ctx)
{
    return JS_GetContextOpaque(ctx);
}

static inline bool vu_has_system_tag(const struct vu *vu, enum system_tag tag)
{
    return (vu->worker->system_tags >> tag) & 1u;
}

/* Adds a sample with the VU's current tags, or with `tags`. */
void vu_sample(struct vu *vu, uint32_t metric, double value);
void vu_sample_tagged(struct vu *vu, uint32_t metric, tagset_id tags, double value);
/* Around samples that are added to the shard directly: they get the VU's metadata (vu, iter,
 * exec.vu.metrics.metadata), which belongs to the shard, not to a sample. */
void vu_meta_begin(struct vu *vu);
/* The same, with the metadata trace_id when there is one. */
void vu_meta_begin_traced(struct vu *vu, const struct trace_context *trace);
void vu_meta_end(struct vu *vu); /* of either */
/* One sample with that metadata. */
void vu_sample_traced(struct vu *vu, const struct trace_context *trace, uint32_t metric,
                      tagset_id tags, double value);

/* A single request, for traces and exemplars: it gets its ids, the VU and the iteration. Ask before
 * whether it is wanted (shard_wants_request). */
void vu_add_request(struct vu *vu, const struct trace_context *trace, tagset_id tags,
                    struct request_record *r);

/* --- pending work ------------------------------------------------------------------------- */

struct vu_task_ops {
    /* On the VU's fiber, after vu_task_wake, with JavaScript allowed: settle the promise, call the
     * callback. JS_EXCEPTION ends the iteration like an exception thrown by the script; any other
     * value is freed. A task that is finished calls vu_task_end and frees itself in here. */
    JSValue (*run)(struct vu_task *task, JSContext *ctx);
    /* On the VU's fiber: the iteration is over (exception, interrupt) and the task is to end
     * without running JavaScript. Either it can end at once: call vu_task_end, free it with its JS
     * values. Or it asks its operation to end; then the operation calls vu_task_wake soon and
     * `stop` is called again. The VU waits for it: the iteration does not end with work under way.
     */
    void (*stop)(struct vu_task *task);
};

/* Embedded in whatever is pending. While one is started the iteration does not end. */
struct vu_task {
    const struct vu_task_ops *ops;
    struct vu *vu;
    struct vu_task *_prev; /* all that are started */
    struct vu_task *_next;
    struct vu_task *_ready_next;
    unsigned _group; /* async_groups.h: where it was started */
    bool _ready;
    bool _stop_asked;
};

void vu_task_start(struct vu *vu, struct vu_task *task, const struct vu_task_ops *ops);
/* Lets the VU's pump call ops->run soon (once, however often it is woken before). On the worker's
 * thread, from anywhere: a timer, another fiber, a callback of the loop. */
void vu_task_wake(struct vu_task *task);
/* Takes the task out; its owner may free it. In run or stop only. */
void vu_task_end(struct vu_task *task);

/* A promise that a task settles later. */
struct vu_promise {
    JSValue _resolve; /* owned */
    JSValue _reject;  /* owned */
};
/* Returns the promise for the script, or JS_EXCEPTION. */
MUST_USE JSValue vu_promise_new(JSContext *ctx, struct vu_promise *p);
void vu_promise_resolve(JSContext *ctx, struct vu_promise *p, JSValue value); /* takes value */
void vu_promise_reject(JSContext *ctx, struct vu_promise *p, JSValue error);  /* takes error */
void vu_promise_drop(JSContext *ctx, struct vu_promise *p); /* without settling it */

#endif
