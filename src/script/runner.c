/* The engine's runner that runs JavaScript: workers, VUs, iterations, setup and the rest. */
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/ensure.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/options.h"
#include "engine/run_state.h"
#include "engine/scenario.h"
#include "loop/fiber.h"
#include "script/heap.h"
#include "script/internal.h"
#include "script/trace.h"

struct script_runner {
    struct runner runner;
    struct script *script;
    const struct options *options;
    const struct network *network; /* NULL: nothing special about it */
    uint64_t vus;                  /* the most there may be */
    uint32_t system_tags;
    char *setup_json; /* NULL: undefined */
};

static struct script_runner *runner_of(const struct runner *runner)
{
    union {
        const struct runner *in;
        struct runner *out;
    } r = {runner};

    return CONTAINER_OF(r.out, struct script_runner, runner);
}

/* --- tags --------------------------------------------------------------------------------- */

static uint32_t read_system_tags(const struct options *options)
{
    static const char *const names[] = {
#define SYSTEM_TAG(id, name) name,
#include "script/system_tags.def"
#undef SYSTEM_TAG
    };
    json_t *list = options_list(options, OPTION_SYSTEM_TAGS);
    uint32_t bits = 0;
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        const char *name = json_string_value(item);

        for (size_t tag = 0; name && tag < COUNT_OF(names); tag++) {
            if (strcmp(name, names[tag]) == 0)
                bits |= 1u << tag;
        }
    }
    json_decref(list);
    return bits;
}

/* `base` with the members of a JSON object of texts. */
static tagset_id add_json_tags(struct shard *shard, tagset_id base, const json_t *tags)
{
    union {
        const json_t *in;
        json_t *out;
    } all = {tags};
    const char *key;
    json_t *value;

    json_object_foreach(all.out, key, value)
    {
        tag_id tag;

        if (!json_is_string(value))
            continue;
        tag = shard_tag(shard, str_of(key), str_of(json_string_value(value)));
        base = shard_tagset(shard, base, &tag, 1);
    }
    return base;
}

static tagset_id add_tag(struct vu *vu, tagset_id base, enum system_tag which, const char *key,
                         const char *value)
{
    tag_id tag;

    if (!vu_has_system_tag(vu, which))
        return base;
    tag = shard_tag(vu->shard, str_of(key), str_of(value));
    return shard_tagset(vu->shard, base, &tag, 1);
}

/* --- workers ------------------------------------------------------------------------------ */

int script_worker_init(struct script_worker *worker, struct diag *d)
{
    int err = 0;

    worker->late_arrays = shared_arrays_new();
    worker->tracer = tracer_new(worker->options);
    for (size_t i = 0; err == 0 && i < host_module_count; i++) {
        if (host_modules[i]->worker_init)
            err = host_modules[i]->worker_init(worker, d);
    }
    return err;
}

void script_worker_deinit(struct script_worker *worker)
{
    for (size_t i = 0; i < host_module_count; i++) {
        if (host_modules[i]->worker_deinit)
            host_modules[i]->worker_deinit(worker);
    }
    shared_arrays_free(worker->late_arrays);
    worker->late_arrays = NULL;
    mem_free(worker->tracer);
    worker->tracer = NULL;
}

static int runner_worker_init(struct runner *runner, struct worker_env *env, struct diag *d)
{
    struct script_runner *r = runner_of(runner);
    struct script_worker *worker = mem_zalloc(sizeof(*worker));
    int err;

    worker->env = env;
    worker->script = r->script;
    worker->options = r->options;
    worker->network = r->network;
    worker->runner = r;
    worker->system_tags = r->system_tags;
    worker->run_tags = add_json_tags(env->shard, 0, options_object(r->options, OPTION_TAGS));
    worker->heap = heap_new();
    env->runner_data = worker;
    err = script_worker_init(worker, d);
    if (err == 0)
        return 0;
    script_worker_deinit(worker);
    heap_free(worker->heap);
    mem_free(worker);
    env->runner_data = NULL;
    return err;
}

static void runner_worker_deinit(struct runner *runner, struct worker_env *env)
{
    struct script_worker *worker = env->runner_data;

    (void)runner;
    if (!worker)
        return;
    script_worker_deinit(worker);
    heap_free(worker->heap);
    mem_free(worker);
    env->runner_data = NULL;
}

/* --- VUs ---------------------------------------------------------------------------------- */

static int runner_vu_new(struct runner *runner, struct worker_env *env, uint64_t id,
                         uint64_t id_in_test, struct vu **out, struct diag *d)
{
    (void)runner;
    return vu_create(env->runner_data, id, id_in_test, out, d);
}

