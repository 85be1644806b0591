/* Proxies by HTTP_PROXY, HTTPS_PROXY and NO_PROXY, and the talk with them that opens a tunnel.
 *
 * As Go does it: the upper-case variable first, then the lower-case one; localhost and loopback
 * addresses are never proxied; NO_PROXY holds "*", names (which cover their subdomains), ".names"
 * (subdomains only), IPs and CIDRs, each with an optional port.
 *
 * The configuration is frozen after proxy_config_new and may be shared by all workers. */
#ifndef NET_PROXY_H
#define NET_PROXY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"
#include "net/stream.h"

struct arena;

enum proxy_kind { PROXY_HTTP, PROXY_SOCKS5 };

struct proxy {
    enum proxy_kind kind;
    bool is_tls; /* https://: the talk with the proxy itself is encrypted */
    uint16_t port;
    struct str host;          /* owned by the configuration, as are all texts here */
    struct str authorization; /* value of Proxy-Authorization ("Basic ..."); empty: none */
    struct str user;          /* for SOCKS5; empty: none */
    struct str password;
    struct str
        key; /* identifies the proxy in a connection pool: "http://authorization@host:port" */
};

/* A proxy by its URL ("http://user:password@host:port"); empty: *out has port 0, none. Its texts
 * are in `arena`. ERR_INVALID with a message that begins with `what`. */
MUST_USE int proxy_parse(struct arena *arena, const char *what, struct str url, struct proxy *out,
                         struct diag *d);

struct proxy_config;

/* `lookup(arg, name)` gives an environment variable or NULL. ERR_INVALID with a message for a URL
 * that is none or of an unsupported scheme. */
MUST_USE int proxy_config_new(const char *(*lookup)(void *arg, const char *name), void *arg,
                              struct proxy_config **out, struct diag *d);
void proxy_config_free(struct proxy_config *c);

/* The proxy for a request, or NULL: straight. `c` may be NULL. */
const struct proxy *proxy_for(const struct proxy_config *c, bool is_tls, struct str host,
                              uint16_t port);

/* Asks the proxy at the other end of `s` for a tunnel to host:port (CONNECT or SOCKS5). After that
 * the stream's bytes are the target's. ERR_NET with the proxy's answer in `d`, or stream errors. */
MUST_USE YIELDS int proxy_open_tunnel(const struct proxy *proxy, struct stream *s, struct str host,
                                      uint16_t port, int64_t deadline, struct diag *d);

#endif
