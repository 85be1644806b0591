#include "store/journal.h"

#include <math.h>

#include "base/err.h"
#include "store/memory.h"
#include "store/sql.h"

/* --- bounds ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *count;
    int64_t max;
} journals[JOURNAL_COUNT] = {
    [JOURNAL_EVENTS] = {"events", "SELECT count(*) FROM events WHERE run = ?", STORE_MAX_EVENTS},
    [JOURNAL_LOGS] = {"log lines", "SELECT count(*) FROM logs WHERE run = ?", STORE_MAX_LOGS},
    [JOURNAL_EXEMPLARS] = {"exemplars", "SELECT count(*) FROM exemplars WHERE run = ?",
                           STORE_MAX_EXEMPLARS},
    [JOURNAL_ERRORS] = {"messages of errors", "SELECT count(*) FROM errors WHERE run = ?",
                        STORE_MAX_ERRORS},
};

/* Room for one more row of a run; *out is what is known of it. */
static int make_room(struct store *s, const char *run, enum journal journal,
                     struct run_memory **out, struct diag *d)
{
    int err = memory_of(s, run, out, d);

    if (err)
        return err;
    if ((*out)->counts[journal] < 0) {
        struct sql q = sql(s, journals[journal].count);

        sql_int(&q, (*out)->run);
        err = sql_number(&q, 0, &(*out)->counts[journal], d);
    }
    if (!err && (*out)->counts[journal] >= journals[journal].max)
        return diag_set(d, ERR_LIMIT, "run %s has %lld %s already: no more are kept", run,
                        (long long)journals[journal].max, journals[journal].name);
    return err;
}

/* --- events ------------------------------------------------------------------------------- */

int store_add_event(struct store *s, const char *run, const struct store_event *event, int64_t *id,
                    struct diag *d)
{
    struct run_memory *memory;
    int err = make_room(s, run, JOURNAL_EVENTS, &memory, d);
    struct sql q;

    if (err)
        return err;
    q = sql(s, "INSERT INTO events (run, wall, second, kind, severity, region, agent, message, "
               "data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    sql_int(&q, memory->run);
    sql_int(&q, event->wall_nsec);
    sql_int_unless(&q, event->second, STORE_NO_SECOND);
    sql_text(&q, event->kind);
    sql_text(&q, event->severity);
    sql_text(&q, event->region);
    sql_text(&q, event->agent);
    sql_text(&q, event->message);
    sql_text(&q, event->data);
    err = sql_run(&q, d);
    if (err)
        return err;
    memory->counts[JOURNAL_EVENTS]++;
    if (id)
        *id = sqlite3_last_insert_rowid(s->db);
    return 0;
}

int store_list_events(struct store *s, const struct store_event_filter *filter,
                      struct store_page *page,
                      void (*fn)(void *arg, const struct store_event *event), void *arg,
                      struct diag *d)
{
    struct sql q = sql(s, "SELECT id, wall, second, kind, severity, region, agent, message, data "
                          "FROM events WHERE run = (SELECT key FROM runs WHERE id = ?1) "
                          "AND id > ?2 AND (?3 IS NULL OR region IN (SELECT value FROM "
                          "json_each(?3))) AND (?4 IS NULL OR "
                          "kind IN (SELECT value FROM json_each(?4))) ORDER BY id LIMIT ?5");
    size_t count = 0;
    int more;

