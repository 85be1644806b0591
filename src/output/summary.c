#include "output/summary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/err.h"
#include "base/mem.h"
#include "metrics/threshold.h"
#include "metrics/totals.h"
#include "output/summary_block.h"

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

/* What gale says of itself has a block of its own, so that k6's keep their columns. */
struct blocks {
    struct block test;
    struct block generator;
};

static void add_total(const struct writer *w, struct blocks *blocks, const struct metric_total *m)
{
    enum section section = section_of(m->metric.name, is_builtin(m->metric.name));
    struct block *b = section == SECTION_GENERATOR ? &blocks->generator : &blocks->test;

    if (!is_shown(w, m->metric.name))
        return;
    if (m->seen)
        block_add_metric(w, b, section, str_dup(m->metric.name), &m->metric, &m->sink);
    for (const struct submetric *sub = m->submetrics; sub; sub = sub->next) {
        if (m->seen)
            block_add_metric(w, b, section,
                             mem_printf("%.*s\x01%s\x02  { %s }", STR_ARG(m->metric.name),
                                        sub->selector, sub->selector),
                             &m->metric, &sub->sink);
    }
}

/* --- checks ------------------------------------------------------------------------------- */

static void print_check(const struct writer *w, const struct check_total *check, size_t left)
{
    double share = check->passes + check->fails
                       ? (double)check->passes / (double)(check->passes + check->fails)
                       : 0;

    block_indent(w->out, left);
    if (check->fails == 0) {
        buf_printf(w->out, "%s✓%s %s\n", writer_color(w, GREEN), writer_color(w, PLAIN),
                   check->name);
        return;
    }
    buf_printf(w->out, "%s✗ %s%s\n", writer_color(w, RED), check->name, writer_color(w, PLAIN));
    block_indent(w->out, left + 2);
    buf_printf(w->out, "%s↳  %.0f%% — ✓ %llu / ✗ %llu%s\n", writer_color(w, RED),
               floor(share * 100), (unsigned long long)check->passes,
               (unsigned long long)check->fails, writer_color(w, PLAIN));
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
    line = block_add_line(&b, SECTION_CUSTOM, mem_strdup("checks_total"));
    block_add_value(w, line, "", METRIC_DEFAULT, (double)all.rate.total, "");
    block_add_value(w, line, "", METRIC_DEFAULT,
                    w->seconds > 0 ? (double)all.rate.total / w->seconds : 0, "/s");
    block_add_rate(block_add_line(&b, SECTION_CUSTOM, mem_strdup("checks_succeeded")), &all);
    block_add_rate(block_add_line(&b, SECTION_CUSTOM, mem_strdup("checks_failed")), &failed);
    block_measure(&b, &widths);
    for (size_t i = 0; i < b.count; i++)
        block_print_line(w, &b.lines[i], &widths, left);
    buf_append_char(w->out, '\n');
    for (size_t i = 0; i < checks->count; i++)
        print_check(w, checks->checks[i], left);
    buf_append_char(w->out, '\n');
    block_deinit(&b);
}

/* --- thresholds --------------------------------------------------------------------------- */

void summary_threshold_value(const struct threshold *t, enum time_unit unit, struct buf *out)
{
    const struct metric *m = &t->metric->metric;
    struct str source = str_of(t->expr.source);
    size_t end = 0;
    char span[48];

    while (end < source.len && !strchr("<>=!", source.ptr[end]))
        end++;
    buf_printf(out, "%.*s=", STR_ARG(str_trim(str_slice(source, 0, end))));
    if (m->type == METRIC_RATE)
        format_percent(out, t->last_value);
    else
        format_value(out, m->contains, t->last_value, unit);
    if (m->type == METRIC_COUNTER && t->expr.agg.kind == AGG_RATE)
        buf_append_c(out, "/s");
    if (t->window_nsec > 0)
        buf_printf(out, " (over %s)", duration_format(t->window_nsec, span, sizeof span));
    if (t->expr.of_change && !t->has_baseline)
        buf_append_c(out, " (no baseline)");
    else if (t->expr.of_change)
        buf_printf(out, " (%+.2f%%)", t->last_change * 100);
}

static void print_threshold(const struct writer *w, const struct threshold *t, size_t left)
{
    block_indent(w->out, left);
    buf_printf(w->out, "%s%s%s '%s' ", writer_color(w, t->ok ? GREEN : RED), t->ok ? "✓" : "✗",
               writer_color(w, PLAIN), t->expr.source);
    summary_threshold_value(t, w->o->unit, w->out);
    buf_append_char(w->out, '\n');
}

struct ranked {
    const struct threshold *threshold;
    size_t rank; /* in the script */
};

/* Metrics by name; each with its own thresholds, then those of its sub-metrics; one metric's as the
 * script has them. */
