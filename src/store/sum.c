/* What a run measured in all of a span, series by series; and which series there are. */
#include <errno.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/dictionary.h"
#include "store/point.h"
#include "store/scan.h"
#include "store/series.h"
#include "store/sql.h"
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
    return point_add(&a->sinks[number], a->dict->series[number].metric->adds_up, point);
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

static int sum_region(const struct scan *like, const struct store_where *where, int64_t region,
                      struct store_sums *out)
{
    struct adding a = {.dict = like->dict};
    struct scan scan = *like;
    int64_t to = where->to ? where->to : like->dict->regions[region].newest + 1;
    int err;

    a.sinks = mem_calloc(a.dict->series_count + 1, sizeof *a.sinks);
    for (size_t i = 0; i < a.dict->series_count; i++)
        sink_init(&a.sinks[i], a.dict->series[i].metric->metric.type);
    scan.fn = add_point;
    scan.arg = &a;
    err = scan_region(&scan, region, where->from, to);
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

static int sum_all(struct store *s, struct dictionary *dict, const struct store_where *where,
                   struct store_sum_list *out, struct diag *d)
{
    int32_t *numbers = mem_calloc(dict->series_count + 1, sizeof *numbers);
    struct scan scan = {.store = s,
                        .dict = dict,
                        .in_rows = numbers,
                        .in_seconds = numbers,
                        .max_level = tidy_levels[LEVEL_COUNT - 1],
                        .diag = d};
    int err = 0;

    for (size_t i = 0; i < dict->series_count; i++)
        numbers[i] = dictionary_lets(&dict->series[i], where) ? (int32_t)i : SCAN_SKIP;
    out->list = mem_calloc(dict->region_count + 1, sizeof *out->list);
    for (size_t i = 0; !err && i < dict->region_count; i++) {
        if (wants_region(where, dict->regions[i].name))
            err = sum_region(&scan, where, (int64_t)i, &out->list[out->count++]);
    }
    mem_free(numbers);
    return err;
}

int store_sum(struct store *s, const char *run, const struct store_where *where,
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
        err = sum_all(s, sums._series, where, &sums, d);
    err = sql_leave(s, scope, err, d);
    if (err)
        store_sum_list_deinit(&sums);
    else
        *out = sums;
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
