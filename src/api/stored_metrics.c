/* What runs measured, over time. */
#include <math.h>
#include <string.h>

#include "api/fleet_views.h"
#include "api/measured_views.h"
#include "api/stored_internal.h"
#include "base/err.h"
#include "store/series.h"

enum { MAX_AGGS = 10, MAX_POINTS = 10000, MAX_TAGS = 20, MAX_TAG_VALUES = 1000 };

/* --- which there are ------------------------------------------------------------------------ */

static void add_value(json_t *tags, const struct tag *tag)
{
    json_t *values = json_object_getn(tags, tag->key.ptr, tag->key.len);
    json_t *known;
    size_t i;

    if (!values) {
        values = json_array();
        json_object_setn_new(tags, tag->key.ptr, tag->key.len, values);
    }
    json_array_foreach(values, i, known)
    {
        if (str_eq_c(tag->value, json_string_value(known)))
            return;
    }
    if (json_array_size(values) < MAX_TAG_VALUES)
        json_array_append_new(values, json_stringn(tag->value.ptr, tag->value.len));
}

static void add_series(void *arg, const struct series *series)
{
    json_t *metrics = ((struct stored *)arg)->json;
    const struct metric *m = series->metric;
    json_t *metric = json_object_get(metrics, m->name.ptr);
    json_t *count;

    if (!metric) {
        metric = json_pack("{s:s, s:s, s:s, s:i, s:{}}", "name", m->name.ptr, "type",
                           metric_type_name(m->type), "contains", metric_contains_name(m->contains),
                           "series", 0, "tags");
        json_object_set_new(metrics, m->name.ptr, metric);
    }
    count = json_object_get(metric, "series");
    json_integer_set(count, json_integer_value(count) + 1);
    for (size_t i = 0; series->tags && i < series->tags->count; i++)
        add_value(json_object_get(metric, "tags"), &series->tags->list[i]);
}

static int read_metrics(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    const struct store_where where = {.from = 0};
    json_t *items = json_array();
    const char *name;
    json_t *metric;
    int err;

    q->json = json_object();
    err = store_each_series(s, stored_path(q, "run"), &where, add_series, q, d);
    json_object_foreach(q->json, name, metric)
    {
        json_array_append(items, metric);
    }
    json_decref(q->json);
    q->json = json_pack("{s:o}", "items", items);
    return err;
}

/* --- over time ------------------------------------------------------------------------------ */

struct series_query {
    struct store_query query;
    struct agg aggs[MAX_AGGS];
    const char *names[MAX_AGGS];
};

static int add_aggs(struct stored *q, const char *said, struct series_query *out, struct diag *d)
{
    struct str rest = str_of(said);

    while (rest.len > 0) {
        const char *name = arena_str(&q->arena, str_cut(&rest, ',')).ptr;

        if (out->query.agg_count == MAX_AGGS)
            return diag_set(d, ERR_INVALID, "agg: %d at most", MAX_AGGS);
        if (!agg_parse(str_of(name), &out->aggs[out->query.agg_count]))
            return diag_set(d, ERR_INVALID,
                            "agg: '%s' is none: avg, min, med, max, p(N), count, rate, value",
                            name);
        out->names[out->query.agg_count++] = name;
    }
    return 0;
}

static int read_aggs(struct stored *q, struct series_query *out, struct diag *d)
{
    json_t *said;
    size_t i;

    json_array_foreach(json_object_get(q->query, "agg"), i, said)
    {
        int err = add_aggs(q, json_string_value(said), out, d);

        if (err)
            return err;
    }
    out->query.aggs = out->aggs;
    return 0;
}

/* tag=key:value, each. */
static int read_tags(struct stored *q, struct store_where *where, struct diag *d)
{
    const json_t *list = json_object_get(q->query, "tag");
    size_t count = json_array_size(list);
    struct tag *tags = arena_zalloc(&q->arena, (count + 1) * sizeof *tags);

    if (count > MAX_TAGS)
        return diag_set(d, ERR_INVALID, "tag: %d at most", MAX_TAGS);
    for (size_t i = 0; i < count; i++) {
        const char *said = json_string_value(json_array_get(list, i));

        tags[i].value = str_of(said);
        tags[i].key = str_cut(&tags[i].value, ':');
        if (!tags[i].value.ptr || tags[i].key.len == 0)
            return diag_set(d, ERR_INVALID, "tag: '%s' must be key:value", said);
    }
    where->tags = tags;
    where->tag_count = count;
    return 0;
}

