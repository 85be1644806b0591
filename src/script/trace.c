#include "script/trace.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/mem.h"
#include "engine/options.h"

enum { FIELDS_MAX = 4 };

static const char *const formats[] = {"w3c", "b3", "jaeger", "datadog"};

struct tracer *tracer_new(const struct options *options)
{
    const json_t *json = options ? options_object(options, OPTION_TRACING) : NULL;
    const char *name = json_string_value(json_object_get(json, "propagator"));
    struct tracer *t;
    uint64_t seed;

    if (!name)
        return NULL;
    t = mem_zalloc(sizeof *t);
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        if (strcmp(name, formats[i]) == 0)
            t->format = (enum trace_format)i;
    }
    t->sampling = json_number_value(json_object_get(json, "sampling"));
    rng_system(&seed, sizeof seed);
    rng_seed(&t->rng, seed);
    return t;
}

uint64_t tracer_span(struct tracer *t)
{
    uint64_t id;

    do {
        id = rng_next(&t->rng);
    } while (id == 0); /* means "none" in every format */
    return id;
}

void tracer_begin(struct tracer *t, struct trace_context *out)
{
    *out = (struct trace_context){
        .trace = {tracer_span(t), tracer_span(t)},
        .span = tracer_span(t),
        .sampled = rng_unit(&t->rng) < t->sampling,
    };
}

/* --- fields out --------------------------------------------------------------------------- */

static struct http_header field(struct str name, const char *value)
{
    return (struct http_header){name, str_of(value)};
}

/* snprintf would be most of what a context costs. */
static void put_hex(char to[16], uint64_t value)
{
    for (int i = 15; i >= 0; i--, value >>= 4)
        to[i] = "0123456789abcdef"[value & 15];
}

static const char *ids_text(struct arena *arena, const char *begin, const struct trace_context *c,
                            char between, const char *end)
{
    size_t before = strlen(begin);
    char *text = arena_alloc(arena, before + 49 + strlen(end) + 1);

    memcpy(text, begin, before);
    put_hex(text + before, c->trace[0]);
    put_hex(text + before + 16, c->trace[1]);
    text[before + 32] = between;
    put_hex(text + before + 33, c->span);
    memcpy(text + before + 49, end, strlen(end) + 1);
    return text;
}

static size_t put_fields(const struct tracer *t, const struct trace_context *c, struct arena *arena,
                         struct http_header *out)
{
    switch (t->format) {
    case TRACE_W3C:
        out[0] =
            field(STR("traceparent"), ids_text(arena, "00-", c, '-', c->sampled ? "-01" : "-00"));
        return 1;
    case TRACE_B3:
        out[0] = field(STR("b3"), ids_text(arena, "", c, '-', c->sampled ? "-1" : "-0"));
        return 1;
    case TRACE_JAEGER:
        out[0] =
            field(STR("uber-trace-id"), ids_text(arena, "", c, ':', c->sampled ? ":0:1" : ":0:0"));
        return 1;
    case TRACE_DATADOG: /* decimal, and the upper half apart */
        out[0] = field(STR("x-datadog-trace-id"), arena_printf(arena, "%" PRIu64, c->trace[1]));
        out[1] = field(STR("x-datadog-parent-id"), arena_printf(arena, "%" PRIu64, c->span));
        out[2] = field(STR("x-datadog-sampling-priority"), c->sampled ? "1" : "0");
        out[3] =
            field(STR("x-datadog-tags"), arena_printf(arena, "_dd.p.tid=%016" PRIx64, c->trace[0]));
        return 4;
    }
    return 0;
}

/* --- fields in ---------------------------------------------------------------------------- */

/* Up to `max` hexadecimal digits. */
static bool read_hex(struct str s, size_t max, uint64_t out[2])
{
    out[0] = 0;
    out[1] = 0;
    if (s.len == 0 || s.len > max)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        const char *digits = "0123456789abcdef";
        char c = s.ptr[i] >= 'A' && s.ptr[i] <= 'F' ? (char)(s.ptr[i] + 32) : s.ptr[i];
        const char *at = memchr(digits, c, 16);

        if (!at)
            return false;
        out[0] = out[0] << 4 | out[1] >> 60;
        out[1] = out[1] << 4 | (uint64_t)(at - digits);
    }
    return true;
}

