/* A metric over time. The span is gone through in slices of some steps: of each, all points are
 * added up and the aggregations taken, so that memory does not grow with the span. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/dictionary.h"
#include "store/point.h"
#include "store/scan.h"
#include "store/series.h"
#include "store/sql.h"
#include "store/tidy.h"

enum { DEFAULT_POINTS = 1200, SLICE_SINKS = 2048 };

struct query {
    const struct store_query *ask;
    struct store *store;
    struct dictionary *dict;
    const struct dict_metric *metric;
    struct store_columns *out;
    struct diag *diag;

    int32_t *in_rows; /* by series id: which lane its points go to */
    int32_t *in_seconds;
    bool *regions; /* by region id: wanted */
    /* A lane is what adds up as one before it goes to its column: for gauges that add up over their
     * sources a series in a region, else the column itself. */
    uint32_t lanes;
    uint32_t *lane_column;
    char **columns; /* values of `by`; owned until they go out */
    uint32_t column_count;
    uint32_t total; /* the column of all; UINT32_MAX: there is none */

    int64_t from; /* of the slice */
    size_t rows;
    struct sink *sinks; /* by lane, then row */
};

/* --- columns ------------------------------------------------------------------------------ */

static int column_of(struct query *q, struct str by)
{
    for (uint32_t i = 0; i < q->column_count; i++) {
        if (str_eq_c(by, q->columns[i]))
            return (int)i;
    }
    if (q->column_count * q->ask->agg_count >= STORE_MAX_COLUMNS)
        return diag_set(q->diag, ERR_LIMIT,
                        "'%.*s' has more than %zu values here: narrow the query by a tag",
                        STR_ARG(q->ask->by), STORE_MAX_COLUMNS / q->ask->agg_count);
    q->columns = mem_reallocarray((void *)q->columns, q->column_count + 1, sizeof(char *));
    q->columns[q->column_count] = str_dup(by);
    return (int)q->column_count++;
}

static bool by_region(const struct query *q)
{
    return str_eq_c(q->ask->by, "region");
}

static bool by_tag(const struct query *q)
{
    return q->ask->by.len > 0 && !by_region(q);
}

static void choose_regions(struct query *q)
{
    const struct store_where *where = &q->ask->where;

    q->regions = mem_calloc(q->dict->region_count + 1, sizeof *q->regions);
    for (size_t i = 0; i < q->dict->region_count; i++) {
        q->regions[i] = where->region_count == 0;
        for (size_t j = 0; j < where->region_count; j++)
            q->regions[i] |= str_eq(where->regions[j], q->dict->regions[i].name);
    }
}

/* Numbers the series that are wanted. Without filters the metric's total stands for all of them. */
static int choose_series(struct query *q, uint32_t *numbers)
{
    bool use_total = q->ask->where.tag_count == 0 && !by_tag(q) && !q->metric->adds_up;
    uint32_t count = 0;

    q->in_rows = mem_calloc(q->dict->series_count + 1, sizeof *q->in_rows);
    q->in_seconds = mem_calloc(q->dict->series_count + 1, sizeof *q->in_seconds);
    for (uint32_t i = 0; i < q->dict->series_count; i++) {
        const struct dict_series *series = &q->dict->series[i];
        int column = 0;

        q->in_rows[i] = SCAN_SKIP;
        q->in_seconds[i] = SCAN_SKIP;
        if (use_total && series->metric == q->metric) {
            q->in_rows[i] = i == q->metric->total ? 0 : SCAN_SKIP;
            q->in_seconds[i] = 0;
            count = 1;
        } else if (!use_total && dictionary_lets(series, &q->ask->where)) {
            if (by_tag(q))
                column = column_of(q, tags_get(series->series.tags, q->ask->by));
            if (column < 0)
                return column;
            /* Gauges that add up are kept apart until the step is whole. */
            q->in_rows[i] = q->metric->adds_up ? (int32_t)count++ : column;
            q->in_seconds[i] = q->in_rows[i];
            if (q->metric->adds_up) {
                q->lane_column = mem_reallocarray(q->lane_column, count, sizeof *q->lane_column);
                q->lane_column[count - 1] = (uint32_t)column;
            } else {
                count = q->column_count ? q->column_count : 1;
            }
        }
    }
    *numbers = count;
    return 0;
}

