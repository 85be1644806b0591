/* Pending work that C code does for a script: struct vu_task. */
#include "base/err.h"
#include "base/mem.h"
#include "fixture.h"
#include "script/internal.h"
#include "support/test.h"

/* An operation of a few milliseconds, done by a timer of the loop or on a fiber of its own. */
struct op {
    struct vu_task task;
    struct vu_promise promise;
    struct timer timer;
    struct fiber *fiber;
    bool is_over; /* the fiber has ended */
    int ms;
};

static int live;
static int stopped;
static int settled;

static void op_free(struct op *op)
{
    vu_task_end(&op->task);
    mem_free(op);
    live--;
}

static JSValue op_run(struct vu_task *task, JSContext *ctx)
{
    struct op *op = CONTAINER_OF(task, struct op, task);

    settled++;
    if (op->ms < 0)
        vu_promise_reject(ctx, &op->promise, host_error(ctx, "failed after %d", -op->ms));
    else
        vu_promise_resolve(ctx, &op->promise, JS_NewInt32(ctx, op->ms));
    op_free(op);
    return JS_UNDEFINED;
}

static void timer_op_stop(struct vu_task *task)
{
    struct op *op = CONTAINER_OF(task, struct op, task);

    stopped++;
    timer_stop(task->vu->loop, &op->timer);
    vu_promise_drop(task->vu->ctx, &op->promise);
    op_free(op);
}

/* A fiber can't be stopped at once: it is cancelled, and wakes the task at its end. */
static void fiber_op_stop(struct vu_task *task)
{
    struct op *op = CONTAINER_OF(task, struct op, task);

    if (!op->is_over) {
        fiber_cancel(op->fiber);
        return;
    }
    stopped++;
    vu_promise_drop(task->vu->ctx, &op->promise);
    op_free(op);
}

static void timer_op_done(struct timer *timer)
{
    vu_task_wake(&CONTAINER_OF(timer, struct op, timer)->task);
}

static void fiber_op(void *arg)
{
    struct op *op = arg;
    int err = fiber_sleep_until(clock_now() + (op->ms < 0 ? -op->ms : op->ms) * NSEC_PER_MSEC);

    (void)err;
    op->is_over = true;
    vu_task_wake(&op->task);
    vu_task_wake(&op->task); /* once more does nothing */
}

static const struct vu_task_ops timer_op_ops = {op_run, timer_op_stop};
static const struct vu_task_ops fiber_op_ops = {op_run, fiber_op_stop};

static struct op *op_start(JSContext *ctx, JSValueConst ms, const struct vu_task_ops *ops,
                           JSValue *promise)
{
    struct op *op = mem_zalloc(sizeof(*op));

    CHECK_EQ(JS_ToInt32(ctx, &op->ms, ms), 0);
    *promise = vu_promise_new(ctx, &op->promise);
    vu_task_start(vu_of(ctx), &op->task, ops);
    live++;
    return op;
}

static JSValue by_timer(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValue promise;
    struct op *op = op_start(ctx, host_arg(argc, argv, 0), &timer_op_ops, &promise);
    int ms = op->ms < 0 ? -op->ms : op->ms;

    (void)this_val;
    timer_init(&op->timer, timer_op_done);
    timer_start(vu_of(ctx)->loop, &op->timer, clock_now() + ms * NSEC_PER_MSEC);
    return promise;
}

static JSValue by_fiber(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValue promise;
    struct op *op = op_start(ctx, host_arg(argc, argv, 0), &fiber_op_ops, &promise);

    (void)this_val;
    op->fiber = fiber_start(vu_of(ctx)->loop, fiber_op, op);
    return promise;
}

static struct vu *vu_with_ops(struct bench *b)
{
    struct vu *vu = bench_vu(b, 1);

    bench_function(vu, "byTimer", by_timer);
    bench_function(vu, "byFiber", by_fiber);
    return vu;
}

static void run_once(struct bench *b)
{
    struct vu *vu = vu_with_ops(b);

    CHECK_EQ(bench_iterate(b, vu, 5000), ITERATION_DONE);
    CHECK_EQ(live, 0);
    b->runner->ops->vu_free(vu);
}

TEST(task_settles_promises_while_the_iteration_waits)
{
    struct bench b;

    bench_run(
        &b,
        "import { check, sleep } from 'k6'; import { Counter } from 'k6/metrics';\n"
        "const good = new Counter('good');\n"
        "export default async function () {\n"
        "  const all = await Promise.all([byTimer(5), byFiber(3), byTimer(1)]);\n"
        "  good.add(all.join() === '5,3,1');\n"
        "  for (const failing of [byTimer, byFiber]) {\n"
        "    try { await failing(-2); } catch (e) { good.add(e.message === 'failed after 2'); }\n"
        "  }\n"
        "  const early = byTimer(1), also = byFiber(1);\n"
        "  sleep(0.02);\n" /* both are done meanwhile, and say so later */
        "  good.add((await early) + (await also) === 2);\n"
        "  byTimer(5).then(() => good.add(1));\n" /* nobody awaits it */
        "}",
        run_once);
    CHECK_EQ(bench_sum(&b, "good", NULL, NULL), 5);
    CHECK_EQ(settled, 8);
    CHECK_EQ(stopped, 0);
    bench_end(&b);
}

TEST(task_is_stopped_when_the_iteration_throws)
{
    struct bench b;

    bench_run(&b,
              "export default async function () {\n"
              "  byTimer(60000); byFiber(60000); byFiber(1); byTimer(70000);\n"
              "  setTimeout(() => {}, 60000);\n"
              "  throw new Error('over');\n"
              "}",
              run_once);
    CHECK_EQ(stopped, 4);
    bench_end(&b);
}

static void run_to_deadline(struct bench *b)
{
    struct vu *vu = vu_with_ops(b);

    for (int i = 0; i < 3; i++) {
        CHECK_EQ(bench_iterate(b, vu, 20), ITERATION_INTERRUPTED);
        CHECK_EQ(live, 0);
    }
    b->runner->ops->vu_free(vu);
}

TEST(task_is_stopped_at_the_deadline)
{
    struct bench b;

    bench_run(&b,
              "export default async function () {\n"
              "  byTimer(60000).finally(() => byTimer(60000));\n"
              "  byFiber(60000).catch(() => byFiber(60000));\n"
              "  await byTimer(60000);\n"
              "}",
              run_to_deadline);
    CHECK_EQ(stopped, 9);
    bench_end(&b);
}

static struct vu *interrupted;

static void interrupt_often(void *arg)
{
    struct bench *b = arg;

    for (int i = 0; i < 5; i++) {
        CHECK_EQ(fiber_sleep_until(clock_now() + 2 * NSEC_PER_MSEC), 0);
        b->runner->ops->vu_interrupt(interrupted);
    }
}

static void run_interrupted(struct bench *b)
{
    interrupted = vu_with_ops(b);
    fiber_start(b->loop, interrupt_often, b);
    CHECK_EQ(bench_iterate(b, interrupted, 5000), ITERATION_INTERRUPTED);
    CHECK_EQ(live, 0);
    CHECK_EQ(fiber_sleep_until(clock_now() + 20 * NSEC_PER_MSEC), 0);
    b->runner->ops->vu_free(interrupted);
}

TEST(task_is_stopped_by_an_interrupt)
{
    struct bench b;

    bench_run(
        &b,
        "export default async function () { await Promise.all([byTimer(60000), byFiber(60000)]); }",
        run_interrupted);
    CHECK_EQ(stopped, 2);
    bench_end(&b);
}
