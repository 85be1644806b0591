/* influxdb: line protocol over HTTP to InfluxDB 1 and 2 (k6-features.md OUT-05).
 *
 *   http_req_duration,method=GET,status=200 value=12.5,count=40i,sum=500,... 1795464832148173338
 *
 * One point per series and push: a counter's `value` is what was added since the last push, so that
 * sum("value") is the total; a gauge's is the last one; a rate's the share of that span, with the
 * counts it came from; a trend's the mean, with what else a distribution comes to. With
 * K6_INFLUXDB_SAMPLES every sample is a point of its own, as in k6. */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "metrics/hist.h"
#include "metrics/window.h"
#include "output/config.h"
#include "output/json_text.h"
#include "output/push.h"
#include "output/transport.h"
#include "proto/url.h"

#define PUSH_INTERVAL NSEC_PER_SEC
#define TIMEOUT (10 * NSEC_PER_SEC)

/* InfluxDB takes no series whose name and tags have more. */
enum { SERIES_MAX_BYTES = 65535 };

enum field_kind { FIELD_STRING, FIELD_INT, FIELD_FLOAT, FIELD_BOOL };

/* A tag that is written as a field, so that it is not indexed. */
struct tag_field {
    struct str key; /* in `fields_text` */
    enum field_kind kind;
};

struct precision {
    const char *names[4]; /* by which it can be asked for; ends with NULL */
    const char *v1;
    const char *v2; /* NULL: version 2 has none */
    int64_t nsec;
};

static const struct precision precisions[] = {
    {{"ns", "n", "1ns"}, "n", "ns", 1},          {{"us", "u", "1us"}, "u", "us", NSEC_PER_USEC},
    {{"ms", "1ms"}, "ms", "ms", NSEC_PER_MSEC},  {{"s", "1s"}, "s", "s", NSEC_PER_SEC},
    {{"m", "1m"}, "m", NULL, 60 * NSEC_PER_SEC}, {{"h", "1h"}, "h", NULL, 3600 * NSEC_PER_SEC},
};

struct influxdb_output {
    struct push push;
    char *fields_text; /* owned */
    struct tag_field *fields;
    size_t field_count;
    int64_t precision; /* nanoseconds of a unit of time */
};

/* --- lines -------------------------------------------------------------------------------- */

/* Escapes what ends a name, a key or a value; line breaks can't be said. */
static void put_name(struct buf *out, struct str text, const char *special)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '\n' || c == '\r' || c == '\0')
            c = ' ';
        if (strchr(special, c))
            buf_append_char(out, '\\');
        buf_append_char(out, c);
    }
    if (text.len > 0 && text.ptr[text.len - 1] == '\\')
        buf_append_char(out, ' '); /* else it would escape what follows */
}

static void put_tag(struct buf *out, const struct tag *tag)
{
    if (tag->value.len == 0)
        return;
    buf_append_char(out, ',');
    put_name(out, tag->key, ",= ");
    buf_append_char(out, '=');
    put_name(out, tag->value, ",= ");
}

static const struct tag_field *field_of(const struct influxdb_output *o, struct str key)
{
    for (size_t i = 0; i < o->field_count; i++) {
        if (str_eq(o->fields[i].key, key))
            return &o->fields[i];
    }
    return NULL;
}

static bool is_field(struct str key, const void *o)
{
    return field_of(o, key) != NULL;
}

static void put_head(struct influxdb_output *o, struct buf *out, struct str metric,
                     const struct tags *tags)
{
    put_name(out, metric, ", ");
    for (uint32_t i = 0; tags && i < tags->count; i++) {
        if (!is_field(tags->list[i].key, o))
            put_tag(out, &tags->list[i]);
    }
}

/* Influx knows no infinities. */
static void put_value(struct buf *out, const char *name, double value)
{
    buf_printf(out, "%s=", name);
    json_text_number(out, isfinite(value) ? value : 0);
}

static void put_time(struct influxdb_output *o, struct buf *out, int64_t wall_nsec)
{
    buf_printf(out, " %lld\n", (long long)(wall_nsec / o->precision));
}

static void put_trend(struct buf *out, const struct hist *h)
{
    static const struct {
        const char *name;
        double q;
    } quantiles[] = {{",med", 0.5}, {",p90", 0.9}, {",p95", 0.95}, {",p99", 0.99}};

    put_value(out, " value", hist_mean(h));
    buf_printf(out, ",count=%llui", (unsigned long long)hist_count(h));
    put_value(out, ",sum", hist_sum(h));
    put_value(out, ",min", hist_min(h));
    put_value(out, ",max", hist_max(h));
    for (size_t i = 0; i < COUNT_OF(quantiles); i++)
        put_value(out, quantiles[i].name, hist_quantile(h, quantiles[i].q));
}

