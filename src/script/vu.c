/* Making VUs and freeing them; samples. */
#include "script/vu.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "metrics/request.h"
#include "script/async_groups.h"
#include "script/heap.h"
#include "script/internal.h"
#include "script/trace.h"

/* Garbage in cycles that the VUs together may gather between collections, and the bounds of one
 * VU's part. A collection of a small VU takes some 30 microseconds, so few VUs collect rarely. */
enum {
    GC_BUDGET = 64 * 1024 * 1024,
    GC_MARGIN_MIN = 24 * 1024,
    GC_MARGIN_MAX = 512 * 1024,
    GC_MARGINS_IN_ITERATION = 4, /* QuickJS itself collects when a running script passes these */
};

/* --- samples ------------------------------------------------------------------------------ */

enum { MAX_META = 32 };

/* vu, iter, exec.vu.metrics.metadata: set in the shard before this VU's sample. */
static void set_meta(struct vu *vu)
{
    struct vu_private *p = vu->_private;
    tag_id pairs[MAX_META + 2];
    size_t count = 0;
    char text[24];
    int len;

    if (vu_has_system_tag(vu, SYSTEM_TAG_VU)) {
        len = snprintf(text, sizeof(text), "%llu", (unsigned long long)vu->id);
        pairs[count++] = shard_tag(vu->shard, STR("vu"), str_from(text, (size_t)len));
    }
    if (vu_has_system_tag(vu, SYSTEM_TAG_ITER)) {
        len = snprintf(text, sizeof(text), "%llu", (unsigned long long)vu->iteration_count);
        pairs[count++] = shard_tag(vu->shard, STR("iter"), str_from(text, (size_t)len));
    }
    if (p->metadata) {
        for (struct map_entry *e = map_first(p->metadata); e && count < COUNT_OF(pairs);
             e = map_next(p->metadata, e))
            pairs[count++] = shard_tag(vu->shard, e->key, str_of(e->value));
    }
    shard_set_meta(vu->shard, pairs, count);
}

static bool has_meta(const struct vu *vu)
{
    return vu->_private->metadata || vu_has_system_tag(vu, SYSTEM_TAG_VU) ||
           vu_has_system_tag(vu, SYSTEM_TAG_ITER);
}

void vu_meta_begin(struct vu *vu)
{
    if (UNLIKELY(has_meta(vu)))
        set_meta(vu);
}

void vu_meta_begin_traced(struct vu *vu, const struct trace_context *trace)
{
    char text[TRACE_ID_TEXT];

    vu_meta_begin(vu);
    if (LIKELY(!trace_is_set(trace)))
        return;
    trace_id_text(trace, text);
    shard_add_meta(vu->shard, STR("trace_id"), str_of(text));
}

void vu_meta_end(struct vu *vu)
{
    if (UNLIKELY(has_meta(vu) || vu->worker->tracer))
        shard_set_meta(vu->shard, NULL, 0);
}

void vu_sample_traced(struct vu *vu, const struct trace_context *trace, uint32_t metric,
                      tagset_id tags, double value)
{
    vu_meta_begin_traced(vu, trace);
    shard_add(vu->shard, metric, tags, value, clock_wall());
    vu_meta_end(vu);
}

void vu_add_request(struct vu *vu, const struct trace_context *trace, tagset_id tags,
                    struct request_record *r)
{
    r->trace[0] = trace->trace[0];
    r->trace[1] = trace->trace[1];
    r->span = trace->span;
    r->sampled = trace->sampled;
    r->vu = vu->id;
    r->iteration = vu->iteration_count;
    shard_add_request(vu->shard, tags, r);
}

static void add_sample(struct vu *vu, uint32_t metric, tagset_id tags, double value, int64_t wall)
{
    vu_meta_begin(vu);
    shard_add(vu->shard, metric, tags, value, wall);
    vu_meta_end(vu);
}

