/* setTimeout and its kin, as globals and as k6/timers (k6-features.md GLB-02, DAT-07); and
 * queueMicrotask, which k6 lacks and libraries expect. */
#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "script/internal.h"

struct js_timer {
    struct vu_task task;
    struct timer timer;
    struct js_timer *next; /* of the VU's */
    uint32_t id;
    int64_t period; /* 0: once */
    bool running;   /* its callback is: */
    bool cleared;   /* clearTimeout waits for its end */
    JSValue fn;     /* owned */
    int argc;
    JSValue argv[]; /* owned */
};

static void timer_free(struct js_timer *t)
{
    struct vu *vu = t->task.vu;
    struct js_timer **at = &vu->_private->timers;

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    timer_stop(vu->loop, &t->timer);
    vu_task_end(&t->task);
    JS_FreeValue(vu->ctx, t->fn);
    for (int i = 0; i < t->argc; i++)
        JS_FreeValue(vu->ctx, t->argv[i]);
    mem_free(t);
}

static void on_fire(struct timer *timer)
{
    struct js_timer *t = CONTAINER_OF(timer, struct js_timer, timer);

    vu_task_wake(&t->task);
}

static JSValue run_timer(struct vu_task *task, JSContext *ctx)
{
    struct js_timer *t = CONTAINER_OF(task, struct js_timer, task);
    JSValue result;

    t->running = true;
    result = JS_Call(ctx, t->fn, JS_UNDEFINED, t->argc, t->argv);
    t->running = false;
    if (t->period == 0 || t->cleared || JS_IsException(result)) {
        timer_free(t);
        return result;
    }
    timer_start(task->vu->loop, &t->timer, clock_now() + t->period);
    return result;
}

static void stop_timer(struct vu_task *task)
{
    timer_free(CONTAINER_OF(task, struct js_timer, task));
}

static const struct vu_task_ops timer_ops = {run_timer, stop_timer};

static int64_t delay_of(JSContext *ctx, JSValueConst v)
{
    double ms = 0;

    if (!JS_IsUndefined(v) && host_double(ctx, v, &ms) < 0)
        return -1;
    return ms > 0 ? nsec_from_sec(ms / 1e3) : 0;
}

static JSValue start(JSContext *ctx, int argc, JSValueConst *argv, bool repeat, const char *what)
{
    struct vu *vu = vu_of(ctx);
    int64_t delay = delay_of(ctx, host_arg(argc, argv, 1));
    int extra = argc > 2 ? argc - 2 : 0;
    int64_t now = clock_now();
    struct js_timer *t;

    if (delay < 0)
        return JS_EXCEPTION;
    if (!JS_IsFunction(ctx, host_arg(argc, argv, 0)))
        return JS_ThrowTypeError(ctx, "%s's callback isn't a callable function", what);
    if (vu->_private->stopping)
        return JS_NewUint32(ctx, 0);
    if (repeat && delay < NSEC_PER_MSEC)
        delay = NSEC_PER_MSEC;
    t = mem_zalloc(sizeof(*t) + (size_t)extra * sizeof(t->argv[0]));
    t->id = ++vu->_private->last_timer;
    t->period = repeat ? delay : 0;
    t->fn = JS_DupValue(ctx, argv[0]);
    t->argc = extra;
    for (int i = 0; i < extra; i++)
        t->argv[i] = JS_DupValue(ctx, argv[i + 2]);
    t->next = vu->_private->timers;
    vu->_private->timers = t;
    timer_init(&t->timer, on_fire);
    vu_task_start(vu, &t->task, &timer_ops);
    timer_start(vu->loop, &t->timer, delay > INT64_MAX - now ? INT64_MAX : now + delay);
    return JS_NewUint32(ctx, t->id);
}

static JSValue set_timeout(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    return start(ctx, argc, argv, false, "setTimeout");
}

static JSValue set_interval(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    return start(ctx, argc, argv, true, "setInterval");
}

static JSValue clear(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValueConst id = host_arg(argc, argv, 0);
    int64_t number;

    (void)this_val;
    if (host_is_nullish(id))
        return JS_UNDEFINED;
    if (host_int64(ctx, id, &number) < 0)
        return JS_EXCEPTION;
    for (struct js_timer *t = vu_of(ctx)->_private->timers; t; t = t->next) {
        if (t->id != number)
            continue;
        if (t->running)
            t->cleared = true;
        else
            timer_free(t);
        break;
    }
    return JS_UNDEFINED;
}

static JSValue run_microtask(JSContext *ctx, int argc, JSValueConst *argv)
{
    (void)argc;
    return JS_Call(ctx, argv[0], JS_UNDEFINED, 0, NULL);
}

static JSValue queue_microtask(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    if (!JS_IsFunction(ctx, host_arg(argc, argv, 0)))
        return JS_ThrowTypeError(ctx, "queueMicrotask's callback isn't a callable function");
    if (JS_EnqueueJob(ctx, run_microtask, 1, argv) < 0)
        return JS_EXCEPTION;
    return JS_UNDEFINED;
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("setTimeout", 2, set_timeout),
    JS_CFUNC_DEF("clearTimeout", 1, clear),
    JS_CFUNC_DEF("setInterval", 2, set_interval),
    JS_CFUNC_DEF("clearInterval", 1, clear),
};

static int globals(JSContext *ctx, JSValueConst global)
{
    static const JSCFunctionListEntry more[] = {
        JS_CFUNC_DEF("queueMicrotask", 1, queue_microtask),
    };

    JS_SetPropertyFunctionList(ctx, global, functions, COUNT_OF(functions));
    JS_SetPropertyFunctionList(ctx, global, more, COUNT_OF(more));
    return 0;
}

const struct host_module mod_timers = {
    .name = "k6/timers",
    .functions = functions,
    .function_count = COUNT_OF(functions),
    .globals = globals,
};