static uint64_t encode(struct push *p, const struct out_series *s)
{
    struct influxdb_output *o = CONTAINER_OF(p, struct influxdb_output, push);
    struct buf *out = &p->payload;

    put_head(o, out, s->metric.name, s->tags);
    switch (s->metric.type) {
    case METRIC_COUNTER:
        put_value(out, " value", s->sink.sum);
        break;
    case METRIC_GAUGE:
        put_value(out, " value", s->sink.gauge.value);
        put_value(out, ",min", s->sink.gauge.min);
        put_value(out, ",max", s->sink.gauge.max);
        break;
    case METRIC_RATE:
        put_value(out, " value", (double)s->sink.rate.trues / (double)s->sink.rate.total);
        buf_printf(out, ",passes=%llui,fails=%llui", (unsigned long long)s->sink.rate.trues,
                   (unsigned long long)(s->sink.rate.total - s->sink.rate.trues));
        break;
    case METRIC_TREND:
        put_trend(out, s->sink.hist);
        break;
    }
    put_time(o, out, p->wall_nsec);
    return 1;
}

/* --- every sample ------------------------------------------------------------------------- */

static void put_string(struct buf *out, struct str text)
{
    buf_append_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            buf_append_char(out, '\\');
        buf_append_char(out, text.ptr[i]);
    }
    buf_append_char(out, '"');
}

/* A value that is not of the kind asked for is left out: a wrong one would refuse the line. */
static void put_field(struct buf *out, const struct tag *tag, enum field_kind kind)
{
    int64_t integer = 0;
    double number = 0;
    bool is_true = str_eq_c(tag->value, "true");

    if (tag->value.len == 0 || (kind == FIELD_INT && !str_to_i64(tag->value, &integer)) ||
        (kind == FIELD_FLOAT && !str_to_double(tag->value, &number)) ||
        (kind == FIELD_BOOL && !is_true && !str_eq_c(tag->value, "false")))
        return;
    buf_append_char(out, ',');
    put_name(out, tag->key, ",= ");
    buf_append_char(out, '=');
    if (kind == FIELD_STRING)
        put_string(out, tag->value);
    else if (kind == FIELD_INT)
        buf_printf(out, "%lldi", (long long)integer);
    else if (kind == FIELD_FLOAT)
        json_text_number(out, isfinite(number) ? number : 0);
    else
        buf_append_c(out, is_true ? "true" : "false");
}

static void put_fields(struct influxdb_output *o, struct buf *out, const struct tags *tags)
{
    for (uint32_t i = 0; tags && i < tags->count; i++) {
        const struct tag_field *field = field_of(o, tags->list[i].key);

        if (field)
            put_field(out, &tags->list[i], field->kind);
    }
}

static void take_samples(struct output *base, const struct window *w)
{
    struct push *p = CONTAINER_OF(base, struct push, base);
    struct influxdb_output *o = CONTAINER_OF(p, struct influxdb_output, push);
    struct buf *out = &p->payload;

    for (size_t i = 0; i < w->sample_count; i++) {
        const struct sample *sample = &w->samples[i];
        const struct tags *meta = sample->meta;
        size_t before = out->len;

        put_head(o, out, sample->series->metric->name, sample->series->tags);
        for (uint32_t j = 0; meta && j < meta->count; j++) {
            if (!is_field(meta->list[j].key, o))
                put_tag(out, &meta->list[j]);
        }
        put_value(out, " value", sample->value);
        put_fields(o, out, sample->series->tags);
        put_fields(o, out, meta);
        put_time(o, out, sample->wall_nsec);
        push_points(p, before, 1, sample->series->metric->name);
    }
}

/* --- settings ----------------------------------------------------------------------------- */

struct settings {
    struct arena arena; /* texts */
    struct str address; /* "http://host:8086/prefix", without a slash at its end */
    struct str user;
    struct str password;
    const char *db;
    const char *precision;
    const char *retention;
    const char *consistency;
    const char *organization;
    const char *bucket; /* NULL: version 1 */
    const char *token;
};

/* "precision=s&retention=week": as k6 takes them behind the address. */
static int read_query(struct settings *s, struct str query, struct diag *d)
{
    const struct {
        const char *key;
        const char **value;
    } known[] = {{"precision", &s->precision},
                 {"retention", &s->retention},
                 {"consistency", &s->consistency}};

    while (query.len > 0) {
        struct str value = str_cut(&query, '&');
        struct str key = str_cut(&value, '=');
        bool found = false;

        for (size_t i = 0; i < COUNT_OF(known) && !found; i++) {
            found = str_eq_c(key, known[i].key);
            if (found)
                *known[i].value = arena_str(&s->arena, value).ptr;
        }
        if (!found)
            return diag_set(d, ERR_INVALID,
                            "unknown '%.*s' in the address: use precision, retention or "
                            "consistency, and variables for the rest",
                            STR_ARG(key));
    }
    return 0;
}

