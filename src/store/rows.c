#include "store/rows.h"

#include <errno.h>

#include "base/err.h"
#include "store/dictionary.h"
#include "store/point.h"
#include "store/sql.h"
#include "store/tidy.h"

int rows_damaged(const struct tidy *t)
{
    return diag_set(t->diag, -EBADMSG, "%s: windows of a run are damaged: restore a backup",
                    t->store->path);
}

int rows_put(const struct tidy *t, size_t level, uint32_t series, int64_t start, struct str row)
{
    static const char *const texts[LEVEL_COUNT] =
        LEVEL_SQL("INSERT INTO ", " (run, series, region, start, points) VALUES (?, ?, ?, ?, ?) "
                                  "ON CONFLICT DO UPDATE SET points = excluded.points");
    struct sql q = sql(t->store, texts[level]);

    sql_int(&q, t->dict->run);
    sql_int(&q, series);
    sql_int(&q, t->region);
    sql_int(&q, start);
    sql_blob(&q, row);
    return sql_run(&q, t->diag);
}

int rows_get_minute(const struct tidy *t, uint32_t series, int64_t minute, struct buf *out)
{
    struct sql q = sql(t->store, "SELECT points FROM points_1 WHERE run = ? AND series = ? "
                                 "AND region = ? AND start = ?");
    int err;

    sql_int(&q, t->dict->run);
    sql_int(&q, series);
    sql_int(&q, t->region);
    sql_int(&q, minute);
    err = sql_row(&q, t->diag);
    if (err > 0) {
        buf_append_str(out, sql_get_blob(&q));
        sql_end(&q);
        err = 0;
    }
    return err;
}

int rows_add(const struct tidy *t, struct str row, struct sink *sinks, size_t count,
             uint64_t per_sink)
{
    struct row_reader r;
    struct str point;
    int more;

    if (row_open(&r, row) < 0 || r.is_alias)
        return rows_damaged(t);
    while ((more = row_next(&r, &point)) > 0) {
        if (r.slot / per_sink >= count || point_add(&sinks[r.slot / per_sink], point) < 0)
            return rows_damaged(t);
    }
    return more < 0 ? rows_damaged(t) : 0;
}

void rows_encode(const struct sink *sinks, size_t count, struct buf *out)
{
    struct buf point = BUF_INIT(SIZE_MAX);
    struct row_writer row;

    row_begin(&row, out);
    for (size_t i = 0; i < count; i++) {
        if (sinks[i].is_empty)
            continue;
        buf_reset(&point);
        point_encode(&sinks[i], &point);
        row_put(&row, i, buf_str(&point));
    }
    buf_deinit(&point);
}

void sinks_init(struct sink *sinks, size_t count, enum metric_type type)
{
    for (size_t i = 0; i < count; i++)
        sink_init(&sinks[i], type);
}

void sinks_deinit(struct sink *sinks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sink_deinit(&sinks[i]);
}
