/* k6/http: the functions of the module; what they stand on is in http/. */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/run_state.h"
#include "loop/fiber.h"
#include "script/http/internal.h"

/* --- synchronous requests ----------------------------------------------------------------- */

static YIELDS JSValue run_request(JSContext *ctx, struct str method, JSValueConst url,
                                  JSValueConst body, JSValueConst params)
{
    struct http_vu *http = http_vu_get(ctx, "an HTTP request");
    struct http_call *call;

    if (!http || http_wait_turn(ctx, http) < 0)
        return JS_EXCEPTION;
    call = http_call_new(ctx, http, method, url, body, params);
    return call ? http_call_run(ctx, call) : JS_EXCEPTION;
}

enum verb { GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS };

static const struct {
    struct str method;
    bool has_body;
} verbs[] = {
    [GET] = {STR_INIT("GET"), false},        [HEAD] = {STR_INIT("HEAD"), false},
    [POST] = {STR_INIT("POST"), true},       [PUT] = {STR_INIT("PUT"), true},
    [PATCH] = {STR_INIT("PATCH"), true},     [DELETE] = {STR_INIT("DELETE"), true},
    [OPTIONS] = {STR_INIT("OPTIONS"), true},
};

/* get(url, params), post(url, body, params), ... */
static JSValue verb(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int which)
{
    bool has_body = verbs[which].has_body;

    (void)this_val;
    if (!has_body && argc > 2)
        host_warn(ctx, "http.%s() takes a URL and params: what follows is ignored",
                  which == GET ? "get" : "head");
    return run_request(ctx, verbs[which].method, host_arg(argc, argv, 0),
                       has_body ? host_arg(argc, argv, 1) : JS_UNDEFINED,
                       host_arg(argc, argv, has_body ? 2 : 1));
}

static JSValue request(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct str method;

    (void)this_val;
    if (host_str(ctx, host_arg(argc, argv, 0), &method) < 0)
        return JS_EXCEPTION;
    return run_request(ctx, method, host_arg(argc, argv, 1), host_arg(argc, argv, 2),
                       host_arg(argc, argv, 3));
}

/* --- asyncRequest ------------------------------------------------------------------------- */

static JSValue async_request(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct http_vu *http = http_vu_get(ctx, "http.asyncRequest()");
    struct http_call *call;
    struct str method;

    (void)this_val;
    if (!http || host_str(ctx, host_arg(argc, argv, 0), &method) < 0 ||
        http_wait_turn(ctx, http) < 0)
        return JS_EXCEPTION;
    call = http_call_new(ctx, http, method, host_arg(argc, argv, 1), host_arg(argc, argv, 2),
                         host_arg(argc, argv, 3));
    return call ? http_call_start(ctx, call) : JS_EXCEPTION;
}

/* --- batch -------------------------------------------------------------------------------- */

struct batch {
    struct http_call **calls;
    size_t count;
    size_t next; /* first that may not have been started */
    bool *started;
    size_t running;
    struct fiber *waiter;
};

struct batch_item {
    struct batch *batch;
    struct http_call *call;
};

static void batch_main(void *arg)
{
    struct batch_item item = *(struct batch_item *)arg;

    mem_free(arg);
    http_call_send(item.call);
    item.call->fiber = NULL;
    item.batch->running--;
    fiber_wake(item.batch->waiter);
}

static size_t running_to_host(const struct batch *b, const struct http_call *call)
{
    size_t count = 0;

    for (size_t i = 0; i < b->count; i++)
        count +=
            b->calls[i]->fiber && url_is_same_origin(&b->calls[i]->request.url, &call->request.url);
    return count;
}

/* The next call that the limits let go; NULL: none now. */
static struct http_call *batch_next(struct batch *b, const struct http_worker *w)
{
    if (w->batch > 0 && b->running >= (size_t)w->batch)
        return NULL;
    while (b->next < b->count && b->started[b->next])
        b->next++;
    for (size_t i = b->next; i < b->count; i++) {
        if (b->started[i])
            continue;
        if (w->batch_per_host > 0 && !b->calls[i]->err &&
            running_to_host(b, b->calls[i]) >= (size_t)w->batch_per_host)
            continue;
        b->started[i] = true;
        return b->calls[i];
    }
    return NULL;
}

/* Runs all calls on helper fibers, which touch no JavaScript. Returns when every one has ended,
 * also when the iteration is interrupted. */
