#include "output/export.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "metrics/threshold.h"
#include "metrics/totals.h"
#include "output/json_text.h"

/* k6's version whose formats these are. */
static const char k6_version[] = "2.2.0";

/* --- groups and checks -------------------------------------------------------------------- */

char *export_id(const char *path, char *out)
{
    unsigned char sum[EVP_MAX_MD_SIZE] = {0};

    EVP_Digest(path, strlen(path), sum, NULL, EVP_md5(), NULL);
    for (size_t i = 0; i < (EXPORT_ID_SIZE - 1) / 2; i++)
        snprintf(out + 2 * i, 3, "%02x", sum[i]);
    return out;
}

static void set_id(json_t *object, const char *path)
{
    char id[EXPORT_ID_SIZE];

    json_object_set_new(object, "id", json_string(export_id(path, id)));
}

static json_t *check_json(const struct check_total *check)
{
    json_t *json = json_pack("{s:s, s:s}", "name", check->name, "path", check->path);

    set_id(json, check->path);
    json_object_set_new(json, "passes", json_integer((json_int_t)check->passes));
    json_object_set_new(json, "fails", json_integer((json_int_t)check->fails));
    return json;
}

/* Children as arrays (handleSummary) or as objects by name (--summary-export). */
static json_t *group_json(const struct group_total *g, bool by_name)
{
    json_t *json = json_pack("{s:s, s:s}", "name", g->name, "path", g->path);
    json_t *groups = by_name ? json_object() : json_array();
    json_t *checks = by_name ? json_object() : json_array();

    set_id(json, g->path);
    for (size_t i = 0; i < g->group_count; i++) {
        json_t *child = group_json(g->groups[i], by_name);

        if (by_name)
            json_object_set_new(groups, g->groups[i]->name, child);
        else
            json_array_append_new(groups, child);
    }
    for (size_t i = 0; i < g->checks.count; i++) {
        json_t *check = check_json(g->checks.checks[i]);

        if (by_name)
            json_object_set_new(checks, g->checks.checks[i]->name, check);
        else
            json_array_append_new(checks, check);
    }
    json_object_set_new(json, "groups", groups);
    json_object_set_new(json, "checks", checks);
    return json;
}

/* --- values ------------------------------------------------------------------------------- */

static json_t *number(double value)
{
    json_t *json = json_real(value);

    return json ? json : json_null(); /* infinite, or none */
}

static void put(json_t *object, const char *key, double value)
{
    json_object_set_new(object, key, number(value));
}

static double value_of(const struct sink *sink, enum agg_kind kind, double seconds)
{
    return sink_aggregate(sink, (struct agg){kind, 0}, seconds);
}

/* The values of a sink; `rate_key` is what a rate's share is called ("rate" or "value"). */
static void put_values(json_t *out, const struct sink *sink, const struct export_input *in,
                       const char *rate_key)
{
    uint64_t trues = sink->is_empty || sink->type != METRIC_RATE ? 0 : sink->rate.trues;
    uint64_t total = sink->is_empty || sink->type != METRIC_RATE ? 0 : sink->rate.total;

    switch (sink->type) {
    case METRIC_COUNTER:
        put(out, "count", value_of(sink, AGG_COUNT, 0));
        put(out, "rate", value_of(sink, AGG_RATE, in->run_seconds));
        break;
    case METRIC_GAUGE:
        put(out, "value", value_of(sink, AGG_VALUE, 0));
        put(out, "min", value_of(sink, AGG_MIN, 0));
        put(out, "max", value_of(sink, AGG_MAX, 0));
        break;
    case METRIC_RATE:
        put(out, rate_key, value_of(sink, AGG_RATE, 0));
        put(out, "passes", (double)trues);
        put(out, "fails", (double)(total - trues));
        break;
    case METRIC_TREND:
        for (size_t i = 0; i < in->options->stat_count; i++)
            put(out, in->options->stats[i].name,
                sink_aggregate(sink, in->options->stats[i].agg, in->run_seconds));
        break;
    }
}

