#include "store/tidy.h"

#include <errno.h>

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/dictionary.h"
#include "store/memory.h"
#include "store/point.h"
#include "store/roll.h"
#include "store/rows.h"
#include "store/sql.h"

enum { ROLL_SERIES = 500 /* at a time: some hundred milliseconds */ };

const int tidy_levels[LEVEL_COUNT] = {1, 10, 60, 600};

int tidy_row_seconds(size_t level)
{
    return level == 0 ? MINUTE : BLOCK;
}

/* --- a minute ----------------------------------------------------------------------------- */

/* A point of the minute that is being tidied. */
struct ref {
    uint32_t metric;
    uint32_t series;
    uint32_t slot;
    uint32_t len;
    size_t at; /* in the bytes of all rows */
};

struct minute {
    struct tidy *t;
    int64_t start;
    struct buf bytes;
    struct ref *refs;
    size_t count;
    bool is_rolled; /* its ten minutes are: rows of longer points are to be made again */
};

static int by_place(const void *a, const void *b)
{
    const struct ref *left = a;
    const struct ref *right = b;

    if (left->metric != right->metric)
        return left->metric < right->metric ? -1 : 1;
    if (left->series != right->series)
        return left->series < right->series ? -1 : 1;
    if (left->slot != right->slot)
        return left->slot < right->slot ? -1 : 1;
    return (left->at > right->at) - (left->at < right->at);
}

static int take_second(struct minute *m, int64_t second, struct str row)
{
    struct row_reader r;
    struct str point;
    size_t base = m->bytes.len;
    int more;

    buf_append_str(&m->bytes, row);
    if (row_open(&r, row) < 0 || r.is_alias)
        return rows_damaged(m->t);
    while ((more = row_next(&r, &point)) > 0) {
        if (r.slot >= m->t->dict->series_count || point.len > UINT32_MAX)
            return rows_damaged(m->t);
        if ((m->count & (m->count - 1)) == 0)
            m->refs = mem_reallocarray(m->refs, m->count ? m->count * 2 : 1, sizeof *m->refs);
        m->refs[m->count++] = (struct ref){
            .metric = m->t->dict->series[r.slot].metric->metric.id,
            .series = (uint32_t)r.slot,
            .slot = (uint32_t)(second - m->start),
            .len = (uint32_t)point.len,
            .at = base + (size_t)(point.ptr - row.ptr),
        };
    }
    return more < 0 ? rows_damaged(m->t) : 0;
}

static int load_minute(struct minute *m)
{
    struct tidy *t = m->t;
    struct sql q = sql(t->store, "SELECT second, points FROM seconds WHERE run = ? AND region = ? "
                                 "AND second >= ? AND second < ? ORDER BY second, key");
    int err;

    sql_int(&q, t->dict->run);
    sql_int(&q, t->region);
    sql_int(&q, m->start);
    sql_int(&q, m->start + MINUTE);
    while ((err = sql_row(&q, t->diag)) > 0) {
        int64_t second = sql_get_int(&q);

        err = take_second(m, second, sql_get_blob(&q));
        if (err)
            break;
    }
    sql_end(&q);
    if (!err && m->count > 1)
        qsort(m->refs, m->count, sizeof *m->refs, by_place);
    return err;
}

static struct str ref_bytes(const struct minute *m, const struct ref *ref)
{
    return str_from(m->bytes.data + ref->at, ref->len);
}

/* Adds points to what the row of `series` holds (`old`, which may be empty) and puts it. */
static int put_merged(const struct minute *m, uint32_t series, struct str old,
                      const struct ref *refs, size_t count)
{
    const struct dict_metric *metric = m->t->dict->series[series].metric;
    struct sink sinks[MINUTE];
    struct buf row = BUF_INIT(SIZE_MAX);
    int err = 0;

    sinks_init(sinks, MINUTE, metric->metric.type);
    if (old.len)
        err = rows_add(m->t, old, sinks, MINUTE, 1);
    for (size_t i = 0; !err && i < count; i++) {
        if (point_add(&sinks[refs[i].slot], ref_bytes(m, &refs[i])) < 0)
            err = rows_damaged(m->t);
    }
    if (!err) {
        rows_encode(sinks, MINUTE, &row);
        err = rows_put(m->t, 0, series, m->start, buf_str(&row));
    }
    sinks_deinit(sinks, MINUTE);
    buf_deinit(&row);
    return err;
}

