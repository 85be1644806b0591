/* The summary's text against what k6 printed for one script (golden/summary-*.txt). The values in
 * golden/summary-*.values give k6's aggregates; thresholds are the script's. */
#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "metrics/metric.h"
#include "metrics/threshold.h"
#include "metrics/totals.h"
#include "output/summary.h"
#include "support/test.h"

char *golden_read(const char *name)
{
    char *path =
        mem_printf("%.*s/golden/%s", (int)(strrchr(__FILE__, '/') - __FILE__), __FILE__, name);
    struct buf text = BUF_INIT(SIZE_MAX);
    FILE *file = fopen(path, "r");
    char part[4096];
    size_t got;

    if (!file)
        test_fail(__FILE__, __LINE__, "can't open %s", path);
    while ((got = fread(part, 1, sizeof part, file)) > 0)
        buf_append(&text, part, got);
    fclose(file);
    mem_free(path);
    return buf_take(&text);
}

static double number(struct str text)
{
    double value = 0;

    CHECK(str_to_double(text, &value));
    return value;
}

/* The group of a path that the fixture names; groups on the way come before it there. */
static void make_group(struct golden *g, struct str path)
{
    struct group_total *parent = g->totals->root;
    struct group_total *group;

    while (parent->group_count > 0)
        parent = parent->groups[parent->group_count - 1];
    group = mem_zalloc(sizeof *group);
    group->path = str_dup(path);
    group->name = str_dup(str_from_index(path, (size_t)str_rfind(path, ':') + 1));
    parent->groups = mem_alloc(sizeof(struct group_total *));
    parent->groups[parent->group_count++] = group;
}

/* "buy" a scenario, "buy::cart" a group of it. */
static struct scope_total *scope_of(struct golden *g, struct str scope)
{
    struct str path = scope;
    struct str scenario = str_cut(&path, ':');
    struct scope_total *s;

    path = str_from(path.ptr ? path.ptr - 1 : "", path.ptr ? path.len + 1 : 0);
    for (size_t i = 0; i < g->totals->scope_count; i++) {
        s = g->totals->scopes[i];
        if (str_eq_c(scenario, s->scenario) && str_eq_c(path, s->path))
            return s;
    }
    if (path.len > 0)
        make_group(g, path);
    s = mem_zalloc(sizeof *s);
    s->scenario = str_dup(scenario);
    s->path = str_dup(path);
    s->sink_count = g->totals->metric_count;
    s->sinks = mem_calloc(s->sink_count, sizeof(struct sink *));
    g->totals->scopes = mem_reallocarray((void *)g->totals->scopes, g->totals->scope_count + 1,
                                         sizeof(struct scope_total *));
    g->totals->scopes[g->totals->scope_count++] = s;
    return s;
}

static struct sink *sink_of(struct golden *g, struct str scope, struct str name)
{
    struct str selector = name;
    struct metric_total *m = totals_find(g->totals, str_cut(&selector, '{'));
    struct submetric *sub = NULL;
    struct scope_total *s;

    CHECK(m);
    m->seen = true;
    if (selector.ptr) {
        selector.len--;
        CHECK_EQ(totals_add_submetric(g->totals, m, selector, &sub, NULL), 0);
        return &sub->sink;
    }
    if (str_eq_c(scope, "-"))
        return &m->sink;
    s = scope_of(g, scope);
    s->sinks[m->metric.id] = mem_alloc(sizeof(struct sink));
    sink_init(s->sinks[m->metric.id], m->metric.type);
    return s->sinks[m->metric.id];
}

static void fill(struct sink *sink, struct str values)
{
    double list[16];
    size_t count = 0;

    while (values.len > 0)
        list[count++] = number(str_cut(&values, ' '));
    if (sink->type == METRIC_RATE) {
        sink->is_empty = false;
        sink->rate.trues = (uint64_t)list[0];
        sink->rate.total = (uint64_t)list[1];
        return;
    }
    for (size_t i = 0; i < count; i++)
        sink_add(sink, list[i], (int64_t)i);
}

static void append_check(struct check_list *list, struct check_total *check)
{
    list->checks =
        mem_reallocarray((void *)list->checks, list->count + 1, sizeof(struct check_total *));
    list->checks[list->count++] = check;
}

static struct check_total *new_check(struct str name, struct str passes, struct str fails)
{
    struct check_total *check = mem_zalloc(sizeof *check);