static YIELDS void batch_send(struct batch *b, struct http_vu *http)
{
    struct fiber *self = fiber_current();
    struct http_call *call;
    bool cancelled = false;

    b->waiter = self;
    for (;;) {
        while (!cancelled && (call = batch_next(b, http->worker))) {
            struct batch_item *item = mem_alloc(sizeof *item);

            *item = (struct batch_item){b, call};
            b->running++;
            call->fiber = fiber_start(http->vu->loop, batch_main, item);
        }
        if (b->running == 0)
            break;
        if (fiber_park() == 0)
            continue;
        cancelled = true; /* the helpers end soon; then this fiber stays cancelled */
        fiber_uncancel(self);
        for (size_t i = 0; i < b->count; i++) {
            if (b->calls[i]->fiber)
                fiber_cancel(b->calls[i]->fiber);
        }
    }
    for (size_t i = 0; cancelled && i < b->count; i++) {
        if (!b->started[i])
            b->calls[i]->err = ERR_CANCELLED;
    }
    if (cancelled)
        fiber_cancel(self);
}

/* [method, url, body, params] */
static struct http_call *call_of_array(JSContext *ctx, struct http_vu *http, JSValueConst item)
{
    JSValue parts[4];
    struct str method;
    struct http_call *call = NULL;

    for (uint32_t i = 0; i < 4; i++)
        parts[i] = JS_GetPropertyUint32(ctx, item, i);
    if (host_str(ctx, parts[0], &method) == 0) {
        bool bodiless = str_eq_nocase(method, STR("GET")) || str_eq_nocase(method, STR("HEAD"));

        call = http_call_new(ctx, http, method, parts[1], bodiless ? JS_UNDEFINED : parts[2],
                             parts[3]);
    }
    for (size_t i = 0; i < 4; i++)
        JS_FreeValue(ctx, parts[i]);
    return call;
}

/* {method, url, body, params}, or what http.url`...` made. */
static struct http_call *call_of_object(JSContext *ctx, struct http_vu *http, JSValueConst item)
{
    JSValue url = host_get(ctx, item, "url");
    JSValue method_value = host_get(ctx, item, "method");
    JSValue body = host_get(ctx, item, "body");
    JSValue params = host_get(ctx, item, "params");
    JSValue name = host_get(ctx, item, "name");
    struct str method = STR("GET");
    struct http_call *call = NULL;

    if (JS_IsUndefined(url)) {
        host_throw(ctx, "an item of http.batch() has no url");
    } else if (JS_IsUndefined(method_value) || host_str(ctx, method_value, &method) == 0) {
        bool bodiless = str_eq_nocase(method, STR("GET")) || str_eq_nocase(method, STR("HEAD"));

        call = http_call_new(ctx, http, method, JS_IsString(name) ? item : url,
                             bodiless ? JS_UNDEFINED : body, params);
    }
    JS_FreeValue(ctx, url);
    JS_FreeValue(ctx, method_value);
    JS_FreeValue(ctx, body);
    JS_FreeValue(ctx, params);
    JS_FreeValue(ctx, name);
    return call;
}

static struct http_call *call_of_item(JSContext *ctx, struct http_vu *http, JSValueConst item)
{
    if (JS_IsArray(ctx, item))
        return call_of_array(ctx, http, item);
    if (JS_IsObject(item))
        return call_of_object(ctx, http, item);
    return http_call_new(ctx, http, STR("GET"), item, JS_UNDEFINED, JS_UNDEFINED);
}

struct batch_reader {
    struct http_vu *http;
    struct batch batch;
    JSValue *keys; /* owned; the results' names */
};

static int batch_add(JSContext *ctx, struct batch_reader *r, JSValue key, JSValueConst item)
{
    struct batch *b = &r->batch;
    struct http_call *call = call_of_item(ctx, r->http, item);

    if (call && call->wants_stream) {
        host_throw(ctx, "http.batch() can't stream: use http.asyncRequest() for responseType "
                        "'stream'");
        http_call_free(JS_GetRuntime(ctx), call);
        call = NULL;
    }
    if (!call) {
        JS_FreeValue(ctx, key);
        return -1;
    }
    b->calls = mem_reallocarray((void *)b->calls, b->count + 1, sizeof *b->calls);
    r->keys = mem_reallocarray(r->keys, b->count + 1, sizeof *r->keys);
    r->keys[b->count] = key;
    b->calls[b->count++] = call;
    return 0;
}

