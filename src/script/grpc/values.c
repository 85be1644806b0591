#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "metrics/request.h"
#include "metrics/shard.h"
#include "proto/pb/json.h"
#include "proto/pb/wire.h"
#include "script/grpc/internal.h"

enum { JSON_MAX = 256 * 1024 * 1024 };

/* --- messages ----------------------------------------------------------------------------- */

int grpc_encode(JSContext *ctx, struct grpc_op *op, JSValueConst value, struct buf *out)
{
    JSValue text = JS_JSONStringify(ctx, value, JS_UNDEFINED, JS_UNDEFINED);
    struct diag d = DIAG_INIT;
    json_t *json = NULL;
    struct str source;
    int err;

    if (JS_IsException(text))
        return -1;
    err = JS_IsString(text) ? host_str(ctx, text, &source) : 0;
    JS_FreeValue(ctx, text);
    if (err < 0)
        return -1;
    json = JS_IsString(text)
               ? json_loadb(source.ptr, source.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL)
               : json_null();
    buf_init(out, op->max_send ? op->max_send : JSON_MAX);
    err = pb_from_json(op->schema, op->method->input, json, out, &d);
    json_decref(json);
    if (err && buf_is_over(out))
        host_throw(ctx, "the request is larger than maxSendSize (%zu bytes)", op->max_send);
    else if (err)
        host_throw(ctx, "the request is no %.*s: %s", STR_ARG(op->method->input_name), d.message);
    if (err)
        buf_deinit(out);
    diag_deinit(&d);
    return err ? -1 : 0;
}

static JSValue parse(JSContext *ctx, const struct buf *json)
{
    return JS_ParseJSON(ctx, json->data ? json->data : "null", json->data ? json->len : 4, "gRPC");
}

JSValue grpc_decode(JSContext *ctx, const struct grpc_op *op, struct str message)
{
    struct buf json = BUF_INIT(JSON_MAX);
    struct diag d = DIAG_INIT;
    JSValue value;

    if (pb_to_json(op->schema, op->method->output, message, &json, &d) == 0)
        value = parse(ctx, &json);
    else
        value = host_throw(ctx, "the response is no %.*s: %s", STR_ARG(op->method->output_name),
                           d.message ? d.message : "it is too large");
    diag_deinit(&d);
    buf_deinit(&json);
    return value;
}

/* --- metadata ----------------------------------------------------------------------------- */

/* A value of a "-bin" name is bytes, in base64 on the wire. */
static JSValue metadata_value(JSContext *ctx, const struct http_header *h)
{
    struct buf bytes = BUF_INIT(h->value.len + 4);
    JSValue value;

    if (str_ends_with(h->name, STR("-bin")) && base64_decode(h->value, &bytes))
        value = host_string(ctx, buf_str(&bytes));
    else
        value = host_string(ctx, h->value);
    buf_deinit(&bytes);
    return value;
}

/* Appends to the array of that name. */
static void add_value(JSContext *ctx, JSValueConst object, const struct http_header *h)
{
    JSAtom name = JS_NewAtomLen(ctx, h->name.ptr, h->name.len);
    JSValue values = JS_GetProperty(ctx, object, name);
    int64_t len = 0;

    if (JS_IsObject(values)) {
        len = host_length(ctx, values);
    } else {
        values = JS_NewArray(ctx);
        JS_DefinePropertyValue(ctx, object, name, JS_DupValue(ctx, values), JS_PROP_C_W_E);
    }
    JS_SetPropertyUint32(ctx, values, (uint32_t)len, metadata_value(ctx, h));
    JS_FreeValue(ctx, values);
    JS_FreeAtom(ctx, name);
}

/* Without those that are the protocol's own. */
JSValue grpc_metadata_object(JSContext *ctx, const struct http_header *list, size_t count)
{
    JSValue object = JS_NewObject(ctx);

    for (size_t i = 0; i < count; i++) {
        if (!str_starts_with(list[i].name, STR("grpc-")))
            add_value(ctx, object, &list[i]);
    }
    return object;
}