    check->name = str_dup(name);
    check->path = mem_printf("::%.*s", STR_ARG(name));
    check->passes = (uint64_t)number(passes);
    check->fails = (uint64_t)number(fails);
    return check;
}

static void take_check(struct golden *g, struct str line)
{
    struct str scope = str_cut(&line, ' ');
    struct str passes = str_cut(&line, ' ');
    struct str fails = str_cut(&line, ' ');
    struct metric_total *m = totals_find(g->totals, STR("checks"));
    struct check_total *check = new_check(line, passes, fails);

    if (!str_eq_c(scope, "-")) {
        append_check(&scope_of(g, scope)->checks, check);
        return;
    }
    append_check(&g->totals->checks, check);
    append_check(&g->totals->root->checks, check);
    m->seen = true;
    m->sink.is_empty = false;
    m->sink.rate.trues += (uint64_t)number(passes);
    m->sink.rate.total += (uint64_t)(number(passes) + number(fails));
}

static void take_line(struct golden *g, struct str line)
{
    struct str kind = str_cut(&line, ' ');

    if (str_eq_c(kind, "seconds")) {
        g->seconds = number(line);
    } else if (str_eq_c(kind, "check")) {
        take_check(g, line);
    } else {
        struct str scope = str_cut(&line, ' ');
        struct str name = str_cut(&line, ' ');

        fill(sink_of(g, scope, name), line);
    }
}

static void custom(struct golden *g, const char *name, enum metric_type type,
                   enum metric_contains contains)
{
    const struct metric *m = NULL;

    CHECK_EQ(metric_registry_add(&g->registry, str_of(name), type, contains, &m, NULL), 0);
}

static void add_threshold(struct golden *g, const char *selector, const char *text)
{
    struct threshold_spec spec = {.text = str_of(text)};

    CHECK_EQ(threshold_add(&g->thresholds, g->totals, str_of(selector), &spec, NULL), 0);
}

void golden_begin(struct golden *g, const char *values)
{
    char *text = golden_read(values);
    struct str rest = str_of(text);

    *g = (struct golden){.totals = totals_new()};
    metric_registry_init(&g->registry);
    custom(g, "my_counter", METRIC_COUNTER, METRIC_DEFAULT);
    custom(g, "my_gauge", METRIC_GAUGE, METRIC_DEFAULT);
    custom(g, "my_rate", METRIC_RATE, METRIC_DEFAULT);
    custom(g, "my_trend", METRIC_TREND, METRIC_TIME);
    custom(g, "my_size", METRIC_TREND, METRIC_DEFAULT);
    for (uint32_t i = 0; i < g->registry.count; i++)
        totals_metric(g->totals, g->registry.metrics[i]);
    add_threshold(g, "http_req_duration", "p(95)<500");
    add_threshold(g, "http_req_duration", "avg<1");
    add_threshold(g, "http_req_duration{scenario:buy}", "max<300");
    add_threshold(g, "checks", "rate>0.9");
    while (rest.len > 0)
        take_line(g, str_cut(&rest, '\n'));
    mem_free(text);
    threshold_evaluate(&g->thresholds, 1, true);
}

void golden_end(struct golden *g)
{
    threshold_set_deinit(&g->thresholds);
    totals_free(g->totals);
    metric_registry_deinit(&g->registry);
}

static void compare(const char *name, enum summary_mode mode)
{
    static const char *const stats[] = {"avg", "min", "med", "max", "p(90)", "p(95)"};
    char *values = mem_printf("%s.values", name);
    char *golden = mem_printf("%s.txt", name);
    char *want = golden_read(golden);
    struct summary_options options = {.mode = mode};
    struct buf out = BUF_INIT(SIZE_MAX);
    struct golden g;

    golden_begin(&g, values);
    CHECK_EQ(summary_stats_parse(stats, 6, &options, NULL), 0);
    summary_text(g.totals, &g.thresholds, g.seconds, &options, &out);
    CHECK_TEXT(out.data, want);
    buf_deinit(&out);
    summary_stats_deinit(&options);
    golden_end(&g);
    mem_free(values);
    mem_free(golden);
    mem_free(want);
}

TEST(summary_compact_is_k6s)
{
    compare("summary-compact", SUMMARY_COMPACT);
}

TEST(summary_full_is_k6s)
{
    compare("summary-full", SUMMARY_FULL);
}