static int read_item(JSContext *ctx, struct str key, JSValueConst value, void *arg)
{
    return batch_add(ctx, arg, host_string(ctx, key), value);
}

static int read_batch(JSContext *ctx, struct batch_reader *r, JSValueConst requests)
{
    int64_t count;

    if (!JS_IsArray(ctx, requests))
        return host_each(ctx, requests, read_item, r);
    count = host_length(ctx, requests);
    for (int64_t i = 0; i < count; i++) {
        JSValue item = JS_GetPropertyUint32(ctx, requests, (uint32_t)i);
        int failed = JS_IsException(item) ? -1 : batch_add(ctx, r, JS_NewInt64(ctx, i), item);

        JS_FreeValue(ctx, item);
        if (failed < 0)
            return -1;
    }
    return count < 0 ? -1 : 0;
}

/* Every call becomes its Response, also when one of them throws; then the first throw is the
 * result. */
static JSValue batch_results(JSContext *ctx, struct batch_reader *r, bool as_array)
{
    JSValue results = as_array ? JS_NewArray(ctx) : JS_NewObject(ctx);
    JSValue error = JS_UNDEFINED;
    bool threw = false;

    for (size_t i = 0; i < r->batch.count; i++) {
        JSValue response = http_call_finish(ctx, r->batch.calls[i]);
        JSAtom key;

        if (JS_IsException(response)) {
            JSValue thrown = JS_GetException(ctx);

            if (threw)
                JS_FreeValue(ctx, thrown);
            else
                error = thrown;
            threw = true;
            continue;
        }
        key = JS_ValueToAtom(ctx, r->keys[i]);
        JS_DefinePropertyValue(ctx, results, key, response, JS_PROP_C_W_E);
        JS_FreeAtom(ctx, key);
    }
    if (!threw)
        return results;
    JS_FreeValue(ctx, results);
    return JS_Throw(ctx, error);
}

static JSValue batch(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct batch_reader r = {.http = http_vu_get(ctx, "http.batch()")};
    JSValueConst requests = host_arg(argc, argv, 0);
    JSValue result = JS_EXCEPTION;

    (void)this_val;
    if (!r.http)
        return JS_EXCEPTION;
    if (!JS_IsObject(requests))
        return JS_ThrowTypeError(ctx, "http.batch() takes an array or an object of requests");
    if (read_batch(ctx, &r, requests) == 0) {
        r.batch.started = mem_calloc(r.batch.count + 1, sizeof(bool));
        batch_send(&r.batch, r.http);
        result = batch_results(ctx, &r, JS_IsArray(ctx, requests) > 0);
        mem_free(r.batch.started);
    } else {
        for (size_t i = 0; i < r.batch.count; i++)
            http_call_free(JS_GetRuntime(ctx), r.batch.calls[i]);
    }
    for (size_t i = 0; i < r.batch.count; i++)
        JS_FreeValue(ctx, r.keys[i]);
    mem_free(r.keys);
    mem_free((void *)r.batch.calls);
    return result;
}

/* --- url`...` ----------------------------------------------------------------------------- */

/* {url, name}: the name is the template with ${} for each value. */
static JSValue url_template(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct buf url = BUF_INIT(SIZE_MAX);
    struct buf name = BUF_INIT(SIZE_MAX);
    JSValueConst strings = host_arg(argc, argv, 0);
    int64_t count = JS_IsObject(strings) ? host_length(ctx, strings) : 0;
    JSValue object = JS_EXCEPTION;

    (void)this_val;
    for (int64_t i = 0; i < count; i++) {
        JSValue part = JS_GetPropertyUint32(ctx, strings, (uint32_t)i);
        struct str text;

        int failed = host_str(ctx, part, &text);

        JS_FreeValue(ctx, part);
        if (failed < 0)
            goto out;
        buf_append_str(&url, text);
        buf_append_str(&name, text);
        if (i + 1 < argc && i + 1 < count) {
            if (host_str(ctx, argv[i + 1], &text) < 0)
                goto out;
            buf_append_str(&url, text);
            buf_append_c(&name, "${}");
        }
    }
    object = JS_NewObject(ctx);
    if (!JS_IsException(object) && (host_set_str(ctx, object, "name", buf_str(&name)) < 0 ||
                                    host_set_str(ctx, object, "url", buf_str(&url)) < 0)) {
        JS_FreeValue(ctx, object);
        object = JS_EXCEPTION;
    }
out:
    buf_deinit(&url);
    buf_deinit(&name);
    return object;
}

