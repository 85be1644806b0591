/* k6/ws and k6/websockets (k6-features.md WSK-01 to WSK-04): the classes are js/websocket.js, on
 * sockets of ws/socket.c. A script either waits for a socket's events (k6/ws) or has a function
 * called with them (k6/websockets). */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "script/internal.h"
#include "script/js_part.h"
#include "script/trace.h"
#include "script/ws/socket.h"

static const int64_t HANDSHAKE_TIMEOUT = 60 * NSEC_PER_SEC; /* WSK-02 */

/* A socket as the JavaScript of this file's part sees it. */
struct handle {
    struct vu_task task; /* while there is `fn` */
    struct ws_socket *socket;
    JSValue fn; /* owned: called with each event; undefined: next() is used */
    JSValue
        object; /* owned, with `fn`: the handle itself, so that it lives as long as the socket */
    bool is_waiting;
};

static void finalize(JSRuntime *rt, JSValue value);
static struct host_class socket_class;

static struct handle *handle_of(JSContext *ctx, JSValueConst this_val)
{
    return host_this(ctx, this_val, &socket_class);
}

/* --- events as values --------------------------------------------------------------------- */

static JSValue headers_object(JSContext *ctx, const struct ws_reply *reply)
{
    JSValue object = JS_NewObject(ctx);

    for (size_t i = 0; i < reply->header_count; i++) {
        if (host_set_key(ctx, object, reply->headers[i].name,
                         host_string(ctx, reply->headers[i].value)) < 0)
            break;
    }
    return object;
}

static JSValue reply_object(JSContext *ctx, const struct ws_reply *reply)
{
    JSValue object = JS_NewObject(ctx);

    if (host_set(ctx, object, "status", JS_NewInt32(ctx, reply->status)) < 0 ||
        host_set_str(ctx, object, "status_text", reply->status_text) < 0 ||
        host_set_str(ctx, object, "protocol", reply->protocol) < 0 ||
        host_set_str(ctx, object, "extensions", reply->extensions) < 0 ||
        host_set(ctx, object, "headers", headers_object(ctx, reply)) < 0) {
        JS_FreeValue(ctx, object);
        return JS_EXCEPTION;
    }
    return object;
}

/* type, what it carries, the code. */
static void event_values(JSContext *ctx, const struct handle *h, const struct ws_event *e,
                         JSValue out[3])
{
    static const char *const names[] = {
        [WS_EVENT_OPEN] = "open",     [WS_EVENT_TEXT] = "message", [WS_EVENT_BINARY] = "binary",
        [WS_EVENT_PING] = "ping",     [WS_EVENT_PONG] = "pong",    [WS_EVENT_CLOSE] = "close",
        [WS_EVENT_FAILURE] = "error",
    };
    struct str data = str_from(e->data, e->len);

    out[0] = JS_NewString(ctx, names[e->kind]);
    if (e->kind == WS_EVENT_OPEN)
        out[1] = reply_object(ctx, &h->socket->reply);
    else
        out[1] = e->kind == WS_EVENT_BINARY ? host_array_buffer(ctx, data) : host_string(ctx, data);
    out[2] = JS_NewInt32(ctx, e->code);
}

static bool is_last(const struct ws_event *e)
{
    return e->kind == WS_EVENT_CLOSE || e->kind == WS_EVENT_FAILURE;
}

/* --- as a task ---------------------------------------------------------------------------- */

/* The socket is over: nothing holds the handle any more. */
static void end_task(struct handle *h)
{
    JSContext *ctx = h->task.vu->ctx;
    JSValue fn = h->fn;
    JSValue object = h->object;

    vu_task_end(&h->task);
    h->fn = JS_UNDEFINED;
    h->object = JS_UNDEFINED;
    JS_FreeValue(ctx, fn);
    JS_FreeValue(ctx, object); /* may free h */
}

static JSValue call_with(JSContext *ctx, struct handle *h, const struct ws_event *e)
{
    JSValue values[3];
    JSValue result;

    event_values(ctx, h, e, values);
    result = JS_Call(ctx, h->fn, JS_UNDEFINED, 3, values);
    for (size_t i = 0; i < COUNT_OF(values); i++)
        JS_FreeValue(ctx, values[i]);
    return result;
}

/* One event at a time: what a handler promised comes before the next event. */
static JSValue run_task(struct vu_task *task, JSContext *ctx)
{
    struct handle *h = CONTAINER_OF(task, struct handle, task);
    struct ws_event *e = ws_socket_take(h->socket);
    JSValue result;
    bool ends;

    if (!e)
        return JS_UNDEFINED;
    ends = is_last(e);
    result = call_with(ctx, h, e);
    mem_free(e);
    if (ends)
        end_task(h);
    else if (h->socket->first)
        vu_task_wake(task);
    return result;
}

