/* What the files of k6/http share with one another, and nobody else.
 *
 * A call goes through them in this order: request.c reads the arguments, rules and connections come
 * from worker.c, proto/http.h sends, samples.c measures each hop, response.c shows the result. */
#ifndef SCRIPT_HTTP_INTERNAL_H
#define SCRIPT_HTTP_INTERNAL_H

#include <quickjs.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/diag.h"
#include "proto/cookie.h"
#include "proto/http.h"
#include "script/host.h"
#include "script/trace.h"

struct addr_pool;
struct dialer;
struct http_body;
struct http_call;

/* --- response callbacks (expectedStatuses) ------------------------------------------------ */

struct status_range {
    int min;
    int max;
};

struct statuses {
    unsigned references;
    size_t count;
    struct status_range ranges[];
};

struct statuses *statuses_ref(struct statuses *s);
void statuses_unref(struct statuses *s); /* NULL is allowed */

/* --- state -------------------------------------------------------------------------------- */

/* What the VUs of a worker share: script_worker->http. */
struct http_worker {
    struct tls_config *tls;
    struct rules *rules;
    struct proxy_config *proxies;
    struct dialer *dialer; /* NULL until the first request: the init run on main has no need */
    struct addr_pool *local_ips;
    char *user_agent;
    /* Options, read once. */
    int64_t batch;
    int64_t batch_per_host;
    int max_redirects;
    bool redirects_are_default; /* nobody has set how many */
    uint64_t max_body;
    bool throws;
    bool discard_bodies;
    bool no_reuse;
    bool no_vu_reuse;
    bool keep_cookies;
    bool has_rps;
    const char *debug; /* "", "headers" or "full" */
};

enum {
    FIELD_COUNT_MAX = 24,
    PARAM_COUNT_MAX = 16,
    SET_CACHE = 4,
};

/* The tag set of a hop that looked like this one: most requests of a VU look like an earlier one.
 */
struct set_cache {
    tagset_id base;
    tagset_id result;
    int status;
    bool expected;
    bool has_expected;
    bool is_tls;
    char *method; /* owned; NULL: the place is free */
    size_t method_len;
    char *name; /* owned; the URL, or the name in its place */
    size_t name_len;
    struct addr remote;
};

/* A VU's own: vu->http, made by its first use of the module. */
struct http_vu {
    unsigned
        references; /* the VU's, and one of each call: a script may keep responses to the end */
    bool is_over;   /* the VU is gone */
    struct http_worker *worker;
    struct vu *vu;
    struct http_client *client;
    struct cookie_jar *jar;
    struct addr local;
    struct statuses *statuses; /* the response callback; NULL: none (null was set) */
    struct arena spare;        /* of a response that was freed: for the next request */
    bool has_spare;
    JSAtom fields[FIELD_COUNT_MAX]; /* names of Response members */
    JSAtom params[PARAM_COUNT_MAX]; /* and of Params */
    struct set_cache cache[SET_CACHE];
    unsigned cache_next;
    struct http_body *bodies; /* those that are being received (body.c) */
    struct fiber *closer;     /* waits for their end */
};

/* Never NULL on a VU; an exception (NULL) in the init context names `what`. */
struct http_vu *http_vu_get(JSContext *ctx, const char *what);
/* The same without that check: what may be set before there is a network. */
struct http_vu *http_vu_make(JSContext *ctx);

void http_vu_unref(struct http_vu *http);
int http_worker_init(struct script_worker *worker, struct diag *d);
void http_worker_deinit(struct script_worker *worker);
/* A dialer by the worker's options, but for TLS. */
MUST_USE int http_worker_dialer(struct script_worker *worker, const struct tls_config *tls,
                                struct dialer **out, struct diag *d);
void http_vu_free(struct vu *vu);
void http_iteration_begin(struct vu *vu);
void http_iteration_end(struct vu *vu);

/* --- one call ----------------------------------------------------------------------------- */