/* The thresholds of a metric or sub-metric by expression; NULL when it has none. In the old export
 * true means failed; in handleSummary's data it is {ok: true} that means passed. */
static json_t *thresholds_json(const struct export_input *in, const struct metric_total *m,
                               const struct submetric *sub, bool as_failed)
{
    json_t *json = NULL;

    for (size_t i = 0; i < in->thresholds->count; i++) {
        const struct threshold *t = in->thresholds->list[i];

        if (t->metric != m || t->submetric != sub)
            continue;
        if (!json)
            json = json_object();
        json_object_set_new(json, t->expr.source,
                            as_failed ? json_boolean(!t->ok)
                                      : json_pack("{s:b}", "ok", (int)t->ok));
    }
    return json;
}

/* Calls fn for each metric and sub-metric that has something to say. */
static void each_metric(const struct export_input *in,
                        void (*fn)(json_t *out, const struct export_input *in,
                                   const struct metric_total *m, const struct submetric *sub),
                        json_t *out)
{
    for (size_t i = 0; i < in->totals->metric_count; i++) {
        const struct metric_total *m = in->totals->metrics[i];
        json_t *own = thresholds_json(in, m, NULL, false);

        if (m->seen || own)
            fn(out, in, m, NULL);
        json_decref(own);
        for (const struct submetric *sub = m->submetrics; sub; sub = sub->next) {
            json_t *its = thresholds_json(in, m, sub, false);

            if (m->seen || its)
                fn(out, in, m, sub);
            json_decref(its);
        }
    }
}

/* --- the three forms ---------------------------------------------------------------------- */

static char *to_text(json_t *json, size_t indent)
{
    char *text = json_text(json, indent);

    json_decref(json);
    return text;
}

static json_t *setup_data(const struct export_input *in)
{
    return in->setup_data_json ? json_loads(in->setup_data_json, JSON_DECODE_ANY, NULL) : NULL;
}

static void put_flat(json_t *out, const struct export_input *in, const struct metric_total *m,
                     const struct submetric *sub)
{
    const char *name = sub ? sub->full_name : m->metric.name.ptr;
    json_t *values = json_object();
    json_t *thresholds = thresholds_json(in, m, sub, true);

    put_values(values, sub ? &sub->sink : &m->sink, in, "value");
    if (thresholds)
        json_object_set_new(values, "thresholds", thresholds);
    json_object_set_new(out, name, values);
}

char *export_summary(const struct export_input *in)
{
    json_t *metrics = json_object();
    json_t *all = json_object();
    json_t *data = setup_data(in);

    each_metric(in, put_flat, metrics);
    json_object_set_new(all, "root_group", group_json(in->totals->root, true));
    json_object_set_new(all, "metrics", metrics);
    if (data)
        json_object_set_new(all, "setup_data", data);
    return to_text(all, 4);
}

static void put_described(json_t *out, const struct export_input *in, const struct metric_total *m,
                          const struct submetric *sub)
{
    const char *name = sub ? sub->full_name : m->metric.name.ptr;
    json_t *values = json_object();
    json_t *thresholds = thresholds_json(in, m, sub, false);
    json_t *json = json_pack("{s:s, s:s}", "type", metric_type_name(m->metric.type), "contains",
                             metric_contains_name(m->metric.contains));

    put_values(values, sub ? &sub->sink : &m->sink, in, "rate");
    json_object_set_new(json, "values", values);
    if (thresholds)
        json_object_set_new(json, "thresholds", thresholds);
    json_object_set_new(out, name, json);
}

