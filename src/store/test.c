#include "store/test.h"

#include <errno.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/memory.h"
#include "store/sql.h"

static int no_test(const char *id, struct diag *d)
{
    return diag_set(d, ERR_NOT_FOUND, "there is no test %s", id);
}

/* --- tests -------------------------------------------------------------------------------- */

int store_add_test(struct store *s, const struct store_test *test, struct diag *d)
{
    struct sql q = sql(s, "INSERT INTO tests (id, name, description, labels, created, updated, "
                          "touched) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)");

    sql_text(&q, test->id);
    sql_text(&q, test->name);
    sql_text(&q, test->description);
    sql_text(&q, test->labels);
    sql_int(&q, test->created);
    sql_int(&q, test->updated);
    return sql_run(&q, d);
}

int store_update_test(struct store *s, const struct store_test *test, struct diag *d)
{
    struct sql q = sql(s, "UPDATE tests SET name = ?1, description = ?2, labels = ?3, "
                          "updated = ?4, touched = max(touched, ?4) WHERE id = ?5");
    int err;

    sql_text(&q, test->name);
    sql_text(&q, test->description);
    sql_text(&q, test->labels);
    sql_int(&q, test->updated);
    sql_text(&q, test->id);
    err = sql_run(&q, d);
    return err || sqlite3_changes(s->db) ? err : no_test(test->id, d);
}

static int delete_test(struct store *s, const char *id, struct diag *d)
{
    struct sql q = sql(s, "SELECT count(*) FROM runs WHERE phase <> 'ended' AND "
                          "test = (SELECT key FROM tests WHERE id = ?)");
    int64_t active;
    int err;

    sql_text(&q, id);
    err = sql_number(&q, 0, &active, d);
    if (err)
        return err;
    if (active)
        return diag_set(d, -EBUSY, "test %s has runs that have not ended: stop them first", id);
    q = sql(s, "INSERT INTO leftovers SELECT key FROM runs WHERE "
               "test = (SELECT key FROM tests WHERE id = ?)");
    sql_text(&q, id);
    err = sql_run(&q, d);
    q = sql(s, "UPDATE tests SET baseline = NULL WHERE id = ?");
    sql_text(&q, id);
    if (!err)
        err = sql_run(&q, d);
    q = sql(s, "DELETE FROM runs WHERE test = (SELECT key FROM tests WHERE id = ?)");
    sql_text(&q, id);
    if (!err)
        err = sql_run(&q, d);
    q = sql(s, "DELETE FROM tests WHERE id = ?");
    sql_text(&q, id);
    if (!err)
        err = sql_run(&q, d);
    return err || sqlite3_changes(s->db) ? err : no_test(id, d);
}

int store_delete_test(struct store *s, const char *id, struct diag *d)
{
    struct sql_scope scope;
    int err = sql_enter(s, &scope, d);

    if (err)
        return err;
    err = sql_leave(s, scope, delete_test(s, id, d), d);
    memory_forget(s); /* of its runs */
    return err;
}

#define TEST_COLUMNS                                                                               \
    "SELECT t.id, t.name, t.description, t.labels, t.created, t.updated, "                         \
    "(SELECT max(version) FROM versions WHERE test = t.key), "                                     \
    "(SELECT count(*) FROM runs WHERE test = t.key), b.id, r.id, r.phase, r.result, r.started, "   \
    "t.touched FROM tests t LEFT JOIN runs b ON b.key = t.baseline LEFT JOIN runs r ON r.key = "   \
    "(SELECT key FROM runs WHERE test = t.key ORDER BY id DESC LIMIT 1) "

static void read_test(struct sql *q, struct store_test *t)
{
    t->id = sql_get_text(q);
    t->name = sql_get_text(q);
    t->description = sql_get_text(q);
    t->labels = sql_get_text(q);
    t->created = sql_get_int(q);
    t->updated = sql_get_int(q);
    t->latest_version = sql_get_int(q);
    t->run_count = sql_get_int(q);
    t->baseline = sql_get_text(q);
    t->last_run.id = sql_get_text(q);
    t->last_run.phase = sql_get_text(q);
    t->last_run.result = sql_get_text(q);
    t->last_run.started = sql_get_int(q);
}

