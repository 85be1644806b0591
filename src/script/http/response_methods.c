/* response.json(), html(), submitForm() and clickLink(). */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "script/http/gjson.h"
#include "script/http/internal.h"
#include "script/mod_html.h"

/* --- json --------------------------------------------------------------------------------- */

/* QuickJS wants a NUL behind the text. */
static JSValue parse(JSContext *ctx, struct str text)
{
    char *copy = mem_strndup(text.ptr, text.len);
    JSValue value = JS_ParseJSON(ctx, copy, text.len, "response.json()");

    mem_free(copy);
    return value;
}

static JSValue whole(JSContext *ctx, struct http_call *call)
{
    const struct http_response *r = &call->response;

    if (!r->has_body)
        return host_throw(ctx, "the body is null so we can't transform it to JSON - this likely "
                               "was because of a request error getting the response");
    if (JS_IsUndefined(call->json)) {
        call->json = parse(ctx, r->body);
        if (JS_IsException(call->json)) {
            JSValue error = JS_GetException(ctx);
            JSValue message = host_get(ctx, error, "message");
            const char *text = JS_ToCString(ctx, message);

            call->json = JS_UNDEFINED;
            host_throw(ctx, "cannot parse json due to an error: %s", text ? text : "");
            JS_FreeCString(ctx, text);
            JS_FreeValue(ctx, message);
            JS_FreeValue(ctx, error);
            return JS_EXCEPTION;
        }
    }
    return JS_DupValue(ctx, call->json);
}

static JSValue response_json(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct http_call *call = host_this(ctx, this_val, &http_response_class);
    struct buf found = BUF_INIT(SIZE_MAX);
    struct str path;
    JSValue value = JS_UNDEFINED;

    if (!call)
        return JS_EXCEPTION;
    if (host_is_nullish(host_arg(argc, argv, 0)))
        return whole(ctx, call);
    if (!call->response.has_body)
        return whole(ctx, call);
    if (host_str(ctx, argv[0], &path) < 0)
        return JS_EXCEPTION;
    if (gjson_get(call->response.body, path, &found)) {
        value = parse(ctx, buf_str(&found));
        if (JS_IsException(value)) { /* a broken body has no such value */
            JS_FreeValue(ctx, JS_GetException(ctx));
            value = JS_UNDEFINED;
        }
    }
    buf_deinit(&found);
    return value;
}

/* --- html --------------------------------------------------------------------------------- */

static JSValue page_of(JSContext *ctx, struct http_call *call, JSValue *base)
{
    JSValue source = host_string(ctx, call->response.body);
    JSValue argv[2];
    JSValue page;

    *base = host_string(ctx, call->response.request.url
                                 ? url_text(call->response.request.url, URL_USER_KEEP, &call->arena)
                                 : call->url_text);
    argv[0] = source;
    argv[1] = *base;
    if (call->response.has_body)
        page = html_call(ctx, "parse", 2, argv);
    else
        page = host_throw(ctx, "the body is null so we can't transform it to HTML");
    JS_FreeValue(ctx, source);
    return page;
}

static JSValue response_html(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct http_call *call = host_this(ctx, this_val, &http_response_class);
    JSValue base = JS_UNDEFINED;
    JSValue page;
    JSValue found;
    JSValue find;

    if (!call)
        return JS_EXCEPTION;
    page = page_of(ctx, call, &base);
    JS_FreeValue(ctx, base);
    if (JS_IsException(page) || host_is_nullish(host_arg(argc, argv, 0)))
        return page;
    find = host_get(ctx, page, "find");
    found = JS_Call(ctx, find, page, 1, argv);
    JS_FreeValue(ctx, find);
    JS_FreeValue(ctx, page);
    return found;
}

static YIELDS JSValue send_request(JSContext *ctx, struct http_call *from, struct str method,
                                   JSValueConst url, JSValueConst body, JSValueConst params)
{
    struct http_call *call = http_call_new(ctx, from->http, method, url, body, params);

    return call ? http_call_run(ctx, call) : JS_EXCEPTION;
}

