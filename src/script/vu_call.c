/* Running JavaScript on a fiber: calls, the VU's event loop, interrupts, preemption.
 *
 * QuickJS polls its interrupt handler every few thousand steps. There a script that must end is
 * ended, and one that has held the thread for a millisecond lets others run: each VU has a runtime
 * and a stack of its own, so stopping in the middle of JavaScript is as good as any place. */
#include <string.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/run_state.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "script/async_groups.h"
#include "script/internal.h"

enum {
    SLICE_NSEC = 1000 * 1000,       /* a script runs this long before others get the thread */
    DROP_NSEC = 1000 * 1000 * 1000, /* most time for microtasks that go on after an end */
    C_STACK = 96 * 1024, /* kept for calls into C (a TLS handshake) from the deepest JavaScript */
};

/* --- stopping ----------------------------------------------------------------------------- */

static bool must_stop_at(struct vu *vu, int64_t now)
{
    struct vu_private *p = vu->_private;

    if (vu->aborted || vu->interrupted)
        return true;
    if (now >= p->deadline) {
        p->timed_out = true;
        return true;
    }
    if (p->heeds_stop && vu->worker->env->run && run_state_is_stopping(vu->worker->env->run)) {
        vu->interrupted = true;
        return true;
    }
    return p->timed_out;
}

bool vu_must_stop(struct vu *vu)
{
    struct vu_private *p = vu->_private;

    return must_stop_at(vu, p->deadline == INT64_MAX ? 0 : clock_now());
}

static int on_interrupt(JSRuntime *rt, void *opaque)
{
    struct vu *vu = opaque;
    struct vu_private *p = vu->_private;
    int64_t now = clock_now();

    (void)rt;
    if (must_stop_at(vu, now))
        return 1;
    if (now - p->slice_start < SLICE_NSEC || !fiber_can_yield())
        return 0;
    fiber_yield();
    p->slice_start = clock_now();
    return must_stop_at(vu, p->slice_start);
}

void vu_enter(struct vu *vu, int64_t deadline, bool heeds_stop)
{
    struct vu_private *p = vu->_private;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    ensure(!vu->fiber);
    vu->fiber = fiber_current();
    ensure(vu->fiber);
    fiber_uncancel(vu->fiber);
    vu->interrupted = false;
    vu->aborted = false;
    p->timed_out = false;
    p->deadline = deadline;
    p->heeds_stop = heeds_stop;
    p->slice_start = clock_now();
    JS_UpdateStackTop(vu->rt);
    JS_SetMaxStackSize(vu->rt, here - fiber_stack_limit() - C_STACK);
}

void vu_leave(struct vu *vu)
{
    fiber_uncancel(vu->fiber);
    vu->fiber = NULL;
}

/* --- tasks -------------------------------------------------------------------------------- */

void vu_task_start(struct vu *vu, struct vu_task *task, const struct vu_task_ops *ops)
{
    struct vu_private *p = vu->_private;

    *task =
        (struct vu_task){.ops = ops, .vu = vu, ._next = p->tasks, ._group = async_groups_now(vu)};
    if (p->tasks)
        p->tasks->_prev = task;
    p->tasks = task;
}

void vu_task_wake(struct vu_task *task)
{
    struct vu_private *p = task->vu->_private;

    if (task->_ready)
        return;
    task->_ready = true;
    task->_ready_next = NULL;
    *p->ready_tail = task;
    p->ready_tail = &task->_ready_next;
    if (p->pumping)
        fiber_wake(task->vu->fiber);
}

static void unready(struct vu_private *p, struct vu_task *task)
{
    struct vu_task **at = &p->ready;

    while (*at != task)
        at = &(*at)->_ready_next;
    *at = task->_ready_next;
    if (p->ready_tail == &task->_ready_next)
        p->ready_tail = at;
    task->_ready = false;
}

void vu_task_end(struct vu_task *task)
{
    struct vu_private *p = task->vu->_private;

    if (task->_ready)
        unready(p, task);
    if (task->_prev)
        task->_prev->_next = task->_next;
    else
        p->tasks = task->_next;
    if (task->_next)
        task->_next->_prev = task->_prev;
    task->_prev = task->_next = NULL;
}

static struct vu_task *take_ready(struct vu_private *p)
{
    struct vu_task *task = p->ready;

    if (task)
        unready(p, task);
    return task;
}

/* --- promises ----------------------------------------------------------------------------- */

JSValue vu_promise_new(JSContext *ctx, struct vu_promise *p)
{
    JSValue functions[2];
    JSValue promise = JS_NewPromiseCapability(ctx, functions);

    if (JS_IsException(promise))
        return promise;
    p->_resolve = functions[0];
    p->_reject = functions[1];
    return promise;
}

void vu_promise_drop(JSContext *ctx, struct vu_promise *p)
{
    JS_FreeValue(ctx, p->_resolve);
    JS_FreeValue(ctx, p->_reject);
    p->_resolve = JS_UNDEFINED;
    p->_reject = JS_UNDEFINED;
}

