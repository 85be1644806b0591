/* statsd: StatsD lines over UDP, with DogStatsD's tags when K6_STATSD_ENABLE_TAGS says so
 * (github.com/statsd/statsd, docs/metric_types.md; docs.datadoghq.com, DogStatsD protocol 1.0;
 * k6-features.md OUT-11).
 *
 *   k6.http_reqs:40|c      k6.vus:5|g      k6.checks.passes:39|c      k6.http_req_duration:12.5|ms
 *
 * A counter says what was added since the last push, a rate is two counters, a trend's values come
 * one by one up to VALUES_MAX a series and push; of more, so many at even ranks stand for all, the
 * smallest and the largest among them, with the sample rate that says how many each stands for. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "metrics/hist.h"
#include "metrics/window.h"
#include "output/config.h"
#include "output/json_text.h"
#include "output/push.h"
#include "output/transport.h"

#define PUSH_INTERVAL NSEC_PER_SEC
#define TIMEOUT (5 * NSEC_PER_SEC)

enum {
    VALUES_MAX = HIST_RAW_MAX,
    LINE_MAX_BYTES = 65507, /* what a datagram of IPv4 can hold */
};

struct statsd_output {
    struct push push;
    char *namespace; /* owned */
    char *blocked;   /* tags that are not sent: "vu,iter,url"; owned */
    bool has_tags;
};

/* What would end a name, a tag or a line. */
static void put_text(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        buf_append_char(out, (unsigned char)c < ' ' || strchr("|@#,", c) ? '_' : c);
    }
}

static void put_tags(const struct statsd_output *o, struct buf *out, const struct tags *tags)
{
    const char *between = "|#";

    for (uint32_t i = 0; o->has_tags && i < tags->count; i++) {
        if (tags->list[i].value.len == 0)
            continue;
        buf_append_c(out, between);
        between = ",";
        put_text(out, tags->list[i].key);
        buf_append_char(out, ':');
        put_text(out, tags->list[i].value);
    }
}

/* One line; `rate` 1: none is said. */
static void put_line(struct statsd_output *o, const struct out_series *s, const char *suffix,
                     double value, const char *type, double rate)
{
    struct buf *out = &o->push.payload;

    buf_append_c(out, o->namespace);
    put_text(out, s->metric.name);
    buf_printf(out, "%s:", suffix);
    json_text_number(out, isfinite(value) ? value : 0);
    buf_printf(out, "|%s", type);
    if (rate < 1)
        buf_printf(out, "|@%.9g", rate);
    put_tags(o, out, s->tags);
    buf_append_char(out, '\n');
}

struct ranks {
    struct statsd_output *o;
    const struct out_series *s;
    uint64_t all;  /* values that there are */
    uint64_t sent; /* of them */
    uint64_t next; /* of those, the first that was not put */
    uint64_t seen;
};

static void put_value(void *arg, double value, uint64_t count)
{
    struct ranks *r = arg;
    const char *type =
        r->o->has_tags && r->s->metric.contains != METRIC_TIME ? "h" : "ms"; /* DogStatsD's */

    r->seen += count;
    while (r->next < r->sent) {
        uint64_t rank =
            r->sent > 1
                ? (uint64_t)llround((double)r->next * (double)(r->all - 1) / (double)(r->sent - 1))
                : 0;
        double exact = r->next == 0             ? hist_min(r->s->sink.hist)
                       : r->next + 1 == r->sent ? hist_max(r->s->sink.hist)
                                                : value;

        if (rank >= r->seen)
            return;
        put_line(r->o, r->s, "", exact, type, (double)r->sent / (double)r->all);
        r->next++;
    }
}

static uint64_t put_trend(struct statsd_output *o, const struct out_series *s)
{
    struct ranks r = {.o = o, .s = s, .all = hist_count(s->sink.hist)};

    r.sent = r.all < VALUES_MAX ? r.all : VALUES_MAX;
    hist_each(s->sink.hist, put_value, &r);
    return r.sent;
}

static uint64_t encode(struct push *p, const struct out_series *s)
{
    struct statsd_output *o = CONTAINER_OF(p, struct statsd_output, push);
    double value;

    switch (s->metric.type) {
    case METRIC_COUNTER:
        put_line(o, s, "", s->sink.sum, "c", 1);
        return 1;
    case METRIC_GAUGE:
        value = s->sink.gauge.value;
        if (value < 0) /* a sign would make it a change */
            put_line(o, s, "", 0, "g", 1);
        put_line(o, s, "", value, "g", 1);
        return value < 0 ? 2 : 1;
    case METRIC_RATE:
        put_line(o, s, ".passes", (double)s->sink.rate.trues, "c", 1);
        put_line(o, s, ".fails", (double)(s->sink.rate.total - s->sink.rate.trues), "c", 1);
        return 2;
    case METRIC_TREND:
        return put_trend(o, s);
    }
    return 0;
}

static bool is_blocked(struct str key, const void *arg)
{
    const struct statsd_output *o = arg;
    struct str rest = str_of(o->blocked);

    while (rest.len > 0) {
        if (str_eq(str_trim(str_cut(&rest, ',')), key))
            return true;
    }
    return false;
}

static void statsd_free(struct push *p)
{
    struct statsd_output *o = CONTAINER_OF(p, struct statsd_output, push);

    mem_free(o->namespace);
    mem_free(o->blocked);
    mem_free(o);
}

static int set_up(struct statsd_output *o, const struct output_context *c, struct str arg,
                  struct diag *d)
{
    struct str address = arg.len ? arg : str_of(config_text(c, "K6_STATSD_ADDR", "localhost:8125"));
    int64_t interval = PUSH_INTERVAL;
    struct transport *transport = NULL;
    int err = config_nsec(c, "K6_STATSD_PUSH_INTERVAL", &interval, d);

    if (err == 0)
        err = config_bool(c, "K6_STATSD_ENABLE_TAGS", &o->has_tags, d);
    if (err == 0)
        err = transport_udp_new(c->loop, address, &transport, d);
    if (err)
        return err;
    o->namespace = mem_strdup(config_text(c, "K6_STATSD_NAMESPACE", "k6."));
    o->blocked = mem_strdup(config_text(c, "K6_STATSD_TAG_BLOCKLIST", "vu,iter,url"));
    o->push.encode = encode;
    o->push.free = statsd_free;
    o->push.point_max = LINE_MAX_BYTES;
    push_init(&o->push, c, interval, false, mem_printf("statsd (%.*s)", STR_ARG(address)),
              transport, TIMEOUT);
    o->push.set.without_tags = !o->has_tags;
    o->push.set.leaves_out = is_blocked;
    o->push.set.leaves_out_arg = o;
    return 0;
}

struct output *output_statsd_new(struct str arg, const struct output_context *context,
                                 struct diag *d)
{
    struct statsd_output *o = mem_zalloc(sizeof *o);

    if (set_up(o, context, arg, d) == 0)
        return &o->push.base;
    statsd_free(&o->push);
    return NULL;
}