/* Lanes: `numbers` of series, times the regions where those are kept apart. */
static int choose_lanes(struct query *q, uint32_t numbers)
{
    uint32_t *column = q->lane_column; /* by number, where it is not the number itself */
    size_t copies = by_region(q) || q->metric->adds_up ? q->dict->region_count : 1;
    uint32_t *lanes = mem_calloc(numbers * copies + 1, sizeof *lanes);

    q->lane_column = lanes;
    q->lanes = (uint32_t)(numbers * copies);
    for (size_t r = 0; r < copies; r++) {
        int of_region = 0;

        if (by_region(q) && q->regions[r])
            of_region = column_of(q, q->dict->regions[r].name);
        if (of_region < 0) {
            mem_free(column);
            return of_region;
        }
        for (uint32_t i = 0; i < numbers; i++)
            lanes[r * numbers + i] = by_region(q) ? (uint32_t)of_region : column ? column[i] : i;
    }
    mem_free(column);
    if (q->ask->by.len == 0)
        return column_of(q, STR("")) < 0 ? ERR_LIMIT : 0;
    if (by_region(q) && q->ask->with_total) {
        int total = column_of(q, STR("")); /* no region is called that */

        if (total < 0)
            return total;
        q->total = (uint32_t)total;
    }
    return 0;
}

/* --- steps -------------------------------------------------------------------------------- */

static int64_t nice_step(int64_t seconds, int64_t points)
{
    static const int64_t nice[] = {1,     2,     5,     10,    20,     30,    60,
                                   120,   300,   600,   1200,  1800,   3600,  7200,
                                   10800, 21600, 43200, 86400, 172800, 604800};
    size_t i = 0;

    while (i + 1 < COUNT_OF(nice) && nice[i] * points < seconds)
        i++;
    return nice[i];
}

static int level_of(int64_t step)
{
    for (size_t i = LEVEL_COUNT; i-- > 0;) {
        if (step % tidy_levels[i] == 0)
            return tidy_levels[i];
    }
    return 1;
}

/* A step that was asked for is rounded up, so that enough points come from coarse rows: to tens
 * from 10 on, minutes from 60 on, ten minutes from 600 on. */
static int64_t round_step(int64_t step)
{
    for (size_t i = LEVEL_COUNT; i-- > 0;) {
        int64_t level = tidy_levels[i];

        if (step >= level)
            return (step + level - 1) / level * level;
    }
    return 1;
}

static int choose_steps(struct query *q)
{
    const struct store_where *where = &q->ask->where;
    int64_t points = q->ask->points ? q->ask->points : DEFAULT_POINTS;
    int64_t end = 0;
    int64_t step;

    for (size_t i = 0; i < q->dict->region_count; i++) {
        if (q->dict->regions[i].newest + 1 > end)
            end = q->dict->regions[i].newest + 1;
    }
    if (where->to && where->to < end)
        end = where->to;
    if (where->from < 0 || where->to < 0 || (where->to && where->from >= where->to) || points < 0 ||
        q->ask->step < 0 || q->ask->step > STORE_MAX_SECOND)
        return diag_set(q->diag, ERR_INVALID,
                        "from %lld to %lld is no span, or the step or the number of points is "
                        "negative",
                        (long long)where->from, (long long)where->to);
    step = q->ask->step ? round_step(q->ask->step) : nice_step(end - where->from, points);
    q->out->step = step;
    q->out->from = where->from / step * step;
    q->out->to = (end + step - 1) / step * step;
    if (q->out->to < q->out->from)
        q->out->to = q->out->from;
    q->out->rows = (size_t)((q->out->to - q->out->from) / step);
    if (q->out->rows * q->column_count * q->ask->agg_count > STORE_MAX_CELLS)
        return diag_set(q->diag, ERR_LIMIT,
                        "%zu steps of %u columns are more than %d values: ask for a longer step",
                        q->out->rows, q->column_count, STORE_MAX_CELLS);
    return 0;
}

/* --- a slice ------------------------------------------------------------------------------ */

