/* Statements of the store, cached, bound and read in order; and SQLite's errors as ours.
 *
 *     struct sql q = sql(s, "SELECT name FROM tests WHERE id = ?");
 *     sql_text(&q, id);
 *     while ((err = sql_row(&q, d)) > 0)
 *         use(sql_get_text(&q));
 *     sql_end(&q);
 *
 * The text is a literal: its address is the cache's key. Internal to src/store. */
#ifndef STORE_SQL_H
#define STORE_SQL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/diag.h"
#include "base/map.h"
#include "base/str.h"
#include "store/store.h"

struct store {
    sqlite3 *db;
    char *path;
    bool read_only;
    int lock_fd;            /* -1: a reader */
    bool in_transaction;    /* store_begin's */
    unsigned depth;         /* of sql_enter within sql_enter */
    struct map _statements; /* by the address of their text */
    struct map _runs;       /* what the writer knows of runs (memory.h), by their ids */
};

struct sql {
    struct store *store;
    sqlite3_stmt *stmt;
    int at; /* the next parameter or column */
};

struct sql sql(struct store *s, const char *text);

void sql_int(struct sql *q, int64_t value);
void sql_double(struct sql *q, double value);
void sql_text(struct sql *q, const char *text); /* NULL: NULL. Kept by reference until sql_end */
void sql_str(struct sql *q, struct str text);   /* ptr NULL: NULL; by reference too */
void sql_blob(struct sql *q, struct str bytes); /* by reference too */
void sql_null(struct sql *q);

/* The next row: 1, 0 at the end, negative with a message. Columns are read anew from the first. */
MUST_USE int sql_row(struct sql *q, struct diag *d);
int64_t sql_get_int(struct sql *q);
double sql_get_double(struct sql *q);
const char *sql_get_text(struct sql *q); /* valid until the next row; NULL: NULL */
struct str sql_get_blob(struct sql *q);  /* likewise */
bool sql_is_null(const struct sql *q);   /* the column that would be read next */
void sql_end(struct sql *q);             /* makes the statement ready for its next use */

/* As sql_text, sql_int: NULL where the number is `none`. */
void sql_int_unless(struct sql *q, int64_t value, int64_t none);
int64_t sql_get_int_or(struct sql *q, int64_t none); /* `none`: it is NULL */

/* Runs it to its end, for what gives no rows, and ends it. */
MUST_USE int sql_run(struct sql *q, struct diag *d);
/* The one number that it selects; `none` when there is no row. */
MUST_USE int sql_number(struct sql *q, int64_t none, int64_t *out, struct diag *d);
/* Statements without parameters, uncached. */
MUST_USE int sql_exec(struct store *s, const char *text, struct diag *d);

/* What SQLite said last, as an error of ours with a message. */
int sql_error(struct store *s, struct diag *d);

/* A piece of work that is a transaction of its own unless it is within one, or within another
 * piece: err = sql_enter(s, &scope, d); if (!err) err = work(); return sql_leave(s, scope, err, d);
 */
struct sql_scope {
    bool own;
};
MUST_USE int sql_enter(struct store *s, struct sql_scope *scope, struct diag *d);
MUST_USE int sql_leave(struct store *s, struct sql_scope scope, int err, struct diag *d);

/* Leaves the page behind an item; the text is another one than the page's. */
void sql_page_at(struct store_page *page, const char *id);

/* The key of a run that is not deleted. ERR_NOT_FOUND with a message. */
MUST_USE int sql_run_key(struct store *s, const char *id, int64_t *out, struct diag *d);

void sql_finalize_all(struct store *s);

#endif