char *export_handle_summary(const struct export_input *in)
{
    json_t *all = json_object();
    json_t *metrics = json_object();
    json_t *stats = json_array();
    json_t *data = setup_data(in);

    each_metric(in, put_described, metrics);
    for (size_t i = 0; i < in->options->stat_count; i++)
        json_array_append_new(stats, json_string(in->options->stats[i].name));
    json_object_set_new(all, "metrics", metrics);
    json_object_set_new(all, "root_group", group_json(in->totals->root, false));
    json_object_set_new(all, "options",
                        json_pack("{s:o, s:s, s:b}", "summaryTrendStats", stats, "summaryTimeUnit",
                                  in->time_unit, "noColor", (int)!in->options->color));
    json_object_set_new(all, "state",
                        json_pack("{s:b, s:b, s:f}", "isStdOutTTY", (int)in->stdout_is_terminal,
                                  "isStdErrTTY", (int)in->stderr_is_terminal, "testRunDurationMs",
                                  in->run_seconds * 1000));
    if (data)
        json_object_set_new(all, "setup_data", data);
    return to_text(all, 0);
}

/* {matches, rate, total}: how the schema shows a rate. */
static json_t *rate_values(uint64_t matches, uint64_t total)
{
    json_t *json = json_object();

    put(json, "matches", (double)matches);
    put(json, "rate", total ? (double)matches / (double)total : 0);
    put(json, "total", (double)total);
    return json;
}

static json_t *schema_metric(const char *name, enum metric_type type, const char *contains,
                             json_t *values)
{
    return json_pack("{s:s, s:s, s:s, s:o}", "contains", contains, "name", name, "type",
                     metric_type_name(type), "values", values);
}

static void put_schema_metric(json_t *out, const struct export_input *in,
                              const struct metric_total *m, const struct submetric *sub)
{
    const struct sink *sink = sub ? &sub->sink : &m->sink;
    json_t *values = json_object();

    if (str_eq_c(m->metric.name, "checks") && !sub) {
        json_decref(values);
        return;
    }
    if (m->metric.type == METRIC_COUNTER) {
        put(values, "count", value_of(sink, AGG_COUNT, 0));
    } else if (m->metric.type == METRIC_RATE) {
        json_decref(values);
        values = rate_values(sink->is_empty ? 0 : sink->rate.trues,
                             sink->is_empty ? 0 : sink->rate.total);
    } else {
        put_values(values, sink, in, "rate");
    }
    json_array_append_new(out,
                          schema_metric(sub ? sub->full_name : m->metric.name.ptr, m->metric.type,
                                        metric_contains_name(m->metric.contains), values));
}

/* p(90) is "p90" in the schema's samples. */
static void rename_percentiles(json_t *metrics)
{
    json_t *metric;
    size_t i;

    json_array_foreach(metrics, i, metric)
    {
        json_t *values = json_object_get(metric, "values");
        json_t *renamed = json_object();
        const char *key;
        json_t *value;

        json_object_foreach(values, key, value)
        {
            char *name = strncmp(key, "p(", 2) == 0
                             ? mem_printf("p%.*s", (int)strcspn(key + 2, ")"), key + 2)
                             : mem_strdup(key);

            json_object_set(renamed, name, value);
            mem_free(name);
        }
        json_object_set_new(metric, "values", renamed);
    }
}

static json_t *schema_checks(const struct totals *t)
{
    uint64_t passes = 0;
    uint64_t total = 0;
    json_t *results = json_array();
    json_t *count = json_object();

    for (size_t i = 0; i < t->checks.count; i++) {
        const struct check_total *check = t->checks.checks[i];

        passes += check->passes;
        total += check->passes + check->fails;
        json_array_append_new(results,
                              json_pack("{s:I, s:s, s:I}", "fails", (json_int_t)check->fails,
                                        "name", check->name, "passes", (json_int_t)check->passes));
    }
    put(count, "count", (double)total);
    return json_pack(
        "{s:[o, o, o], s:o}", "metrics",
        schema_metric("checks_total", METRIC_COUNTER, "default", count),
        schema_metric("checks_failed", METRIC_RATE, "default", rate_values(total - passes, total)),
        schema_metric("checks_succeeded", METRIC_RATE, "default", rate_values(passes, total)),
        "results", results);
}

