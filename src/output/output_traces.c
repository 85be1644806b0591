/* --traces-output otel: a client's span for each request whose trace is recorded, as OTLP over gRPC
 * or HTTP (opentelemetry-proto, collector/trace/v1 and trace/v1).
 *
 * A span has the ids that the request carried, so that the target's own spans are its children. Its
 * phases are events, each at its beginning with how long it took. Names of attributes are those of
 * OpenTelemetry's semantic conventions for clients of HTTP and of RPC. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "metrics/request.h"
#include "metrics/window.h"
#include "output/config.h"
#include "output/otlp.h"
#include "output/push.h"
#include "output/transport.h"
#include "proto/pb/wire.h"

#define TIMEOUT (10 * NSEC_PER_SEC)

/* Numbers of fields, of the messages that stand in capitals. */
enum {
    SCOPE_SPANS_SPANS = 2,
    SPAN_TRACE_ID = 1,
    SPAN_SPAN_ID = 2,
    SPAN_PARENT_ID = 4,
    SPAN_NAME = 5,
    SPAN_KIND = 6,
    SPAN_START = 7,
    SPAN_END = 8,
    SPAN_ATTRIBUTES = 9,
    SPAN_EVENTS = 11,
    SPAN_STATUS = 15,
    EVENT_TIME = 1,
    EVENT_NAME = 2,
    EVENT_ATTRIBUTES = 3,
    STATUS_MESSAGE = 2,
    STATUS_CODE = 3,
};
enum { KIND_CLIENT = 3, CODE_ERROR = 2 };

struct traces_output {
    struct push push;
    struct otlp_open open; /* while the payload has spans */
    char *service;         /* owned, as are the others */
    char *agent;
    char *region;
    uint64_t dropped; /* in workers, for want of room */
};

/* --- spans -------------------------------------------------------------------------------- */

static void put_id(struct buf *out, uint32_t number, const uint64_t *parts, size_t count)
{
    char bytes[16];

    for (size_t i = 0; i < count * 8; i++)
        bytes[i] = (char)(parts[i / 8] >> (56 - i % 8 * 8));
    pb_put_bytes(out, number, str_from(bytes, count * 8));
}

static void put_event(struct buf *out, struct str name, int64_t *at, int64_t took)
{
    size_t event;

    if (took <= 0)
        return;
    event = pb_begin(out, SPAN_EVENTS);
    otlp_put_time(out, EVENT_TIME, *at);
    pb_put_bytes(out, EVENT_NAME, name);
    otlp_put_double(out, EVENT_ATTRIBUTES, STR("duration_ms"), nsec_to_ms(took));
    pb_end(out, event);
    *at += took;
}

/* blocked is what came before the connection's own phases: waiting for a place. */
static void put_phases(struct buf *out, const struct request_record *r, int64_t start)
{
    int64_t at = start;

    put_event(out, STR("blocked"), &at, r->blocked - r->dns - r->connecting - r->tls);
    put_event(out, STR("dns"), &at, r->dns);
    put_event(out, STR("connecting"), &at, r->connecting);
    put_event(out, STR("tls_handshaking"), &at, r->tls);
    put_event(out, STR("sending"), &at, r->sending);
    put_event(out, STR("waiting"), &at, r->waiting);
    put_event(out, STR("receiving"), &at, r->receiving);
}

static void put_http(struct buf *out, const struct request_record *r)
{
    otlp_put_text(out, SPAN_ATTRIBUTES, STR("http.request.method"), str_of(r->method));
    otlp_put_text(out, SPAN_ATTRIBUTES, STR("url.full"), str_of(r->url));
    if (r->status)
        otlp_put_int(out, SPAN_ATTRIBUTES, STR("http.response.status_code"), r->status);
}

/* "package.Service/Method" */
static struct str grpc_name(const struct request_record *r)
{
    struct str name = str_of(r->url);

    str_cut(&name, '/');
    return name;
}

