/* opentelemetry: OTLP metrics over gRPC or HTTP (opentelemetry-proto, collector/metrics/v1 and
 * metrics/v1; k6-features.md OUT-08).
 *
 * All points are cumulative from the start of the run, as an SDK's: a counter is a monotonic sum, a
 * gauge a gauge, a rate an integer sum NAME.total whose attribute `condition` says nonzero or zero,
 * a trend an exponential histogram. */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "metrics/hist.h"
#include "metrics/window.h"
#include "output/config.h"
#include "output/exp_hist.h"
#include "output/otlp.h"
#include "output/push.h"
#include "output/transport.h"
#include "proto/pb/wire.h"

#define EXPORT_INTERVAL (10 * NSEC_PER_SEC)
#define TIMEOUT (10 * NSEC_PER_SEC)

/* Numbers of fields, of the messages that stand in capitals. */
enum {
    SCOPE_METRICS_METRICS = 2,
    METRIC_NAME = 1,
    METRIC_UNIT = 3,
    METRIC_DATA_GAUGE = 5,
    METRIC_DATA_SUM = 7,
    METRIC_DATA_EXPONENTIAL_HISTOGRAM = 10,
    DATA_POINTS = 1, /* of all three */
    DATA_TEMPORALITY = 2,
    SUM_IS_MONOTONIC = 3,
    NUMBER_START = 2,
    NUMBER_TIME = 3,
    NUMBER_AS_DOUBLE = 4,
    NUMBER_AS_INT = 6,
    NUMBER_ATTRIBUTES = 7,
    HISTOGRAM_ATTRIBUTES = 1,
    HISTOGRAM_START = 2,
    HISTOGRAM_TIME = 3,
    HISTOGRAM_COUNT = 4,
    HISTOGRAM_SUM = 5,
    HISTOGRAM_SCALE = 6,
    HISTOGRAM_ZERO_COUNT = 7,
    HISTOGRAM_POSITIVE = 8,
    HISTOGRAM_NEGATIVE = 9,
    HISTOGRAM_MIN = 12,
    HISTOGRAM_MAX = 13,
    HISTOGRAM_ZERO_THRESHOLD = 14,
    BUCKETS_OFFSET = 1,
    BUCKETS_COUNTS = 2,
    TEMPORALITY_CUMULATIVE = 2,
};

enum {
    SCALE_MAX = 8,     /* 0.27 % wide; the histograms behind it know 0.05 % */
    BUCKETS_MAX = 160, /* as SDKs have it: the scale shrinks until they suffice */
};

struct otel_output {
    struct push push;
    char *prefix; /* owned, as are the others */
    char *service;
    char *version;
    int64_t started; /* wall time */

    /* The messages that are open at the end of the payload. */
    struct str metric; /* whose; ptr NULL: none, and no message is open */
    struct otlp_open open;
    size_t metric_at;
    size_t data_at;
};

/* --- messages ----------------------------------------------------------------------------- */

static void put_tags(struct buf *out, uint32_t number, const struct tags *tags)
{
    for (uint32_t i = 0; i < tags->count; i++)
        otlp_put_text(out, number, tags->list[i].key, tags->list[i].value);
}

/* Opens the request, with who sends it. */
static void open_request(struct otel_output *o)
{
    otlp_open(&o->push.payload,
              &(struct otlp_resource){.service = str_of(o->service), .version = str_of(o->version)},
              &o->open);
}

/* The unit in UCUM; empty: none. */
static struct str unit_of(const struct metric *metric)
{
    if (metric->type == METRIC_RATE)
        return STR("");
    return metric->contains == METRIC_TIME   ? STR("ms")
           : metric->contains == METRIC_DATA ? STR("By")
                                             : STR("");
}

