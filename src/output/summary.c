/* A block (the whole run, a scenario, a group) is gathered as lines first, because k6 aligns all
 * lines of a block with one another: names to one width, the columns of trends and those of the
 * others each to theirs. */
#include "output/summary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "metrics/threshold.h"
#include "metrics/totals.h"

#define GREEN "\x1b[32m"
#define RED "\x1b[31m"
#define CYAN "\x1b[36m"
#define BOLD "\x1b[1m"
#define PLAIN "\x1b[0m"

enum { COLUMNS_MAX = 16 };

enum section {
    SECTION_CUSTOM,
    SECTION_HTTP,
    SECTION_EXECUTION,
    SECTION_NETWORK,
    SECTION_GRPC,
    SECTION_WEBSOCKET,
    SECTION_GENERATOR,
    SECTION_COUNT,
};

static const char *const section_names[] = {"CUSTOM", "HTTP",      "EXECUTION",     "NETWORK",
                                            "GRPC",   "WEBSOCKET", "LOAD GENERATOR"};

struct line {
    char *name;
    char *columns[COLUMNS_MAX];
    size_t column_count;
    bool is_trend;
    enum section section;
};

struct block {
    struct line *lines;
    size_t count;
    size_t cap;
};

struct writer {
    const struct summary_options *o;
    double seconds;
    struct buf *out;
};

/* --- options ------------------------------------------------------------------------------ */

int summary_stats_parse(const char *const *names, size_t count, struct summary_options *out,
                        struct diag *d)
{
    out->stats = mem_calloc(count + 1, sizeof *out->stats);
    out->stat_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct agg agg;

        if (!agg_parse(str_of(names[i]), &agg) || agg.kind == AGG_RATE || agg.kind == AGG_VALUE) {
            summary_stats_deinit(out);
            return diag_set(d, ERR_INVALID,
                            "summaryTrendStats: '%s' is no statistic: use avg, min, med, max, "
                            "count or p(N)",
                            names[i]);
        }
        out->stats[out->stat_count++] = (struct summary_stat){mem_strdup(names[i]), agg};
    }
    return 0;
}

void summary_stats_deinit(struct summary_options *o)
{
    for (size_t i = 0; i < o->stat_count; i++)
        mem_free(o->stats[i].name);
    mem_free(o->stats);
    o->stats = NULL;
    o->stat_count = 0;
}

/* --- lines of a block --------------------------------------------------------------------- */

static struct line *add_line(struct block *b, enum section section, char *name)
{
    if (b->count == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 32;
        b->lines = mem_reallocarray(b->lines, b->cap, sizeof *b->lines);
    }
    b->lines[b->count] = (struct line){.name = name, .section = section};
    return &b->lines[b->count++];
}

static void free_block(struct block *b)
{
    for (size_t i = 0; i < b->count; i++) {
        mem_free(b->lines[i].name);
        for (size_t j = 0; j < b->lines[i].column_count; j++)
            mem_free(b->lines[i].columns[j]);
    }
    mem_free(b->lines);
}

/* prefix and value as one column. */
static void add_value(const struct writer *w, struct line *line, const char *prefix,
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

static void add_rate(struct line *line, const struct sink *sink)
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

        add_value(w, line, prefix, stat->agg.kind == AGG_COUNT ? METRIC_DEFAULT : contains,
                  sink_aggregate(sink, stat->agg, w->seconds), "");
        mem_free(prefix);
    }
}

static void add_metric(const struct writer *w, struct block *b, enum section section, char *name,
                       const struct metric *metric, const struct sink *sink)
{
    struct line *line = add_line(b, section, name);

    switch (metric->type) {
    case METRIC_COUNTER:
        add_value(w, line, "", metric->contains,
                  sink_aggregate(sink, (struct agg){AGG_COUNT, 0}, 0), "");
        add_value(w, line, "", metric->contains,
                  sink_aggregate(sink, (struct agg){AGG_RATE, 0}, w->seconds), "/s");
        break;
    case METRIC_GAUGE:
        add_value(w, line, "", metric->contains,
                  sink_aggregate(sink, (struct agg){AGG_VALUE, 0}, 0), "");
        add_value(w, line, "min=", metric->contains,
                  sink_aggregate(sink, (struct agg){AGG_MIN, 0}, 0), "");
        add_value(w, line, "max=", metric->contains,
                  sink_aggregate(sink, (struct agg){AGG_MAX, 0}, 0), "");
        break;
    case METRIC_RATE:
        add_rate(line, sink);
        break;
    case METRIC_TREND:
        add_trend(w, line, metric->contains, sink);
        break;
    }
}

