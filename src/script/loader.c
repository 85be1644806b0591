/* What `import`, `require` and `open` find, in the first VU (which reads and compiles) and in all
 * later ones (which find everything in the script, frozen). */
#include "script/internal.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "script/loader.h"

/* --- specifiers --------------------------------------------------------------------------- */

static bool is_path(struct str s)
{
    return str_starts_with(s, STR("./")) || str_starts_with(s, STR("../")) ||
           str_starts_with(s, STR("/")) || str_starts_with(s, STR("file://"));
}

static bool is_k6(struct str s)
{
    return str_eq_c(s, "k6") || str_starts_with(s, STR("k6/"));
}

static void refuse(JSContext *ctx, struct str s)
{
    if (str_starts_with(s, STR("k6/x/")))
        JS_ThrowReferenceError(ctx, "unknown module \"%.*s\": gale does not run k6's extensions",
                               STR_ARG(s));
    else if (str_starts_with(s, STR("k6/browser")))
        JS_ThrowReferenceError(ctx, "unknown module \"%.*s\": gale has no browser", STR_ARG(s));
    else if (is_k6(s))
        JS_ThrowReferenceError(ctx, "unknown module \"%.*s\"", STR_ARG(s));
    else if (str_starts_with(s, STR("https://")) || str_starts_with(s, STR("http://")))
        JS_ThrowReferenceError(ctx,
                               "module \"%.*s\": gale can't load modules over the network yet; "
                               "download it and import the file",
                               STR_ARG(s));
    else
        JS_ThrowReferenceError(ctx,
                               "unknown module \"%.*s\": a module is one of k6's, or a path that "
                               "begins with ./, ../, / or file://; bundle npm packages first",
                               STR_ARG(s));
}

char *loader_resolve(JSContext *ctx, struct str base, struct str specifier)
{
    if (is_k6(specifier) && host_module_find(specifier))
        return mem_strndup(specifier.ptr, specifier.len);
    if (is_path(specifier))
        return files_resolve(base, specifier);
    refuse(ctx, specifier);
    return NULL;
}

static char *normalize(JSContext *ctx, const char *base, const char *name, void *opaque)
{
    struct vu_loader *loader = ((struct vu *)opaque)->_private->loader;
    char *url = loader_resolve(ctx, str_of(base), str_of(name));
    char *copy;

    if (!url) {
        loader_blame(opaque, base, name);
        return NULL;
    }
    if (loader) { /* load_for_import follows, and does not hear who asked */
        mem_free(loader->importer);
        mem_free(loader->specifier);
        loader->importer = mem_strdup(base);
        loader->specifier = mem_strdup(name);
    }
    copy = js_strdup(ctx, url);
    mem_free(url);
    return copy;
}

/* --- files -------------------------------------------------------------------------------- */

/* "did you mean ./x.js": an extension is always needed. */
static const char *extension_hint(struct script *script, struct str url)
{
    static const char *const extensions[] = {".js", ".mjs", ".cjs", ".ts", "/index.js"};
    const struct file *file;

    for (size_t i = 0; i < COUNT_OF(extensions); i++) {
        char *other = mem_printf("%.*s%s", STR_ARG(url), extensions[i]);
        int err = files_get(script->files, str_of(other), true, &file, NULL);

        mem_free(other);
        if (err == 0)
            return extensions[i];
    }
    return NULL;
}

static int throw_unreadable(JSContext *ctx, struct str url, const struct diag *d)
{
    struct script *script = vu_of(ctx)->worker->script;
    const char *hint = script->frozen ? NULL : extension_hint(script, url);

    if (hint)
        JS_ThrowReferenceError(ctx, "can't load module: %s (did you mean \"%.*s%s\"?)", d->message,
                               STR_ARG(files_path(url)), hint);
    else
        JS_ThrowReferenceError(ctx, "can't load module: %s", d->message);
    return -1;
}

static struct module *add_module(struct script *script, struct str url)
{
    struct module *module = mem_zalloc(sizeof(*module));

    module->url = str_dup(url);
    map_set(&script->modules, url, module);
    return module;
}

static struct es_module *find_es(struct vu_loader *loader, struct str url)
{
    for (size_t i = 0; i < loader->es_count; i++) {
        if (str_eq(str_of(loader->es[i].url), url))
            return &loader->es[i];
    }
    return NULL;
}

/* The code of a module that was compiled before. */
static JSValue known_code(struct vu *vu, const struct module *module)
{
    struct vu_loader *loader = vu->_private->loader;
    struct es_module *es;

    if (module->kind == MODULE_JSON)
        return JS_UNDEFINED;
    if (vu->worker->script->frozen)
        return JS_GetPropertyUint32(vu->ctx, loader->pack, module->index);
    if (module->kind == MODULE_CJS && module->code)
        return JS_ReadObject(vu->ctx, module->code, module->code_len, JS_READ_OBJ_BYTECODE);
    es = find_es(loader, str_of(module->url));
    if (es)
        return JS_DupValue(vu->ctx, es->module);
    return host_throw(vu->ctx, "%s is still being loaded", module->url);
}

