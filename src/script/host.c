/* Errors, guards, conversions: what mod_*.c bind with. */
#include "script/host.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "script/internal.h"

enum { STACK_FOR_C = 64 * 1024 };

/* --- errors ------------------------------------------------------------------------------- */

static JSValue error_of(JSContext *ctx, const char *text)
{
    JSValue error = JS_NewError(ctx);

    if (!JS_IsException(error))
        JS_DefinePropertyValueStr(ctx, error, "message", JS_NewString(ctx, text),
                                  JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE);
    return error;
}

__attribute__((format(printf, 1, 0))) static char *text_of(const char *fmt, va_list args)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    va_list again;
    int len;
    char *room;

    va_copy(again, args);
    len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (len > 0 && (room = buf_room(&text, (size_t)len + 1))) {
        vsnprintf(room, (size_t)len + 1, fmt, args);
        buf_added(&text, (size_t)len);
    }
    return buf_take(&text);
}

JSValue host_error(JSContext *ctx, const char *fmt, ...)
{
    va_list args;
    char *text;
    JSValue error;

    va_start(args, fmt);
    text = text_of(fmt, args);
    va_end(args);
    error = error_of(ctx, text);
    mem_free(text);
    return error;
}

JSValue host_throw(JSContext *ctx, const char *fmt, ...)
{
    va_list args;
    char *text;
    JSValue error;

    va_start(args, fmt);
    text = text_of(fmt, args);
    va_end(args);
    error = error_of(ctx, text);
    mem_free(text);
    return JS_IsException(error) ? error : JS_Throw(ctx, error);
}

/* QuickJS's own way cuts messages after 255 bytes. */
JSValue host_throw_reference(JSContext *ctx, const char *fmt, ...)
{
    va_list args;
    char *text;
    JSValue error;

    va_start(args, fmt);
    text = text_of(fmt, args);
    va_end(args);
    JS_ThrowReferenceError(ctx, "%s", "");
    error = JS_GetException(ctx);
    if (host_set(ctx, error, "message", JS_NewString(ctx, text)) == 0)
        JS_Throw(ctx, error);
    else
        JS_FreeValue(ctx, error);
    mem_free(text);
    return JS_EXCEPTION;
}

JSValue host_throw_err(JSContext *ctx, int err, const char *fmt, ...)
{
    va_list args;
    char *what;
    char *text;
    JSValue error;

    va_start(args, fmt);
    what = text_of(fmt, args);
    va_end(args);
    text = mem_printf("%s: %s", what, err_text(err));
    error = error_of(ctx, text);
    mem_free(text);
    mem_free(what);
    if (JS_IsException(error))
        return error;
    if (err_k6_code(err) != 0)
        JS_SetPropertyStr(ctx, error, "code", JS_NewInt32(ctx, err_k6_code(err)));
    return JS_Throw(ctx, error);
}

JSValue host_throw_diag(JSContext *ctx, const struct diag *d)
{
    return host_throw(ctx, "%s", d->message ? d->message : "unknown error");
}

JSValue host_throw_uncatchable(JSContext *ctx, const char *text)
{
    JSValue error = error_of(ctx, text);

    if (JS_IsException(error))
        return error;
    JS_SetUncatchableError(ctx, error, 1);
    return JS_Throw(ctx, error);
}

JSValue host_throw_interrupted(JSContext *ctx)
{
    return host_throw_uncatchable(ctx, "the iteration was interrupted");
}

int host_need_init(JSContext *ctx, const char *what)
{
    if (vu_of(ctx)->phase == VU_INIT)
        return 0;
    host_throw(ctx, "%s can only be used in the init context, outside of functions", what);
    return -1;
}

int host_need_vu(JSContext *ctx, const char *what)
{
    if (vu_of(ctx)->phase != VU_INIT)
        return 0;
    host_throw(ctx, "%s can't be used in the init context: call it in a function", what);
    return -1;
}

int host_check_stack(JSContext *ctx)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    if (here > fiber_stack_limit() + STACK_FOR_C)
        return 0;
    JS_ThrowInternalError(ctx, "stack overflow");
    return -1;
}

void host_warn(JSContext *ctx, const char *fmt, ...)
{
    va_list args;
    char *text;

    (void)ctx;
    va_start(args, fmt);
    text = text_of(fmt, args);
    va_end(args);
    log_msg(LOG_WARN, str_of(text), NULL);
    mem_free(text);
}

