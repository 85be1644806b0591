/* HTTP/1.1 (RFC 9112) without I/O: bytes in, events out.
 *
 * The reader is strict where leniency lets two readers disagree: bare CR, folded lines, white space
 * around field names, conflicting Content-Length, a chunk size that overflows are all errors. A
 * bare LF ends a line, as RFC 9112 2.2 allows. Everything that a peer can make large has a limit.
 */
#ifndef PROTO_HTTP1_H
#define PROTO_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"
#include "proto/header.h"

enum {
    HTTP1_HEAD_MAX = 1024 * 1024, /* bytes of a head, 1xx responses before it not counted */
    HTTP1_HEADERS_MAX = 4096,     /* fields of a head, or of trailers */
    HTTP1_INTERIM_MAX = 16,       /* 1xx responses before a final one */
    HTTP1_CHUNK_LINE_MAX = 4096,  /* a chunk's size with its extensions */
    HTTP1_TRAILER_MAX = 64 * 1024,
};

/* --- requests ----------------------------------------------------------------------------- */

/* The head "METHOD target HTTP/1.1", the headers in their order, the empty line; in the arena.
 * Names and values have been checked by the caller (header.h). */
struct str http1_write_head(struct str method, struct str target, const struct http_header *headers,
                            size_t count, struct arena *a);

/* --- response heads ----------------------------------------------------------------------- */

enum http1_body {
    HTTP1_BODY_NONE,
    HTTP1_BODY_LENGTH,
    HTTP1_BODY_CHUNKED,
    HTTP1_BODY_UNTIL_CLOSE,
};

struct http1_head {
    int status;
    int minor;                   /* HTTP/1.minor: 0 or 1 */
    struct str status_text;      /* "200 OK" */
    struct http_header *headers; /* names canonical, values trimmed */
    size_t header_count;
    enum http1_body body;
    uint64_t length;   /* read when body is HTTP1_BODY_LENGTH */
    bool keep_alive;   /* the connection may carry another request after this response */
    bool is_upgrade;   /* 101: what follows is another protocol's */
    bool has_encoding; /* there is a Content-Encoding */
    bool has_cookies;  /* there is a Set-Cookie */
};

/* Finds the end of a head in bytes that come piece by piece; what was seen is not looked at again.
 */
struct http1_scan {
    size_t seen;       /* bytes looked at */
    size_t line_start; /* of the line that is incomplete */
    size_t lines;      /* complete lines so far, the status line included */
};

/* `data` holds all bytes since the head's first, and `len` only grows between calls. Returns the
 * head's length with its empty line, 0 when more bytes are needed, ERR_HTTP_HEADER_LIMIT, or
 * ERR_HTTP when this does not begin like HTTP. */
MUST_USE ptrdiff_t http1_scan_head(struct http1_scan *scan, const char *data, size_t len);

/* Reads a complete head of `len` bytes with `lines` lines, as http1_scan_head found it. Names are
 * made canonical in place; pieces point into `data`, the list is in the arena. `is_head`: the
 * request's method was HEAD. ERR_HTTP; *why, a static text, tells what is wrong with it. */
MUST_USE int http1_parse_head(char *data, size_t len, size_t lines, bool is_head, struct arena *a,
                              struct http1_head *out, const char **why);

/* --- chunked bodies ----------------------------------------------------------------------- */

struct http1_chunks {
    const char *why; /* after an error: a static text */
    uint64_t left;   /* of the chunk's data, or its size while that is being read */
    size_t line;     /* bytes of the present line, or of all trailers */
    uint32_t trailers;
    uint8_t state;
};
#define HTTP1_CHUNKS_INIT                                                                          \
    {                                                                                              \
        NULL, 0, 0, 0, 0                                                                           \
    }

enum http1_chunk_event {
    HTTP1_CHUNK_MORE, /* everything was used up: more bytes are needed */
    HTTP1_CHUNK_DATA, /* *data: a piece of the body, within the input */
    HTTP1_CHUNK_END,  /* the body is complete; what is left is not part of it */
};

/* Reads from `in` up to the next event and cuts what it used from the front of `*in`. Returns the
 * event, or ERR_HTTP / ERR_HTTP_HEADER_LIMIT. Trailers are checked and dropped. */
MUST_USE int http1_chunks_next(struct http1_chunks *c, struct str *in, struct str *data);

#endif
