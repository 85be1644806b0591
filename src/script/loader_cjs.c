/* CommonJS: evaluating files, importing them from ES modules, require(). */
#include "base/mem.h"
#include "script/loader.h"

/* --- evaluating --------------------------------------------------------------------------- */

struct cjs_module *loader_find_cjs(struct vu_loader *loader, struct str url)
{
    for (size_t i = 0; i < loader->cjs_count; i++) {
        if (str_eq(str_of(loader->cjs[i]->url), url))
            return loader->cjs[i];
    }
    return NULL;
}

static struct cjs_module *add_cjs(struct vu_loader *loader, struct str url, JSValue object)
{
    struct cjs_module *cjs = mem_zalloc(sizeof(*cjs));

    cjs->url = str_dup(url);
    cjs->module = object;
    loader->cjs = mem_reallocarray(loader->cjs, loader->cjs_count + 1, sizeof(struct cjs_module *));
    loader->cjs[loader->cjs_count++] = cjs;
    return cjs;
}

static void forget_cjs(struct vu *vu, struct cjs_module *cjs)
{
    struct vu_loader *loader = vu->_private->loader;

    for (size_t i = 0; i < loader->cjs_count; i++) {
        if (loader->cjs[i] == cjs)
            loader->cjs[i] = loader->cjs[--loader->cjs_count];
    }
    JS_FreeValue(vu->ctx, cjs->module);
    mem_free(cjs->url);
    mem_free(cjs);
}

/* Runs the wrapper function of a file. -1: exception. */
static int run_cjs(struct vu *vu, struct cjs_module *cjs, JSValue code)
{
    JSContext *ctx = vu->ctx;
    struct vu_loader *loader = vu->_private->loader;
    struct cjs_module *outer = loader->running;
    JSValue global = JS_GetGlobalObject(ctx);
    JSValue wrapper = JS_EvalFunction(ctx, code);
    JSValue args[3];
    JSValue result;

    args[0] = JS_GetPropertyStr(ctx, cjs->module, "exports");
    args[1] = JS_GetPropertyStr(ctx, global, "require");
    args[2] = JS_DupValue(ctx, cjs->module);
    loader->running = cjs;
    result = JS_IsException(wrapper) ? JS_EXCEPTION : JS_Call(ctx, wrapper, args[0], 3, args);
    loader->running = outer;
    for (int i = 0; i < 3; i++)
        JS_FreeValue(ctx, args[i]);
    JS_FreeValue(ctx, wrapper);
    JS_FreeValue(ctx, global);
    JS_FreeValue(ctx, result);
    return JS_IsException(result) ? -1 : 0;
}

struct cjs_module *loader_load_cjs(struct vu *vu, const struct module *module, JSValue code)
{
    JSContext *ctx = vu->ctx;
    struct vu_loader *loader = vu->_private->loader;
    struct cjs_module *cjs = loader_find_cjs(loader, str_of(module->url));
    const struct file *file;
    JSValue exports;

    if (cjs) {
        JS_FreeValue(ctx, code);
        return cjs;
    }
    cjs = add_cjs(loader, str_of(module->url), JS_NewObject(ctx));
    if (module->kind == MODULE_JSON) {
        if (files_get(vu->worker->script->files, str_of(module->url), true, &file, NULL) < 0)
            return NULL;
        exports = JS_ParseJSON(ctx, file->data, file->len, file->url);
        return host_set(ctx, cjs->module, "exports", exports) < 0 ? NULL : cjs;
    }
    if (host_set(ctx, cjs->module, "exports", JS_NewObject(ctx)) < 0) {
        JS_FreeValue(ctx, code);
        return NULL;
    }
    if (run_cjs(vu, cjs, code) == 0)
        return cjs;
    forget_cjs(vu, cjs); /* the next require() throws again */
    return NULL;
}

/* --- import ------------------------------------------------------------------------------- */

/* What `import x from './cjs.js'` gives: exports.default if there is one, else all of exports. */
static JSValue cjs_default(JSContext *ctx, JSValueConst exports)
{
    JSValue v = JS_IsObject(exports) ? JS_GetPropertyStr(ctx, exports, "default") : JS_UNDEFINED;

    return JS_IsUndefined(v) ? JS_DupValue(ctx, exports) : v;
}

static int export_key(JSContext *ctx, struct str key, JSValueConst value, void *arg)
{
    char *name;
    int err;

    if (str_eq_c(key, "default"))
        return 0;
    name = str_dup(key);
    err = JS_SetModuleExport(ctx, arg, name, JS_DupValue(ctx, value));
    mem_free(name);
    return err;
}

static int init_cjs_import(JSContext *ctx, JSModuleDef *m)
{
    JSAtom atom = JS_GetModuleName(ctx, m);
    const char *url = JS_AtomToCString(ctx, atom);
    struct cjs_module *cjs = loader_find_cjs(vu_of(ctx)->_private->loader, str_of(url));
    JSValue exports = JS_GetPropertyStr(ctx, cjs->module, "exports");
    int err = JS_SetModuleExport(ctx, m, "default", cjs_default(ctx, exports));

    if (err == 0 && JS_IsObject(exports))
        err = host_each(ctx, exports, export_key, m);
    JS_FreeValue(ctx, exports);
    JS_FreeCString(ctx, url);
    JS_FreeAtom(ctx, atom);
    return err;
}

static int declare_key(JSContext *ctx, struct str key, JSValueConst value, void *arg)
{
    char *name = str_dup(key);
    int err = str_eq_c(key, "default") ? 0 : JS_AddModuleExport(ctx, arg, name);

    (void)value;
    mem_free(name);
    return err;
}

