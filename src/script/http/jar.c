/* CookieJar, the VU's and those that scripts make. */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "script/http/internal.h"

struct jar {
    struct cookie_jar *jar;
    bool owned; /* the VU's own is not */
};

static void free_jar(JSRuntime *rt, JSValue value)
{
    struct jar *j = JS_GetOpaque(value, http_jar_class.id);

    (void)rt;
    if (!j)
        return;
    if (j->owned)
        cookie_jar_free(j->jar);
    mem_free(j);
}

static struct jar *new_jar(struct cookie_jar *jar, bool owned)
{
    struct jar *j = mem_alloc(sizeof *j);

    *j = (struct jar){jar, owned};
    return j;
}

struct cookie_jar *http_jar_of(JSValueConst value)
{
    struct jar *j = host_object_data(value, &http_jar_class);

    return j ? j->jar : NULL;
}

static JSValue construct(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    struct jar *j;
    JSValue object;

    (void)argc;
    (void)argv;
    j = new_jar(cookie_jar_new(), true);
    object = host_object_construct(ctx, new_target, &http_jar_class, j);
    if (JS_IsException(object)) {
        cookie_jar_free(j->jar);
        mem_free(j);
    }
    return object;
}

/* http.cookieJar(): the VU's. */
JSValue http_cookie_jar(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct http_vu *http = http_vu_get(ctx, "http.cookieJar()");
    struct jar *j;
    JSValue object;

    (void)this_val;
    (void)argc;
    (void)argv;
    if (!http)
        return JS_EXCEPTION;
    j = new_jar(http->jar, false);
    object = host_object_new(ctx, &http_jar_class, j);
    if (JS_IsException(object))
        mem_free(j);
    return object;
}

/* --- methods ------------------------------------------------------------------------------ */

struct jar_call {
    struct cookie_jar *jar;
    struct arena arena;
    struct url url;
    int64_t now; /* seconds since 1970 */
};

/* this, and the URL in the first argument. -1: exception. */
static int begin(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                 struct jar_call *c)
{
    struct jar *j = host_this(ctx, this_val, &http_jar_class);
    struct diag d = DIAG_INIT;
    struct str text;

    if (!j || host_str(ctx, host_arg(argc, argv, 0), &text) < 0)
        return -1;
    c->jar = j->jar;
    c->now = clock_wall() / NSEC_PER_SEC;
    arena_init(&c->arena);
    if (url_parse(text, &c->arena, &c->url, &d) == 0)
        return 0;
    host_throw_diag(ctx, &d);
    diag_deinit(&d);
    arena_deinit(&c->arena);
    return -1;
}

/* {name: [value, ...]} */
static JSValue cookies_for_url(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct jar_call c;
    struct cookie_pair *pairs;
    size_t count;
    JSValue object;

    if (begin(ctx, this_val, argc, argv, &c) < 0)
        return JS_EXCEPTION;
    count = cookie_jar_match(c.jar, &c.url, c.now, &c.arena, &pairs);
    object = JS_NewObject(ctx);
    for (size_t i = 0; i < count && !JS_IsException(object); i++) {
        char *key = str_dup(pairs[i].name);
        JSValue list = host_get(ctx, object, key);
        int64_t length = JS_IsArray(ctx, list) ? host_length(ctx, list) : 0;

        if (length == 0) {
            JS_FreeValue(ctx, list);
            list = JS_NewArray(ctx);
        }
        JS_SetPropertyUint32(ctx, list, (uint32_t)length, host_string(ctx, pairs[i].value));
        if (host_set_key(ctx, object, pairs[i].name, list) < 0) {
            JS_FreeValue(ctx, object);
            object = JS_EXCEPTION;
        }
        mem_free(key);
    }
    arena_deinit(&c.arena);
    return object;
}

/* One text of set()'s options into the cookie. -1: exception. */
static int text_option(JSContext *ctx, struct arena *arena, JSValueConst options, const char *name,
                       struct str *out)
{
    JSValue value = host_get(ctx, options, name);
    size_t len;
    const char *text;

