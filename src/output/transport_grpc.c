#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/dialer.h"
#include "output/transport_net.h"
#include "proto/grpc/grpc.h"
#include "proto/url.h"

/* Codes of gRPC that proto/grpc has no use for. */
enum { GRPC_ABORTED = 10, GRPC_OUT_OF_RANGE = 11, GRPC_DATA_LOSS = 15 };

struct grpc_transport {
    struct transport base;
    struct transport_net net;
    struct url url; /* "http://host:port/package.Service/Method" */
    bool is_tls;
    struct h2_conn *conn; /* NULL: none */
};

YIELDS static int dial(struct grpc_transport *t, int64_t deadline, struct diag *d)
{
    struct dialer *dialer = t->net.dialer;
    struct dial_timing timing;
    struct stream *stream;
    struct dial_request request = {
        .host = t->url.host,
        .port = t->url.port,
        .is_tls = t->is_tls,
        .offer_h2 = true,
        .wants_tunnel = true,
        .proxy = dialer_proxy(dialer, t->is_tls, t->url.host, t->url.port),
        .deadline = deadline,
    };
    int err = dialer_dial(dialer, &request, &stream, &timing, d);

    if (err)
        return diag_set(d, err, "%s", err_text(err));
    if (stream->tls && !stream->tls->is_h2) {
        stream_close(stream);
        return diag_set(d, ERR_NET, "%.*s does not speak HTTP/2", STR_ARG(t->url.authority));
    }
    t->conn = h2_conn_new(stream);
    return 0;
}

/* The codes after which OTLP's specification allows another attempt. */
static bool may_pass(int status)
{
    switch (status) {
    case GRPC_CANCELED:
    case GRPC_DEADLINE_EXCEEDED:
    case GRPC_RESOURCE_EXHAUSTED:
    case GRPC_ABORTED:
    case GRPC_OUT_OF_RANGE:
    case GRPC_UNAVAILABLE:
    case GRPC_DATA_LOSS:
        return true;
    default:
        return false;
    }
}

YIELDS static enum send_result call(struct grpc_transport *t, struct str payload, int64_t deadline,
                                    struct send_answer *answer, struct diag *d)
{
    struct str message;
    enum send_result result = SEND_OK;
    struct grpc_call call = {
        .conn = t->conn,
        .arena = &t->net.arena,
        .scheme = t->url.scheme,
        .authority = t->url.authority,
        .path = t->url.path,
        .user_agent = STR("gale/" GALE_VERSION),
        .metadata = t->net.headers.list,
        .metadata_count = t->net.headers.count,
        .timeout = deadline - clock_now(),
        .deadline = deadline,
        .sends_now = true,
    };

    grpc_open(&call);
    grpc_send(&call, payload, true);
    while (grpc_receive(&call, &message)) {
        if (t->net.read_answer)
            answer->lost = t->net.read_answer(message, d);
    }
    if (call.status != GRPC_OK) {
        diag_set(d, ERR_NET, "the server answered with gRPC status %d: %.*s", call.status,
                 STR_ARG(call.message));
        result = may_pass(call.status) ? SEND_AGAIN : SEND_REFUSED;
    }
    grpc_close(&call);
    return result;
}

YIELDS static enum send_result grpc_transport_send(struct transport *base, struct str payload,
                                                   int64_t deadline, struct send_answer *answer,
                                                   struct diag *d)
{
    struct grpc_transport *t = CONTAINER_OF(base, struct grpc_transport, base);

    arena_reset(&t->net.arena);
    if (t->conn && !h2_conn_is_open(t->conn)) {
        h2_conn_unref(t->conn);
        t->conn = NULL;
    }
    if (!t->conn) {
        int err = dial(t, deadline, d);

        if (err)
            return transport_net_result(err);
    }
    return call(t, payload, deadline, answer, d);
}

static void grpc_transport_free(struct transport *base)
{
    struct grpc_transport *t = CONTAINER_OF(base, struct grpc_transport, base);

    h2_conn_unref(t->conn);
    transport_net_deinit(&t->net);
    mem_free(t);
}

int transport_grpc_new(const struct transport_options *options, const struct grpc_target *target,
                       struct transport **out, struct diag *d)
{
    static const struct transport_ops ops = {grpc_transport_send, grpc_transport_free};
    struct grpc_transport *t = mem_zalloc(sizeof *t);
    int err = transport_net_init(&t->net, options, d);
    struct str url;

    if (err) {
        mem_free(t);
        return err;
    }
    url = str_of(arena_printf(&t->net.texts, "%s://%.*s%.*s", target->is_tls ? "https" : "http",
                              STR_ARG(target->address), STR_ARG(target->method)));
    err = url_parse(url, &t->net.texts, &t->url, d);
    if (err || t->url.host.len == 0) {
        err = diag_set(d, ERR_INVALID, "'%.*s' is no address: use host:port",
                       STR_ARG(target->address));
        t->net.tls = NULL; /* still the caller's, as are the headers */
        t->net.headers = (struct config_headers){NULL, 0};
        transport_net_deinit(&t->net);
        mem_free(t);
        return err;
    }
    t->base.ops = &ops;
    t->is_tls = target->is_tls;
    *out = &t->base;
    return 0;
}
