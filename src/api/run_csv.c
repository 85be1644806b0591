#include <math.h>
#include <string.h>

#include "api/run_files.h"
#include "base/err.h"
#include "base/mem.h"
#include "output/json_text.h"
#include "store/series.h"

enum { COLUMNS = 10 };

/* As the first line names them. */
static const char *const columns[COLUMNS] = {"count", "rate",  "avg",   "min",   "med",
                                             "max",   "p(90)", "p(95)", "p(99)", "value"};

struct metrics {
    struct metric *list; /* owned, as are their names */
    size_t count;
};

static void add_metric(void *arg, const struct series *series)
{
    struct metrics *all = arg;

    for (size_t i = 0; i < all->count; i++) {
        if (str_eq(all->list[i].name, series->metric->name))
            return;
    }
    all->list = mem_reallocarray(all->list, all->count + 1, sizeof *all->list);
    all->list[all->count] = *series->metric;
    all->list[all->count].name = str_of(str_dup(series->metric->name));
    all->count++;
}

/* A row of the columns' values at a step: all of a region are side by side. */
static int put_line(const struct metric *metric, const struct store_columns *c, size_t first,
                    const size_t *places, size_t row, struct buf *out)
{
    double values[COLUMNS];
    int64_t second = c->from + (int64_t)row * c->step;
    bool any = false;

    for (size_t i = 0; i < COLUMNS; i++)
        values[i] = NAN;
    for (size_t i = first; i < c->count && strcmp(c->list[i].by, c->list[first].by) == 0; i++) {
        double value = c->list[i].values[row];

        values[places[c->list[i].agg]] = value;
        any |= isfinite(value);
    }
    if (!any)
        return 0;
    buf_printf(out, "%lld,%s,%s,%s", (long long)second, c->list[first].by, metric->name.ptr,
               metric_type_name(metric->type));
    for (size_t i = 0; i < COLUMNS; i++) {
        buf_append_char(out, ',');
        if (isfinite(values[i]))
            json_text_number(out, values[i]);
    }
    return buf_append_char(out, '\n');
}

static int put_metric(struct store *s, const char *run, int64_t step, const struct metric *metric,
                      struct buf *out, struct diag *d)
{
    struct agg aggs[COLUMNS];
    size_t places[COLUMNS];
    struct store_query query = {
        .run = run,
        .where = {.metric = metric->name},
        .aggs = aggs,
        .by = STR("region"),
        .step = step,
    };
    struct store_columns c;
    int err;

    for (size_t i = 0; i < COLUMNS; i++) {
        struct agg agg;

        if (!agg_parse(str_of(columns[i]), &agg) || !agg_fits(agg, metric->type))
            continue;
        places[query.agg_count] = i;
        aggs[query.agg_count++] = agg;
    }
    err = store_query(s, &query, &c, d);
    if (err)
        return err;
    for (size_t i = 0; i < c.count && err == 0; i++) {
        if (i > 0 && strcmp(c.list[i].by, c.list[i - 1].by) == 0)
            continue; /* the same region */
        for (size_t row = 0; row < c.rows && err == 0; row++)
            err = put_line(metric, &c, i, places, row, out);
    }
    store_columns_deinit(&c);
    if (err)
        diag_set(d, ERR_LIMIT, "the file would have more than %zu bytes: ask for a longer step",
                 RUN_CSV_MAX);
    return err;
}

int run_csv(struct store *s, const char *run, int64_t step, struct buf *out, struct diag *d)
{
    const struct store_where all = {.from = 0};
    struct metrics metrics = {.list = NULL};
    int err = store_each_series(s, run, &all, add_metric, &metrics, d);

    buf_append_c(out, "second,region,metric,type,count,rate,avg,min,med,max,p90,p95,p99,value\n");
    for (size_t i = 0; i < metrics.count && err == 0; i++)
        err = put_metric(s, run, step, &metrics.list[i], out, d);
    for (size_t i = 0; i < metrics.count; i++)
        mem_free((void *)(uintptr_t)metrics.list[i].name.ptr);
    mem_free(metrics.list);
    return err;
}
