/* HTTP/2 (RFC 9113) as a client: many streams over one connection.
 *
 * nghttp2 keeps the protocol's state; this moves its bytes. A connection has a fiber of its own
 * that reads: it answers pings, opens windows and wakes the fibers that wait for a stream. Whoever
 * has something to send writes it at once, along with what others have queued. All of a connection
 * belongs to one loop.
 *
 * Moments are those of the bytes: a response's first byte is stamped with the moment at which the
 * socket became readable, a request's last one when its write returned. */
#ifndef PROTO_H2_H
#define PROTO_H2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "net/stream.h"
#include "proto/header.h"

enum {
    H2_HEAD_MAX = 1024 * 1024, /* bytes of the fields of a head or of trailers */
    H2_HEADERS_MAX = 4096,     /* their number */
};

/* --- connections -------------------------------------------------------------------------- */

struct h2_conn;

/* A session over `transport`, which it owns; the caller holds the first reference. Nothing is sent
 * before the first request. On a fiber of the transport's loop. */
struct h2_conn *h2_conn_new(struct stream *transport);
struct h2_conn *h2_conn_ref(struct h2_conn *conn);

/* Gives a reference back; NULL is allowed. With the last one the connection closes: every stream of
 * it is closed already. Its reading fiber ends a little later, so the loop has to run on. */
void h2_conn_unref(struct h2_conn *conn);

/* Whether a new stream may be opened: no failure, no GOAWAY. */
bool h2_conn_is_open(const struct h2_conn *conn);

/* For its addresses and its TLS; lives as long as the connection. */
const struct stream *h2_conn_transport(const struct h2_conn *conn);

/* Bytes on the wire since the last call. */
void h2_conn_take_bytes(struct h2_conn *conn, uint64_t *sent, uint64_t *received);

/* --- streams ------------------------------------------------------------------------------ */

/* One request and its response. The caller provides the memory, calls h2_stream_open, and in any
 * case h2_stream_close in the end. What is not marked otherwise is to be read only. */
struct h2_stream {
    struct arena *arena; /* set by the caller: heads and trailers lie here */
    size_t max_body;     /* set by the caller: how much may wait in `body`; past it ERR_LIMIT */

    /* Set by the caller, or NULL: called with the head, before any of the body is kept; whether
     * the body is wanted. Must not park. */
    bool (*on_head)(struct h2_stream *stream);
    void *arg; /* the caller's */

    int status;                  /* 0: no head yet */
    struct http_header *headers; /* names in lower case, pseudo-headers left out */
    size_t header_count;
    struct http_header *trailers;
    size_t trailer_count;
    struct buf body;  /* received and not yet consumed */
    bool has_ended;   /* the response is complete */
    bool is_closed;   /* nothing more happens */
    bool is_refused;  /* the server did not act on the request: it may be sent again */
    bool wants_bytes; /* set by the caller: who reads the body piece by piece opens the window by
                         h2_stream_consume; others have it opened for them */

    /* Once closed: 0, or ERR_H2_STREAM, ERR_H2_GOAWAY, ERR_H2_CONNECTION with the RFC's code, or
     * that of the transport. */
    int err;
    uint32_t code;
    const char *why; /* a static text about err, or NULL */

    /* Monotonic nanoseconds; 0: did not happen. */
    int64_t opened;     /* when the server's limit on streams let it go */
    int64_t written;    /* when the last byte of the request was written */
    int64_t first_byte; /* of the response */
    int64_t end;        /* of the response */

    struct h2_conn *_conn;
    int32_t _id;
    struct h2_stream *_next;
    struct fiber *_reader; /* waits for the response */
    struct fiber *_writer; /* waits for its data to go */
    struct http_header *_fields;
    size_t _field_count;
    size_t _field_room;
    size_t _field_bytes;
    struct str _out; /* data that is not yet with nghttp2 */
    bool _out_ends;  /* after it the request is complete */
    bool _is_deferred;
    bool _is_sent;    /* all that there is to send is with nghttp2 */
    bool _drops;      /* the body is not wanted */
    size_t _credited; /* bytes at the front of the body that the server knows to be taken */
};

struct h2_request {
    struct str method;
    struct str scheme; /* "https" */
    struct str authority;
    struct str path;
    const struct http_header *headers; /* any case; those that belong to connections are dropped */
    size_t header_count;
    bool has_body;  /* h2_stream_send follows */
    bool sends_now; /* it follows at once: the head waits for it, and both go in one write */
};

/* Sends the head, unless that waits for its data. 0, or an error after which the stream is only fit
 * for h2_stream_close. */
MUST_USE YIELDS int h2_stream_open(struct h2_conn *conn, struct h2_stream *stream,
                                   const struct h2_request *request, int64_t deadline);

/* Sends data; `ends`: no more follows. Returns when all is written, or when the response ended
 * before that (then 0: what is left is not needed). */
MUST_USE YIELDS int h2_stream_send(struct h2_stream *stream, struct str data, bool ends,
                                   int64_t deadline);

/* Waits for the response's end; for more of the body than the `have` bytes that wait in it, or the
 * end. 0 or stream->err, ERR_TIMEOUT, ERR_CANCELLED. */
MUST_USE YIELDS int h2_stream_wait_end(struct h2_stream *stream, int64_t deadline);
MUST_USE YIELDS int h2_stream_wait_more(struct h2_stream *stream, size_t have, int64_t deadline);

/* Drops bytes from the front of the body and lets the server send as many more. */
void h2_stream_consume(struct h2_stream *stream, size_t len);
/* Lets it send as many bytes as wait in the body, which stay: what they begin is not complete. */
void h2_stream_want_more(struct h2_stream *stream);

/* Ends the stream, by a RST_STREAM if the server may still be at it. Never parks; the arena may be
 * reset afterwards. */
void h2_stream_close(struct h2_stream *stream);

/* "PROTOCOL_ERROR" (RFC 9113 7); NULL: not a code of the RFC. */
const char *h2_code_name(uint32_t code);

#endif
