/* The globals require() and open(), and what they look up: who is calling. */
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "script/loader.h"

enum { MAX_FRAMES = 200 };

/* --- who calls ---------------------------------------------------------------------------- */

/* URL of the function `level` frames up; empty for native ones and past the end. Heap or NULL. */
static char *frame_url(JSContext *ctx, int level)
{
    JSAtom atom = JS_GetScriptOrModuleName(ctx, level);
    const char *text;
    char *url;

    if (atom == JS_ATOM_NULL)
        return NULL;
    text = JS_AtomToCString(ctx, atom);
    url = mem_strdup(text);
    JS_FreeCString(ctx, text);
    JS_FreeAtom(ctx, atom);
    return url;
}

/* The module that contains the call: the innermost JavaScript frame. */
static char *caller_url(struct vu *vu)
{
    for (int level = 1; level < MAX_FRAMES; level++) {
        char *url = frame_url(vu->ctx, level);

        if (url)
            return url;
    }
    return mem_strdup(vu->worker->script->url);
}

/* The module that is being evaluated, which k6 resolves open()'s paths against: the outermost
 * frame, or the CommonJS file that runs. */
static char *evaluated_url(struct vu *vu)
{
    struct vu_loader *loader = vu->_private->loader;
    char *outermost = NULL;
    int missing = 0;

    if (loader->in_required_es) /* the frames of who required it lie below */
        return caller_url(vu);
    if (loader->running)
        return mem_strdup(loader->running->url);
    for (int level = 1; level < MAX_FRAMES && missing < 8; level++) {
        char *url = frame_url(vu->ctx, level);

        missing = url ? 0 : missing + 1;
        if (!url)
            continue;
        mem_free(outermost);
        outermost = url;
    }
    return outermost ? outermost : mem_strdup(vu->worker->script->url);
}

/* --- errors of imports -------------------------------------------------------------------- */

static bool has_place(JSContext *ctx, JSValueConst error)
{
    JSValue stack = JS_GetPropertyStr(ctx, error, "stack");
    char *text = JS_IsString(stack) ? host_strdup(ctx, stack) : NULL;
    bool has = text && strstr(text, "://");

    JS_FreeValue(ctx, stack);
    mem_free(text);
    return has;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$';
}

/* Line and column of the specifier in quotes. */
static bool find_import(const struct file *file, const char *specifier, int *line, int *column)
{
    struct str text = str_from(file->data, file->len);

    for (int q = 0; q < 2; q++) {
        char *quoted = mem_printf("%c%s%c", "'\""[q], specifier, "'\""[q]);
        ptrdiff_t at = str_find_str(text, str_of(quoted));

        mem_free(quoted);
        if (at < 0)
            continue;
        *line = 1;
        *column = 1;
        for (ptrdiff_t i = 0; i < at; i++) {
            *column = text.ptr[i] == '\n' ? 1 : *column + 1;
            *line += text.ptr[i] == '\n';
        }
        return true;
    }
    return false;
}

static void set_place(JSContext *ctx, JSValueConst error, const char *url, int line, int column)
{
    char *stack = mem_printf("    at %s:%d:%d\n", url, line, column);

    JS_DefinePropertyValueStr(ctx, error, "stack", JS_NewString(ctx, stack),
                              JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE);
    mem_free(stack);
}

void loader_blame(struct vu *vu, const char *base, const char *specifier)
{
    JSContext *ctx = vu->ctx;
    JSValue error = JS_GetException(ctx);
    const struct file *file;
    int line;
    int column;

    if (JS_IsError(ctx, error) && !has_place(ctx, error) &&
        files_get(vu->worker->script->files, str_of(base), true, &file, NULL) == 0 &&
        find_import(file, specifier, &line, &column))
        set_place(ctx, error, base, line, column);
    JS_Throw(ctx, error);
}

/* Where an import declaration of `file` names `name`. */
static bool find_imported(const struct file *file, struct str name, int *line, int *column)
{
    struct str text = str_from(file->data, file->len);
    bool in_import = false;

    *line = 1;
    *column = 1;
    for (size_t i = 0; i < text.len; i++) {
        struct str rest = str_from_index(text, i);
        bool starts_word = i == 0 || !is_word(text.ptr[i - 1]);

        if (starts_word && str_starts_with(rest, STR("import")))
            in_import = true;
        else if (starts_word && str_starts_with(rest, STR("from")))
            in_import = false;
        else if (in_import && starts_word && str_starts_with(rest, name) &&
                 (rest.len == name.len || !is_word(rest.ptr[name.len])))
            return true;
        *column = text.ptr[i] == '\n' ? 1 : *column + 1;
        *line += text.ptr[i] == '\n';
    }
    return false;
}

/* The name in "Could not find export 'x' in module 'y'". */
static char *missing_export(JSContext *ctx, JSValueConst error)
{
    JSValue message = JS_GetPropertyStr(ctx, error, "message");
    char *text = JS_IsString(message) ? host_strdup(ctx, message) : NULL;
    struct str rest = str_of(text);
    char *name = NULL;

    if (text && str_starts_with(rest, STR("Could not find export '"))) {
        str_cut(&rest, '\'');
        name = str_dup(str_cut(&rest, '\''));
    }
    JS_FreeValue(ctx, message);
    mem_free(text);
    return name;
}