static struct str metadata_text(struct grpc_op *op, struct str name, const struct host_bytes *value)
{
    struct str bytes = str_from((const char *)value->ptr, value->len);
    struct buf text = BUF_INIT(SIZE_MAX);
    struct str result;

    if (!str_ends_with(name, STR("-bin")))
        return arena_str(&op->arena, bytes);
    base64_encode(bytes, BASE64_STD, false, &text);
    result = arena_str(&op->arena, buf_str(&text));
    buf_deinit(&text);
    return result;
}

struct metadata {
    struct grpc_op *op;
    struct http_header *items;
    size_t count;
    size_t room;
};

static int add_metadata(JSContext *ctx, struct str key, JSValueConst value, void *arg)
{
    struct metadata *m = arg;
    struct str name = arena_str(&m->op->arena, key);
    struct host_bytes bytes;
    struct str text;

    if (host_bytes(ctx, value, &bytes) < 0)
        return -1;
    text = metadata_text(m->op, name, &bytes);
    host_bytes_release(ctx, &bytes);
    if (!header_is_token(name) || !header_is_value(text)) {
        JS_ThrowTypeError(ctx, "params.metadata: \"%.*s\" can't be sent", STR_ARG(name));
        return -1;
    }
    if (m->count == m->room) {
        size_t room = m->room * 2 + 8;
        struct http_header *more = arena_alloc(&m->op->arena, room * sizeof *more);

        if (m->count)
            memcpy(more, m->items, m->count * sizeof *more);
        m->items = more;
        m->room = room;
    }
    m->items[m->count++] = (struct http_header){name, text};
    return 0;
}

static int read_metadata(JSContext *ctx, struct grpc_op *op, JSValueConst params)
{
    JSValue value = host_get(ctx, params, "metadata");
    struct metadata m = {.op = op};
    int err = JS_IsException(value) ? -1 : 0;

    if (err == 0 && JS_IsObject(value))
        err = host_each(ctx, value, add_metadata, &m);
    JS_FreeValue(ctx, value);
    op->call.metadata = m.items;
    op->call.metadata_count = m.count;
    return err;
}

/* --- parameters --------------------------------------------------------------------------- */

static int read_timeout(JSContext *ctx, struct grpc_op *op, JSValueConst params)
{
    JSValue value = host_get(ctx, params, "timeout");
    int err = JS_IsException(value) ? -1 : 0;

    if (err == 0 && !host_is_nullish(value))
        err = host_duration(ctx, value, "params.timeout", &op->timeout);
    JS_FreeValue(ctx, value);
    return err;
}

static int read_tags(JSContext *ctx, struct grpc_op *op, JSValueConst params)
{
    JSValue value = host_get(ctx, params, "tags");
    int err =
        JS_IsException(value) ? -1 : host_tags(ctx, value, "params.tags", op->vu->tags, &op->tags);

    JS_FreeValue(ctx, value);
    return err;
}

static int read_params(JSContext *ctx, struct grpc_op *op, JSValueConst params)
{
    int discards;

    if (!JS_IsObject(params))
        return 0;
    discards = host_get_bool(ctx, params, "discardResponseMessage", false);
    op->discards = discards > 0;
    return discards < 0 || read_metadata(ctx, op, params) < 0 ||
                   read_timeout(ctx, op, params) < 0 || read_tags(ctx, op, params) < 0
               ? -1
               : 0;
}

static struct str join(struct arena *a, struct str first, struct str second)
{
    char *text = arena_alloc(a, first.len + second.len + 1);

    if (first.len)
        memcpy(text, first.ptr, first.len);
    if (second.len)
        memcpy(text + first.len, second.ptr, second.len);
    text[first.len + second.len] = '\0';
    return str_from(text, first.len + second.len);
}