/* --- file() ------------------------------------------------------------------------------- */

static void free_file(JSRuntime *rt, JSValue value)
{
    struct http_file *f = JS_GetOpaque(value, http_file_class.id);

    (void)rt;
    if (!f)
        return;
    mem_free(f->data);
    mem_free(f->filename);
    mem_free(f->content_type);
    mem_free(f);
}

struct host_class http_file_class = {.def = {.class_name = "FileData", .finalizer = free_file}};

static JSValue file(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValueConst filename = host_arg(argc, argv, 1);
    JSValueConst type = host_arg(argc, argv, 2);
    struct host_bytes bytes;
    struct http_file *f;
    JSValue object;

    (void)this_val;
    if (host_bytes(ctx, host_arg(argc, argv, 0), &bytes) < 0)
        return JS_EXCEPTION;
    f = mem_zalloc(sizeof *f);
    f->data = mem_strndup((const char *)bytes.ptr, bytes.len);
    f->len = bytes.len;
    host_bytes_release(ctx, &bytes);
    f->filename = host_is_nullish(filename) ? mem_printf("%lld", (long long)clock_wall())
                                            : host_strdup(ctx, filename);
    f->content_type =
        host_is_nullish(type) ? mem_strdup("application/octet-stream") : host_strdup(ctx, type);
    object = host_object_new(ctx, &http_file_class, f);
    if (JS_IsException(object)) {
        mem_free(f->data);
        mem_free(f->filename);
        mem_free(f->content_type);
        mem_free(f);
        return object;
    }
    /* What scripts read of it (FormData of jslib does). */
    if (host_set(ctx, object, "data", JS_DupValue(ctx, argv[0])) < 0 ||
        host_set_str(ctx, object, "filename", str_of(f->filename)) < 0 ||
        host_set_str(ctx, object, "content_type", str_of(f->content_type)) < 0) {
        JS_FreeValue(ctx, object);
        return JS_EXCEPTION;
    }
    return object;
}

/* --- expectedStatuses --------------------------------------------------------------------- */

static void free_statuses(JSRuntime *rt, JSValue value)
{
    (void)rt;
    statuses_unref(JS_GetOpaque(value, http_statuses_class.id));
}

struct host_class http_statuses_class = {
    .def = {.class_name = "ExpectedStatuses", .finalizer = free_statuses}};

/* A number, or {min, max}. */
static int read_range(JSContext *ctx, JSValueConst value, struct status_range *out)
{
    JSValue min;
    JSValue max;
    int failed;

    if (JS_IsNumber(value)) {
        if (JS_ToInt32(ctx, &out->min, value) < 0)
            return -1;
        out->max = out->min;
        return 0;
    }
    min = JS_IsObject(value) ? host_get(ctx, value, "min") : JS_UNDEFINED;
    max = JS_IsObject(value) ? host_get(ctx, value, "max") : JS_UNDEFINED;
    failed = !JS_IsNumber(min) || !JS_IsNumber(max) || JS_ToInt32(ctx, &out->min, min) < 0 ||
             JS_ToInt32(ctx, &out->max, max) < 0;
    JS_FreeValue(ctx, min);
    JS_FreeValue(ctx, max);
    if (failed)
        JS_ThrowTypeError(ctx, "http.expectedStatuses() takes numbers and {min, max} of numbers");
    return failed ? -1 : 0;
}

static JSValue expected_statuses(JSContext *ctx, JSValueConst this_val, int argc,
                                 JSValueConst *argv)
{
    struct statuses *s;
    JSValue object;

    (void)this_val;
    if (argc == 0)
        return JS_ThrowTypeError(ctx, "http.expectedStatuses() needs at least one status");
    s = mem_zalloc(sizeof *s + (size_t)argc * sizeof(struct status_range));
    s->references = 1;
    s->count = (size_t)argc;
    for (int i = 0; i < argc; i++) {
        if (read_range(ctx, argv[i], &s->ranges[i]) < 0) {
            statuses_unref(s);
            return JS_EXCEPTION;
        }
    }
    object = host_object_new(ctx, &http_statuses_class, s);
    if (JS_IsException(object))
        statuses_unref(s);
    return object;
}

