/* What `import`, `require` and `open` find, in the first VU (which reads and compiles) and in all
 * later ones (which find everything in the script, frozen). */
#include "script/internal.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "script/loader.h"
#include "script/source_map.h"

/* --- specifiers --------------------------------------------------------------------------- */

static bool is_path(struct str s)
{
    return str_starts_with(s, STR("./")) || str_starts_with(s, STR("../")) ||
           str_starts_with(s, STR("/")) || str_starts_with(s, STR("file://")) || files_is_remote(s);
}

static bool is_k6(struct str s)
{
    return str_eq_c(s, "k6") || str_starts_with(s, STR("k6/"));
}

/* Modules of k6 that gale has not, each with what serves instead. */
static const struct missing {
    const char *name;
    const char *why;
    const char *instead;
} missing[] = {
#define MISSING(name, why, instead) {name, why, instead},
#include "script/missing.def"
#undef MISSING
};

static const struct missing *missing_find(struct str s)
{
    for (size_t i = 0; i < COUNT_OF(missing); i++) {
        struct str name = str_of(missing[i].name);
        bool is_folder = str_ends_with(name, STR("/"));

        if (is_folder ? str_starts_with(s, name) : str_eq(s, name))
            return &missing[i];
    }
    return NULL;
}

static void refuse(JSContext *ctx, struct str s)
{
    const struct missing *known = missing_find(s);

    if (known)
        host_throw_reference(ctx, "unknown module \"%.*s\": %s; what serves instead: %s",
                             STR_ARG(s), known->why, known->instead);
    else if (is_k6(s))
        host_throw_reference(ctx, "unknown module \"%.*s\"", STR_ARG(s));
    else
        host_throw_reference(ctx,
                             "unknown module \"%.*s\": a module is one of k6's, a path that "
                             "begins with ./, ../, / or file://, or an https:// URL; bundle npm "
                             "packages first",
                             STR_ARG(s));
}

char *loader_resolve(JSContext *ctx, struct str base, struct str specifier)
{
    if (is_k6(specifier) && host_module_find(specifier))
        return mem_strndup(specifier.ptr, specifier.len);
    if (files_is_remote(base) && str_starts_with(specifier, STR("file://"))) {
        host_throw_reference(ctx, "%.*s: a module of the network can't import \"%.*s\"",
                             STR_ARG(base), STR_ARG(specifier));
        return NULL;
    }
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
    const char *hint = script->frozen || files_is_remote(url) ? NULL : extension_hint(script, url);

    if (hint)
        host_throw_reference(ctx, "can't load module: %s (did you mean \"%.*s%s\"?)", d->message,
                             STR_ARG(files_path(url)), hint);
    else
        host_throw_reference(ctx, "can't load module: %s", d->message);
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

struct module *loader_find_module(struct vu *vu, struct str url, JSValue *code)
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
    source_map_free(module->map);
    mem_free(module);
    return NULL;
}

/* --- import ------------------------------------------------------------------------------- */

static JSModuleDef *import_file(struct vu *vu, const char *url)
{
    struct module *module;
    JSModuleDef *m;
    JSValue code;

    if (!vu->_private->loader) {
        host_throw(vu->ctx, "%s: modules can only be loaded in the init context", url);
        return NULL;
    }
    module = loader_find_module(vu, str_of(url), &code);
    if (!module)
        return NULL;
    if (module->kind != MODULE_ESM)
        return loader_import_cjs(vu, module, code);
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
    module = loader_find_module(vu, url, &code);
    loader->in_es--;
    if (!module)
        return JS_EXCEPTION;
    if (module->kind == MODULE_JSON)
        return host_throw(vu->ctx, "%s is no script", module->url);
    *is_cjs = module->kind == MODULE_CJS;
    if (*is_cjs)
        return loader_load_cjs(vu, module, code) ? JS_UNDEFINED : JS_EXCEPTION;
    loader->main = code;
    return eval_main_esm(vu, module);
}

JSValue loader_main_exports(struct vu *vu, bool is_cjs)
{
    struct vu_loader *loader = vu->_private->loader;
    struct cjs_module *cjs;

    if (!is_cjs)
        return JS_GetModuleNamespace(vu->ctx, JS_VALUE_GET_PTR(loader->main));
    cjs = loader_find_cjs(loader, str_of(vu->worker->script->url));
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
