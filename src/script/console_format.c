#include "script/console_format.h"

#include <string.h>

#include "base/mem.h"
#include "script/internal.h"

enum { MAX_DEPTH = 64, MAX_BYTES_SHOWN = 1024 };

struct formatter {
    JSContext *ctx;
    struct buf *out;
    void *open[MAX_DEPTH]; /* objects that are being shown: one seen again is a cycle */
    size_t depth;
};

static void show(struct formatter *f, JSValueConst v);

static void forget_exception(JSContext *ctx)
{
    JS_FreeValue(ctx, JS_GetException(ctx));
}

/* String(v) */
static void show_string(struct formatter *f, JSValueConst v)
{
    size_t len;
    const char *text = JS_ToCStringLen(f->ctx, &len, v);

    if (!text) {
        forget_exception(f->ctx);
        buf_append_c(f->out, "[unprintable]");
        return;
    }
    if (len > buf_left(f->out)) {
        buf_append(f->out, text, buf_left(f->out));
        buf_append_char(f->out, '\0'); /* one too many: it is over */
    } else {
        buf_append(f->out, text, len);
    }
    JS_FreeCString(f->ctx, text);
}

/* As JSON has it; false when that is nothing. */
static bool show_json(struct formatter *f, JSValueConst v)
{
    JSValue json = JS_JSONStringify(f->ctx, v, JS_UNDEFINED, JS_UNDEFINED);
    bool ok = JS_IsString(json);

    if (JS_IsException(json))
        forget_exception(f->ctx);
    if (ok)
        show_string(f, json);
    JS_FreeValue(f->ctx, json);
    return ok;
}

/* The name of an object's constructor, in `name`. */
static void constructor_name(struct formatter *f, JSValueConst v, char *name, size_t size)
{
    JSValue constructor = JS_GetPropertyStr(f->ctx, v, "constructor");
    JSValue value = JS_UNDEFINED;
    const char *text = NULL;

    if (JS_IsObject(constructor))
        value = JS_GetPropertyStr(f->ctx, constructor, "name");
    if (JS_IsString(value))
        text = JS_ToCString(f->ctx, value);
    snprintf(name, size, "%s", text ? text : "");
    JS_FreeCString(f->ctx, text);
    if (JS_IsException(constructor) || JS_IsException(value))
        forget_exception(f->ctx);
    JS_FreeValue(f->ctx, value);
    JS_FreeValue(f->ctx, constructor);
}

/* ArrayBuffer { [Uint8Contents]: <01 02>, byteLength: 2 }, Uint8Array(2) [ 1, 2 ] */
static bool show_binary(struct formatter *f, JSValueConst v)
{
    struct host_bytes bytes;
    char name[64];
    size_t shown;

    if (!host_is_binary(f->ctx, v) || host_bytes(f->ctx, v, &bytes) < 0)
        return false;
    constructor_name(f, v, name, sizeof(name));
    if (strcmp(name, "ArrayBuffer") != 0 && strcmp(name, "DataView") != 0) {
        host_bytes_release(f->ctx, &bytes);
        buf_printf(f->out, "%s(%lld) ", name, (long long)host_length(f->ctx, v));
        return false; /* the elements follow */
    }
    shown = bytes.len < MAX_BYTES_SHOWN ? bytes.len : MAX_BYTES_SHOWN;
    buf_printf(f->out, "%s { [Uint8Contents]: <", name);
    for (size_t i = 0; i < shown; i++)
        buf_printf(f->out, i ? " %02x" : "%02x", bytes.ptr[i]);
    if (shown < bytes.len)
        buf_printf(f->out, " ... %zu more bytes", bytes.len - shown);
    buf_printf(f->out, ">, byteLength: %zu }", bytes.len);
    host_bytes_release(f->ctx, &bytes);
    return true;
}

static int show_property(JSContext *ctx, struct str key, JSValueConst value, void *arg)
{
    struct formatter *f = arg;
    size_t len = f->out->len;

    (void)ctx;
    buf_append_c(f->out, f->out->data[len - 1] == '{' ? " " : ", ");
    buf_append_str(f->out, key);
    buf_append_c(f->out, ": ");
    show(f, value);
    return buf_is_over(f->out) ? -1 : 0;
}

static void show_object(struct formatter *f, JSValueConst v)
{
    size_t start = f->out->len;

    buf_append_char(f->out, '{');
    if (host_each(f->ctx, v, show_property, f) < 0 && JS_HasException(f->ctx))
        forget_exception(f->ctx);
    buf_append_c(f->out, f->out->len == start + 1 ? "}" : " }");
}

static void show_list(struct formatter *f, JSValueConst v)
{
    int64_t length = host_length(f->ctx, v);

    if (length < 0)
        forget_exception(f->ctx);
    if (length <= 0) {
        buf_append_c(f->out, "[]");
        return;
    }
    buf_append_c(f->out, "[ ");
    for (int64_t i = 0; i < length && !buf_is_over(f->out); i++) {
        JSValue element = JS_GetPropertyUint32(f->ctx, v, (uint32_t)i);

        if (i > 0)
            buf_append_c(f->out, ", ");
        if (JS_IsException(element))
            forget_exception(f->ctx);
        show(f, element);
        JS_FreeValue(f->ctx, element);
    }
    buf_append_c(f->out, " ]");
}

static bool is_date(struct formatter *f, JSValueConst v)
{
    char name[16];

    constructor_name(f, v, name, sizeof(name));
    return strcmp(name, "Date") == 0;
}

static void show_nested(struct formatter *f, JSValueConst v)
{
    void *object = JS_VALUE_GET_PTR(v);

    for (size_t i = 0; i < f->depth; i++) {
        if (f->open[i] == object) {
            buf_append_c(f->out, "[Circular]");
            return;
        }
    }
    if (f->depth == MAX_DEPTH || host_check_stack(f->ctx) < 0) {
        if (f->depth < MAX_DEPTH)
            forget_exception(f->ctx);
        buf_append_c(f->out, "[Object]");
        return;
    }
    f->open[f->depth++] = object;
    if (!show_binary(f, v)) {
        if (JS_IsArray(f->ctx, v) > 0 || host_is_binary(f->ctx, v))
            show_list(f, v);
        else
            show_object(f, v);
    }
    f->depth--;
}

/* A value inside of an object or array. */
static void show(struct formatter *f, JSValueConst v)
{
    if (JS_IsUndefined(v) || JS_IsNull(v) || JS_IsException(v))
        buf_append_c(f->out, "null");
    else if (JS_IsString(v))
        show_json(f, v);
    else if (JS_IsSymbol(v))
        buf_append_c(f->out, "Symbol()");
    else if (!JS_IsObject(v))
        show_string(f, v);
    else if (JS_IsFunction(f->ctx, v))
        buf_append_c(f->out, "[object Function]");
    else if (JS_IsError(f->ctx, v))
        show_string(f, v);
    else if (!is_date(f, v) || !show_json(f, v))
        show_nested(f, v);
}

void console_format(JSContext *ctx, JSValueConst v, struct buf *out)
{
    struct formatter f = {.ctx = ctx, .out = out};

    if (JS_IsSymbol(v)) {
        buf_append_c(out, "Symbol()");
        return;
    }
    if (JS_IsObject(v))
        show(&f, v);
    else
        show_string(&f, v);
}
