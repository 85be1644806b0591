/* Merging walks the series of a window; what each of them feeds is worked out once (struct plan)
 * and found again by the series' address. */
#include "metrics/totals.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/ensure.h"
#include "base/err.h"
#include "base/mem.h"
#include "metrics/blocks.h"
#include "metrics/window.h"

struct plan {
    struct metric_total *metric;
    struct submetric **submetrics;
    size_t submetric_count;
    struct sink *scopes[2]; /* its scenario's and its group's; NULL: it is in none */
    struct check_total *check;
    struct check_total *scope_checks[2];
};

static struct check_total *find_check(struct check_list *list, struct str path, struct str name);

/* --- life --------------------------------------------------------------------------------- */

static struct group_total *new_group(struct str path, struct str name)
{
    struct group_total *g = mem_zalloc(sizeof *g);

    g->path = str_dup(path);
    g->name = str_dup(name);
    return g;
}

struct totals *totals_new(void)
{
    struct totals *t = mem_zalloc(sizeof *t);

    t->root = new_group(STR(""), STR(""));
    map_init(&t->_metric_by_name);
    map_init(&t->_scope_by_key);
    map_init(&t->_plans);
    return t;
}

static void free_checks(struct check_list *list, bool owned)
{
    for (size_t i = 0; owned && i < list->count; i++) {
        mem_free(list->checks[i]->name);
        mem_free(list->checks[i]->path);
        mem_free(list->checks[i]);
    }
    mem_free((void *)list->checks);
}

static void free_group(struct group_total *g)
{
    for (size_t i = 0; i < g->group_count; i++)
        free_group(g->groups[i]);
    mem_free((void *)g->groups);
    free_checks(&g->checks, false);
    mem_free(g->name);
    mem_free(g->path);
    mem_free(g);
}

static void free_history(struct history *h)
{
    for (size_t i = 0; i < h->size; i++)
        sink_deinit(&h->seconds[i]);
    mem_free(h->seconds);
    mem_free(h->second);
}

static void free_metric(struct metric_total *m)
{
    while (m->submetrics) {
        struct submetric *sub = m->submetrics;

        m->submetrics = sub->next;
        sink_deinit(&sub->sink);
        free_history(&sub->history);
        blocks_free(sub->blocks);
        mem_free(sub->selector);
        mem_free(sub->full_name);
        mem_free(sub->tags);
        mem_free(sub);
    }
    sink_deinit(&m->sink);
    free_history(&m->history);
    blocks_free(m->blocks);
    mem_free((void *)(uintptr_t)m->metric.name.ptr);
    mem_free(m);
}

void totals_drop_blocks(struct totals *t)
{
    t->keeps_blocks = false;
    for (size_t i = 0; i < t->metric_count; i++) {
        struct metric_total *m = t->metrics[i];

        blocks_free(m->blocks);
        m->blocks = NULL;
        for (struct submetric *sub = m->submetrics; sub; sub = sub->next) {
            blocks_free(sub->blocks);
            sub->blocks = NULL;
        }
    }
}

static void free_scope(struct scope_total *s)
{
    for (size_t i = 0; i < s->sink_count; i++) {
        if (s->sinks[i])
            sink_deinit(s->sinks[i]);
        mem_free(s->sinks[i]);
    }
    mem_free((void *)s->sinks);
    free_checks(&s->checks, true);
    mem_free(s->scenario);
    mem_free(s->path);
    mem_free(s);
}

static void free_plan(void *value)
{
    struct plan *plan = value;

    mem_free((void *)plan->submetrics);
    mem_free(plan);
}

void totals_free(struct totals *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->metric_count; i++)
        free_metric(t->metrics[i]);
    mem_free((void *)t->metrics);
    for (size_t i = 0; i < t->scope_count; i++)
        free_scope(t->scopes[i]);
    mem_free((void *)t->scopes);
    free_group(t->root);
    free_checks(&t->checks, true);
    map_deinit(&t->_metric_by_name);
    map_deinit(&t->_scope_by_key);
    map_deinit_with(&t->_plans, free_plan);
    mem_free(t);
}

