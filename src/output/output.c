#include "output/output.h"

#include "base/buf.h"
#include "base/err.h"

typedef struct output *make_output(struct str arg, const struct output_context *context,
                                   struct diag *d);

static const struct {
    const char *name;
    make_output *make;
    const char *listed; /* in messages; NULL: another name of what is */
} kinds[] = {
    {"json", output_json_new, "json"},
    {"csv", output_csv_new, "csv"},
    {"influxdb", output_influxdb_new, "influxdb"},
    {"xk6-influxdb", output_influxdb_new, NULL},
    {"prometheus-rw", output_prometheus_new, "prometheus-rw"},
    {"experimental-prometheus-rw", output_prometheus_new, NULL},
    {"opentelemetry", output_otel_new, "opentelemetry"},
    {"experimental-opentelemetry", output_otel_new, NULL},
    {"statsd", output_statsd_new, "statsd"},
    {"output-statsd", output_statsd_new, NULL},
};

/* What others have and gale has not, or has by another name. */
static const struct {
    const char *name;
    const char *why;
} missing[] = {
    {"datadog", "use statsd, with K6_STATSD_ENABLE_TAGS=true"},
    {"kafka", "send to a collector by opentelemetry and from there to Kafka"},
    {"cloud", "gale has no cloud service; prometheus-rw and opentelemetry reach Grafana Cloud"},
};

int output_new(struct str spec, const struct output_context *context, struct output **out,
               struct diag *d)
{
    struct str arg = spec;
    struct str name = str_cut(&arg, '=');
    struct buf names = BUF_INIT(SIZE_MAX);

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (kinds[i].listed)
            buf_printf(&names, "%s%s", i ? ", " : "", kinds[i].listed);
        if (!str_eq_c(name, kinds[i].name))
            continue;
        buf_deinit(&names);
        *out = kinds[i].make(arg, context, d);
        return *out ? 0 : ERR_INVALID;
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

void output_free(struct output *o)
{
    if (o)
        o->ops->free(o);
}
