/* A response's body that the script reads as a stream.
 *
 * The request runs on a fiber of its own. It stops at each piece until the script has taken it, so
 * that no more than one piece is in memory and the server feels how fast the script reads. A task
 * of the VU exists only while the script waits for a piece: a body that nobody reads keeps no
 * iteration alive; it is ended with it.
 *
 * Who holds the memory: the Response, the object that the stream's source reads with, the fiber. */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "script/http/internal.h"
#include "script/internal.h"
#include "script/js_part.h"

enum { PIECE_MAX = 64 * 1024 }; /* of a body that came whole: what one read gives */

struct http_body {
    struct http_body *next; /* of the VU's that are being received */
    struct http_call *call; /* owned; its JavaScript values are gone before it */
    struct fiber *fiber;    /* NULL once it has ended */
    struct http_sink sink;
    struct http_response report; /* of http_send; the script sees a copy of it */
    struct str piece;            /* not taken yet; in the fiber's hands */
    unsigned references;
    int err; /* how it ended */
    bool is_opening;
    bool is_enough;
    void (*on_open)(void *arg);
    void *open_arg;

    struct vu_task task; /* started while the script waits for a piece */
    struct vu_promise promise;
    bool is_awaited;
};

/* --- the sender's side -------------------------------------------------------------------- */

static void opened(struct http_body *b)
{
    if (!b->is_opening)
        return;
    b->is_opening = false;
    b->on_open(b->open_arg);
}

static void on_head(void *arg, const struct http_response *head)
{
    struct http_body *b = arg;

    b->call->response = *head;
    opened(b);
}

static void tell_reader(struct http_body *b)
{
    if (b->is_awaited)
        vu_task_wake(&b->task);
}

static YIELDS int on_data(void *arg, struct str piece)
{
    struct http_body *b = arg;

    b->piece = piece;
    tell_reader(b);
    while (b->piece.len > 0) {
        int err = fiber_park();

        if (err) {
            b->piece = STR("");
            return err;
        }
    }
    return 0;
}

static bool is_enough(const void *arg)
{
    const struct http_body *b = arg;

    return b->is_enough;
}

static void leave_list(struct http_body *b)
{
    struct http_body **at = &b->call->http->bodies;

    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
}

static void body_main(void *arg)
{
    struct http_body *b = arg;
    struct http_vu *http = b->call->http;

    b->err = http_call_exchange(b->call, &b->report);
    b->fiber = NULL;
    if (b->is_opening) {
        b->call->response = b->report;
        b->call->err = b->err;
    }
    b->call->response.timings = b->report.timings;
    leave_list(b);
    opened(b);
    tell_reader(b);
    if (http->closer)
        fiber_wake(http->closer);
    http_body_unref(b);
}

void http_body_open(struct http_call *call, void (*on_open)(void *arg), void *arg)
{
    struct http_body *b = mem_zalloc(sizeof *b);

    b->call = call;
    b->references = 2; /* the response's and the fiber's */
    b->is_opening = true;
    b->on_open = on_open;
    b->open_arg = arg;
    b->piece = STR("");
    b->sink = (struct http_sink){on_head, on_data, is_enough, b};
    call->body = b;
    call->request.sink = &b->sink;
    b->next = call->http->bodies;
    call->http->bodies = b;
    b->fiber = fiber_start(call->http->vu->loop, body_main, b);
}

bool http_body_is_opening(const struct http_body *body)
{
    return body->is_opening;
}

void http_body_stop(struct http_body *b, bool failed)
{
    if (!b->fiber)
        return;
    b->is_enough = !failed;
    fiber_cancel(b->fiber);
}

void http_body_unref(struct http_body *b)
{
    b->references--;
    if (b->references == 1 && b->fiber)
        http_body_stop(b, false); /* nobody is left who could read it */
    if (b->references > 0)
        return;
    http_call_free_memory(b->call);
    mem_free(b);
}

void http_bodies_close(struct http_vu *http)
{
    for (struct http_body *b = http->bodies; b; b = b->next)
        http_body_stop(b, false);
    http->closer = fiber_current();
    while (http->bodies) {
        if (fiber_park() != 0)
            fiber_uncancel(fiber_current());
    }
    http->closer = NULL;
}

/* --- the script's side -------------------------------------------------------------------- */