char *export_machine_readable(const struct export_input *in)
{
    json_t *metrics = json_array();
    json_t *results = json_object();
    json_t *all = json_object();
    char now[40];

    clock_rfc3339(clock_wall(), 9, now, sizeof now);
    each_metric(in, put_schema_metric, metrics);
    rename_percentiles(metrics);
    if (in->totals->checks.count > 0)
        json_object_set_new(results, "checks", schema_checks(in->totals));
    json_object_set_new(results, "metrics", metrics);
    json_object_set_new(all, "config",
                        json_pack("{s:f, s:s, s:s%}", "duration", in->run_seconds, "execution",
                                  "local", "script", in->script.ptr ? in->script.ptr : "",
                                  in->script.len));
    json_object_set_new(all, "metadata",
                        json_pack("{s:s, s:s}", "generated_at", now, "k6_version", k6_version));
    json_object_set_new(all, "results", results);
    json_object_set_new(all, "version", json_string("1.0.0"));
    return to_text(all, 4);
}

/* --- files -------------------------------------------------------------------------------- */

static int write_fd(int fd, struct str text)
{
    while (text.len > 0) {
        ssize_t put_bytes = write(fd, text.ptr, text.len);

        if (put_bytes < 0 && errno == EINTR)
            continue;
        if (put_bytes < 0)
            return -errno;
        text = str_from_index(text, (size_t)put_bytes);
    }
    return 0;
}

int export_write_file(const char *path, struct str text, struct diag *d)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int err = fd < 0 ? -errno : write_fd(fd, text);

    if (fd >= 0 && close(fd) != 0 && err == 0)
        err = -errno;
    return err ? diag_set(d, err, "can't write '%s': %s", path, err_text(err)) : 0;
}

static int write_entry(const char *name, struct str text, struct diag *d)
{
    int err;

    if (strcmp(name, "stdout") != 0 && strcmp(name, "stderr") != 0)
        return export_write_file(name, text, d);
    fflush(NULL);
    err = write_fd(strcmp(name, "stdout") == 0 ? STDOUT_FILENO : STDERR_FILENO, text);
    return err ? diag_set(d, err, "can't write to %s: %s", name, err_text(err)) : 0;
}

/* Bytes of {"$base64": "..."}; mem_free them. NULL when it is none. */
static unsigned char *decode(const json_t *value, size_t *len)
{
    const char *text = json_string_value(json_object_get(value, "$base64"));
    size_t size = text ? strlen(text) : 0;
    unsigned char *bytes;
    int decoded;

    if (!text)
        return NULL;
    bytes = mem_alloc(size + 4);
    decoded = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)size);
    *len = decoded < 0 ? 0 : (size_t)decoded;
    while (size > 0 && text[--size] == '=' && *len > 0)
        --*len;
    return bytes;
}

int export_write_files(const char *json, struct diag *d)
{
    json_t *all = json_loads(json, JSON_DECODE_ANY, NULL);
    const char *name;
    json_t *value;
    int first = 0;

    if (!json_is_object(all)) {
        json_decref(all);
        return diag_set(d, ERR_INVALID,
                        "handleSummary must return an object of texts by file name");
    }
    json_object_foreach(all, name, value)
    {
        size_t len = json_string_length(value);
        unsigned char *bytes = decode(value, &len);
        int err = 0;

        if (bytes)
            err = write_entry(name, str_from((const char *)bytes, len), d);
        else if (json_is_string(value))
            err = write_entry(name, str_from(json_string_value(value), len), d);
        else
            err = diag_set(d, ERR_INVALID,
                           "handleSummary: the value of '%s' is neither a string nor an "
                           "ArrayBuffer",
                           name);
        first = first ? first : err;
        mem_free(bytes);
    }
    json_decref(all);
    return first;
}
