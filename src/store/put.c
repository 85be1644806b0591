/* A second of a region, as it comes: one row with the points of all its series. */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/dictionary.h"
#include "store/memory.h"
#include "store/point.h"
#include "store/series.h"
#include "store/sql.h"

enum { MOST_REGION = 100, MOST_BYTES = 512 * 1024 * 1024 };

struct put_item {
    uint32_t series;
    const struct sink *sink;
};

static int by_series(const void *a, const void *b)
{
    uint32_t left = ((const struct put_item *)a)->series;
    uint32_t right = ((const struct put_item *)b)->series;

    return (left > right) - (left < right);
}

/* The windows' sinks by the ids of their series. */
static int gather(struct store *s, struct dictionary *dict, const struct window *const *windows,
                  size_t count, struct put_item **out, size_t *out_count, struct diag *d)
{
    struct put_item *items;
    size_t most = 0;
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        most += windows[i]->count;
    items = mem_calloc(most + 1, sizeof *items);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < windows[i]->count; j++) {
            const struct window_series *w = &windows[i]->series[j];
            int64_t id = w->sink.is_empty ? 0 : dictionary_add(dict, s, w->series, d);

            if (id < 0) {
                mem_free(items);
                return (int)id;
            }
            if (!w->sink.is_empty)
                items[n++] = (struct put_item){(uint32_t)id, &w->sink};
        }
    }
    qsort(items, n, sizeof *items, by_series);
    *out = items;
    *out_count = n;
    return 0;
}

/* Adds to a gauge that adds up over its sources; its time is the second's, so that what is put for
 * the same second later takes its place. */
static void add_up(struct sink *sum, const struct sink *one, int64_t second)
{
    sum->gauge.value += one->gauge.value;
    sum->gauge.min = sum->gauge.max = sum->gauge.value;
    sum->gauge.wall_nsec = second * NSEC_PER_SEC;
    sum->is_empty = false;
}

/* One point of the sinks of one series; returns how many they are. */
static size_t encode_series(const struct dictionary *dict, const struct put_item *items,
                            size_t count, int64_t second, struct buf *out)
{
    bool adds_up = dict->series[items->series].metric->adds_up;
    struct sink sum;
    size_t n = 1;

    while (n < count && items[n].series == items->series)
        n++;
    if (n == 1 && !adds_up) {
        point_encode(items->sink, out);
        return 1;
    }
    sink_init(&sum, items->sink->type);
    for (size_t i = 0; i < n; i++) {
        if (adds_up)
            add_up(&sum, items[i].sink, second);
        else
            sink_merge(&sum, items[i].sink);
    }
    point_encode(&sum, out);
    sink_deinit(&sum);
    return n;
}

static void encode_row(const struct dictionary *dict, const struct put_item *items, size_t count,
                       int64_t second, struct buf *out)
{
    struct buf point = BUF_INIT(SIZE_MAX);
    struct row_writer row;

    row_begin(&row, out);
    for (size_t i = 0; i < count;) {
        uint32_t series = items[i].series;

        buf_reset(&point);
        i += encode_series(dict, items + i, count - i, second, &point);
        row_put(&row, series, buf_str(&point));
    }
    buf_deinit(&point);
}

static int insert_second(struct store *s, int64_t run, int64_t region, int64_t second,
                         struct str row, struct diag *d)
{
    struct sql q = sql(s, "INSERT INTO seconds (run, region, second, points) VALUES (?, ?, ?, ?)");

    sql_int(&q, run);
    sql_int(&q, region);
    sql_int(&q, second);
    sql_blob(&q, row);
    return sql_run(&q, d);
}

static int note_newest(struct store *s, struct dictionary *dict, int64_t region, int64_t second,
                       struct diag *d)
{
    struct sql q;

    if (second <= dict->regions[region].newest)
        return 0;
    dict->regions[region].newest = second;
    q = sql(s, "UPDATE run_regions SET newest = ? WHERE run = ? AND id = ?");
    sql_int(&q, second);
    sql_int(&q, dict->run);
    sql_int(&q, region);
    return sql_run(&q, d);
}

/* Late windows of a run that was tidied to its end. */
static int note_untidy(struct store *s, int64_t run, struct diag *d)
{
    struct sql q = sql(s, "UPDATE runs SET tidied = 0 WHERE key = ? AND tidied = 1");

    sql_int(&q, run);
    return sql_run(&q, d);
}

static int put(struct store *s, const struct store_second *at, const struct window *const *windows,
               size_t count, struct diag *d)
{
    struct buf row = BUF_INIT(MOST_BYTES);
    struct put_item *items = NULL;
    size_t item_count = 0;
    struct dictionary *dict;
    int64_t region = 0;
    int err = memory_series(s, at->run, &dict, d);

    if (!err) {
        region = dictionary_add_region(dict, s, at->region, d);
        err = region < 0 ? (int)region : gather(s, dict, windows, count, &items, &item_count, d);
    }
    if (!err && item_count > 0) {
        encode_row(dict, items, item_count, at->second, &row);
        err = buf_is_over(&row) ? diag_set(d, ERR_LIMIT, "a second of %.*s takes more than %d MB",
                                           STR_ARG(at->region), MOST_BYTES / 1024 / 1024)
                                : insert_second(s, dict->run, region, at->second, buf_str(&row), d);
        if (!err)
            err = note_newest(s, dict, region, at->second, d);
        if (!err)
            err = note_untidy(s, dict->run, d);
    }
    mem_free(items);
    buf_deinit(&row);
    return err;
}

int store_put_second(struct store *s, const struct store_second *at,
                     const struct window *const *windows, size_t count, struct diag *d)
{
    struct sql_scope scope;
    int err;

    if (at->second < STORE_MIN_SECOND || at->second >= STORE_MAX_SECOND)
        return diag_set(d, ERR_LIMIT, "second %lld of run %s: they go from %d to %d",
                        (long long)at->second, at->run, STORE_MIN_SECOND, STORE_MAX_SECOND);
    if (at->region.len == 0 || at->region.len > MOST_REGION || str_find(at->region, '\0') >= 0)
        return diag_set(d, ERR_INVALID, "a region's name has 1 to %d characters", MOST_REGION);
    err = sql_enter(s, &scope, d);
    if (err)
        return err;
    return sql_leave(s, scope, put(s, at, windows, count, d), d);
}

/* --- positions ---------------------------------------------------------------------------- */

int store_put_position(struct store *s, const char *run, const char *source, int64_t position,
                       struct diag *d)
{
    struct sql q = sql(s, "INSERT INTO positions (run, source, position) "
                          "SELECT key, ?, ? FROM runs WHERE id = ? "
                          "ON CONFLICT DO UPDATE SET position = excluded.position");

    sql_text(&q, source);
    sql_int(&q, position);
    sql_text(&q, run);
    return sql_run(&q, d);
}

int store_get_position(struct store *s, const char *run, const char *source, int64_t none,
                       int64_t *out, struct diag *d)
{
    struct sql q = sql(s, "SELECT position FROM positions WHERE source = ? "
                          "AND run = (SELECT key FROM runs WHERE id = ?)");

    sql_text(&q, source);
    sql_text(&q, run);
    return sql_number(&q, none, out, d);
}