/* Allowed in the init context too. */
static JSValue set_response_callback(JSContext *ctx, JSValueConst this_val, int argc,
                                     JSValueConst *argv)
{
    JSValueConst value = host_arg(argc, argv, 0);
    struct statuses *s = host_object_data(value, &http_statuses_class);
    struct http_vu *http;

    (void)this_val;
    if (!s && !JS_IsNull(value))
        return JS_ThrowTypeError(
            ctx, "http.setResponseCallback() takes null or what http.expectedStatuses() returns");
    http = http_vu_make(ctx);
    statuses_unref(http->statuses);
    http->statuses = statuses_ref(s);
    return JS_UNDEFINED;
}

/* --- the module --------------------------------------------------------------------------- */

#define TEXT(name, value) JS_PROP_STRING_DEF(name, value, JS_PROP_ENUMERABLE)

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_MAGIC_DEF("get", 2, verb, GET),
    JS_CFUNC_MAGIC_DEF("head", 2, verb, HEAD),
    JS_CFUNC_MAGIC_DEF("post", 3, verb, POST),
    JS_CFUNC_MAGIC_DEF("put", 3, verb, PUT),
    JS_CFUNC_MAGIC_DEF("patch", 3, verb, PATCH),
    JS_CFUNC_MAGIC_DEF("del", 3, verb, DELETE),
    JS_CFUNC_MAGIC_DEF("options", 3, verb, OPTIONS),
    JS_CFUNC_DEF("request", 4, request),
    JS_CFUNC_DEF("asyncRequest", 4, async_request),
    JS_CFUNC_DEF("batch", 1, batch),
    JS_CFUNC_DEF("url", 1, url_template),
    JS_CFUNC_DEF("file", 3, file),
    JS_CFUNC_DEF("cookieJar", 0, http_cookie_jar),
    JS_CFUNC_DEF("expectedStatuses", 1, expected_statuses),
    JS_CFUNC_DEF("setResponseCallback", 1, set_response_callback),
    TEXT("TLS_1_0", "tls1.0"),
    TEXT("TLS_1_1", "tls1.1"),
    TEXT("TLS_1_2", "tls1.2"),
    TEXT("TLS_1_3", "tls1.3"),
    TEXT("OCSP_STATUS_GOOD", "good"),
    TEXT("OCSP_STATUS_REVOKED", "revoked"),
    TEXT("OCSP_STATUS_SERVER_FAILED", "server_failed"),
    TEXT("OCSP_STATUS_UNKNOWN", "unknown"),
    TEXT("OCSP_REASON_UNSPECIFIED", "unspecified"),
    TEXT("OCSP_REASON_KEY_COMPROMISE", "key_compromise"),
    TEXT("OCSP_REASON_CA_COMPROMISE", "ca_compromise"),
    TEXT("OCSP_REASON_AFFILIATION_CHANGED", "affiliation_changed"),
    TEXT("OCSP_REASON_SUPERSEDED", "superseded"),
    TEXT("OCSP_REASON_CESSATION_OF_OPERATION", "cessation_of_operation"),
    TEXT("OCSP_REASON_CERTIFICATE_HOLD", "certificate_hold"),
    TEXT("OCSP_REASON_REMOVE_FROM_CRL", "remove_from_crl"),
    TEXT("OCSP_REASON_PRIVILEGE_WITHDRAWN", "privilege_withdrawn"),
    TEXT("OCSP_REASON_AA_COMPROMISE", "aa_compromise"),
};

static int add_classes(JSContext *ctx, JSValueConst ns)
{
    if (host_class_prepare(ctx, &http_response_class) < 0 ||
        host_class_prepare(ctx, &http_file_class) < 0 ||
        host_class_prepare(ctx, &http_body_class) < 0 ||
        host_class_prepare(ctx, &http_sending_class) < 0 ||
        host_class_prepare(ctx, &http_statuses_class) < 0)
        return -1;
    return host_class_add(ctx, ns, &http_jar_class);
}

static struct host_class *const classes[] = {&http_response_class,
                                             &http_jar_class,
                                             &http_file_class,
                                             &http_statuses_class,
                                             &http_body_class,
                                             &http_sending_class,
                                             NULL};
static const char *const names[] = {"CookieJar", NULL};

const struct host_module mod_http = {
    .name = "k6/http",
    .functions = functions,
    .function_count = COUNT_OF(functions),
    .classes = classes,
    .init = add_classes,
    .names = names,
    .worker_init = http_worker_init,
    .worker_deinit = http_worker_deinit,
    .iteration_begin = http_iteration_begin,
    .iteration_end = http_iteration_end,
    .vu_free = http_vu_free,
};
