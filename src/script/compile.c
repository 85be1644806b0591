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
#include "base/mem.h"
#include "script/internal.h"

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

/* A hint where the reason of a syntax error is plain. */
static void explain(JSContext *ctx, const struct file *file)
{
    JSValue error = JS_GetException(ctx);
    JSValue message = JS_GetPropertyStr(ctx, error, "message");
    char *text = NULL;
    char *longer;

    if (str_ends_with(str_of(file->url), STR(".ts")) && JS_IsString(message))
        text = host_strdup(ctx, message);
    if (text) {
        longer = mem_printf("%s (TypeScript is not supported yet: transpile it first)", text);
        JS_SetPropertyStr(ctx, error, "message", JS_NewString(ctx, longer));
        mem_free(longer);
        mem_free(text);
    }
    JS_FreeValue(ctx, message);
    JS_Throw(ctx, error);
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

JSValue loader_compile(struct vu *vu, struct module *module, const struct file *file)
{
    JSContext *ctx = vu->ctx;
    JSValue code;

    if (str_ends_with(str_of(file->url), STR(".json"))) {
        module->kind = MODULE_JSON;
        return JS_UNDEFINED;
    }
    module->kind = MODULE_CJS;
    code = compile_cjs(ctx, file);
    if (JS_IsException(code)) {
        JS_FreeValue(ctx, JS_GetException(ctx));
        module->kind = MODULE_ESM;
        module->uses_meta = says(file, "import.meta");
        code = JS_Eval(ctx, file->data, file->len, file->url, COMPILE_MODULE);
    }
    if (JS_IsException(code)) {
        explain(ctx, file);
        return code;
    }
    if (keep_code(ctx, module, code) < 0) {
        JS_FreeValue(ctx, code);
        return JS_EXCEPTION;
    }
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
