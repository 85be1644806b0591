/* What the files of HTTP/2 share; nobody else includes it.
 *
 * conn.c reads, writes and ends connections; stream.c is the callers' side of a stream; events.c
 * is nghttp2's side: what becomes of the frames that arrive. */
#ifndef PROTO_H2_INTERNAL_H
#define PROTO_H2_INTERNAL_H

#include <nghttp2/nghttp2.h>

#include "proto/h2/h2.h"

struct h2_conn {
    struct stream *transport; /* owned */
    nghttp2_session *session;
    struct loop *loop;
    struct fiber *reader; /* NULL: it has ended */
    unsigned refs;
    struct h2_stream *streams; /* those that are not closed */
    struct stream_bytes taken; /* what h2_conn_take_bytes has told of */
    struct buf out;
    int64_t ready; /* when the bytes became readable that are being handled */

    int err; /* 0: alive */
    uint32_t code;
    bool is_writing;
    bool is_going_away; /* the server's GOAWAY: */
    int32_t last_id;
    uint32_t goaway_code;
    uint32_t own_code; /* of the GOAWAY that we sent: what the server did wrong */
};

/* Writes what nghttp2 has to send, unless another fiber is at it (that one will write it). After a
 * failure the connection is dead and conn->err tells why. */
YIELDS void h2_conn_flush(struct h2_conn *conn, int64_t deadline);

/* As h2_conn_flush, soon and on another fiber: for callers that may not park. */
void h2_conn_flush_later(struct h2_conn *conn);

/* The connection is dead: each stream ends with this error. */
void h2_conn_fail(struct h2_conn *conn, int err, uint32_t code);

/* A session for `conn`. */
nghttp2_session *h2_session_new(struct h2_conn *conn);

/* The stream is over; wakes whoever waits. */
void h2_stream_end(struct h2_stream *stream, int err, uint32_t code, const char *why);
void h2_stream_wake(struct h2_stream *stream);

#endif