/* --- printing a block --------------------------------------------------------------------- */

struct widths {
    size_t name;
    size_t trend[COLUMNS_MAX];
    size_t other[COLUMNS_MAX];
};

static void measure(const struct block *b, struct widths *w)
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

static void indent(struct buf *out, size_t columns)
{
    while (columns-- > 0)
        buf_append_char(out, ' ');
}

static void print_line(const struct writer *w, const struct line *line, const struct widths *widths,
                       size_t left)
{
    const size_t *columns = line->is_trend ? widths->trend : widths->other;

    indent(w->out, left);
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

/* A sub-metric's line is sorted under "metric\x01selector"; behind \x02 stands what is shown. */
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

static void print_block(const struct writer *w, struct block *b, size_t left)
{
    struct widths widths;
    bool open = false;

    if (b->count == 0)
        return;
    qsort(b->lines, b->count, sizeof *b->lines, by_name);
    reveal(b);
    measure(b, &widths);
    for (size_t i = 0; i < b->count; i++) {
        if (i == 0 || b->lines[i].section != b->lines[i - 1].section) {
            if (open)
                buf_append_char(w->out, '\n');
            indent(w->out, left);
            if (w->o->color)
                buf_append_c(w->out, BOLD);
            buf_append_c(w->out, section_names[b->lines[i].section]);
            if (w->o->color)
                buf_append_c(w->out, PLAIN);
            buf_append_char(w->out, '\n');
            open = true;
        }
        print_line(w, &b->lines[i], &widths, left);
    }
    if (open)
        buf_append_char(w->out, '\n');
}

/* --- which metrics go where --------------------------------------------------------------- */

static enum section section_of(struct str name, bool is_builtin)
{
    static const struct {
        const char *prefix;
        enum section section;
    } prefixes[] = {
        {"http_", SECTION_HTTP},     {"grpc_", SECTION_GRPC},        {"ws_", SECTION_WEBSOCKET},
        {"data_", SECTION_NETWORK},  {"load_", SECTION_GENERATOR},   {"vus", SECTION_EXECUTION},
        {"iter", SECTION_EXECUTION}, {"dropped", SECTION_EXECUTION},
    };

    for (size_t i = 0; is_builtin && i < COUNT_OF(prefixes); i++) {
        if (str_starts_with(name, str_of(prefixes[i].prefix)))
            return prefixes[i].section;
    }
    return SECTION_CUSTOM;
}

static bool is_builtin(struct str name)
{
    static const char *const names[] = {
#define METRIC(id, name, type, contains) name,
#include "metrics/builtin.def"
#undef METRIC
    };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (str_eq_c(name, names[i]))
            return true;
    }
    return false;
}

static bool is_shown(const struct writer *w, struct str name)
{
    static const char *const never[] = {"checks", "group_duration"};
    static const char *const only_full[] = {
        "http_req_blocked",          "http_req_connecting",        "http_req_receiving",
        "http_req_sending",          "http_req_waiting",           "http_req_tls_handshaking",
        "load_generator_loop_lag",   "load_generator_cpu_percent", "load_generator_memory_bytes",
        "load_generator_descriptors"};

    for (size_t i = 0; i < COUNT_OF(never); i++) {
        if (str_eq_c(name, never[i]))
            return false;
    }
    for (size_t i = 0; w->o->mode == SUMMARY_COMPACT && i < COUNT_OF(only_full); i++) {
        if (str_eq_c(name, only_full[i]))
            return false;
    }
    return true;
}

static void add_total(const struct writer *w, struct block *b, const struct metric_total *m)
{
    enum section section = section_of(m->metric.name, is_builtin(m->metric.name));

    if (!is_shown(w, m->metric.name))
        return;
    if (m->seen)
        add_metric(w, b, section, str_dup(m->metric.name), &m->metric, &m->sink);
    for (const struct submetric *sub = m->submetrics; sub; sub = sub->next) {
        if (m->seen)
            add_metric(w, b, section,
                       mem_printf("%.*s\x01%s\x02  { %s }", STR_ARG(m->metric.name), sub->selector,
                                  sub->selector),
                       &m->metric, &sub->sink);
    }
}

/* --- checks ------------------------------------------------------------------------------- */

static const char *color(const struct writer *w, const char *code)
{
    return w->o->color ? code : "";
}

