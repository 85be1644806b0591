/* prometheus-rw: Prometheus' remote write, protocol 0.1.0
 * (prometheus.io/docs/specs/remote_write_spec, messages of prompb/remote.proto and types.proto;
 * k6-features.md OUT-06, OUT-07).
 *
 * Everything is cumulative, as Prometheus wants it: a payload that was lost costs resolution, not
 * counts. Names are k6's: k6_http_reqs_total, k6_checks_rate, k6_vus, and of a trend one gauge a
 * statistic (k6_http_req_duration_p99, in seconds) or a native histogram
 * (k6_http_req_duration_seconds). */
#include <math.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "metrics/hist.h"
#include "metrics/window.h"
#include "output/config.h"
#include "output/exp_hist.h"
#include "output/push.h"
#include "output/sigv4.h"
#include "output/transport.h"
#include "proto/pb/wire.h"

#define PUSH_INTERVAL (5 * NSEC_PER_SEC)
#define TIMEOUT (5 * NSEC_PER_SEC)

/* Numbers of fields, of the messages that stand in capitals. */
enum {
    WRITE_REQUEST_TIMESERIES = 1,
    TIME_SERIES_LABELS = 1,
    TIME_SERIES_SAMPLES = 2,
    TIME_SERIES_HISTOGRAMS = 4,
    LABEL_NAME = 1,
    LABEL_VALUE = 2,
    SAMPLE_VALUE = 1,
    SAMPLE_TIMESTAMP = 2,
    HISTOGRAM_COUNT = 1,
    HISTOGRAM_SUM = 3,
    HISTOGRAM_SCHEMA = 4,
    HISTOGRAM_ZERO_THRESHOLD = 5,
    HISTOGRAM_ZERO_COUNT = 6,
    HISTOGRAM_NEGATIVE_SPANS = 8,
    HISTOGRAM_NEGATIVE_DELTAS = 9,
    HISTOGRAM_POSITIVE_SPANS = 11,
    HISTOGRAM_POSITIVE_DELTAS = 12,
    HISTOGRAM_TIMESTAMP = 15,
    SPAN_OFFSET = 1,
    SPAN_LENGTH = 2,
};

enum {
    SCHEMA = 3,      /* neighbouring bounds are 2^(1/8) = 1.09 apart: k6's factor of 1.1 */
    SCHEMA_MIN = -4, /* the coarsest that there is */
    BUCKETS_MAX = 16384,
    GAP_MAX = 2, /* so many empty buckets cost less than a span */
};

/* What marks the end of a series: a NaN that nobody else makes (Prometheus' model/value). */
#define STALE_BITS UINT64_C(0x7ff0000000000002)

/* A statistic of trends. */
struct stat {
    char *suffix; /* "_p99"; owned */
    bool is_sum;
    struct agg agg;
};

struct prometheus_output {
    struct push push;
    struct stat *stats;
    size_t stat_count;
    struct config_headers labels; /* static ones: names and values */
    bool native;
    bool marks_stale;
    bool is_stale; /* marks are being made */
};

/* --- labels ------------------------------------------------------------------------------- */

struct label {
    char *name; /* owned */
    struct str value;
};

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Names of labels are letters, digits and underscores; what else a tag's has becomes "_". */
static char *label_name(struct str key)
{
    bool needs_prefix = key.len == 0 || (key.ptr[0] >= '0' && key.ptr[0] <= '9');
    char *name = mem_printf("%s%.*s", needs_prefix ? "_" : "", STR_ARG(key));

    for (char *at = name; *at; at++)
        *at = is_name_char(*at) ? *at : '_';
    return name;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static void put_label(struct buf *out, const struct label *label)
{
    size_t at = pb_begin(out, TIME_SERIES_LABELS);

    pb_put_bytes(out, LABEL_NAME, str_of(label->name));
    pb_put_text(out, LABEL_VALUE, label->value);
    pb_end(out, at);
}

/* The name and the tags, sorted, each name once; empty values are as good as none. */
static void put_labels(struct prometheus_output *o, struct buf *out, const char *name,
                       const struct tags *tags)
{
    struct label *labels = mem_calloc(tags->count + o->labels.count + 1, sizeof *labels);
    size_t count = 0;

    labels[count++] = (struct label){mem_strdup("__name__"), str_of(name)};
    for (size_t i = 0; i < o->labels.count; i++)
        labels[count++] =
            (struct label){label_name(o->labels.list[i].name), o->labels.list[i].value};
    for (uint32_t i = 0; i < tags->count; i++) {
        if (tags->list[i].value.len > 0)
            labels[count++] = (struct label){label_name(tags->list[i].key), tags->list[i].value};
    }
    qsort(labels, count, sizeof *labels, by_name);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(labels[i].name, labels[i - 1].name) != 0)
            put_label(out, &labels[i]);
    }
    for (size_t i = 0; i < count; i++)
        mem_free(labels[i].name);
    mem_free(labels);
}