static void open_metric(struct otel_output *o, const struct metric *metric)
{
    struct buf *out = &o->push.payload;
    char *name = mem_printf("%s%.*s%s", o->prefix, STR_ARG(metric->name),
                            metric->type == METRIC_RATE ? ".total" : "");
    struct str unit = unit_of(metric);

    o->metric = metric->name;
    o->metric_at = pb_begin(out, SCOPE_METRICS_METRICS);
    pb_put_text(out, METRIC_NAME, str_of(name));
    if (unit.len)
        pb_put_bytes(out, METRIC_UNIT, unit);
    if (metric->type == METRIC_GAUGE) {
        o->data_at = pb_begin(out, METRIC_DATA_GAUGE);
    } else if (metric->type == METRIC_TREND) {
        o->data_at = pb_begin(out, METRIC_DATA_EXPONENTIAL_HISTOGRAM);
        pb_put_uint(out, DATA_TEMPORALITY, TEMPORALITY_CUMULATIVE);
    } else {
        o->data_at = pb_begin(out, METRIC_DATA_SUM);
        pb_put_uint(out, DATA_TEMPORALITY, TEMPORALITY_CUMULATIVE);
        pb_put_uint(out, SUM_IS_MONOTONIC, 1);
    }
    mem_free(name);
}

static void close_metric(struct otel_output *o)
{
    pb_end(&o->push.payload, o->data_at);
    pb_end(&o->push.payload, o->metric_at);
}

/* --- points ------------------------------------------------------------------------------- */

static void put_times(struct otel_output *o, uint32_t start, uint32_t time)
{
    otlp_put_time(&o->push.payload, start, o->started);
    otlp_put_time(&o->push.payload, time, o->push.wall_nsec);
}

static uint64_t put_number(struct otel_output *o, const struct out_series *s, double value)
{
    struct buf *out = &o->push.payload;
    size_t point = pb_begin(out, DATA_POINTS);

    put_times(o, NUMBER_START, NUMBER_TIME);
    pb_put_double(out, NUMBER_AS_DOUBLE, value);
    put_tags(out, NUMBER_ATTRIBUTES, s->tags);
    pb_end(out, point);
    return 1;
}

static void put_condition(struct otel_output *o, const struct out_series *s, struct str condition,
                          uint64_t count)
{
    struct buf *out = &o->push.payload;
    size_t point = pb_begin(out, DATA_POINTS);

    put_times(o, NUMBER_START, NUMBER_TIME);
    pb_put_tag(out, NUMBER_AS_INT, PB_FIXED64);
    pb_put_fixed64(out, count);
    put_tags(out, NUMBER_ATTRIBUTES, s->tags);
    otlp_put_text(out, NUMBER_ATTRIBUTES, STR("condition"), condition);
    pb_end(out, point);
}

static uint64_t put_rate(struct otel_output *o, const struct out_series *s)
{
    put_condition(o, s, STR("nonzero"), s->sink.rate.trues);
    put_condition(o, s, STR("zero"), s->sink.rate.total - s->sink.rate.trues);
    return 2;
}

static void put_buckets(struct buf *out, uint32_t number, const struct exp_buckets *b)
{
    size_t buckets;
    size_t counts;

    if (b->count == 0)
        return;
    buckets = pb_begin(out, number);
    /* OpenTelemetry numbers a bucket by its lower bound. */
    pb_put_uint(out, BUCKETS_OFFSET, pb_zigzag((int64_t)b->first - 1));
    counts = pb_begin(out, BUCKETS_COUNTS);
    for (size_t i = 0; i < b->count; i++)
        pb_put_varint(out, b->counts[i]);
    pb_end(out, counts);
    pb_end(out, buckets);
}

static uint64_t put_histogram(struct otel_output *o, const struct out_series *s)
{
    struct buf *out = &o->push.payload;
    const struct hist *h = s->sink.hist;
    size_t point = pb_begin(out, DATA_POINTS);
    struct exp_hist e;

    exp_hist_init(&e, h, 1, SCALE_MAX, BUCKETS_MAX);
    put_tags(out, HISTOGRAM_ATTRIBUTES, s->tags);
    put_times(o, HISTOGRAM_START, HISTOGRAM_TIME);
    pb_put_tag(out, HISTOGRAM_COUNT, PB_FIXED64);
    pb_put_fixed64(out, e.count);
    pb_put_double(out, HISTOGRAM_SUM, hist_sum(h));
    pb_put_uint(out, HISTOGRAM_SCALE, pb_zigzag(e.scale));
    pb_put_tag(out, HISTOGRAM_ZERO_COUNT, PB_FIXED64);
    pb_put_fixed64(out, e.zeros);
    put_buckets(out, HISTOGRAM_POSITIVE, &e.positive);
    put_buckets(out, HISTOGRAM_NEGATIVE, &e.negative);
    pb_put_double(out, HISTOGRAM_MIN, hist_min(h));
    pb_put_double(out, HISTOGRAM_MAX, hist_max(h));
    pb_put_double(out, HISTOGRAM_ZERO_THRESHOLD, EXP_HIST_ZERO);
    exp_hist_deinit(&e);
    pb_end(out, point);
    return 1;
}