static void print_check(const struct writer *w, const struct check_total *check, size_t left)
{
    double share = check->passes + check->fails
                       ? (double)check->passes / (double)(check->passes + check->fails)
                       : 0;

    indent(w->out, left);
    if (check->fails == 0) {
        buf_printf(w->out, "%s✓%s %s\n", color(w, GREEN), color(w, PLAIN), check->name);
        return;
    }
    buf_printf(w->out, "%s✗ %s%s\n", color(w, RED), check->name, color(w, PLAIN));
    indent(w->out, left + 2);
    buf_printf(w->out, "%s↳  %.0f%% — ✓ %llu / ✗ %llu%s\n", color(w, RED), floor(share * 100),
               (unsigned long long)check->passes, (unsigned long long)check->fails,
               color(w, PLAIN));
}

static void print_checks(const struct writer *w, const struct check_list *checks, size_t left)
{
    struct block b = {NULL, 0, 0};
    struct widths widths;
    struct sink all;
    struct sink failed;
    struct line *line;

    if (checks->count == 0)
        return;
    sink_init(&all, METRIC_RATE);
    sink_init(&failed, METRIC_RATE);
    all.is_empty = failed.is_empty = false;
    for (size_t i = 0; i < checks->count; i++) {
        all.rate.trues += checks->checks[i]->passes;
        all.rate.total += checks->checks[i]->passes + checks->checks[i]->fails;
    }
    failed.rate.total = all.rate.total;
    failed.rate.trues = all.rate.total - all.rate.trues;
    line = add_line(&b, SECTION_CUSTOM, mem_strdup("checks_total"));
    add_value(w, line, "", METRIC_DEFAULT, (double)all.rate.total, "");
    add_value(w, line, "", METRIC_DEFAULT, w->seconds > 0 ? (double)all.rate.total / w->seconds : 0,
              "/s");
    add_rate(add_line(&b, SECTION_CUSTOM, mem_strdup("checks_succeeded")), &all);
    add_rate(add_line(&b, SECTION_CUSTOM, mem_strdup("checks_failed")), &failed);
    measure(&b, &widths);
    for (size_t i = 0; i < b.count; i++)
        print_line(w, &b.lines[i], &widths, left);
    buf_append_char(w->out, '\n');
    for (size_t i = 0; i < checks->count; i++)
        print_check(w, checks->checks[i], left);
    buf_append_char(w->out, '\n');
    free_block(&b);
}

/* --- thresholds --------------------------------------------------------------------------- */

static void print_threshold(const struct writer *w, const struct threshold *t, size_t left)
{
    struct buf value = BUF_INIT(SIZE_MAX);
    const struct metric *m = &t->metric->metric;
    ptrdiff_t end = 0;
    struct str source = str_of(t->expr.source);

    while ((size_t)end < source.len && !strchr("<>=!", source.ptr[end]))
        end++;
    if (m->type == METRIC_RATE)
        format_percent(&value, t->last_value);
    else
        format_value(&value, m->contains, t->last_value, w->o->unit);
    if (m->type == METRIC_COUNTER && t->expr.agg.kind == AGG_RATE)
        buf_append_c(&value, "/s");
    indent(w->out, left);
    buf_printf(w->out, "%s%s%s '%s' %.*s=%.*s\n", color(w, t->ok ? GREEN : RED), t->ok ? "✓" : "✗",
               color(w, PLAIN), t->expr.source,
               STR_ARG(str_trim(str_slice(source, 0, (size_t)end))), STR_ARG(buf_str(&value)));
    buf_deinit(&value);
}

/* Metrics by name; each with its own thresholds, then those of its sub-metrics. */
static int by_metric(const void *a, const void *b)
{
    const struct threshold *const *left = a;
    const struct threshold *const *right = b;
    int order = str_cmp((*left)->metric->metric.name, (*right)->metric->metric.name);

    if (order == 0)
        order = strcmp((*left)->submetric ? (*left)->submetric->selector : "",
                       (*right)->submetric ? (*right)->submetric->selector : "");
    return order;
}

