/* Single requests, kept beside the series: every one whose trace is recorded, for an output of
 * traces, and exemplars: of each series and window the slowest request and the slowest failed one.
 *
 * Exemplars sit in a small fixed array, so that keeping them allocates nothing per request; when
 * more series have requests than it has places, the slowest stay. */
#ifndef METRICS_REQUEST_H
#define METRICS_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct tags;

enum {
    REQUEST_URL_MAX = 200, /* longer texts are cut */
    REQUEST_ERROR_MAX = 96,
    REQUEST_METHOD_MAX = 16,
    EXEMPLARS_MAX = 32,          /* of a worker's window */
    SPANS_PER_WINDOW_MAX = 4096, /* of a worker's window; more are counted as dropped */
};

/* What a status means, and how a span tells of it. */
enum request_kind {
    REQUEST_HTTP, /* and the handshake of a WebSocket */
    REQUEST_GRPC, /* the URL is "host:port/package.Service/Method", the method "gRPC" */
};

/* Times in nanoseconds. What request_log_wants looks at comes first: one line of the cache. */
struct request_record {
    const struct tags *tags; /* the series'; as long-lived as its shard */
    int64_t sending;
    int64_t waiting;
    int64_t receiving;
    bool failed;
    bool sampled;
    bool is_no_exemplar;    /* its duration says nothing: a stream's, which the script chose */
    enum request_kind kind; /* for spans: it does not travel with an agent's exemplars */
    int status;             /* of HTTP 0: no response */
    int error_code;         /* k6's; 0: none */
    uint64_t trace[2];      /* both 0: none */
    uint64_t span;
    uint64_t parent; /* 0: none */
    int64_t end_wall;
    int64_t blocked; /* contains dns, connecting, tls */
    int64_t dns;
    int64_t connecting;
    int64_t tls;
    uint64_t vu;
    uint64_t iteration; /* of the VU */
    const char *agent;  /* of a fleet, as long-lived as the run; NULL: this process */
    char method[REQUEST_METHOD_MAX];
    char url[REQUEST_URL_MAX];
    char error[REQUEST_ERROR_MAX]; /* "": none */
};

/* What a shard keeps between two windows. */
struct request_log {
    struct request_record *exemplars; /* owned; EXEMPLARS_MAX of them, or NULL */
    size_t exemplar_count;
    struct request_record *spans; /* owned */
    size_t span_count;
    size_t span_cap;
    uint64_t dropped; /* spans that found no room */
};

static inline int64_t request_duration(const struct request_record *r)
{
    return r->sending + r->waiting + r->receiving;
}

/* Whether request_log_exemplar would keep such a request: asked before one is made, as most are not
 * kept. */
bool request_log_wants(const struct request_log *log, const struct tags *tags, bool failed,
                       int64_t duration);
void request_log_exemplar(struct request_log *log, const struct request_record *r);

/* Copies what fits; control characters become spaces, as a peer may have chosen the text. */
void request_text(char *to, size_t size, struct str from);

void request_log_span(struct request_log *log, const struct request_record *r);
void request_log_deinit(struct request_log *log);

#endif