/* The next bytes, undefined at the end, or an exception. Not while there is nothing to say yet. */
static JSValue take_piece(JSContext *ctx, struct http_body *b)
{
    size_t len = b->piece.len < PIECE_MAX ? b->piece.len : PIECE_MAX;
    JSValue bytes;

    if (len == 0 && b->err)
        return host_throw_err(ctx, b->err, "the response's body was cut off");
    if (len == 0)
        return JS_UNDEFINED;
    bytes = host_uint8_array(ctx, str_slice(b->piece, 0, len));
    b->piece = str_from_index(b->piece, len);
    if (b->piece.len == 0 && b->fiber)
        fiber_wake(b->fiber);
    return bytes;
}

static JSValue run_read(struct vu_task *task, JSContext *ctx)
{
    struct http_body *b = CONTAINER_OF(task, struct http_body, task);
    JSValue bytes;

    if (b->piece.len == 0 && b->fiber)
        return JS_UNDEFINED;
    b->is_awaited = false;
    vu_task_end(task);
    bytes = take_piece(ctx, b);
    if (JS_IsException(bytes))
        vu_promise_reject(ctx, &b->promise, JS_GetException(ctx));
    else
        vu_promise_resolve(ctx, &b->promise, bytes);
    http_body_unref(b);
    return JS_UNDEFINED;
}

static void stop_read(struct vu_task *task)
{
    struct http_body *b = CONTAINER_OF(task, struct http_body, task);

    b->is_awaited = false;
    vu_task_end(task);
    vu_promise_drop(task->vu->ctx, &b->promise);
    http_body_unref(b);
}

static const struct vu_task_ops read_ops = {run_read, stop_read};

/* read(): bytes, undefined at the end, or a promise of one of them. */
static JSValue body_read(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct http_body *b = host_this(ctx, this_val, &http_body_class);
    JSValue promise;

    (void)argc;
    (void)argv;
    if (!b)
        return JS_EXCEPTION;
    if (b->is_awaited)
        return host_throw(ctx, "the body is being read already");
    if (b->piece.len > 0 || !b->fiber)
        return take_piece(ctx, b);
    if (vu_of(ctx)->_private->stopping)
        return host_throw_interrupted(ctx);
    promise = vu_promise_new(ctx, &b->promise);
    if (JS_IsException(promise))
        return promise;
    b->references++;
    b->is_awaited = true;
    vu_task_start(vu_of(ctx), &b->task, &read_ops);
    return promise;
}

/* stop(failed) */
static JSValue body_stop(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct http_body *b = host_this(ctx, this_val, &http_body_class);

    if (!b)
        return JS_EXCEPTION;
    http_body_stop(b, JS_ToBool(ctx, host_arg(argc, argv, 0)) > 0);
    return JS_UNDEFINED;
}

static void free_reader(JSRuntime *rt, JSValue value)
{
    struct http_body *b = JS_GetOpaque(value, http_body_class.id);

    (void)rt;
    if (b)
        http_body_unref(b);
}

static const JSCFunctionListEntry methods[] = {
    JS_CFUNC_DEF("read", 0, body_read),
    JS_CFUNC_DEF("stop", 1, body_stop),
};

struct host_class http_body_class = {
    .def = {.class_name = "ResponseBody", .finalizer = free_reader},
    .methods = methods,
    .method_count = COUNT_OF(methods),
};

JSValue http_body_reader(JSContext *ctx, struct http_call *call)
{
    JSValue reader = host_object_new(ctx, &http_body_class, call->body);

    if (!JS_IsException(reader))
        call->body->references++;
    return reader;
}

JSValue http_body_stream(JSContext *ctx, struct http_call *call)
{
    JSValue streams = web_streams(ctx);
    JSValue make = JS_IsException(streams) ? streams : host_get(ctx, streams, "fromReader");
    JSValue reader = http_body_reader(ctx, call);
    JSValue stream = JS_EXCEPTION;

    if (!JS_IsException(make) && !JS_IsException(reader))
        stream = JS_Call(ctx, make, JS_UNDEFINED, 1, &reader);
    JS_FreeValue(ctx, reader);
    JS_FreeValue(ctx, make);
    JS_FreeValue(ctx, streams);
    return stream;
}
