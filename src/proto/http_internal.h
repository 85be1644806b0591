/* What the files of the HTTP client share; nobody else includes it.
 *
 * http.c runs a chain of hops: redirects, cookies, limits. http_auth.c answers 401s. http_hop.c
 * runs one hop: its header list, its tries, the report. http_link.c gets it a connection and
 * decides what becomes of that. http1_exchange.c and http2_exchange.c move one request and one
 * response over it. http_error.c names failures. */
#ifndef PROTO_HTTP_INTERNAL_H
#define PROTO_HTTP_INTERNAL_H

#include "base/diag.h"
#include "net/dialer.h"
#include "net/pool.h"
#include "proto/auth.h"
#include "proto/h2/h2.h"
#include "proto/http.h"
#include "proto/http1.h"

struct http_client {
    struct http_client_options options;
    struct pool pool;            /* HTTP/1.1 */
    struct http_origin *origins; /* HTTP/2; see http_link.c */
    uint64_t sent;               /* bytes on the wire not yet taken */
    uint64_t received;
    uint64_t debugged; /* requests that http-debug has shown */
    size_t first_read; /* room for the first read of a response; 0: not known yet */
};

enum auth_step { AUTH_NOT_ASKED, AUTH_NEGOTIATED, AUTH_ANSWERED };

/* One http_send: what stays the same, and what the next hop sends. */
struct http_chain {
    struct http_client *client;
    const struct http_request *request;
    struct arena *arena;
    struct http_response *out; /* of the present hop */
    int64_t deadline;
    struct diag diag; /* of the present hop */

    struct str method;
    const struct url *url;       /* in the arena */
    struct str body;             /* as it goes over the wire */
    struct str plain_body;       /* before compression */
    struct http_header *headers; /* the script's, checked and canonical; in the arena */
    size_t header_count;
    struct str host;   /* Host header of its own; empty: the URL's authority */
    struct str cookie; /* the script's own Cookie header; empty: none */
    struct str user_agent;
    struct str referer;
    struct str authorization; /* of an auth round; empty: none */
    bool is_foreign;          /* redirected to another site: no secrets of the script go there */
    bool asks_close;          /* the script's headers say "Connection: close" */
    bool is_replayable;
    int redirects; /* followed so far */

    enum auth_step auth_step;
    struct conn *held; /* owned: the connection that the next round has to use (NTLM) */

    /* What the present hop's head decided. */
    bool is_redirect;
    bool is_auth_round;
    struct str location;
};

/* The connection of an exchange: one of the two. */
struct http_link {
    struct conn *conn;  /* HTTP/1.1: for this exchange alone */
    struct h2_conn *h2; /* HTTP/2: a reference to a shared one */
    bool is_reused;
    struct stream_bytes before; /* what conn had moved before this exchange */
    struct dial_timing dial;
    int64_t start;     /* when a connection was asked for */
    int64_t connected; /* when it was got */
};

/* One request and its response on one connection. */
struct http_exchange {
    struct http_chain *chain;
    struct http_link link;
    struct str target;
    const struct http_header *headers;
    size_t header_count;
    bool is_head;
    bool is_tunnel; /* no proxy reads what is sent */

    /* Results. */
    int status;
    struct str status_text; /* "200 OK" */
    struct str proto;
    struct http_header *response_headers;
    size_t response_header_count;
    bool has_cookies;
    bool has_encoding;
    bool has_payload; /* false: this kind of response has no body, or it was dropped */
    struct str payload;
    bool is_streamed; /* the body went to the request's sink */
    bool can_reuse;   /* the connection is fit for another request */
    bool got_bytes;   /* of a response */
    bool is_refused;  /* HTTP/2: the server did not act on the request */
    uint32_t h2_code;
    const char *why; /* a static text about err; NULL: none */
    uint64_t debug_number;

    /* Monotonic nanoseconds; 0: did not happen. */
    int64_t written;
    int64_t first_byte;
    int64_t end;
};

/* Writes the request, reads the response. 0 or an error; x->link stays the caller's. */
YIELDS int http1_exchange(struct http_exchange *x);
YIELDS int http2_exchange(struct http_exchange *x);

/* http-debug: shows a head and a body, if anybody wants to see them. */
void http_debug(struct http_exchange *x, enum http_debug_what what, struct str head,
                struct str body);

/* Gives the exchange a connection: a kept one, or a new one through `proxy` (NULL: straight). */
YIELDS int http_link_open(struct http_exchange *x, const struct proxy *proxy);
/* Ends the exchange's use of it: kept, shared on, or closed. `err`: how the exchange ended. */
void http_link_close(struct http_exchange *x, int err);
const struct stream *http_link_stream(const struct http_link *link);

/* Closes what nobody uses. */
void http_origins_close_idle(struct http_client *client);
void http_origins_free(struct http_client *client);

/* To be called by an exchange when the head is there: decides what becomes of this response.
 * Returns whether its body is wanted. */
bool http_note_head(struct http_exchange *x);

/* Fills c->out with what the head says. */
void http_report_head(struct http_exchange *x);

/* For an exchange that gives a body to the request's sink while it comes. NULL: it does not want
 * pieces of this one (also when http_note_head said that the body is not wanted). */
const struct http_sink *http_sink_of(const struct http_exchange *x);
/* Whether `err` only means that the sink has enough; then the fiber's cancellation is over. */
bool http_has_enough(const struct http_chain *c, int err);

/* Runs one hop of the chain and fills c->out; the report is not yet made. Returns c->out->err. */
YIELDS int http_hop(struct http_chain *c);

/* Whether the head is a 401 that the chain can answer; if so the next hop's authorization is set.
 */
bool http_answer_challenge(struct http_chain *c, const struct http_exchange *x);

/* Fills err, error_code, error and error_long. `why`: more than err_text knows, or NULL. `h2_code`:
 * HTTP/2's for the ERR_H2_ errors. */
void http_set_error(struct http_chain *c, int err, uint32_t h2_code, const char *why);

#endif