static void put_grpc(struct buf *out, const struct request_record *r)
{
    struct str method = grpc_name(r);
    struct str service = str_cut(&method, '/');
    struct str port = str_of(r->url);
    struct str address = str_cut(&port, '/');
    ptrdiff_t colon = str_rfind(address, ':');
    uint64_t number;

    otlp_put_text(out, SPAN_ATTRIBUTES, STR("rpc.system"), STR("grpc"));
    otlp_put_text(out, SPAN_ATTRIBUTES, STR("rpc.service"), service);
    otlp_put_text(out, SPAN_ATTRIBUTES, STR("rpc.method"), method);
    otlp_put_int(out, SPAN_ATTRIBUTES, STR("rpc.grpc.status_code"), r->status);
    if (colon < 0)
        return;
    otlp_put_text(out, SPAN_ATTRIBUTES, STR("server.address"),
                  str_slice(address, 0, (size_t)colon));
    if (str_to_u64(str_from_index(address, (size_t)colon + 1), &number))
        otlp_put_int(out, SPAN_ATTRIBUTES, STR("server.port"), (int64_t)number);
}

static void put_attributes(struct buf *out, const struct request_record *r)
{
    static const char *const kept[] = {"name", "scenario", "group", "load_zone", "proto"};

    if (r->kind == REQUEST_GRPC)
        put_grpc(out, r);
    else
        put_http(out, r);
    if (r->error[0])
        otlp_put_text(out, SPAN_ATTRIBUTES, STR("error.type"), str_of(r->error));
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        struct str value = tags_get(r->tags, str_of(kept[i]));

        if (value.len)
            otlp_put_text(out, SPAN_ATTRIBUTES, str_of(kept[i]), value);
    }
}

static void put_span(struct buf *out, const struct request_record *r)
{
    size_t span = pb_begin(out, SCOPE_SPANS_SPANS);
    int64_t start = r->end_wall - r->blocked - request_duration(r);
    size_t status;

    put_id(out, SPAN_TRACE_ID, r->trace, 2);
    put_id(out, SPAN_SPAN_ID, &r->span, 1);
    if (r->parent)
        put_id(out, SPAN_PARENT_ID, &r->parent, 1);
    pb_put_text(out, SPAN_NAME, r->kind == REQUEST_GRPC ? grpc_name(r) : str_of(r->method));
    pb_put_uint(out, SPAN_KIND, KIND_CLIENT);
    otlp_put_time(out, SPAN_START, start);
    otlp_put_time(out, SPAN_END, r->end_wall);
    put_attributes(out, r);
    put_phases(out, r, start);
    if (r->failed) {
        status = pb_begin(out, SPAN_STATUS);
        if (r->error[0])
            pb_put_text(out, STATUS_MESSAGE, str_of(r->error));
        pb_put_uint(out, STATUS_CODE, CODE_ERROR);
        pb_end(out, status);
    }
    pb_end(out, span);
}

static void open_request(struct traces_output *o)
{
    const struct otlp_resource resource = {
        .service = str_of(o->service),
        .version = STR(GALE_VERSION),
        .instance = str_of(o->agent ? o->agent : ""),
        .region = str_of(o->region ? o->region : ""),
    };

    otlp_open(&o->push.payload, &resource, &o->open);
}

static void take(struct output *base, const struct window *w)
{
    struct push *p = CONTAINER_OF(base, struct push, base);
    struct traces_output *o = CONTAINER_OF(p, struct traces_output, push);

    o->dropped += w->requests.dropped;
    for (size_t i = 0; i < w->requests.span_count; i++) {
        if (p->points == 0)
            open_request(o);
        put_span(&p->payload, &w->requests.spans[i]);
        p->points++;
        push_payload(p, false);
    }
}

static void finish(struct push *p)
{
    struct traces_output *o = CONTAINER_OF(p, struct traces_output, push);

    pb_end(&p->payload, o->open.scope);
    pb_end(&p->payload, o->open.resource);
}

static void at_end(struct push *p)
{
    struct traces_output *o = CONTAINER_OF(p, struct traces_output, push);

    if (o->dropped > 0)
        log_printf(LOG_WARN,
                   "traces: %llu spans were left out: a worker keeps at most %d a second; record "
                   "fewer with --trace-propagation w3c,sampling=0.1",
                   (unsigned long long)o->dropped, SPANS_PER_WINDOW_MAX);
}

static void free_traces(struct push *p)
{
    struct traces_output *o = CONTAINER_OF(p, struct traces_output, push);

    mem_free(o->service);
    mem_free(o->agent);
    mem_free(o->region);
    mem_free(o);
}

/* --- settings ----------------------------------------------------------------------------- */

struct settings {
    struct str url; /* "host:port", or with http:// or https:// */
    bool is_http;
    struct config_headers headers;
};

