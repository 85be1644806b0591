/* Unary calls: invoke, asyncInvoke, healthCheck. */
#include "base/clock.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "metrics/shard.h"
#include "proto/pb/wire.h"
#include "script/grpc/internal.h"

static const int64_t INVOKE_TIMEOUT = 120 * NSEC_PER_SEC; /* GRP-03 */

struct unary {
    struct vu_task task; /* of asyncInvoke */
    struct vu_promise promise;
    struct fiber *fiber; /* NULL once it has ended */
    struct grpc_op op;
    struct buf request;
    struct str response; /* in the arena */
    bool has_response;
};

/* --- the call ----------------------------------------------------------------------------- */

YIELDS static void run(struct unary *u)
{
    struct grpc_call *c = &u->op.call;
    struct str message;

    u->op.started = clock_now();
    c->deadline = u->op.timeout > 0 ? u->op.started + u->op.timeout : INT64_MAX;
    c->sends_now = true;
    grpc_open(c);
    grpc_send(c, u->request.len ? buf_str(&u->request) : STR(""), true);
    u->op.sent = clock_now();
    while (grpc_receive(c, &message)) {
        u->op.answered = clock_now();
        u->response = arena_str(&u->op.arena, message);
        u->has_response = true;
    }
    u->op.ended = clock_now();
    if (!u->has_response)
        u->op.answered = u->op.ended;
}

static JSValue response_object(JSContext *ctx, struct unary *u)
{
    struct grpc_call *c = &u->op.call;
    JSValue response = JS_NewObject(ctx);
    JSValue message = JS_NULL;

    if (c->status == GRPC_OK && u->has_response && !u->op.discards)
        message = grpc_decode(ctx, &u->op, u->response);
    if (JS_IsException(message) ||
        host_set(ctx, response, "status", JS_NewInt32(ctx, c->status)) < 0 ||
        host_set(ctx, response, "message", message) < 0 ||
        host_set(ctx, response, "headers", grpc_metadata_object(ctx, c->headers, c->header_count)) <
            0 ||
        host_set(ctx, response, "trailers",
                 grpc_metadata_object(ctx, c->trailers, c->trailer_count)) < 0 ||
        host_set(ctx, response, "error",
                 c->status == GRPC_OK ? JS_NULL : grpc_error_object(ctx, &u->op)) < 0) {
        JS_FreeValue(ctx, response);
        return JS_EXCEPTION;
    }
    return response;
}

static void sample(const struct unary *u)
{
    const struct grpc_op *op = &u->op;
    tagset_id tags = grpc_tags_with_status(op, op->call.status);
    int64_t duration = op->ended - op->started;

    vu_sample_traced(op->vu, &op->trace, METRIC_GRPC_REQ_DURATION, tags, nsec_to_ms(duration));
    if (UNLIKELY(shard_wants_request(op->vu->shard, tags, op->call.status != GRPC_OK,
                                     op->trace.sampled, duration)))
        grpc_keep_request(op, tags);
}

static void free_unary(struct unary *u)
{
    buf_deinit(&u->request);
    grpc_op_deinit(&u->op);
    mem_free(u);
}

/* NULL: an exception. */
static struct unary *new_unary(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct grpc_client *client = host_this(ctx, this_val, &grpc_client_class);
    struct unary *u;

    if (!client || host_need_vu(ctx, "client.invoke()") < 0)
        return NULL;
    u = mem_zalloc(sizeof *u);
    if (grpc_op_init(ctx, &u->op, client, host_arg(argc, argv, 0), host_arg(argc, argv, 2),
                     INVOKE_TIMEOUT) < 0) {
        mem_free(u);
        return NULL;
    }
    if (u->op.method->client_streams || u->op.method->server_streams) {
        host_throw(ctx, "%.*s is a stream: use grpc.Stream", STR_ARG(u->op.method->name));
    } else if (host_is_nullish(host_arg(argc, argv, 1))) {
        host_throw(ctx, "request cannot be nil");
    } else if (grpc_encode(ctx, &u->op, argv[1], &u->request) == 0) {
        return u;
    }
    free_unary(u);
    return NULL;
}

/* The samples and the response of a call that has run. Frees it. */
static JSValue finish(JSContext *ctx, struct unary *u)
{
    JSValue response;

    grpc_count_bytes(&u->op);
    if (fiber_is_cancelled(fiber_current())) {
        free_unary(u);
        return host_throw_interrupted(ctx);
    }
    sample(u);
    response = response_object(ctx, u);
    free_unary(u);
    return response;
}

