/* Files to bytecode: once per process.
 *
 * ES module or CommonJS? A file without import, export and top-level await is CommonJS, whatever
 * its name. Whether it has one only a parser knows: so it is first compiled as the body of a
 * function, which all three make a syntax error, then as a module.
 *
 * After the first run of the init context the bytecode of all files goes into one block, the pack.
 * QuickJS can use code right where it lies, without a copy per runtime, when the runtime gives its
 * atoms the same numbers as the block has; it does in a runtime that has made none yet. */
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "script/internal.h"
#include "script/source_map.h"
#include "script/typescript.h"

static const char cjs_prefix[] = "(function(exports,require,module){";
static const char cjs_suffix[] = "\n})";
const size_t loader_cjs_prefix_len = sizeof(cjs_prefix) - 1;

enum {
    COMPILE_MODULE = JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY,
    COMPILE_FUNCTION = JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_STRICT | JS_EVAL_FLAG_COMPILE_ONLY,
};

static JSValue compile_cjs(JSContext *ctx, const struct file *file)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    size_t body;
    JSValue code;

    buf_append(&text, cjs_prefix, sizeof(cjs_prefix) - 1);
    body = text.len;
    buf_append(&text, file->data, file->len);
    if (file->len >= 2 && memcmp(file->data, "#!", 2) == 0)
        memcpy(text.data + body, "//", 2);
    buf_append_c(&text, cjs_suffix);
    code = JS_Eval(ctx, text.data, text.len, file->url, COMPILE_FUNCTION);
    buf_deinit(&text);
    return code;
}

static bool says(const struct file *file, const char *word)
{
    return str_find_str(str_from(file->data, file->len), str_of(word)) >= 0;
}

/* --- what is compiled --------------------------------------------------------------------- */

/* A file's text as QuickJS gets it. */
struct text {
    struct file file; /* with the text's data in place of the file's own */
    char *owned;      /* NULL: it is the file's own */
};

/* The exception of a file that esbuild did not take, with its place. */
static int throw_transpile(JSContext *ctx, const struct file *file, int err, struct diag *d)
{
    JSValue error;
    char *stack;

    if (err == ERR_SYNTAX)
        JS_ThrowSyntaxError(ctx, "%s", d->message);
    else
        JS_ThrowReferenceError(ctx, "%s", d->message);
    if (d->line > 0) {
        error = JS_GetException(ctx);
        stack = mem_printf("    at %s:%d:%d\n", file->url, d->line, d->column);
        JS_SetPropertyStr(ctx, error, "stack", JS_NewString(ctx, stack));
        mem_free(stack);
        JS_Throw(ctx, error);
    }
    diag_deinit(d);
    return -1;
}

static int transpile(JSContext *ctx, const struct file *file, struct text *out)
{
    struct diag d = DIAG_INIT;
    char *path = str_dup(files_path(str_of(file->url)));
    int err =
        typescript_compile(path, str_from(file->data, file->len), &out->owned, &out->file.len, &d);

    mem_free(path);
    if (err)
        return throw_transpile(ctx, file, err, &d);
    out->file.data = out->owned;
    return 0;
}

/* Bundlers write the map into the file or beside it. A map that can't be read is done without.
 * Every VU loads the script: the first one speaks. */
static void say_no_map(const struct text *text, struct str url)
{
    static struct log_limit limit;

    log_limited(&limit, LOG_WARN,
                "couldn't read the source map %.*s of %s: errors show its own lines",
                (int)(url.len < 200 ? url.len : 200), url.ptr, text->file.url);
}

static void read_map(struct script *script, struct module *module, const struct text *text)
{
    struct str base = str_of(text->file.url);
    struct str url = source_map_url(str_from(text->file.data, text->file.len));
    const struct file *file;
    char *beside;

    if (url.len == 0)
        return;
    module->map = source_map_of_data_url(url, base);
    if (files_is_remote(base)) /* not worth a request */
        return;
    if (!module->map && str_find(url, ':') < 0) {
        beside = files_resolve(base, url);
        if (files_get(script->files, str_of(beside), false, &file, NULL) == 0)
            module->map = source_map_parse(str_from(file->data, file->len), base);
        mem_free(beside);
    }
    if (!module->map)
        say_no_map(text, url);
}

static int make_text(struct vu *vu, struct module *module, const struct file *file,
                     struct text *out)
{
    *out = (struct text){.file = *file};
    if (typescript_is_name(files_name(str_of(file->url))) && transpile(vu->ctx, file, out) < 0)
        return -1;
    read_map(vu->worker->script, module, out);
    return 0;
}

static int keep_code(JSContext *ctx, struct module *module, JSValueConst code)
{
    size_t len;
    uint8_t *bytes = JS_WriteObject(ctx, &len, code, JS_WRITE_OBJ_BYTECODE);

    if (!bytes)
        return -1;
    module->code = mem_dup(bytes, len);
    module->code_len = len;
    js_free(ctx, bytes);
    return 0;
}

