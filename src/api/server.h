/* An HTTP server on a loop: requests in, whole answers or event streams out. libmicrohttpd does the
 * protocol; everything runs on the loop's thread, so that handlers may look at the state of what
 * they show without a lock.
 *
 * A handler answers at once or later (a script must be read first): the request stays until it is
 * answered, or until `gone` says that the client has left. */
#ifndef API_SERVER_H
#define API_SERVER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct api_request;
struct api_server;
struct api_stream;
struct loop;

struct api_server_config {
    const char *address; /* host:port; port 0: any */
    struct loop *loop;
    size_t max_body;      /* bytes; more is answered with 413 */
    unsigned connections; /* at once */
    const char *cert_pem; /* TLS: texts; NULL: plain */
    const char *key_pem;
    /* A request's head is there: who knows now that it will be refused answers it, and its body is
     * not read. It may set api_limit_body and api_set_data. NULL: all are read. */
    void (*admit)(void *arg, struct api_request *r);
    /* An answer is given, whoever gave it. May be NULL. */
    void (*answered)(void *arg, unsigned status);
    /* A request is there, with its whole body. */
    void (*handle)(void *arg, struct api_request *r);
    void *arg;
};

/* ERR_INVALID for an address that is none, negative errno when it can't be had; with a message. */
MUST_USE int api_server_start(const struct api_server_config *config, struct api_server **out,
                              struct diag *d);
void api_server_stop(struct api_server *s); /* NULL is allowed */
int api_server_port(const struct api_server *s);
/* Runs the loop until all streams that have ended are sent, or so long. */
void api_server_drain(struct api_server *s, int64_t nsec);

/* --- requests ------------------------------------------------------------------------------- */

const char *api_method(const struct api_request *r); /* "GET", ... */
const char *api_path(const struct api_request *r); /* "/api/v1/runs", decoded, without the query */
struct str api_body(const struct api_request *r);
const char *api_header(const struct api_request *r, const char *name); /* NULL: none */
const char *api_query(const struct api_request *r, const char *name);  /* decoded; NULL: none */
/* All of the query: an object of arrays of texts, by name; what is no UTF-8 is left out. The
 * caller's. */
json_t *api_queries(const struct api_request *r);
const char *api_cookie(const struct api_request *r, const char *name); /* NULL: none */
/* How many bytes the body may have; at most the server's max_body. */
void api_limit_body(struct api_request *r, size_t max);
/* Of whoever serves it; freed by mem_free with the request. */
void api_set_data(struct api_request *r, void *data);
void *api_data(const struct api_request *r);
/* "127.0.0.1": who asks; static until the next call. */
const char *api_peer(const struct api_request *r);

/* --- answers: exactly one, at any time ------------------------------------------------------ */

/* Adds a header to the answer that will be given. Texts are copied. */
void api_add_header(struct api_request *r, const char *name, const char *value);
/* Copies the body. */
void api_answer(struct api_request *r, unsigned status, const char *content_type, struct str body);
/* Takes the reference. */
void api_answer_json(struct api_request *r, unsigned status, json_t *json);
/* An RFC 9457 problem; `type` is a relative URI such as "/problems/not-found". */
void api_problem(struct api_request *r, unsigned status, const char *type, const char *title,
                 const char *fmt, ...) PRINTF_LIKE(5, 6);

/* The same with more members; takes `more`. */
void api_problem_with(struct api_request *r, unsigned status, const char *type, const char *title,
                      json_t *more, const char *fmt, ...) PRINTF_LIKE(6, 7);

/* Holds the answer back when it comes: `answered` is told of it (status 0: the server has ended,
 * and the request is gone), and api_release sends it. Until then the request stays, also when its
 * client leaves. */
void api_hold(struct api_request *r,
              void (*answered)(void *arg, unsigned status, struct str body, const char *location),
              void *arg);
void api_release(struct api_request *r);
void api_unhold(struct api_request *r);         /* before the answer: it is sent when it comes */
bool api_has_left(const struct api_request *r); /* the client, of a held one */

/* When the client leaves before it is answered: then the request must not be used any more. */
void api_on_gone(struct api_request *r, void (*gone)(void *arg), void *arg);

/* --- event streams (the WHATWG's server-sent events) ----------------------------------------- */

/* Answers with a stream that begins with `first`. `closed` is called once, when the client has left
 * or is too slow: more than `max_waiting` bytes wait for it, what is left of `first` aside. The
 * stream must not be used then any more. */
struct api_stream *api_stream_begin(struct api_request *r, struct str first, size_t max_waiting,
                                    void (*closed)(void *arg), void *arg);
void api_stream_send(struct api_stream *s, struct str bytes);
size_t api_stream_waiting(const struct api_stream *s); /* bytes */
void api_stream_end(struct api_stream *s); /* what waits is still sent; `closed` is not called */
/* The same with these bytes as the last, however many. */
void api_stream_end_with(struct api_stream *s, struct str bytes);

#endif