int store_get_test(struct store *s, const char *id,
                   void (*fn)(void *arg, const struct store_test *test), void *arg, struct diag *d)
{
    struct sql q = sql(s, TEST_COLUMNS "WHERE t.id = ?");
    struct store_test test;
    int err;

    sql_text(&q, id);
    err = sql_row(&q, d);
    if (err < 0)
        return err;
    if (err > 0) {
        read_test(&q, &test);
        fn(arg, &test);
    }
    sql_end(&q);
    return err > 0 ? 0 : no_test(id, d);
}

int store_list_tests(struct store *s, const struct store_test_filter *filter,
                     struct store_page *page, void (*fn)(void *arg, const struct store_test *test),
                     void *arg, struct diag *d)
{
    struct sql q = sql(s, TEST_COLUMNS
                       "WHERE (?1 = '' OR (t.touched, t.id) < (?2, ?1)) "
                       "AND (?3 IS NULL OR instr(lower(t.name), lower(?3)) > 0) "
                       "AND (?4 IS NULL OR NOT EXISTS (SELECT 1 FROM json_each(?4) w WHERE NOT "
                       "EXISTS (SELECT 1 FROM json_each(t.labels) h WHERE h.key = w.key AND "
                       "h.value = w.value))) ORDER BY t.touched DESC, t.id DESC LIMIT ?5");
    const struct store_page from = *page;
    struct store_test test;
    size_t count = 0;
    int more;

    sql_text(&q, from.id);
    sql_int(&q, from.key);
    sql_text(&q, filter->text);
    sql_text(&q, filter->labels);
    sql_int(&q, (int64_t)page->limit + 1);
    while ((more = sql_row(&q, d)) > 0 && count++ < page->limit) {
        read_test(&q, &test);
        page->key = sql_get_int(&q);
        sql_page_at(page, test.id);
        fn(arg, &test);
    }
    sql_end(&q);
    return more;
}

/* --- versions ----------------------------------------------------------------------------- */

struct latest {
    int64_t version; /* 0: none */
    bool is_same;
};

static int find_latest(struct store *s, const struct store_version *v, struct latest *out,
                       struct diag *d)
{
    struct sql q = sql(s, "SELECT t.key, coalesce(v.version, 0), v.sha256 FROM tests t "
                          "LEFT JOIN versions v ON v.test = t.key WHERE t.id = ? "
                          "ORDER BY v.version DESC LIMIT 1");
    struct str want = {(const char *)v->sha256, STORE_SHA256_SIZE};
    int err;

    sql_text(&q, v->test);
    err = sql_row(&q, d);
    if (err < 0)
        return err;
    if (err > 0) {
        sql_get_int(&q);
        out->version = sql_get_int(&q);
        out->is_same = str_eq(sql_get_blob(&q), want);
    }
    sql_end(&q);
    return err > 0 ? 0 : no_test(v->test, d);
}

static int insert_version(struct store *s, const struct store_version *v, struct str content,
                          int64_t number, struct diag *d)
{
    struct sql q = sql(s, "INSERT INTO versions (test, version, kind, filename, bytes, sha256, "
                          "created, created_by, found, content) SELECT key, ?, ?, ?, ?, ?, ?, ?, "
                          "?, ? FROM tests WHERE id = ?");
    int err;

    sql_int(&q, number);
    sql_text(&q, v->kind);
    sql_text(&q, v->filename);
    sql_int(&q, (int64_t)content.len);
    sql_blob(&q, str_from((const char *)v->sha256, STORE_SHA256_SIZE));
    sql_int(&q, v->created);
    sql_text(&q, v->created_by);
    sql_text(&q, v->found);
    sql_blob(&q, content);
    sql_text(&q, v->test);
    err = sql_run(&q, d);
    if (err)
        return err;
    q = sql(s, "UPDATE tests SET updated = ?1, touched = max(touched, ?1) WHERE id = ?2");
    sql_int(&q, v->created);
    sql_text(&q, v->test);
    return sql_run(&q, d);
}