static void settle_with(JSContext *ctx, struct vu_promise *p, JSValueConst fn, JSValue value)
{
    JSValue result = JS_Call(ctx, fn, JS_UNDEFINED, 1, &value);

    JS_FreeValue(ctx, result);
    JS_FreeValue(ctx, value);
    vu_promise_drop(ctx, p);
}

void vu_promise_resolve(JSContext *ctx, struct vu_promise *p, JSValue value)
{
    settle_with(ctx, p, p->_resolve, value);
}

void vu_promise_reject(JSContext *ctx, struct vu_promise *p, JSValue error)
{
    settle_with(ctx, p, p->_reject, error);
}

static bool same_object(JSValueConst a, JSValueConst b)
{
    return JS_VALUE_GET_PTR(a) == JS_VALUE_GET_PTR(b);
}

void vu_forgive(struct vu *vu, JSValueConst promise)
{
    struct vu_private *p = vu->_private;

    for (size_t i = 0; i < p->rejection_count; i++) {
        if (!same_object(p->rejections[i].promise, promise))
            continue;
        JS_FreeValue(vu->ctx, p->rejections[i].promise);
        JS_FreeValue(vu->ctx, p->rejections[i].reason);
        p->rejection_count--;
        memmove(&p->rejections[i], &p->rejections[i + 1],
                (p->rejection_count - i) * sizeof(p->rejections[0]));
        return;
    }
}

static void on_rejection(JSContext *ctx, JSValueConst promise, JSValueConst reason,
                         JS_BOOL is_handled, void *opaque)
{
    struct vu *vu = opaque;
    struct vu_private *p = vu->_private;

    if (is_handled) {
        vu_forgive(vu, promise);
        return;
    }
    if (p->rejection_count == p->rejection_cap) {
        p->rejection_cap = p->rejection_cap ? p->rejection_cap * 2 : 4;
        p->rejections = mem_reallocarray(p->rejections, p->rejection_cap, sizeof(p->rejections[0]));
    }
    p->rejections[p->rejection_count++] =
        (struct rejection){JS_DupValue(ctx, promise), JS_DupValue(ctx, reason)};
}

static void drop_rejections(struct vu *vu)
{
    struct vu_private *p = vu->_private;

    while (p->rejection_count > 0) {
        struct rejection r = p->rejections[--p->rejection_count];

        JS_FreeValue(vu->ctx, r.promise);
        JS_FreeValue(vu->ctx, r.reason);
    }
}

void vu_pump_init(struct vu *vu)
{
    vu->_private->ready_tail = &vu->_private->ready;
    JS_SetInterruptHandler(vu->rt, on_interrupt, vu);
    JS_SetHostPromiseRejectionTracker(vu->rt, on_rejection, vu);
}

void vu_pump_deinit(struct vu *vu)
{
    ensure(!vu->_private->tasks);
    drop_rejections(vu);
    mem_free(vu->_private->rejections);
}

/* --- the event loop ----------------------------------------------------------------------- */

static int run_jobs(struct vu *vu)
{
    JSContext *ctx;
    int ran;

    if (UNLIKELY(async_groups_are_on(vu)))
        async_groups_close(vu);
    do {
        ran = UNLIKELY(async_groups_are_on(vu)) ? async_groups_run_job(vu)
                                                : JS_ExecutePendingJob(vu->rt, &ctx);
    } while (ran > 0 && !vu->interrupted && !vu->aborted);
    return ran < 0 ? -1 : 0;
}

/* A rejection that nobody has handled by the time the microtasks are done is an exception. */
static bool throw_rejection(struct vu *vu)
{
    struct vu_private *p = vu->_private;

    if (p->rejection_count == 0)
        return false;
    JS_Throw(vu->ctx, JS_DupValue(vu->ctx, p->rejections[0].reason));
    drop_rejections(vu);
    return true;
}

static enum call_end end_of_stop(const struct vu *vu)
{
    if (vu->aborted)
        return CALL_ABORTED;
    return vu->interrupted ? CALL_INTERRUPTED : CALL_TIMED_OUT;
}

static void wait_for_task(struct vu *vu)
{
    struct vu_private *p = vu->_private;
    int err;

    p->pumping = true;
    err = fiber_park_until(p->deadline);
    p->pumping = false;
    p->slice_start = clock_now();
    if (err == ERR_CANCELLED)
        vu->interrupted = true;
    else if (err == ERR_TIMEOUT)
        p->timed_out = true;
}

static enum call_end pump(struct vu *vu)
{
    struct vu_private *p = vu->_private;