static void print_thresholds(const struct writer *w, const struct threshold_set *set)
{
    const struct threshold **list;
    const struct threshold *before = NULL;

    if (set->count == 0)
        return;
    list = mem_dup((const void *)set->list, set->count * sizeof *list);
    qsort((void *)list, set->count, sizeof *list, by_metric);
    buf_printf(w->out, "\n  %s█ THRESHOLDS %s\n", color(w, BOLD), color(w, PLAIN));
    for (size_t i = 0; i < set->count; i++) {
        const struct threshold *t = list[i];

        if (!before || before->metric != t->metric)
            buf_printf(w->out, "\n    %.*s\n", STR_ARG(t->metric->metric.name));
        if (t->submetric && (!before || before->submetric != t->submetric))
            buf_printf(w->out, "%s      {%s}\n", before && before->metric == t->metric ? "\n" : "",
                       t->submetric->selector);
        print_threshold(w, t, t->submetric ? 6 : 4);
        before = t;
    }
    buf_append_char(w->out, '\n');
    mem_free((void *)list);
}

/* --- the whole ---------------------------------------------------------------------------- */

static void print_scope(const struct writer *w, const struct totals *t,
                        const struct scope_total *scope, size_t left)
{
    struct block b = {NULL, 0, 0};

    print_checks(w, &scope->checks, left);
    for (size_t i = 0; i < scope->sink_count; i++) {
        const struct metric *m = &t->metrics[i]->metric;

        if (scope->sinks[i] && is_shown(w, m->name))
            add_metric(w, &b, section_of(m->name, is_builtin(m->name)), str_dup(m->name), m,
                       scope->sinks[i]);
    }
    print_block(w, &b, left);
    free_block(&b);
}

static const struct scope_total *find_scope(const struct totals *t, const char *scenario,
                                            const char *path)
{
    for (size_t i = 0; i < t->scope_count; i++) {
        if (strcmp(t->scopes[i]->scenario, scenario) == 0 && strcmp(t->scopes[i]->path, path) == 0)
            return t->scopes[i];
    }
    return NULL;
}

/* A group within a scenario, if it or one below it had samples there. */
static bool has_samples(const struct totals *t, const char *scenario, const struct group_total *g)
{
    if (find_scope(t, scenario, g->path))
        return true;
    for (size_t i = 0; i < g->group_count; i++) {
        if (has_samples(t, scenario, g->groups[i]))
            return true;
    }
    return false;
}

static void print_groups(const struct writer *w, const struct totals *t, const char *scenario,
                         const struct group_total *parent, size_t left)
{
    for (size_t i = 0; i < parent->group_count; i++) {
        const struct group_total *g = parent->groups[i];
        const struct scope_total *scope = find_scope(t, scenario, g->path);

        if (!has_samples(t, scenario, g))
            continue;
        indent(w->out, left);
        buf_printf(w->out, "↳ GROUP: %s \n\n", g->name);
        if (scope)
            print_scope(w, t, scope, left + 2);
        print_groups(w, t, scenario, g, left + 2);
    }
}

static void print_scenarios(const struct writer *w, const struct totals *t)
{
    for (size_t i = 0; i < t->scope_count; i++) {
        const char *scenario = t->scopes[i]->scenario;
        const struct scope_total *own = find_scope(t, scenario, "");
        bool first = true;

        for (size_t j = 0; j < i; j++)
            first = first && strcmp(t->scopes[j]->scenario, scenario) != 0;
        if (!first)
            continue;
        buf_printf(w->out, "\n  %s█ SCENARIO: %s %s\n\n", color(w, BOLD), scenario,
                   color(w, PLAIN));
        if (own)
            print_scope(w, t, own, 4);
        print_groups(w, t, scenario, t->root, 4);
    }
}

void summary_text(const struct totals *totals, const struct threshold_set *thresholds,
                  double run_seconds, const struct summary_options *options, struct buf *out)
{
    struct writer w = {options, run_seconds, out};
    struct block b = {NULL, 0, 0};

    if (options->mode == SUMMARY_DISABLED)
        return;
    buf_append_char(out, '\n');
    print_thresholds(&w, thresholds);
    buf_printf(out, "\n  %s█ TOTAL RESULTS %s\n\n", color(&w, BOLD), color(&w, PLAIN));
    print_checks(&w, &totals->checks, 4);
    for (size_t i = 0; i < totals->metric_count; i++)
        add_total(&w, &b, totals->metrics[i]);
    print_block(&w, &b, 4);
    free_block(&b);
    if (options->mode == SUMMARY_FULL)
        print_scenarios(&w, totals);
    if (options->notice)
        buf_printf(out, "  %s%s%s\n\n", color(&w, RED), options->notice, color(&w, PLAIN));
    buf_append_c(out, "\n\n");
}