static JSValue new_code(struct vu *vu, struct module *module, const struct file *file)
{
    struct vu_loader *loader = vu->_private->loader;
    JSValue code = loader_compile(vu, module, file);

    if (JS_IsException(code) || module->kind != MODULE_ESM)
        return code;
    loader->es = mem_reallocarray(loader->es, loader->es_count + 1, sizeof(loader->es[0]));
    loader->es[loader->es_count++] = (struct es_module){module->url, JS_DupValue(vu->ctx, code)};
    return code;
}

/* The module of a URL, and its code in this VU. NULL: exception. */
static struct module *find_module(struct vu *vu, struct str url, JSValue *code)
{
    struct script *script = vu->worker->script;
    struct module *module = map_get(&script->modules, url);
    const struct file *file;
    struct diag d = DIAG_INIT;

    *code = JS_UNDEFINED;
    if (module) {
        *code = known_code(vu, module);
        return JS_IsException(*code) ? NULL : module;
    }
    if (files_get(script->files, url, true, &file, &d) < 0) {
        throw_unreadable(vu->ctx, url, &d);
        diag_deinit(&d);
        return NULL;
    }
    if (script->frozen) {
        host_throw(vu->ctx, "module %s was not loaded when the script was first initialised",
                   file->url);
        return NULL;
    }
    module = add_module(script, url);
    *code = new_code(vu, module, file);
    if (!JS_IsException(*code))
        return module;
    map_remove(&script->modules, url);
    mem_free(module->url);
    mem_free(module->code);
    mem_free(module);
    return NULL;
}

/* --- CommonJS ----------------------------------------------------------------------------- */

static struct cjs_module *find_cjs(struct vu_loader *loader, struct str url)
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