/* --- values ------------------------------------------------------------------------------- */

static double stale_mark(void)
{
    uint64_t bits = STALE_BITS;
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t timestamp(const struct prometheus_output *o)
{
    return (uint64_t)(o->push.wall_nsec / NSEC_PER_MSEC);
}

static uint64_t put_sample(struct prometheus_output *o, const struct out_series *s,
                           const char *suffix, double value)
{
    struct buf *out = &o->push.payload;
    char *name = mem_printf("k6_%.*s%s", STR_ARG(s->metric.name), suffix);
    size_t series = pb_begin(out, WRITE_REQUEST_TIMESERIES);
    size_t sample;

    put_labels(o, out, name, s->tags);
    sample = pb_begin(out, TIME_SERIES_SAMPLES);
    pb_put_double(out, SAMPLE_VALUE, o->is_stale ? stale_mark() : value);
    pb_put_uint(out, SAMPLE_TIMESTAMP, timestamp(o));
    pb_end(out, sample);
    pb_end(out, series);
    mem_free(name);
    return 1;
}

/* Prometheus counts in seconds. */
static double unit_of(const struct metric *metric)
{
    return metric->contains == METRIC_TIME ? 1e-3 : 1;
}

static uint64_t put_stats(struct prometheus_output *o, const struct out_series *s)
{
    for (size_t i = 0; i < o->stat_count; i++) {
        const struct stat *stat = &o->stats[i];
        double value =
            stat->is_sum ? hist_sum(s->sink.hist) : sink_aggregate(&s->sink, stat->agg, 0);
        bool is_count = !stat->is_sum && stat->agg.kind == AGG_COUNT;

        put_sample(o, s, stat->suffix, is_count ? value : value * unit_of(&s->metric));
    }
    return o->stat_count;
}

/* --- native histograms -------------------------------------------------------------------- */

/* One span from `from` up to, not including, `to`; `after` is where the one before it ended. */
static void put_span(struct buf *out, uint32_t number, int32_t after, const struct exp_buckets *b,
                     size_t from, size_t to)
{
    size_t span = pb_begin(out, number);

    pb_put_uint(out, SPAN_OFFSET, pb_zigzag(b->first + (int64_t)from - after));
    pb_put_uint(out, SPAN_LENGTH, to - from);
    pb_end(out, span);
}

/* The end of the span that begins at `from`: before the next large gap. */
static size_t span_end(const struct exp_buckets *b, size_t from)
{
    size_t end = from + 1;

    for (size_t i = from + 1; i < b->count && i - end <= GAP_MAX; i++) {
        if (b->counts[i] > 0)
            end = i + 1;
    }
    return end;
}

/* Spans of buckets, then each bucket's difference to the one before it. */
static void put_buckets(struct buf *out, const struct exp_buckets *b, uint32_t spans,
                        uint32_t deltas)
{
    struct buf packed = BUF_INIT(SIZE_MAX);
    int32_t after = 0;
    uint64_t last = 0;

    for (size_t i = 0; i < b->count;) {
        size_t end = span_end(b, i);

        put_span(out, spans, after, b, i, end);
        for (size_t j = i; j < end; j++) {
            pb_put_varint(&packed, pb_zigzag((int64_t)(b->counts[j] - last)));
            last = b->counts[j];
        }
        after = b->first + (int32_t)end;
        for (i = end; i < b->count && b->counts[i] == 0;)
            i++;
    }
    if (packed.len)
        pb_put_bytes(out, deltas, buf_str(&packed));
    buf_deinit(&packed);
}

static uint64_t put_histogram(struct prometheus_output *o, const struct out_series *s)
{
    struct buf *out = &o->push.payload;
    const char *suffix = s->metric.contains == METRIC_TIME   ? "_seconds"
                         : s->metric.contains == METRIC_DATA ? "_bytes"
                                                             : "";
    char *name = mem_printf("k6_%.*s%s", STR_ARG(s->metric.name), suffix);
    size_t series = pb_begin(out, WRITE_REQUEST_TIMESERIES);
    size_t histogram;
    struct exp_hist e;

    put_labels(o, out, name, s->tags);
    histogram = pb_begin(out, TIME_SERIES_HISTOGRAMS);
    exp_hist_init(&e, s->sink.hist, unit_of(&s->metric), SCHEMA, BUCKETS_MAX);
    pb_put_uint(out, HISTOGRAM_COUNT, e.count);
    pb_put_double(out, HISTOGRAM_SUM,
                  o->is_stale ? stale_mark() : hist_sum(s->sink.hist) * unit_of(&s->metric));
    pb_put_uint(out, HISTOGRAM_SCHEMA, pb_zigzag(e.scale));
    pb_put_double(out, HISTOGRAM_ZERO_THRESHOLD, EXP_HIST_ZERO);
    pb_put_uint(out, HISTOGRAM_ZERO_COUNT, e.zeros);
    put_buckets(out, &e.negative, HISTOGRAM_NEGATIVE_SPANS, HISTOGRAM_NEGATIVE_DELTAS);
    put_buckets(out, &e.positive, HISTOGRAM_POSITIVE_SPANS, HISTOGRAM_POSITIVE_DELTAS);
    pb_put_uint(out, HISTOGRAM_TIMESTAMP, timestamp(o));
    exp_hist_deinit(&e);
    pb_end(out, histogram);
    pb_end(out, series);
    mem_free(name);
    return 1;
}

/* --- payloads ----------------------------------------------------------------------------- */

static uint64_t encode(struct push *p, const struct out_series *s)
{
    struct prometheus_output *o = CONTAINER_OF(p, struct prometheus_output, push);

    switch (s->metric.type) {
    case METRIC_COUNTER:
        return put_sample(o, s, "_total", s->sink.sum);
    case METRIC_GAUGE:
        return put_sample(o, s, "", s->sink.gauge.value);
    case METRIC_RATE:
        return put_sample(o, s, "_rate", (double)s->sink.rate.trues / (double)s->sink.rate.total);
    case METRIC_TREND:
        return o->native ? put_histogram(o, s) : put_stats(o, s);
    }
    return 0;
}

static void compress(struct push *p)
{
    struct buf packed = BUF_INIT(SIZE_MAX);
    size_t len = snappy_max_compressed_length(p->payload.len);
    char *room = buf_room(&packed, len);

    snappy_compress(p->payload.data, p->payload.len, room, &len);
    buf_added(&packed, len);
    buf_deinit(&p->payload);
    p->payload = packed;
}

static void mark_stale(struct push *p)
{
    struct prometheus_output *o = CONTAINER_OF(p, struct prometheus_output, push);

    if (!o->marks_stale)
        return;
    o->is_stale = true;
    push_all(p, 0, false);
}

/* --- settings ----------------------------------------------------------------------------- */

static bool parse_stat(struct str name, struct stat *out)
{
    *out = (struct stat){.is_sum = str_eq_c(name, "sum")};
    if (!out->is_sum &&
        (!agg_parse(name, &out->agg) || out->agg.kind == AGG_RATE || out->agg.kind == AGG_VALUE))
        return false;
    out->suffix = out->is_sum || out->agg.kind != AGG_P ? mem_printf("_%.*s", STR_ARG(name))
                                                        : mem_printf("_p%.15g", out->agg.p);
    for (char *at = out->suffix; *at; at++)
        *at = *at == '.' ? '_' : *at; /* "_p99_9" */
    return true;
}

static int read_stats(struct prometheus_output *o, struct str rest, struct diag *d)
{
    while (rest.len > 0) {
        struct str name = str_trim(str_cut(&rest, ','));
        struct stat stat;

        if (!parse_stat(name, &stat))
            return diag_set(d, ERR_INVALID,
                            "K6_PROMETHEUS_RW_TREND_STATS: '%.*s' is no statistic: use count, sum, "
                            "min, max, avg, med or p(N)",
                            STR_ARG(name));
        o->stats = mem_reallocarray(o->stats, o->stat_count + 1, sizeof *o->stats);
        o->stats[o->stat_count++] = stat;
    }
    return 0;
}

/* K6_PROMETHEUS_RW_HEADERS_NAME=value, for any name. */
static int read_header_family(const struct output_context *c, struct config_headers *headers,
                              struct diag *d)
{
    static const char prefix[] = "K6_PROMETHEUS_RW_HEADERS_";

    for (char *const *at = c->environment; at && *at; at++) {
        struct str value = str_of(*at);
        struct str name = str_cut(&value, '=');
        int err;

        if (!str_starts_with(name, STR(prefix)))
            continue;
        err = config_add_header(headers, "K6_PROMETHEUS_RW_HEADERS_",
                                str_from_index(name, sizeof prefix - 1), value, d);
        if (err)
            return err;
    }
    return 0;
}

static int read_headers(const struct output_context *c, struct config_headers *h, struct diag *d)
{
    const char *user = config_text(c, "K6_PROMETHEUS_RW_USERNAME", NULL);
    const char *token = config_text(c, "K6_PROMETHEUS_RW_BEARER_TOKEN", NULL);
    static const struct http_header fixed[] = {
        {STR_INIT("Content-Type"), STR_INIT("application/x-protobuf")},
        {STR_INIT("Content-Encoding"), STR_INIT("snappy")},
        {STR_INIT("X-Prometheus-Remote-Write-Version"), STR_INIT("0.1.0")},
    };
    int err = 0;

    for (size_t i = 0; i < COUNT_OF(fixed) && err == 0; i++)
        err = config_add_header(h, "", fixed[i].name, fixed[i].value, d);
    if (err == 0)
        err = config_add_headers(c, h, "K6_PROMETHEUS_RW_HTTP_HEADERS", ':', d);
    if (err == 0)
        err = read_header_family(c, h, d);
    if (user)
        config_add_basic_auth(h, str_of(user),
                              str_of(config_text(c, "K6_PROMETHEUS_RW_PASSWORD", "")));
    if (err == 0 && token) {
        char *value = mem_printf("Bearer %s", token);

        err = config_add_header(h, "K6_PROMETHEUS_RW_BEARER_TOKEN", STR("Authorization"),
                                str_of(value), d);
        mem_free(value);
    }
    return err;
}

static int read_tls(const struct output_context *c, struct tls_config **out, struct diag *d)
{
    static const struct config_tls_names names = {
        .insecure = "K6_PROMETHEUS_RW_INSECURE_SKIP_TLS_VERIFY",
        .certificate = "K6_PROMETHEUS_RW_CLIENT_CERTIFICATE",
        .key = "K6_PROMETHEUS_RW_CLIENT_CERTIFICATE_KEY",
    };
    const char *min = config_text(c, "K6_PROMETHEUS_RW_TLS_MINIMUM_VERSION", "1.3");
    bool is_1_2 = strcmp(min, "1.2") == 0;

    if (!is_1_2 && strcmp(min, "1.3") != 0)
        return diag_set(d, ERR_INVALID,
                        "K6_PROMETHEUS_RW_TLS_MINIMUM_VERSION: '%s' is none: use 1.2 or 1.3", min);
    if (config_tls(c, &names, out, d))
        return ERR_INVALID;
    return tls_config_set_versions(*out, is_1_2 ? TLS_1_2 : TLS_1_3, TLS_1_3, d);
}

/* All three of them, or none. */
static int read_aws(const struct output_context *c, struct sigv4_keys *out, bool *has_aws,
                    struct diag *d)
{
    const char *region = config_text(c, "K6_PROMETHEUS_RW_SIGV4_REGION", NULL);
    const char *access_key = config_text(c, "K6_PROMETHEUS_RW_SIGV4_ACCESS_KEY", NULL);
    const char *secret_key = config_text(c, "K6_PROMETHEUS_RW_SIGV4_SECRET_KEY", NULL);

    *has_aws = region && access_key && secret_key;
    if (!*has_aws && (region || access_key || secret_key))
        return diag_set(d, ERR_INVALID,
                        "K6_PROMETHEUS_RW_SIGV4_REGION, _ACCESS_KEY and _SECRET_KEY go together");
    *out = (struct sigv4_keys){str_of(region), STR("aps"), str_of(access_key), str_of(secret_key)};
    return 0;
}

static int make_transport(const struct output_context *c, const char *url, struct transport **out,
                          struct diag *d)
{
    struct transport_options options = {.loop = c->loop, .env = c->env, .network = c->network};
    struct http_target target = {.url = str_of(url)};
    struct sigv4_keys aws;
    bool has_aws;
    int err = read_aws(c, &aws, &has_aws, d);

    options.aws = has_aws ? &aws : NULL;
    if (err == 0)
        err = read_headers(c, &options.headers, d);
    if (err == 0)
        err = read_tls(c, &options.tls, d);
    if (err == 0)
        err = transport_http_new(&options, &target, out, d);
    if (err) {
        config_headers_deinit(&options.headers);
        if (options.tls)
            tls_config_free(options.tls);
    }
    return err;
}

/* --- life --------------------------------------------------------------------------------- */

static void prometheus_free(struct push *p)
{
    struct prometheus_output *o = CONTAINER_OF(p, struct prometheus_output, push);

    for (size_t i = 0; i < o->stat_count; i++)
        mem_free(o->stats[i].suffix);
    mem_free(o->stats);
    config_headers_deinit(&o->labels);
    mem_free(o);
}

static int set_up(struct prometheus_output *o, const struct output_context *c, struct str arg,
                  struct diag *d)
{
    char *url = arg.len ? str_dup(arg)
                        : mem_strdup(config_text(c, "K6_PROMETHEUS_RW_SERVER_URL",
                                                 "http://localhost:9090/api/v1/write"));
    int64_t interval = PUSH_INTERVAL;
    struct transport *transport = NULL;
    int err;

    o->native = c->native_histograms;
    err = read_stats(o, str_of(config_text(c, "K6_PROMETHEUS_RW_TREND_STATS", "p(99)")), d);

    if (err == 0)
        err = config_nsec(c, "K6_PROMETHEUS_RW_PUSH_INTERVAL", &interval, d);
    if (err == 0)
        err = config_bool(c, "K6_PROMETHEUS_RW_TREND_AS_NATIVE_HISTOGRAM", &o->native, d);
    if (err == 0)
        err = config_bool(c, "K6_PROMETHEUS_RW_STALE_MARKERS", &o->marks_stale, d);
    if (err == 0)
        err = config_add_headers(c, &o->labels, "K6_PROMETHEUS_RW_LABELS", '=', d);
    if (err == 0)
        err = make_transport(c, url, &transport, d);
    if (err == 0) {
        o->push.encode = encode;
        o->push.finish = compress;
        o->push.at_end = mark_stale;
        o->push.free = prometheus_free;
        push_init(&o->push, c, interval, true, config_description("prometheus-rw", str_of(url)),
                  transport, TIMEOUT);
    }
    mem_free(url);
    return err;
}

struct output *output_prometheus_new(struct str arg, const struct output_context *context,
                                     struct diag *d)
{
    struct prometheus_output *o = mem_zalloc(sizeof *o);

    if (set_up(o, context, arg, d) == 0)
        return &o->push.base;
    prometheus_free(&o->push);
    return NULL;
}
