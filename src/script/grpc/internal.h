/* What the files of k6/net/grpc share; nobody else includes it.
 *
 * mod_grpc.c has the Client's connection and schemas, invoke.c unary calls, stream.c streams,
 * reflect.c asks a server for its schema, values.c is what JavaScript's values and gRPC's make of
 * each other. */
#ifndef SCRIPT_GRPC_INTERNAL_H
#define SCRIPT_GRPC_INTERNAL_H

#include "proto/grpc/grpc.h"
#include "script/grpc/protos.h"
#include "script/http/internal.h"

/* --- the client --------------------------------------------------------------------------- */

/* What a server told of itself. Calls that go on hold it, whatever becomes of the client. */
struct reflected {
    struct pb_schema schema;
    unsigned refs;
};

void reflected_unref(struct reflected *r); /* NULL is allowed */

struct grpc_client {
    const struct pb_schema **schemas; /* those of load() and loadProtoset(); the list is owned */
    size_t schema_count;
    struct reflected *reflected; /* a reference: what the server told of itself; NULL: nothing */
    struct h2_conn *conn;        /* a reference; NULL: not connected */
    struct str authority;        /* heap */
    struct str address;          /* heap: as the script gave it */
    bool is_tls;
    size_t max_receive;
    size_t max_send; /* 0: no limit */
    struct loop *loop;
    struct http_vu *http;
    struct dialer *dialer; /* owned: one with TLS of its own; NULL: the worker's */
    struct tls_config *tls;
};

extern struct host_class grpc_client_class;
extern struct host_class grpc_stream_class;

/* The method of that name, and the schema it is in; NULL: an exception. */
const struct pb_method *grpc_find_method(JSContext *ctx, const struct grpc_client *client,
                                         struct str name, const struct pb_schema **schema);

/* --- one call ----------------------------------------------------------------------------- */

/* A call of a method with the script's parameters: what unary calls and streams have in common. */
struct grpc_op {
    struct arena arena;
    struct grpc_client *client; /* only while JavaScript runs: it may go meanwhile */
    struct h2_conn *conn;       /* a reference */
    const struct pb_schema *schema;
    struct reflected *held; /* a reference: when `schema` is its; or NULL */
    const struct pb_method *method;
    struct grpc_call call;
    struct str url; /* "host:port/package.Service/Method", in the arena */
    struct trace_context trace;
    tagset_id tags;
    struct vu *vu;
    int64_t timeout;
    bool discards;
    size_t max_send;

    /* Monotonic; 0: not yet. */
    int64_t started;
    int64_t sent;     /* the request, or what opens a stream */
    int64_t answered; /* the first message, or the end */
    int64_t ended;
};

/* Reads method and params; -1: an exception, and nothing to free. `timeout`: the default. */
MUST_USE int grpc_op_init(JSContext *ctx, struct grpc_op *op, struct grpc_client *client,
                          JSValueConst method, JSValueConst params, int64_t timeout);
/* The same for a method that is known. */
MUST_USE int grpc_op_init_method(JSContext *ctx, struct grpc_op *op, struct grpc_client *client,
                                 const struct pb_method *method, const struct pb_schema *schema,
                                 JSValueConst params, int64_t timeout);
void grpc_op_deinit(struct grpc_op *op);

/* Adds what the operation's connection has carried since it was last asked to the VU's bytes. */
void grpc_count_bytes(struct grpc_op *op);

/* A script's value as a message of the method's input, in `out`, which is initialised and the
 * caller's to free. -1: an exception, and nothing to free. */
MUST_USE int grpc_encode(JSContext *ctx, struct grpc_op *op, JSValueConst value, struct buf *out);
/* A message of the method's output as a value. */
JSValue grpc_decode(JSContext *ctx, const struct grpc_op *op, struct str message);

/* {name: [value, ...]} */
JSValue grpc_metadata_object(JSContext *ctx, const struct http_header *list, size_t count);
/* {code, message, details} of a call that has ended badly. */
JSValue grpc_error_object(JSContext *ctx, const struct grpc_op *op);
/* The tags with the status of the call. */
tagset_id grpc_tags_with_status(const struct grpc_op *op, int status);
/* A call that has ended, for traces and exemplars. A stream that ended well is no exemplar: how
 * long it went on is the script's doing. */
void grpc_keep_request(const struct grpc_op *op, tagset_id tags);

/* The schema of everything that the connected server serves, with one reference. NULL: an
 * exception. `metadata`: of the call; undefined: none. */
MUST_USE YIELDS struct reflected *grpc_reflect(JSContext *ctx, struct grpc_client *client,
                                               JSValueConst metadata);

/* --- functions of the Client -------------------------------------------------------------- */

JSValue grpc_invoke(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv);
JSValue grpc_async_invoke(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv);
JSValue grpc_health_check(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv);

#endif