/* Evaluates a CommonJS or JSON file once per VU: its `module` object, borrowed. */
static struct cjs_module *load_cjs(struct vu *vu, const struct module *module, JSValue code)
{
    JSContext *ctx = vu->ctx;
    struct vu_loader *loader = vu->_private->loader;
    struct cjs_module *cjs = find_cjs(loader, str_of(module->url));
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
    struct cjs_module *cjs = find_cjs(vu_of(ctx)->_private->loader, str_of(url));
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

/* A CommonJS file as an ES module: evaluated now, because its names must be known for linking. */
static JSModuleDef *import_cjs(struct vu *vu, const struct module *module, JSValue code)
{
    JSContext *ctx = vu->ctx;
    struct cjs_module *cjs = load_cjs(vu, module, code);
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

static JSModuleDef *import_file(struct vu *vu, const char *url)
{
    struct module *module;
    JSModuleDef *m;
    JSValue code;

    if (!vu->_private->loader) {
        host_throw(vu->ctx, "%s: modules can only be loaded in the init context", url);
        return NULL;
    }
    module = find_module(vu, str_of(url), &code);
    if (!module)
        return NULL;
    if (module->kind == MODULE_JSON) {
        host_throw(vu->ctx, "%s: JSON can't be imported; use JSON.parse(open(...))", module->url);
        return NULL;
    }
    if (module->kind == MODULE_CJS)
        return import_cjs(vu, module, code);
    m = JS_VALUE_GET_PTR(code);
    if (module->uses_meta && loader_set_meta(vu->ctx, code, module->url) < 0)
        m = NULL;
    JS_FreeValue(vu->ctx, code); /* the context holds its modules */
    return m;
}

static JSModuleDef *load_for_import(JSContext *ctx, const char *name, void *opaque)
{
    struct vu *vu = opaque;
    struct vu_loader *loader = vu->_private->loader;
    const struct host_module *builtin = host_module_find(str_of(name));
    char *importer;
    char *specifier;
    JSModuleDef *m;

    if (builtin) {
        loader_note_builtin(vu->worker->script, builtin);
        return host_module_load(ctx, builtin);
    }
    importer = loader ? mem_strdup(loader->importer) : NULL;
    specifier = loader ? mem_strdup(loader->specifier) : NULL;
    m = import_file(vu, name);
    if (!m && importer)
        loader_blame(vu, importer, specifier);
    mem_free(importer);
    mem_free(specifier);
    return m;
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
    struct cjs_module *cjs = find_cjs(loader, str_of(module->name));
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
    struct cjs_module *cjs = find_cjs(loader, str_of(module->url));
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
    module = find_module(vu, url, &code);
    if (!module)
        return JS_EXCEPTION;
    if (module->kind == MODULE_ESM)
        return require_esm(vu, module, code);
    cjs = load_cjs(vu, module, code);
    if (!cjs)
        return JS_EXCEPTION;
    exports = JS_GetPropertyStr(ctx, cjs->module, "exports");
    if (!JS_IsNull(exports))
        return exports;
    return host_throw(ctx, "%s: module.exports is null", module->url);
}

/* --- a VU --------------------------------------------------------------------------------- */

void loader_install(struct vu *vu)
{
    struct vu_loader *loader = mem_zalloc(sizeof(*loader));

    loader->pack = JS_UNDEFINED;
    loader->main = JS_UNDEFINED;
    vu->_private->loader = loader;
    JS_SetModuleLoaderFunc(vu->rt, normalize, load_for_import, vu);
}

int loader_read_pack(struct vu *vu)
{
    struct script *script = vu->worker->script;
    JSValue pack;

    if (!script->frozen)
        return 0;
    pack = JS_ReadObject(vu->ctx, script->pack, script->pack_len,
                         JS_READ_OBJ_BYTECODE | JS_READ_OBJ_ROM_DATA);
    if (JS_IsException(pack))
        return -1;
    vu->_private->loader->pack = pack;
    return 0;
}

/* The modules of the pack are in the context already and never come to load_for_import. */
static int set_metas(struct vu *vu)
{
    struct script *script = vu->worker->script;
    int err = 0;

    for (uint32_t i = 0; script->frozen && err == 0 && i < script->packed_count; i++) {
        JSValue code;

        if (!script->packed[i]->uses_meta)
            continue;
        code = JS_GetPropertyUint32(vu->ctx, vu->_private->loader->pack, i);
        err = loader_set_meta(vu->ctx, code, script->packed[i]->url);
        JS_FreeValue(vu->ctx, code);
    }
    return err;
}

static JSValue eval_main_esm(struct vu *vu, const struct module *module)
{
    struct vu_loader *loader = vu->_private->loader;
    JSContext *ctx = vu->ctx;
    JSValue promise;

    loader->in_es++; /* to the end of the init context */
    if (!vu->worker->script->frozen && module->uses_meta &&
        loader_set_meta(ctx, loader->main, module->url) < 0)
        return JS_EXCEPTION;
    if (JS_ResolveModule(ctx, loader->main) < 0)
        return JS_EXCEPTION;
    promise = JS_EvalFunction(ctx, JS_DupValue(ctx, loader->main));
    if (JS_IsException(promise))
        loader_blame_link(vu);
    return promise;
}

JSValue loader_eval_main(struct vu *vu, bool *is_cjs)
{
    struct vu_loader *loader = vu->_private->loader;
    struct str url = str_of(vu->worker->script->url);
    struct module *module;
    JSValue code;

    if (set_metas(vu) < 0)
        return JS_EXCEPTION;
    loader->in_es++; /* compiling a module links what it imports */
    module = find_module(vu, url, &code);
    loader->in_es--;
    if (!module)
        return JS_EXCEPTION;
    if (module->kind == MODULE_JSON)
        return host_throw(vu->ctx, "%s is no script", module->url);
    *is_cjs = module->kind == MODULE_CJS;
    if (*is_cjs)
        return load_cjs(vu, module, code) ? JS_UNDEFINED : JS_EXCEPTION;
    loader->main = code;
    return eval_main_esm(vu, module);
}

JSValue loader_main_exports(struct vu *vu, bool is_cjs)
{
    struct vu_loader *loader = vu->_private->loader;
    struct cjs_module *cjs;

    if (!is_cjs)
        return JS_GetModuleNamespace(vu->ctx, JS_VALUE_GET_PTR(loader->main));
    cjs = find_cjs(loader, str_of(vu->worker->script->url));
    return JS_GetPropertyStr(vu->ctx, cjs->module, "exports");
}

void loader_end(struct vu *vu)
{
    struct vu_loader *loader = vu->_private->loader;

    if (!loader)
        return;
    for (size_t i = 0; i < loader->cjs_count; i++) {
        JS_FreeValue(vu->ctx, loader->cjs[i]->module);
        mem_free(loader->cjs[i]->url);
        mem_free(loader->cjs[i]);
    }
    mem_free(loader->cjs);
    for (size_t i = 0; i < loader->es_count; i++)
        JS_FreeValue(vu->ctx, loader->es[i].module);
    mem_free(loader->es);
    mem_free(loader->importer);
    mem_free(loader->specifier);
    JS_FreeValue(vu->ctx, loader->pack);
    JS_FreeValue(vu->ctx, loader->main);
    mem_free(loader);
    vu->_private->loader = NULL;
}
