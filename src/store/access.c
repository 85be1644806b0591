#include "store/access.h"

#include <errno.h>
#include <math.h>

#include "base/err.h"
#include "store/sql.h"

#define DAY_NSEC (INT64_C(86400) * 1000000000)

static struct str hash_str(const unsigned char *hash)
{
    return str_from((const char *)hash, STORE_SHA256_SIZE);
}

static void get_hash(struct sql *q, unsigned char *out)
{
    struct str bytes = sql_get_blob(q);

    memset(out, 0, STORE_SHA256_SIZE);
    if (bytes.len == STORE_SHA256_SIZE)
        memcpy(out, bytes.ptr, STORE_SHA256_SIZE);
}

/* --- tokens ------------------------------------------------------------------------------- */

int store_add_token(struct store *s, const struct store_token *token, struct diag *d)
{
    struct sql q = sql(s, "INSERT INTO tokens (id, name, role, run, hash, created, created_by, "
                          "expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");

    sql_text(&q, token->id);
    sql_text(&q, token->name);
    sql_text(&q, token->role);
    sql_text(&q, token->run);
    sql_blob(&q, hash_str(token->hash));
    sql_int(&q, token->created);
    sql_text(&q, token->created_by);
    sql_int_unless(&q, token->expires, 0);
    return sql_run(&q, d);
}

#define TOKEN_COLUMNS                                                                              \
    "SELECT id, name, role, run, hash, created, created_by, expires, used FROM tokens "

static void read_token(struct sql *q, struct store_token *t)
{
    t->id = sql_get_text(q);
    t->name = sql_get_text(q);
    t->role = sql_get_text(q);
    t->run = sql_get_text(q);
    get_hash(q, t->hash);
    t->created = sql_get_int(q);
    t->created_by = sql_get_text(q);
    t->expires = sql_get_int(q);
    t->used = sql_get_int(q);
}

int store_find_token(struct store *s, const unsigned char hash[STORE_SHA256_SIZE],
                     void (*fn)(void *arg, const struct store_token *token), void *arg,
                     struct diag *d)
{
    struct sql q = sql(s, TOKEN_COLUMNS "WHERE hash = ?");
    struct store_token token;
    int err;

    sql_blob(&q, hash_str(hash));
    err = sql_row(&q, d);
    if (err < 0)
        return err;
    if (err > 0) {
        read_token(&q, &token);
        fn(arg, &token);
    }
    sql_end(&q);
    return err > 0 ? 0 : diag_set(d, ERR_NOT_FOUND, "the token is not known");
}

int store_note_token_used(struct store *s, const char *id, int64_t wall_nsec, struct diag *d)
{
    struct sql q = sql(s, "UPDATE tokens SET used = ? WHERE id = ?");

    sql_int(&q, wall_nsec);
    sql_text(&q, id);
    return sql_run(&q, d);
}

int store_each_token(struct store *s, void (*fn)(void *arg, const struct store_token *token),
                     void *arg, struct diag *d)
{
    struct sql q = sql(s, TOKEN_COLUMNS);
    struct store_token token;
    int err;

    while ((err = sql_row(&q, d)) > 0) {
        read_token(&q, &token);
        fn(arg, &token);
    }
    sql_end(&q);
    return err;
}

static int delete_token(struct store *s, const char *id, const char *run, int64_t now,
                        struct diag *d)
{
    struct sql q = sql(s, "SELECT count(*) FROM tokens WHERE role = 'admin' AND run IS NULL AND "
                          "id <> ?1 AND (expires IS NULL OR expires > ?2) AND EXISTS (SELECT 1 "
                          "FROM tokens WHERE id = ?1 AND role = 'admin' AND run IS NULL)");
    struct sql is_admin = sql(s, "SELECT count(*) FROM tokens WHERE id = ? AND role = 'admin' AND "
                                 "run IS NULL");
    int64_t others = 0;
    int64_t admin = 0;
    int err;

    sql_text(&q, id);
    sql_int(&q, now);
    err = sql_number(&q, 0, &others, d);
    sql_text(&is_admin, id);
    if (!err)
        err = sql_number(&is_admin, 0, &admin, d);
    if (err)
        return err;
    if (admin && !others)
        return diag_set(d, -EBUSY, "this is the last admin token: make another one first");
    q = sql(s, "DELETE FROM tokens WHERE id = ? AND run IS ?");
    sql_text(&q, id);
    sql_text(&q, run);
    err = sql_run(&q, d);
    return err || sqlite3_changes(s->db) ? err
                                         : diag_set(d, ERR_NOT_FOUND, "there is no token %s", id);
}

int store_delete_token(struct store *s, const char *id, const char *run, int64_t now,
                       struct diag *d)
{
    struct sql_scope scope;
    int err = sql_enter(s, &scope, d);

    return err ? err : sql_leave(s, scope, delete_token(s, id, run, now, d), d);
}

