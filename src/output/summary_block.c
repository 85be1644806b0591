#include "output/summary_block.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "metrics/sink.h"

static const char *const section_names[] = {"CUSTOM", "HTTP",      "EXECUTION",     "NETWORK",
                                            "GRPC",   "WEBSOCKET", "LOAD GENERATOR"};

const char *writer_color(const struct writer *w, const char *code)
{
    return w->o->color ? code : "";
}

/* --- lines of a block --------------------------------------------------------------------- */

struct line *block_add_line(struct block *b, enum section section, char *name)
{
    if (b->count == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 32;
        b->lines = mem_reallocarray(b->lines, b->cap, sizeof *b->lines);
    }
    b->lines[b->count] = (struct line){.name = name, .section = section};
    return &b->lines[b->count++];
}

void block_deinit(struct block *b)
{
    for (size_t i = 0; i < b->count; i++) {
        mem_free(b->lines[i].name);
        for (size_t j = 0; j < b->lines[i].column_count; j++)
            mem_free(b->lines[i].columns[j]);
    }
    mem_free(b->lines);
}

void block_add_value(const struct writer *w, struct line *line, const char *prefix,
                     enum metric_contains contains, double value, const char *suffix)
{
    struct buf text = BUF_INIT(SIZE_MAX);

    if (line->column_count == COLUMNS_MAX)
        return;
    buf_append_c(&text, prefix);
    format_value(&text, contains, value, w->o->unit);
    buf_append_c(&text, suffix);
    line->columns[line->column_count++] = buf_take(&text);
}

void block_add_rate(struct line *line, const struct sink *sink)
{
    struct buf text = BUF_INIT(SIZE_MAX);

    format_percent(&text, sink_aggregate(sink, (struct agg){AGG_RATE, 0}, 1));
    line->columns[line->column_count++] = buf_take(&text);
    line->columns[line->column_count++] =
        mem_printf("%llu out of %llu", sink->is_empty ? 0 : (unsigned long long)sink->rate.trues,
                   sink->is_empty ? 0 : (unsigned long long)sink->rate.total);
}

static void add_trend(const struct writer *w, struct line *line, enum metric_contains contains,
                      const struct sink *sink)
{
    line->is_trend = true;
    for (size_t i = 0; i < w->o->stat_count; i++) {
        const struct summary_stat *stat = &w->o->stats[i];
        char *prefix = mem_printf("%s=", stat->name);

        block_add_value(w, line, prefix, stat->agg.kind == AGG_COUNT ? METRIC_DEFAULT : contains,
                        sink_aggregate(sink, stat->agg, w->seconds), "");
        mem_free(prefix);
    }
}

void block_add_metric(const struct writer *w, struct block *b, enum section section, char *name,
                      const struct metric *metric, const struct sink *sink)
{
    struct line *line = block_add_line(b, section, name);

    switch (metric->type) {
    case METRIC_COUNTER:
        block_add_value(w, line, "", metric->contains,
                        sink_aggregate(sink, (struct agg){AGG_COUNT, 0}, 0), "");
        block_add_value(w, line, "", metric->contains,
                        sink_aggregate(sink, (struct agg){AGG_RATE, 0}, w->seconds), "/s");
        break;
    case METRIC_GAUGE:
        block_add_value(w, line, "", metric->contains,
                        sink_aggregate(sink, (struct agg){AGG_VALUE, 0}, 0), "");
        block_add_value(w, line, "min=", metric->contains,
                        sink_aggregate(sink, (struct agg){AGG_MIN, 0}, 0), "");
        block_add_value(w, line, "max=", metric->contains,
                        sink_aggregate(sink, (struct agg){AGG_MAX, 0}, 0), "");
        break;
    case METRIC_RATE:
        block_add_rate(line, sink);
        break;
    case METRIC_TREND:
        add_trend(w, line, metric->contains, sink);
        break;
    }
}

/* --- printing a block --------------------------------------------------------------------- */

void block_measure(const struct block *b, struct widths *w)
{
    *w = (struct widths){0};
    for (size_t i = 0; i < b->count; i++) {
        const struct line *line = &b->lines[i];
        size_t *columns = line->is_trend ? w->trend : w->other;
        size_t name = format_width(line->name);

        w->name = name > w->name ? name : w->name;
        for (size_t j = 0; j < line->column_count; j++) {
            size_t width = format_width(line->columns[j]);

            columns[j] = width > columns[j] ? width : columns[j];
        }
    }
}

void block_indent(struct buf *out, size_t columns)
{
    while (columns-- > 0)
        buf_append_char(out, ' ');
}

void block_print_line(const struct writer *w, const struct line *line, const struct widths *widths,
                      size_t left)
{
    const size_t *columns = line->is_trend ? widths->trend : widths->other;

    block_indent(w->out, left);
    buf_append_c(w->out, line->name);
    for (size_t at = format_width(line->name); at < widths->name + 3; at++)
        buf_append_char(w->out, '.');
    buf_append_char(w->out, ':');
    for (size_t i = 0; i < line->column_count; i++) {
        bool last = i + 1 == line->column_count;

        buf_append_char(w->out, ' ');
        if (w->o->color)
            buf_append_c(w->out, CYAN);
        format_padded(w->out, line->columns[i], last && !line->is_trend ? 0 : columns[i]);
        if (w->o->color)
            buf_append_c(w->out, PLAIN);
    }
    buf_append_char(w->out, '\n');
}

static int by_name(const void *a, const void *b)
{
    const struct line *left = a;
    const struct line *right = b;

    if (left->section != right->section)
        return left->section < right->section ? -1 : 1;
    return strcmp(left->name, right->name);
}

/* What is shown of sub-metrics' names, after sorting. */
static void reveal(struct block *b)
{
    for (size_t i = 0; i < b->count; i++) {
        char *mark = strchr(b->lines[i].name, '\x02');

        if (mark) {
            char *shown = mem_strdup(mark + 1);

            mem_free(b->lines[i].name);
            b->lines[i].name = shown;
        }
    }
}

void block_print(const struct writer *w, struct block *b, size_t left)
{
    struct widths widths;
    bool open = false;

    if (b->count == 0)
        return;
    qsort(b->lines, b->count, sizeof *b->lines, by_name);
    reveal(b);
    block_measure(b, &widths);
    for (size_t i = 0; i < b->count; i++) {
        if (i == 0 || b->lines[i].section != b->lines[i - 1].section) {
            if (open)
                buf_append_char(w->out, '\n');
            block_indent(w->out, left);
            if (w->o->color)
                buf_append_c(w->out, BOLD);
            buf_append_c(w->out, section_names[b->lines[i].section]);
            if (w->o->color)
                buf_append_c(w->out, PLAIN);
            buf_append_char(w->out, '\n');
            open = true;
        }
        block_print_line(w, &b->lines[i], &widths, left);
    }
    if (open)
        buf_append_char(w->out, '\n');
}
