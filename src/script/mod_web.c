/* Globals of the web platform, made when one is first named, and k6/experimental/streams. Both are
 * written in JavaScript (js/web.js, js/url.js, js/streams.js). */
#include "script/internal.h"
#include "script/js_part.h"

/* Puts on `object` what `made` (taken) offers and `object` has not. */
static int add_all(JSContext *ctx, JSValueConst object, JSValue made, int flags)
{
    JSPropertyEnum *names = NULL;
    uint32_t count = 0;
    int err = JS_IsException(made) ? -1 : 0;

    if (err == 0)
        err = JS_GetOwnPropertyNames(ctx, &names, &count, made,
                                     JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY);
    for (uint32_t i = 0; i < count; i++) {
        if (err >= 0 && JS_GetOwnProperty(ctx, NULL, object, names[i].atom) == 0)
            err = JS_DefinePropertyValue(ctx, object, names[i].atom,
                                         JS_GetProperty(ctx, made, names[i].atom), flags);
        JS_FreeAtom(ctx, names[i].atom);
    }
    js_free(ctx, names);
    JS_FreeValue(ctx, made);
    return err < 0 ? -1 : 0;
}

int web_add(JSContext *ctx, JSValue made)
{
    JSValue global = JS_GetGlobalObject(ctx);
    int err = add_all(ctx, global, made, JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE);

    JS_FreeValue(ctx, global);
    return err;
}

int web_add_part(JSContext *ctx, const struct js_part *part, JSValueConst native)
{
    return web_add(ctx, js_part_call(ctx, part, native));
}

JSValue web_streams(JSContext *ctx)
{
    struct vu_private *p = vu_of(ctx)->_private;

    if (JS_IsUndefined(p->streams)) {
        JSValue made = js_part_call(ctx, &js_part_streams, JS_UNDEFINED);

        if (JS_IsException(made))
            return made;
        p->streams = made;
    }
    return JS_DupValue(ctx, p->streams);
}

/* --- text --------------------------------------------------------------------------------- */

enum { AS_TEXT, AS_BYTES };

/* Valid UTF-8 as a string or as bytes; undefined when it is none. */
static JSValue utf8(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int as)
{
    struct host_bytes bytes;
    JSValue result = JS_UNDEFINED;
    struct str s;

    (void)this_val;
    if (host_bytes(ctx, host_arg(argc, argv, 0), &bytes) < 0)
        return JS_EXCEPTION;
    s = str_from((const char *)bytes.ptr, bytes.len);
    if (str_is_utf8(s))
        result = as == AS_TEXT ? host_string(ctx, s) : host_uint8_array(ctx, s);
    host_bytes_release(ctx, &bytes);
    return result;
}

static const JSCFunctionListEntry natives[] = {
    JS_CFUNC_MAGIC_DEF("fromUtf8", 1, utf8, AS_TEXT),
    JS_CFUNC_MAGIC_DEF("toUtf8", 1, utf8, AS_BYTES),
};

int web_add_web(JSContext *ctx)
{
    JSValue native = JS_NewObject(ctx);
    int err;

    if (JS_IsException(native))
        return -1;
    JS_SetPropertyFunctionList(ctx, native, natives, COUNT_OF(natives));
    err = web_add_part(ctx, &js_part_web, native);
    JS_FreeValue(ctx, native);
    return err;
}

/* --- streams ------------------------------------------------------------------------------ */

static int init_streams(JSContext *ctx, JSValueConst ns)
{
    return add_all(ctx, ns, web_streams(ctx), JS_PROP_C_W_E);
}

static const char *const stream_names[] = {
    "ReadableStream", "ReadableStreamDefaultReader", "CountQueuingStrategy",
    "WritableStream", "WritableStreamDefaultWriter", NULL,
};

const struct host_module mod_streams = {
    .name = "k6/experimental/streams",
    .init = init_streams,
    .names = stream_names,
};
