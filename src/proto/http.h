/* The HTTP client that k6/http stands on: one call is one request of a script, with its redirects,
 * its authentication rounds, cookies, content codings, timeout and connection reuse.
 *
 * Each request on the wire is a hop: the first one, each redirect, each round of digest or NTLM.
 * Every hop is reported (http_request.on_hop), because each is measured and tagged by itself; the
 * last one's report is what the script gets as its response.
 *
 * Lifetimes: the caller gives an arena per call; everything in reports and in the response points
 * into it, into the request, or into frozen data, so they are valid until the caller resets the
 * arena. On a kept connection a hop is one write, one read, no allocation but from the arena.
 *
 * A client belongs to one VU. Several fibers of that VU may be in http_send at the same time
 * (http.batch), each with an arena of its own. */
#ifndef PROTO_HTTP_H
#define PROTO_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"
#include "net/addr.h"
#include "net/tls.h"
#include "proto/compress.h"
#include "proto/cookie.h"
#include "proto/header.h"
#include "proto/url.h"

struct dialer;
struct proxy;
struct http_client;
struct http_response;

/* --- the client of a VU ------------------------------------------------------------------- */

enum http_debug_what { HTTP_DEBUG_REQUEST, HTTP_DEBUG_RESPONSE };

/* Texts and pointers outlive the client. */
struct http_client_options {
    struct dialer *dialer;    /* the worker's */
    struct str user_agent;    /* for requests without one of their own; empty: none */
    const struct addr *local; /* the VU's local address; NULL: any */
    size_t max_idle;          /* option batch (20): idle connections in all */
    size_t max_idle_per_host; /* option batchPerHost (6); 0: no limit of its own */
    bool no_reuse;            /* noConnectionReuse: each request asks to close */
    uint64_t max_body;        /* bytes of a body, as received and decoded; 0: HTTP_BODY_MAX */

    /* http-debug; NULL: none. Called with each head as it went over the wire, and with the body
     * (a response's: decoded from its transfer coding; empty when `debug_bodies` is off); `number`
     * counts the client's requests. Runs on the fiber, must not park. */
    void (*debug)(void *arg, enum http_debug_what what, uint64_t number, struct str head,
                  struct str body);
    void *debug_arg;
    bool debug_bodies;
};

enum { HTTP_BODY_MAX = 256 * 1024 * 1024 };

struct http_client *http_client_new(const struct http_client_options *options);
/* Closes every connection; nobody is in http_send. NULL is allowed. */
void http_client_free(struct http_client *client);

/* Closes the idle connections (noVUConnectionReuse, end of an iteration). */
void http_client_close_idle(struct http_client *client);

/* Bytes on the wire (TLS and handshakes included) since the last call: data_sent, data_received. */
void http_client_take_bytes(struct http_client *client, uint64_t *sent, uint64_t *received);

/* --- requests ----------------------------------------------------------------------------- */

enum http_auth {
    HTTP_AUTH_AUTO, /* basic when the URL has a user */
    HTTP_AUTH_BASIC,
    HTTP_AUTH_DIGEST,
    HTTP_AUTH_NTLM,
};

/* A cookie of Params.cookies. */
struct http_cookie {
    struct str name;
    struct str value;
    bool replace; /* in place of the jar's of that name, instead of beside it */
};

/* Takes a body piece by piece while it comes, instead of the response. Called on the sending fiber.
 * A body with a content coding, or of a protocol that does not know how, comes when it is complete.
 */
struct http_sink {
    /* The last hop's head is there: status, headers, cookies, the connection. Must not park. */
    void (*on_head)(void *arg, const struct http_response *head);
    /* A piece, valid during the call. While it parks nothing more is read. 0, or an error, which
     * ends the request. */
    YIELDS int (*on_data)(void *arg, struct str piece);
    /* Whether ERR_CANCELLED only means that nobody wants the rest: then the request has succeeded.
     */
    bool (*is_enough)(const void *arg);
    void *arg;
};