static uint64_t encode(struct push *p, const struct out_series *s)
{
    struct otel_output *o = CONTAINER_OF(p, struct otel_output, push);
    bool is_new = !o->metric.ptr || !str_eq(o->metric, s->metric.name);

    if (!o->metric.ptr)
        open_request(o);
    else if (is_new)
        close_metric(o);
    if (is_new)
        open_metric(o, &s->metric);
    switch (s->metric.type) {
    case METRIC_COUNTER:
        return put_number(o, s, s->sink.sum);
    case METRIC_GAUGE:
        return put_number(o, s, s->sink.gauge.value);
    case METRIC_RATE:
        return put_rate(o, s);
    case METRIC_TREND:
        return put_histogram(o, s);
    }
    return 0;
}

static void close_request(struct push *p)
{
    struct otel_output *o = CONTAINER_OF(p, struct otel_output, push);

    close_metric(o);
    pb_end(&p->payload, o->open.scope);
    pb_end(&p->payload, o->open.resource);
    o->metric = (struct str){NULL, 0};
}

/* --- settings ----------------------------------------------------------------------------- */

static int read_tls(const struct output_context *c, struct tls_config **out, struct diag *d)
{
    static const struct config_tls_names names = {
        .insecure = "K6_OTEL_TLS_INSECURE_SKIP_VERIFY",
        .roots = "K6_OTEL_TLS_CERTIFICATE",
        .certificate = "K6_OTEL_TLS_CLIENT_CERTIFICATE",
        .key = "K6_OTEL_TLS_CLIENT_KEY",
    };

    return config_tls(c, &names, out, d);
}

/* What a protocol calls its settings. */
struct protocol {
    const char *insecure;
    const char *endpoint;
    const char *fallback;
};

static int read_endpoint(const struct output_context *c, const struct protocol *protocol,
                         struct str arg, bool *is_tls, struct str *endpoint, struct diag *d)
{
    bool is_plain = false;

    if (config_bool(c, protocol->insecure, &is_plain, d))
        return ERR_INVALID;
    *is_tls = !is_plain;
    *endpoint = arg.len ? arg : str_of(config_text(c, protocol->endpoint, protocol->fallback));
    if (str_find(*endpoint, '/') >= 0)
        return diag_set(d, ERR_INVALID, "%s: '%.*s': give host and port only, as in %s",
                        protocol->endpoint, STR_ARG(*endpoint), protocol->fallback);
    return 0;
}

static int make_http(const struct output_context *c, struct str arg,
                     struct transport_options *options, struct transport **out, char **shown,
                     struct diag *d)
{
    static const struct protocol protocol = {"K6_OTEL_HTTP_EXPORTER_INSECURE",
                                             "K6_OTEL_HTTP_EXPORTER_ENDPOINT", "localhost:4318"};
    const char *path = config_text(c, "K6_OTEL_HTTP_EXPORTER_URL_PATH", "/v1/metrics");
    const char *user = config_text(c, "K6_OTEL_HTTP_EXPORTER_USERNAME", NULL);
    struct http_target target = {{NULL, 0}, {NULL, 0}};
    struct str endpoint;
    bool is_tls;
    char *url;
    int err = read_endpoint(c, &protocol, arg, &is_tls, &endpoint, d);

    if (err)
        return err;
    if (user)
        config_add_basic_auth(&options->headers, str_of(user),
                              str_of(config_text(c, "K6_OTEL_HTTP_EXPORTER_PASSWORD", "")));
    err = config_add_header(&options->headers, "", STR("Content-Type"),
                            STR("application/x-protobuf"), d);
    url = mem_printf("%s://%.*s%s%s", is_tls ? "https" : "http", STR_ARG(endpoint),
                     *path == '/' ? "" : "/", path);
    target.url = str_of(url);
    if (err == 0)
        err = transport_http_new(options, &target, out, d);
    if (err == 0)
        *shown = config_description("opentelemetry", target.url);
    mem_free(url);
    return err;
}

