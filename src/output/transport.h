/* How a sender's payloads leave: over HTTP, gRPC or UDP. A transport belongs to one sender and its
 * loop; it keeps its connection between attempts. */
#ifndef OUTPUT_TRANSPORT_H
#define OUTPUT_TRANSPORT_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"
#include "output/config.h"

struct loop;
struct network;
struct sigv4_keys;
struct transport;

enum send_result {
    SEND_OK,
    SEND_AGAIN,   /* it may go better later */
    SEND_REFUSED, /* it won't: the payload is lost */
};

/* What an attempt told beside its result. */
struct send_answer {
    int64_t wait_nsec; /* the pause that the peer asked for after a failure; 0: none */
    uint64_t lost;     /* points that it refused of what it took else; `d` has why */
};

struct transport_ops {
    /* One attempt until the deadline (monotonic). On failure `d` has why; *answer is zero before.
     * On a fiber. */
    YIELDS enum send_result (*send)(struct transport *t, struct str payload, int64_t deadline,
                                    struct send_answer *answer, struct diag *d);
    /* Runs the loop until what its connections leave behind has ended: not from within it. */
    void (*free)(struct transport *t);
};

struct transport {
    const struct transport_ops *ops;
};

/* Everything is copied, or owned by the transport from now on where it says so; on failure the
 * caller still owns that. */
struct transport_options {
    struct loop *loop;
    const char *(*env)(const char *name); /* for HTTP_PROXY and its like */
    const struct network *network;        /* net/dialer.h; outlives the transport; NULL: none */
    struct str proxy;                     /* URL of a proxy, before that of the environment */
    const struct sigv4_keys *aws;         /* HTTP: signs requests; copied; NULL: does not */
    struct tls_config *tls;               /* owned by the transport; NULL: defaults */
    struct config_headers headers;        /* owned by the transport */
    /* Reads the body of an answer that says yes: points that it refused all the same, with why in
     * `d`; NULL: yes is yes. */
    uint64_t (*read_answer)(struct str body, struct diag *d);
};

struct http_target {
    struct str url;     /* of the POST; without a user */
    struct str prepare; /* URL of a POST that goes before the first; empty: none */
};
/* POSTs each payload. 2xx is delivery; 429 and 5xx are for later (Retry-After is heeded), as are
 * failures of the network; other answers refuse the payload. ERR_INVALID, ERR_URL, ... */
MUST_USE int transport_http_new(const struct transport_options *options,
                                const struct http_target *target, struct transport **out,
                                struct diag *d);

struct grpc_target {
    struct str address; /* "host:port" */
    struct str method;  /* "/package.Service/Method" */
    bool is_tls;
};
/* One unary call per payload. */
MUST_USE int transport_grpc_new(const struct transport_options *options,
                                const struct grpc_target *target, struct transport **out,
                                struct diag *d);

/* Lines in datagrams, as many as fit into one. Nobody acknowledges datagrams, so nothing is sent
 * twice: a host that says that nobody listens makes the payload refused. */
MUST_USE int transport_udp_new(struct loop *loop, struct str address, struct transport **out,
                               struct diag *d);

static inline void transport_free(struct transport *t)
{
    if (t)
        t->ops->free(t);
}

#endif
