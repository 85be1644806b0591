#include "store/tables.h"

#include <math.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "metrics/hist.h"
#include "store/dictionary.h"
#include "store/scan.h"
#include "store/sql.h"
#include "store/sum.h"

/* --- rows by what names them -------------------------------------------------------------- */

/* Finds rows again by their texts. */
struct finder {
    struct map rows; /* index plus 1 by key */
    struct buf key;
    struct arena *texts;
};

static void finder_init(struct finder *f)
{
    map_init(&f->rows);
    buf_init(&f->key, SIZE_MAX);
    f->texts = mem_alloc(sizeof *f->texts);
    arena_init(f->texts);
}

/* The texts stay: they go with the table. */
static void finder_deinit(struct finder *f)
{
    map_deinit(&f->rows);
    buf_deinit(&f->key);
}

static void free_texts(struct arena *texts)
{
    if (!texts)
        return;
    arena_deinit(texts);
    mem_free(texts);
}

static void key_begin(struct finder *f)
{
    buf_reset(&f->key);
}

static void key_add(struct finder *f, struct str text)
{
    buf_append(&f->key, &text.len, sizeof text.len);
    buf_append_str(&f->key, text);
}

/* The row of the key; `next`, noted as its own, when it is new. */
static size_t key_row(struct finder *f, size_t next)
{
    uintptr_t known = (uintptr_t)map_get(&f->rows, buf_str(&f->key));

    if (known)
        return known - 1;
    map_set(&f->rows, buf_str(&f->key), (void *)(uintptr_t)(next + 1));
    return next;
}

static void *grow(void *list, size_t count, size_t size)
{
    return (count & (count - 1)) == 0 ? mem_reallocarray(list, count ? count * 2 : 1, size) : list;
}

/* The whole of where the table looks, for one metric. */
static int sum_metric(struct store *s, const struct store_table *table, struct str metric,
                      struct store_sum_list *out, struct diag *d)
{
    struct store_where where = table->where;

    where.metric = metric;
    where.tag_count = 0;
    return store_sum(s, table->run, &where, out, d);
}

static struct str name_of(const struct tags *tags)
{
    struct str name = tags_get(tags, STR("name"));

    return name.len ? name : tags_get(tags, STR("url"));
}

/* --- requests ----------------------------------------------------------------------------- */

struct url_row {
    struct store_url url;
    struct hist *durations; /* owned */
    uint64_t failed;
    uint64_t asked; /* of http_req_failed */
};

struct url_builder {
    struct finder finder;
    struct url_row *rows;
    size_t count;
};

/* Of the whole (region ptr NULL) or of a region. */
static struct url_row *url_row(struct url_builder *b, struct str region, const struct tags *tags)
{
    struct arena *texts = b->finder.texts;
    struct str name = name_of(tags);
    struct url_row *row;
    size_t at;

    key_begin(&b->finder);
    key_add(&b->finder, tags_get(tags, STR("method")));
    key_add(&b->finder, name);
    key_add(&b->finder, tags_get(tags, STR("status")));
    key_add(&b->finder, region);
    at = key_row(&b->finder, b->count);
    if (at < b->count)
        return &b->rows[at];
    b->rows = grow(b->rows, b->count, sizeof *b->rows);
    row = &b->rows[b->count++];
    *row = (struct url_row){.durations = hist_new()};
    row->url.region = region.ptr ? arena_str(texts, region) : region;
    row->url.method = arena_str(texts, tags_get(tags, STR("method")));
    row->url.name = arena_str(texts, name);
    row->url.status = arena_str(texts, tags_get(tags, STR("status")));
    return row;
}

static void add_to_url(struct url_row *row, const struct sink *sink)
{
    if (sink->type == METRIC_TREND) {
        hist_merge(row->durations, sink->hist);
    } else {
        row->failed += sink->rate.trues;
        row->asked += sink->rate.total;
    }
}

static int add_urls(struct store *s, const struct store_table *table, struct str metric,
                    struct url_builder *b, struct diag *d)
{
    struct store_sum_list sums;
    int err = sum_metric(s, table, metric, &sums, d);

    if (err)
        return err;
    for (size_t r = 0; r < sums.count; r++) {
        const struct window *w = sums.list[r].window;

        for (size_t i = 0; i < w->count; i++) {
            const struct tags *tags = w->series[i].series->tags;

            add_to_url(url_row(b, (struct str){NULL, 0}, tags), &w->series[i].sink);
            if (table->by_region)
                add_to_url(url_row(b, sums.list[r].region, tags), &w->series[i].sink);
        }
    }
    store_sum_list_deinit(&sums);
    return 0;
}

