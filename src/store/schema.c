#include "store/schema.h"

#include <errno.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/sql.h"

enum { APPLICATION_ID = 0x67616c65 /* "gale" */ };

#define POINTS_TABLE(name)                                                                         \
    "CREATE TABLE " name " (key INTEGER PRIMARY KEY, run INTEGER NOT NULL, "                       \
    "series INTEGER NOT NULL, region INTEGER NOT NULL, start INTEGER NOT NULL, "                   \
    "points BLOB NOT NULL)",                                                                       \
        "CREATE UNIQUE INDEX " name "_of_series ON " name " (run, series, region, start)"

/* Versions of the schema, oldest first. One that was released is never changed: a new one follows
 * it. Integer keys are the store's own; ids are what the API shows. Times are wall nanoseconds,
 * seconds those of the run. JSON columns are the API's words, which the store does not read. */
static const char *const version_1[] = {
    "CREATE TABLE tests ("
    "  key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,"
    "  description TEXT NOT NULL, labels TEXT NOT NULL CHECK (json_valid(labels)),"
    "  created INTEGER NOT NULL, updated INTEGER NOT NULL, touched INTEGER NOT NULL,"
    "  baseline INTEGER REFERENCES runs ON DELETE SET NULL)",
    "CREATE INDEX tests_by_touch ON tests (touched, id)",

    "CREATE TABLE versions ("
    "  test INTEGER NOT NULL REFERENCES tests ON DELETE CASCADE, version INTEGER NOT NULL,"
    "  kind TEXT NOT NULL, filename TEXT NOT NULL, bytes INTEGER NOT NULL, sha256 BLOB NOT NULL,"
    "  created INTEGER NOT NULL, created_by TEXT NOT NULL, found TEXT NOT NULL,"
    "  content BLOB NOT NULL, UNIQUE (test, version))",

    /* AUTOINCREMENT: what is left of a deleted run is not taken for another one's. */
    "CREATE TABLE runs ("
    "  key INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    "  test INTEGER NOT NULL REFERENCES tests, version INTEGER NOT NULL, name TEXT NOT NULL,"
    "  notes TEXT NOT NULL, labels TEXT NOT NULL CHECK (json_valid(labels)),"
    "  phase TEXT NOT NULL, result TEXT,"
    "  exit_code INTEGER, created INTEGER NOT NULL, created_by TEXT NOT NULL, started INTEGER,"
    "  ended INTEGER, rerun_of TEXT, spec TEXT NOT NULL, plan TEXT NOT NULL, state TEXT NOT NULL,"
    "  summary TEXT, tidied INTEGER NOT NULL DEFAULT 0)",
    "CREATE INDEX runs_by_test ON runs (test, id)",
    "CREATE INDEX runs_active ON runs (phase) WHERE phase <> 'ended'",
    "CREATE INDEX runs_untidy ON runs (key) WHERE tidied = 0",
    /* What is left of deleted runs: store_tidy clears it away bit by bit. */
    "CREATE TABLE leftovers (run INTEGER PRIMARY KEY)",

    "CREATE TABLE events ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, wall INTEGER NOT NULL,"
    "  second INTEGER, kind TEXT NOT NULL, severity TEXT NOT NULL, region TEXT, agent TEXT,"
    "  message TEXT NOT NULL, data TEXT NOT NULL)",
    "CREATE INDEX events_of_run ON events (run)",

    "CREATE TABLE logs ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, wall INTEGER NOT NULL,"
    "  second INTEGER, level INTEGER NOT NULL, source TEXT NOT NULL, region TEXT, agent TEXT,"
    "  vu INTEGER, iteration INTEGER, left_out INTEGER NOT NULL, message TEXT NOT NULL)",
    "CREATE INDEX logs_of_run ON logs (run)",

    "CREATE TABLE exemplars ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, second INTEGER NOT NULL,"
    "  kind TEXT NOT NULL, region TEXT NOT NULL, data TEXT NOT NULL)",
    "CREATE INDEX exemplars_of_run ON exemplars (run)",

    "CREATE TABLE errors ("
    "  run INTEGER NOT NULL, region TEXT NOT NULL, message TEXT NOT NULL, count INTEGER NOT NULL,"
    "  first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (run, region, message))"
    "  WITHOUT ROWID",

    "CREATE TABLE thresholds ("
    "  run INTEGER NOT NULL, place INTEGER NOT NULL, metric TEXT NOT NULL,"
    "  expression TEXT NOT NULL, source TEXT NOT NULL, abort_on_fail INTEGER NOT NULL,"
    "  delay_abort INTEGER NOT NULL, window INTEGER, hold INTEGER, ok INTEGER NOT NULL, value REAL,"
    "  crossed INTEGER, PRIMARY KEY (run, place)) WITHOUT ROWID",

    "CREATE TABLE run_agents ("
    "  run INTEGER NOT NULL, agent TEXT NOT NULL, region TEXT NOT NULL, data TEXT NOT NULL,"
    "  PRIMARY KEY (run, agent)) WITHOUT ROWID",

    "CREATE TABLE positions ("
    "  run INTEGER NOT NULL, source TEXT NOT NULL, position INTEGER NOT NULL,"
    "  PRIMARY KEY (run, source)) WITHOUT ROWID",

    /* A series with tags NULL is the sum of all that its metric has. */
    "CREATE TABLE series ("
    "  run INTEGER NOT NULL, id INTEGER NOT NULL, metric TEXT NOT NULL, type INTEGER NOT NULL,"
    "  contains INTEGER NOT NULL, tags BLOB, PRIMARY KEY (run, id)) WITHOUT ROWID",
    /* Seconds before `rolled` are in rows of all levels. */
    "CREATE TABLE run_regions ("
    "  run INTEGER NOT NULL, id INTEGER NOT NULL, name TEXT NOT NULL, newest INTEGER NOT NULL,"
    "  rolled INTEGER NOT NULL, PRIMARY KEY (run, id)) WITHOUT ROWID",
    /* The newest seconds, and late ones: all series in one row. */
    "CREATE TABLE seconds ("
    "  key INTEGER PRIMARY KEY, run INTEGER NOT NULL, region INTEGER NOT NULL,"
    "  second INTEGER NOT NULL, points BLOB NOT NULL)",
    "CREATE INDEX seconds_of_run ON seconds (run, region, second)",
    /* Of one series. A table for each length of points, so that the long ones lie close together.
     */
    POINTS_TABLE("points_1"),
    POINTS_TABLE("points_10"),
    POINTS_TABLE("points_60"),
    POINTS_TABLE("points_600"),

    "CREATE TABLE tokens ("
    "  id TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, run TEXT,"
    "  hash BLOB NOT NULL UNIQUE, created INTEGER NOT NULL, created_by TEXT NOT NULL,"
    "  expires INTEGER, used INTEGER) WITHOUT ROWID",
    "CREATE TABLE answers ("
    "  token TEXT NOT NULL, key TEXT NOT NULL, request BLOB NOT NULL, status INTEGER NOT NULL,"
    "  body TEXT NOT NULL, created INTEGER NOT NULL, PRIMARY KEY (token, key)) WITHOUT ROWID",
    "CREATE TABLE regions ("
    "  name TEXT PRIMARY KEY, title TEXT NOT NULL, latitude REAL, longitude REAL,"
    "  provisioner TEXT, agents_wanted INTEGER) WITHOUT ROWID",
    NULL,
};

