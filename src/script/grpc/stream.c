/* Stream: a client, server or bidirectional stream, as events on the VU's own loop.
 *
 * Two fibers work for it: one opens the call and sends what the script has written, the other one
 * reads. What comes waits in a queue; a server that sends faster than the script takes has to wait.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "metrics/shard.h"
#include "script/grpc/internal.h"

enum { QUEUE_MAX = 16 * 1024 * 1024 };

enum event { EVENT_DATA, EVENT_ERROR, EVENT_END, EVENT_COUNT };

static const char *const event_names[EVENT_COUNT] = {"data", "error", "end"};

struct item {
    struct item *next;
    int64_t wall; /* when it came */
    size_t len;
    char data[];
};

struct queue {
    struct item *first;
    struct item **last;
    size_t bytes;
};

struct grpc_stream {
    struct vu_task task;
    struct grpc_op op;
    JSValue object;       /* owned while the call goes on: the Stream itself */
    JSValue listeners;    /* owned: an array per event */
    struct fiber *reader; /* NULL: it has ended, or has not begun */
    struct fiber *writer;
    struct queue in;
    struct queue out;
    bool ends;         /* end() was called */
    bool is_over;      /* all has come that will */
    bool reader_waits; /* for room */
};

/* --- queues ------------------------------------------------------------------------------- */

static void queue_init(struct queue *q)
{
    *q = (struct queue){.last = &q->first};
}

static void put(struct queue *q, struct str data)
{
    struct item *i = mem_alloc(sizeof *i + data.len);

    *i = (struct item){.wall = clock_wall(), .len = data.len};
    if (data.len)
        memcpy(i->data, data.ptr, data.len);
    *q->last = i;
    q->last = &i->next;
    q->bytes += data.len;
}

static struct item *take(struct queue *q)
{
    struct item *i = q->first;

    if (!i)
        return NULL;
    q->first = i->next;
    if (!q->first)
        q->last = &q->first;
    q->bytes -= i->len;
    return i;
}

static void clear(struct queue *q)
{
    struct item *i;

    while ((i = take(q)))
        mem_free(i);
}

/* --- the fibers --------------------------------------------------------------------------- */

static void end_fiber(struct grpc_stream *s, struct fiber **self)
{
    *self = NULL;
    if (!s->reader && !s->writer)
        s->is_over = true;
    vu_task_wake(&s->task);
}

static int wait_for_room(struct grpc_stream *s)
{
    int err = 0;

    s->reader_waits = true;
    while (err == 0 && s->in.bytes > QUEUE_MAX)
        err = fiber_park();
    s->reader_waits = false;
    return err;
}

static void reader_main(void *arg)
{
    struct grpc_stream *s = arg;
    struct str message;

    while (grpc_receive(&s->op.call, &message)) {
        if (s->op.answered == 0)
            s->op.answered = clock_now();
        put(&s->in, message);
        vu_task_wake(&s->task);
        if (wait_for_room(s) != 0)
            break;
    }
    s->op.ended = clock_now();
    if (s->op.answered == 0)
        s->op.answered = s->op.ended;
    if (s->writer)
        fiber_wake(s->writer); /* nobody reads what it would send */
    end_fiber(s, &s->reader);
}

/* Sends until end() was called or the call is over. */
static void send_all(struct grpc_stream *s)
{
    int err = 0;

    while (err == 0 && s->reader) {
        struct item *i = take(&s->out);

        if (i) {
            grpc_send(&s->op.call, str_from(i->data, i->len), false);
            mem_free(i);
        } else if (s->ends) {
            grpc_send(&s->op.call, (struct str){NULL, 0}, true);
            return;
        } else {
            err = fiber_park();
        }
    }
}

static void writer_main(void *arg)
{
    struct grpc_stream *s = arg;
    struct grpc_call *c = &s->op.call;

    s->op.started = clock_now();
    c->deadline = s->op.timeout > 0 ? s->op.started + s->op.timeout : INT64_MAX;
    grpc_open(c);
    s->op.sent = clock_now();
    s->reader = fiber_start(s->op.vu->loop, reader_main, s);
    send_all(s);
    end_fiber(s, &s->writer);
}

/* --- events ------------------------------------------------------------------------------- */