/* The row of a series whose seconds have one point each and that has none yet: as they are. */
static int put_copied(const struct minute *m, uint32_t series, const struct ref *refs, size_t count)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    struct row_writer row;
    int err;

    row_begin(&row, &out);
    for (size_t i = 0; i < count; i++)
        row_put(&row, refs[i].slot, ref_bytes(m, &refs[i]));
    err = rows_put(m->t, 0, series, m->start, buf_str(&out));
    buf_deinit(&out);
    return err;
}

static int put_series(const struct minute *m, const struct ref *refs, size_t count)
{
    struct buf old = BUF_INIT(SIZE_MAX);
    bool is_simple = true;
    int err = rows_get_minute(m->t, refs->series, m->start, &old);

    for (size_t i = 1; i < count; i++)
        is_simple = is_simple && refs[i].slot != refs[i - 1].slot;
    if (!err)
        err = is_simple && old.len == 0 ? put_copied(m, refs->series, refs, count)
                                        : put_merged(m, refs->series, buf_str(&old), refs, count);
    buf_deinit(&old);
    return err;
}

/* The row of a metric's total: an alias while only one series has been there in this minute. */
static int put_total(const struct minute *m, const struct ref *refs, size_t count)
{
    uint32_t total = m->t->dict->series[refs->series].metric->total;
    bool is_one = refs[0].series == refs[count - 1].series;
    struct buf old = BUF_INIT(SIZE_MAX);
    struct row_reader r = {.is_alias = false};
    int err = rows_get_minute(m->t, total, m->start, &old);

    if (!err && old.len && row_open(&r, buf_str(&old)) < 0)
        err = rows_damaged(m->t);
    if (!err && is_one && (old.len == 0 || (r.is_alias && r.alias == refs->series))) {
        buf_reset(&old);
        row_alias(&old, refs->series);
        err = rows_put(m->t, 0, total, m->start, buf_str(&old));
    } else if (!err) {
        if (r.is_alias) {
            buf_reset(&old);
            err = rows_get_minute(m->t, r.alias, m->start, &old);
        }
        if (!err)
            err = put_merged(m, total, buf_str(&old), refs, count);
    }
    buf_deinit(&old);
    return err;
}

static int roll_again(const struct minute *m, uint32_t series)
{
    int err = m->is_rolled ? roll_series(m->t, series, tidy_floor(m->start, BLOCK)) : 0;

    return err < 0 ? err : 0;
}

/* All of one metric: its total first, which looks at rows as they were. */
static int put_metric(const struct minute *m, const struct ref *refs, size_t count)
{
    int err = put_total(m, refs, count);

    for (size_t i = 0; !err && i < count;) {
        size_t n = 1;

        while (i + n < count && refs[i + n].series == refs[i].series)
            n++;
        err = put_series(m, refs + i, n);
        if (!err)
            err = roll_again(m, refs[i].series);
        i += n;
    }
    /* Last: it may be an alias of a row that is there by now. */
    return err ? err : roll_again(m, m->t->dict->series[refs->series].metric->total);
}

static int forget_seconds(const struct tidy *t, int64_t from, int64_t to)
{
    struct sql q = sql(t->store, "DELETE FROM seconds WHERE run = ? AND region = ? "
                                 "AND second >= ? AND second < ?");

    sql_int(&q, t->dict->run);
    sql_int(&q, t->region);
    sql_int(&q, from);
    sql_int(&q, to);
    return sql_run(&q, t->diag);
}

static int tidy_minute(struct tidy *t, int64_t start)
{
    struct minute m = {.t = t, .start = start, .bytes = BUF_INIT(SIZE_MAX)};
    int err = load_minute(&m);

    m.is_rolled = start < t->dict->regions[t->region].rolled;
    for (size_t i = 0; !err && i < m.count;) {
        size_t n = 1;

        while (i + n < m.count && m.refs[i + n].metric == m.refs[i].metric)
            n++;
        err = put_metric(&m, m.refs + i, n);
        i += n;
    }
    if (!err)
        err = forget_seconds(t, start, start + MINUTE);
    mem_free(m.refs);
    buf_deinit(&m.bytes);
    return err;
}