/* "http://user:password@host:8086/prefix/db?precision=s". */
static int read_address(struct settings *s, struct str text, struct diag *d)
{
    struct url url;
    struct str prefix;
    ptrdiff_t slash;
    int err = url_parse(arena_str(&s->arena, text), &s->arena, &url, d);

    if (err)
        return err;
    if (!url.has_authority || url.host.len == 0)
        return diag_set(d, ERR_INVALID,
                        "'%.*s' is no address: use one like http://localhost:8086/k6",
                        STR_ARG(text));
    if (url.has_user) {
        s->user = url.user;
        s->password = url.password;
    }
    slash = str_rfind(url.path, '/');
    prefix = str_slice(url.path, 0, slash < 0 ? 0 : (size_t)slash);
    if (slash >= 0 && (size_t)slash + 1 < url.path.len)
        s->db = arena_str(&s->arena, str_from_index(url.path, (size_t)slash + 1)).ptr;
    s->address = str_of(arena_printf(&s->arena, "%.*s://%.*s%.*s", STR_ARG(url.scheme),
                                     STR_ARG(url.authority), STR_ARG(prefix)));
    return read_query(s, url.query, d);
}

static int read_settings(const struct output_context *c, struct str arg, struct settings *s,
                         struct diag *d)
{
    const char *address = config_text(c, "K6_INFLUXDB_ADDR", "http://localhost:8086");

    arena_init(&s->arena);
    s->user = str_of(config_text(c, "K6_INFLUXDB_USERNAME", ""));
    s->password = str_of(config_text(c, "K6_INFLUXDB_PASSWORD", ""));
    s->db = config_text(c, "K6_INFLUXDB_DB", "k6");
    s->precision = config_text(c, "K6_INFLUXDB_PRECISION", "ns");
    s->retention = config_text(c, "K6_INFLUXDB_RETENTION", "");
    s->consistency = config_text(c, "K6_INFLUXDB_CONSISTENCY", "");
    s->organization = config_text(c, "K6_INFLUXDB_ORGANIZATION", "");
    s->bucket = config_text(c, "K6_INFLUXDB_BUCKET", NULL);
    s->token = config_text(c, "K6_INFLUXDB_TOKEN", "");
    if (!s->bucket && (*s->organization || *s->token))
        return diag_set(
            d, ERR_INVALID,
            "K6_INFLUXDB_BUCKET: version 2 needs a bucket beside organization and token");
    return read_address(s, arg.len ? arg : str_of(address), d);
}

static int read_precision(struct influxdb_output *o, const struct settings *s, const char **unit,
                          struct diag *d)
{
    for (size_t i = 0; i < COUNT_OF(precisions); i++) {
        const struct precision *p = &precisions[i];

        for (size_t j = 0; p->names[j]; j++) {
            if (strcmp(p->names[j], s->precision) != 0)
                continue;
            *unit = s->bucket ? p->v2 : p->v1;
            o->precision = p->nsec;
            if (*unit)
                return 0;
        }
    }
    return diag_set(d, ERR_INVALID, "K6_INFLUXDB_PRECISION: '%s' is none: use ns, us, ms or s",
                    s->precision);
}

/* "vu:int,iter:int,url" */
static int read_fields(struct influxdb_output *o, const char *text, struct diag *d)
{
    static const char *const kinds[] = {"string", "int", "float", "bool"};
    struct str rest;

    o->fields_text = mem_strdup(text);
    rest = str_of(o->fields_text);
    while (rest.len > 0) {
        struct str kind = str_trim(str_cut(&rest, ','));
        struct str key = str_cut(&kind, ':');
        size_t found = 0;

        while (kind.ptr && found < COUNT_OF(kinds) && !str_eq_c(kind, kinds[found]))
            found++;
        if (key.len == 0 || found == COUNT_OF(kinds))
            return diag_set(d, ERR_INVALID,
                            "K6_INFLUXDB_TAGS_AS_FIELDS: '%.*s' is no kind: use string, int, float "
                            "or bool, as in vu:int",
                            STR_ARG(kind));
        o->fields = mem_reallocarray(o->fields, o->field_count + 1, sizeof *o->fields);
        o->fields[o->field_count++] = (struct tag_field){key, (enum field_kind)found};
    }
    return 0;
}

static void put_query(struct buf *out, const char *name, const char *value)
{
    if (!*value)
        return;
    buf_printf(out, "%s%s=", str_find(buf_str(out), '?') < 0 ? "?" : "&", name);
    url_query_escape(str_of(value), out);
}