/* "URL,proto=grpc|http,header.NAME=VALUE", in any order. */
static int read_settings(struct str arg, struct settings *s, struct diag *d)
{
    while (arg.len > 0) {
        struct str value = str_trim(str_cut(&arg, ','));
        struct str whole = value;
        struct str name = str_cut(&value, '=');

        if (!value.ptr && !s->url.len) {
            s->url = whole;
        } else if (str_eq_c(name, "proto") &&
                   (str_eq_c(value, "grpc") || str_eq_c(value, "http"))) {
            s->is_http = str_eq_c(value, "http");
        } else if (str_starts_with(name, STR("header.")) && value.ptr) {
            if (config_add_header(&s->headers, "flag --traces-output", str_from_index(name, 7),
                                  value, d))
                return ERR_INVALID;
        } else {
            return diag_set(d, ERR_INVALID,
                            "flag --traces-output: '%.*s': use "
                            "otel=HOST:PORT,proto=grpc|http,header.NAME=VALUE",
                            STR_ARG(whole));
        }
    }
    return 0;
}

static int make_http(struct settings *s, struct transport_options *options, bool is_tls,
                     struct transport **out, struct diag *d)
{
    bool has_path = str_find(s->url, '/') >= 0;
    char *url = mem_printf("%s://%.*s%s", is_tls ? "https" : "http", STR_ARG(s->url),
                           has_path ? "" : "/v1/traces");
    struct http_target target = {.url = str_of(url)};
    int err = config_add_header(&options->headers, "", STR("Content-Type"),
                                STR("application/x-protobuf"), d);

    if (err == 0)
        err = transport_http_new(options, &target, out, d);
    mem_free(url);
    return err;
}

static int make_transport(const struct output_context *c, struct settings *s,
                          struct transport **out, struct diag *d)
{
    struct transport_options options = {.loop = c->loop,
                                        .env = c->env,
                                        .network = c->network,
                                        .headers = s->headers,
                                        .read_answer = otlp_read_answer};
    bool is_tls = str_starts_with(s->url, STR("https://"));
    int err;

    s->headers = (struct config_headers){0};
    if (is_tls || str_starts_with(s->url, STR("http://")))
        s->url = str_from_index(s->url, is_tls ? 8 : 7);
    if (s->url.len == 0)
        s->url = s->is_http ? STR("127.0.0.1:4318") : STR("127.0.0.1:4317");
    if (s->is_http) {
        err = make_http(s, &options, is_tls, out, d);
    } else {
        struct grpc_target target = {
            .address = s->url,
            .method = STR("/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
            .is_tls = is_tls};

        err = transport_grpc_new(&options, &target, out, d);
    }
    if (err)
        config_headers_deinit(&options.headers);
    return err;
}

static int make_output(const struct output_context *context, struct settings *s,
                       struct output **out, struct diag *d)
{
    struct transport *transport = NULL;
    struct traces_output *o;
    int err = make_transport(context, s, &transport, d);

    if (err)
        return err;
    o = mem_zalloc(sizeof *o);
    o->service = mem_strdup(config_text(context, "K6_OTEL_SERVICE_NAME",
                                        config_text(context, "OTEL_SERVICE_NAME", "k6")));
    o->agent = mem_strdup(context->agent);
    o->region = mem_strdup(context->region);
    o->push.take_samples = take;
    o->push.finish = finish;
    o->push.at_end = at_end;
    o->push.free = free_traces;
    push_init(&o->push, context, NSEC_PER_SEC, false,
              mem_printf("traces (%s %.*s)", s->is_http ? "http" : "grpc", STR_ARG(s->url)),
              transport, TIMEOUT);
    o->push.base.needs_samples = false; /* it takes spans instead */
    o->push.base.needs_spans = true;
    *out = &o->push.base;
    return 0;
}

int output_traces_new(const char *spec, const struct output_context *context, struct output **out,
                      struct diag *d)
{
    struct str arg = str_of(spec);
    struct settings s = {0};
    int err;

    *out = NULL;
    if (strcmp(spec, "none") == 0)
        return 0;
    if (!str_eq_c(str_cut(&arg, '='), "otel"))
        return diag_set(d, ERR_INVALID,
                        "flag --traces-output: '%s': use none or "
                        "otel[=HOST:PORT,proto=grpc|http,header.NAME=VALUE]",
                        spec);
    err = read_settings(arg, &s, d);
    if (err == 0)
        err = make_output(context, &s, out, d);
    config_headers_deinit(&s.headers);
    return err;
}