/* url, service, method: k6's tags of a call. */
static void add_tags(struct grpc_op *op)
{
    struct shard *shard = op->vu->shard;
    struct str name = op->method->name;
    ptrdiff_t slash = str_rfind(name, '/');
    tag_id ids[4];
    size_t count = 0;

    if (vu_has_system_tag(op->vu, SYSTEM_TAG_URL))
        ids[count++] = shard_tag(shard, STR("url"), op->url);
    if (vu_has_system_tag(op->vu, SYSTEM_TAG_NAME))
        ids[count++] = shard_tag(shard, STR("name"), op->url);
    if (vu_has_system_tag(op->vu, SYSTEM_TAG_SERVICE))
        ids[count++] = shard_tag(shard, STR("service"), str_slice(name, 0, (size_t)slash));
    if (vu_has_system_tag(op->vu, SYSTEM_TAG_METHOD))
        ids[count++] = shard_tag(shard, STR("method"), str_from_index(name, (size_t)slash + 1));
    op->tags = shard_tagset(shard, op->tags, ids, count);
}

tagset_id grpc_tags_with_status(const struct grpc_op *op, int status)
{
    char text[16] = "0"; /* of nearly all */
    tag_id id;

    if (!vu_has_system_tag(op->vu, SYSTEM_TAG_STATUS))
        return op->tags;
    if (status != GRPC_OK)
        snprintf(text, sizeof text, "%d", status);
    id = shard_tag(op->vu->shard, STR("status"), str_of(text));
    return shard_tagset(op->vu->shard, op->tags, &id, 1);
}

void grpc_keep_request(const struct grpc_op *op, tagset_id tags)
{
    bool is_stream = op->method->client_streams || op->method->server_streams;
    bool failed = op->call.status != GRPC_OK;
    struct request_record r = {
        .kind = REQUEST_GRPC,
        .is_no_exemplar = is_stream && !failed,
        .method = "gRPC",
        .end_wall = clock_wall() - (clock_now() - op->ended),
        .sending = op->sent - op->started,
        .waiting = op->answered - op->sent,
        .receiving = op->ended - op->answered,
        .status = op->call.status,
        .failed = failed,
    };

    request_text(r.url, sizeof r.url, op->url);
    request_text(r.error, sizeof r.error, failed ? op->call.message : STR(""));
    vu_add_request(op->vu, &op->trace, tags, &r);
}

static int check_connection(JSContext *ctx, const struct grpc_client *client)
{
    if (client->conn && h2_conn_is_open(client->conn))
        return 0;
    host_throw(ctx, client->conn ? "the gRPC connection is closed: call client.connect() again"
                                 : "no gRPC connection, you must call connect first");
    return -1;
}

int grpc_op_init(JSContext *ctx, struct grpc_op *op, struct grpc_client *client,
                 JSValueConst method, JSValueConst params, int64_t timeout)
{
    const struct pb_schema *schema;
    const struct pb_method *found;
    struct str name;

    /* First: by reflection the methods come with the connection. */
    if (host_str(ctx, method, &name) < 0 || check_connection(ctx, client) < 0)
        return -1;
    found = grpc_find_method(ctx, client, name, &schema);
    return found ? grpc_op_init_method(ctx, op, client, found, schema, params, timeout) : -1;
}