static void runner_vu_interrupt(struct vu *vu)
{
    if (!vu->fiber)
        return;
    vu->interrupted = true;
    if (!vu->_private->stopping)
        fiber_cancel(vu->fiber);
}

/* --- log lines of what a script throws ---------------------------------------------------- */

static char *thrown_text(struct vu *vu)
{
    char *text = host_exception_text(vu->ctx);
    char *longer;

    if (!vu->_private->account.limit_hit)
        return text;
    vu->_private->account.limit_hit = false;
    longer = mem_printf("the VU has reached its memory limit of %zu bytes: %s",
                        vu->worker->script->memory_limit, text);
    mem_free(text);
    return longer;
}

static void log_exception(struct vu *vu)
{
    char *text = thrown_text(vu);

    log_msg(LOG_ERROR, str_of(text), "executor", executor_name(vu->scenario->kind), "scenario",
            vu->scenario->name, "source", "stacktrace", NULL);
    mem_free(text);
}

/* --- iterations --------------------------------------------------------------------------- */

static void hooks_begin(struct vu *vu)
{
    for (size_t i = 0; i < host_module_count; i++) {
        if (host_modules[i]->iteration_begin)
            host_modules[i]->iteration_begin(vu);
    }
}

static void hooks_end(struct vu *vu)
{
    for (size_t i = 0; i < host_module_count; i++) {
        if (host_modules[i]->iteration_end)
            host_modules[i]->iteration_end(vu);
    }
}

/* The VU goes over to another scenario: its function, tags and variables. */
static void take_scenario(struct vu *vu, const struct scenario *scenario)
{
    struct vu_private *p = vu->_private;
    bool had_env = p->last_scenario && p->last_scenario->env;

    p->last_scenario = scenario;
    JS_FreeValue(vu->ctx, p->fn);
    p->fn = JS_IsObject(p->exports) ? JS_GetPropertyStr(vu->ctx, p->exports, scenario->exec)
                                    : JS_UNDEFINED;
    if (had_env || scenario->env)
        globals_reset_env(vu);
    vu->tags = add_json_tags(vu->shard, vu->worker->run_tags, scenario->tags);
    vu->tags = add_tag(vu, vu->tags, SYSTEM_TAG_SCENARIO, "scenario", scenario->name);
    vu->tags = add_tag(vu, vu->tags, SYSTEM_TAG_GROUP, "group", "");
}

static int parse_setup_data(struct vu *vu, const char *json)
{
    struct vu_private *p = vu->_private;

    if (p->has_setup_data)
        return 0;
    if (json)
        p->setup_data = JS_ParseJSON(vu->ctx, json, strlen(json), "setup data");
    if (JS_IsException(p->setup_data)) {
        p->setup_data = JS_UNDEFINED;
        return -1;
    }
    p->has_setup_data = true;
    return 0;
}

static void flush_data(struct vu *vu, int64_t wall)
{
    vu_sample_at(vu, METRIC_DATA_SENT, (double)vu->data_sent, wall);
    vu_sample_at(vu, METRIC_DATA_RECEIVED, (double)vu->data_received, wall);
    vu->data_sent = 0;
    vu->data_received = 0;
}

static enum iteration_end end_iteration(struct vu *vu, enum call_end end)
{
    int64_t duration = clock_now() - vu->iteration_start;
    int64_t wall;

    hooks_end(vu);
    if (end == CALL_THREW)
        log_exception(vu);
    wall = clock_wall();
    flush_data(vu, wall);
    if (end == CALL_ABORTED)
        return ITERATION_ABORT;
    if (end == CALL_INTERRUPTED || end == CALL_TIMED_OUT)
        return ITERATION_INTERRUPTED;
    vu_sample_at(vu, METRIC_ITERATION_DURATION, nsec_to_ms(duration), wall);
    vu_sample_at(vu, METRIC_ITERATIONS, 1, wall);
    return ITERATION_DONE;
}

static enum iteration_end runner_vu_run(struct vu *vu, const struct iteration *iteration)
{
    struct script_runner *r = vu->worker->runner;
    struct vu_private *p = vu->_private;
    enum iteration_end result;
    enum call_end end;
    JSValue value;

    vu_enter(vu, iteration->deadline, true);
    vu->iteration = *iteration;
    vu->scenario = iteration->scenario;
    if (p->last_scenario != iteration->scenario)
        take_scenario(vu, iteration->scenario);
    vu->phase = VU_ITERATION;
    vu->iteration_start = clock_now();
    p->account.limit_hit = false;
    hooks_begin(vu);
    if (parse_setup_data(vu, r->setup_json) < 0)
        end = CALL_THREW;
    else
        end = vu_call(vu, p->fn, 1, &p->setup_data, &value);
    if (end == CALL_OK)
        JS_FreeValue(vu->ctx, value);
    result = end_iteration(vu, end);
    vu->phase = VU_IDLE;
    vu->scenario = NULL;
    vu->iteration_count++;
    arena_reset(&vu->arena);
    vu_collect_garbage(vu);
    vu_leave(vu);
    return result;
}

