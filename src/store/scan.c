#include "store/scan.h"

#include <errno.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/point.h"
#include "store/sql.h"
#include "store/tidy.h"

int scan_damaged(const struct scan *s)
{
    return diag_set(s->diag, -EBADMSG, "%s: windows of a run are damaged: restore a backup",
                    s->store->path);
}

/* A stretch of one level's steps. */
struct stretch {
    int64_t region;
    size_t level; /* index into tidy_levels */
    int64_t from;
    int64_t to;
};

/* --- rows of series ----------------------------------------------------------------------- */

static int take_points(const struct scan *s, const struct stretch *at, int32_t number,
                       int64_t start, struct row_reader *r)
{
    struct str point;
    int more;

    while ((more = row_next(r, &point)) > 0) {
        int64_t second = start + (int64_t)r->slot * tidy_levels[at->level];
        int err;

        if (second < at->from || second >= at->to)
            continue;
        err = s->fn(s->arg, number, at->region, second, point);
        if (err)
            return err;
    }
    return more < 0 ? scan_damaged(s) : 0;
}

/* A total that is the one series which was there. */
static int follow_alias(const struct scan *s, const struct stretch *at, int32_t number,
                        int64_t start, uint32_t alias)
{
    static const char *const texts[LEVEL_COUNT] = LEVEL_SQL(
        "SELECT points FROM ", " WHERE run = ? AND series = ? AND region = ? AND start = ?");
    struct sql q = sql(s->store, texts[at->level]);
    struct row_reader r = {0};
    int err;

    sql_int(&q, s->dict->run);
    sql_int(&q, alias);
    sql_int(&q, at->region);
    sql_int(&q, start);
    err = sql_row(&q, s->diag);
    if (err < 0)
        return err;
    if (err == 0 || row_open(&r, sql_get_blob(&q)) < 0 || r.is_alias)
        err = scan_damaged(s);
    else
        err = take_points(s, at, number, start, &r);
    sql_end(&q);
    return err;
}

static int scan_series(const struct scan *s, const struct stretch *at, uint32_t series)
{
    static const char *const texts[LEVEL_COUNT] =
        LEVEL_SQL("SELECT start, points FROM ", " WHERE run = ? AND series = ? AND region = ? "
                                                "AND start > ? AND start < ?");
    struct sql q = sql(s->store, texts[at->level]);
    int32_t number = s->in_rows[series];
    int err;

    sql_int(&q, s->dict->run);
    sql_int(&q, series);
    sql_int(&q, at->region);
    sql_int(&q, at->from - tidy_row_seconds(at->level));
    sql_int(&q, at->to);
    while ((err = sql_row(&q, s->diag)) > 0) {
        int64_t start = sql_get_int(&q);
        struct row_reader r = {0};

        if (row_open(&r, sql_get_blob(&q)) < 0)
            err = scan_damaged(s);
        else if (r.is_alias)
            err = follow_alias(s, at, number, start, r.alias);
        else
            err = take_points(s, at, number, start, &r);
        if (err)
            break;
    }
    sql_end(&q);
    return err;
}

static int scan_stretch(const struct scan *s, const struct stretch *at)
{
    int err = 0;

    for (uint32_t i = 0; !err && i < s->dict->series_count; i++) {
        if (s->in_rows[i] != SCAN_SKIP)
            err = scan_series(s, at, i);
    }
    return err;
}

/* [from, to) by steps of the level at most, its ragged ends by finer ones. */
static int scan_levels(const struct scan *s, int64_t region, size_t level, const int64_t span[2])
{
    int length = tidy_levels[level];
    int64_t from = tidy_floor(span[0] + length - 1, length);
    int64_t to = tidy_floor(span[1], length);
    struct stretch at = {region, level, from, to};
    int err;

    if (span[0] >= span[1])
        return 0;
    if (length > s->max_level || from >= to)
        return scan_levels(s, region, level - 1, span);
    err = level ? scan_levels(s, region, level - 1, (const int64_t[]){span[0], from}) : 0;
    if (!err)
        err = scan_stretch(s, &at);
    if (!err && level)
        err = scan_levels(s, region, level - 1, (const int64_t[]){to, span[1]});
    return err;
}