void vu_sample_at(struct vu *vu, uint32_t metric, double value, int64_t wall)
{
    add_sample(vu, metric, vu->tags, value, wall);
}

void vu_sample_tagged(struct vu *vu, uint32_t metric, tagset_id tags, double value)
{
    add_sample(vu, metric, tags, value, clock_wall());
}

void vu_sample(struct vu *vu, uint32_t metric, double value)
{
    vu_sample_tagged(vu, metric, vu->tags, value);
}

/* --- making ------------------------------------------------------------------------------- */

static void add_intrinsics(JSContext *ctx)
{
    JS_AddIntrinsicBaseObjects(ctx);
    JS_AddIntrinsicEval(ctx);
    JS_AddIntrinsicStringNormalize(ctx);
    JS_AddIntrinsicRegExpCompiler(ctx);
    JS_AddIntrinsicRegExp(ctx);
    JS_AddIntrinsicJSON(ctx);
    JS_AddIntrinsicProxy(ctx);
    JS_AddIntrinsicPromise(ctx);
}

/* The runtime with everything that the script expects to find. */
static int make_runtime(struct vu *vu, struct diag *d)
{
    vu->_private->account.heap = vu->worker->heap;
    vu->rt = JS_NewRuntime2(&heap_functions, &vu->_private->account);
    if (!vu->rt)
        return diag_set(d, -ENOMEM, "no memory for a VU");
    vu->ctx = JS_NewContextRaw(vu->rt);
    if (!vu->ctx)
        return diag_set(d, -ENOMEM, "no memory for a VU");
    JS_SetContextOpaque(vu->ctx, vu);
    JS_SetRuntimeOpaque(vu->rt, vu);
    JS_SetMemoryLimit(vu->rt, vu->worker->script->memory_limit);
    JS_SetStripInfo(vu->rt, JS_STRIP_SOURCE);
    vu_pump_init(vu);
    vu_enter(vu, INT64_MAX, vu->id != 0);
    loader_install(vu);
    if (loader_read_pack(vu) < 0)
        goto failed;
    add_intrinsics(vu->ctx);
    if (globals_install(vu) < 0)
        goto failed;
    vu_leave(vu);
    return 0;
failed:
    exception_diag(vu, d);
    vu_leave(vu);
    return ERR_INVALID;
}

static int end_diag(struct vu *vu, enum call_end end, struct diag *d)
{
    switch (end) {
    case CALL_OK:
        return 0;
    case CALL_THREW:
        exception_diag(vu, d);
        return ERR_INVALID;
    case CALL_TIMED_OUT:
        return diag_set(d, ERR_TIMEOUT, "the init context took too long");
    case CALL_ABORTED:
        return diag_set(d, ERR_CANCELLED, "test aborted in the init context");
    case CALL_INTERRUPTED:
        return diag_set(d, ERR_INTERRUPTED, "interrupted in the init context");
    }
    return 0;
}

/* Evaluates the script's modules: the init context. */
static int run_init(struct vu *vu, struct diag *d)
{
    struct vu_private *p = vu->_private;
    bool is_cjs = false;
    JSValue evaluated;
    JSValue done;
    enum call_end end;
    int err;

    vu->phase = VU_INIT;
    /* VU 0 serves teardown() and handleSummary(), which come after an abort too. */
    vu_enter(vu, INT64_MAX, vu->id != 0);
    evaluated = loader_eval_main(vu, &is_cjs);
    if (is_cjs && !JS_IsException(evaluated)) {
        end = vu_settle(vu, JS_UNDEFINED, &done);
        JS_FreeValue(vu->ctx, done);
    } else {
        end = vu_settle(vu, evaluated, &evaluated);
    }
    if (end == CALL_OK) {
        p->exports = loader_main_exports(vu, is_cjs);
        if (JS_IsException(p->exports)) {
            p->exports = JS_UNDEFINED;
            end = CALL_THREW;
        }
    }
    JS_FreeValue(vu->ctx, evaluated);
    err = end_diag(vu, end, d);
    loader_end(vu);
    vu_leave(vu);
    vu->phase = VU_IDLE;
    return err;
}