static void finish_url(struct url_row *row, double seconds)
{
    struct store_url *u = &row->url;
    const struct hist *h = row->durations;

    u->count = hist_count(h);
    u->rps = seconds > 0 ? (double)u->count / seconds : 0;
    u->failed = row->asked ? (double)row->failed / (double)row->asked : (double)NAN;
    u->min = hist_min(h);
    u->avg = hist_mean(h);
    u->p50 = hist_quantile(h, 0.5);
    u->p90 = hist_quantile(h, 0.9);
    u->p95 = hist_quantile(h, 0.95);
    u->p99 = hist_quantile(h, 0.99);
    u->max = hist_max(h);
}

/* How many seconds of the span the run has had. */
static int span_seconds(struct store *s, const struct store_table *table, double *out,
                        struct diag *d)
{
    int64_t newest;
    int64_t to = table->where.to;
    int err = store_newest_second(s, table->run, &newest, d);

    if (!err && (to == 0 || to > newest + 1))
        to = newest + 1;
    if (!err)
        *out = to > table->where.from ? (double)(to - table->where.from) : 0;
    return err;
}

static int build_urls(struct store *s, const struct store_table *table, struct url_builder *b,
                      struct diag *d)
{
    double seconds = 0;
    int err = span_seconds(s, table, &seconds, d);

    if (!err)
        err = add_urls(s, table, STR("http_req_duration"), b, d);
    if (!err)
        err = add_urls(s, table, STR("http_req_failed"), b, d);
    for (size_t i = 0; !err && i < b->count; i++)
        finish_url(&b->rows[i], seconds);
    return err;
}

int store_get_urls(struct store *s, const struct store_table *table, struct store_urls *out,
                   struct diag *d)
{
    struct url_builder b = {.rows = NULL};
    struct sql_scope scope;
    int err = sql_enter(s, &scope, d);

    if (err)
        return err;
    finder_init(&b.finder);
    err = sql_leave(s, scope, build_urls(s, table, &b, d), d);
    if (err) {
        free_texts(b.finder.texts);
    } else {
        *out = (struct store_urls){mem_calloc(b.count + 1, sizeof *out->list), b.count,
                                   b.finder.texts};
        for (size_t i = 0; i < b.count; i++)
            out->list[i] = b.rows[i].url;
    }
    for (size_t i = 0; i < b.count; i++)
        hist_free(b.rows[i].durations);
    mem_free(b.rows);
    finder_deinit(&b.finder);
    return err;
}

void store_urls_deinit(struct store_urls *u)
{
    mem_free(u->list);
    free_texts(u->_texts);
    *u = (struct store_urls){0};
}

/* --- failed requests ---------------------------------------------------------------------- */

static bool is_failure(const struct tags *tags)
{
    return tags_get(tags, STR("error_code")).len > 0 ||
           str_eq_c(tags_get(tags, STR("expected_response")), "false");
}

struct failure_builder {
    struct finder finder;
    struct store_failures *out;
    struct store *store;
    const struct store_table *table;
    struct diag *diag;
};

static struct store_failure *failure_row(struct failure_builder *b, const struct tags *tags)
{
    static const char *const keys[] = {"error_code", "error", "status", "method"};
    struct store_failures *out = b->out;
    struct arena *texts = b->finder.texts;
    struct store_failure *row;
    size_t at;

    key_begin(&b->finder);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        key_add(&b->finder, tags_get(tags, str_of(keys[i])));
    key_add(&b->finder, name_of(tags));
    at = key_row(&b->finder, out->count);
    if (at < out->count)
        return &out->list[at];
    out->list = grow(out->list, out->count, sizeof *out->list);
    row = &out->list[out->count++];
    *row = (struct store_failure){.first = INT64_MAX, .last = INT64_MIN};
    row->error_code = arena_str(texts, tags_get(tags, STR("error_code")));
    row->error = arena_str(texts, tags_get(tags, STR("error")));
    row->status = arena_str(texts, tags_get(tags, STR("status")));
    row->method = arena_str(texts, tags_get(tags, STR("method")));
    row->name = arena_str(texts, name_of(tags));
    return row;
}

static void count_in_region(struct failure_builder *b, struct store_failure *row, struct str region,
                            uint64_t count)
{
    size_t last = row->region_count;

    row->count += count;
    if (last == 0 || !str_eq(row->regions[last - 1].region, region)) {
        row->regions = mem_reallocarray(row->regions, last + 1, sizeof *row->regions);
        row->regions[last] = (struct store_region_count){arena_str(b->finder.texts, region), 0};
        row->region_count++;
    }
    row->regions[row->region_count - 1].count += count;
}

static int note_ends(struct failure_builder *b, struct store_failure *row,
                     const struct dictionary *dict, const struct series *series, int64_t region)
{
    const struct store_where *where = &b->table->where;
    struct scan scan = {.store = b->store, .dict = dict, .diag = b->diag};
    uint32_t id = (uint32_t)((const struct dict_series *)(const void *)series - dict->series);
    int64_t span[2];
    int64_t ends[2];
    int err;

    sum_span(where, dict, region, span);
    err = scan_ends(&scan, id, region, span, ends);

    if (err)
        return err;
    if (ends[0] < row->first)
        row->first = ends[0];
    if (ends[1] > row->last)
        row->last = ends[1];
    return 0;
}