static JSValue call_listeners(JSContext *ctx, struct grpc_stream *s, enum event event, int argc,
                              JSValueConst *argv)
{
    JSValue list = JS_GetPropertyUint32(ctx, s->listeners, event);
    int64_t count = host_length(ctx, list);
    JSValue result = JS_UNDEFINED;

    for (int64_t i = 0; i < count && !JS_IsException(result); i++) {
        JSValue fn = JS_GetPropertyUint32(ctx, list, (uint32_t)i);

        JS_FreeValue(ctx, result);
        result = JS_Call(ctx, fn, JS_UNDEFINED, argc, argv);
        JS_FreeValue(ctx, fn);
    }
    JS_FreeValue(ctx, list);
    return result;
}

static JSValue emit_data(JSContext *ctx, struct grpc_stream *s, const struct item *i)
{
    JSValue argv[2] = {grpc_decode(ctx, &s->op, str_from(i->data, i->len)), JS_NewObject(ctx)};
    JSValue result = JS_EXCEPTION;

    vu_sample_tagged(s->op.vu, METRIC_GRPC_STREAMS_MSGS_RECEIVED, s->op.tags, 1);
    if (!JS_IsException(argv[0]) &&
        host_set(ctx, argv[1], "ts", JS_NewInt64(ctx, i->wall / NSEC_PER_MSEC)) == 0)
        result = call_listeners(ctx, s, EVENT_DATA, 2, argv);
    JS_FreeValue(ctx, argv[0]);
    JS_FreeValue(ctx, argv[1]);
    return result;
}

static void keep(const struct grpc_op *op)
{
    tagset_id tags = grpc_tags_with_status(op, op->call.status);

    if (shard_wants_request(op->vu->shard, tags, op->call.status != GRPC_OK, op->trace.sampled,
                            op->ended - op->started))
        grpc_keep_request(op, tags);
}

static void end_task(struct grpc_stream *s)
{
    JSContext *ctx = s->task.vu->ctx;
    JSValue object = s->object;

    grpc_count_bytes(&s->op);
    if (s->op.ended)
        keep(&s->op);
    vu_task_end(&s->task);
    s->object = JS_UNDEFINED;
    JS_FreeValue(ctx, object); /* may free s */
}

static JSValue emit_end(JSContext *ctx, struct grpc_stream *s)
{
    JSValue error;
    JSValue result = JS_UNDEFINED;

    if (s->op.call.status != GRPC_OK) {
        error = grpc_error_object(ctx, &s->op);
        result = call_listeners(ctx, s, EVENT_ERROR, 1, &error);
        JS_FreeValue(ctx, error);
    }
    if (!JS_IsException(result)) {
        JS_FreeValue(ctx, result);
        result = call_listeners(ctx, s, EVENT_END, 0, NULL);
    }
    end_task(s);
    return result;
}

/* One event at a time: what a listener promised comes before the next one. */
static JSValue run_task(struct vu_task *task, JSContext *ctx)
{
    struct grpc_stream *s = CONTAINER_OF(task, struct grpc_stream, task);
    struct item *i = take(&s->in);
    JSValue result;

    if (!i)
        return s->is_over ? emit_end(ctx, s) : JS_UNDEFINED;
    if (s->reader_waits && s->reader)
        fiber_wake(s->reader);
    result = emit_data(ctx, s, i);
    mem_free(i);
    if (s->in.first || s->is_over)
        vu_task_wake(task);
    return result;
}

static void stop_task(struct vu_task *task)
{
    struct grpc_stream *s = CONTAINER_OF(task, struct grpc_stream, task);

    if (s->reader)
        fiber_cancel(s->reader);
    if (s->writer)
        fiber_cancel(s->writer);
    if (!s->reader && !s->writer)
        end_task(s);
}

static const struct vu_task_ops task_ops = {run_task, stop_task};

/* --- the class ---------------------------------------------------------------------------- */

static struct grpc_stream *stream_of(JSContext *ctx, JSValueConst this_val)
{
    return host_this(ctx, this_val, &grpc_stream_class);
}