void loader_blame_link(struct vu *vu)
{
    JSContext *ctx = vu->ctx;
    struct script *script = vu->worker->script;
    JSValue error = JS_GetException(ctx);
    char *name =
        JS_IsError(ctx, error) && !has_place(ctx, error) ? missing_export(ctx, error) : NULL;
    const struct file *file;
    int line;
    int column;

    for (struct map_entry *e = name ? map_first(&script->modules) : NULL; e;
         e = map_next(&script->modules, e)) {
        const struct module *module = e->value;

        if (module->kind == MODULE_ESM &&
            files_get(script->files, str_of(module->url), true, &file, NULL) == 0 &&
            find_imported(file, str_of(name), &line, &column)) {
            set_place(ctx, error, module->url, line, column);
            break;
        }
    }
    mem_free(name);
    JS_Throw(ctx, error);
}

void loader_note_builtin(struct script *script, const struct host_module *module)
{
    union {
        const void *in;
        void *out;
    } value = {module};

    if (!script->frozen)
        map_set(&script->builtins, str_of(module->name), value.out);
}

/* --- require() ---------------------------------------------------------------------------- */

static JSValue js_require(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct vu *vu = vu_of(ctx);
    JSValue result = JS_EXCEPTION;
    char *specifier;
    char *base;
    char *url;

    (void)this_val;
    if (host_need_init(ctx, "require()") < 0)
        return JS_EXCEPTION;
    if (!JS_IsString(host_arg(argc, argv, 0)))
        return JS_ThrowTypeError(ctx, "require() needs the name of a module");
    specifier = host_strdup(ctx, argv[0]);
    if (!specifier)
        return JS_EXCEPTION;
    base = caller_url(vu);
    url = loader_resolve(ctx, str_of(base), str_of(specifier));
    if (url)
        result = loader_require(vu, str_of(url));
    mem_free(url);
    mem_free(base);
    mem_free(specifier);
    return result;
}

/* --- open() ------------------------------------------------------------------------------- */

/* k6 resolves against the module that is being evaluated, and warns where that is not the one that
 * holds the call. */
static char *open_url(struct vu *vu, struct str path)
{
    char *base = evaluated_url(vu);
    char *caller = caller_url(vu);
    char *url = files_resolve(str_of(base), path);
    char *other = files_resolve(str_of(caller), path);

    if (strcmp(url, other) != 0 && !vu->worker->script->frozen)
        log_printf(LOG_WARN,
                   "open(\"%.*s\") in %s is relative to %s, which is being evaluated; use "
                   "import.meta.resolve() to be independent of that",
                   STR_ARG(path), caller, base);
    mem_free(other);
    mem_free(caller);
    mem_free(base);
    return url;
}

const struct file *loader_open(struct vu *vu, struct str path)
{
    char *url = open_url(vu, path);
    const struct file *file = NULL;
    struct diag d = DIAG_INIT;

    if (files_get(vu->worker->script->files, str_of(url), false, &file, &d) < 0) {
        host_throw(vu->ctx, "open(\"%.*s\"): %s", STR_ARG(path), d.message);
        file = NULL;
    }
    diag_deinit(&d);
    mem_free(url);
    return file;
}

static JSValue open_file(struct vu *vu, struct str path, bool binary)
{
    const struct file *file = loader_open(vu, path);

    if (!file)
        return JS_EXCEPTION;
    if (binary)
        return host_array_buffer(vu->ctx, str_from(file->data, file->len));
    return host_string(vu->ctx, str_from(file->data, file->len));
}

static JSValue js_open(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    char *path;
    char *mode;
    JSValue result;

    (void)this_val;
    if (host_need_init(ctx, "open()") < 0)
        return JS_EXCEPTION;
    if (!JS_IsString(host_arg(argc, argv, 0)))
        return JS_ThrowTypeError(ctx, "open() needs the path of a file");
    path = host_strdup(ctx, argv[0]);
    mode = path && JS_IsString(host_arg(argc, argv, 1)) ? host_strdup(ctx, argv[1]) : NULL;
    if (!path || JS_HasException(ctx))
        result = JS_EXCEPTION;
    else if (!*path)
        result = host_throw(ctx, "open() can't be used with an empty path");
    else
        result = open_file(vu_of(ctx), str_of(path), mode && strchr(mode, 'b'));
    mem_free(mode);
    mem_free(path);
    return result;
}

int loader_globals(JSContext *ctx, JSValueConst global)
{
    static const JSCFunctionListEntry functions[] = {
        JS_CFUNC_DEF("require", 1, js_require),
        JS_CFUNC_DEF("open", 2, js_open),
    };

    JS_SetPropertyFunctionList(ctx, global, functions, COUNT_OF(functions));
    return 0;
}