static size_t gc_margin(const struct vu *vu)
{
    uint64_t vus = script_runner_vus(vu->worker->runner);
    uint64_t part = vus > 0 ? GC_BUDGET / vus : GC_MARGIN_MAX;

    return part < GC_MARGIN_MIN ? GC_MARGIN_MIN : part > GC_MARGIN_MAX ? GC_MARGIN_MAX : part;
}

static void collect(struct vu *vu)
{
    struct vu_private *p = vu->_private;
    size_t margin = gc_margin(vu);

    JS_RunGC(vu->rt);
    p->collect_above = p->account.state->malloc_size + margin;
    JS_SetGCThreshold(vu->rt, p->account.state->malloc_size + GC_MARGINS_IN_ITERATION * margin);
}

void vu_collect_garbage(struct vu *vu)
{
    struct vu_private *p = vu->_private;

    if (p->account.state->malloc_size > p->collect_above)
        collect(vu);
}

int vu_create(struct script_worker *worker, uint64_t id, uint64_t id_in_test, struct vu **out,
              struct diag *d)
{
    struct vu *vu = mem_zalloc(sizeof(*vu));
    int err;

    vu->_private = mem_zalloc(sizeof(*vu->_private));
    vu->_private->exports = vu->_private->fn = vu->_private->setup_data = JS_UNDEFINED;
    vu->_private->streams = JS_UNDEFINED;
    vu->_private->subtle = JS_UNDEFINED;
    vu->worker = worker;
    vu->shard = worker->env->shard;
    vu->loop = worker->env->loop;
    vu->id = id;
    vu->id_in_test = id_in_test;
    vu->tags = worker->run_tags;
    arena_init(&vu->arena);
    rng_system(&vu->rng, sizeof(vu->rng));
    err = make_runtime(vu, d);
    if (err == 0)
        err = run_init(vu, d);
    if (err < 0) {
        vu_destroy(vu);
        return err;
    }
    arena_deinit(&vu->arena);
    arena_init(&vu->arena);
    collect(vu); /* the init context leaves cycles: modules, closures */
    *out = vu;
    return 0;
}

static void free_values(struct vu *vu)
{
    struct vu_private *p = vu->_private;

    JS_FreeValue(vu->ctx, p->fn);
    JS_FreeValue(vu->ctx, p->setup_data);
    JS_FreeValue(vu->ctx, p->exports);
    JS_FreeValue(vu->ctx, p->streams);
    JS_FreeValue(vu->ctx, p->subtle);
    for (size_t i = 0; i < p->builtin_count; i++)
        JS_FreeValue(vu->ctx, p->builtins[i].ns);
    mem_free(p->builtins);
    async_groups_free(vu);
    p->fn = p->setup_data = p->exports = p->streams = p->subtle = JS_UNDEFINED;
}

static void free_modules_state(struct vu *vu)
{
    for (size_t i = 0; i < host_module_count; i++) {
        if (host_modules[i]->vu_free)
            host_modules[i]->vu_free(vu);
    }
}

void vu_destroy(struct vu *vu)
{
    struct vu_private *p;

    if (!vu)
        return;
    p = vu->_private;
    ensure(!vu->fiber);
    fiber_no_yield_begin(); /* finalizers run */
    if (vu->ctx) {
        free_modules_state(vu);
        vu_pump_deinit(vu);
        free_values(vu);
        JS_FreeContext(vu->ctx);
    }
    if (vu->rt)
        JS_FreeRuntime(vu->rt);
    fiber_no_yield_end();
    arena_deinit(&vu->arena);
    if (p->metadata) {
        map_deinit_with(p->metadata, mem_free);
        mem_free(p->metadata);
    }
    mem_free(p);
    mem_free(vu);
}
