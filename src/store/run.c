#include "store/run.h"

#include <errno.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/memory.h"
#include "store/sql.h"

/* --- writing ------------------------------------------------------------------------------ */

static int insert_run(struct store *s, const struct store_run *run, struct diag *d)
{
    struct sql q = sql(s, "INSERT INTO runs (id, test, version, name, notes, labels, phase, "
                          "created, created_by, rerun_of, spec, plan, state) SELECT ?, key, ?, ?, "
                          "?, ?, ?, ?, ?, ?, ?, ?, ? FROM tests WHERE id = ?");
    int err;

    sql_text(&q, run->id);
    sql_int(&q, run->version);
    sql_text(&q, run->name);
    sql_text(&q, run->notes);
    sql_text(&q, run->labels);
    sql_text(&q, run->phase);
    sql_int(&q, run->created);
    sql_text(&q, run->created_by);
    sql_text(&q, run->rerun_of);
    sql_text(&q, run->spec);
    sql_text(&q, run->plan);
    sql_text(&q, run->state);
    sql_text(&q, run->test);
    err = sql_run(&q, d);
    if (!err && sqlite3_changes(s->db) == 0)
        return diag_set(d, ERR_NOT_FOUND, "there is no test %s", run->test);
    if (err)
        return err;
    q = sql(s, "UPDATE tests SET touched = max(touched, ?) WHERE id = ?");
    sql_int(&q, run->created);
    sql_text(&q, run->test);
    return sql_run(&q, d);
}

int store_add_run(struct store *s, const struct store_run *run, struct diag *d)
{
    struct sql_scope scope;
    int err = sql_enter(s, &scope, d);

    return err ? err : sql_leave(s, scope, insert_run(s, run, d), d);
}

/* An UPDATE of one run is done: was there one? */
static int changed_run(struct store *s, const char *run, int err, struct diag *d)
{
    if (err || sqlite3_changes(s->db))
        return err;
    return diag_set(d, ERR_NOT_FOUND, "there is no run %s", run);
}

int store_update_phase(struct store *s, const char *run, const struct store_phase *phase,
                       struct diag *d)
{
    struct sql q = sql(s, "UPDATE runs SET phase = coalesce(?, phase), "
                          "result = coalesce(?, result), exit_code = coalesce(?, exit_code), "
                          "started = coalesce(?, started), ended = coalesce(?, ended), "
                          "plan = coalesce(?, plan), state = coalesce(?, state), "
                          "summary = coalesce(?, summary) WHERE id = ?");

    sql_text(&q, phase->phase);
    sql_text(&q, phase->result);
    sql_int_unless(&q, phase->exit_code, STORE_NO_EXIT_CODE);
    sql_int_unless(&q, phase->started, 0);
    sql_int_unless(&q, phase->ended, 0);
    sql_text(&q, phase->plan);
    sql_text(&q, phase->state);
    sql_text(&q, phase->summary);
    sql_text(&q, run);
    return changed_run(s, run, sql_run(&q, d), d);
}

int store_update_run(struct store *s, const char *run, const char *name, const char *notes,
                     const char *labels, struct diag *d)
{
    struct sql q = sql(s, "UPDATE runs SET name = coalesce(?, name), notes = coalesce(?, notes), "
                          "labels = coalesce(?, labels) WHERE id = ?");

    sql_text(&q, name);
    sql_text(&q, notes);
    sql_text(&q, labels);
    sql_text(&q, run);
    return changed_run(s, run, sql_run(&q, d), d);
}

int store_set_baseline(struct store *s, const char *run, bool is_baseline, struct diag *d)
{
    struct sql q = sql(s, "UPDATE tests SET baseline = CASE WHEN ?2 THEN r.key "
                          "WHEN baseline = r.key THEN NULL ELSE baseline END "
                          "FROM (SELECT key, test FROM runs WHERE id = ?1) r "
                          "WHERE tests.key = r.test");

    sql_text(&q, run);
    sql_int(&q, is_baseline);
    return changed_run(s, run, sql_run(&q, d), d);
}

static int delete_run(struct store *s, const char *run, struct diag *d)
{
    struct sql q = sql(s, "SELECT phase <> 'ended' FROM runs WHERE id = ?");
    int64_t is_active;
    int err;

    sql_text(&q, run);
    err = sql_number(&q, 0, &is_active, d);
    if (err)
        return err;
    if (is_active)
        return diag_set(d, -EBUSY, "run %s has not ended: stop it first", run);
    q = sql(s, "INSERT INTO leftovers SELECT key FROM runs WHERE id = ?");
    sql_text(&q, run);
    err = sql_run(&q, d);
    if (err)
        return err;
    q = sql(s, "DELETE FROM runs WHERE id = ?");
    sql_text(&q, run);
    return changed_run(s, run, sql_run(&q, d), d);
}

