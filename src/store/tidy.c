#include "store/tidy.h"

#include <errno.h>

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/dictionary.h"
#include "store/memory.h"
#include "store/point.h"
#include "store/sql.h"

const int tidy_levels[LEVEL_COUNT] = {1, 10, 60, 600};

int tidy_row_seconds(size_t level)
{
    return level == 0 ? MINUTE : BLOCK;
}

struct tidy {
    struct store *store;
    struct dictionary *dict;
    int64_t region;
    struct diag *diag;
};

static int damaged(const struct tidy *t)
{
    return diag_set(t->diag, -EBADMSG, "%s: windows of a run are damaged: restore a backup",
                    t->store->path);
}

/* --- rows of series ----------------------------------------------------------------------- */

static int put_row(const struct tidy *t, size_t level, uint32_t series, int64_t start,
                   struct str row)
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

/* Appends the minute's row to `out` (empty: there is none). */
static int get_minute(const struct tidy *t, uint32_t series, int64_t minute, struct buf *out)
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

/* Adds a row's points to the sinks of their slots. */
static int add_row(const struct tidy *t, struct str row, struct sink *sinks, size_t count,
                   uint64_t slot_seconds)
{
    struct row_reader r;
    struct str point;
    int more;

    if (row_open(&r, row) < 0 || r.is_alias)
        return damaged(t);
    while ((more = row_next(&r, &point)) > 0) {
        if (r.slot / slot_seconds >= count || point_add(&sinks[r.slot / slot_seconds], point) < 0)
            return damaged(t);
    }
    return more < 0 ? damaged(t) : 0;
}

static void encode_sinks(const struct sink *sinks, size_t count, struct buf *out)
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

static void init_sinks(struct sink *sinks, size_t count, enum metric_type type)
{
    for (size_t i = 0; i < count; i++)
        sink_init(&sinks[i], type);
}

static void deinit_sinks(struct sink *sinks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sink_deinit(&sinks[i]);
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
        return damaged(m->t);
    while ((more = row_next(&r, &point)) > 0) {
        if (r.slot >= m->t->dict->series_count || point.len > UINT32_MAX)
            return damaged(m->t);
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
    return more < 0 ? damaged(m->t) : 0;
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

    init_sinks(sinks, MINUTE, metric->metric.type);
    if (old.len)
        err = add_row(m->t, old, sinks, MINUTE, 1);
    for (size_t i = 0; !err && i < count; i++) {
        if (point_add(&sinks[refs[i].slot], ref_bytes(m, &refs[i])) < 0)
            err = damaged(m->t);
    }
    if (!err) {
        encode_sinks(sinks, MINUTE, &row);
        err = put_row(m->t, 0, series, m->start, buf_str(&row));
    }
    deinit_sinks(sinks, MINUTE);
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
    err = put_row(m->t, 0, series, m->start, buf_str(&out));
    buf_deinit(&out);
    return err;
}

static int put_series(const struct minute *m, const struct ref *refs, size_t count)
{
    struct buf old = BUF_INIT(SIZE_MAX);
    bool is_simple = true;
    int err = get_minute(m->t, refs->series, m->start, &old);

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
    int err = get_minute(m->t, total, m->start, &old);

    if (!err && old.len && row_open(&r, buf_str(&old)) < 0)
        err = damaged(m->t);
    if (!err && is_one && (old.len == 0 || (r.is_alias && r.alias == refs->series))) {
        buf_reset(&old);
        row_alias(&old, refs->series);
        err = put_row(m->t, 0, total, m->start, buf_str(&old));
    } else if (!err) {
        if (r.is_alias) {
            buf_reset(&old);
            err = get_minute(m->t, r.alias, m->start, &old);
        }
        if (!err)
            err = put_merged(m, total, buf_str(&old), refs, count);
    }
    buf_deinit(&old);
    return err;
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
        i += n;
    }
    return err;
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

/* --- ten minutes -------------------------------------------------------------------------- */

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
            err = damaged(t);
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
    int err = row_open(&r, row) < 0 ? damaged(t) : 0;

    if (!err && r.is_alias) {
        err = get_minute(t, r.alias, minute, &other);
        row = buf_str(&other);
    }
    if (!err)
        err = add_row(t, row, tens + (minute - start) / 10, MINUTE / 10, 10);
    buf_deinit(&other);
    return err;
}

static int put_level(const struct tidy *t, uint32_t series, int64_t start, size_t level,
                     const struct sink *sinks)
{
    struct buf row = BUF_INIT(SIZE_MAX);
    int err;

    encode_sinks(sinks, (size_t)(BLOCK / tidy_levels[level]), &row);
    err = put_row(t, level, series, start, buf_str(&row));
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

    init_sinks(tens, COUNT_OF(tens), metric->metric.type);
    init_sinks(minutes, COUNT_OF(minutes), metric->metric.type);
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
    deinit_sinks(tens, COUNT_OF(tens));
    deinit_sinks(minutes, COUNT_OF(minutes));
    sink_deinit(&all);
    return err;
}

static int put_aliases(const struct tidy *t, uint32_t series, int64_t start, uint32_t alias)
{
    struct buf row = BUF_INIT(SIZE_MAX);
    int err = 0;

    row_alias(&row, alias);
    for (size_t i = 1; !err && i < LEVEL_COUNT; i++)
        err = put_row(t, i, series, start, buf_str(&row));
    buf_deinit(&row);
    return err;
}

static int roll_block(struct tidy *t, int64_t start)
{
    struct block b = {.rows = BUF_INIT(SIZE_MAX)};
    int err = 0;

    for (uint32_t i = 0; !err && i < t->dict->series_count; i++) {
        err = load_block(t, i, start, &b);
        if (err || b.count == 0)
            continue;
        err = b.is_alias ? put_aliases(t, i, start, b.alias) : put_levels(t, i, start, &b);
    }
    buf_deinit(&b.rows);
    return err;
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

/* --- what is due -------------------------------------------------------------------------- */

static int oldest_second(const struct tidy *t, int64_t *out)
{
    struct sql q = sql(t->store, "SELECT min(second) FROM seconds WHERE run = ? AND region = ?");

    sql_int(&q, t->dict->run);
    sql_int(&q, t->region);
    return sql_number(&q, INT64_MAX, out, t->diag);
}

/* One piece of a region: 1, or 0 when nothing is due. */
static int tidy_region(struct tidy *t, bool has_ended)
{
    const struct dict_region *region = &t->dict->regions[t->region];
    int64_t due = has_ended ? INT64_MAX : region->newest - TIDY_GRACE;
    int64_t oldest;
    int64_t minute;
    int err = oldest_second(t, &oldest);

    if (err)
        return err;
    minute = oldest == INT64_MAX ? 0 : tidy_floor(oldest, MINUTE);
    if (oldest != INT64_MAX && (minute < region->rolled || minute + MINUTE <= due)) {
        err = tidy_minute(t, minute);
        if (!err && minute < region->rolled)
            err = roll_block(t, tidy_floor(minute, BLOCK));
        return err ? err : 1;
    }
    if (region->rolled > region->newest || region->rolled + BLOCK > due)
        return 0;
    err = roll_block(t, region->rolled);
    if (!err)
        err = note_rolled(t, region->rolled + BLOCK);
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