static JSValue compile_text(JSContext *ctx, struct module *module, const struct file *file)
{
    JSValue code;

    module->kind = MODULE_CJS;
    code = compile_cjs(ctx, file);
    if (JS_IsException(code)) {
        JS_FreeValue(ctx, JS_GetException(ctx));
        module->kind = MODULE_ESM;
        module->uses_meta = says(file, "import.meta");
        code = JS_Eval(ctx, file->data, file->len, file->url, COMPILE_MODULE);
    }
    if (!JS_IsException(code) && keep_code(ctx, module, code) < 0) {
        JS_FreeValue(ctx, code);
        return JS_EXCEPTION;
    }
    return code;
}

/* Standard input has no name to tell its language by: what is no JavaScript may be TypeScript. When
 * it is not that either, the first error stays. */
static JSValue compile_stdin_again(struct vu *vu, struct module *module, const struct file *file)
{
    struct diag d = DIAG_INIT;
    struct text text = {.file = *file};
    JSValue error = JS_GetException(vu->ctx);
    JSValue code;

    if (typescript_compile("-", str_from(file->data, file->len), &text.owned, &text.file.len, &d)) {
        diag_deinit(&d);
        return JS_Throw(vu->ctx, error);
    }
    JS_FreeValue(vu->ctx, error);
    text.file.data = text.owned;
    read_map(vu->worker->script, module, &text);
    code = compile_text(vu->ctx, module, &text.file);
    mem_free(text.owned);
    return code;
}

JSValue loader_compile(struct vu *vu, struct module *module, const struct file *file)
{
    struct text text;
    JSValue code;

    if (str_ends_with(files_name(str_of(file->url)), STR(".json"))) {
        module->kind = MODULE_JSON;
        return JS_UNDEFINED;
    }
    if (make_text(vu, module, file, &text) < 0)
        return JS_EXCEPTION;
    code = compile_text(vu->ctx, module, &text.file);
    mem_free(text.owned);
    if (JS_IsException(code) && str_ends_with(str_of(file->url), STR("/-")))
        code = compile_stdin_again(vu, module, file);
    return code;
}

/* --- import.meta -------------------------------------------------------------------------- */

static JSValue meta_resolve(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                            int magic, JSValue *data)
{
    char *base = host_strdup(ctx, data[0]);
    char *specifier = base ? host_strdup(ctx, host_arg(argc, argv, 0)) : NULL;
    JSValue result = JS_EXCEPTION;
    char *url;

    (void)this_val;
    (void)magic;
    if (specifier) {
        url = files_resolve(str_of(base), str_of(specifier));
        result = JS_NewString(ctx, url);
        mem_free(url);
    }
    mem_free(specifier);
    mem_free(base);
    return result;
}

int loader_set_meta(JSContext *ctx, JSValueConst module, const char *url)
{
    JSValue meta = JS_GetImportMeta(ctx, JS_VALUE_GET_PTR(module));
    JSValue base = JS_NewString(ctx, url);
    JSValue resolve = JS_NewCFunctionData(ctx, meta_resolve, 1, 0, 1, &base);
    int err = -1;

    if (!JS_IsException(meta) && !JS_IsException(resolve))
        err = host_set(ctx, meta, "resolve", resolve);
    JS_FreeValue(ctx, base);
    JS_FreeValue(ctx, meta);
    return err;
}

/* --- the pack ----------------------------------------------------------------------------- */

static int pack_modules(struct script *script, JSContext *ctx)
{
    JSValue all = JS_NewArray(ctx);
    uint8_t *bytes = NULL;
    size_t len;

    for (struct map_entry *e = map_first(&script->modules); e; e = map_next(&script->modules, e)) {
        struct module *module = e->value;
        JSValue code;

        if (module->kind == MODULE_JSON)
            continue;
        code = JS_ReadObject(ctx, module->code, module->code_len, JS_READ_OBJ_BYTECODE);
        if (JS_IsException(code))
            goto out;
        module->index = script->packed_count;
        script->packed =
            mem_reallocarray(script->packed, script->packed_count + 1, sizeof(script->packed[0]));
        script->packed[script->packed_count++] = module;
        JS_DefinePropertyValueUint32(ctx, all, module->index, code, JS_PROP_C_W_E);
    }
    bytes = JS_WriteObject(ctx, &len, all, JS_WRITE_OBJ_BYTECODE);
    if (bytes) {
        script->pack = mem_dup(bytes, len);
        script->pack_len = len;
        js_free(ctx, bytes);
    }
out:
    JS_FreeValue(ctx, all);
    return script->pack ? 0 : -1;
}

int loader_make_pack(struct script *script, struct vu_heap *heap, struct diag *d)
{
    struct heap_account account = {.heap = heap};
    JSRuntime *rt = JS_NewRuntime2(&heap_functions, &account);
    JSContext *ctx = rt ? JS_NewContextRaw(rt) : NULL;
    int err = -1;

    if (ctx)
        err = pack_modules(script, ctx);
    if (ctx)
        JS_FreeContext(ctx);
    if (rt)
        JS_FreeRuntime(rt);
    for (uint32_t i = 0; i < script->packed_count; i++) {
        mem_free(script->packed[i]->code);
        script->packed[i]->code = NULL;
    }
    return err < 0 ? diag_set(d, ERR_INVALID, "the script's bytecode could not be packed") : 0;
}