static int read_query(struct stored *q, struct series_query *out, struct diag *d)
{
    const char *metric = stored_param(q, "metric");
    const char *by = stored_param(q, "by");
    struct store_where *where = &out->query.where;
    int err;

    if (!metric)
        return diag_set(d, ERR_INVALID, "metric: which one? See /runs/%s/metrics",
                        stored_path(q, "run"));
    out->query.run = stored_path(q, "run");
    out->query.by = str_of(by ? by : "");
    where->metric = str_of(metric);
    stored_regions(q, where);
    err = read_tags(q, where, d);
    if (err == 0)
        err = read_aggs(q, out, d);
    if (err == 0)
        err = stored_span(q, where, d);
    if (err == 0)
        err = stored_number(q, "step", &out->query.step, 86400, d);
    return err ? err : stored_number(q, "points", &out->query.points, MAX_POINTS, d);
}

static void look_at_type(void *arg, const struct series *series)
{
    *(enum metric_type *)arg = series->metric->type;
}

/* What a metric of the type is mostly asked for. */
static int add_default(struct store *s, struct series_query *sq, struct diag *d)
{
    static const char *const defaults[] = {[METRIC_COUNTER] = "rate",
                                           [METRIC_GAUGE] = "value",
                                           [METRIC_RATE] = "rate",
                                           [METRIC_TREND] = "p(95)"};
    const struct store_where where = {.metric = sq->query.where.metric};
    enum metric_type type = METRIC_TREND;
    int err = store_each_series(s, sq->query.run, &where, look_at_type, &type, d);

    if (err || sq->query.agg_count > 0)
        return err;
    sq->names[0] = defaults[type];
    sq->query.agg_count = 1;
    return agg_parse(str_of(defaults[type]), &sq->aggs[0]) ? 0 : ERR_INVALID;
}

static json_t *column_json(const struct store_column *column, size_t rows)
{
    json_t *values = json_array();

    for (size_t i = 0; i < rows; i++)
        json_array_append_new(values, isnan(column->values[i]) ? json_null()
                                                               : json_real(column->values[i]));
    return values;
}

static json_t *columns_json(const struct series_query *sq, const struct store_columns *c)
{
    json_t *t = json_array();
    json_t *columns = json_array();
    json_t *values = json_array();

    for (size_t i = 0; i < c->rows; i++)
        json_array_append_new(t, json_integer(c->from + (int64_t)i * c->step));
    for (size_t i = 0; i < c->count; i++) {
        const struct store_column *column = &c->list[i];

        json_array_append_new(
            columns, json_pack("{s:o, s:s}", "by",
                               sq->query.by.len > 0 ? json_string(column->by) : json_null(), "agg",
                               sq->names[column->agg]));
        json_array_append_new(values, column_json(column, c->rows));
    }
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:o}", "metric",
                     sq->query.where.metric.ptr, "type", metric_type_name(c->type), "unit",
                     view_unit(c->type, c->contains, sq->aggs[0]), "from", (json_int_t)c->from,
                     "to", (json_int_t)c->to, "step", (json_int_t)c->step, "t", t, "columns",
                     columns, "values", values);
}

static int read_series(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    struct series_query sq = {.query = {.run = NULL}};
    struct store_columns columns;
    int err = read_query(q, &sq, d);

    if (err == 0)
        err = add_default(s, &sq, d);
    if (err == 0)
        err = store_query(s, &sq.query, &columns, d);
    if (err)
        return err;
    q->json = columns_json(&sq, &columns);
    store_columns_deinit(&columns);
    return 0;
}

void results_metrics(struct api_call *call)
{
    stored_start(call, read_metrics, NULL);
}

void results_series(struct api_call *call)
{
    stored_start(call, read_series, NULL);
}