static void stop_task(struct vu_task *task)
{
    struct handle *h = CONTAINER_OF(task, struct handle, task);

    if (h->socket->reader) {
        fiber_cancel(h->socket->reader);
        return;
    }
    ws_socket_report(h->socket);
    end_task(h);
}

static const struct vu_task_ops task_ops = {run_task, stop_task};

static void on_news(struct ws_socket *s)
{
    struct handle *h = s->arg;

    if (!JS_IsUndefined(h->fn))
        vu_task_wake(&h->task);
    else if (h->is_waiting && s->vu->fiber)
        fiber_wake(s->vu->fiber);
}

/* --- what the part calls ------------------------------------------------------------------ */

/* next(milliseconds): the next event as [type, what, code]; null when none came in that time. */
static JSValue next(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct handle *h = handle_of(ctx, this_val);
    struct ws_event *e;
    JSValue values[3];
    JSValue array;
    double ms;
    int64_t deadline;

    if (!h || host_double(ctx, host_arg(argc, argv, 0), &ms) < 0)
        return JS_EXCEPTION;
    deadline = isfinite(ms) && ms < 1e12 ? clock_now() + (int64_t)(ms * 1e6) : INT64_MAX;
    h->is_waiting = true;
    while (!h->socket->first && h->socket->reader && clock_now() < deadline) {
        if (host_park_until(ctx, deadline) < 0) {
            h->is_waiting = false;
            ws_socket_report(h->socket);
            return JS_EXCEPTION;
        }
    }
    h->is_waiting = false;
    e = ws_socket_take(h->socket);
    if (!e)
        return JS_NULL;
    event_values(ctx, h, e, values);
    mem_free(e);
    array = JS_NewArray(ctx);
    for (uint32_t i = 0; i < COUNT_OF(values); i++)
        JS_SetPropertyUint32(ctx, array, i, values[i]);
    return array;
}

static JSValue throw_send(JSContext *ctx, int err)
{
    return err == ERR_CANCELLED ? host_throw_interrupted(ctx)
                                : host_throw(ctx, "%s", err_text(err));
}

/* send(data): text for a string, else binary. */
static JSValue send_data(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct handle *h = handle_of(ctx, this_val);
    struct host_bytes bytes;
    int err;

    if (!h || host_bytes(ctx, host_arg(argc, argv, 0), &bytes) < 0)
        return JS_EXCEPTION;
    /* wslay copies the bytes before anything parks. */
    err = ws_socket_send(h->socket, bytes.is_text ? WS_TEXT : WS_BINARY,
                         str_from((const char *)bytes.ptr, bytes.len));
    host_bytes_release(ctx, &bytes);
    return err ? throw_send(ctx, err) : JS_UNDEFINED;
}

static JSValue ping(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct handle *h = handle_of(ctx, this_val);
    int err = h ? ws_socket_ping(h->socket) : 0;

    (void)argc;
    (void)argv;
    if (!h)
        return JS_EXCEPTION;
    return err ? throw_send(ctx, err) : JS_UNDEFINED;
}

/* close(code, reason): sends a close frame; whether that worked shows in the events. */
static JSValue close_socket(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct handle *h = handle_of(ctx, this_val);
    struct str reason;
    int64_t code;
    int err;

    if (!h || host_int64(ctx, host_arg(argc, argv, 0), &code) < 0 ||
        host_str(ctx, host_arg(argc, argv, 1), &reason) < 0)
        return JS_EXCEPTION;
    err = ws_socket_close(h->socket, (int)code, reason);
    return err == ERR_CANCELLED ? host_throw_interrupted(ctx) : JS_UNDEFINED;
}

/* end(): the script is done with the socket, whatever the peer thinks. */
static JSValue end(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct handle *h = handle_of(ctx, this_val);

    (void)argc;
    (void)argv;
    if (!h)
        return JS_EXCEPTION;
    ws_socket_report(h->socket);
    if (h->socket->reader)
        fiber_cancel(h->socket->reader);
    return JS_UNDEFINED;
}

/* reply(): the server's answer to the handshake, whatever it was. */
static JSValue reply(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct handle *h = handle_of(ctx, this_val);

    (void)argc;
    (void)argv;
    return h ? reply_object(ctx, &h->socket->reply) : JS_EXCEPTION;
}

/* --- opening ------------------------------------------------------------------------------ */

struct header_list {
    struct ws_socket *socket;
    struct http_header *items;
    size_t count;
    size_t room;
};

