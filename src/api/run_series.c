#include "api/run_series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/series.h"

/* Read at once; the store's levels of more than a second are whole themselves (store/series.h). */
enum { MAX_ROWS = 20000, MAX_AGGS = 3 };

/* Which metric's aggregates the columns are; a metric NULL: the run's latency. */
static const struct source {
    const char *metric;
    const char *aggs[MAX_AGGS];
    const char *keys[MAX_AGGS];
} sources[] = {
    {"vus", {"value"}, {"vus"}},
    {"http_reqs", {"rate"}, {"rps"}},
    {"iterations", {"rate"}, {"iterations"}},
    {NULL, {"p(50)", "p(95)", "p(99)"}, {"p50", "p95", "p99"}},
    {"http_req_failed", {"rate"}, {"failed"}},
    {"dropped_iterations", {"rate"}, {"dropped"}},
    {"data_received", {"rate"}, {"data_received"}},
    {"data_sent", {"rate"}, {"data_sent"}},
};

struct grid {
    int64_t step;
    int64_t rows;   /* of the store */
    int64_t bucket; /* rows that become two points; 1: each row is one */
    json_t *overall;
    json_t *regions;
    json_t *target;
};

/* --- thinning ------------------------------------------------------------------------------- */

/* Six digits are more than a screen has. */
static json_t *rounded(double value)
{
    char text[32];

    if (!isfinite(value))
        return json_null();
    snprintf(text, sizeof text, "%.6g", value);
    return json_real(strtod(text, NULL));
}

/* Two points: the bucket's least and greatest value, the earlier one first. */
static void add_extremes(json_t *column, const double *values, int64_t begin, int64_t end)
{
    int64_t least = -1;
    int64_t most = -1;

    for (int64_t i = begin; i < end; i++) {
        if (!isfinite(values[i]))
            continue;
        if (least < 0 || values[i] < values[least])
            least = i;
        if (most < 0 || values[i] > values[most])
            most = i;
    }
    if (least < 0) {
        json_array_append_new(column, json_null());
        json_array_append_new(column, json_null());
        return;
    }
    json_array_append_new(column, rounded(values[least < most ? least : most]));
    json_array_append_new(column, rounded(values[least < most ? most : least]));
}

static json_t *column_json(const struct grid *g, const double *values)
{
    json_t *column = json_array();

    for (int64_t i = 0; i < g->rows; i += g->bucket) {
        if (g->bucket == 1)
            json_array_append_new(column, rounded(values[i]));
        else
            add_extremes(column, values, i, i + g->bucket < g->rows ? i + g->bucket : g->rows);
    }
    return column;
}

static json_t *times_json(const struct grid *g)
{
    json_t *t = json_array();

    for (int64_t i = 0; i < g->rows; i += g->bucket) {
        json_array_append_new(t, json_integer(i * g->step));
        if (g->bucket > 1)
            json_array_append_new(t, json_integer((i + g->bucket / 2) * g->step));
    }
    return t;
}

/* --- reading -------------------------------------------------------------------------------- */

/* Spreads what a query gave over the grid's rows. Where a counter has nothing, nothing happened. */
static json_t *place(const struct grid *g, const struct store_columns *c, const double *values)
{
    double *all = mem_calloc((size_t)g->rows + 1, sizeof *all);
    double nothing = c->type == METRIC_COUNTER ? 0 : (double)NAN;
    json_t *column;

    for (int64_t i = 0; i < g->rows; i++) {
        int64_t at = i - c->from / g->step;

        all[i] = at >= 0 && at < (int64_t)c->rows ? values[at] : NAN;
        if (!isfinite(all[i]))
            all[i] = nothing;
    }
    column = column_json(g, all);
    mem_free(all);
    return column;
}

struct reading {
    const struct source *source;
    const struct str *regions; /* NULL: all together */
    const struct tag *tags;    /* NULL: whatever they are */
    size_t tag_count;
    json_t *to;      /* columns by key, or those by region */
    json_t *overall; /* with regions: columns of all together; NULL: are not asked for */
};