/* What a script asks for. It and all it points to live as long as the arena's content. */
struct http_request {
    struct str method; /* "GET"; checked by http_send */
    struct url url;    /* url_parse */
    /* In order of sending. Names in any case; of two with one name the later counts. "Host" sets
     * the Host field; Content-Length and Transfer-Encoding are the client's own and are dropped. */
    const struct http_header *headers;
    size_t header_count;
    struct str body;                   /* before compression */
    struct compress_chain compression; /* of the body; sets Content-Encoding */
    const struct http_cookie *cookies;
    size_t cookie_count;
    struct cookie_jar *jar; /* NULL: no cookies are kept */
    enum http_auth auth;    /* user and password are the URL's */
    int64_t timeout;        /* nanoseconds for everything; 0: none */
    int max_redirects;      /* 0: a redirect is the response */
    bool discard_body;      /* responseType "none": read, not kept */
    bool has_proxy;         /* `proxy` counts, not the environment; NULL: straight */
    const struct proxy *proxy;
    const struct http_sink *sink; /* NULL: the body is the response's */

    /* Called at the end of each hop, the last one included, on the fiber; must not park. NULL:
     * nobody listens. */
    void (*on_hop)(void *arg, const struct http_response *hop);
    void *hop_arg;
};

/* --- responses ---------------------------------------------------------------------------- */

/* Nanoseconds (k6-features.md MET-09). `blocked` contains connecting and tls_handshaking and the
 * name's lookup; duration = sending + waiting + receiving. */
struct http_timings {
    int64_t blocked;
    int64_t looking_up; /* the name; no metric of its own */
    int64_t connecting;
    int64_t tls_handshaking;
    int64_t sending;
    int64_t waiting;
    int64_t receiving;
    int64_t duration;
};

/* A hop's request as it was sent. */
struct http_sent {
    struct str method;
    const struct url *url;
    const struct http_header *headers; /* canonical names; all but Host */
    size_t header_count;
    struct str body;                   /* before compression */
    const struct http_cookie *cookies; /* those of the Cookie field */
    size_t cookie_count;
};

/* How one hop ended; http_send's result is the last hop's. */
struct http_response {
    struct http_sent request;

    /* 0, or why there is no response (then `status` is 0, with no headers and no body). */
    int err;
    int error_code;        /* k6's: 0, 1000 + status from 400 on, or that of `err` */
    struct str error;      /* response.error and the error tag: "dial: connection refused", or "" */
    struct str error_long; /* for the log and exceptions: `Get "http://x/": dial tcp ...`, or "" */

    int status;             /* 0: no response */
    struct str status_text; /* "200 OK" */
    struct str proto;       /* "HTTP/1.1", "HTTP/1.0", "HTTP/2.0"; "" without a response */
    const struct http_header *headers; /* in order; canonical names, repeated ones as they came */
    size_t header_count;
    const struct cookie *cookies; /* of the Set-Cookie fields, in order */
    size_t cookie_count;
    struct str body; /* content codings undone */
    bool has_body;   /* false: null (HEAD, 204, discarded, redirect followed, error) */

    struct addr remote; /* ADDR_NONE: never connected */
    bool is_tls;
    struct tls_info tls; /* read when is_tls */
    struct http_timings timings;
    int64_t end_nsec;   /* monotonic: when the hop ended */
    bool is_auth_round; /* a 401 that a digest or NTLM round answers: expected, not a failure */
    bool hit_redirect_limit; /* a redirect that was not followed because there were too many */
};

/* Sends the request and whatever follows from it. Returns `out->err`: 0 whenever there is a
 * response. ERR_CANCELLED means that the fiber was cancelled. */
YIELDS int http_send(struct http_client *client, const struct http_request *request,
                     struct arena *arena, struct http_response *out);

#endif