static void read_ids(struct str trace, struct str span, bool sampled, struct trace_context *out)
{
    uint64_t half[2];
    struct trace_context c = {.sampled = sampled};

    if (!read_hex(trace, 32, c.trace) || !read_hex(span, 16, half))
        return;
    c.span = half[1];
    *out = c;
}

static bool is_on(struct str flags)
{
    return flags.len > 0 && strchr("13579bdfBDF", flags.ptr[flags.len - 1]) != NULL;
}

static void read_parts(enum trace_format format, struct str value, struct trace_context *out)
{
    char between = format == TRACE_JAEGER ? ':' : '-';
    struct str trace;
    struct str span;

    if (format == TRACE_W3C)
        str_cut(&value, between); /* the version */
    trace = str_cut(&value, between);
    span = str_cut(&value, between);
    if (format == TRACE_JAEGER)
        str_cut(&value, between); /* the parent */
    if (format == TRACE_B3) {
        struct str flag = str_cut(&value, between);

        read_ids(trace, span, flag.len == 0 || flag.ptr[0] == 'd' || is_on(flag), out);
        return;
    }
    read_ids(trace, span, is_on(value), out);
}

static void read_datadog(const struct http_header *list, size_t count, struct str trace,
                         struct trace_context *out)
{
    struct str tags = header_value(list, count, STR("x-datadog-tags"));
    struct str priority = header_value(list, count, STR("x-datadog-sampling-priority"));
    ptrdiff_t at = tags.ptr ? str_find_str(tags, STR("_dd.p.tid=")) : -1;
    struct trace_context c = {.sampled = priority.len == 0 || priority.ptr[0] > '0'};
    uint64_t high[2] = {0, 0};

    if (!str_to_u64(trace, &c.trace[1]))
        return;
    if (at >= 0 && read_hex(str_slice(tags, (size_t)at + 10, (size_t)at + 26), 16, high))
        c.trace[0] = high[1];
    if (!str_to_u64(header_value(list, count, STR("x-datadog-parent-id")), &c.span))
        c.span = 0;
    *out = c;
}

bool trace_read(const struct http_header *list, size_t count, struct trace_context *out)
{
    static const struct str names[] = {STR_INIT("traceparent"), STR_INIT("b3"),
                                       STR_INIT("uber-trace-id")};
    const struct http_header *h;

    *out = (struct trace_context){0};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        h = header_find(list, count, names[i]);
        if (!h)
            continue;
        read_parts((enum trace_format)i, str_trim(h->value), out);
        return true;
    }
    h = header_find(list, count, STR("x-datadog-trace-id"));
    if (h) {
        read_datadog(list, count, str_trim(h->value), out);
        return true;
    }
    h = header_find(list, count, STR("x-b3-traceid"));
    if (h)
        read_ids(h->value, header_value(list, count, STR("x-b3-spanid")),
                 !str_eq_c(header_value(list, count, STR("x-b3-sampled")), "0"), out);
    return h != NULL;
}

void tracer_attach(struct tracer *t, struct arena *arena, const struct http_header **list,
                   size_t *count, struct trace_context *out)
{
    struct http_header *all;

    if (trace_read(*list, *count, out))
        return;
    tracer_begin(t, out);
    all = arena_alloc(arena, (*count + FIELDS_MAX) * sizeof *all);
    if (*count)
        memcpy(all, *list, *count * sizeof *all);
    *count += put_fields(t, out, arena, all + *count);
    *list = all;
}

void trace_id_text(const struct trace_context *c, char out[TRACE_ID_TEXT])
{
    put_hex(out, c->trace[0]);
    put_hex(out + 16, c->trace[1]);
    out[32] = '\0';
}
