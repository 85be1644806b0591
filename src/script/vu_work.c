#include "script/vu_work.h"

#include "base/clock.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/offload.h"
#include "script/internal.h"

/* What a VU may have waiting; measured in copies of the script's data. */
enum { MAX_WAITING = 1000, MAX_WAITING_BYTES = 64 << 20 };

static void run_on_pool(void *arg)
{
    struct vu_work *work = arg;

    work->run(work);
}

static void fiber_main(void *arg)
{
    struct vu_work *work = arg;

    if (!fiber_is_cancelled(fiber_current()))
        offload_run(run_on_pool, work);
    work->_fiber = NULL;
    work->_done = true;
    vu_task_wake(&work->_task);
}

static void start_first(struct vu *vu)
{
    struct vu_work *first = vu->_private->works;

    if (first && !first->_fiber && !first->_done)
        first->_fiber = fiber_start(vu->loop, fiber_main, first);
}

static void append(struct vu *vu, struct vu_work *work)
{
    struct vu_private *p = vu->_private;

    work->_next = NULL;
    work->_prev = p->last_work;
    if (p->last_work)
        p->last_work->_next = work;
    else
        p->works = work;
    p->last_work = work;
    p->work_count++;
    p->work_bytes += work->size;
}

static void end(struct vu *vu, struct vu_work *work)
{
    struct vu_private *p = vu->_private;

    if (work->_prev)
        work->_prev->_next = work->_next;
    else
        p->works = work->_next;
    if (work->_next)
        work->_next->_prev = work->_prev;
    else
        p->last_work = work->_prev;
    p->work_count--;
    p->work_bytes -= work->size;
    vu_task_end(&work->_task);
    work->free(work);
}

static JSValue run_task(struct vu_task *task, JSContext *ctx)
{
    struct vu_work *work = CONTAINER_OF(task, struct vu_work, _task);
    struct vu *vu = task->vu;
    JSValue value = work->result(work, ctx);

    if (JS_IsException(value))
        vu_promise_reject(ctx, &work->_promise, JS_GetException(ctx));
    else
        vu_promise_resolve(ctx, &work->_promise, value);
    end(vu, work);
    start_first(vu);
    return JS_UNDEFINED;
}

/* All are asked to stop before any is waited for, so the next ones are gone when the first ends. */
static void stop_task(struct vu_task *task)
{
    struct vu_work *work = CONTAINER_OF(task, struct vu_work, _task);
    struct vu *vu = task->vu;

    if (work->_fiber) {
        fiber_cancel(work->_fiber);
        return;
    }
    vu_promise_drop(vu->ctx, &work->_promise);
    end(vu, work);
}

static const struct vu_task_ops ops = {run_task, stop_task};

static bool is_full(const struct vu_private *p, const struct vu_work *work)
{
    return p->work_count >= MAX_WAITING ||
           (p->work_count > 0 && p->work_bytes + work->size > MAX_WAITING_BYTES);
}

JSValue vu_work_here(JSContext *ctx, struct vu_work *work)
{
    JSValue value;

    work->run(work);
    value = work->result(work, ctx);
    work->free(work);
    return value;
}

JSValue vu_work_start(JSContext *ctx, struct vu_work *work)
{
    struct vu *vu = vu_of(ctx);
    JSValue promise;

    if (is_full(vu->_private, work)) {
        JSValue value;

        offload_run(run_on_pool, work);
        vu->_private->slice_start = clock_now();
        value = work->result(work, ctx);
        work->free(work);
        return value;
    }
    promise = vu_promise_new(ctx, &work->_promise);
    if (JS_IsException(promise)) {
        work->free(work);
        return promise;
    }
    work->_fiber = NULL;
    work->_done = false;
    append(vu, work);
    vu_task_start(vu, &work->_task, &ops);
    start_first(vu);
    return promise;
}