static const char *const version_2[] = {
    "ALTER TABLE thresholds ADD COLUMN unit TEXT NOT NULL DEFAULT 'none'",
    NULL,
};

static const char *const *const versions[] = {version_1, version_2};

static int read_number(struct store *s, const char *text, int64_t *out, struct diag *d)
{
    struct sql q = sql(s, text);

    return sql_number(&q, 0, out, d);
}

/* Refuses a file that is somebody else's, or from the future. */
static int recognise(struct store *s, size_t known, int64_t *version, struct diag *d)
{
    int64_t application;
    int64_t tables;
    int err = read_number(s, "PRAGMA application_id", &application, d);

    if (!err)
        err = read_number(s, "PRAGMA user_version", version, d);
    if (!err)
        err = read_number(s, "SELECT count(*) FROM sqlite_schema", &tables, d);
    if (err)
        return err;
    if (application != APPLICATION_ID && (application || tables || *version))
        return diag_set(d, -EBADMSG, "%s: it is the database of another program: name another file",
                        s->path);
    if (*version > (int64_t)known)
        return diag_set(d, ERR_UNSUPPORTED,
                        "%s: its schema has version %lld and this gale knows %zu: use the gale "
                        "that wrote it, or a newer one",
                        s->path, (long long)*version, known);
    return 0;
}

static int apply(struct store *s, const char *const *statements, size_t version, struct diag *d)
{
    char *mark = mem_printf("PRAGMA user_version = %zu; PRAGMA application_id = %d", version,
                            APPLICATION_ID);
    int err = 0;

    for (; !err && *statements; statements++)
        err = sql_exec(s, *statements, d);
    if (!err)
        err = sql_exec(s, mark, d);
    mem_free(mark);
    return err;
}

int schema_upgrade(struct store *s, const char *const *const *list, size_t count, struct diag *d)
{
    struct sql_scope scope;
    int64_t version = 0;
    int err = recognise(s, count, &version, d);

    if (err || version == (int64_t)count)
        return err;
    if (s->read_only)
        return diag_set(d, ERR_UNSUPPORTED,
                        "%s: its schema has version %lld and this gale reads %zu: start the "
                        "controller once, which brings it up to date",
                        s->path, (long long)version, count);
    err = sql_enter(s, &scope, d);
    if (err)
        return err;
    for (size_t i = (size_t)version; !err && i < count; i++)
        err = apply(s, list[i], i + 1, d);
    return sql_leave(s, scope, err, d);
}

int schema_prepare(struct store *s, struct diag *d)
{
    return schema_upgrade(s, versions, COUNT_OF(versions), d);
}