int store_add_version(struct store *s, const struct store_version *version, struct str content,
                      int64_t *number, struct diag *d)
{
    struct latest latest = {0};
    struct sql_scope scope;
    int err;

    if (content.len > STORE_MAX_CONTENT)
        return diag_set(d, ERR_LIMIT, "%s has %zu bytes: at most %d are kept", version->filename,
                        content.len, STORE_MAX_CONTENT);
    err = sql_enter(s, &scope, d);
    if (err)
        return err;
    err = find_latest(s, version, &latest, d);
    if (!err && !latest.is_same)
        err = insert_version(s, version, content, latest.version + 1, d);
    err = sql_leave(s, scope, err, d);
    if (err)
        return err;
    *number = latest.is_same ? latest.version : latest.version + 1;
    return latest.is_same ? 1 : 0;
}

static void read_version(struct sql *q, struct store_version *v)
{
    struct str sha;

    v->version = sql_get_int(q);
    v->kind = sql_get_text(q);
    v->filename = sql_get_text(q);
    v->bytes = sql_get_int(q);
    sha = sql_get_blob(q);
    memset(v->sha256, 0, sizeof v->sha256);
    if (sha.len == sizeof v->sha256)
        memcpy(v->sha256, sha.ptr, sha.len);
    v->created = sql_get_int(q);
    v->created_by = sql_get_text(q);
    v->found = sql_get_text(q);
}

static int no_version(const char *test, int64_t version, struct diag *d)
{
    return version
               ? diag_set(d, ERR_NOT_FOUND, "test %s has no version %lld", test, (long long)version)
               : diag_set(d, ERR_NOT_FOUND, "there is no test %s, or it has no script yet", test);
}

int store_get_version(struct store *s, const char *test, int64_t version,
                      void (*fn)(void *arg, const struct store_version *version), void *arg,
                      struct diag *d)
{
    struct sql q = sql(s, "SELECT version, kind, filename, bytes, sha256, created, created_by, "
                          "found FROM versions WHERE test = (SELECT key FROM tests WHERE id = ?1) "
                          "AND (?2 = 0 OR version = ?2) ORDER BY version DESC LIMIT 1");
    struct store_version v = {.test = test};
    int err;

    sql_text(&q, test);
    sql_int(&q, version);
    err = sql_row(&q, d);
    if (err < 0)
        return err;
    if (err > 0) {
        read_version(&q, &v);
        fn(arg, &v);
    }
    sql_end(&q);
    return err > 0 ? 0 : no_version(test, version, d);
}

int store_get_content(struct store *s, const char *test, int64_t version,
                      void (*fn)(void *arg, struct str content), void *arg, struct diag *d)
{
    struct sql q = sql(s, "SELECT content FROM versions WHERE "
                          "test = (SELECT key FROM tests WHERE id = ?1) "
                          "AND (?2 = 0 OR version = ?2) ORDER BY version DESC LIMIT 1");
    int err;

    sql_text(&q, test);
    sql_int(&q, version);
    err = sql_row(&q, d);
    if (err < 0)
        return err;
    if (err > 0)
        fn(arg, sql_get_blob(&q));
    sql_end(&q);
    return err > 0 ? 0 : no_version(test, version, d);
}

int store_list_versions(struct store *s, const char *test, struct store_page *page,
                        void (*fn)(void *arg, const struct store_version *version), void *arg,
                        struct diag *d)
{
    struct sql q = sql(s, "SELECT version, kind, filename, bytes, sha256, created, created_by, "
                          "'' FROM versions WHERE test = (SELECT key FROM tests WHERE id = ?1) "
                          "AND (?2 = 0 OR version < ?2) ORDER BY version DESC LIMIT ?3");
    struct store_version v = {.test = test};
    size_t count = 0;
    int more;

    sql_text(&q, test);
    sql_int(&q, page->key);
    sql_int(&q, (int64_t)page->limit + 1);
    while ((more = sql_row(&q, d)) > 0 && count++ < page->limit) {
        read_version(&q, &v);
        page->key = v.version;
        fn(arg, &v);
    }
    sql_end(&q);
    return more;
}