/* The addresses to write to and, of version 1, to make the database with. */
static void build_urls(const struct settings *s, const char *unit, struct buf *write,
                       struct buf *prepare)
{
    buf_append_str(write, s->address);
    if (s->bucket) {
        buf_append_c(write, "/api/v2/write");
        put_query(write, "org", s->organization);
        put_query(write, "bucket", s->bucket);
        put_query(write, "precision", unit);
        return;
    }
    buf_append_c(write, "/write");
    put_query(write, "db", s->db);
    put_query(write, "precision", unit);
    put_query(write, "rp", s->retention);
    put_query(write, "consistency", s->consistency);
    buf_append_str(prepare, s->address);
    buf_append_c(prepare, "/query?q=CREATE+DATABASE+");
    url_query_escape(STR("\""), prepare);
    url_query_escape(str_of(s->db), prepare);
    url_query_escape(STR("\""), prepare);
}

static int authorize(const struct settings *s, struct config_headers *headers, struct diag *d)
{
    char *value;
    int err;

    if (!s->bucket) {
        if (s->user.len)
            config_add_basic_auth(headers, s->user, s->password);
        return 0;
    }
    if (!*s->token)
        return 0;
    value = mem_printf("Token %s", s->token);
    err = config_add_header(headers, "K6_INFLUXDB_TOKEN", STR("Authorization"), str_of(value), d);
    mem_free(value);
    return err;
}

static int make_transport(const struct output_context *c, const struct settings *s,
                          const char *unit, struct transport **out, struct diag *d)
{
    static const struct config_tls_names tls = {.insecure = "K6_INFLUXDB_INSECURE"};
    struct transport_options options = {
        .loop = c->loop,
        .env = c->env,
        .network = c->network,
        .proxy = str_of(
            config_text(c, "K6_INFLUXDB_PROXY", config_text(c, "K6_INFLUXDB_HTTP_PROXY", ""))),
    };
    struct buf write = BUF_INIT(SIZE_MAX);
    struct buf prepare = BUF_INIT(SIZE_MAX);
    struct http_target target;
    int err = authorize(s, &options.headers, d);

    if (err == 0)
        err = config_add_header(&options.headers, "", STR("Content-Type"),
                                STR("text/plain; charset=utf-8"), d);
    if (err == 0)
        err = config_tls(c, &tls, &options.tls, d);
    build_urls(s, unit, &write, &prepare);
    target = (struct http_target){buf_str(&write), buf_str(&prepare)};
    if (err == 0)
        err = transport_http_new(&options, &target, out, d);
    if (err) {
        config_headers_deinit(&options.headers);
        if (options.tls)
            tls_config_free(options.tls);
    }
    buf_deinit(&write);
    buf_deinit(&prepare);
    return err;
}

/* --- life --------------------------------------------------------------------------------- */

static void influxdb_free(struct push *p)
{
    struct influxdb_output *o = CONTAINER_OF(p, struct influxdb_output, push);

    mem_free(o->fields_text);
    mem_free(o->fields);
    mem_free(o);
}

static int set_up(struct influxdb_output *o, const struct output_context *c, struct settings *s,
                  struct diag *d)
{
    int64_t interval = PUSH_INTERVAL;
    struct transport *transport = NULL;
    const char *unit = NULL;
    bool samples = false;
    int err = read_precision(o, s, &unit, d);

    if (err == 0)
        err =
            read_fields(o, config_text(c, "K6_INFLUXDB_TAGS_AS_FIELDS", "vu:int,iter:int,url"), d);
    if (err == 0)
        err = config_nsec(c, "K6_INFLUXDB_PUSH_INTERVAL", &interval, d);
    if (err == 0)
        err = config_bool(c, "K6_INFLUXDB_SAMPLES", &samples, d);
    if (err == 0)
        err = make_transport(c, s, unit, &transport, d);
    if (err)
        return err;
    o->push.encode = encode;
    o->push.free = influxdb_free;
    o->push.point_max = SERIES_MAX_BYTES;
    o->push.take_samples = samples ? take_samples : NULL;
    push_init(&o->push, c, interval, false,
              mem_printf("influxdb (%.*s/%s)", STR_ARG(s->address), s->bucket ? s->bucket : s->db),
              transport, TIMEOUT);
    o->push.set.leaves_out = is_field;
    o->push.set.leaves_out_arg = o;
    return 0;
}

struct output *output_influxdb_new(struct str arg, const struct output_context *context,
                                   struct diag *d)
{
    struct influxdb_output *o = mem_zalloc(sizeof *o);
    struct settings settings = {0};
    int err = read_settings(context, arg, &settings, d);

    if (err == 0)
        err = set_up(o, context, &settings, d);
    arena_deinit(&settings.arena);
    if (err == 0)
        return &o->push.base;
    influxdb_free(&o->push);
    return NULL;
}