    sql_text(&q, filter->run);
    sql_int(&q, page->key);
    sql_text(&q, filter->regions);
    sql_text(&q, filter->kinds);
    sql_int(&q, (int64_t)page->limit + 1);
    while ((more = sql_row(&q, d)) > 0 && count++ < page->limit) {
        struct store_event e;

        e.id = sql_get_int(&q);
        e.wall_nsec = sql_get_int(&q);
        e.second = sql_get_int_or(&q, STORE_NO_SECOND);
        e.kind = sql_get_text(&q);
        e.severity = sql_get_text(&q);
        e.region = sql_get_text(&q);
        e.agent = sql_get_text(&q);
        e.message = sql_get_text(&q);
        e.data = sql_get_text(&q);
        page->key = e.id;
        fn(arg, &e);
    }
    sql_end(&q);
    return more;
}

/* --- logs --------------------------------------------------------------------------------- */

int store_add_log(struct store *s, const char *run, const struct store_log *log, struct diag *d)
{
    struct run_memory *memory;
    int err = make_room(s, run, JOURNAL_LOGS, &memory, d);
    struct sql q;

    if (err)
        return err;
    q = sql(s, "INSERT INTO logs (run, wall, second, level, source, region, agent, vu, iteration, "
               "left_out, message) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    sql_int(&q, memory->run);
    sql_int(&q, log->wall_nsec);
    sql_int_unless(&q, log->second, STORE_NO_SECOND);
    sql_int(&q, log->level);
    sql_text(&q, log->source);
    sql_text(&q, log->region);
    sql_text(&q, log->agent);
    sql_int_unless(&q, log->vu, -1);
    sql_int_unless(&q, log->iteration, -1);
    sql_int(&q, log->left_out);
    sql_text(&q, log->message);
    err = sql_run(&q, d);
    if (!err)
        memory->counts[JOURNAL_LOGS]++;
    return err;
}

#define LOG_QUERY(after, order)                                                                    \
    "SELECT id, wall, second, level, source, region, agent, vu, iteration, left_out, message "     \
    "FROM logs WHERE run = (SELECT key FROM runs WHERE id = ?1) AND (?2 = 0 OR id " after " ?2) "  \
    "AND level <= ?3 AND (?4 IS NULL OR region IN (SELECT value FROM json_each(?4))) AND (?5 IS "  \
    "NULL OR agent = ?5) "                                                                         \
    "AND (?6 IS NULL OR source = ?6) AND (?7 IS NULL OR instr(lower(message), lower(?7)) > 0) "    \
    "AND (?8 = 0 OR second >= ?8) AND (?9 = 0 OR coalesce(second, -1) < ?9) "                      \
    "ORDER BY id " order " LIMIT ?10"

static void read_log(struct sql *q, struct store_log *l)
{
    l->id = sql_get_int(q);
    l->wall_nsec = sql_get_int(q);
    l->second = sql_get_int_or(q, STORE_NO_SECOND);
    l->level = (enum log_level)sql_get_int(q);
    l->source = sql_get_text(q);
    l->region = sql_get_text(q);
    l->agent = sql_get_text(q);
    l->vu = sql_get_int_or(q, -1);
    l->iteration = sql_get_int_or(q, -1);
    l->left_out = sql_get_int(q);
    l->message = sql_get_text(q);
}

int store_list_logs(struct store *s, const struct store_log_filter *filter, struct store_page *page,
                    void (*fn)(void *arg, const struct store_log *log), void *arg, struct diag *d)
{
    struct sql q =
        filter->oldest_first ? sql(s, LOG_QUERY(">", "ASC")) : sql(s, LOG_QUERY("<", "DESC"));
    struct store_log log;
    size_t count = 0;
    int more;

    sql_text(&q, filter->run);
    sql_int(&q, page->key);
    sql_int(&q, filter->level);
    sql_text(&q, filter->regions);
    sql_text(&q, filter->agent);
    sql_text(&q, filter->source);
    sql_text(&q, filter->text);
    sql_int(&q, filter->from);
    sql_int(&q, filter->to);
    sql_int(&q, (int64_t)page->limit + 1);
    while ((more = sql_row(&q, d)) > 0 && count++ < page->limit) {
        read_log(&q, &log);
        page->key = log.id;
        fn(arg, &log);
    }
    sql_end(&q);
    return more;
}

/* --- exemplars ---------------------------------------------------------------------------- */

int store_add_exemplar(struct store *s, const char *run, const struct store_exemplar *e,
                       struct diag *d)
{
    struct run_memory *memory;
    int err = make_room(s, run, JOURNAL_EXEMPLARS, &memory, d);
    struct sql q;

    if (err)
        return err;
    q = sql(s, "INSERT INTO exemplars (run, second, kind, region, data) VALUES (?, ?, ?, ?, ?)");
    sql_int(&q, memory->run);
    sql_int(&q, e->second);
    sql_text(&q, e->kind);
    sql_text(&q, e->region);
    sql_text(&q, e->data);
    err = sql_run(&q, d);
    if (!err)
        memory->counts[JOURNAL_EXEMPLARS]++;
    return err;
}

int store_list_exemplars(struct store *s, const struct store_exemplar_filter *filter,
                         struct store_page *page,
                         void (*fn)(void *arg, const struct store_exemplar *e), void *arg,
                         struct diag *d)
{
    struct sql q = sql(s, "SELECT id, second, kind, region, data FROM exemplars WHERE "
                          "run = (SELECT key FROM runs WHERE id = ?1) AND (?2 = 0 OR id < ?2) "
                          "AND (?3 IS NULL OR kind = ?3) AND (?4 IS NULL OR region IN "
                          "(SELECT value FROM json_each(?4))) AND second >= ?5 AND (?6 = 0 OR "
                          "second < ?6) ORDER BY id DESC LIMIT ?7");
    size_t count = 0;
    int more;

    sql_text(&q, filter->run);
    sql_int(&q, page->key);
    sql_text(&q, filter->kind);
    sql_text(&q, filter->regions);
    sql_int(&q, filter->from);
    sql_int(&q, filter->to);
    sql_int(&q, (int64_t)page->limit + 1);
    while ((more = sql_row(&q, d)) > 0 && count++ < page->limit) {
        struct store_exemplar e;

        e.id = sql_get_int(&q);
        e.second = sql_get_int(&q);
        e.kind = sql_get_text(&q);
        e.region = sql_get_text(&q);
        e.data = sql_get_text(&q);
        page->key = e.id;
        fn(arg, &e);
    }
    sql_end(&q);
    return more;
}

/* --- errors of scripts -------------------------------------------------------------------- */

static int add_to_error(struct store *s, int64_t run, const struct store_error *error,
                        struct diag *d)
{
    struct sql q = sql(s, "UPDATE errors SET count = count + ?1, first = min(first, ?2), "
                          "last = max(last, ?3) WHERE run = ?4 AND region = ?5 AND message = ?6");

    sql_int(&q, error->count);
    sql_int(&q, error->first);
    sql_int(&q, error->last);
    sql_int(&q, run);
    sql_text(&q, error->region);
    sql_text(&q, error->message);
    return sql_run(&q, d);
}

int store_add_error(struct store *s, const char *run, const struct store_error *error,
                    struct diag *d)
{
    struct run_memory *memory;
    int err = memory_of(s, run, &memory, d);
    struct sql q;

    if (!err)
        err = add_to_error(s, memory->run, error, d);
    if (err || sqlite3_changes(s->db) > 0)
        return err;
    err = make_room(s, run, JOURNAL_ERRORS, &memory, d);
    if (err)
        return err;
    q = sql(s, "INSERT INTO errors (run, region, message, count, first, last) "
               "VALUES (?, ?, ?, ?, ?, ?)");
    sql_int(&q, memory->run);
    sql_text(&q, error->region);
    sql_text(&q, error->message);
    sql_int(&q, error->count);
    sql_int(&q, error->first);
    sql_int(&q, error->last);
    err = sql_run(&q, d);
    if (!err)
        memory->counts[JOURNAL_ERRORS]++;
    return err;
}

int store_list_errors(struct store *s, const char *run,
                      void (*fn)(void *arg, const struct store_error *error), void *arg,
                      struct diag *d)
{
    struct sql q = sql(s, "SELECT region, message, count, first, last FROM errors WHERE "
                          "run = (SELECT key FROM runs WHERE id = ?) "
                          "ORDER BY count DESC, message, region");
    int err;

    sql_text(&q, run);
    while ((err = sql_row(&q, d)) > 0) {
        struct store_error e;

        e.region = sql_get_text(&q);
        e.message = sql_get_text(&q);
        e.count = sql_get_int(&q);
        e.first = sql_get_int(&q);
        e.last = sql_get_int(&q);
        fn(arg, &e);
    }
    sql_end(&q);
    return err;
}

/* --- thresholds --------------------------------------------------------------------------- */

static int put_threshold(struct store *s, int64_t run, size_t place,
                         const struct store_threshold *t, struct diag *d)
{
    struct sql q = sql(s, "INSERT INTO thresholds (run, place, metric, expression, source, "
                          "abort_on_fail, delay_abort, window, hold, ok, value, crossed, unit) "
                          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

    sql_int(&q, run);
    sql_int(&q, (int64_t)place);
    sql_text(&q, t->metric);
    sql_text(&q, t->expression);
    sql_text(&q, t->source);
    sql_int(&q, t->abort_on_fail);
    sql_int(&q, t->delay_abort_nsec);
    sql_int(&q, t->window_nsec);
    sql_int(&q, t->for_nsec);
    sql_int(&q, t->ok);
    sql_double(&q, t->value); /* NAN is stored as NULL */
    sql_int_unless(&q, t->crossed, STORE_NO_SECOND);
    sql_text(&q, t->unit ? t->unit : "none");
    return sql_run(&q, d);
}

static int put_thresholds(struct store *s, const char *run, const struct store_threshold *list,
                          size_t count, struct diag *d)
{
    struct run_memory *memory;
    int err = memory_of(s, run, &memory, d);
    struct sql q;

    if (err)
        return err;
    q = sql(s, "DELETE FROM thresholds WHERE run = ?");
    sql_int(&q, memory->run);
    err = sql_run(&q, d);
    for (size_t i = 0; !err && i < count; i++)
        err = put_threshold(s, memory->run, i, &list[i], d);
    return err;
}

int store_put_thresholds(struct store *s, const char *run, const struct store_threshold *list,
                         size_t count, struct diag *d)
{
    struct sql_scope scope;
    int err = sql_enter(s, &scope, d);

    return err ? err : sql_leave(s, scope, put_thresholds(s, run, list, count, d), d);
}

int store_list_thresholds(struct store *s, const char *run,
                          void (*fn)(void *arg, const struct store_threshold *t), void *arg,
                          struct diag *d)
{
    struct sql q = sql(s, "SELECT metric, expression, source, unit, abort_on_fail, delay_abort, "
                          "window, hold, ok, crossed, value FROM thresholds WHERE "
                          "run = (SELECT key FROM runs WHERE id = ?) ORDER BY place");
    int err;

    sql_text(&q, run);
    while ((err = sql_row(&q, d)) > 0) {
        struct store_threshold t;

        t.metric = sql_get_text(&q);
        t.expression = sql_get_text(&q);
        t.source = sql_get_text(&q);
        t.unit = sql_get_text(&q);
        t.abort_on_fail = sql_get_int(&q) != 0;
        t.delay_abort_nsec = sql_get_int(&q);
        t.window_nsec = sql_get_int(&q);
        t.for_nsec = sql_get_int(&q);
        t.ok = sql_get_int(&q) != 0;
        t.crossed = sql_get_int_or(&q, STORE_NO_SECOND);
        t.value = sql_is_null(&q) ? (double)NAN : sql_get_double(&q);
        fn(arg, &t);
    }
    sql_end(&q);
    return err;
}

/* --- agents ------------------------------------------------------------------------------- */

int store_put_agent(struct store *s, const char *run, const struct store_agent *agent,
                    struct diag *d)
{
    struct run_memory *memory;
    int err = memory_of(s, run, &memory, d);
    struct sql q;

    if (err)
        return err;
    q = sql(s, "INSERT INTO run_agents (run, agent, region, data) VALUES (?, ?, ?, ?) "
               "ON CONFLICT DO UPDATE SET region = excluded.region, data = excluded.data");
    sql_int(&q, memory->run);
    sql_text(&q, agent->id);
    sql_text(&q, agent->region);
    sql_text(&q, agent->data);
    return sql_run(&q, d);
}

int store_list_agents(struct store *s, const char *run,
                      void (*fn)(void *arg, const struct store_agent *agent), void *arg,
                      struct diag *d)
{
    struct sql q = sql(s, "SELECT agent, region, data FROM run_agents WHERE "
                          "run = (SELECT key FROM runs WHERE id = ?) ORDER BY region, agent");
    int err;

    sql_text(&q, run);
    while ((err = sql_row(&q, d)) > 0) {
        struct store_agent a;

        a.id = sql_get_text(&q);
        a.region = sql_get_text(&q);
        a.data = sql_get_text(&q);
        fn(arg, &a);
    }
    sql_end(&q);
    return err;
}