static JSValue on(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct grpc_stream *s = stream_of(ctx, this_val);
    JSValue list;
    struct str name;
    int err = -1;

    if (!s || host_str(ctx, host_arg(argc, argv, 0), &name) < 0)
        return JS_EXCEPTION;
    if (!JS_IsFunction(ctx, host_arg(argc, argv, 1)))
        return JS_ThrowTypeError(ctx, "the listener of '%.*s' must be a function", STR_ARG(name));
    for (uint32_t i = 0; i < EVENT_COUNT; i++) {
        if (!str_eq_c(name, event_names[i]))
            continue;
        list = JS_GetPropertyUint32(ctx, s->listeners, i);
        err = JS_SetPropertyUint32(ctx, list, (uint32_t)host_length(ctx, list),
                                   JS_DupValue(ctx, argv[1]));
        JS_FreeValue(ctx, list);
        return err < 0 ? JS_EXCEPTION : JS_UNDEFINED;
    }
    return JS_ThrowTypeError(ctx, "unknown event '%.*s': use data, error or end", STR_ARG(name));
}

static JSValue write_message(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct grpc_stream *s = stream_of(ctx, this_val);
    struct buf bytes;

    if (!s || grpc_encode(ctx, &s->op, host_arg(argc, argv, 0), &bytes) < 0)
        return JS_EXCEPTION;
    if (s->ends || !s->writer) {
        host_warn(ctx, "grpc.Stream: write() after the end of the stream");
    } else {
        put(&s->out, buf_str(&bytes));
        vu_sample_tagged(s->op.vu, METRIC_GRPC_STREAMS_MSGS_SENT, s->op.tags, 1);
        fiber_wake(s->writer);
    }
    buf_deinit(&bytes);
    return JS_UNDEFINED;
}

static JSValue end(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct grpc_stream *s = stream_of(ctx, this_val);

    (void)argc;
    (void)argv;
    if (!s)
        return JS_EXCEPTION;
    s->ends = true;
    if (s->writer)
        fiber_wake(s->writer);
    return JS_UNDEFINED;
}

static void free_stream(JSRuntime *rt, struct grpc_stream *s)
{
    JS_FreeValueRT(rt, s->listeners);
    clear(&s->in);
    clear(&s->out);
    grpc_op_deinit(&s->op);
    mem_free(s);
}

static JSValue new_listeners(JSContext *ctx)
{
    JSValue lists = JS_NewArray(ctx);

    for (uint32_t i = 0; i < EVENT_COUNT; i++)
        JS_SetPropertyUint32(ctx, lists, i, JS_NewArray(ctx));
    return lists;
}

static JSValue construct(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    struct grpc_client *client = host_object_data(host_arg(argc, argv, 0), &grpc_client_class);
    struct grpc_stream *s;
    JSValue object;

    if (!client)
        return JS_ThrowTypeError(ctx, "new Stream() takes a Client, a method and parameters");
    if (host_need_vu(ctx, "new Stream()") < 0)
        return JS_EXCEPTION;
    s = mem_zalloc(sizeof *s);
    if (grpc_op_init(ctx, &s->op, client, host_arg(argc, argv, 1), host_arg(argc, argv, 2), 0) <
        0) {
        mem_free(s);
        return JS_EXCEPTION;
    }
    queue_init(&s->in);
    queue_init(&s->out);
    s->listeners = new_listeners(ctx);
    object = host_object_construct(ctx, new_target, &grpc_stream_class, s);
    if (JS_IsException(object)) {
        free_stream(JS_GetRuntime(ctx), s);
        return object;
    }
    s->object = JS_DupValue(ctx, object);
    vu_sample_tagged(s->op.vu, METRIC_GRPC_STREAMS, s->op.tags, 1);
    vu_task_start(s->op.vu, &s->task, &task_ops);
    s->writer = fiber_start(s->op.vu->loop, writer_main, s);
    return object;
}

/* While the call goes on the stream holds itself, so nothing runs any more here. */
static void finalize(JSRuntime *rt, JSValue value)
{
    struct grpc_stream *s = JS_GetOpaque(value, grpc_stream_class.id);

    if (s)
        free_stream(rt, s);
}

static void mark(JSRuntime *rt, JSValueConst value, JS_MarkFunc *mark_func)
{
    struct grpc_stream *s = JS_GetOpaque(value, grpc_stream_class.id);

    if (s)
        JS_MarkValue(rt, s->listeners, mark_func);
}

static const JSCFunctionListEntry methods[] = {
    JS_CFUNC_DEF("on", 2, on),
    JS_CFUNC_DEF("write", 1, write_message),
    JS_CFUNC_DEF("end", 0, end),
};

struct host_class grpc_stream_class = {
    .def = {.class_name = "Stream", .finalizer = finalize, .gc_mark = mark},
    .methods = methods,
    .method_count = COUNT_OF(methods),
    .construct = construct,
    .construct_length = 2,
};
