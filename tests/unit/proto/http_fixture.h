/* What the tests of the HTTP client share: a client on a fiber, and a server on threads that
 * answers requests with texts in their order, whatever they ask. */
#ifndef UNIT_PROTO_HTTP_FIXTURE_H
#define UNIT_PROTO_HTTP_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "net/dialer.h"
#include "proto/http.h"

/* --- the server --------------------------------------------------------------------------------
 */

enum then {
    THEN_KEEP,  /* the connection waits for the next request */
    THEN_CLOSE, /* it ends */
    THEN_RESET, /* it ends with a reset */
    THEN_STALL, /* nothing more comes until the client closes it */
    THEN_DEAF,  /* the same, and nothing more is read */
};

struct reply {
    const char *text;
    enum then then;
    size_t len;        /* of text; 0: strlen */
    size_t piece;      /* written in pieces of that many bytes; 0: at once */
    int delay_ms;      /* before it */
    bool without_body; /* answers when the request's head is there */
};

enum { REQUESTS_MAX = 64 };

/* What the server got, in order of arrival. */
struct seen {
    char *text; /* head and body */
    size_t len;
    unsigned connection; /* 1 for the first that was accepted */
};
extern struct seen seen[REQUESTS_MAX];
extern size_t seen_count;

/* Serves the replies on the port that it returns, on any number of connections, each with a thread
 * of its own. The array stays the caller's. Once per test. */
uint16_t serve(const struct reply *replies, size_t count);
#define SERVE(replies) serve((replies), COUNT_OF(replies))

/* "http://127.0.0.1:PORT" and the path: a static text, one of many. */
const char *at(uint16_t port, const char *path);
/* The same with "user:password@" in front of the host. */
const char *at_user(uint16_t port, const char *user, const char *path);

/* A port on which nobody listens. */
uint16_t dead_port(void);

/* --- the client --------------------------------------------------------------------------------
 */

extern struct http_client *client;
extern struct http_client_options client_options; /* read when a test's fiber starts */
extern struct dialer_options dialer_options;
extern struct arena arena;

/* Runs fn on a fiber with a client; afterwards the server's connections end. */
void run_client(void (*fn)(void));

/* A GET of that URL with a timeout of seconds, 10 redirects. */
struct http_request request_of(const char *method, const char *url);
/* Sends it; the hops are in `hops`. */
YIELDS struct http_response send_request(struct http_request *request);
YIELDS struct http_response get(const char *url);

enum { HOPS_MAX = 32 };
extern struct http_response hops[HOPS_MAX];
extern size_t hop_count;

/* System calls of the code under test: recv and sendmsg of the fixture take the place of libc's. */
extern unsigned recv_calls;
extern unsigned send_calls;

/* --- texts -------------------------------------------------------------------------------------
 */

/* A NUL-terminated copy in the arena. */
const char *text(struct str s);
/* A header of a report, or "(none)". */
const char *header_of(const struct http_header *list, size_t count, const char *name);
/* A header of the `i`-th request that the server got, or "(none)". */
const char *seen_header(size_t i, const char *name);
/* Its request line; its body. */
const char *seen_line(size_t i);
const char *seen_body(size_t i);

#endif
