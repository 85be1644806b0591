/* json: a line per sample, and one per metric before its first (reference: output.json.txt;
 * k6-features.md OUT-02). */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "metrics/threshold.h"
#include "metrics/totals.h"
#include "metrics/window.h"
#include "output/json_text.h"
#include "output/output.h"
#include "output/text_file.h"

struct json_output {
    struct output base;
    struct output_context context;
    struct text_file *file;
    struct map said; /* metrics whose line was written */
};

static void put_tags(struct buf *out, const struct tags *tags)
{
    buf_append_char(out, '{');
    for (uint32_t i = 0; i < tags->count; i++) {
        if (i > 0)
            buf_append_char(out, ',');
        json_text_string(out, tags->list[i].key);
        buf_append_char(out, ':');
        json_text_string(out, tags->list[i].value);
    }
    buf_append_char(out, '}');
}

static void put_thresholds(struct buf *out, const struct json_output *o,
                           const struct metric_total *m)
{
    bool first = true;

    buf_append_char(out, '[');
    for (size_t i = 0; i < o->context.thresholds->count; i++) {
        const struct threshold *t = o->context.thresholds->list[i];

        if (t->metric != m || t->submetric)
            continue;
        if (!first)
            buf_append_char(out, ',');
        first = false;
        json_text_string(out, str_of(t->expr.source));
    }
    buf_append_char(out, ']');
}

static void put_submetrics(struct buf *out, const struct metric_total *m)
{
    bool first = true;

    if (!m || !m->submetrics) {
        buf_append_c(out, "null");
        return;
    }
    buf_append_char(out, '[');
    for (const struct submetric *sub = m->submetrics; sub; sub = sub->next) {
        buf_append_c(out, first ? "{\"name\":" : ",{\"name\":");
        first = false;
        json_text_string(out, str_of(sub->full_name));
        buf_append_c(out, ",\"suffix\":");
        json_text_string(out, str_of(sub->selector));
        buf_append_c(out, ",\"tags\":");
        put_tags(out, sub->tags);
        buf_append_char(out, '}');
    }
    buf_append_char(out, ']');
}

static void put_metric(struct json_output *o, struct buf *out, const struct metric *metric)
{
    const struct metric_total *m = totals_find(o->context.totals, metric->name);

    map_set(&o->said, metric->name, o);
    buf_printf(out, "{\"type\":\"Metric\",\"data\":{\"name\":\"%.*s\",\"type\":\"%s\",",
               STR_ARG(metric->name), metric_type_name(metric->type));
    buf_printf(out, "\"contains\":\"%s\",\"thresholds\":", metric_contains_name(metric->contains));
    put_thresholds(out, o, m);
    buf_append_c(out, ",\"submetrics\":");
    put_submetrics(out, m);
    buf_printf(out, "},\"metric\":\"%.*s\"}\n", STR_ARG(metric->name));
}

static void json_window(struct output *base, const struct window *w)
{
    struct json_output *o = CONTAINER_OF(base, struct json_output, base);
    struct buf *out = text_file_buf(o->file);
    char time[40];
    bool is_empty;

    for (size_t i = 0; i < w->sample_count; i++) {
        const struct sample *sample = &w->samples[i];
        const struct metric *metric = sample->series->metric;

        if (!map_has(&o->said, metric->name))
            put_metric(o, out, metric);
        clock_rfc3339(sample->wall_nsec, 9, time, sizeof time);
        buf_printf(out, "{\"metric\":\"%.*s\",\"type\":\"Point\",\"data\":{\"time\":\"%s\",",
                   STR_ARG(metric->name), time);
        buf_append_c(out, "\"value\":");
        json_text_number(out, sample->value);
        buf_append_c(out, ",\"tags\":");
        put_tags(out, sample->series->tags);
        if (sample->meta) {
            buf_append_c(out, ",\"metadata\":");
            put_tags(out, sample->meta);
        }
        buf_append_c(out, "}}\n");
        text_file_end_row(o->file);
    }
    text_file_flush(o->file);
    if (text_file_has_lost(o->file, &is_empty)) { /* metrics' lines may be among it */
        map_deinit(&o->said);
        map_init(&o->said);
    }
}

static int json_stop(struct output *base, struct diag *d)
{
    struct json_output *o = CONTAINER_OF(base, struct json_output, base);
    int err = text_file_close(o->file, d);

    o->file = NULL;
    return err;
}

static void json_free(struct output *base)
{
    struct json_output *o = CONTAINER_OF(base, struct json_output, base);

    if (o->file)
        text_file_close(o->file, NULL);
    map_deinit(&o->said);
    mem_free(o->base.description);
    mem_free(o);
}

static const struct output_ops json_ops = {
    .window = json_window, .stop = json_stop, .free = json_free};

struct output *output_json_new(struct str arg, const struct output_context *context, struct diag *d)
{
    struct text_file *file = text_file_open("json", arg, &context->voice, d);
    struct json_output *o;

    if (!file)
        return NULL;
    o = mem_zalloc(sizeof *o);
    o->base.ops = &json_ops;
    o->base.needs_samples = true;
    o->base.description = arg.len ? mem_printf("json (%.*s)", STR_ARG(arg)) : mem_strdup("json");
    o->context = *context;
    o->file = file;
    map_init(&o->said);
    return &o->base;
}
