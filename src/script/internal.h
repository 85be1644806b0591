/* What the files of the script host share with one another, and nobody else. */
#ifndef SCRIPT_INTERNAL_H
#define SCRIPT_INTERNAL_H

#include <quickjs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/map.h"
#include "engine/runner.h"
#include "metrics/shard.h"
#include "script/files.h"
#include "script/heap.h"
#include "script/host.h"
#include "script/script.h"
#include "script/vu.h"

struct async_groups;
struct js_timer;
struct shared_arrays;
struct vu_loader;
struct vu_work;

#define DEFAULT_MEMORY_LIMIT ((size_t)512 * 1024 * 1024)

/* --- the script --------------------------------------------------------------------------- */

enum module_kind { MODULE_ESM, MODULE_CJS, MODULE_JSON };

/* One file of the script, compiled. */
struct module {
    char *url;
    enum module_kind kind;
    uint8_t *code; /* bytecode of this file alone; NULL once it is in the pack */
    size_t code_len;
    uint32_t index;         /* in the pack */
    bool uses_meta;         /* it says import.meta somewhere */
    struct source_map *map; /* owned: where its lines came from; NULL: they are its own */
};

struct script {
    char *url;
    struct files *files;
    struct map env; /* char * */
    bool freeze_env;
    bool base_mode;
    size_t memory_limit;
    struct secrets *secrets; /* owned; NULL: no sources */

    struct map modules;     /* struct module *, by URL */
    struct module **packed; /* by index; borrowed from `modules` */
    uint32_t packed_count;
    uint8_t *pack; /* bytecode of all files: one array of modules and functions */
    size_t pack_len;
    struct map protos;   /* struct pb_schema *, owned; see grpc/protos.h */
    struct map builtins; /* names; the value is the host_module */
    const char **builtin_names;

    struct shared_arrays *arrays; /* frozen after the first run */
    struct shard *shard;          /* of the first run: its registry has the custom metrics */
    char *options_json;
    struct map functions; /* exported ones */
    bool frozen;          /* the first run is over: nothing above changes any more */
};

/* --- VUs ---------------------------------------------------------------------------------- */

struct rejection {
    JSValue promise; /* owned */
    JSValue reason;  /* owned */
};

/* A built-in module that was imported or required: both get the same object, so that what a library
 * sets in it (http.get = ...) everybody sees. */
struct builtin_module {
    const struct host_module *module;
    JSValue ns; /* owned */
};

struct vu_private {
    JSValue exports; /* owned: namespace of the script, or module.exports */

    /* Of the scenario that ran last. */
    const struct scenario *last_scenario;
    JSValue fn; /* owned: its function */

    JSValue streams; /* owned: the classes of k6/experimental/streams; undefined: not made yet */
    JSValue subtle;  /* owned: the part behind crypto.subtle; the same */

    JSValue setup_data; /* owned: this VU's copy */
    bool has_setup_data;
    unsigned lazy_made; /* bits 1 << LAZY_x */

    struct vu_loader *loader; /* in the init context only */
    struct builtin_module *builtins;
    size_t builtin_count;

    struct js_timer *timers; /* mod_timers.c */
    uint32_t last_timer;

    tagset_id call_tags;         /* vu->tags as they were when the running call began */
    struct async_groups *groups; /* owned; NULL: no group() had an async function yet */

    /* Pending work. */
    struct vu_task *tasks;
    struct vu_task *ready;
    struct vu_task **ready_tail;
    struct vu_work *works; /* vu_work.c: the first runs, the others wait */
    struct vu_work *last_work;
    size_t work_count;
    size_t work_bytes;
    bool pumping;  /* the fiber is parked in the pump, or about to look for ready tasks */
    bool stopping; /* the iteration is over: tasks are being stopped */
    struct rejection *rejections; /* rejected promises that nobody handles yet */
    size_t rejection_count;
    size_t rejection_cap;

    int64_t deadline;    /* of the running call; INT64_MAX: none */
    int64_t slice_start; /* when this VU last got the thread, for preemption */
    bool heeds_stop;     /* the run's stop interrupts the call (not teardown, handleSummary) */
    bool timed_out;      /* the deadline has passed */

    struct map *metadata;        /* exec.vu.metrics.metadata: char *; NULL: none */
    struct heap_account account; /* of the runtime's memory */
    size_t collect_above;        /* bytes; at the end of an iteration */
};

/* Makes a VU and runs the init context in it. On a fiber of the worker's loop. */
MUST_USE
YIELDS
int vu_create(struct script_worker *worker, uint64_t id, uint64_t id_in_test, struct vu **out,
              struct diag *d);
void vu_destroy(struct vu *vu);
/* Between iterations: collects cycles when enough has come together since the last time. */
void vu_collect_garbage(struct vu *vu);
/* The most VUs that the run may have; 0 for the first run of the init context. */
uint64_t script_runner_vus(const struct script_runner *runner);

/* A worker's part: slot and heap are set, the rest of `worker` is the caller's. */
MUST_USE int script_worker_init(struct script_worker *worker, struct diag *d);
void script_worker_deinit(struct script_worker *worker);

/* As vu_sample, at a wall time that is known. */
void vu_sample_at(struct vu *vu, uint32_t metric, double value, int64_t wall);

/* --- calls (vu_call.c) -------------------------------------------------------------------- */

enum call_end {
    CALL_OK,
    CALL_THREW,       /* the exception is pending in the context */
    CALL_INTERRUPTED, /* vu_interrupt, the run's stop */
    CALL_TIMED_OUT,   /* the call's deadline */
    CALL_ABORTED,     /* exec.test.abort() */
};