int store_delete_run(struct store *s, const char *run, struct diag *d)
{
    struct sql_scope scope;
    int err = sql_enter(s, &scope, d);

    if (err)
        return err;
    memory_forget_run(s, run);
    return sql_leave(s, scope, delete_run(s, run, d), d);
}

/* --- reading ------------------------------------------------------------------------------ */

#define RUN_COLUMNS(plan, summary)                                                                 \
    "SELECT r.id, t.id, t.name, r.version, r.name, r.notes, r.labels, r.phase, r.result, "         \
    "r.exit_code, r.created, r.started, r.ended, r.created_by, r.rerun_of, r.spec, " plan          \
    ", r.state, " summary ", t.baseline IS r.key FROM runs r JOIN tests t ON t.key = r.test "

static void read_run(struct sql *q, struct store_run *r)
{
    r->id = sql_get_text(q);
    r->test = sql_get_text(q);
    r->test_name = sql_get_text(q);
    r->version = sql_get_int(q);
    r->name = sql_get_text(q);
    r->notes = sql_get_text(q);
    r->labels = sql_get_text(q);
    r->phase = sql_get_text(q);
    r->result = sql_get_text(q);
    r->exit_code = sql_get_int_or(q, STORE_NO_EXIT_CODE);
    r->created = sql_get_int(q);
    r->started = sql_get_int(q);
    r->ended = sql_get_int(q);
    r->created_by = sql_get_text(q);
    r->rerun_of = sql_get_text(q);
    r->spec = sql_get_text(q);
    r->plan = sql_get_text(q);
    r->state = sql_get_text(q);
    r->summary = sql_get_text(q);
    r->is_baseline = sql_get_int(q) != 0;
}

int store_get_run(struct store *s, const char *id,
                  void (*fn)(void *arg, const struct store_run *run), void *arg, struct diag *d)
{
    struct sql q = sql(s, RUN_COLUMNS("r.plan", "r.summary") "WHERE r.id = ?");
    struct store_run run;
    int err;

    sql_text(&q, id);
    err = sql_row(&q, d);
    if (err < 0)
        return err;
    if (err > 0) {
        read_run(&q, &run);
        fn(arg, &run);
    }
    sql_end(&q);
    return err > 0 ? 0 : diag_set(d, ERR_NOT_FOUND, "there is no run %s", id);
}

int store_list_runs(struct store *s, const struct store_run_filter *filter, struct store_page *page,
                    void (*fn)(void *arg, const struct store_run *run), void *arg, struct diag *d)
{
    struct sql q = sql(
        s,
        RUN_COLUMNS(
            "NULL",
            "NULL") "WHERE (?1 = '' OR r.id < ?1) "
                    "AND (?2 IS NULL OR r.test = (SELECT key FROM tests WHERE id = ?2)) "
                    "AND (?3 IS NULL OR r.phase IN (SELECT value FROM json_each(?3))) "
                    "AND (?4 IS NULL OR r.result IN (SELECT value FROM json_each(?4))) "
                    "AND (?5 IS NULL OR EXISTS (SELECT 1 FROM run_regions WHERE run = r.key AND "
                    "name = ?5)) "
                    "AND (?6 IS NULL OR instr(lower(r.name), lower(?6)) > 0 OR "
                    "instr(lower(t.name), lower(?6)) > 0) "
                    "AND (?7 IS NULL OR NOT EXISTS (SELECT 1 FROM json_each(?7) w WHERE NOT EXISTS "
                    "(SELECT 1 FROM json_each(r.labels) h WHERE h.key = w.key AND h.value = "
                    "w.value))) "
                    "ORDER BY r.id DESC LIMIT ?8");
    const struct store_page from = *page;
    struct store_run run;
    size_t count = 0;
    int more;

    sql_text(&q, from.id);
    sql_text(&q, filter->test);
    sql_text(&q, filter->phases);
    sql_text(&q, filter->results);
    sql_text(&q, filter->region);
    sql_text(&q, filter->text);
    sql_text(&q, filter->labels);
    sql_int(&q, (int64_t)page->limit + 1);
    while ((more = sql_row(&q, d)) > 0 && count++ < page->limit) {
        read_run(&q, &run);
        sql_page_at(page, run.id);
        fn(arg, &run);
    }
    sql_end(&q);
    return more;
}