int grpc_op_init_method(JSContext *ctx, struct grpc_op *op, struct grpc_client *client,
                        const struct pb_method *method, const struct pb_schema *schema,
                        JSValueConst params, int64_t timeout)
{
    *op = (struct grpc_op){.client = client, .vu = vu_of(ctx), .timeout = timeout};
    op->tags = op->vu->tags;
    op->max_send = client->max_send;
    if (check_connection(ctx, client) < 0)
        return -1;
    op->method = method;
    op->schema = schema;
    arena_init(&op->arena);
    if (read_params(ctx, op, params) < 0) {
        arena_deinit(&op->arena);
        return -1;
    }
    op->call.path = join(&op->arena, STR("/"), op->method->name);
    op->url = join(&op->arena, client->address, op->call.path);
    add_tags(op);
    if (op->vu->worker->tracer)
        tracer_attach(op->vu->worker->tracer, &op->arena, &op->call.metadata,
                      &op->call.metadata_count, &op->trace);
    op->conn = h2_conn_ref(client->conn);
    if (client->reflected && schema == &client->reflected->schema) {
        op->held = client->reflected;
        op->held->refs++;
    }
    op->call.conn = op->conn;
    op->call.arena = &op->arena;
    op->call.scheme = client->is_tls ? STR("https") : STR("http");
    op->call.authority = arena_str(&op->arena, client->authority);
    op->call.user_agent = str_of(client->http->worker->user_agent);
    op->call.max_receive = client->max_receive;
    op->call.timeout = op->timeout;
    return 0;
}

void grpc_op_deinit(struct grpc_op *op)
{
    grpc_close(&op->call);
    h2_conn_unref(op->conn);
    reflected_unref(op->held);
    arena_deinit(&op->arena);
}

void grpc_count_bytes(struct grpc_op *op)
{
    uint64_t sent;
    uint64_t received;

    h2_conn_take_bytes(op->conn, &sent, &received);
    op->vu->data_sent += sent;
    op->vu->data_received += received;
}

/* --- errors ------------------------------------------------------------------------------- */

/* A google.protobuf.Any of the details; its type may be unknown here. */
static JSValue detail_value(JSContext *ctx, const struct grpc_op *op, struct str any)
{
    const struct pb_message *type = pb_schema_message(op->schema, STR("google.protobuf.Any"));
    struct pb_reader r = pb_reader_of(any);
    struct pb_field_value f;
    struct buf json = BUF_INIT(JSON_MAX);
    JSValue value = JS_UNDEFINED;

    if (type && pb_to_json(op->schema, type, any, &json, NULL) == 0)
        value = parse(ctx, &json);
    buf_deinit(&json);
    if (!JS_IsUndefined(value))
        return value;
    value = JS_NewObject(ctx);
    while (pb_next(&r, &f) == 1) {
        if (f.type == PB_BYTES && f.number == 1)
            JS_SetPropertyStr(ctx, value, "@type", host_string(ctx, f.bytes));
        else if (f.type == PB_BYTES && f.number == 2)
            JS_SetPropertyStr(ctx, value, "value", host_array_buffer(ctx, f.bytes));
    }
    return value;
}

/* google.rpc.Status: its details are field 3. */
static JSValue details_array(JSContext *ctx, const struct grpc_op *op)
{
    struct str text =
        header_value(op->call.trailers, op->call.trailer_count, STR("grpc-status-details-bin"));
    JSValue array = JS_NewArray(ctx);
    struct buf status = BUF_INIT(SIZE_MAX);
    struct pb_field_value f;
    uint32_t count = 0;

    if (text.len && base64_decode(text, &status)) {
        struct pb_reader r = pb_reader_of(buf_str(&status));

        while (pb_next(&r, &f) == 1) {
            if (f.type == PB_BYTES && f.number == 3)
                JS_SetPropertyUint32(ctx, array, count++, detail_value(ctx, op, f.bytes));
        }
    }
    buf_deinit(&status);
    return array;
}

JSValue grpc_error_object(JSContext *ctx, const struct grpc_op *op)
{
    JSValue error = JS_NewObject(ctx);

    if (host_set(ctx, error, "code", JS_NewInt32(ctx, op->call.status)) < 0 ||
        host_set_str(ctx, error, "message", op->call.message) < 0 ||
        host_set(ctx, error, "details", details_array(ctx, op)) < 0) {
        JS_FreeValue(ctx, error);
        return JS_EXCEPTION;
    }
    return error;
}
