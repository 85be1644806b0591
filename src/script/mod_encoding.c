/* k6/encoding: base64 in Go's four flavours (k6-features.md section 17). */
#include <string.h>

#include "base/base64.h"
#include "base/mem.h"
#include "script/internal.h"

struct flavour {
    const char *name;
    const char *alphabet;
    enum base64_alphabet kind;
    bool padded;
};

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const struct flavour flavours[] = {
    {"std", LETTERS "+/", BASE64_STD, true},
    {"rawstd", LETTERS "+/", BASE64_STD, false},
    {"url", LETTERS "-_", BASE64_URL, true},
    {"rawurl", LETTERS "-_", BASE64_URL, false},
};

static const struct flavour *flavour_of(JSContext *ctx, JSValueConst v)
{
    const char *name;
    const struct flavour *found = &flavours[0];

    if (host_is_nullish(v))
        return found;
    name = JS_ToCString(ctx, v);
    if (!name)
        return NULL;
    for (size_t i = 0; i < COUNT_OF(flavours); i++) {
        if (strcmp(flavours[i].name, name) == 0)
            found = &flavours[i];
    }
    JS_FreeCString(ctx, name);
    return found;
}

/* --- encoding ----------------------------------------------------------------------------- */

static JSValue b64encode(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    const struct flavour *f = flavour_of(ctx, host_arg(argc, argv, 1));
    struct buf out = BUF_INIT(SIZE_MAX);
    struct host_bytes bytes;
    JSValue result;

    (void)this_val;
    if (!f || host_bytes(ctx, host_arg(argc, argv, 0), &bytes) < 0)
        return JS_EXCEPTION;
    base64_encode(str_from((const char *)bytes.ptr, bytes.len), f->kind, f->padded, &out);
    host_bytes_release(ctx, &bytes);
    result = host_string(ctx, buf_str(&out));
    buf_deinit(&out);
    return result;
}

/* --- decoding ----------------------------------------------------------------------------- */

static int value_of(const struct flavour *f, char c)
{
    const char *at = c ? strchr(f->alphabet, c) : NULL;

    return at ? (int)(at - f->alphabet) : -1;
}

/* Offset of the byte that is wrong, or -1. Line breaks are skipped, as Go does. */
static ptrdiff_t decode(const struct flavour *f, struct str in, struct buf *out)
{
    uint32_t bits = 0;
    unsigned have = 0; /* digits of the group */
    size_t padding = 0;

    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        int value;

        if (c == '\n' || c == '\r')
            continue;
        if (c == '=' && f->padded && have >= 2 && have + padding < 4) {
            padding++;
            continue;
        }
        value = value_of(f, c);
        if (value < 0 || padding > 0)
            return (ptrdiff_t)i;
        bits = bits << 6 | (uint32_t)value;
        if (++have < 4)
            continue;
        buf_append(out, (const char[]){(char)(bits >> 16), (char)(bits >> 8), (char)bits}, 3);
        have = 0;
        bits = 0;
    }
    if (have == 1 || (f->padded && have > 0 && have + padding != 4))
        return (ptrdiff_t)in.len;
    if (have == 2)
        buf_append_char(out, (char)(bits >> 4));
    else if (have == 3)
        buf_append(out, (const char[]){(char)(bits >> 10), (char)(bits >> 2)}, 2);
    return -1;
}

static JSValue decoded(JSContext *ctx, const struct flavour *f, struct str in, bool as_text)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    ptrdiff_t wrong = decode(f, in, &out);
    JSValue result;

    if (wrong >= 0)
        result = host_throw(ctx, "illegal base64 data at input byte %td", wrong);
    else if (as_text)
        result = host_string(ctx, buf_str(&out));
    else
        result = host_array_buffer(ctx, buf_str(&out));
    buf_deinit(&out);
    return result;
}

static JSValue b64decode(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    const struct flavour *f = flavour_of(ctx, host_arg(argc, argv, 1));
    const char *format = NULL;
    const char *text;
    size_t len;
    JSValue result;

    (void)this_val;
    if (!f)
        return JS_EXCEPTION;
    if (!host_is_nullish(host_arg(argc, argv, 2)) && !(format = JS_ToCString(ctx, argv[2])))
        return JS_EXCEPTION;
    text = JS_ToCStringLen(ctx, &len, host_arg(argc, argv, 0));
    result = text ? decoded(ctx, f, str_from(text, len), format && strcmp(format, "s") == 0)
                  : JS_EXCEPTION;
    JS_FreeCString(ctx, text);
    JS_FreeCString(ctx, format);
    return result;
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("b64encode", 2, b64encode),
    JS_CFUNC_DEF("b64decode", 3, b64decode),
};

const struct host_module mod_encoding = {
    .name = "k6/encoding",
    .functions = functions,
    .function_count = COUNT_OF(functions),
};