    if (JS_IsException(value))
        return -1;
    if (host_is_nullish(value))
        return 0;
    text = JS_ToCStringLen(ctx, &len, value);
    JS_FreeValue(ctx, value);
    if (!text)
        return -1;
    *out = arena_str(arena, str_from(text, len));
    JS_FreeCString(ctx, text);
    return 0;
}

static int read_options(JSContext *ctx, struct arena *arena, JSValueConst options,
                        struct cookie *cookie)
{
    struct str expires = {NULL, 0};
    JSValue age;
    int secure;
    int http_only;

    if (host_is_nullish(options))
        return 0;
    if (text_option(ctx, arena, options, "domain", &cookie->domain) < 0 ||
        text_option(ctx, arena, options, "path", &cookie->path) < 0 ||
        text_option(ctx, arena, options, "expires", &expires) < 0)
        return -1;
    if (expires.len) {
        if (cookie_date_parse(expires, &cookie->expires)) {
            host_throw(ctx, "the cookie's expires '%.*s' is no date", STR_ARG(expires));
            return -1;
        }
        cookie->has_expires = true;
    }
    age = host_get(ctx, options, "max_age");
    if (!host_is_nullish(age) && !JS_IsException(age)) {
        if (host_int64(ctx, age, &cookie->max_age) < 0)
            return -1;
        /* 0 is "not given", as in k6. */
        cookie->has_max_age = cookie->max_age != 0;
    }
    JS_FreeValue(ctx, age);
    secure = host_get_bool(ctx, options, "secure", false);
    http_only = host_get_bool(ctx, options, "http_only", false);
    cookie->secure = secure > 0;
    cookie->http_only = http_only > 0;
    return secure < 0 || http_only < 0 ? -1 : 0;
}

static JSValue set(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct jar_call c;
    struct cookie cookie = {0};
    JSValue result = JS_EXCEPTION;
    int err;

    if (begin(ctx, this_val, argc, argv, &c) < 0)
        return JS_EXCEPTION;
    if (host_str(ctx, host_arg(argc, argv, 1), &cookie.name) == 0 &&
        host_str(ctx, host_arg(argc, argv, 2), &cookie.value) == 0 &&
        read_options(ctx, &c.arena, host_arg(argc, argv, 3), &cookie) == 0) {
        err = cookie_jar_set(c.jar, &c.url, &cookie, c.now);
        result = JS_NewBool(ctx, err == 0);
    }
    arena_deinit(&c.arena);
    return result;
}

static JSValue clear(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct jar_call c;

    if (begin(ctx, this_val, argc, argv, &c) < 0)
        return JS_EXCEPTION;
    cookie_jar_clear(c.jar, &c.url, c.now);
    arena_deinit(&c.arena);
    return JS_UNDEFINED;
}

static JSValue delete_one(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct jar_call c;
    struct str name;
    JSValue result = JS_EXCEPTION;

    if (begin(ctx, this_val, argc, argv, &c) < 0)
        return JS_EXCEPTION;
    if (host_str(ctx, host_arg(argc, argv, 1), &name) == 0) {
        cookie_jar_delete(c.jar, &c.url, name, c.now);
        result = JS_UNDEFINED;
    }
    arena_deinit(&c.arena);
    return result;
}

static const JSCFunctionListEntry methods[] = {
    JS_CFUNC_DEF("cookiesForURL", 1, cookies_for_url),
    JS_CFUNC_DEF("set", 4, set),
    JS_CFUNC_DEF("clear", 1, clear),
    JS_CFUNC_DEF("delete", 2, delete_one),
};

struct host_class http_jar_class = {
    .def = {.class_name = "CookieJar", .finalizer = free_jar},
    .methods = methods,
    .method_count = COUNT_OF(methods),
    .construct = construct,
    .construct_length = 0,
};