/* --- rows of seconds ---------------------------------------------------------------------- */

static int take_second(const struct scan *s, int64_t region, int64_t second, struct str row)
{
    struct row_reader r = {0};
    struct str point;
    int more;

    if (row_open(&r, row) < 0 || r.is_alias)
        return scan_damaged(s);
    while ((more = row_next(&r, &point)) > 0) {
        int err;

        if (r.slot >= s->dict->series_count)
            return scan_damaged(s);
        if (s->in_seconds[r.slot] == SCAN_SKIP)
            continue;
        err = s->fn(s->arg, s->in_seconds[r.slot], region, second, point);
        if (err)
            return err;
    }
    return more < 0 ? scan_damaged(s) : 0;
}

static int scan_seconds(const struct scan *s, int64_t region, int64_t from, int64_t to)
{
    struct sql q = sql(s->store, "SELECT second, points FROM seconds WHERE run = ? AND region = ? "
                                 "AND second >= ? AND second < ? ORDER BY second, key");
    int err;

    sql_int(&q, s->dict->run);
    sql_int(&q, region);
    sql_int(&q, from);
    sql_int(&q, to);
    while ((err = sql_row(&q, s->diag)) > 0) {
        int64_t second = sql_get_int(&q);

        err = take_second(s, region, second, sql_get_blob(&q));
        if (err)
            break;
    }
    sql_end(&q);
    return err;
}

int scan_region(const struct scan *s, int64_t region, int64_t from, int64_t to)
{
    int64_t rolled = s->dict->regions[region].rolled;
    int64_t middle = from > rolled ? from : to < rolled ? to : rolled;
    int err = scan_levels(s, region, LEVEL_COUNT - 1, (const int64_t[]){from, middle});

    if (!err)
        err = scan_levels(s, region, 0, (const int64_t[]){middle, to});
    return err ? err : scan_seconds(s, region, from, to);
}

/* --- first and last ----------------------------------------------------------------------- */

static int note_ends(void *arg, int32_t number, int64_t region, int64_t second, struct str point)
{
    int64_t *ends = arg;

    (void)number;
    (void)region;
    (void)point;
    if (second < ends[0])
        ends[0] = second;
    if (second > ends[1])
        ends[1] = second;
    return 0;
}

/* What [from, to) has by steps of `level` at most. */
static int find_ends(const struct scan *like, int level, int64_t region, const int64_t span[2],
                     int64_t out[2])
{
    struct scan scan = *like;

    scan.max_level = level;
    scan.fn = note_ends;
    scan.arg = out;
    out[0] = INT64_MAX;
    out[1] = INT64_MIN;
    return scan_region(&scan, region, span[0], span[1]);
}

int scan_ends(const struct scan *s, uint32_t series, int64_t region, const int64_t span[2],
              int64_t out[2])
{
    const int coarse = tidy_levels[LEVEL_COUNT - 1];
    int32_t *numbers = mem_calloc(s->dict->series_count, sizeof *numbers);
    struct scan scan = *s;
    int64_t rough[2];
    int64_t fine[2];
    int err;

    for (size_t i = 0; i < s->dict->series_count; i++)
        numbers[i] = i == series ? 0 : SCAN_SKIP;
    scan.in_rows = numbers;
    scan.in_seconds = numbers;
    err = find_ends(&scan, coarse, region, span, rough);
    out[0] = INT64_MAX;
    out[1] = INT64_MIN;
    for (size_t i = 0; !err && i < 2 && rough[0] != INT64_MAX; i++) {
        int64_t to = rough[i] + coarse < span[1] ? rough[i] + coarse : span[1];

        err = find_ends(&scan, 1, region, (const int64_t[]){rough[i], to}, fine);
        out[i] = fine[i];
    }
    mem_free(numbers);
    return err;
}