/* --- setup, teardown, handleSummary ------------------------------------------------------- */

struct lifecycle {
    const char *function;
    const char *group; /* NULL: no group */
    enum vu_phase phase;
    bool heeds_stop;
};

static const struct lifecycle setup_stage = {"setup", "::setup", VU_SETUP, true};
static const struct lifecycle teardown_stage = {"teardown", "::teardown", VU_TEARDOWN, false};
static const struct lifecycle summary_stage = {"handleSummary", NULL, VU_SUMMARY, false};

static int stage_error(struct vu *vu, const struct lifecycle *stage, enum call_end end,
                       int64_t timeout_nsec, struct diag *d)
{
    char text[32];

    switch (end) {
    case CALL_OK:
        return 0;
    case CALL_THREW:
        exception_diag(vu, d);
        return ERR_INVALID;
    case CALL_TIMED_OUT:
        return diag_set(d, ERR_TIMEOUT, "%s() execution timed out after %s", stage->function,
                        duration_format(timeout_nsec, text, sizeof(text)));
    case CALL_INTERRUPTED:
    case CALL_ABORTED:
        return diag_set(d, ERR_INTERRUPTED, "%s() was interrupted", stage->function);
    }
    return 0;
}

/* One file of handleSummary's result: text, or bytes in base64. */
static int copy_file(JSContext *ctx, struct str key, JSValueConst value, void *arg)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    struct host_bytes bytes;
    JSValue object;
    int err;

    if (JS_IsString(value))
        return host_set_key(ctx, *(JSValue *)arg, key, JS_DupValue(ctx, value));
    if (!host_is_binary(ctx, value)) {
        host_throw(ctx,
                   "handleSummary() must return an object of texts or ArrayBuffers; '%.*s' is "
                   "neither",
                   STR_ARG(key));
        return -1;
    }
    if (host_bytes(ctx, value, &bytes) < 0)
        return -1;
    base64_encode(str_from((const char *)bytes.ptr, bytes.len), BASE64_STD, true, &text);
    host_bytes_release(ctx, &bytes);
    object = JS_NewObject(ctx);
    err = host_set_str(ctx, object, "$base64", buf_str(&text));
    buf_deinit(&text);
    if (err < 0)
        JS_FreeValue(ctx, object);
    return err < 0 ? err : host_set_key(ctx, *(JSValue *)arg, key, object);
}

static JSValue summary_files(JSContext *ctx, JSValueConst result)
{
    JSValue files;

    if (host_is_nullish(result))
        return JS_UNDEFINED;
    if (!JS_IsObject(result))
        return host_throw(ctx, "handleSummary() must return an object");
    files = JS_NewObject(ctx);
    if (host_each(ctx, result, copy_file, &files) == 0)
        return files;
    JS_FreeValue(ctx, files);
    return JS_EXCEPTION;
}

/* The JSON of what a stage returned; NULL: undefined. */
static int result_json(struct vu *vu, JSValueConst result, char **out, struct diag *d)
{
    JSContext *ctx = vu->ctx;
    JSValue value = vu->phase == VU_SUMMARY ? summary_files(ctx, result) : JS_DupValue(ctx, result);
    JSValue text = JS_UNDEFINED;
    int err = 0;

    *out = NULL;
    if (!JS_IsException(value))
        text = JS_JSONStringify(ctx, value, JS_UNDEFINED, JS_UNDEFINED);
    if (JS_IsException(value) || JS_IsException(text)) {
        exception_diag(vu, d);
        err = ERR_INVALID;
    } else if (JS_IsString(text)) {
        *out = host_strdup(ctx, text);
    }
    JS_FreeValue(ctx, text);
    JS_FreeValue(ctx, value);
    return err;
}

static enum call_end call_stage(struct vu *vu, const struct lifecycle *stage, const char *arg_json,
                                JSValue *result)
{
    JSContext *ctx = vu->ctx;
    enum call_end end = CALL_THREW;
    JSValue arg = JS_UNDEFINED;
    JSValue fn = JS_GetPropertyStr(ctx, vu->_private->exports, stage->function);

    *result = JS_UNDEFINED;
    if (arg_json)
        arg = JS_ParseJSON(ctx, arg_json, strlen(arg_json), "data");
    if (!JS_IsException(arg) && !JS_IsException(fn))
        end = vu_call(vu, fn, 1, &arg, result);
    JS_FreeValue(ctx, fn);
    JS_FreeValue(ctx, arg);
    return end;
}