/* --- metrics and sub-metrics -------------------------------------------------------------- */

static void *append(void *array, size_t count, void *item)
{
    void **list = mem_reallocarray(array, count + 1, sizeof(void *));

    list[count] = item;
    return (void *)list;
}

struct metric_total *totals_find(const struct totals *t, struct str name)
{
    return map_get(&t->_metric_by_name, name);
}

struct metric_total *totals_metric(struct totals *t, const struct metric *metric)
{
    struct metric_total *m = totals_find(t, metric->name);

    if (m)
        return m;
    m = mem_zalloc(sizeof *m);
    m->metric = *metric;
    m->metric.name = str_from(str_dup(metric->name), metric->name.len);
    m->metric.id = (uint32_t)t->metric_count;
    sink_init(&m->sink, metric->type);
    if (t->keeps_blocks)
        m->blocks = blocks_new(metric->type);
    t->metrics = append((void *)t->metrics, t->metric_count++, m);
    map_set(&t->_metric_by_name, m->metric.name, m);
    return m;
}

/* Trims white space, then one pair of quotes of either kind. */
static struct str unquote(struct str s, bool *quoted)
{
    s = str_trim(s);
    *quoted = s.len >= 2 && (s.ptr[0] == '"' || s.ptr[0] == '\'') && s.ptr[s.len - 1] == s.ptr[0];
    return *quoted ? str_slice(s, 1, s.len - 1) : s;
}

static int by_key(const void *a, const void *b)
{
    return str_cmp(((const struct tag *)a)->key, ((const struct tag *)b)->key);
}

/* Parses "k:v, k2:v2" into tags whose strings lie behind the struct. */
static int parse_selector(struct str text, struct tags **out, struct diag *d)
{
    size_t most = 1;
    uint32_t count = 0;
    struct tags *tags;
    char *copy;
    struct str rest;

    for (size_t i = 0; i < text.len; i++)
        most += text.ptr[i] == ',';
    tags = mem_zalloc(sizeof *tags + most * sizeof(struct tag) + text.len + 1);
    ensure(tags);
    copy = (char *)&tags->list[most];
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    rest = str_from(copy, text.len);
    while (rest.ptr) {
        struct str part = str_cut(&rest, ',');
        ptrdiff_t colon = str_find(part, ':');
        bool quoted = false;
        bool ignored;
        struct str key =
            unquote(str_slice(part, 0, colon < 0 ? part.len : (size_t)colon), &ignored);
        struct str value =
            unquote(colon < 0 ? STR("") : str_from_index(part, (size_t)colon + 1), &quoted);

        if (colon < 0 || key.len == 0 || (value.len == 0 && !quoted)) {
            mem_free(tags);
            return diag_set(d, ERR_SYNTAX,
                            "malformed sub-metric '{%.*s}': each part must be tag:value",
                            STR_ARG(text));
        }
        tags->list[count++] = (struct tag){key, value};
    }
    if (count > 1)
        qsort(tags->list, count, sizeof(struct tag), by_key);
    tags->count = count;
    *out = tags;
    return 0;
}

static bool tags_equal(const struct tags *a, const struct tags *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        if (!str_eq(a->list[i].key, b->list[i].key) || !str_eq(a->list[i].value, b->list[i].value))
            return false;
    }
    return true;
}

int totals_add_submetric(struct totals *t, struct metric_total *metric, struct str selector,
                         struct submetric **out, struct diag *d)
{
    struct submetric **last = &metric->submetrics;
    struct submetric *sub;
    struct tags *tags = NULL;
    int err = parse_selector(selector, &tags, d);

    (void)t;
    if (err || !tags)
        return err;
    for (; *last; last = &(*last)->next) {
        if (tags_equal((*last)->tags, tags)) {
            mem_free(tags);
            *out = *last;
            return 0;
        }
    }
    sub = mem_zalloc(sizeof *sub);
    sub->tags = tags;
    sub->selector = str_dup(str_trim(selector));
    sub->full_name = mem_printf("%.*s{%s}", STR_ARG(metric->metric.name), sub->selector);
    sink_init(&sub->sink, metric->metric.type);
    if (metric->blocks)
        sub->blocks = blocks_new(metric->metric.type);
    *last = sub;
    *out = sub;
    return 0;
}

