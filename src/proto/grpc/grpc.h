/* gRPC over HTTP/2 as a client (github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md): one call, of any
 * kind.
 *
 * Messages are bytes here; what is in them is the business of pb/. */
#ifndef PROTO_GRPC_GRPC_H
#define PROTO_GRPC_GRPC_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "proto/h2/h2.h"

/* The status codes of gRPC that gale itself gives. */
enum grpc_status {
    GRPC_OK = 0,
    GRPC_CANCELED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_UNAUTHENTICATED = 16,
};

enum { GRPC_RECEIVE_MAX = 4 * 1024 * 1024 }; /* a message, unless the caller says otherwise */

/* A call. The caller provides the memory and sets what stands first; in any case grpc_close. */
struct grpc_call {
    struct h2_conn *conn; /* lives as long as the call */
    struct arena *arena;
    struct str scheme;
    struct str authority;
    struct str path; /* "/package.Service/Method" */
    struct str user_agent;
    const struct http_header *metadata; /* names in any case; of "-bin" ones the values in base64 */
    size_t metadata_count;
    int64_t timeout;    /* nanoseconds, told to the server; 0: none */
    int64_t deadline;   /* monotonic; INT64_MAX: none */
    size_t max_receive; /* 0: GRPC_RECEIVE_MAX */
    bool
        sends_now; /* grpc_send follows grpc_open at once, as in a unary call: one write for both */

    /* Results, in the arena. */
    int status; /* valid once grpc_receive said that there are no more messages */
    struct str message;
    const struct http_header *headers;
    size_t header_count;
    const struct http_header *trailers;
    size_t trailer_count;

    struct h2_stream _stream;
    size_t _given; /* bytes of the message that grpc_receive returned last */
    bool _is_open;
    bool _is_over;
};

/* Starts the call. A failure is a status, which grpc_receive tells. */
YIELDS void grpc_open(struct grpc_call *call);

/* Sends a message; `ends`: it is the last one. With no message (ptr NULL) it only ends. */
YIELDS void grpc_send(struct grpc_call *call, struct str message, bool ends);

/* The next message; valid until the next call. False: there is none, and status and all say why. */
MUST_USE YIELDS bool grpc_receive(struct grpc_call *call, struct str *message);

/* Ends the call, if need be by cancelling it. Never parks. */
void grpc_close(struct grpc_call *call);

#endif