static int add_point(void *arg, int32_t number, int64_t region, int64_t second, struct str point)
{
    struct query *q = arg;
    uint32_t numbers = q->lanes;
    uint32_t lane = (uint32_t)number;
    size_t row = (size_t)((second - q->from) / q->out->step);

    if (by_region(q) || q->metric->adds_up) {
        numbers /= (uint32_t)q->dict->region_count;
        lane += (uint32_t)region * numbers;
    }
    return point_add(&q->sinks[lane * q->rows + row], point);
}

/* The lanes of a column in one: gauges that add up by their values, whatever second each is of. */
static void fold(struct query *q, struct sink *into, const struct sink *lane)
{
    if (lane->is_empty)
        return;
    if (!q->metric->adds_up || into->is_empty) {
        sink_merge(into, lane);
        return;
    }
    into->gauge.value += lane->gauge.value;
    into->gauge.min += lane->gauge.min;
    into->gauge.max += lane->gauge.max;
}

static double aggregate(const struct query *q, const struct sink *sink, struct agg agg,
                        int64_t second)
{
    int64_t newest = 0;
    int64_t seconds = q->out->step;

    if (sink->is_empty)
        return (double)NAN;
    if (sink->type == METRIC_RATE && agg.kind == AGG_COUNT)
        return (double)sink->rate.total;
    for (size_t i = 0; i < q->dict->region_count; i++) {
        if (q->dict->regions[i].newest > newest)
            newest = q->dict->regions[i].newest;
    }
    if (newest + 1 - second < seconds)
        seconds = newest + 1 - second;
    return sink_aggregate(sink, agg, (double)seconds);
}

static void put_values(struct query *q, uint32_t column, const struct sink *sum, size_t row,
                       size_t out_row)
{
    struct store_columns *out = q->out;

    for (size_t a = 0; a < q->ask->agg_count; a++)
        out->list[column * q->ask->agg_count + a].values[out_row] =
            aggregate(q, sum, q->ask->aggs[a], q->from + (int64_t)row * out->step);
}

static void take_row(struct query *q, size_t row, size_t out_row)
{
    struct sink total;

    sink_init(&total, q->metric->metric.type);
    for (uint32_t c = 0; c < q->column_count; c++) {
        struct sink sum;

        if (c == q->total)
            continue;
        sink_init(&sum, q->metric->metric.type);
        for (uint32_t lane = 0; lane < q->lanes; lane++) {
            struct sink *sink = &q->sinks[lane * q->rows + row];

            if (q->lane_column[lane] != c || sink->is_empty)
                continue;
            if (sum.is_empty)
                sink_move(&sum, sink);
            else
                fold(q, &sum, sink);
        }
        put_values(q, c, &sum, row, out_row);
        if (q->total != UINT32_MAX && total.is_empty)
            sink_move(&total, &sum);
        else if (q->total != UINT32_MAX)
            fold(q, &total, &sum);
        sink_deinit(&sum);
    }
    if (q->total != UINT32_MAX)
        put_values(q, q->total, &total, row, out_row);
    sink_deinit(&total);
}

static int take_slice(struct query *q, size_t at, size_t rows)
{
    struct scan scan = {.store = q->store,
                        .dict = q->dict,
                        .in_rows = q->in_rows,
                        .in_seconds = q->in_seconds,
                        .max_level = level_of(q->out->step),
                        .fn = add_point,
                        .arg = q,
                        .diag = q->diag};
    int64_t to;
    int err = 0;

    q->from = q->out->from + (int64_t)at * q->out->step;
    q->rows = rows;
    to = q->from + (int64_t)rows * q->out->step;
    for (size_t i = 0; i < q->lanes * rows; i++)
        sink_init(&q->sinks[i], q->metric->metric.type);
    for (size_t i = 0; !err && i < q->dict->region_count; i++) {
        if (q->regions[i])
            err = scan_region(&scan, (int64_t)i, q->from, to);
    }
    if (err == ERR_SYNTAX)
        err = scan_damaged(&scan);
    for (size_t i = 0; !err && i < rows; i++)
        take_row(q, i, at + i);
    for (size_t i = 0; i < q->lanes * rows; i++)
        sink_deinit(&q->sinks[i]);
    return err;
}