static int add_header(JSContext *ctx, struct str key, JSValueConst value, void *arg)
{
    struct header_list *l = arg;
    struct str text;

    if (host_str(ctx, value, &text) < 0)
        return -1;
    if (l->count == l->room) {
        size_t room = l->room * 2 + 8;
        struct http_header *more = arena_alloc(&l->socket->arena, room * sizeof *more);

        if (l->count)
            memcpy(more, l->items, l->count * sizeof *more);
        l->items = more;
        l->room = room;
    }
    l->items[l->count++] = (struct http_header){
        header_canonical_str(arena_str(&l->socket->arena, key), &l->socket->arena),
        arena_str(&l->socket->arena, str_trim(text)),
    };
    return 0;
}

static int read_headers(JSContext *ctx, struct ws_socket *s, JSValueConst params)
{
    JSValue headers = host_get(ctx, params, "headers");
    struct header_list l = {.socket = s};
    int err = JS_IsException(headers) ? -1 : 0;

    if (err == 0 && JS_IsObject(headers))
        err = host_each(ctx, headers, add_header, &l);
    JS_FreeValue(ctx, headers);
    s->request.headers = l.items;
    s->request.header_count = l.count;
    return err;
}

static int read_jar(JSContext *ctx, struct ws_socket *s, JSValueConst params)
{
    JSValue jar = host_get(ctx, params, "jar");
    struct cookie_jar *own = http_jar_of(jar);
    bool is_default = host_is_nullish(jar);

    JS_FreeValue(ctx, jar); /* `params` holds it; cookies are copied before anything else runs */
    if (JS_IsException(jar))
        return -1;
    s->jar = own ? own : s->http->jar;
    if (own || is_default)
        return 0;
    JS_ThrowTypeError(ctx, "params.jar must be an http.CookieJar");
    return -1;
}

static int read_compression(JSContext *ctx, struct ws_socket *s, JSValueConst params)
{
    JSValue value = host_get(ctx, params, "compression");
    struct str name = STR("");
    int err = JS_IsException(value) ? -1 : 0;

    if (err == 0 && !host_is_nullish(value))
        err = host_str(ctx, value, &name);
    JS_FreeValue(ctx, value);
    if (err == 0 && name.len && !str_eq_c(name, "deflate")) {
        host_throw(ctx,
                   "unsupported compression algorithm '%.*s', supported algorithm is 'deflate'",
                   STR_ARG(name));
        err = -1;
    }
    s->request.deflate = name.len > 0;
    return err;
}

static int read_tags(JSContext *ctx, struct ws_socket *s, JSValueConst params)
{
    JSValue tags = host_get(ctx, params, "tags");
    int err =
        JS_IsException(tags) ? -1 : host_tags(ctx, tags, "params.tags", s->vu->tags, &s->tags);

    JS_FreeValue(ctx, tags);
    return err;
}

static int read_params(JSContext *ctx, struct ws_socket *s, JSValueConst params)
{
    s->jar = s->http->jar;
    if (JS_IsObject(params) &&
        (read_headers(ctx, s, params) < 0 || read_jar(ctx, s, params) < 0 ||
         read_compression(ctx, s, params) < 0 || read_tags(ctx, s, params) < 0))
        return -1;
    if (s->vu->worker->tracer)
        tracer_attach(s->vu->worker->tracer, &s->arena, &s->request.headers,
                      &s->request.header_count, &s->trace);
    return 0;
}

/* ws and wss become http and https, which says where to connect. */
static int read_url(JSContext *ctx, struct ws_socket *s, JSValueConst value)
{
    struct str text;
    struct diag d = DIAG_INIT;
    bool is_wss;

    if (host_str(ctx, value, &text) < 0)
        return -1;
    s->url = arena_str(&s->arena, text);
    is_wss = str_eq_nocase(str_slice(text, 0, 6), STR("wss://"));
    if (!is_wss && !str_eq_nocase(str_slice(text, 0, 5), STR("ws://"))) {
        JS_ThrowSyntaxError(ctx, "malformed ws or wss url: \"%.*s\"", STR_ARG(text));
        return -1;
    }
    text = str_of(arena_printf(&s->arena, "%s%.*s", is_wss ? "https" : "http",
                               STR_ARG(str_from_index(text, is_wss ? 3 : 2))));
    if (url_parse(text, &s->arena, &s->request.url, &d) == 0)
        return 0;
    JS_ThrowSyntaxError(ctx, "%s", d.message ? d.message : "invalid URL");
    diag_deinit(&d);
    return -1;
}