/* --- history ------------------------------------------------------------------------------ */

void history_keep(struct history *h, size_t seconds)
{
    if (seconds > TOTALS_HISTORY_SECONDS)
        seconds = TOTALS_HISTORY_SECONDS;
    if (seconds + 1 <= h->size)
        return;
    free_history(h);
    h->size = seconds + 1;
    h->seconds = mem_calloc(h->size, sizeof *h->seconds);
    h->second = mem_calloc(h->size, sizeof *h->second);
    for (size_t i = 0; i < h->size; i++)
        h->second[i] = -1;
}

static void history_merge(struct history *h, const struct sink *sink, int64_t second)
{
    size_t slot;

    if (h->size == 0 || second < 0)
        return;
    slot = (size_t)(second % (int64_t)h->size);
    if (h->second[slot] > second)
        return; /* so late that its place is taken */
    if (h->second[slot] != second) {
        if (h->second[slot] >= 0)
            sink_deinit(&h->seconds[slot]);
        sink_init(&h->seconds[slot], sink->type);
        h->second[slot] = second;
    }
    sink_merge(&h->seconds[slot], sink);
}

void history_span(const struct history *h, int64_t now_second, size_t seconds, struct sink *out)
{
    for (size_t i = 0; i < h->size; i++) {
        if (h->second[i] >= 0 && h->second[i] <= now_second &&
            h->second[i] > now_second - (int64_t)seconds)
            sink_merge(out, &h->seconds[i]);
    }
}

/* --- groups and checks -------------------------------------------------------------------- */

/* The group of a path "::a::b"; those on the way are made too. */
static struct group_total *find_group(struct group_total *root, struct str path)
{
    struct group_total *group = root;
    size_t at = 0;

    while (at < path.len) {
        struct str rest = str_from_index(path, at + 2);
        ptrdiff_t next = str_find_str(rest, STR("::"));
        size_t end = next < 0 ? path.len : at + 2 + (size_t)next;
        struct str upto = str_slice(path, 0, end);
        struct group_total *child = NULL;

        for (size_t i = 0; i < group->group_count && !child; i++) {
            if (str_eq_c(upto, group->groups[i]->path))
                child = group->groups[i];
        }
        if (!child) {
            child = new_group(upto, str_slice(path, at + 2, end));
            group->groups = append((void *)group->groups, group->group_count++, child);
        }
        group = child;
        at = end;
    }
    return group;
}

static struct check_total *find_check(struct check_list *list, struct str path, struct str name)
{
    struct check_total *check;

    for (size_t i = 0; i < list->count; i++) {
        if (str_eq_c(path, list->checks[i]->path))
            return list->checks[i];
    }
    check = mem_zalloc(sizeof *check);
    check->path = str_dup(path);
    check->name = str_dup(name);
    list->checks = append((void *)list->checks, list->count++, check);
    return check;
}

/* A check belongs to the list of all (which owns it) and to its group. */
static struct check_total *group_check(struct totals *t, struct str group, struct str name)
{
    char *path = mem_printf("%.*s::%.*s", STR_ARG(group), STR_ARG(name));
    size_t before = t->checks.count;
    struct check_total *check = find_check(&t->checks, str_of(path), name);
    struct group_total *in = find_group(t->root, group);

    if (t->checks.count > before)
        in->checks.checks = append((void *)in->checks.checks, in->checks.count++, check);
    mem_free(path);
    return check;
}

/* --- scopes ------------------------------------------------------------------------------- */

static struct scope_total *find_scope(struct totals *t, struct str scenario, struct str path)
{
    char *key = mem_printf("%.*s\n%.*s", STR_ARG(scenario), STR_ARG(path));
    struct scope_total *scope = map_get(&t->_scope_by_key, str_of(key));

