/* fetch() and its classes: what js/fetch.js needs of the HTTP client. A request of fetch is one of
 * k6/http whose body is streamed: the same connections, cookies, samples and options. */
#include "base/err.h"
#include "script/http/internal.h"
#include "script/internal.h"
#include "script/js_part.h"

/* send(method, url, body, params): {promise, abort()} */
static JSValue send_request(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct http_vu *http = http_vu_get(ctx, "fetch()");
    struct http_call *call;
    struct str method;

    (void)this_val;
    if (!http || host_str(ctx, host_arg(argc, argv, 0), &method) < 0 ||
        http_wait_turn(ctx, http) < 0)
        return JS_EXCEPTION;
    call = http_call_new(ctx, http, method, host_arg(argc, argv, 1), host_arg(argc, argv, 2),
                         host_arg(argc, argv, 3));
    return call ? http_call_start_abortable(ctx, call) : JS_EXCEPTION;
}

static JSValue header_pairs(JSContext *ctx, const struct http_response *r)
{
    JSValue list = JS_NewArray(ctx);

    for (size_t i = 0; i < r->header_count && !JS_IsException(list); i++) {
        uint32_t at = (uint32_t)(2 * i);

        if (JS_SetPropertyUint32(ctx, list, at, host_string(ctx, r->headers[i].name)) < 0 ||
            JS_SetPropertyUint32(ctx, list, at + 1, host_string(ctx, r->headers[i].value)) < 0) {
            JS_FreeValue(ctx, list);
            list = JS_EXCEPTION;
        }
    }
    return list;
}

/* describe(response): what a Response of fetch says that k6's does not. */
static JSValue describe(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct http_call *call = host_this(ctx, host_arg(argc, argv, 0), &http_response_class);
    const struct http_response *r;
    JSValue object;

    (void)this_val;
    if (!call)
        return JS_EXCEPTION;
    r = &call->response;
    object = JS_NewObject(ctx);
    if (host_set(ctx, object, "headers", header_pairs(ctx, r)) == 0 &&
        host_set(ctx, object, "tooManyRedirects", JS_NewBool(ctx, r->hit_redirect_limit)) == 0 &&
        host_set(ctx, object, "reader", call->body ? http_body_reader(ctx, call) : JS_UNDEFINED) ==
            0)
        return object;
    JS_FreeValue(ctx, object);
    return JS_EXCEPTION;
}

static const JSCFunctionListEntry natives[] = {
    JS_CFUNC_DEF("send", 4, send_request),
    JS_CFUNC_DEF("describe", 1, describe),
};

int fetch_add_globals(JSContext *ctx)
{
    JSValue native;
    int err = host_class_prepare(ctx, &http_response_class);

    if (err == 0)
        err = host_class_prepare(ctx, &http_body_class);
    if (err == 0)
        err = host_class_prepare(ctx, &http_sending_class);
    if (err < 0)
        return err;
    native = JS_NewObject(ctx);
    if (JS_IsException(native))
        return -1;
    JS_SetPropertyFunctionList(ctx, native, natives, COUNT_OF(natives));
    err = host_set(ctx, native, "streams", web_streams(ctx));
    if (err == 0)
        err = web_add_part(ctx, &js_part_fetch, native);
    JS_FreeValue(ctx, native);
    return err;
}