JSModuleDef *loader_import_cjs(struct vu *vu, const struct module *module, JSValue code)
{
    JSContext *ctx = vu->ctx;
    struct cjs_module *cjs = loader_load_cjs(vu, module, code);
    JSModuleDef *m;
    JSValue exports;
    int err = 0;

    if (!cjs)
        return NULL;
    exports = JS_GetPropertyStr(ctx, cjs->module, "exports");
    if (JS_IsNull(exports)) {
        host_throw(ctx, "%s: module.exports is null", module->url);
        return NULL;
    }
    m = JS_NewCModule(ctx, module->url, init_cjs_import);
    if (m && JS_AddModuleExport(ctx, m, "default") == 0 && JS_IsObject(exports))
        err = host_each(ctx, exports, declare_key, m);
    JS_FreeValue(ctx, exports);
    return err < 0 ? NULL : m;
}

/* --- require ------------------------------------------------------------------------------ */

/* A namespace as a plain object, marked as CommonJS code that was once ES code marks itself. */
static int copy_key(JSContext *ctx, struct str key, JSValueConst value, void *arg)
{
    return host_set_key(ctx, *(JSValue *)arg, key, JS_DupValue(ctx, value));
}

static JSValue es_exports(JSContext *ctx, JSValueConst ns)
{
    JSValue object = JS_NewObject(ctx);

    if (host_each(ctx, ns, copy_key, &object) < 0 ||
        JS_DefinePropertyValueStr(ctx, object, "__esModule", JS_TRUE, 0) < 0) {
        JS_FreeValue(ctx, object);
        return JS_EXCEPTION;
    }
    return object;
}

static JSValue require_builtin(struct vu *vu, const struct host_module *module)
{
    JSContext *ctx = vu->ctx;
    struct vu_loader *loader = vu->_private->loader;
    struct cjs_module *cjs = loader_find_cjs(loader, str_of(module->name));
    JSValue ns;
    JSValue object;

    if (cjs)
        return JS_DupValue(ctx, cjs->module);
    loader_note_builtin(vu->worker->script, module);
    ns = host_module_namespace(ctx, module);
    if (JS_IsException(ns))
        return ns;
    object = es_exports(ctx, ns);
    if (JS_IsException(object) || host_set(ctx, object, "default", ns) < 0)
        return JS_EXCEPTION;
    add_cjs(loader, str_of(module->name), JS_DupValue(ctx, object));
    return object;
}

/* The reason of a module's rejected promise, thrown. */
static JSValue throw_rejected(struct vu *vu, JSValue promise)
{
    JSValue reason = JS_PromiseResult(vu->ctx, promise);

    vu_forgive(vu, promise);
    JS_FreeValue(vu->ctx, promise);
    return JS_Throw(vu->ctx, reason);
}

static JSValue eval_required(struct vu *vu, const struct module *module, JSValue code)
{
    JSContext *ctx = vu->ctx;
    JSModuleDef *m = JS_VALUE_GET_PTR(code);
    JSValue promise;
    JSValue ns;
    JSValue object;

    if (!vu->worker->script->frozen && module->uses_meta &&
        loader_set_meta(ctx, code, module->url) < 0)
        return JS_EXCEPTION;
    if (JS_ResolveModule(ctx, code) < 0)
        return JS_EXCEPTION;
    promise = JS_EvalFunction(ctx, JS_DupValue(ctx, code));
    if (JS_IsException(promise))
        return promise;
    if (JS_PromiseState(ctx, promise) == JS_PROMISE_REJECTED)
        return throw_rejected(vu, promise);
    JS_FreeValue(ctx, promise);
    ns = JS_GetModuleNamespace(ctx, m);
    object = JS_IsException(ns) ? ns : es_exports(ctx, ns);
    JS_FreeValue(ctx, ns);
    return object;
}

/* An ES module by require(): evaluated at once. Not from within the evaluation of ES modules: it
 * might be one of them. */
static JSValue require_esm(struct vu *vu, const struct module *module, JSValue code)
{
    struct vu_loader *loader = vu->_private->loader;
    struct cjs_module *cjs = loader_find_cjs(loader, str_of(module->url));
    JSValue object;

    if (cjs) {
        JS_FreeValue(vu->ctx, code);
        return JS_DupValue(vu->ctx, cjs->module);
    }
    if (loader->in_es > 0) {
        JS_FreeValue(vu->ctx, code);
        return host_throw(vu->ctx,
                          "%s is an ES module: import it (require() of one works only in scripts "
                          "that are CommonJS all through)",
                          module->url);
    }
    loader->in_es++;
    loader->in_required_es = true;
    object = eval_required(vu, module, code);
    loader->in_required_es = false;
    loader->in_es--;
    JS_FreeValue(vu->ctx, code);
    if (!JS_IsException(object))
        add_cjs(loader, str_of(module->url), JS_DupValue(vu->ctx, object));
    return object;
}

JSValue loader_require(struct vu *vu, struct str url)
{
    JSContext *ctx = vu->ctx;
    const struct host_module *builtin = host_module_find(url);
    struct cjs_module *cjs;
    struct module *module;
    JSValue code;
    JSValue exports;

    if (builtin)
        return require_builtin(vu, builtin);
    module = loader_find_module(vu, url, &code);
    if (!module)
        return JS_EXCEPTION;
    if (module->kind == MODULE_ESM)
        return require_esm(vu, module, code);
    cjs = loader_load_cjs(vu, module, code);
    if (!cjs)
        return JS_EXCEPTION;
    exports = JS_GetPropertyStr(ctx, cjs->module, "exports");
    if (!JS_IsNull(exports))
        return exports;
    return host_throw(ctx, "%s: module.exports is null", module->url);
}