static int read_source(struct store *s, const struct run_series_options *o, const struct reading *r,
                       const struct grid *g, struct diag *d)
{
    const struct source *source = r->source;
    const struct str *regions = r->regions;
    struct agg aggs[MAX_AGGS];
    struct store_query query = {
        .run = o->run,
        .where = {.metric = str_of(source->metric ? source->metric : o->latency),
                  .regions = regions,
                  .region_count = regions ? o->region_count : 0,
                  .tags = r->tags,
                  .tag_count = r->tag_count,
                  .to = g->rows * g->step},
        .aggs = aggs,
        .by = str_of(regions ? "region" : ""),
        .with_total = r->overall != NULL,
        .step = g->step,
    };
    struct store_columns columns;
    int err;

    while (query.agg_count < MAX_AGGS && source->aggs[query.agg_count]) {
        if (!agg_parse(str_of(source->aggs[query.agg_count]), &aggs[query.agg_count]))
            return ERR_INVALID;
        query.agg_count++;
    }
    err = store_query(s, &query, &columns, d);
    if (err == ERR_NOT_FOUND) { /* the run has no such metric */
        diag_deinit(d);
        return 0;
    }
    if (err)
        return err;
    for (size_t i = 0; i < columns.count; i++) {
        const struct store_column *column = &columns.list[i];
        json_t *to = !regions        ? r->to
                     : column->by[0] ? json_object_get(r->to, column->by)
                                     : r->overall;

        if (to)
            json_object_set_new(to, source->keys[column->agg], place(g, &columns, column->values));
    }
    store_columns_deinit(&columns);
    return 0;
}

static void lay_grid(const struct run_series_options *o, int64_t seconds, struct grid *g)
{
    static const int64_t steps[] = {1, 10, 60, 600, 3600, 86400};
    int64_t columns = MAX_AGGS * ((int64_t)o->region_count + 1);
    int64_t rows = STORE_MAX_CELLS / columns < MAX_ROWS ? STORE_MAX_CELLS / columns : MAX_ROWS;
    int64_t points = o->points < 2 ? 2 : (int64_t)o->points;
    size_t i = 0;

    if (o->max_rows > 0 && rows > (int64_t)o->max_rows)
        rows = (int64_t)o->max_rows;
    while (i + 1 < COUNT_OF(steps) && seconds / steps[i] >= rows)
        i++;
    g->step = steps[i];
    g->rows = (seconds + g->step - 1) / g->step;
    g->bucket = g->rows > points ? (g->rows + points / 2 - 1) / (points / 2) : 1;
}

/* Columns of what the run has not measured. */
static void fill(const struct grid *g, json_t *columns)
{
    double *none = mem_calloc((size_t)g->rows + 1, sizeof *none);

    for (int64_t i = 0; i < g->rows; i++)
        none[i] = NAN;
    for (size_t i = 0; i < COUNT_OF(sources); i++) {
        for (size_t k = 0; k < MAX_AGGS && sources[i].keys[k]; k++) {
            if (!json_object_get(columns, sources[i].keys[k]))
                json_object_set_new(columns, sources[i].keys[k], column_json(g, none));
        }
    }
    mem_free(none);
}

int run_series(struct store *s, const struct run_series_options *o, json_t **out, struct diag *d)
{
    struct str *regions = mem_calloc(o->region_count + 1, sizeof *regions);
    struct grid g = {.overall = json_object(), .regions = json_object(), .target = json_object()};
    int64_t newest = -1;
    int err = store_newest_second(s, o->run, &newest, d);

    lay_grid(o, newest + 1, &g);
    for (size_t i = 0; i < o->region_count; i++) {
        regions[i] = str_of(o->regions[i]);
        json_object_set_new(g.regions, o->regions[i], json_object());
    }
    for (size_t i = 0; !err && g.rows > 0 && i < COUNT_OF(sources); i++) {
        bool once = o->region_count > 0 && o->regions_are_all;

        if (!once)
            err =
                read_source(s, o, &(struct reading){.source = &sources[i], .to = g.overall}, &g, d);
        if (!err && o->region_count > 0)
            err = read_source(s, o,
                              &(struct reading){.source = &sources[i],
                                                .regions = regions,
                                                .to = g.regions,
                                                .overall = once ? g.overall : NULL},
                              &g, d);
    }
    for (size_t i = 0; !err && g.rows > 0 && i < o->other_count; i++) {
        const struct run_series_other *other = &o->others[i];
        const struct source source = {other->metric, {other->agg}, {other->name}};
        const struct reading reading = {
            .source = &source, .tags = other->tags, .tag_count = other->tag_count, .to = g.target};

        err = read_source(s, o, &reading, &g, d);
    }
    fill(&g, g.overall);
    for (size_t i = 0; i < o->region_count; i++)
        fill(&g, json_object_get(g.regions, o->regions[i]));
    mem_free(regions);
    if (!err)
        *out = json_pack("{s:I, s:o, s:O, s:O, s:O, s:o}", "step", (json_int_t)g.step, "t",
                         times_json(&g), "overall", g.overall, "regions", g.regions, "target",
                         g.target, "thinned",
                         g.bucket > 1 ? json_integer(g.bucket * g.step) : json_null());
    json_decref(g.overall);
    json_decref(g.regions);
    json_decref(g.target);
    return err;
}
