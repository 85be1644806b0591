#include "output/output.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

enum { MOST_SAID = 2048 };

typedef struct output *make_output(struct str arg, const struct output_context *context,
                                   struct diag *d);

static const struct {
    const char *name;
    make_output *make;
    const char *listed;    /* in messages; NULL: another name of what is */
    const char *variables; /* what names of its variables begin with; NULL: it writes samples */
} kinds[] = {
    {"json", output_json_new, "json", NULL},
    {"csv", output_csv_new, "csv", NULL},
    {"influxdb", output_influxdb_new, "influxdb", "K6_INFLUXDB_"},
    {"xk6-influxdb", output_influxdb_new, NULL, "K6_INFLUXDB_"},
    {"prometheus-rw", output_prometheus_new, "prometheus-rw", "K6_PROMETHEUS_RW_"},
    {"experimental-prometheus-rw", output_prometheus_new, NULL, "K6_PROMETHEUS_RW_"},
    {"opentelemetry", output_otel_new, "opentelemetry", "K6_OTEL_"},
    {"experimental-opentelemetry", output_otel_new, NULL, "K6_OTEL_"},
    {"statsd", output_statsd_new, "statsd", "K6_STATSD_"},
    {"output-statsd", output_statsd_new, NULL, "K6_STATSD_"},
};

/* Variables that hold the path of a file. */
static const char *const paths[] = {
    "K6_OTEL_TLS_CERTIFICATE",
    "K6_OTEL_TLS_CLIENT_CERTIFICATE",
    "K6_OTEL_TLS_CLIENT_KEY",
    "K6_PROMETHEUS_RW_CLIENT_CERTIFICATE",
    "K6_PROMETHEUS_RW_CLIENT_CERTIFICATE_KEY",
};

/* What others have and gale has not, or has by another name. */
static const struct {
    const char *name;
    const char *why;
} missing[] = {
    {"datadog", "use statsd, with K6_STATSD_ENABLE_TAGS=true"},
    {"influx", "its name is influxdb"},
    {"kafka", "send to a collector by opentelemetry and from there to Kafka"},
    {"loki", "outputs send metrics; --log-format json and Loki's own agent bring log lines there"},
    {"otel", "its name is opentelemetry"},
    {"prometheus", "its name is prometheus-rw; it needs a server that takes remote write"},
    {"web-dashboard", "gale run has it; of a fleet's run the controller's dashboard shows all"},
    {"cloud", "gale has no cloud service; prometheus-rw and opentelemetry reach Grafana Cloud"},
};

void output_say(const struct output_voice *voice, enum log_level level, const char *fmt, ...)
{
    char text[MOST_SAID];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (voice->say)
        voice->say(voice->arg, level, text);
    else
        log_printf(level, "%s", text);
}

static int find_kind(struct str name, size_t *out, struct diag *d)
{
    struct buf names = BUF_INIT(SIZE_MAX);

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (str_eq_c(name, kinds[i].name)) {
            buf_deinit(&names);
            *out = i;
            return 0;
        }
        if (kinds[i].listed)
            buf_printf(&names, "%s%s", i ? ", " : "", kinds[i].listed);
    }
    for (size_t i = 0; i < COUNT_OF(missing); i++) {
        if (str_eq_c(name, missing[i].name))
            diag_set(d, ERR_INVALID, "there is no output '%s': %s (there are %s)", missing[i].name,
                     missing[i].why, names.data);
    }
    diag_set(d, ERR_INVALID, "unknown output '%.*s': there are %s", STR_ARG(name), names.data);
    buf_deinit(&names);
    return ERR_INVALID;
}

static int refuse_merged(struct str spec, struct diag *d)
{
    return diag_set(d, ERR_INVALID,
                    "output '%.*s': a fleet's samples are merged before they reach the controller, "
                    "so nothing there can write each of them: start the agents with `gale agent "
                    "--out json=FILE` (or csv=, influxdb=), or use influxdb, prometheus-rw, "
                    "opentelemetry or statsd here",
                    STR_ARG(spec));
}

int output_check_merged(struct str spec, struct diag *d)
{
    struct str arg = spec;
    size_t kind;
    int err = find_kind(str_cut(&arg, '='), &kind, d);

    return err ? err : kinds[kind].variables ? 0 : refuse_merged(str_cut(&spec, '='), d);
}

bool output_takes_variable(struct str spec, struct str name)
{
    size_t kind;

    if (find_kind(str_cut(&spec, '='), &kind, NULL) || !kinds[kind].variables)
        return false;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        if (str_eq_c(name, paths[i]))
            return false;
    }
    return str_starts_with(name, str_of(kinds[kind].variables)) ||
           (kinds[kind].make == output_otel_new && str_eq_c(name, "OTEL_SERVICE_NAME"));
}

int output_new(struct str spec, const struct output_context *context, struct output **out,
               struct diag *d)
{
    struct str arg = spec;
    struct str name = str_cut(&arg, '=');
    struct output *output;
    size_t kind;
    int err = find_kind(name, &kind, d);

    if (err == 0 && context->is_merged)
        err = output_check_merged(spec, d);
    if (err)
        return err;
    output = kinds[kind].make(arg, context, d);
    if (output && output->needs_samples && context->is_merged) {
        output_free(output);
        return refuse_merged(name, d); /* influxdb with K6_INFLUXDB_SAMPLES */
    }
    if (!output) {
        diag_prefix(d, "output %.*s", STR_ARG(name));
        return ERR_INVALID;
    }
    *out = output;
    return 0;
}

void output_free(struct output *o)
{
    if (o)
        o->ops->free(o);
}
