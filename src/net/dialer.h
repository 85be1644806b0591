/* From a host name to a connected stream: blocked names, hosts, DNS, blacklist, proxy, TCP, TLS.
 *
 * One per worker. The phases are timed where they happen. */
#ifndef NET_DIALER_H
#define NET_DIALER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"
#include "net/addr.h"
#include "net/dns.h"
#include "net/proxy.h"
#include "net/stream.h"

struct dialer;
struct distance;
struct loop;
struct rules;
struct tls_config;

/* What the operator says of the place that connections are made from; no script can change it. */
struct network {
    struct distance *distance;   /* emulated (emulate.h); NULL: none */
    const struct policy *policy; /* NULL: all may be dialled that the options allow */
};

/* Everything pointed to is frozen, may be shared by all workers, and outlives the dialer. */
struct dialer_options {
    struct dns_options dns;
    const struct rules *rules;          /* NULL: none */
    const struct tls_config *tls;       /* NULL: defaults */
    const struct proxy_config *proxies; /* NULL: none */
    const struct network *network;      /* NULL: nothing special about it */
    int64_t dial_timeout;               /* nanoseconds for name and TCP; 0: 30 s (HTP-23) */
};

MUST_USE int dialer_new(struct loop *loop, const struct dialer_options *options,
                        struct dialer **out, struct diag *d);
void dialer_free(struct dialer *dialer); /* every stream of it is closed; NULL is allowed */

/* Whether a request goes through a proxy by a tunnel only, in plain HTTP too (a policy). */
bool dialer_wants_tunnels(const struct dialer *dialer);

/* The proxy that a request goes through, or NULL. A plain http request through a PROXY_HTTP is sent
 * in absolute form with proxy->authorization; otherwise the stream is a tunnel. */
const struct proxy *dialer_proxy(const struct dialer *dialer, bool is_tls, struct str host,
                                 uint16_t port);

struct dial_request {
    struct str host; /* without brackets */
    uint16_t port;
    bool is_tls;
    bool offer_h2;             /* with TLS: ALPN "h2" before "http/1.1" */
    bool no_alpn;              /* with TLS: offer no protocol */
    bool wants_tunnel;         /* a tunnel through a PROXY_HTTP without TLS too (ws://) */
    const struct proxy *proxy; /* from dialer_proxy; NULL: straight */
    const struct addr *local;  /* the VU's local address; NULL: any */
    int64_t deadline;          /* of the request: ERR_TIMEOUT when it passes */
};

/* Spans in nanoseconds; 0: did not happen. */
struct dial_timing {
    int64_t dns;
    int64_t connect;
    int64_t tls;
};

/* Connects. *timing is filled as far as it came, on failure too. Errors: those of rules.h,
 * policy.h, dns.h, tcp.h, tls.h, proxy.h, and ERR_DIAL_TIMEOUT. `d` (may be NULL) has the long text
 * that k6 logs
 * ("dial tcp 127.0.0.1:1: connect: connection refused"); err_text has the short one. */
MUST_USE YIELDS int dialer_dial(struct dialer *dialer, const struct dial_request *request,
                                struct stream **out, struct dial_timing *timing, struct diag *d);

#endif