int store_list_tokens(struct store *s, const char *run, struct store_page *page,
                      void (*fn)(void *arg, const struct store_token *token), void *arg,
                      struct diag *d)
{
    struct sql q = sql(s, TOKEN_COLUMNS "WHERE run IS ?1 AND (?2 = '' OR id < ?2) "
                                        "ORDER BY id DESC LIMIT ?3");
    const struct store_page from = *page;
    struct store_token token;
    size_t count = 0;
    int more;

    sql_text(&q, run);
    sql_text(&q, from.id);
    sql_int(&q, (int64_t)from.limit + 1);
    while ((more = sql_row(&q, d)) > 0 && count++ < from.limit) {
        read_token(&q, &token);
        sql_page_at(page, token.id);
        fn(arg, &token);
    }
    sql_end(&q);
    return more;
}

/* --- answers ------------------------------------------------------------------------------ */

static int forget_old(struct store *s, const struct store_answer_key *key, int64_t now,
                      struct diag *d)
{
    struct sql q = sql(s, "DELETE FROM answers WHERE token = ? AND key = ? AND created <= ?");

    sql_text(&q, key->token);
    sql_text(&q, key->key);
    sql_int(&q, now - DAY_NSEC);
    return sql_run(&q, d);
}

static int claim_answer(struct store *s, const struct store_answer_key *key,
                        const struct store_answer *claim, struct diag *d)
{
    struct sql q = sql(s, "INSERT INTO answers (token, key, request, status, body, created) "
                          "VALUES (?, ?, ?, 0, '', ?) ON CONFLICT DO NOTHING");
    int err;

    sql_text(&q, key->token);
    sql_text(&q, key->key);
    sql_blob(&q, hash_str(claim->request));
    sql_int(&q, claim->created);
    err = sql_run(&q, d);
    return err ? err : sqlite3_changes(s->db) == 0;
}

int store_claim_answer(struct store *s, const struct store_answer_key *key,
                       const struct store_answer *claim,
                       void (*fn)(void *arg, const struct store_answer *known), void *arg,
                       struct diag *d)
{
    int err = forget_old(s, key, claim->created, d);
    struct store_answer known;
    struct sql q;

    if (!err)
        err = claim_answer(s, key, claim, d);
    if (err <= 0)
        return err;
    q = sql(s, "SELECT request, status, body, created FROM answers WHERE token = ? AND key = ?");
    sql_text(&q, key->token);
    sql_text(&q, key->key);
    err = sql_row(&q, d);
    if (err <= 0)
        return err;
    get_hash(&q, known.request);
    known.status = sql_get_int(&q);
    known.body = sql_get_text(&q);
    known.created = sql_get_int(&q);
    fn(arg, &known);
    sql_end(&q);
    return 1;
}

int store_put_answer(struct store *s, const struct store_answer_key *key, int64_t status,
                     const char *body, struct diag *d)
{
    struct sql q = sql(s, "UPDATE answers SET status = ?, body = ? WHERE token = ? AND key = ?");

    sql_int(&q, status);
    sql_text(&q, body);
    sql_text(&q, key->token);
    sql_text(&q, key->key);
    return sql_run(&q, d);
}

int store_release_answer(struct store *s, const struct store_answer_key *key, struct diag *d)
{
    struct sql q = sql(s, "DELETE FROM answers WHERE token = ? AND key = ? AND status = 0");

    sql_text(&q, key->token);
    sql_text(&q, key->key);
    return sql_run(&q, d);
}

int store_release_answers(struct store *s, struct diag *d)
{
    struct sql q = sql(s, "DELETE FROM answers WHERE status = 0");

    return sql_run(&q, d);
}

/* --- regions ------------------------------------------------------------------------------ */

int store_put_region(struct store *s, const struct store_region *region, struct diag *d)
{
    struct sql q = sql(s, "INSERT INTO regions (name, title, latitude, longitude, provisioner, "
                          "agents_wanted) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                          "title = excluded.title, latitude = excluded.latitude, "
                          "longitude = excluded.longitude, provisioner = excluded.provisioner, "
                          "agents_wanted = excluded.agents_wanted");

    sql_text(&q, region->name);
    sql_text(&q, region->title);
    sql_double(&q, region->latitude);
    sql_double(&q, region->longitude);
    sql_text(&q, region->provisioner);
    sql_int_unless(&q, region->agents_wanted, -1);
    return sql_run(&q, d);
}

static double get_degrees(struct sql *q)
{
    bool is_null = sql_is_null(q);
    double value = sql_get_double(q);

    return is_null ? (double)NAN : value;
}

int store_list_regions(struct store *s, void (*fn)(void *arg, const struct store_region *region),
                       void *arg, struct diag *d)
{
    struct sql q = sql(s, "SELECT name, title, latitude, longitude, provisioner, agents_wanted "
                          "FROM regions ORDER BY name");
    int err;

    while ((err = sql_row(&q, d)) > 0) {
        struct store_region r;

        r.name = sql_get_text(&q);
        r.title = sql_get_text(&q);
        r.latitude = get_degrees(&q);
        r.longitude = get_degrees(&q);
        r.provisioner = sql_get_text(&q);
        r.agents_wanted = sql_get_int_or(&q, -1);
        fn(arg, &r);
    }
    sql_end(&q);
    return err;
}