static int by_metric(const void *a, const void *b)
{
    const struct ranked *x = a;
    const struct ranked *y = b;
    const struct submetric *left = x->threshold->submetric;
    const struct submetric *right = y->threshold->submetric;
    int order = str_cmp(x->threshold->metric->metric.name, y->threshold->metric->metric.name);

    if (order == 0)
        order = strcmp(left ? left->selector : "", right ? right->selector : "");
    if (order == 0)
        order = x->rank < y->rank ? -1 : 1;
    return order;
}

static void print_thresholds(const struct writer *w, const struct threshold_set *set)
{
    struct ranked *list;
    const struct threshold *before = NULL;

    if (set->count == 0)
        return;
    list = mem_calloc(set->count, sizeof *list);
    for (size_t i = 0; i < set->count; i++)
        list[i] = (struct ranked){set->list[i], i};
    qsort(list, set->count, sizeof *list, by_metric);
    buf_printf(w->out, "\n  %s█ THRESHOLDS %s\n", writer_color(w, BOLD), writer_color(w, PLAIN));
    for (size_t i = 0; i < set->count; i++) {
        const struct threshold *t = list[i].threshold;

        if (!before || before->metric != t->metric)
            buf_printf(w->out, "\n    %.*s\n", STR_ARG(t->metric->metric.name));
        if (t->submetric && (!before || before->submetric != t->submetric))
            buf_printf(w->out, "%s      {%s}\n", before && before->metric == t->metric ? "\n" : "",
                       t->submetric->selector);
        print_threshold(w, t, t->submetric ? 6 : 4);
        before = t;
    }
    buf_append_char(w->out, '\n');
    mem_free(list);
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
            block_add_metric(w, &b, section_of(m->name, is_builtin(m->name)), str_dup(m->name), m,
                             scope->sinks[i]);
    }
    block_print(w, &b, left);
    block_deinit(&b);
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
        block_indent(w->out, left);
        buf_printf(w->out, "↳ GROUP: %s \n\n", g->name);
        if (scope)
            print_scope(w, t, scope, left + 2);
        print_groups(w, t, scenario, g, left + 2);
    }
}

static void print_title(const struct writer *w, const char *kind, const char *name)
{
    buf_printf(w->out, "\n  %s█ %s: %s %s\n\n", writer_color(w, BOLD), kind, name,
               writer_color(w, PLAIN));
}

/* Groups of setup() and teardown() are in no scenario. */
static void print_lone_groups(const struct writer *w, const struct totals *t)
{
    for (size_t i = 0; i < t->root->group_count; i++) {
        const struct group_total *g = t->root->groups[i];
        const struct scope_total *scope = find_scope(t, "", g->path);

        if (!has_samples(t, "", g))
            continue;
        print_title(w, "GROUP", g->name);
        if (scope)
            print_scope(w, t, scope, 4);
        print_groups(w, t, "", g, 4);
    }
}

static int by_scenario(const void *a, const void *b)
{
    const struct scope_total *const *left = a;
    const struct scope_total *const *right = b;

    return strcmp((*left)->scenario, (*right)->scenario);
}

static void print_scenarios(const struct writer *w, const struct totals *t)
{
    const struct scope_total **own = mem_calloc(t->scope_count + 1, sizeof *own);
    size_t count = 0;

    for (size_t i = 0; i < t->scope_count; i++) {
        if (t->scopes[i]->path[0] == '\0')
            own[count++] = t->scopes[i];
    }
    qsort((void *)own, count, sizeof *own, by_scenario);
    for (size_t i = 0; i < count; i++) {
        print_title(w, "SCENARIO", own[i]->scenario);
        print_scope(w, t, own[i], 4);
        print_groups(w, t, own[i]->scenario, t->root, 4);
    }
    mem_free((void *)own);
}

void summary_text(const struct totals *totals, const struct threshold_set *thresholds,
                  double run_seconds, const struct summary_options *options, struct buf *out)
{
    struct writer w = {options, run_seconds, out};
    struct blocks blocks = {{NULL, 0, 0}, {NULL, 0, 0}};

    if (options->mode == SUMMARY_DISABLED)
        return;
    buf_append_char(out, '\n');
    print_thresholds(&w, thresholds);
    buf_printf(out, "\n  %s█ TOTAL RESULTS %s\n\n", writer_color(&w, BOLD),
               writer_color(&w, PLAIN));
    print_checks(&w, &totals->checks, 4);
    for (size_t i = 0; i < totals->metric_count; i++)
        add_total(&w, &blocks, totals->metrics[i]);
    block_print(&w, &blocks.test, 4);
    block_print(&w, &blocks.generator, 4);
    block_deinit(&blocks.test);
    block_deinit(&blocks.generator);
    if (options->mode == SUMMARY_FULL) {
        print_lone_groups(&w, totals);
        print_scenarios(&w, totals);
    }
    if (options->distance && options->distance[0])
        buf_printf(out, "  emulated distance: %s\n\n", options->distance);
    if (options->notice)
        buf_printf(out, "  %s%s%s\n\n", writer_color(&w, RED), options->notice,
                   writer_color(&w, PLAIN));
    buf_append_c(out, "\n\n");
}