struct stage_call {
    const struct lifecycle *stage;
    const char *arg_json; /* NULL: undefined */
    int64_t timeout_nsec; /* 0: none */
    char **json_out;      /* NULL: the result is not wanted */
};

static int run_stage(struct vu *vu, const struct stage_call *call, struct diag *d)
{
    const struct lifecycle *stage = call->stage;
    JSValue result;
    enum call_end end;
    int err;

    vu_enter(vu, call->timeout_nsec > 0 ? clock_now() + call->timeout_nsec : INT64_MAX,
             stage->heeds_stop);
    vu->phase = stage->phase;
    vu->tags = vu->worker->run_tags;
    if (stage->group)
        vu->tags = add_tag(vu, vu->tags, SYSTEM_TAG_GROUP, "group", stage->group);
    hooks_begin(vu);
    end = call_stage(vu, stage, call->arg_json, &result);
    err = stage_error(vu, stage, end, call->timeout_nsec, d);
    if (err == 0 && call->json_out)
        err = result_json(vu, result, call->json_out, d);
    JS_FreeValue(vu->ctx, result);
    hooks_end(vu);
    flush_data(vu, clock_wall());
    vu->phase = VU_IDLE;
    vu_leave(vu);
    return err;
}

/* In a VU that lives for this call only. */
static int run_stage_alone(struct worker_env *env, const struct stage_call *call, struct diag *d)
{
    struct vu *vu;
    int err = vu_create(env->runner_data, 0, 0, &vu, d);

    if (err < 0)
        return err;
    err = run_stage(vu, call, d);
    vu_destroy(vu);
    return err;
}

static int runner_setup(struct runner *runner, struct worker_env *env, int64_t timeout_nsec,
                        char **json_out, struct diag *d)
{
    struct stage_call call = {&setup_stage, NULL, timeout_nsec, json_out};

    (void)runner;
    return run_stage_alone(env, &call, d);
}

static void runner_set_setup_data(struct runner *runner, const char *json)
{
    struct script_runner *r = runner_of(runner);

    mem_free(r->setup_json);
    r->setup_json = mem_strdup(json);
}

static int runner_teardown(struct runner *runner, struct worker_env *env, int64_t timeout_nsec,
                           struct diag *d)
{
    struct stage_call call = {&teardown_stage, runner_of(runner)->setup_json, timeout_nsec, NULL};

    return run_stage_alone(env, &call, d);
}

static int runner_handle_summary(struct runner *runner, struct worker_env *env,
                                 const char *data_json, int64_t timeout_nsec, char **json_out,
                                 struct diag *d)
{
    struct stage_call call = {&summary_stage, data_json, timeout_nsec, json_out};

    (void)runner;
    return run_stage_alone(env, &call, d);
}

/* --- what the script exports -------------------------------------------------------------- */

static bool runner_has_setup(const struct runner *runner)
{
    return script_has_function(runner_of(runner)->script, STR("setup"));
}

static bool runner_has_teardown(const struct runner *runner)
{
    return script_has_function(runner_of(runner)->script, STR("teardown"));
}

static bool runner_has_handle_summary(const struct runner *runner)
{
    return script_has_function(runner_of(runner)->script, STR("handleSummary"));
}

static bool runner_has_function(const struct runner *runner, struct str name)
{
    return script_has_function(runner_of(runner)->script, name);
}

static const struct runner_ops runner_ops = {
    .worker_init = runner_worker_init,
    .worker_deinit = runner_worker_deinit,
    .vu_new = runner_vu_new,
    .vu_free = vu_destroy,
    .vu_run = runner_vu_run,
    .vu_interrupt = runner_vu_interrupt,
    .setup = runner_setup,
    .set_setup_data = runner_set_setup_data,
    .teardown = runner_teardown,
    .handle_summary = runner_handle_summary,
    .has_setup = runner_has_setup,
    .has_teardown = runner_has_teardown,
    .has_handle_summary = runner_has_handle_summary,
    .has_function = runner_has_function,
};

struct runner *script_runner_new(struct script *script, const struct options *options,
                                 const struct scenario_list *scenarios,
                                 const struct network *network)
{
    struct script_runner *r = mem_zalloc(sizeof(*r));

    for (size_t i = 0; i < scenarios->count; i++)
        r->vus += scenarios->list[i]->max_vus;
    r->runner.ops = &runner_ops;
    r->script = script;
    r->options = options;
    r->network = network;
    r->system_tags = read_system_tags(options);
    return &r->runner;
}

uint64_t script_runner_vus(const struct script_runner *runner)
{
    return runner ? runner->vus : 0;
}

void script_runner_free(struct runner *runner)
{
    if (!runner)
        return;
    mem_free(runner_of(runner)->setup_json);
    mem_free(runner_of(runner));
}