/* A request and what became of it; the Response object owns it afterwards. */
struct http_call {
    struct http_vu *http;
    struct arena arena;
    struct http_request request;
    struct http_response response;
    struct str url_text; /* as given, for tags (user masked) and messages */
    struct str name;     /* the tag; empty: the URL */
    tagset_id tags;      /* the VU's and the request's own */
    struct trace_context trace;
    unsigned hops;             /* that have been reported */
    bool has_own_name;         /* a tag `name` of the script's */
    struct statuses *statuses; /* a reference; NULL: no http_req_failed */
    bool says_redirects;       /* warn when the limit ends a chain: nobody has chosen it */
    bool throws;
    bool binary;
    bool wants_stream;                /* responseType "stream" */
    struct http_body *body;           /* a reference; NULL: not streamed, or not begun */
    int err;                          /* before anything was sent: a bad URL */
    JSValue jar_object;               /* owned: keeps a jar of the script's alive */
    struct fiber *fiber;              /* of http.batch, while it sends */
    JSValue json;                     /* owned; parsed once */
    unsigned made;                    /* bits of those members of the Response that exist */
    JSValue members[FIELD_COUNT_MAX]; /* owned */
};

/* What the arguments (method, url, body, params) say. NULL: an exception. A bad URL is no exception
 * yet: call->err. `body` undefined: none. */
struct http_call *http_call_new(JSContext *ctx, struct http_vu *http, struct str method,
                                JSValueConst url, JSValueConst body, JSValueConst params);
void http_call_free(JSRuntime *rt, struct http_call *call);

/* The part of it that is no JavaScript. */
void http_call_free_memory(struct http_call *call);

/* Sends on the running fiber; touches no JavaScript. */
YIELDS void http_call_send(struct http_call *call);
/* The same with the report elsewhere; returns how it ended. */
YIELDS int http_call_exchange(struct http_call *call, struct http_response *out);

/* Sends, and gives http_call_finish's result: on the VU's fiber, which waits. */
YIELDS JSValue http_call_run(JSContext *ctx, struct http_call *call);
/* Sends on a fiber of its own: a promise of that result. Takes the call over. */
JSValue http_call_start(JSContext *ctx, struct http_call *call);
/* The same as an object {promise, abort()}: an aborted request's promise resolves to undefined. */
JSValue http_call_start_abortable(JSContext *ctx, struct http_call *call);

/* Waits for the request's turn under the option rps. -1: exception. */
YIELDS int http_wait_turn(JSContext *ctx, struct http_vu *http);

/* The Response object; takes the call over. With `throw`, or when the iteration was interrupted, an
 * exception. */
JSValue http_call_finish(JSContext *ctx, struct http_call *call);

/* Emits the samples of a hop. */
void http_sample_hop(struct http_call *call, const struct http_response *hop);

/* --- bodies that scripts read as a stream (body.c) ---------------------------------------- */

/* Begins to send on a fiber of its own. on_open(arg) is called on that fiber when the head is there
 * or the request has failed; then `call` says which. Sets call->body. */
void http_body_open(struct http_call *call, void (*on_open)(void *arg), void *arg);
/* Whether on_open has not been called yet. */
bool http_body_is_opening(const struct http_body *body);
/* Ends it soon: `failed` counts as a failed request, otherwise what came is the whole body. */
void http_body_stop(struct http_body *body, bool failed);
void http_body_unref(struct http_body *body);
/* What a stream's source reads with: {read(), stop(failed)}. */
JSValue http_body_reader(JSContext *ctx, struct http_call *call);
/* The ReadableStream of a response. */
JSValue http_body_stream(JSContext *ctx, struct http_call *call);
/* Ends all that are still being received. */
YIELDS void http_bodies_close(struct http_vu *http);

/* --- classes ------------------------------------------------------------------------------ */

extern struct host_class http_response_class;
extern struct host_class http_jar_class;
extern struct host_class http_file_class;
extern struct host_class http_statuses_class;
extern struct host_class http_body_class;
extern struct host_class http_sending_class;

/* A jar of an object; NULL when it is none. */
struct cookie_jar *http_jar_of(JSValueConst value);
JSValue http_cookie_jar(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv);

/* Data of http.file(). */
struct http_file {
    char *data; /* owned */
    size_t len;
    char *filename;
    char *content_type;
};

/* Members of a Response that need more than one line live in response_methods.c. */
extern const JSCFunctionListEntry http_response_methods[];

/* "Get": the method as Go's messages have it. */
void http_put_method(struct buf *out, struct str method);

#endif