static JSValue make_handle(JSContext *ctx, struct ws_socket *s, JSValueConst fn)
{
    struct handle *h = mem_zalloc(sizeof *h);
    JSValue object = host_object_new(ctx, &socket_class, h);

    if (JS_IsException(object)) {
        mem_free(h);
        return object;
    }
    h->socket = s;
    h->fn = JS_UNDEFINED;
    h->object = JS_UNDEFINED;
    s->arg = h;
    s->on_news = on_news;
    if (JS_IsFunction(ctx, fn)) {
        h->fn = JS_DupValue(ctx, fn);
        h->object = JS_DupValue(ctx, object);
        vu_task_start(s->vu, &h->task, &task_ops);
    }
    return object;
}

/* open(url, protocols, params, fn): starts connecting. */
static JSValue open_socket(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct http_vu *http = http_vu_get(ctx, "a WebSocket");
    struct ws_socket *s;
    struct str protocols = STR("");
    JSValue handle = JS_EXCEPTION;

    (void)this_val;
    if (!http || host_str(ctx, host_arg(argc, argv, 1), &protocols) < 0)
        return JS_EXCEPTION;
    s = ws_socket_new(http);
    s->request.protocols = arena_str(&s->arena, protocols);
    if (read_url(ctx, s, host_arg(argc, argv, 0)) == 0 &&
        read_params(ctx, s, host_arg(argc, argv, 2)) == 0)
        handle = make_handle(ctx, s, host_arg(argc, argv, 3));
    if (JS_IsException(handle))
        ws_socket_free(s);
    else
        ws_socket_start(s, HANDSHAKE_TIMEOUT);
    return handle;
}

/* warn(error): a connection that could not be made is logged, or thrown with the option `throw`. */
static JSValue warn(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct http_vu *http = http_vu_get(ctx, "a WebSocket");
    struct str text;

    (void)this_val;
    if (!http || host_str(ctx, host_arg(argc, argv, 0), &text) < 0)
        return JS_EXCEPTION;
    if (http->worker->throws)
        return host_throw(ctx, "%.*s", STR_ARG(text));
    host_warn(ctx, "Attempt to establish a WebSocket connection failed: %.*s", STR_ARG(text));
    return JS_UNDEFINED;
}

/* --- tables ------------------------------------------------------------------------------- */

static void finalize(JSRuntime *rt, JSValue value)
{
    struct handle *h = JS_GetOpaque(value, socket_class.id);

    (void)rt;
    if (!h)
        return;
    ws_socket_free(h->socket);
    mem_free(h);
}

static const JSCFunctionListEntry methods[] = {
    JS_CFUNC_DEF("next", 1, next), JS_CFUNC_DEF("send", 1, send_data),
    JS_CFUNC_DEF("ping", 0, ping), JS_CFUNC_DEF("close", 2, close_socket),
    JS_CFUNC_DEF("end", 0, end),   JS_CFUNC_DEF("reply", 0, reply),
};

static struct host_class socket_class = {
    .def = {.class_name = "RawWebSocket", .finalizer = finalize},
    .methods = methods,
    .method_count = COUNT_OF(methods),
};

static const JSCFunctionListEntry natives[] = {
    JS_CFUNC_DEF("open", 4, open_socket),
    JS_CFUNC_DEF("warn", 1, warn),
};

/* Puts those members of the part on `ns` that the module has. */
static int add_members(JSContext *ctx, JSValueConst ns, const char *const *names)
{
    JSValue native = JS_NewObject(ctx);
    JSValue part;
    int err = 0;

    JS_SetPropertyFunctionList(ctx, native, natives, COUNT_OF(natives));
    part = js_part_call(ctx, &js_part_websocket, native);
    JS_FreeValue(ctx, native);
    if (JS_IsException(part))
        return -1;
    for (; *names && err == 0; names++)
        err = host_set(ctx, ns, *names, host_get(ctx, part, *names));
    JS_FreeValue(ctx, part);
    return err;
}

static struct host_class *const classes[] = {&socket_class, NULL};

static const char *const ws_names[] = {"connect", NULL};
static const char *const websockets_names[] = {"WebSocket", "Blob", NULL};

static int init_ws(JSContext *ctx, JSValueConst ns)
{
    return add_members(ctx, ns, ws_names);
}

static int init_websockets(JSContext *ctx, JSValueConst ns)
{
    return add_members(ctx, ns, websockets_names);
}

static int init_experimental(JSContext *ctx, JSValueConst ns)
{
    host_warn(ctx, "k6/experimental/websockets is deprecated: import from k6/websockets");
    return add_members(ctx, ns, websockets_names);
}

const struct host_module mod_ws = {
    .name = "k6/ws",
    .classes = classes,
    .init = init_ws,
    .names = ws_names,
};

const struct host_module mod_websockets = {
    .name = "k6/websockets",
    .init = init_websockets,
    .names = websockets_names,
};

const struct host_module mod_experimental_websockets = {
    .name = "k6/experimental/websockets",
    .init = init_experimental,
    .names = websockets_names,
};
