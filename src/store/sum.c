/* What a run measured in all of a span, series by series; and which series there are. */
#include <errno.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/dictionary.h"
#include "store/point.h"
#include "store/scan.h"
#include "store/series.h"
#include "store/sql.h"
#include "store/sum.h"
#include "store/tidy.h"

/* --- which there are ---------------------------------------------------------------------- */

static int load(struct store *s, const char *run, struct dictionary **out, struct diag *d)
{
    struct sql_scope scope;
    int64_t key;
    int err = sql_enter(s, &scope, d);

    if (err)
        return err;
    err = sql_run_key(s, run, &key, d);
    if (!err)
        err = dictionary_load(s, key, out, d);
    return sql_leave(s, scope, err, d);
}

int store_each_series(struct store *s, const char *run, const struct store_where *where,
                      void (*fn)(void *arg, const struct series *series), void *arg, struct diag *d)
{
    struct dictionary *dict = NULL;
    int err = load(s, run, &dict, d);

    for (size_t i = 0; !err && dict && i < dict->series_count; i++) {
        if (dictionary_lets(&dict->series[i], where))
            fn(arg, &dict->series[i].series);
    }
    dictionary_free(dict);
    return err;
}

int store_each_region(struct store *s, const char *run, void (*fn)(void *arg, struct str region),
                      void *arg, struct diag *d)
{
    struct dictionary *dict = NULL;
    int err = load(s, run, &dict, d);

    for (size_t i = 0; !err && dict && i < dict->region_count; i++)
        fn(arg, dict->regions[i].name);
    dictionary_free(dict);
    return err;
}

int store_newest_second(struct store *s, const char *run, int64_t *out, struct diag *d)
{
    struct sql q = sql(s, "SELECT max(newest) FROM run_regions "
                          "WHERE run = (SELECT key FROM runs WHERE id = ?)");

    sql_text(&q, run);
    return sql_number(&q, -1, out, d);
}

/* --- sums --------------------------------------------------------------------------------- */

struct adding {
    const struct dictionary *dict;
    struct sink *sinks; /* by series */
};

static int add_point(void *arg, int32_t number, int64_t region, int64_t second, struct str point)
{
    struct adding *a = arg;

    (void)region;
    (void)second;
    return point_add(&a->sinks[number], point);
}

static struct window *make_window(const struct dictionary *dict, struct sink *sinks)
{
    struct window *w = mem_zalloc(sizeof *w);

    w->series = mem_calloc(dict->series_count + 1, sizeof *w->series);
    for (size_t i = 0; i < dict->series_count; i++) {
        struct window_series *to = &w->series[w->count];

        if (sinks[i].is_empty) {
            sink_deinit(&sinks[i]);
            continue;
        }
        to->series = &dict->series[i].series;
        sink_move(&to->sink, &sinks[i]);
        w->count++;
    }
    return w;
}

void sum_span(const struct store_where *where, const struct dictionary *dict, int64_t region,
              int64_t out[2])
{
    int64_t end = dict->regions[region].newest + 1;

    out[0] = where->from || where->to ? where->from : STORE_MIN_SECOND;
    out[1] = where->to ? where->to : end > 0 ? end : 0;
}

static int sum_region(const struct scan *like, const struct store_where *where, int64_t region,
                      struct store_sums *out)
{
    struct adding a = {.dict = like->dict};
    struct scan scan = *like;
    int64_t span[2];
    int err;

    a.sinks = mem_calloc(a.dict->series_count + 1, sizeof *a.sinks);
    for (size_t i = 0; i < a.dict->series_count; i++)
        sink_init(&a.sinks[i], a.dict->series[i].metric->metric.type);
    scan.fn = add_point;
    scan.arg = &a;
    sum_span(where, a.dict, region, span);
    err = scan_region(&scan, region, span[0], span[1]);
    if (err == ERR_SYNTAX)
        err = scan_damaged(&scan);
    out->region = a.dict->regions[region].name;
    out->window = make_window(a.dict, a.sinks);
    mem_free(a.sinks);
    return err;
}