    if (!scope) {
        scope = mem_zalloc(sizeof *scope);
        scope->scenario = str_dup(scenario);
        scope->path = str_dup(path);
        t->scopes = append((void *)t->scopes, t->scope_count++, scope);
        map_set(&t->_scope_by_key, str_of(key), scope);
    }
    mem_free(key);
    return scope;
}

static struct sink *scope_sink(struct scope_total *scope, const struct metric_total *metric)
{
    size_t index = metric->metric.id;

    if (index >= scope->sink_count) {
        scope->sinks = mem_reallocarray((void *)scope->sinks, index + 1, sizeof(struct sink *));
        while (scope->sink_count <= index)
            scope->sinks[scope->sink_count++] = NULL;
    }
    if (!scope->sinks[index]) {
        scope->sinks[index] = mem_alloc(sizeof(struct sink));
        sink_init(scope->sinks[index], metric->metric.type);
    }
    return scope->sinks[index];
}

/* --- merging ------------------------------------------------------------------------------ */

static bool series_has(const struct series *series, const struct tags *wanted)
{
    for (uint32_t i = 0; i < wanted->count; i++) {
        struct str value = tags_get(series->tags, wanted->list[i].key);

        /* A missing tag equals an empty one. */
        if (!str_eq(value, wanted->list[i].value))
            return false;
    }
    return true;
}

static void add_scope(struct plan *plan, size_t index, struct scope_total *scope)
{
    plan->scopes[index] = scope_sink(scope, plan->metric);
    if (plan->check)
        plan->scope_checks[index] =
            find_check(&scope->checks, str_of(plan->check->path), str_of(plan->check->name));
}

static struct plan *make_plan(struct totals *t, const struct series *series)
{
    struct plan *plan = mem_zalloc(sizeof *plan);
    struct str scenario = tags_get(series->tags, STR("scenario"));
    struct str group = tags_get(series->tags, STR("group"));
    struct str check = tags_get(series->tags, STR("check"));

    plan->metric = totals_metric(t, series->metric);
    for (struct submetric *sub = plan->metric->submetrics; sub; sub = sub->next) {
        if (series_has(series, sub->tags))
            plan->submetrics = append((void *)plan->submetrics, plan->submetric_count++, sub);
    }
    if (group.len)
        find_group(t->root, group);
    if (check.ptr && str_eq_c(series->metric->name, "checks"))
        plan->check = group_check(t, group, check);
    if (t->without_scopes)
        return plan;
    if (scenario.len)
        add_scope(plan, 0, find_scope(t, scenario, STR("")));
    if (group.len)
        add_scope(plan, 1, find_scope(t, scenario, group));
    return plan;
}

static void count_check(struct check_total *check, const struct sink *sink)
{
    if (!check)
        return;
    check->passes += sink->rate.trues;
    check->fails += sink->rate.total - sink->rate.trues;
}

static struct plan *plan_of(struct totals *t, const struct series *series)
{
    struct str key = {(const char *)&series, sizeof(const struct series *)};
    struct plan *plan = map_get(&t->_plans, key);

    if (!plan) {
        plan = make_plan(t, series);
        map_set(&t->_plans, key, plan);
    }
    return plan;
}

void totals_merge(struct totals *t, const struct window *w, int64_t run_second)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct sink *sink = &w->series[i].sink;
        struct plan *plan = plan_of(t, w->series[i].series);

        plan->metric->seen = true;
        sink_merge(&plan->metric->sink, sink);
        history_merge(&plan->metric->history, sink, run_second);
        if (plan->metric->blocks)
            blocks_merge(plan->metric->blocks, sink, run_second);
        for (size_t j = 0; j < plan->submetric_count; j++) {
            sink_merge(&plan->submetrics[j]->sink, sink);
            history_merge(&plan->submetrics[j]->history, sink, run_second);
            if (plan->submetrics[j]->blocks)
                blocks_merge(plan->submetrics[j]->blocks, sink, run_second);
        }
        count_check(plan->check, sink);
        for (size_t j = 0; j < COUNT_OF(plan->scopes); j++) {
            if (plan->scopes[j])
                sink_merge(plan->scopes[j], sink);
            count_check(plan->scope_checks[j], sink);
        }
    }
}