/* --- text --------------------------------------------------------------------------------- */

int host_str(JSContext *ctx, JSValueConst v, struct str *out)
{
    size_t len;
    const char *text = JS_ToCStringLen(ctx, &len, v);

    if (!text)
        return -1;
    *out = arena_str(&vu_of(ctx)->arena, str_from(text, len));
    JS_FreeCString(ctx, text);
    return 0;
}

char *host_strdup(JSContext *ctx, JSValueConst v)
{
    size_t len;
    const char *text = JS_ToCStringLen(ctx, &len, v);
    char *copy;

    if (!text)
        return NULL;
    copy = mem_strndup(text, len);
    JS_FreeCString(ctx, text);
    return copy;
}

char *host_exception_text(JSContext *ctx)
{
    JSValue error = JS_GetException(ctx);
    char *text = exception_text(ctx, error);

    JS_FreeValue(ctx, error);
    return text;
}

/* --- bytes -------------------------------------------------------------------------------- */

/* The ArrayBuffer behind a view and the part of it that the view shows; JS_UNDEFINED when `v` is
 * no view. */
static JSValue view_buffer(JSContext *ctx, JSValueConst v, size_t *offset, size_t *len)
{
    static const char *const names[] = {"byteOffset", "byteLength"};
    size_t size;
    int64_t numbers[2];
    JSValue buffer;

    if (JS_GetClassID(v) == JS_INVALID_CLASS_ID)
        return JS_UNDEFINED;
    buffer = JS_GetTypedArrayBuffer(ctx, v, offset, len, &size);
    if (!JS_IsException(buffer))
        return buffer;
    JS_FreeValue(ctx, JS_GetException(ctx));
    buffer = JS_GetPropertyStr(ctx, v, "buffer"); /* a DataView */
    if (JS_IsException(buffer) || !JS_IsObject(buffer))
        return buffer;
    for (size_t i = 0; i < 2; i++) {
        JSValue number = JS_GetPropertyStr(ctx, v, names[i]);
        int err = JS_IsException(number) ? -1 : JS_ToInt64(ctx, &numbers[i], number);

        JS_FreeValue(ctx, number);
        if (err < 0 || numbers[i] < 0) {
            JS_FreeValue(ctx, buffer);
            return err < 0 ? JS_EXCEPTION : JS_UNDEFINED;
        }
    }
    *offset = (size_t)numbers[0];
    *len = (size_t)numbers[1];
    return buffer;
}

static uint8_t *array_buffer(JSContext *ctx, size_t *len, JSValueConst v)
{
    uint8_t *data = JS_GetArrayBuffer(ctx, len, v);

    if (!data)
        JS_FreeValue(ctx, JS_GetException(ctx));
    return data;
}

/* 1: got them; 0: neither buffer nor view; -1: exception. */
static int binary_bytes(JSContext *ctx, JSValueConst v, struct host_bytes *out)
{
    size_t offset = 0;
    size_t len = 0;
    size_t whole;
    JSValue buffer;
    uint8_t *data;

    if (!JS_IsObject(v))
        return 0;
    data = array_buffer(ctx, &whole, v);
    if (data) {
        *out = (struct host_bytes){.ptr = data, .len = whole};
        return 1;
    }
    buffer = view_buffer(ctx, v, &offset, &len);
    if (JS_IsException(buffer))
        return -1;
    data = JS_IsObject(buffer) ? array_buffer(ctx, &whole, buffer) : NULL;
    JS_FreeValue(ctx, buffer); /* the view holds it */
    if (!data || offset > whole || len > whole - offset)
        return 0;
    *out = (struct host_bytes){.ptr = data + offset, .len = len};
    return 1;
}

bool host_is_binary(JSContext *ctx, JSValueConst v)
{
    struct host_bytes bytes;
    int got = binary_bytes(ctx, v, &bytes);

    if (got < 0)
        JS_FreeValue(ctx, JS_GetException(ctx));
    return got > 0;
}