JSValue grpc_invoke(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct unary *u = new_unary(ctx, this_val, argc, argv);

    if (!u)
        return JS_EXCEPTION;
    run(u);
    return finish(ctx, u);
}

/* --- asyncInvoke -------------------------------------------------------------------------- */

static void async_main(void *arg)
{
    struct unary *u = arg;

    run(u);
    u->fiber = NULL;
    vu_task_wake(&u->task);
}

static JSValue async_run(struct vu_task *task, JSContext *ctx)
{
    struct unary *u = CONTAINER_OF(task, struct unary, task);
    struct vu_promise promise = u->promise;
    JSValue response;

    if (u->fiber)
        return JS_UNDEFINED;
    vu_task_end(task);
    response = finish(ctx, u);
    if (JS_IsException(response))
        vu_promise_reject(ctx, &promise, JS_GetException(ctx));
    else
        vu_promise_resolve(ctx, &promise, response);
    return JS_UNDEFINED;
}

static void async_stop(struct vu_task *task)
{
    struct unary *u = CONTAINER_OF(task, struct unary, task);

    if (u->fiber) {
        fiber_cancel(u->fiber);
        return;
    }
    vu_promise_drop(task->vu->ctx, &u->promise);
    vu_task_end(task);
    free_unary(u);
}

static const struct vu_task_ops async_ops = {async_run, async_stop};

JSValue grpc_async_invoke(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct unary *u = new_unary(ctx, this_val, argc, argv);
    JSValue promise;

    if (!u)
        return JS_EXCEPTION;
    promise = vu_promise_new(ctx, &u->promise);
    if (JS_IsException(promise)) {
        free_unary(u);
        return JS_EXCEPTION;
    }
    vu_task_start(u->op.vu, &u->task, &async_ops);
    u->fiber = fiber_start(u->op.vu->loop, async_main, u);
    return promise;
}

/* --- healthCheck -------------------------------------------------------------------------- */

static const char *health_text(struct str response)
{
    static const char *const names[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
    struct pb_reader r = pb_reader_of(response);
    struct pb_field_value f;
    uint64_t status = 0;

    while (pb_next(&r, &f) == 1) {
        if (f.number == 1 && f.type == PB_VARINT)
            status = f.number_value;
    }
    return status < COUNT_OF(names) ? names[status] : names[0];
}

/* k6's types call it `Status`, its documentation reads `message.status`: a script may use either.
 */
static int set_health(JSContext *ctx, JSValueConst result, const struct unary *u)
{
    const char *text = health_text(u->response);
    JSValue message;

    if (host_set(ctx, result, "Status", JS_NewString(ctx, text)) < 0)
        return -1;
    if (u->op.call.status != 0)
        return 0;
    message = JS_NewObject(ctx);
    if (JS_IsException(message))
        return -1;
    if (host_set(ctx, message, "status", JS_NewString(ctx, text)) < 0) {
        JS_FreeValue(ctx, message);
        return -1;
    }
    return host_set(ctx, result, "message", message);
}

/* grpc.health.v1.Health/Check, which needs no loaded .proto. */
JSValue grpc_health_check(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    static const struct pb_method check = {.name = STR_INIT("grpc.health.v1.Health/Check")};
    static const struct pb_schema none;
    struct grpc_client *client = host_this(ctx, this_val, &grpc_client_class);
    struct str service = STR("");
    struct unary *u;
    JSValue result;

    if (!client || host_need_vu(ctx, "client.healthCheck()") < 0 ||
        (!host_is_nullish(host_arg(argc, argv, 0)) && host_str(ctx, argv[0], &service) < 0))
        return JS_EXCEPTION;
    u = mem_zalloc(sizeof *u);
    if (grpc_op_init_method(ctx, &u->op, client, &check, &none, JS_UNDEFINED, INVOKE_TIMEOUT) < 0) {
        mem_free(u);
        return JS_EXCEPTION;
    }
    buf_init(&u->request, SIZE_MAX);
    if (service.len)
        pb_put_bytes(&u->request, 1, service);
    u->op.discards = true;
    run(u);
    result =
        fiber_is_cancelled(fiber_current()) ? host_throw_interrupted(ctx) : response_object(ctx, u);
    if (!JS_IsException(result)) {
        sample(u);
        if (set_health(ctx, result, u) < 0) {
            JS_FreeValue(ctx, result);
            result = JS_EXCEPTION;
        }
    }
    grpc_count_bytes(&u->op);
    free_unary(u);
    return result;
}
