/* Retention, and giving back the space of what was deleted, bit by bit. */
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/run.h"
#include "store/sql.h"
#include "store/store.h"
#include "store/tidy.h"

enum {
    PURGE_ROWS = 2000,   /* at a time: some ten megabytes of windows */
    VACUUM_PAGES = 4096, /* at a time; fewer free pages than these are kept for what comes */
    ANSWER_AGE_HOURS = 24,
};

/* --- deleted runs ------------------------------------------------------------------------- */

/* Large tables first; the last one is followed by the mark itself. */
static const char *const purges[] = {
    "DELETE FROM points_1 WHERE key IN (SELECT key FROM points_1 WHERE run = ?1 LIMIT ?2)",
    "DELETE FROM points_10 WHERE key IN (SELECT key FROM points_10 WHERE run = ?1 LIMIT ?2)",
    "DELETE FROM points_60 WHERE key IN (SELECT key FROM points_60 WHERE run = ?1 LIMIT ?2)",
    "DELETE FROM points_600 WHERE key IN (SELECT key FROM points_600 WHERE run = ?1 LIMIT ?2)",
    "DELETE FROM seconds WHERE key IN (SELECT key FROM seconds WHERE run = ?1 LIMIT ?2)",
    "DELETE FROM logs WHERE id IN (SELECT id FROM logs WHERE run = ?1 LIMIT ?2)",
    "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE run = ?1 LIMIT ?2)",
    "DELETE FROM exemplars WHERE id IN (SELECT id FROM exemplars WHERE run = ?1 LIMIT ?2)",
    "DELETE FROM series WHERE run = ?1 AND id IN (SELECT id FROM series WHERE run = ?1 LIMIT ?2)",
    "DELETE FROM errors WHERE run = ?1 AND ?2",
    "DELETE FROM thresholds WHERE run = ?1 AND ?2",
    "DELETE FROM run_agents WHERE run = ?1 AND ?2",
    "DELETE FROM positions WHERE run = ?1 AND ?2",
    "DELETE FROM run_regions WHERE run = ?1 AND ?2",
    "DELETE FROM leftovers WHERE run = ?1 AND ?2",
};

/* 1: some rows of a deleted run are gone; 0: there are none. */
static int purge(struct store *s, struct diag *d)
{
    struct sql q = sql(s, "SELECT run FROM leftovers LIMIT 1");
    int64_t run;
    int err = sql_number(&q, -1, &run, d);

    if (err || run < 0)
        return err;
    for (size_t i = 0; i < COUNT_OF(purges); i++) {
        q = sql(s, purges[i]);
        sql_int(&q, run);
        sql_int(&q, PURGE_ROWS);
        err = sql_run(&q, d);
        if (err || sqlite3_changes(s->db) > 0)
            return err ? err : 1;
    }
    return 1;
}

/* Free pages are used again, so only many of them are given back to the system. */
static int give_back(struct store *s, struct diag *d)
{
    struct sql q = sql(s, "PRAGMA freelist_count");
    int64_t free_pages;
    char *text;
    int err = sql_number(&q, 0, &free_pages, d);

    if (err || free_pages < 2 * VACUUM_PAGES)
        return err;
    text = mem_printf("PRAGMA incremental_vacuum(%d)", VACUUM_PAGES);
    err = sql_exec(s, text, d);
    mem_free(text);
    return err ? err : 1;
}

int store_tidy(struct store *s, struct diag *d)
{
    struct sql_scope scope;
    int done;

    if (s->in_transaction)
        return diag_set(d, ERR_INVALID, "%s: a transaction is open", s->path);
    done = sql_enter(s, &scope, d);
    if (done)
        return done;
    done = tidy_windows(s, d);
    if (done == 0)
        done = purge(s, d);
    done = sql_leave(s, scope, done, d);
    return done ? done : give_back(s, d);
}

/* --- retention ---------------------------------------------------------------------------- */

static int forget_answers(struct store *s, int64_t now, struct diag *d)
{
    struct sql q = sql(s, "DELETE FROM answers WHERE created < ?");

    sql_int(&q, now - ANSWER_AGE_HOURS * 3600 * NSEC_PER_SEC);
    return sql_run(&q, d);
}

#define POINT_BYTES(table, which)                                                                  \
    "(SELECT coalesce(sum(length(points) + 48), 0) FROM " table " WHERE run " which ")"
#define WINDOW_BYTES(which)                                                                        \
    "SELECT " POINT_BYTES("points_1", which) " + " POINT_BYTES(                                    \
        "points_10",                                                                               \
        which) " + " POINT_BYTES("points_60",                                                      \
                                 which) " + " POINT_BYTES("points_600",                            \
                                                          which) " + " POINT_BYTES("seconds",      \
                                                                                   which)

/* The run that ended first and may go: 1; 0: there is none. */
struct oldest {
    char id[SHORT_ID_SIZE];
    int64_t key;
    int64_t ended;
};

static int find_oldest(struct store *s, struct oldest *out, struct diag *d)
{
    struct sql q =
        sql(s, "SELECT r.id, r.key, coalesce(r.ended, r.created) AS at FROM runs r JOIN tests t "
               "ON t.key = r.test WHERE r.phase = 'ended' AND t.baseline IS NOT r.key "
               "ORDER BY at, r.id LIMIT 1");
    int err = sql_row(&q, d);

    if (err <= 0)
        return err;
    snprintf(out->id, sizeof out->id, "%s", sql_get_text(&q));
    out->key = sql_get_int(&q);
    out->ended = sql_get_int(&q);
    sql_end(&q);
    return 1;
}

/* Deletes it; *bytes becomes less by what its windows take. */
static int delete_oldest(struct store *s, const struct oldest *oldest, int64_t *bytes,
                         struct diag *d)
{
    struct sql q = sql(s, WINDOW_BYTES("= ?1"));
    int64_t takes;
    int err;

    sql_int(&q, oldest->key);
    err = sql_number(&q, 0, &takes, d);
    *bytes -= takes;
    return err ? err : store_delete_run(s, oldest->id, d);
}

/* What is kept, without what deleted runs still take. */
static int kept_bytes(struct store *s, int64_t *out, struct diag *d)
{
    struct sql q = sql(s, WINDOW_BYTES("IN (SELECT run FROM leftovers)"));
    int err = sql_number(&q, 0, out, d);

    *out = store_bytes(s) - *out;
    return err;
}

int store_retain(struct store *s, const struct store_retention *r, size_t *deleted, struct diag *d)
{
    int64_t bytes = 0;
    int err = forget_answers(s, r->now_wall_nsec, d);

    *deleted = 0;
    if (!err && r->max_bytes)
        err = kept_bytes(s, &bytes, d);
    while (!err) {
        struct oldest oldest;
        bool is_old;

        err = find_oldest(s, &oldest, d);
        if (err <= 0)
            return err;
        is_old = r->max_age_nsec && oldest.ended < r->now_wall_nsec - r->max_age_nsec;
        if (!is_old && (r->max_bytes == 0 || bytes <= r->max_bytes))
            return 0;
        err = delete_oldest(s, &oldest, &bytes, d);
        *deleted += err == 0;
    }
    return err;
}
