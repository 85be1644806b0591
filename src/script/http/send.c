/* How a call is sent: on the VU's fiber, which waits, or on a fiber of its own, for a promise. */
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/run_state.h"
#include "loop/fiber.h"
#include "script/http/internal.h"

int http_wait_turn(JSContext *ctx, struct http_vu *http)
{
    struct vu *vu = http->vu;
    int64_t now;
    int64_t slot;

    if (!http->worker->has_rps)
        return 0;
    now = clock_now();
    slot = run_state_rps_slot(vu->worker->env->run, now);
    return slot > now ? host_sleep_until(ctx, slot) : 0;
}

/* --- on the VU's fiber -------------------------------------------------------------------- */

static void wake_fiber(void *arg)
{
    fiber_wake(arg);
}

/* A body that comes as a stream: the VU goes on when the head is there. */
static YIELDS void open_body(struct http_call *call)
{
    http_body_open(call, wake_fiber, fiber_current());
    while (http_body_is_opening(call->body)) {
        if (fiber_park() == 0)
            continue;
        fiber_uncancel(fiber_current());
        http_body_stop(call->body, true);
        while (http_body_is_opening(call->body)) {
            if (fiber_park() != 0)
                fiber_uncancel(fiber_current());
        }
        call->err = ERR_CANCELLED;
        fiber_cancel(fiber_current());
    }
}

JSValue http_call_run(JSContext *ctx, struct http_call *call)
{
    if (call->wants_stream && call->err == 0)
        open_body(call);
    else
        http_call_send(call);
    return http_call_finish(ctx, call);
}

/* --- on a fiber of its own ---------------------------------------------------------------- */

struct sending {
    struct vu_task task;
    struct vu_promise promise;
    struct http_call *call; /* owned */
    struct fiber *fiber;    /* NULL once it has ended, and when the body is streamed */
    struct sending **owner; /* the script's handle, which forgets it; NULL: none */
    bool was_aborted;
};

static bool is_under_way(const struct sending *s)
{
    return s->fiber || (s->call->body && http_body_is_opening(s->call->body));
}

static void cancel(struct sending *s)
{
    if (s->fiber)
        fiber_cancel(s->fiber);
    else
        http_body_stop(s->call->body, true);
}

static void end(struct sending *s)
{
    if (s->owner)
        *s->owner = NULL;
    vu_task_end(&s->task);
    mem_free(s);
}

static JSValue run(struct vu_task *task, JSContext *ctx)
{
    struct sending *s = CONTAINER_OF(task, struct sending, task);
    JSValue response;

    if (is_under_way(s))
        return JS_UNDEFINED;
    if (s->was_aborted) {
        http_call_free(task->vu->rt, s->call);
        vu_promise_resolve(ctx, &s->promise, JS_UNDEFINED);
        end(s);
        return JS_UNDEFINED;
    }
    response = http_call_finish(ctx, s->call);
    if (JS_IsException(response))
        vu_promise_reject(ctx, &s->promise, JS_GetException(ctx));
    else
        vu_promise_resolve(ctx, &s->promise, response);
    end(s);
    return JS_UNDEFINED;
}

static void stop(struct vu_task *task)
{
    struct sending *s = CONTAINER_OF(task, struct sending, task);

    if (is_under_way(s)) {
        cancel(s);
        return;
    }
    vu_promise_drop(task->vu->ctx, &s->promise);
    http_call_free(task->vu->rt, s->call);
    end(s);
}

static const struct vu_task_ops ops = {run, stop};

static void fiber_main(void *arg)
{
    struct sending *s = arg;

    http_call_send(s->call);
    s->fiber = NULL;
    vu_task_wake(&s->task);
}

static void on_open(void *arg)
{
    struct sending *s = arg;

    vu_task_wake(&s->task);
}

static JSValue start(JSContext *ctx, struct http_call *call, struct sending **out)
{
    struct sending *s = mem_zalloc(sizeof *s);
    JSValue promise = vu_promise_new(ctx, &s->promise);

    if (JS_IsException(promise)) {
        http_call_free(JS_GetRuntime(ctx), call);
        mem_free(s);
        return JS_EXCEPTION;
    }
    s->call = call;
    vu_task_start(call->http->vu, &s->task, &ops);
    if (call->wants_stream && call->err == 0)
        http_body_open(call, on_open, s);
    else
        s->fiber = fiber_start(call->http->vu->loop, fiber_main, s);
    *out = s;
    return promise;
}

JSValue http_call_start(JSContext *ctx, struct http_call *call)
{
    struct sending *s;

    return start(ctx, call, &s);
}

/* --- with a handle to abort it ------------------------------------------------------------ */

static void free_handle(JSRuntime *rt, JSValue value)
{
    struct sending **handle = JS_GetOpaque(value, http_sending_class.id);

    (void)rt;
    if (handle && *handle)
        (*handle)->owner = NULL;
    mem_free((void *)handle);
}

static JSValue handle_abort(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct sending **handle = host_this(ctx, this_val, &http_sending_class);

    (void)argc;
    (void)argv;
    if (!handle)
        return JS_EXCEPTION;
    if (*handle && !(*handle)->was_aborted) {
        (*handle)->was_aborted = true;
        if (is_under_way(*handle))
            cancel(*handle);
    }
    return JS_UNDEFINED;
}

static const JSCFunctionListEntry handle_methods[] = {
    JS_CFUNC_DEF("abort", 0, handle_abort),
};

struct host_class http_sending_class = {
    .def = {.class_name = "Sending", .finalizer = free_handle},
    .methods = handle_methods,
    .method_count = COUNT_OF(handle_methods),
};

JSValue http_call_start_abortable(JSContext *ctx, struct http_call *call)
{
    struct sending **handle = mem_zalloc(sizeof(struct sending *));
    JSValue object = host_object_new(ctx, &http_sending_class, (void *)handle);
    JSValue promise;

    if (JS_IsException(object)) {
        mem_free((void *)handle);
        http_call_free(JS_GetRuntime(ctx), call);
        return object;
    }
    promise = start(ctx, call, handle);
    if (!JS_IsException(promise)) {
        (*handle)->owner = handle;
        if (host_set(ctx, object, "promise", promise) == 0)
            return object;
    }
    JS_FreeValue(ctx, object);
    return JS_EXCEPTION;
}