int host_bytes(JSContext *ctx, JSValueConst v, struct host_bytes *out)
{
    size_t len;
    const char *text;
    int got = binary_bytes(ctx, v, out);

    if (got != 0)
        return got < 0 ? -1 : 0;
    if (!JS_IsString(v)) {
        JS_ThrowTypeError(ctx, "a string, ArrayBuffer or typed array is needed");
        return -1;
    }
    text = JS_ToCStringLen(ctx, &len, v);
    if (!text)
        return -1;
    *out = (struct host_bytes){
        .ptr = (const uint8_t *)text, .len = len, .is_text = true, ._text = text};
    return 0;
}

void host_bytes_release(JSContext *ctx, struct host_bytes *bytes)
{
    if (bytes->_text)
        JS_FreeCString(ctx, bytes->_text);
    *bytes = (struct host_bytes){NULL, 0, false, NULL};
}

int host_bytes_copy(JSContext *ctx, JSValueConst v, struct str *out)
{
    struct host_bytes bytes;

    if (host_bytes(ctx, v, &bytes) < 0)
        return -1;
    *out = arena_str(&vu_of(ctx)->arena, str_from((const char *)bytes.ptr, bytes.len));
    host_bytes_release(ctx, &bytes);
    return 0;
}

/* --- numbers ------------------------------------------------------------------------------ */

static bool parse_duration(JSContext *ctx, JSValueConst v, int64_t *nsec)
{
    size_t len;
    const char *text = JS_ToCStringLen(ctx, &len, v);
    bool ok = text && duration_parse_msec(str_from(text, len), nsec) == 0;

    JS_FreeCString(ctx, text);
    return ok;
}

int host_duration(JSContext *ctx, JSValueConst v, const char *what, int64_t *nsec)
{
    double ms;

    if (JS_IsNumber(v) && JS_ToFloat64(ctx, &ms, v) == 0 && !isnan(ms)) {
        *nsec = nsec_from_sec(ms / 1e3);
        return 0;
    }
    if (JS_IsString(v) && parse_duration(ctx, v, nsec))
        return 0;
    if (!JS_HasException(ctx))
        JS_ThrowTypeError(ctx, "%s: not a duration, as in '30s' or a number of milliseconds", what);
    return -1;
}

int host_double(JSContext *ctx, JSValueConst v, double *out)
{
    return JS_ToFloat64(ctx, out, v) < 0 ? -1 : 0;
}

int host_int64(JSContext *ctx, JSValueConst v, int64_t *out)
{
    double number;

    if (JS_ToFloat64(ctx, &number, v) < 0)
        return -1;
    if (isnan(number))
        *out = 0;
    else if (number >= 9223372036854775807.0)
        *out = INT64_MAX;
    else if (number <= -9223372036854775808.0)
        *out = INT64_MIN;
    else
        *out = (int64_t)number;
    return 0;
}

int host_get_bool(JSContext *ctx, JSValueConst object, const char *name, bool def)
{
    JSValue v = JS_GetPropertyStr(ctx, object, name);
    int got;

    if (JS_IsException(v))
        return -1;
    got = JS_IsUndefined(v) ? def : JS_ToBool(ctx, v);
    JS_FreeValue(ctx, v);
    return got;
}

/* --- objects ------------------------------------------------------------------------------ */

static int visit(JSContext *ctx, JSValueConst object, JSAtom atom,
                 int (*fn)(JSContext *ctx, struct str key, JSValueConst value, void *arg),
                 void *arg)
{
    JSValue key = JS_AtomToString(ctx, atom);
    size_t len;
    const char *text = JS_ToCStringLen(ctx, &len, key);
    JSValue value;
    int result;

    JS_FreeValue(ctx, key);
    if (!text)
        return -1;
    value = JS_GetProperty(ctx, object, atom);
    result = JS_IsException(value) ? -1 : fn(ctx, str_from(text, len), value, arg);
    JS_FreeValue(ctx, value);
    JS_FreeCString(ctx, text);
    return result;
}

int host_each(JSContext *ctx, JSValueConst object,
              int (*fn)(JSContext *ctx, struct str key, JSValueConst value, void *arg), void *arg)
{
    JSPropertyEnum *names;
    uint32_t count;
    int result = 0;

    if (JS_GetOwnPropertyNames(ctx, &names, &count, object, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) <
        0)
        return -1;
    for (uint32_t i = 0; i < count; i++) {
        if (result >= 0)
            result = visit(ctx, object, names[i].atom, fn, arg);
        JS_FreeAtom(ctx, names[i].atom);
    }
    js_free(ctx, names);
    return result < 0 ? result : 0;
}

