/* Tables of a run: its summary, requests, failed requests, checks. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/result_views.h"
#include "api/stored_internal.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/tables.h"

enum { ROWS = 100, MAX_ROWS = 1000 };

/* --- what was asked ------------------------------------------------------------------------- */

struct table_query {
    struct store_table table;
    int64_t limit;
};

static int read_query(struct stored *q, struct table_query *out, struct diag *d)
{
    const char *by = stored_param(q, "by");
    int err = stored_span(q, &out->table.where, d);

    out->table.run = stored_path(q, "run");
    out->limit = ROWS;
    stored_regions(q, &out->table.where);
    if (err == 0 && by && strcmp(by, "region") != 0)
        err = diag_set(d, ERR_INVALID, "by: '%s' is none: region", by);
    out->table.by_region = by != NULL;
    if (err == 0)
        err = stored_number(q, "limit", &out->limit, MAX_ROWS, d);
    return err;
}

static void end_table(struct stored *q, size_t total, json_t *items)
{
    q->json = json_pack("{s:I, s:o}", "total", (json_int_t)total, "items", items);
}

/* --- requests ------------------------------------------------------------------------------- */

/* A row with those of its regions, which stay with it. */
struct url_group {
    size_t first;
    size_t count;
    double key;
    struct str name;
};

static const char *const columns[] = {"name", "count", "rps", "failed", "avg",
                                      "p50",  "p95",   "p99", "max"};

static double key_of(const struct store_url *u, const char *column)
{
    const double values[] = {0,      (double)u->count, u->rps, u->failed, u->avg,
                             u->p50, u->p95,           u->p99, u->max};

    for (size_t i = 1; i < COUNT_OF(columns); i++) {
        if (strcmp(columns[i], column) == 0)
            return isfinite(values[i]) ? values[i] : 0;
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct url_group *x = a;
    const struct url_group *y = b;

    if (x->key < y->key || x->key > y->key)
        return x->key < y->key ? -1 : 1;
    return str_cmp(x->name, y->name);
}

/* The rows in the wanted order; the first `limit` of the whole's. */
static json_t *sorted(const struct store_urls *urls, const char *sort, int64_t limit, size_t *total)
{
    struct url_group *groups = mem_calloc(urls->count + 1, sizeof *groups);
    struct store_urls ordered = {.list = mem_calloc(urls->count + 1, sizeof *ordered.list)};
    double sign = sort[0] == '-' ? -1 : 1;
    size_t count = 0;
    json_t *items;

    for (size_t i = 0; i < urls->count; i++) {
        const struct store_url *u = &urls->list[i];

        if (!u->region.ptr)
            groups[count++] = (struct url_group){
                i, 0, sign * key_of(u, sort[0] == '-' ? sort + 1 : sort), u->name};
        if (count > 0)
            groups[count - 1].count++;
    }
    qsort(groups, count, sizeof *groups, compare);
    for (size_t i = 0; i < count && (int64_t)i < limit; i++) {
        memcpy(&ordered.list[ordered.count], &urls->list[groups[i].first],
               groups[i].count * sizeof *ordered.list);
        ordered.count += groups[i].count;
    }
    items = view_urls(&ordered, ordered.count);
    mem_free(ordered.list);
    mem_free(groups);
    *total = count;
    return items;
}

static int check_sort(const char *sort, struct diag *d)
{
    const char *column = sort[0] == '-' ? sort + 1 : sort;

    for (size_t i = sort[0] == '-'; i < COUNT_OF(columns); i++) {
        if (strcmp(columns[i], column) == 0)
            return 0;
    }
    return diag_set(d, ERR_INVALID,
                    "sort: '%s' is none: name, or count, rps, failed, avg, p50, p95, p99, max, "
                    "downwards with a - in front",
                    sort);
}

static int read_urls(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    const char *said = stored_param(q, "sort");
    const char *sort = said ? said : "-count";
    struct table_query query = {.limit = 0};
    struct store_urls urls;
    size_t total;
    json_t *items;
    int err = read_query(q, &query, d);

    if (err == 0)
        err = check_sort(sort, d);
    if (err == 0)
        err = store_get_urls(s, &query.table, &urls, d);
    if (err)
        return err;
    items = sorted(&urls, sort, query.limit, &total);
    end_table(q, total, items);
    store_urls_deinit(&urls);
    return 0;
}

void results_urls(struct api_call *call)
{
    stored_start(call, read_urls, NULL);
}

/* --- the others ----------------------------------------------------------------------------- */

static int read_errors(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    struct table_query query = {.limit = 0};
    struct store_failures failures;
    int err = read_query(q, &query, d);

    if (err == 0)
        err = store_get_failures(s, &query.table, &failures, d);
    if (err)
        return err;
    end_table(q, failures.count, view_failures(&failures, (size_t)query.limit));
    store_failures_deinit(&failures);
    return 0;
}

void results_errors(struct api_call *call)
{
    stored_start(call, read_errors, NULL);
}

static int read_checks(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    struct table_query query = {.limit = 0};
    struct store_checks checks;
    int err = read_query(q, &query, d);

    if (err == 0)
        err = store_get_checks(s, &query.table, &checks, d);
    if (err)
        return err;
    q->json = json_pack("{s:o}", "items", view_checks(&checks, SIZE_MAX));
    store_checks_deinit(&checks);
    return 0;
}

void results_checks(struct api_call *call)
{
    stored_start(call, read_checks, NULL);
}

static int read_summary(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    const char *stats = stored_words(q, "trend_stats");
    json_t *list = stats ? json_loads(stats, 0, NULL) : NULL;
    struct store_where where = {.from = 0};
    int err = stored_span(q, &where, d);

    if (err == 0)
        err = view_summary(s, stored_path(q, "run"), &where, list, &q->json, d);
    json_decref(list);
    return err;
}

void stored_summary(struct api_call *call)
{
    stored_start(call, read_summary, NULL);
}