/* --- what is due -------------------------------------------------------------------------- */

static int oldest_second(const struct tidy *t, int64_t *out)
{
    struct sql q = sql(t->store, "SELECT min(second) FROM seconds WHERE run = ? AND region = ?");

    sql_int(&q, t->dict->run);
    sql_int(&q, t->region);
    return sql_number(&q, INT64_MAX, out, t->diag);
}

static int note_rolled(struct tidy *t, int64_t rolled)
{
    struct sql q = sql(t->store, "UPDATE run_regions SET rolled = ? WHERE run = ? AND id = ?");

    t->dict->regions[t->region].rolled = rolled;
    sql_int(&q, rolled);
    sql_int(&q, t->dict->run);
    sql_int(&q, t->region);
    return sql_run(&q, t->diag);
}

/* Some series of the region's next ten minutes; when all have had their turn, they are rolled. */
static int roll_some(struct tidy *t, struct dict_region *region)
{
    unsigned count = 0;

    while (region->roll_next < t->dict->series_count && count < ROLL_SERIES) {
        int done = roll_series(t, region->roll_next, region->rolled);

        if (done < 0)
            return done;
        region->roll_next++;
        count += (unsigned)done;
    }
    if (region->roll_next < t->dict->series_count)
        return 0;
    region->roll_next = 0;
    return note_rolled(t, region->rolled + BLOCK);
}

/* One piece of a region: 1, or 0 when nothing is due. */
static int tidy_region(struct tidy *t, bool has_ended)
{
    struct dict_region *region = &t->dict->regions[t->region];
    int64_t due = has_ended ? INT64_MAX : region->newest - TIDY_GRACE;
    int64_t oldest;
    int64_t minute;
    int err = oldest_second(t, &oldest);

    if (err)
        return err;
    minute = oldest == INT64_MAX ? 0 : tidy_floor(oldest, MINUTE);
    if (oldest != INT64_MAX && (minute < region->rolled || minute + MINUTE <= due)) {
        /* Ten minutes that are being rolled may have got another minute: they are begun anew. */
        region->roll_next = 0;
        err = tidy_minute(t, minute);
    } else if (region->rolled <= region->newest && region->rolled + BLOCK <= due) {
        err = roll_some(t, region);
    } else {
        return 0;
    }
    return err ? err : 1;
}

static int note_tidied(struct store *s, int64_t run, struct diag *d)
{
    struct sql q = sql(s, "UPDATE runs SET tidied = 1 WHERE key = ?");

    sql_int(&q, run);
    return sql_run(&q, d);
}

static int tidy_run(struct store *s, const char *id, bool has_ended, struct diag *d)
{
    struct tidy t = {.store = s, .diag = d};
    int done = memory_series(s, id, &t.dict, d);

    for (size_t i = 0; done == 0 && i < t.dict->region_count; i++) {
        t.region = (int64_t)i;
        done = tidy_region(&t, has_ended);
    }
    if (done == 0 && has_ended) {
        done = note_tidied(s, t.dict->run, d);
        memory_forget_run(s, id);
        return done ? done : 1;
    }
    return done;
}

int tidy_windows(struct store *s, struct diag *d)
{
    struct sql q = sql(s, "SELECT id, phase = 'ended' FROM runs WHERE tidied = 0 ORDER BY key");
    struct buf ids = BUF_INIT(SIZE_MAX);
    int err;

    /* The list first: what is tidied changes it. */
    while ((err = sql_row(&q, d)) > 0) {
        const char *id = sql_get_text(&q);

        buf_append(&ids, id, strlen(id) + 1);
        buf_append_char(&ids, sql_get_int(&q) ? 1 : 0);
    }
    if (err == 0)
        sql_end(&q);
    for (size_t at = 0; err == 0 && at < ids.len;) {
        const char *id = ids.data + at;

        at += strlen(id) + 2;
        err = tidy_run(s, id, ids.data[at - 1] != 0, d);
    }
    buf_deinit(&ids);
    return err;
}
