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
    "DELETE FROM points WHERE key IN (SELECT key FROM points WHERE run = ?1 LIMIT ?2)",
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

/* The run that ended first and may go, with when and how much it takes; 0: there is none. */
struct oldest {
    char id[STORE_ID_SIZE];
    int64_t ended;
    int64_t bytes;
};

static int find_oldest(struct store *s, struct oldest *out, struct diag *d)
{
    struct sql q =
        sql(s, "SELECT r.id, coalesce(r.ended, r.created), (SELECT coalesce(sum(length(points) + "
               "48), 0) FROM points WHERE run = r.key) + (SELECT coalesce(sum(length(points) + "
               "32), 0) FROM seconds WHERE run = r.key) + (SELECT coalesce(sum(length(message) + "
               "64), 0) FROM logs WHERE run = r.key) FROM runs r JOIN tests t ON t.key = r.test "
               "WHERE r.phase = 'ended' AND t.baseline IS NOT r.key "
               "ORDER BY coalesce(r.ended, r.created), r.id LIMIT 1");
    int err = sql_row(&q, d);

    if (err <= 0)
        return err;
    snprintf(out->id, sizeof out->id, "%s", sql_get_text(&q));
    out->ended = sql_get_int(&q);
    out->bytes = sql_get_int(&q);
    sql_end(&q);
    return 1;
}

/* What deleted runs still take is not in the way of those that are left. */
static int leftover_bytes(struct store *s, int64_t *out, struct diag *d)
{
    struct sql q = sql(s, "SELECT coalesce(sum(length(points) + 48), 0) FROM points "
                          "WHERE run IN (SELECT run FROM leftovers)");

    return sql_number(&q, 0, out, d);
}

int store_retain(struct store *s, const struct store_retention *r, size_t *deleted, struct diag *d)
{
    int64_t leftover = 0;
    int64_t bytes;
    int err = forget_answers(s, r->now_wall_nsec, d);

    *deleted = 0;
    if (!err && r->max_bytes)
        err = leftover_bytes(s, &leftover, d);
    bytes = store_bytes(s) - leftover;
    while (!err) {
        struct oldest oldest;
        bool is_old;

        err = find_oldest(s, &oldest, d);
        if (err <= 0)
            return err;
        is_old = r->max_age_nsec && oldest.ended < r->now_wall_nsec - r->max_age_nsec;
        if (!is_old && (r->max_bytes == 0 || bytes <= r->max_bytes))
            return 0;
        err = store_delete_run(s, oldest.id, d);
        bytes -= oldest.bytes;
        *deleted += err == 0;
    }
    return err;
}