static int make_grpc(const struct output_context *c, struct str arg,
                     struct transport_options *options, struct transport **out, char **shown,
                     struct diag *d)
{
    static const struct protocol protocol = {"K6_OTEL_GRPC_EXPORTER_INSECURE",
                                             "K6_OTEL_GRPC_EXPORTER_ENDPOINT", "localhost:4317"};
    struct grpc_target target = {
        .method = STR("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export")};
    int err = read_endpoint(c, &protocol, arg, &target.is_tls, &target.address, d);

    if (err == 0)
        err = transport_grpc_new(options, &target, out, d);
    if (err == 0)
        *shown = mem_printf("opentelemetry (grpc %.*s)", STR_ARG(target.address));
    return err;
}

static int make_transport(const struct output_context *c, struct str arg, struct transport **out,
                          char **shown, struct diag *d)
{
    struct transport_options options = {
        .loop = c->loop, .env = c->env, .network = c->network, .read_answer = otlp_read_answer};
    const char *protocol = config_text(c, "K6_OTEL_EXPORTER_PROTOCOL", "grpc");
    bool is_grpc = strcmp(protocol, "grpc") == 0;
    int err;

    if (config_text(c, "K6_OTEL_EXPORTER_TYPE", NULL))
        return diag_set(d, ERR_INVALID,
                        "K6_OTEL_EXPORTER_TYPE was removed: use K6_OTEL_EXPORTER_PROTOCOL, which "
                        "is grpc or http/protobuf");
    if (!is_grpc && strcmp(protocol, "http/protobuf") != 0)
        return diag_set(d, ERR_INVALID,
                        "K6_OTEL_EXPORTER_PROTOCOL: '%s' is none: use grpc or http/protobuf",
                        protocol);
    err = config_add_headers(c, &options.headers, "K6_OTEL_HEADERS", '=', d);
    if (err == 0)
        err = read_tls(c, &options.tls, d);
    if (err == 0)
        err = is_grpc ? make_grpc(c, arg, &options, out, shown, d)
                      : make_http(c, arg, &options, out, shown, d);
    if (err) {
        config_headers_deinit(&options.headers);
        if (options.tls)
            tls_config_free(options.tls);
    }
    return err;
}

/* --- life --------------------------------------------------------------------------------- */

static void otel_free(struct push *p)
{
    struct otel_output *o = CONTAINER_OF(p, struct otel_output, push);

    mem_free(o->prefix);
    mem_free(o->service);
    mem_free(o->version);
    mem_free(o);
}

static int set_up(struct otel_output *o, const struct output_context *c, struct str arg,
                  struct diag *d)
{
    int64_t interval = EXPORT_INTERVAL;
    int64_t ignored = 0;
    struct transport *transport = NULL;
    char *shown = NULL;
    int err = config_nsec(c, "K6_OTEL_EXPORT_INTERVAL", &interval, d);

    if (err == 0) /* how often k6 gathers samples; windows come once a second in any case */
        err = config_nsec(c, "K6_OTEL_FLUSH_INTERVAL", &ignored, d);
    if (err == 0)
        err = make_transport(c, arg, &transport, &shown, d);
    if (err)
        return err;
    o->prefix = mem_strdup(config_text(c, "K6_OTEL_METRIC_PREFIX", ""));
    o->service = mem_strdup(
        config_text(c, "K6_OTEL_SERVICE_NAME", config_text(c, "OTEL_SERVICE_NAME", "k6")));
    o->version = mem_strdup(config_text(c, "K6_OTEL_SERVICE_VERSION", GALE_VERSION));
    o->started = clock_wall();
    o->push.encode = encode;
    o->push.finish = close_request;
    o->push.free = otel_free;
    push_init(&o->push, c, interval, true, shown, transport, TIMEOUT);
    return 0;
}

struct output *output_otel_new(struct str arg, const struct output_context *context, struct diag *d)
{
    struct otel_output *o = mem_zalloc(sizeof *o);

    if (set_up(o, context, arg, d) == 0)
        return &o->push.base;
    otel_free(&o->push);
    return NULL;
}