static int add_failures(struct failure_builder *b, const struct store_sum_list *sums)
{
    int err = 0;

    for (size_t r = 0; !err && r < sums->count; r++) {
        const struct window *w = sums->list[r].window;
        int64_t region = dictionary_region(sums->_series, sums->list[r].region);

        for (size_t i = 0; !err && i < w->count; i++) {
            const struct series *series = w->series[i].series;
            struct store_failure *row;

            if (!is_failure(series->tags))
                continue;
            row = failure_row(b, series->tags);
            count_in_region(b, row, sums->list[r].region, (uint64_t)w->series[i].sink.sum);
            err = note_ends(b, row, sums->_series, series, region);
        }
    }
    return err;
}

static int by_count(const void *a, const void *b)
{
    const struct store_failure *left = a;
    const struct store_failure *right = b;

    if (left->count != right->count)
        return left->count > right->count ? -1 : 1;
    return str_cmp(left->name, right->name);
}

int store_get_failures(struct store *s, const struct store_table *table, struct store_failures *out,
                       struct diag *d)
{
    struct store_failures failures = {0};
    struct failure_builder b = {.out = &failures, .store = s, .table = table, .diag = d};
    struct store_sum_list sums = {0};
    struct sql_scope scope;
    int err = sql_enter(s, &scope, d);

    if (err)
        return err;
    finder_init(&b.finder);
    failures._texts = b.finder.texts;
    err = sum_metric(s, table, STR("http_reqs"), &sums, d);
    if (!err)
        err = add_failures(&b, &sums);
    store_sum_list_deinit(&sums);
    finder_deinit(&b.finder);
    err = sql_leave(s, scope, err, d);
    if (err) {
        store_failures_deinit(&failures);
        return err;
    }
    if (failures.count > 1)
        qsort(failures.list, failures.count, sizeof *failures.list, by_count);
    *out = failures;
    return 0;
}

void store_failures_deinit(struct store_failures *f)
{
    for (size_t i = 0; i < f->count; i++)
        mem_free(f->list[i].regions);
    mem_free(f->list);
    free_texts(f->_texts);
    *f = (struct store_failures){0};
}

/* --- checks ------------------------------------------------------------------------------- */

static struct store_check_row *check_row(struct store_checks *out, struct finder *f,
                                         const struct tags *tags)
{
    struct store_check_row *row;
    size_t at;

    key_begin(f);
    key_add(f, tags_get(tags, STR("group")));
    key_add(f, tags_get(tags, STR("check")));
    at = key_row(f, out->count);
    if (at < out->count)
        return &out->list[at];
    out->list = grow(out->list, out->count, sizeof *out->list);
    row = &out->list[out->count++];
    *row = (struct store_check_row){.name = arena_str(f->texts, tags_get(tags, STR("check"))),
                                    .group = arena_str(f->texts, tags_get(tags, STR("group")))};
    return row;
}

static void add_check(struct store_check_row *row, struct finder *f, struct str region,
                      const struct sink *sink)
{
    uint64_t fails = sink->rate.total - sink->rate.trues;
    size_t last = row->region_count;

    row->passes += sink->rate.trues;
    row->fails += fails;
    if (last == 0 || !str_eq(row->regions[last - 1].region, region)) {
        row->regions = mem_reallocarray(row->regions, last + 1, sizeof *row->regions);
        row->regions[last] = (struct store_check_count){arena_str(f->texts, region), 0, 0};
        row->region_count++;
    }
    row->regions[row->region_count - 1].passes += sink->rate.trues;
    row->regions[row->region_count - 1].fails += fails;
}

int store_get_checks(struct store *s, const struct store_table *table, struct store_checks *out,
                     struct diag *d)
{
    struct store_sum_list sums;
    struct finder f;
    int err = sum_metric(s, table, STR("checks"), &sums, d);

    if (err)
        return err;
    finder_init(&f);
    *out = (struct store_checks){._texts = f.texts};
    for (size_t r = 0; r < sums.count; r++) {
        const struct window *w = sums.list[r].window;

        for (size_t i = 0; i < w->count; i++) {
            if (tags_get(w->series[i].series->tags, STR("check")).ptr)
                add_check(check_row(out, &f, w->series[i].series->tags), &f, sums.list[r].region,
                          &w->series[i].sink);
        }
    }
    finder_deinit(&f);
    store_sum_list_deinit(&sums);
    return 0;
}

void store_checks_deinit(struct store_checks *c)
{
    for (size_t i = 0; i < c->count; i++)
        mem_free(c->list[i].regions);
    mem_free(c->list);
    free_texts(c->_texts);
    *c = (struct store_checks){0};
}
