#include "store/roll.h"

#include "base/err.h"
#include "metrics/sink.h"
#include "store/dictionary.h"
#include "store/point.h"
#include "store/rows.h"
#include "store/sql.h"
#include "store/tidy.h"

/* A series' ten minutes: its rows one after another, and whose they are. */
struct block {
    struct buf rows;
    struct {
        size_t at;
        size_t len;
        int64_t start;
    } minutes[BLOCK / MINUTE];
    size_t count;
    bool is_alias; /* all are aliases of `alias` */
    uint32_t alias;
};

static int load_block(const struct tidy *t, uint32_t series, int64_t start, struct block *b)
{
    struct sql q = sql(t->store, "SELECT start, points FROM points_1 WHERE run = ? AND series = ? "
                                 "AND region = ? AND start >= ? AND start < ?");
    int err;

    b->count = 0;
    b->is_alias = true;
    buf_reset(&b->rows);
    sql_int(&q, t->dict->run);
    sql_int(&q, series);
    sql_int(&q, t->region);
    sql_int(&q, start);
    sql_int(&q, start + BLOCK);
    while ((err = sql_row(&q, t->diag)) > 0 && b->count < COUNT_OF(b->minutes)) {
        int64_t minute = sql_get_int(&q);
        struct str row = sql_get_blob(&q);
        struct row_reader r;

        if (row_open(&r, row) < 0) {
            err = rows_damaged(t);
            break;
        }
        b->is_alias = b->is_alias && r.is_alias && (b->count == 0 || r.alias == b->alias);
        b->alias = r.alias;
        b->minutes[b->count].at = b->rows.len;
        b->minutes[b->count].len = row.len;
        b->minutes[b->count++].start = minute;
        buf_append_str(&b->rows, row);
    }
    sql_end(&q);
    return err < 0 ? err : 0;
}

/* Adds a minute's points to the steps of ten seconds. */
static int add_minute(const struct tidy *t, struct str row, int64_t minute, int64_t start,
                      struct sink *tens)
{
    struct buf other = BUF_INIT(SIZE_MAX);
    struct row_reader r;
    int err = row_open(&r, row) < 0 ? rows_damaged(t) : 0;

    if (!err && r.is_alias) {
        err = rows_get_minute(t, r.alias, minute, &other);
        row = buf_str(&other);
    }
    if (!err)
        err = rows_add(t, row, tens + (minute - start) / 10, MINUTE / 10, 10);
    buf_deinit(&other);
    return err;
}

static int put_level(const struct tidy *t, uint32_t series, int64_t start, size_t level,
                     const struct sink *sinks)
{
    struct buf row = BUF_INIT(SIZE_MAX);
    int err;

    rows_encode(sinks, (size_t)(BLOCK / tidy_levels[level]), &row);
    err = rows_put(t, level, series, start, buf_str(&row));
    buf_deinit(&row);
    return err;
}

static int put_levels(const struct tidy *t, uint32_t series, int64_t start, const struct block *b)
{
    const struct dict_metric *metric = t->dict->series[series].metric;
    struct sink tens[BLOCK / 10];
    struct sink minutes[BLOCK / MINUTE];
    struct sink all;
    int err = 0;

    sinks_init(tens, COUNT_OF(tens), metric->metric.type);
    sinks_init(minutes, COUNT_OF(minutes), metric->metric.type);
    sink_init(&all, metric->metric.type);
    for (size_t i = 0; !err && i < b->count; i++)
        err = add_minute(t, str_from(b->rows.data + b->minutes[i].at, b->minutes[i].len),
                         b->minutes[i].start, start, tens);
    for (size_t i = 0; i < COUNT_OF(tens); i++)
        sink_merge(&minutes[i / 6], &tens[i]);
    for (size_t i = 0; i < COUNT_OF(minutes); i++)
        sink_merge(&all, &minutes[i]);
    if (!err)
        err = put_level(t, series, start, 1, tens);
    if (!err)
        err = put_level(t, series, start, 2, minutes);
    if (!err)
        err = put_level(t, series, start, 3, &all);
    sinks_deinit(tens, COUNT_OF(tens));
    sinks_deinit(minutes, COUNT_OF(minutes));
    sink_deinit(&all);
    return err;
}

static int put_aliases(const struct tidy *t, uint32_t series, int64_t start, uint32_t alias)
{
    struct buf row = BUF_INIT(SIZE_MAX);
    int err = 0;

    row_alias(&row, alias);
    for (size_t i = 1; !err && i < LEVEL_COUNT; i++)
        err = rows_put(t, i, series, start, buf_str(&row));
    buf_deinit(&row);
    return err;
}

int roll_series(const struct tidy *t, uint32_t series, int64_t start)
{
    struct block b = {.rows = BUF_INIT(SIZE_MAX)};
    int err = load_block(t, series, start, &b);
    bool any = b.count > 0;

    if (!err && any)
        err =
            b.is_alias ? put_aliases(t, series, start, b.alias) : put_levels(t, series, start, &b);
    buf_deinit(&b.rows);
    return err ? err : any;
}
