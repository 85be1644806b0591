/* Loading a script: the first run of its init context, and what it leaves for all later ones. */
#include "script/script.h"

#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "script/grpc/protos.h"
#include "script/heap.h"
#include "script/internal.h"
#include "script/secrets/secrets.h"
#include "script/source_map.h"

/* --- what the first run finds ------------------------------------------------------------- */

static int note_function(JSContext *ctx, struct str key, JSValueConst value, void *arg)
{
    struct script *script = arg;

    if (JS_IsFunction(ctx, value))
        map_set(&script->functions, key, script);
    return 0;
}

/* Exports that must be functions when they are there (k6-features.md EXE-05). */
static int check_lifecycle(JSContext *ctx, JSValueConst exports, struct diag *d)
{
    static const char *const names[] = {"setup", "teardown", "handleSummary", "default"};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        JSValue value = JS_GetPropertyStr(ctx, exports, names[i]);
        bool wrong =
            !host_is_nullish(value) && !JS_IsFunction(ctx, value) && (i < 3 || !JS_IsObject(value));

        JS_FreeValue(ctx, value);
        if (wrong)
            return diag_set(d, ERR_INVALID, "exported '%s' must be a function", names[i]);
    }
    return 0;
}

static int read_options(struct vu *vu, struct script *script, struct diag *d)
{
    JSContext *ctx = vu->ctx;
    JSValue options = JS_GetPropertyStr(ctx, vu->_private->exports, "options");
    JSValue text = JS_UNDEFINED;
    int err = 0;

    if (!host_is_nullish(options) && !JS_IsException(options)) {
        if (!JS_IsObject(options) || JS_IsFunction(ctx, options))
            err = diag_set(d, ERR_INVALID, "exported 'options' must be an object");
        else
            text = JS_JSONStringify(ctx, options, JS_UNDEFINED, JS_UNDEFINED);
    }
    if (err == 0 && (JS_IsException(options) || JS_IsException(text))) {
        exception_diag(vu, d);
        diag_prefix(d, "exported 'options' can't be read");
        err = ERR_INVALID;
    }
    if (err == 0)
        script->options_json = JS_IsString(text) ? host_strdup(ctx, text) : mem_strdup("{}");
    JS_FreeValue(ctx, text);
    JS_FreeValue(ctx, options);
    return err;
}

static int read_exports(struct vu *vu, struct script *script, struct diag *d)
{
    JSValueConst exports = vu->_private->exports;
    int err;

    if (!JS_IsObject(exports)) {
        script->options_json = mem_strdup("{}");
        return 0;
    }
    vu_enter(vu, INT64_MAX, false);
    err = check_lifecycle(vu->ctx, exports, d);
    if (err == 0 && host_each(vu->ctx, exports, note_function, script) < 0) {
        exception_diag(vu, d);
        err = ERR_INVALID;
    }
    if (err == 0)
        err = read_options(vu, script, d);
    vu_leave(vu);
    return err;
}

/* --- the first run ------------------------------------------------------------------------ */

struct first_run {
    struct script *script;
    struct loop *loop;
    struct worker_env env;
    struct script_worker worker;
    struct diag *diag;
    int64_t timeout_nsec;
    int err;
};

static void run_first(void *arg)
{
    struct first_run *first = arg;
    struct vu *vu = NULL;

    first->err = vu_create(&first->worker, 0, 0, &vu, first->diag);
    if (first->err == 0)
        first->err = read_exports(vu, first->script, first->diag);
    vu_destroy(vu);
}

/* The last fibers have closed their connections. */
static void end_first(void *arg)
{
    loop_stop(arg);
}

static int first_run(struct script *script, struct diag *d)
{
    struct first_run first = {.script = script, .diag = d};
    int err = loop_new(&first.loop);

    if (err < 0)
        return diag_set(d, err, "no event loop: %s", err_text(err));
    first.env = (struct worker_env){.loop = first.loop, .shard = script->shard};
    first.worker = (struct script_worker){.env = &first.env, .script = script};
    first.worker.heap = heap_new();
    err = script_worker_init(&first.worker, d);
    if (err == 0) {
        fiber_start(first.loop, run_first, &first);
        loop_when_quiet(first.loop, end_first, first.loop);
        loop_run(first.loop);
        err = first.err;
    }
    if (err == 0)
        err = loader_make_pack(script, first.worker.heap, d);
    script_worker_deinit(&first.worker);
    heap_free(first.worker.heap);
    loop_free(first.loop);
    return err;
}

static void list_builtins(struct script *script)
{
    size_t count = 0;

    script->builtin_names = mem_calloc(script->builtins.count + 1, sizeof(char *));
    for (struct map_entry *e = map_first(&script->builtins); e; e = map_next(&script->builtins, e))
        script->builtin_names[count++] = e->key.ptr;
}

static void copy_env(struct script *script, const struct map *env)
{
    for (struct map_entry *e = env ? map_first(env) : NULL; e; e = map_next(env, e))
        map_set(&script->env, e->key, mem_strdup(e->value));
}

int script_open(const struct script_open *how, struct script **out, struct diag *d)
{
    struct script *script = mem_zalloc(sizeof(*script));
    const struct shard_options shard = {.max_series = 0};
    int err;

    host_prepare();
    script->url = mem_strdup(how->url);
    script->files = how->files;
    script->secrets = how->secrets;
    script->freeze_env = how->freeze_env;
    script->base_mode = how->base_mode;
    script->memory_limit = how->memory_limit ? how->memory_limit : DEFAULT_MEMORY_LIMIT;
    map_init(&script->env);
    map_init(&script->modules);
    map_init(&script->protos);
    map_init(&script->builtins);
    map_init(&script->functions);
    copy_env(script, how->env);
    script->arrays = shared_arrays_new();
    script->shard = shard_new(&shard);
    err = first_run(script, d);
    if (err < 0) {
        script_free(script);
        return err;
    }
    list_builtins(script);
    files_freeze(script->files);
    script->frozen = true;
    *out = script;
    return 0;
}

static void free_module(void *value)
{
    struct module *module = value;

    mem_free(module->url);
    mem_free(module->code);
    source_map_free(module->map);
    mem_free(module);
}

void script_free(struct script *script)
{
    if (!script)
        return;
    shared_arrays_free(script->arrays);
    map_deinit_with(&script->env, mem_free);
    map_deinit_with(&script->modules, free_module);
    secrets_free(script->secrets);
    map_deinit_with(&script->protos, protos_free);
    map_deinit(&script->builtins);
    map_deinit(&script->functions);
    mem_free(script->packed);
    mem_free(script->pack);
    mem_free(script->builtin_names);
    mem_free(script->options_json);
    shard_free(script->shard);
    files_free(script->files);
    mem_free(script->url);
    mem_free(script);
}

/* --- what others ask ---------------------------------------------------------------------- */

const char *script_url(const struct script *script)
{
    return script->url;
}

struct files *script_files(const struct script *script)
{
    return script->files;
}

const char *script_options_json(const struct script *script)
{
    return script->options_json;
}

bool script_has_function(const struct script *script, struct str name)
{
    return map_has(&script->functions, name);
}

bool script_has_any_function(const struct script *script)
{
    return script->functions.count > 0;
}

const struct metric_registry *script_metrics(const struct script *script)
{
    return shard_registry(script->shard);
}

const char *const *script_builtins(const struct script *script)
{
    return script->builtin_names;
}
