#include "store/sql.h"

#include <errno.h>
#include <stdio.h>

#include "base/ensure.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/memory.h"

/* --- errors ------------------------------------------------------------------------------- */

/* SQLite's codes, extended ones before their general form. */
static const struct {
    int sqlite;
    int err;
    const char *advice;
} errors[] = {
    {SQLITE_FULL, -ENOSPC, "it is full: free some space on its disk, or delete runs"},
    {SQLITE_READONLY, -EROFS, "it can't be written: see its permissions and its file system's"},
    {SQLITE_BUSY, -EBUSY, "another process holds it: try again when that is done"},
    {SQLITE_LOCKED, -EBUSY, "another process holds it: try again when that is done"},
    {SQLITE_CORRUPT, -EBADMSG,
     "it is damaged: restore a backup, or move it away to begin with a new one ('sqlite3 FILE "
     ".recover' saves what can be read)"},
    {SQLITE_NOTADB, -EBADMSG, "it is no database: name another file, or move this one away"},
    {SQLITE_CANTOPEN, -ENOENT, "it can't be opened: see that its folder exists and may be written"},
    {SQLITE_IOERR, -EIO, "the disk reports an error: see the system's log"},
    {SQLITE_CONSTRAINT_UNIQUE, -EEXIST, "there is one already"},
    {SQLITE_CONSTRAINT_PRIMARYKEY, -EEXIST, "there is one already"},
    {SQLITE_CONSTRAINT, ERR_INVALID, "a value is not what may stand there"},
    {SQLITE_TOOBIG, ERR_LIMIT, "a value is too large"},
    {SQLITE_INTERRUPT, ERR_INTERRUPTED, "interrupted"},
};

int sql_error(struct store *s, struct diag *d)
{
    int code = sqlite3_extended_errcode(s->db);
    const char *text = sqlite3_errmsg(s->db);

    if ((code & 0xff) == SQLITE_NOMEM)
        return diag_set(d, -ENOMEM, "%s: out of memory", s->path);
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        if (errors[i].sqlite == code || errors[i].sqlite == (code & 0xff))
            return diag_set(d, errors[i].err, "%s: %s (%s)", s->path, errors[i].advice, text);
    }
    return diag_set(d, -EIO, "%s: %s", s->path, text);
}

/* After these nothing of the open transaction is there any more, or can be trusted to be. */
static bool ends_transaction(int err)
{
    return err == -ENOSPC || err == -EROFS || err == -EIO || err == -EBADMSG || err == -ENOMEM;
}

/* --- statements --------------------------------------------------------------------------- */

struct sql sql(struct store *s, const char *text)
{
    struct str key = {(const char *)&text, sizeof(const char *)};
    sqlite3_stmt *stmt = map_get(&s->_statements, key);

    if (!stmt) {
        /* A failure shows when it runs: a NULL statement is a misuse, which sql_row reports. */
        if (sqlite3_prepare_v3(s->db, text, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) ==
            SQLITE_OK)
            map_set(&s->_statements, key, stmt);
    } else {
        sqlite3_reset(stmt); /* it may have been left at its end */
    }
    return (struct sql){s, stmt, 1};
}

void sql_finalize_all(struct store *s)
{
    for (struct map_entry *e = map_first(&s->_statements); e; e = map_next(&s->_statements, e))
        sqlite3_finalize(e->value);
    map_deinit(&s->_statements);
    map_init(&s->_statements);
}

void sql_int(struct sql *q, int64_t value)
{
    sqlite3_bind_int64(q->stmt, q->at++, value);
}

void sql_double(struct sql *q, double value)
{
    sqlite3_bind_double(q->stmt, q->at++, value);
}

void sql_text(struct sql *q, const char *text)
{
    sqlite3_bind_text(q->stmt, q->at++, text, -1, SQLITE_STATIC);
}

void sql_str(struct sql *q, struct str text)
{
    sqlite3_bind_text64(q->stmt, q->at++, text.ptr, text.len, SQLITE_STATIC, SQLITE_UTF8);
}

void sql_blob(struct sql *q, struct str bytes)
{
    sqlite3_bind_blob64(q->stmt, q->at++, bytes.ptr ? bytes.ptr : "", bytes.len, SQLITE_STATIC);
}