int64_t host_length(JSContext *ctx, JSValueConst object)
{
    JSValue v = JS_GetPropertyStr(ctx, object, "length");
    int64_t len = -1;

    if (JS_IsException(v))
        return -1;
    if (host_int64(ctx, v, &len) == 0 && len < 0)
        len = 0;
    JS_FreeValue(ctx, v);
    return len;
}

struct tags_of {
    struct vu *vu;
    const char *what;
    tagset_id set;
};

static int add_tag(JSContext *ctx, struct str key, JSValueConst value, void *arg)
{
    struct tags_of *t = arg;
    size_t len;
    const char *text;
    tag_id tag;

    if (!JS_IsString(value) && !JS_IsNumber(value) && !JS_IsBool(value)) {
        JS_ThrowTypeError(ctx, "%s: the value of tag '%.*s' is no string, number or boolean",
                          t->what, STR_ARG(key));
        return -1;
    }
    text = JS_ToCStringLen(ctx, &len, value);
    if (!text)
        return -1;
    tag = shard_tag(t->vu->shard, key, str_from(text, len));
    t->set = shard_tagset(t->vu->shard, t->set, &tag, 1);
    JS_FreeCString(ctx, text);
    return 0;
}

int host_tags(JSContext *ctx, JSValueConst object, const char *what, tagset_id base, tagset_id *out)
{
    struct tags_of t = {vu_of(ctx), what, base};

    *out = base;
    if (host_is_nullish(object))
        return 0;
    if (!JS_IsObject(object)) {
        JS_ThrowTypeError(ctx, "%s: tags must be an object", what);
        return -1;
    }
    if (host_each(ctx, object, add_tag, &t) < 0)
        return -1;
    *out = t.set;
    return 0;
}

/* --- values out --------------------------------------------------------------------------- */

JSValue host_array_buffer(JSContext *ctx, struct str bytes)
{
    if (globals_need(ctx, LAZY_TYPED_ARRAYS) < 0)
        return JS_EXCEPTION;
    return JS_NewArrayBufferCopy(ctx, (const uint8_t *)(bytes.ptr ? bytes.ptr : ""), bytes.len);
}

static void free_bytes(JSRuntime *rt, void *opaque, void *ptr)
{
    (void)rt;
    (void)opaque;
    mem_free(ptr);
}

JSValue host_array_buffer_take(JSContext *ctx, void *data, size_t len)
{
    JSValue buffer = JS_EXCEPTION;

    if (globals_need(ctx, LAZY_TYPED_ARRAYS) == 0)
        buffer = JS_NewArrayBuffer(ctx, data, len, free_bytes, NULL, 0);
    if (JS_IsException(buffer))
        mem_free(data);
    return buffer;
}

JSValue host_uint8_array(JSContext *ctx, struct str bytes)
{
    JSValue args[3] = {host_array_buffer(ctx, bytes), JS_UNDEFINED, JS_UNDEFINED};
    JSValue view;

    if (JS_IsException(args[0]))
        return args[0];
    view = JS_NewTypedArray(ctx, COUNT_OF(args), args, JS_TYPED_ARRAY_UINT8);
    JS_FreeValue(ctx, args[0]);
    return view;
}

int host_set(JSContext *ctx, JSValueConst object, const char *name, JSValue value)
{
    if (JS_IsException(value))
        return -1;
    return JS_DefinePropertyValueStr(ctx, object, name, value, JS_PROP_C_W_E) < 0 ? -1 : 0;
}

int host_set_str(JSContext *ctx, JSValueConst object, const char *name, struct str value)
{
    return host_set(ctx, object, name, host_string(ctx, value));
}

int host_set_key(JSContext *ctx, JSValueConst object, struct str key, JSValue value)
{
    JSAtom atom;
    int err;

    if (JS_IsException(value))
        return -1;
    atom = JS_NewAtomLen(ctx, key.ptr ? key.ptr : "", key.len);
    err = JS_DefinePropertyValue(ctx, object, atom, value, JS_PROP_C_W_E);
    JS_FreeAtom(ctx, atom);
    return err < 0 ? -1 : 0;
}
