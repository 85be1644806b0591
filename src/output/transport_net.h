/* What transports over connections share: TLS, proxies, a dialer. */
#ifndef OUTPUT_TRANSPORT_NET_H
#define OUTPUT_TRANSPORT_NET_H

#include "base/arena.h"
#include "net/proxy.h"
#include "output/transport.h"

struct dialer;

struct transport_net {
    struct loop *loop;
    struct tls_config *tls;
    struct config_headers headers;
    uint64_t (*read_answer)(struct str body, struct diag *d);
    struct proxy_config *proxies;
    struct proxy proxy; /* port 0: that of `proxies` */
    struct dialer *dialer;
    struct arena arena; /* of one attempt */
    struct arena texts; /* of the transport's life */
};

/* On failure nothing is owned and nothing left behind. */
MUST_USE int transport_net_init(struct transport_net *net, const struct transport_options *options,
                                struct diag *d);
/* After the last connection was closed. Runs the loop until no fiber lives. */
void transport_net_deinit(struct transport_net *net);

/* Whether such a failure to talk is the network's and may pass. */
enum send_result transport_net_result(int err);

#endif
