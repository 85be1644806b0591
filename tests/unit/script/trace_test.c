#include "script/trace.h"

#include "base/mem.h"
#include "engine/options.h"
#include "support/test.h"

static struct tracer *make(struct options *o, const char *json)
{
    json_t *tier = json_pack("{s:o}", "tracing", json_loads(json, JSON_DECODE_ANY, NULL));
    struct diag d = DIAG_INIT;

    options_init(o);
    CHECK_EQ(options_apply(o, TIER_SCRIPT, tier, &d), 0);
    json_decref(tier);
    diag_deinit(&d);
    return tracer_new(o);
}

/* What a format writes it reads again. */
static void round_trip(const char *format, const char *name)
{
    struct options o;
    struct tracer *t = make(&o, format);
    struct http_header own = {STR("Accept"), STR("*")};
    const struct http_header *list = &own;
    size_t count = 1;
    struct trace_context made;
    struct trace_context read;
    struct arena arena;

    arena_init(&arena);
    CHECK(t != NULL);
    tracer_attach(t, &arena, &list, &count, &made);
    CHECK(trace_is_set(&made) && made.span && made.sampled);
    CHECK(str_eq_c(list[0].name, "Accept"));
    CHECK(header_find(list, count, str_of(name)) != NULL);
    CHECK(trace_read(list, count, &read));
    CHECK(read.trace[0] == made.trace[0] && read.trace[1] == made.trace[1]);
    CHECK(read.span == made.span && read.sampled == made.sampled);
    /* Fields that are there stay as they are. */
    tracer_attach(t, &arena, &list, &count, &made);
    CHECK(read.trace[0] == made.trace[0] && read.trace[1] == made.trace[1]);
    arena_deinit(&arena);
    mem_free(t);
    options_deinit(&o);
}

TEST(trace_formats_read_what_they_write)
{
    round_trip("\"w3c\"", "traceparent");
    round_trip("\"b3\"", "b3");
    round_trip("{\"propagator\":\"jaeger\"}", "uber-trace-id");
    round_trip("{\"propagator\":\"datadog\",\"sampling\":1}", "x-datadog-trace-id");
}

static bool reads(const char *name, const char *value, struct trace_context *out)
{
    struct http_header h = {str_of(name), str_of(value)};

    CHECK(trace_read(&h, 1, out));
    return trace_is_set(out);
}

TEST(trace_reads_what_scripts_send)
{
    struct trace_context c;
    char text[TRACE_ID_TEXT];

    CHECK(reads("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", &c));
    trace_id_text(&c, text);
    CHECK(str_eq_c(str_of(text), "0af7651916cd43dd8448eb211c80319c"));
    CHECK(c.sampled && c.span == UINT64_C(0xb7ad6b7169203331));
    CHECK(reads("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", &c));
    CHECK(!c.sampled);
    CHECK(reads("Uber-Trace-Id", "8448eb211c80319c:b7ad6b7169203331:0:1", &c));
    CHECK(c.trace[0] == 0 && c.sampled);
    CHECK(reads("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90", &c));
    CHECK(c.sampled);
    CHECK(!reads("b3", "0", &c));
    CHECK(!reads("traceparent", "", &c));
    CHECK(!reads("traceparent", "00-xyz-1-01", &c));
    CHECK(!reads("traceparent", "00-0af7651916cd43dd8448eb211c80319caa-b7ad6b7169203331-01", &c));
    CHECK(!reads("x-datadog-trace-id", "99999999999999999999999", &c));
    CHECK(!trace_read(NULL, 0, &c));
}

TEST(trace_sampling_is_a_share)
{
    struct options o;
    struct tracer *t = make(&o, "{\"propagator\":\"w3c\",\"sampling\":0.25}");
    struct trace_context c;
    int sampled = 0;

    for (int i = 0; i < 10000; i++) {
        tracer_begin(t, &c);
        sampled += c.sampled;
    }
    CHECK(sampled > 2100 && sampled < 2900);
    mem_free(t);
    options_deinit(&o);
}

TEST(trace_option_refuses_nonsense)
{
    static const char *const bad[] = {"\"zipkin\"", "{\"propagator\":3}", "7",
                                      "{\"propagator\":\"w3c\",\"sampling\":2}"};

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        json_t *tier = json_pack("{s:o}", "tracing", json_loads(bad[i], JSON_DECODE_ANY, NULL));
        struct options o;
        struct diag d = DIAG_INIT;

        options_init(&o);
        CHECK(options_apply(&o, TIER_SCRIPT, tier, &d) < 0);
        CHECK(d.message != NULL);
        json_decref(tier);
        diag_deinit(&d);
        options_deinit(&o);
    }
}
