#include "net/dialer.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "net/emulate.h"
#include "net/policy.h"
#include "net/rules.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "net/transport.h"

static const int64_t default_dial_timeout = 30 * NSEC_PER_SEC;

struct dialer {
    struct loop *loop;
    struct dialer_options options;
    struct dns *dns;
    struct tls_config *default_tls; /* owned; NULL when the options bring one */
    struct tls_context *tls;
    struct emulator *emulator; /* NULL: no distance is emulated */
};

int dialer_new(struct loop *loop, const struct dialer_options *options, struct dialer **out,
               struct diag *d)
{
    struct dialer *dialer = mem_zalloc(sizeof *dialer);
    int err;

    dialer->loop = loop;
    dialer->options = *options;
    if (dialer->options.dial_timeout == 0)
        dialer->options.dial_timeout = default_dial_timeout;
    if (!options->tls)
        dialer->default_tls = tls_config_new();
    err = tls_context_new(options->tls ? options->tls : dialer->default_tls, &dialer->tls, d);
    if (err) {
        dialer_free(dialer);
        return err;
    }
    dialer->dns = dns_new(loop, &options->dns);
    if (options->network && options->network->distance)
        dialer->emulator = emulator_new(loop, options->network->distance);
    *out = dialer;
    return 0;
}

void dialer_free(struct dialer *dialer)
{
    if (!dialer)
        return;
    emulator_free(dialer->emulator);
    dns_free(dialer->dns);
    tls_context_free(dialer->tls);
    tls_config_free(dialer->default_tls);
    mem_free(dialer);
}

const struct proxy *dialer_proxy(const struct dialer *dialer, bool is_tls, struct str host,
                                 uint16_t port)
{
    return proxy_for(dialer->options.proxies, is_tls, host, port);
}

static const struct policy *policy_of(const struct dialer *dialer)
{
    return dialer->options.network ? dialer->options.network->policy : NULL;
}

bool dialer_wants_tunnels(const struct dialer *dialer)
{
    return policy_of(dialer) != NULL;
}

/* The address to connect to: the proxy's or the target's. */
YIELDS static int find_addr(struct dialer *dialer, struct str host, uint16_t port, int64_t deadline,
                            struct addr *out, struct diag *d)
{
    const struct rules *rules = dialer->options.rules;
    bool is_given = rules_find_host(rules, host, port, out);
    int err;

    if (!is_given) {
        err = dns_resolve(dialer->dns, host, deadline, out, d);
        if (err)
            return err;
        out->port = port;
    }
    err = rules_check_ip(rules, out, d);
    return err ? err : policy_check(policy_of(dialer), host, out, !is_given, d);
}

/* The target of a request through a proxy, which is to be told the address that was checked. */
YIELDS static int check_behind_proxy(struct dialer *dialer, const struct dial_request *r,
                                     struct addr *out, struct diag *d)
{
    int64_t limit = clock_now() + dialer->options.dial_timeout;
    int err = dns_resolve(dialer->dns, r->host, limit < r->deadline ? limit : r->deadline, out, d);

    if (err)
        return err;
    out->port = r->port;
    return policy_check(policy_of(dialer), r->host, out, true, d);
}

/* A name and a TCP connection. */
YIELDS static int connect_tcp(struct dialer *dialer, const struct dial_request *r,
                              struct stream **out, struct dial_timing *timing, struct diag *d)
{
    struct str host = r->proxy ? r->proxy->host : r->host;
    uint16_t port = r->proxy ? r->proxy->port : r->port;
    int64_t began = clock_now();
    int64_t limit = began + dialer->options.dial_timeout;
    int64_t deadline = limit < r->deadline ? limit : r->deadline;
    char text[ADDR_PORT_TEXT_MAX];
    struct addr addr = {.family = ADDR_NONE};
    int err = find_addr(dialer, host, port, deadline, &addr, d);

