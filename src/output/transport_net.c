#include "output/transport_net.h"

#include "base/err.h"
#include "loop/loop.h"
#include "net/dialer.h"
#include "net/tls.h"

struct lookup {
    const char *(*env)(const char *name);
};

static const char *look_up(void *arg, const char *name)
{
    const struct lookup *lookup = arg;

    return lookup->env ? lookup->env(name) : NULL;
}

int transport_net_init(struct transport_net *net, const struct transport_options *options,
                       struct diag *d)
{
    struct lookup lookup = {options->env};
    struct dialer_options dialer = {
        .dns = DNS_OPTIONS_DEFAULT, .tls = options->tls, .network = options->network};
    int err;

    *net = (struct transport_net){.loop = options->loop};
    err = proxy_config_new(look_up, &lookup, &net->proxies, d);
    if (err)
        return err;
    arena_init(&net->arena);
    arena_init(&net->texts);
    dialer.proxies = net->proxies;
    if (options->proxy.len)
        err = proxy_parse(&net->texts, "proxy", arena_str(&net->texts, options->proxy), &net->proxy,
                          d);
    if (err == 0)
        err = dialer_new(options->loop, &dialer, &net->dialer, d);
    if (err) {
        arena_deinit(&net->texts);
        arena_deinit(&net->arena);
        proxy_config_free(net->proxies);
        return err;
    }
    net->tls = options->tls;
    net->headers = options->headers;
    net->read_answer = options->read_answer;
    return 0;
}

static void stop_loop(void *loop)
{
    loop_stop(loop);
}

void transport_net_deinit(struct transport_net *net)
{
    /* A connection's reading fiber ends a little after it was closed (proto/h2/h2.h). */
    loop_when_quiet(net->loop, stop_loop, net->loop);
    loop_run(net->loop);
    dialer_free(net->dialer);
    if (net->tls)
        tls_config_free(net->tls);
    proxy_config_free(net->proxies);
    config_headers_deinit(&net->headers);
    arena_deinit(&net->texts);
    arena_deinit(&net->arena);
}

enum send_result transport_net_result(int err)
{
    switch (err) {
    case 0:
        return SEND_OK;
    case ERR_URL:
    case ERR_INVALID:
        return SEND_REFUSED;
    default:
        return SEND_AGAIN;
    }
}