/* As many steps as the sinks allow, in whole rows of the store where that is possible. */
static size_t slice_rows(const struct query *q)
{
    size_t rows = SLICE_SINKS / (q->lanes ? q->lanes : 1);
    size_t block = q->out->step < BLOCK ? (size_t)(BLOCK / q->out->step) : 1;

    if (rows > block)
        rows -= rows % block;
    return rows ? rows : 1;
}

static int take_all(struct query *q)
{
    size_t rows = slice_rows(q);
    int err = 0;

    q->sinks = mem_calloc(q->lanes * rows + 1, sizeof *q->sinks);
    for (size_t at = 0; !err && at < q->out->rows; at += rows)
        err = take_slice(q, at, q->out->rows - at < rows ? q->out->rows - at : rows);
    mem_free(q->sinks);
    return err;
}

/* --- the whole ---------------------------------------------------------------------------- */

static int check_aggs(const struct query *q)
{
    enum metric_type type = q->metric->metric.type;

    for (size_t i = 0; i < q->ask->agg_count; i++) {
        struct agg agg = q->ask->aggs[i];
        bool extra = (type == METRIC_GAUGE && (agg.kind == AGG_MIN || agg.kind == AGG_MAX)) ||
                     ((type == METRIC_RATE || type == METRIC_TREND) && agg.kind == AGG_COUNT);

        if (!extra && !agg_fits(agg, type))
            return diag_set(q->diag, ERR_INVALID,
                            "%.*s is a %s, which has no such aggregation: it has %s",
                            STR_ARG(q->metric->metric.name), metric_type_name(type),
                            type == METRIC_GAUGE   ? "value, min, max"
                            : type == METRIC_RATE  ? "rate, count"
                            : type == METRIC_TREND ? "avg, min, max, med, p(N), count"
                                                   : agg_names(type));
    }
    return 0;
}

static void make_columns(struct query *q)
{
    struct store_columns *out = q->out;

    out->count = q->column_count * q->ask->agg_count;
    out->list = mem_calloc(out->count + 1, sizeof *out->list);
    for (size_t i = 0; i < out->count; i++) {
        out->list[i].by = mem_strdup(q->columns[i / q->ask->agg_count]);
        out->list[i].agg = i % q->ask->agg_count;
        out->list[i].values = mem_calloc(out->rows + 1, sizeof(double));
    }
}

static int run_query(struct query *q)
{
    uint32_t numbers = 0;
    int err;

    q->metric = dictionary_metric(q->dict, q->ask->where.metric);
    if (!q->metric)
        return diag_set(q->diag, ERR_NOT_FOUND, "run %s has no metric %.*s", q->ask->run,
                        STR_ARG(q->ask->where.metric));
    q->out->type = q->metric->metric.type;
    q->out->contains = q->metric->metric.contains;
    choose_regions(q);
    err = check_aggs(q);
    if (!err)
        err = choose_series(q, &numbers);
    if (!err)
        err = choose_lanes(q, numbers);
    if (!err)
        err = choose_steps(q);
    if (err)
        return err;
    make_columns(q);
    return take_all(q);
}

int store_query(struct store *s, const struct store_query *ask, struct store_columns *out,
                struct diag *d)
{
    struct store_columns columns = {0};
    struct query q = {.ask = ask, .store = s, .out = &columns, .diag = d, .total = UINT32_MAX};
    struct sql_scope scope;
    int64_t run;
    int err = sql_enter(s, &scope, d);

    if (err)
        return err;
    err = sql_run_key(s, ask->run, &run, d);
    if (!err)
        err = dictionary_load(s, run, &q.dict, d);
    if (!err)
        err = run_query(&q);
    for (uint32_t i = 0; i < q.column_count; i++)
        mem_free(q.columns[i]);
    mem_free((void *)q.columns);
    mem_free(q.in_rows);
    mem_free(q.in_seconds);
    mem_free(q.regions);
    mem_free(q.lane_column);
    dictionary_free(q.dict);
    err = sql_leave(s, scope, err, d);
    if (err)
        store_columns_deinit(&columns);
    else
        *out = columns;
    return err;
}

void store_columns_deinit(struct store_columns *c)
{
    for (size_t i = 0; i < c->count; i++) {
        mem_free(c->list[i].by);
        mem_free(c->list[i].values);
    }
    mem_free(c->list);
    *c = (struct store_columns){0};
}