/* The fields of a GET form stand in the query. */
static JSValue with_query(JSContext *ctx, JSValueConst url, JSValueConst fields)
{
    JSValue argv[2] = {JS_DupValue(ctx, url), JS_DupValue(ctx, fields)};
    JSValue result = html_call(ctx, "withQuery", 2, argv);

    JS_FreeValue(ctx, argv[0]);
    JS_FreeValue(ctx, argv[1]);
    return result;
}

static JSValue submit(JSContext *ctx, struct http_call *call, JSValueConst submission,
                      JSValueConst params)
{
    JSValue method = host_get(ctx, submission, "method");
    JSValue url = host_get(ctx, submission, "url");
    JSValue fields = host_get(ctx, submission, "fields");
    const char *name = JS_ToCString(ctx, method);
    bool is_post = name && strcmp(name, "POST") == 0;
    JSValue result;

    if (is_post) {
        result = send_request(ctx, call, STR("POST"), url, fields, params);
    } else {
        JSValue full = with_query(ctx, url, fields);

        result = JS_IsException(full)
                     ? full
                     : send_request(ctx, call, STR("GET"), full, JS_UNDEFINED, params);
        if (!JS_IsException(full))
            JS_FreeValue(ctx, full);
    }
    JS_FreeCString(ctx, name);
    JS_FreeValue(ctx, method);
    JS_FreeValue(ctx, url);
    JS_FreeValue(ctx, fields);
    return result;
}

/* `what`: "submission" or "linkTarget" of js/html.js. */
static JSValue ask_page(JSContext *ctx, struct http_call *call, const char *what,
                        JSValueConst options)
{
    JSValue argv[3] = {JS_UNDEFINED, JS_UNDEFINED, JS_UNDEFINED};
    JSValue answer;

    argv[0] = page_of(ctx, call, &argv[2]);
    if (JS_IsException(argv[0])) {
        JS_FreeValue(ctx, argv[2]);
        return JS_EXCEPTION;
    }
    argv[1] = host_is_nullish(options) ? JS_NewObject(ctx) : JS_DupValue(ctx, options);
    answer = html_call(ctx, what, 3, argv);
    for (size_t i = 0; i < COUNT_OF(argv); i++)
        JS_FreeValue(ctx, argv[i]);
    return answer;
}

static JSValue params_of(JSContext *ctx, JSValueConst options)
{
    return host_is_nullish(options) ? JS_UNDEFINED : host_get(ctx, options, "params");
}

static JSValue submit_form(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct http_call *call = host_this(ctx, this_val, &http_response_class);
    JSValueConst options = host_arg(argc, argv, 0);
    JSValue submission;
    JSValue params;
    JSValue result;

    if (!call)
        return JS_EXCEPTION;
    submission = ask_page(ctx, call, "submission", options);
    if (JS_IsException(submission))
        return JS_EXCEPTION;
    params = params_of(ctx, options);
    result = submit(ctx, call, submission, params);
    JS_FreeValue(ctx, params);
    JS_FreeValue(ctx, submission);
    return result;
}

static JSValue click_link(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct http_call *call = host_this(ctx, this_val, &http_response_class);
    JSValueConst options = host_arg(argc, argv, 0);
    JSValue target;
    JSValue params;
    JSValue result;

    if (!call)
        return JS_EXCEPTION;
    target = ask_page(ctx, call, "linkTarget", options);
    if (JS_IsException(target))
        return JS_EXCEPTION;
    params = params_of(ctx, options);
    result = send_request(ctx, call, STR("GET"), target, JS_UNDEFINED, params);
    JS_FreeValue(ctx, params);
    JS_FreeValue(ctx, target);
    return result;
}

const JSCFunctionListEntry http_response_methods[] = {
    JS_CFUNC_DEF("json", 1, response_json),
    JS_CFUNC_DEF("html", 1, response_html),
    JS_CFUNC_DEF("submitForm", 1, submit_form),
    JS_CFUNC_DEF("clickLink", 1, click_link),
};
