#include "shop/spans.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "loop/loop.h"
#include "output/otlp.h"
#include "output/sender.h"
#include "output/transport.h"
#include "proto/pb/wire.h"

#define EVERY (NSEC_PER_SEC / 2)
#define TIMEOUT (5 * NSEC_PER_SEC)

enum { PAYLOAD_BYTES = 1024 * 1024, QUEUE_BYTES = 16 * 1024 * 1024 };

/* Numbers of fields, of the messages that stand in capitals (opentelemetry-proto, trace/v1). */
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
};
enum { KIND_INTERNAL = 1, KIND_SERVER = 2 };

struct spans {
    struct loop *loop;
    struct sender *sender;
    struct timer timer;
    struct rng rng;
    struct buf payload;
    uint64_t count; /* in it */
    struct otlp_open open;
};

static void send_all(struct spans *s)
{
    if (s->count == 0)
        return;
    pb_end(&s->payload, s->open.scope);
    pb_end(&s->payload, s->open.resource);
    sender_push(s->sender, &s->payload, s->count);
    s->count = 0;
}

static void on_timer(struct timer *timer)
{
    struct spans *s = CONTAINER_OF(timer, struct spans, timer);

    send_all(s);
    timer_start(s->loop, timer, clock_now() + EVERY);
}

static const char *no_env(const char *name)
{
    (void)name;
    return NULL;
}

int spans_new(struct loop *loop, struct str address, struct spans **out, struct diag *d)
{
    char *url = mem_printf("http://%.*s/v1/traces", STR_ARG(address));
    struct transport_options options = {
        .loop = loop, .env = no_env, .read_answer = otlp_read_answer};
    struct http_target target = {.url = str_of(url)};
    struct transport *transport = NULL;
    struct spans *s;
    uint64_t seed;
    int err = config_add_header(&options.headers, "", STR("Content-Type"),
                                STR("application/x-protobuf"), d);

    if (err == 0)
        err = transport_http_new(&options, &target, &transport, d);
    if (err == 0) {
        s = mem_zalloc(sizeof *s);
        s->loop = loop;
        s->sender = sender_new(&(struct sender_options){.loop = loop,
                                                        .name = url,
                                                        .transport = transport,
                                                        .timeout = TIMEOUT,
                                                        .queue_bytes = QUEUE_BYTES});
        rng_system(&seed, sizeof seed);
        rng_seed(&s->rng, seed);
        buf_init(&s->payload, SIZE_MAX);
        timer_init(&s->timer, on_timer);
        timer_start(loop, &s->timer, clock_now() + EVERY);
        *out = s;
    }
    mem_free(url);
    return err;
}

static void put_id(struct buf *out, uint32_t number, const uint64_t *parts, size_t count)
{
    char bytes[16];

    for (size_t i = 0; i < count * 8; i++)
        bytes[i] = (char)(parts[i / 8] >> (56 - i % 8 * 8));
    pb_put_bytes(out, number, str_from(bytes, count * 8));
}

/* Up to its attributes. */
static size_t begin_span(struct spans *s, const struct shop_span *span, uint64_t id,
                         uint64_t parent, struct str name)
{
    size_t begun = pb_begin(&s->payload, SCOPE_SPANS_SPANS);

    put_id(&s->payload, SPAN_TRACE_ID, span->trace.trace, 2);
    put_id(&s->payload, SPAN_SPAN_ID, &id, 1);
    put_id(&s->payload, SPAN_PARENT_ID, &parent, 1);
    pb_put_text(&s->payload, SPAN_NAME, name);
    s->count++;
    return begun;
}

void spans_add(struct spans *s, const struct shop_span *span)
{
    const struct otlp_resource shop = {.service = STR("shop"), .version = STR(GALE_VERSION)};
    struct buf *out = &s->payload;
    uint64_t id = rng_next(&s->rng) | 1; /* 0 means none */
    char *name = mem_printf("%.*s %.*s", STR_ARG(span->method), STR_ARG(span->route));
    size_t begun;

    if (s->count == 0)
        otlp_open(out, &shop, &s->open);
    begun = begin_span(s, span, id, span->trace.parent, str_of(name));
    pb_put_uint(out, SPAN_KIND, KIND_SERVER);
    otlp_put_time(out, SPAN_START, span->began_wall);
    otlp_put_time(out, SPAN_END, span->ended_wall);
    otlp_put_text(out, SPAN_ATTRIBUTES, STR("http.request.method"), span->method);
    otlp_put_text(out, SPAN_ATTRIBUTES, STR("http.route"), span->route);
    otlp_put_text(out, SPAN_ATTRIBUTES, STR("url.path"), span->path);
    otlp_put_int(out, SPAN_ATTRIBUTES, STR("http.response.status_code"), span->status);
    if (span->region.len)
        otlp_put_text(out, SPAN_ATTRIBUTES, STR("client.region"), span->region);
    pb_end(out, begun);
    if (span->catalogue > 0) {
        begun = begin_span(s, span, rng_next(&s->rng) | 1, id, STR("catalogue"));
        pb_put_uint(out, SPAN_KIND, KIND_INTERNAL);
        otlp_put_time(out, SPAN_START, span->began_wall);
        otlp_put_time(out, SPAN_END, span->began_wall + span->catalogue);
        otlp_put_text(out, SPAN_ATTRIBUTES, STR("replica"), span->region);
        pb_end(out, begun);
    }
    mem_free(name);
    if (out->len > PAYLOAD_BYTES)
        send_all(s);
}

/* --- what requests carry ------------------------------------------------------------------ */

static bool read_hex(struct str s, size_t digits, uint64_t *out)
{
    *out = 0;
    if (s.len != digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        char c = s.ptr[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
            return false;
        *out = *out << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return true;
}

void trace_parse(struct str value, struct shop_trace *out)
{
    struct str version = str_cut(&value, '-');
    struct str trace = str_cut(&value, '-');
    struct str parent = str_cut(&value, '-');
    struct str flags = str_cut(&value, '-');
    struct shop_trace t;
    uint64_t bits;

    if (version.len != 2 || trace.len != 32 ||
        !read_hex(str_slice(trace, 0, 16), 16, &t.trace[0]) ||
        !read_hex(str_from_index(trace, 16), 16, &t.trace[1]) || !read_hex(parent, 16, &t.parent) ||
        !read_hex(flags, 2, &bits))
        return;
    t.sampled = bits & 1;
    *out = t;
}