static bool wants_region(const struct store_where *where, struct str name)
{
    for (size_t i = 0; i < where->region_count; i++) {
        if (str_eq(where->regions[i], name))
            return true;
    }
    return where->region_count == 0;
}

/* Which series' sink each row goes to: its own, or its metric's total. */
static void choose(const struct dictionary *dict, const struct store_where *where, bool whole,
                   int32_t *in_rows, int32_t *in_seconds)
{
    struct store_where metric = {.metric = where->metric};

    for (size_t i = 0; i < dict->series_count; i++) {
        const struct dict_series *series = &dict->series[i];
        uint32_t total = series->metric->total;

        in_seconds[i] = SCAN_SKIP;
        if (dictionary_lets(series, whole ? &metric : where))
            in_seconds[i] = whole ? (int32_t)total : (int32_t)i;
        in_rows[i] = in_seconds[i];
        if (!whole)
            continue;
        in_rows[i] = SCAN_SKIP;
        if (i == total &&
            (!where->metric.ptr || str_eq(where->metric, series->metric->metric.name)))
            in_rows[i] = (int32_t)i;
    }
}

static int sum_all(struct store *s, const struct store_where *where, bool whole,
                   struct store_sum_list *out, struct diag *d)
{
    struct dictionary *dict = out->_series;
    int32_t *in_rows = mem_calloc(dict->series_count + 1, sizeof *in_rows);
    int32_t *in_seconds = mem_calloc(dict->series_count + 1, sizeof *in_seconds);
    struct scan scan = {.store = s,
                        .dict = dict,
                        .in_rows = in_rows,
                        .in_seconds = in_seconds,
                        .max_level = tidy_levels[LEVEL_COUNT - 1],
                        .diag = d};
    int err = 0;

    choose(dict, where, whole, in_rows, in_seconds);
    out->list = mem_calloc(dict->region_count + 1, sizeof *out->list);
    for (size_t i = 0; !err && i < dict->region_count; i++) {
        if (wants_region(where, dict->regions[i].name))
            err = sum_region(&scan, where, (int64_t)i, &out->list[out->count++]);
    }
    mem_free(in_rows);
    mem_free(in_seconds);
    return err;
}

static int sum(struct store *s, const char *run, const struct store_where *where, bool whole,
               struct store_sum_list *out, struct diag *d)
{
    struct store_sum_list sums = {0};
    struct sql_scope scope;
    int64_t key;
    int err;

    if (where->from < 0 || where->to < 0 || (where->to && where->from >= where->to))
        return diag_set(d, ERR_INVALID, "from %lld to %lld is no span", (long long)where->from,
                        (long long)where->to);
    err = sql_enter(s, &scope, d);
    if (err)
        return err;
    err = sql_run_key(s, run, &key, d);
    if (!err)
        err = dictionary_load(s, key, &sums._series, d);
    if (!err)
        err = sum_all(s, where, whole, &sums, d);
    err = sql_leave(s, scope, err, d);
    if (err)
        store_sum_list_deinit(&sums);
    else
        *out = sums;
    return err;
}

int store_sum(struct store *s, const char *run, const struct store_where *where,
              struct store_sum_list *out, struct diag *d)
{
    return sum(s, run, where, false, out, d);
}

int store_sum_metrics(struct store *s, const char *run, const struct store_where *where,
                      struct store_sum_list *out, struct diag *d)
{
    static const struct tags no_tags = {.count = 0};
    int err = sum(s, run, where, true, out, d);

    for (size_t i = 0; !err && i < out->_series->series_count; i++) {
        if (!out->_series->series[i].series.tags)
            out->_series->series[i].series.tags = &no_tags;
    }
    return err;
}

void store_sum_list_deinit(struct store_sum_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        window_free(l->list[i].window);
    mem_free(l->list);
    dictionary_free(l->_series);
    *l = (struct store_sum_list){0};
}