    timing->dns = clock_now() - began;
    if (err == 0) {
        began = clock_now();
        err = dialer->emulator ? emulator_dial(dialer->emulator, &addr, r->local, deadline, out, d)
                               : tcp_dial(dialer->loop, &addr, r->local, deadline, out, d);
        timing->connect =
            (err == 0 ? transport_ready_nsec(transport_of(*out)) : clock_now()) - began;
    }
    if (err != ERR_TIMEOUT || limit >= r->deadline)
        return err;
    if (addr.family == ADDR_NONE)
        return diag_set(d, ERR_DIAL_TIMEOUT, "dial tcp: lookup %.*s: i/o timeout", STR_ARG(host));
    return diag_set(d, ERR_DIAL_TIMEOUT, "dial tcp %s: i/o timeout", addr_format_port(&addr, text));
}

/* Takes over `*s`: on failure it is closed. */
YIELDS static int encrypt(struct dialer *dialer, const struct tls_request *request,
                          int64_t deadline, struct stream **s, struct dial_timing *timing,
                          struct diag *d)
{
    int64_t began = clock_now();
    int err = tls_connect(dialer->tls, *s, request, deadline, s, d);

    timing->tls += clock_now() - began;
    return err;
}

/* What is asked of the proxy before the stream is the request's: a tunnel to `checked` when there
 * is a policy. As `encrypt` on failure. */
YIELDS static int pass_proxy(struct dialer *dialer, const struct dial_request *r,
                             const struct addr *checked, struct stream **s,
                             struct dial_timing *timing, struct diag *d)
{
    const struct proxy *proxy = r->proxy;
    struct tls_request request = {.host = proxy->host};
    bool wants_tunnel = r->is_tls || r->wants_tunnel || dialer_wants_tunnels(dialer);
    char literal[ADDR_TEXT_MAX];
    struct str target = r->host;
    int err;

    if (proxy->is_tls) {
        err = encrypt(dialer, &request, r->deadline, s, timing, d);
        if (err) {
            diag_prefix(d, "proxyconnect tcp");
            return err;
        }
    }
    if (proxy->kind != PROXY_SOCKS5 && !wants_tunnel)
        return 0;
    if (checked->family != ADDR_NONE)
        target = str_of(addr_format(checked, literal));
    err = proxy_open_tunnel(proxy, *s, target, r->port, r->deadline, d);
    if (err)
        stream_close(*s);
    return err;
}

static int check_names(const struct dialer *dialer, const struct dial_request *r, struct diag *d)
{
    const struct rules *rules = dialer->options.rules;
    int err = rules_check_host(rules, r->host, d);

    if (err == 0 && r->proxy)
        err = rules_check_host(rules, r->proxy->host, d);
    if (err == 0)
        err = policy_check_name(policy_of(dialer), r->host, r->port, d);
    if (err == 0 && r->proxy)
        err = policy_check_name(policy_of(dialer), r->proxy->host, r->proxy->port, d);
    return err;
}

int dialer_dial(struct dialer *dialer, const struct dial_request *r, struct stream **out,
                struct dial_timing *timing, struct diag *d)
{
    const struct proxy *proxy = r->proxy;
    struct addr behind = {.family = ADDR_NONE};
    struct stream *s = NULL;
    int err;

    *timing = (struct dial_timing){0, 0, 0};
    err = check_names(dialer, r, d);
    if (err == 0 && proxy && dialer_wants_tunnels(dialer))
        err = check_behind_proxy(dialer, r, &behind, d);
    if (err == 0)
        err = connect_tcp(dialer, r, &s, timing, d);
    if (err)
        return err;
    if (proxy)
        err = pass_proxy(dialer, r, &behind, &s, timing, d);
    if (err == 0 && r->is_tls) {
        struct tls_request request = {
            .host = r->host, .offer_h2 = r->offer_h2, .no_alpn = r->no_alpn};

        err = encrypt(dialer, &request, r->deadline, &s, timing, d);
    }
    if (err == 0)
        *out = s;
    return err;
}