    for (;;) {
        struct vu_task *task;
        JSValue value;

        if (run_jobs(vu) < 0 || throw_rejection(vu))
            return CALL_THREW;
        if (vu_must_stop(vu))
            return end_of_stop(vu);
        task = take_ready(p);
        if (!task) {
            if (!p->tasks)
                return CALL_OK;
            wait_for_task(vu);
            continue;
        }
        async_groups_resume(vu, task->_group);
        value = task->ops->run(task, vu->ctx);
        if (JS_IsException(value))
            return CALL_THREW;
        JS_FreeValue(vu->ctx, value);
    }
}

static void stop_tasks(struct vu *vu)
{
    struct vu_private *p = vu->_private;
    struct vu_task *task;

    /* Each is asked once; those that end in the call leave the list, so the search restarts. */
    for (task = p->tasks; task;) {
        if (task->_stop_asked) {
            task = task->_next;
            continue;
        }
        task->_stop_asked = true;
        task->ops->stop(task);
        task = p->tasks;
    }
    while (p->tasks) {
        task = take_ready(p);
        if (task) {
            task->ops->stop(task);
            continue;
        }
        p->pumping = true;
        if (fiber_park() == ERR_CANCELLED)
            fiber_uncancel(vu->fiber);
        p->pumping = false;
    }
}

/* Microtasks cannot be taken back from QuickJS: they run with the VU interrupted, so that no call
 * of theirs can wait or send anything. Those that go on for ever meet the interrupt handler. */
static void drop_jobs(struct vu *vu)
{
    int64_t until = clock_now() + DROP_NSEC;
    JSContext *ctx;

    vu->interrupted = true;
    while (JS_IsJobPending(vu->rt) && clock_now() < until) {
        if (JS_ExecutePendingJob(vu->rt, &ctx) < 0)
            JS_FreeValue(vu->ctx, JS_GetException(vu->ctx));
    }
}

/* Ends what the script left pending. */
static void drop_pending(struct vu *vu)
{
    bool was_interrupted = vu->interrupted;
    JSValue error = JS_GetException(vu->ctx);

    fiber_uncancel(vu->fiber);
    vu->_private->stopping = true;
    stop_tasks(vu);
    drop_jobs(vu);
    stop_tasks(vu);
    drop_rejections(vu);
    vu->_private->stopping = false;
    vu->interrupted = was_interrupted;
    if (JS_IsUninitialized(error))
        return;
    JS_Throw(vu->ctx, error);
}

/* What an ended call comes to, once everything of it is over. */
static enum call_end finish(struct vu *vu, enum call_end end)
{
    if (end == CALL_OK)
        return end;
    if (vu->aborted || vu->interrupted || vu->_private->timed_out)
        end = end_of_stop(vu);
    drop_pending(vu);
    if (end != CALL_THREW)
        JS_FreeValue(vu->ctx, JS_GetException(vu->ctx));
    return end;
}

/* The value of a promise that has settled, or the value itself. */
static JSValue settled_value(JSContext *ctx, JSValue value)
{
    JSValue result;

    if (!JS_IsObject(value) || (int)JS_PromiseState(ctx, value) < 0)
        return value;
    if (JS_PromiseState(ctx, value) != JS_PROMISE_FULFILLED) {
        JS_FreeValue(ctx, value); /* pending for ever: nothing is left that could settle it */
        return JS_UNDEFINED;
    }
    result = JS_PromiseResult(ctx, value);
    JS_FreeValue(ctx, value);
    return result;
}

enum call_end vu_settle(struct vu *vu, JSValue value, JSValue *result)
{
    enum call_end end;

    *result = JS_UNDEFINED;
    if (JS_IsException(value)) {
        end = finish(vu, CALL_THREW);
        async_groups_off(vu);
        return end;
    }
    end = finish(vu, pump(vu));
    async_groups_off(vu);
    if (end == CALL_OK)
        *result = settled_value(vu->ctx, value);
    else
        JS_FreeValue(vu->ctx, value);
    return end;
}

enum call_end vu_call(struct vu *vu, JSValueConst fn, int argc, JSValueConst *argv, JSValue *result)
{
    vu->_private->call_tags = vu->tags;
    return vu_settle(vu, JS_Call(vu->ctx, fn, JS_UNDEFINED, argc, argv), result);
}

static int wait_until(JSContext *ctx, int64_t deadline, int (*wait)(int64_t deadline))
{
    struct vu *vu = vu_of(ctx);
    struct vu_private *p = vu->_private;

    if (!vu_must_stop(vu)) {
        if (wait(deadline < p->deadline ? deadline : p->deadline) == ERR_CANCELLED)
            vu->interrupted = true;
        p->slice_start = clock_now();
        if (!vu_must_stop(vu))
            return 0;
    }
    host_throw_interrupted(ctx);
    return -1;
}

int host_sleep_until(JSContext *ctx, int64_t deadline)
{
    return wait_until(ctx, deadline, fiber_sleep_until);
}

int host_park_until(JSContext *ctx, int64_t deadline)
{
    return wait_until(ctx, deadline, fiber_park_until);
}