/* Binds the VU to the running fiber: stack limit, interrupt state. */
void vu_enter(struct vu *vu, int64_t deadline, bool heeds_stop);
void vu_leave(struct vu *vu);

/* Calls fn(argv) and pumps until nothing is pending. *result: what it returned or its promise
 * resolved to (owned by the caller; undefined unless CALL_OK). Between vu_enter and vu_leave. */
YIELDS enum call_end vu_call(struct vu *vu, JSValueConst fn, int argc, JSValueConst *argv,
                             JSValue *result);
/* Goes on with a value that a call has returned already (a module's promise). Takes `value`. */
YIELDS enum call_end vu_settle(struct vu *vu, JSValue value, JSValue *result);

/* True, when the running script must end. */
bool vu_must_stop(struct vu *vu);

/* The promise's rejection is dealt with. */
void vu_forgive(struct vu *vu, JSValueConst promise);

void vu_pump_init(struct vu *vu);
void vu_pump_deinit(struct vu *vu);

/* --- the loader (loader.c, compile.c, require.c, modules.c)
 * ----------------------------------------------------- */

/* Characters that the CommonJS wrapper puts before the first line of a file. */
extern const size_t loader_cjs_prefix_len;

void loader_install(struct vu *vu);
/* Reads the pack into a VU: the first thing after its raw context, so that atoms come out alike and
 * the bytecode itself is shared. -1: exception. */
MUST_USE int loader_read_pack(struct vu *vu);
/* Evaluates the main module: its promise, or module.exports of a CommonJS script in *exports. */
MUST_USE YIELDS JSValue loader_eval_main(struct vu *vu, bool *is_cjs);
/* The exports: after the evaluation. */
JSValue loader_main_exports(struct vu *vu, bool is_cjs);
/* The init context is over: frees what only it needs. */
void loader_end(struct vu *vu);
/* Puts all bytecode in one block. On main, after the first run. */
MUST_USE int loader_make_pack(struct script *script, struct vu_heap *heap, struct diag *d);
/* require(), open() */
int loader_globals(JSContext *ctx, JSValueConst global);

/* What compile.c has for loader.c: the file as bytecode, compiled on its first use. The value is
 * a JS_TAG_MODULE, a function's bytecode, or undefined for JSON. */
MUST_USE JSValue loader_compile(struct vu *vu, struct module *module, const struct file *file);
/* The import.meta of a module that uses it. */
MUST_USE int loader_set_meta(JSContext *ctx, JSValueConst module, const char *url);

const struct host_module *host_module_find(struct str name);
JSModuleDef *host_module_load(JSContext *ctx, const struct host_module *module);
/* The namespace object (also the default export): one for all of the VU. */
JSValue host_module_namespace(JSContext *ctx, const struct host_module *module);
/* Class ids; before any runtime is made, on main. */
void host_prepare(void);
extern const struct host_module *const host_modules[];
extern const size_t host_module_count;

/* --- globals (globals.c) ------------------------------------------------------------------ */

enum lazy_intrinsic {
    LAZY_DATE,
    LAZY_MAP_SET,
    LAZY_TYPED_ARRAYS,
    LAZY_FETCH,
    LAZY_STREAMS,
    LAZY_URL,
    LAZY_WEB,
    LAZY_CRYPTO,
    LAZY_SUBTLE,
    LAZY_COUNT
};
extern struct host_class globals_class;
/* Standard objects that many scripts never touch are made when a name of theirs is first used. */
MUST_USE int globals_install(struct vu *vu);
MUST_USE int globals_need(JSContext *ctx, enum lazy_intrinsic what);
/* What an object (taken) offers becomes globals; the same of a part in JavaScript (mod_web.c). */
struct js_part;
MUST_USE int web_add(JSContext *ctx, JSValue made);
MUST_USE int web_add_part(JSContext *ctx, const struct js_part *part, JSValueConst native);
/* The classes of k6/experimental/streams, one set per VU; owned by the caller. */
MUST_USE JSValue web_streams(JSContext *ctx);
/* TextEncoder, AbortController and the other globals of js/web.js. */
MUST_USE int web_add_web(JSContext *ctx);
/* crypto and its class; what crypto.subtle comes from, once per VU, owned by the caller
 * (crypto/subtle.c). */
MUST_USE int crypto_add_globals(JSContext *ctx);
MUST_USE JSValue crypto_subtle(JSContext *ctx);
/* fetch and its classes (mod_fetch.c). */
MUST_USE int fetch_add_globals(JSContext *ctx);
/* Forgets __ENV, so that the next use sees the scenario's variables. */
void globals_reset_env(struct vu *vu);

/* The file that open(path) means, in the init context. NULL: exception. */
struct file;
const struct file *loader_open(struct vu *vu, struct str path);

/* --- exceptions (exception.c) ------------------------------------------------------------- */

/* Text of an exception's value, k6's way: "Error: boom\n\tat f (file:///x.js:1:2)\n". Heap. */
char *exception_text(JSContext *ctx, JSValueConst error);
/* Takes the pending exception into `d`: place, text, the source line when it is known. */
void exception_diag(struct vu *vu, struct diag *d);

/* --- shared arrays (shared_array.c) ------------------------------------------------------- */

struct shared_arrays *shared_arrays_new(void);
void shared_arrays_free(struct shared_arrays *arrays); /* NULL is allowed */
/* The SharedArray of that name; `fn` gives its elements when it is not made yet. */
MUST_USE JSValue shared_array_get(JSContext *ctx, struct str name, JSValueConst fn);

#endif