void sql_null(struct sql *q)
{
    sqlite3_bind_null(q->stmt, q->at++);
}

int sql_row(struct sql *q, struct diag *d)
{
    int code = q->stmt ? sqlite3_step(q->stmt) : SQLITE_ERROR;
    int err;

    q->at = 0;
    if (code == SQLITE_ROW)
        return 1;
    if (code == SQLITE_DONE)
        return 0;
    err = sql_error(q->store, d);
    sql_end(q);
    if (q->store->in_transaction && ends_transaction(err))
        store_rollback(q->store);
    return err;
}

int64_t sql_get_int(struct sql *q)
{
    return sqlite3_column_int64(q->stmt, q->at++);
}

double sql_get_double(struct sql *q)
{
    return sqlite3_column_double(q->stmt, q->at++);
}

const char *sql_get_text(struct sql *q)
{
    return (const char *)sqlite3_column_text(q->stmt, q->at++);
}

struct str sql_get_blob(struct sql *q)
{
    const char *bytes = sqlite3_column_blob(q->stmt, q->at);
    int len = sqlite3_column_bytes(q->stmt, q->at++);

    return str_from(bytes, (size_t)len);
}

bool sql_is_null(const struct sql *q)
{
    return sqlite3_column_type(q->stmt, q->at) == SQLITE_NULL;
}

void sql_int_unless(struct sql *q, int64_t value, int64_t none)
{
    if (value == none)
        sql_null(q);
    else
        sql_int(q, value);
}

int64_t sql_get_int_or(struct sql *q, int64_t none)
{
    bool is_null = sql_is_null(q);
    int64_t value = sql_get_int(q);

    return is_null ? none : value;
}

void sql_end(struct sql *q)
{
    if (!q->stmt)
        return;
    sqlite3_reset(q->stmt);
    sqlite3_clear_bindings(q->stmt);
}

int sql_run(struct sql *q, struct diag *d)
{
    int err;

    do {
        err = sql_row(q, d);
    } while (err > 0);
    if (err == 0)
        sql_end(q);
    return err;
}

int sql_number(struct sql *q, int64_t none, int64_t *out, struct diag *d)
{
    int err = sql_row(q, d);

    if (err < 0)
        return err;
    *out = err > 0 && !sql_is_null(q) ? sql_get_int(q) : none;
    sql_end(q);
    return 0;
}

int sql_exec(struct store *s, const char *text, struct diag *d)
{
    return sqlite3_exec(s->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : sql_error(s, d);
}

/* --- transactions ------------------------------------------------------------------------- */

int sql_enter(struct store *s, struct sql_scope *scope, struct diag *d)
{
    int err;

    scope->own = !s->in_transaction && s->depth == 0;
    /* A writer takes its lock now: a reader that turns into one could be refused halfway. */
    err = sql_exec(s,
                   !scope->own    ? "SAVEPOINT call"
                   : s->read_only ? "BEGIN"
                                  : "BEGIN IMMEDIATE",
                   d);
    if (!err)
        s->depth++;
    return err;
}

int sql_leave(struct store *s, struct sql_scope scope, int err, struct diag *d)
{
    s->depth--;
    if (err >= 0) {
        int ended = sql_exec(s, scope.own ? "COMMIT" : "RELEASE call", d);

        if (ended == 0)
            return err;
        err = ended;
    }
    memory_forget(s);
    if (scope.own) {
        if (!sqlite3_get_autocommit(s->db))
            sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    } else if (s->in_transaction && ends_transaction(err)) {
        store_rollback(s);
    } else {
        sqlite3_exec(s->db, "ROLLBACK TO call; RELEASE call", NULL, NULL, NULL);
    }
    return err;
}

int sql_run_key(struct store *s, const char *id, int64_t *out, struct diag *d)
{
    struct sql q = sql(s, "SELECT key FROM runs WHERE id = ?");
    int err;

    sql_text(&q, id);
    err = sql_number(&q, -1, out, d);
    if (!err && *out < 0)
        return diag_set(d, ERR_NOT_FOUND, "there is no run %s", id);
    return err;
}

void sql_page_at(struct store_page *page, const char *id)
{
    snprintf(page->id, sizeof page->id, "%s", id);
}
