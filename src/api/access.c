#include "api/access.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/bucket.h"
#include "api/keeper.h"
#include "api/server.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "store/access.h"

enum { SECRET_BYTES = 32, MAX_SESSIONS = 4096 };

#define OPERATOR_ID "000000000001"
#define COOKIE "gale_session"
#define SESSION_NSEC (INT64_C(7) * 86400 * NSEC_PER_SEC) /* since its last use */
#define NOTE_NSEC (30 * NSEC_PER_SEC)

/* "50 requests a second and token, bursts of 200" (openapi.yaml). */
static const struct bucket_limit request_limit = {.burst = 200, .per_second = 50};

struct known {
    struct api_caller caller;
    unsigned char hash[SHA256_DIGEST_LENGTH];
    int64_t expires; /* wall; 0: never */
    int64_t used;    /* wall */
    bool is_noted;   /* `used` is in the store, or was not */
    struct bucket bucket;
};

struct session {
    char token[SHORT_ID_SIZE];
    int64_t used;
};

struct access {
    struct access_config config;
    struct map tokens;   /* struct known by hash */
    struct map by_id;    /* the same by id */
    struct map sessions; /* struct session by the hash of what is in the cookie */
    struct known anybody;
    struct timer timer;
    bool is_noting;
};

/* --- secrets -------------------------------------------------------------------------------- */

static void hash_text(const char *text, unsigned char out[SHA256_DIGEST_LENGTH])
{
    SHA256((const unsigned char *)text, strlen(text), out);
}

static struct str hash_key(const unsigned char *hash)
{
    return str_from((const char *)hash, SHA256_DIGEST_LENGTH);
}

static void make_secret(const char *prefix, char out[ACCESS_TEXT_SIZE])
{
    unsigned char random[SECRET_BYTES];
    struct buf text = BUF_INIT(ACCESS_TEXT_SIZE);

    ensure(RAND_bytes(random, sizeof random) == 1);
    base64_encode(str_from((const char *)random, sizeof random), BASE64_URL, false, &text);
    snprintf(out, ACCESS_TEXT_SIZE, "%s%.*s", prefix, STR_ARG(buf_str(&text)));
    OPENSSL_cleanse(random, sizeof random);
    OPENSSL_cleanse(text.data, text.len);
    buf_deinit(&text);
}

/* --- the table ------------------------------------------------------------------------------ */

static void add_known(struct access *a, const struct store_token *t)
{
    struct known *k = mem_zalloc(sizeof *k);

    snprintf(k->caller.id, sizeof k->caller.id, "%s", t->id);
    snprintf(k->caller.name, sizeof k->caller.name, "%s", t->name);
    snprintf(k->caller.run, sizeof k->caller.run, "%s", t->run ? t->run : "");
    k->caller.role = role_of(t->role);
    memcpy(k->hash, t->hash, sizeof k->hash);
    k->expires = t->expires;
    k->used = t->used;
    k->is_noted = true;
    mem_free(map_set(&a->tokens, hash_key(k->hash), k));
    map_set(&a->by_id, str_of(k->caller.id), k);
}

static void load_token(void *arg, const struct store_token *token)
{
    add_known(arg, token);
}

static int load(struct store *s, void *arg, struct diag *d)
{
    int err = store_release_answers(s, d);

    return err ? err : store_each_token(s, load_token, arg, d);
}

static void forget(struct access *a, struct known *k)
{
    map_remove(&a->by_id, str_of(k->caller.id));
    map_remove(&a->tokens, hash_key(k->hash));
    mem_free(k);
}

static bool has_expired(const struct known *k)
{
    return k->expires && clock_wall() >= k->expires;
}

static struct known *find_text(const struct access *a, const char *text)
{
    unsigned char hash[SHA256_DIGEST_LENGTH];

    hash_text(text, hash);
    return map_get(&a->tokens, hash_key(hash));
}

/* --- when each was used --------------------------------------------------------------------- */

struct note {
    char id[SHORT_ID_SIZE];
    int64_t used;
};

struct notes {
    struct note *list;
    size_t count;
};

static int write_notes(struct store *s, void *arg, struct diag *d)
{
    const struct notes *n = arg;
    int err = 0;

    for (size_t i = 0; err == 0 && i < n->count; i++)
        err = store_note_token_used(s, n->list[i].id, n->list[i].used, d);
    return err;
}

static void note_fiber(void *arg)
{
    struct access *a = arg;
    struct notes notes = {.list = mem_calloc(a->by_id.count + 1, sizeof *notes.list)};
    struct diag d = DIAG_INIT;

    for (struct map_entry *e = map_first(&a->by_id); e; e = map_next(&a->by_id, e)) {
        struct known *k = e->value;

        if (k->is_noted)
            continue;
        k->is_noted = true;
        memcpy(notes.list[notes.count].id, k->caller.id, SHORT_ID_SIZE);
        notes.list[notes.count++].used = k->used;
    }
    if (notes.count > 0 && keeper_write(a->config.keeper, write_notes, &notes, &d) != 0)
        log_printf(LOG_WARN, "when tokens were used can't be stored: %s", d.message);
    diag_deinit(&d);
    mem_free(notes.list);
    a->is_noting = false;
}

static void on_timer(struct timer *timer)
{
    struct access *a = CONTAINER_OF(timer, struct access, timer);

    timer_start(a->config.loop, timer, clock_now() + NOTE_NSEC);
    if (a->is_noting)
        return;
    a->is_noting = true;
    fiber_start(a->config.loop, note_fiber, a);
}

/* --- life ----------------------------------------------------------------------------------- */

static void add_fixed(struct access *a)
{
    struct store_token token = {.id = OPERATOR_ID, .name = "operator", .role = "admin"};

    a->anybody.is_noted = true;
    a->anybody.caller = (struct api_caller){.role = a->config.open_role};
    snprintf(a->anybody.caller.id, SHORT_ID_SIZE, "%s", ACCESS_ANYBODY);
    snprintf(a->anybody.caller.name, ACCESS_NAME_SIZE, "anybody");
    if (!a->config.token)
        return;
    hash_text(a->config.token, token.hash);
    add_known(a, &token);
}

int access_new(const struct access_config *config, struct access **out, struct diag *d)
{
    struct access *a = mem_zalloc(sizeof *a);
    int err;

    a->config = *config;
    map_init(&a->tokens);
    map_init(&a->by_id);
    map_init(&a->sessions);
    timer_init(&a->timer, on_timer);
    err = keeper_now(config->keeper, load, a, d);
    if (err) {
        access_free(a);
        return err;
    }
    add_fixed(a);
    timer_start(config->loop, &a->timer, clock_now() + NOTE_NSEC);
    *out = a;
    return 0;
}

void access_free(struct access *a)
{
    if (!a)
        return;
    timer_stop(a->config.loop, &a->timer);
    map_deinit(&a->by_id);
    map_deinit_with(&a->tokens, mem_free);
    map_deinit_with(&a->sessions, mem_free);
    mem_free(a);
}

/* --- making and taking back ----------------------------------------------------------------- */

static int add_to_store(struct store *s, void *arg, struct diag *d)
{
    return store_add_token(s, arg, d);
}

static struct store_token prepare(const struct access_grant *grant, struct access_token *out)
{
    struct store_token token = {.id = out->id,
                                .name = grant->name,
                                .role = role_name(grant->role),
                                .run = grant->run,
                                .created_by = grant->created_by,
                                .created = clock_wall(),
                                .expires = grant->expires};

    short_id_new(token.created, out->id);
    make_secret(grant->run ? "gale_s_" : "gale_", out->text);
    hash_text(out->text, token.hash);
    out->created = token.created;
    return token;
}

int access_grant(struct access *a, const struct access_grant *grant, struct access_token *out,
                 struct diag *d)
{
    struct store_token token = prepare(grant, out);
    int err = keeper_write(a->config.keeper, add_to_store, &token, d);

    if (err == 0)
        add_known(a, &token);
    return err;
}

static bool has_admin(const struct access *a)
{
    for (struct map_entry *e = map_first(&a->by_id); e; e = map_next(&a->by_id, e)) {
        const struct known *k = e->value;

        if (k->caller.role == API_ADMIN && !has_expired(k))
            return true;
    }
    return false;
}

int access_bootstrap(struct access *a, char text[ACCESS_TEXT_SIZE], struct diag *d)
{
    const struct access_grant grant = {
        .name = "bootstrap", .role = API_ADMIN, .created_by = "bootstrap"};
    struct access_token made;
    struct store_token token;
    int err;

    text[0] = '\0';
    if (has_admin(a))
        return 0;
    token = prepare(&grant, &made);
    err = keeper_now(a->config.keeper, add_to_store, &token, d);
    if (err)
        return err;
    add_known(a, &token);
    memcpy(text, made.text, sizeof made.text);
    return 0;
}

struct revoking {
    const char *id;
    const char *run;
};

static int delete_in_store(struct store *s, void *arg, struct diag *d)
{
    const struct revoking *r = arg;

    return store_delete_token(s, r->id, r->run, clock_wall(), d);
}

int access_revoke(struct access *a, const char *id, const char *run, struct diag *d)
{
    struct revoking revoking = {id, run};
    int err = keeper_write(a->config.keeper, delete_in_store, &revoking, d);
    struct known *k = err ? NULL : map_get(&a->by_id, str_of(id));

    if (k)
        forget(a, k);
    return err;
}

/* --- sessions ------------------------------------------------------------------------------- */

static void set_cookie(const struct access *a, const char *value, bool is_over,
                       char out[ACCESS_COOKIE_SIZE])
{
    snprintf(out, ACCESS_COOKIE_SIZE, COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict%s%s", value,
             a->config.is_tls ? "; Secure" : "", is_over ? "; Max-Age=0" : "");
}

static bool has_passed(const struct session *s)
{
    return clock_now() - s->used > SESSION_NSEC;
}

/* Room for one more: those that have passed go, else the one that was opened first. */
static void make_room(struct access *a)
{
    struct map_entry *first = map_first(&a->sessions);

    for (struct map_entry *e = first; e; e = map_next(&a->sessions, e)) {
        if (has_passed(e->value))
            mem_free(map_remove(&a->sessions, e->key));
    }
    first = map_first(&a->sessions);
    if (first && a->sessions.count >= MAX_SESSIONS)
        mem_free(map_remove(&a->sessions, first->key));
}

bool access_open_session(struct access *a, const char *text, struct api_caller *out,
                         char cookie[ACCESS_COOKIE_SIZE])
{
    const struct known *k = find_text(a, text);
    char secret[ACCESS_TEXT_SIZE];
    unsigned char hash[SHA256_DIGEST_LENGTH];
    struct session *session;

    if (!k || has_expired(k))
        return false;
    make_room(a);
    make_secret("", secret);
    hash_text(secret, hash);
    session = mem_zalloc(sizeof *session);
    memcpy(session->token, k->caller.id, SHORT_ID_SIZE);
    session->used = clock_now();
    mem_free(map_set(&a->sessions, hash_key(hash), session));
    set_cookie(a, secret, false, cookie);
    *out = k->caller;
    return true;
}

void access_close_session(struct access *a, const struct api_request *r,
                          char cookie[ACCESS_COOKIE_SIZE])
{
    const char *secret = api_cookie(r, COOKIE);
    unsigned char hash[SHA256_DIGEST_LENGTH];

    if (secret) {
        hash_text(secret, hash);
        mem_free(map_remove(&a->sessions, hash_key(hash)));
    }
    set_cookie(a, "", true, cookie);
}

static struct known *find_session(const struct access *a, const char *secret)
{
    unsigned char hash[SHA256_DIGEST_LENGTH];
    struct session *session;

    hash_text(secret, hash);
    session = map_get(&a->sessions, hash_key(hash));
    if (!session || has_passed(session))
        return NULL;
    session->used = clock_now();
    return map_get(&a->by_id, str_of(session->token));
}

/* --- requests ------------------------------------------------------------------------------- */

static bool refuse(struct api_request *r, const char *why)
{
    api_add_header(r, "WWW-Authenticate", "Bearer realm=\"gale\"");
    api_problem(r, 401, "/problems/unauthorized", "Unauthorized", "%s", why);
    return false;
}

static bool forbid(struct api_request *r, const char *why)
{
    api_problem(r, 403, "/problems/forbidden", "Forbidden", "%s", why);
    return false;
}

static bool is_safe(const struct api_request *r)
{
    return strcmp(api_method(r), "GET") == 0 || strcmp(api_method(r), "HEAD") == 0;
}

/* "https://host:port" of the request's own host. */
static bool is_own_origin(const struct access *a, const struct api_request *r, const char *origin)
{
    const char *host = api_header(r, "Host");
    const char *scheme = a->config.is_tls ? "https://" : "http://";
    size_t len = strlen(scheme);

    return host && strncmp(origin, scheme, len) == 0 && strcmp(origin + len, host) == 0;
}

/* What browsers say of the page that makes a request; others say nothing (`unsaid`). */
static bool is_own_page(const struct access *a, const struct api_request *r, bool unsaid)
{
    const char *site = api_header(r, "Sec-Fetch-Site");
    const char *origin = api_header(r, "Origin");

    if (site)
        return strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0;
    return origin ? is_own_origin(a, r, origin) : unsaid;
}

/* Of this machine, and not one that another site's DNS makes point to it. */
static bool is_loopback_host(const char *host)
{
    static const char *const names[] = {"localhost", "[::1]"};

    if (!host)
        return true;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        size_t len = strlen(names[i]);

        if (strncmp(host, names[i], len) == 0 && (host[len] == '\0' || host[len] == ':'))
            return true;
    }
    return strncmp(host, "127.", 4) == 0 && host[strspn(host, "0123456789.:")] == '\0';
}

/* An address, or what this machine calls itself; a port may follow. */
static bool is_machine_host(const char *host)
{
    struct str name = str_of(host);
    ptrdiff_t colon = str_rfind(name, ':');
    char own[256] = "";

    if (host[0] == '[')
        return host[strspn(host, "0123456789abcdefABCDEF.:[]")] == '\0';
    if (host[strspn(host, "0123456789.:")] == '\0')
        return true;
    if (colon >= 0)
        name = str_slice(name, 0, (size_t)colon);
    return gethostname(own, sizeof own - 1) == 0 && own[0] && str_eq_nocase(name, str_of(own));
}

static bool is_of_this_machine(const struct api_request *r)
{
    const char *peer = api_peer(r);

    return strcmp(peer, "::1") == 0 || strncmp(peer, "127.", 4) == 0 ||
           strncmp(peer, "::ffff:127.", 11) == 0;
}

static bool identify_anybody(struct access *a, struct api_request *r, struct api_caller *out)
{
    const char *host = api_header(r, "Host");

    if (!is_loopback_host(host) && (!a->config.is_shared || !is_machine_host(host)))
        return forbid(r, a->config.is_shared
                             ? "this is served under the machine's address or its own name"
                             : "without tokens this machine alone is answered, as localhost: other "
                               "names need a controller with --auth, or a run's --dashboard-addr");
    if (!is_own_page(a, r, true))
        return forbid(r, "the request comes from a page of another site");
    *out = a->anybody.caller;
    if (a->config.is_shared && !is_of_this_machine(r))
        out->role = API_VIEWER;
    return true;
}

static bool is_let_in(struct api_request *r, struct known *k, struct api_caller *out)
{
    if (has_expired(k))
        return refuse(r, "the token has expired: an admin can make another one");
    k->used = clock_wall();
    k->is_noted = strcmp(k->caller.id, OPERATOR_ID) == 0;
    *out = k->caller;
    return true;
}

static bool identify_cookie(const struct access *a, struct api_request *r, const char *cookie,
                            struct api_caller *out)
{
    struct known *k = find_session(a, cookie);

    if (!k)
        return refuse(r, "the session is over: show a token again");
    if (!is_safe(r) && !is_own_page(a, r, false))
        return forbid(r, "the request does not come from a page of this controller");
    return is_let_in(r, k, out);
}

bool access_identify(struct access *a, struct api_request *r, struct api_caller *out)
{
    const char *header = api_header(r, "Authorization");
    const char *cookie = api_cookie(r, COOKIE);
    struct known *k;

    if (header) {
        k = strncmp(header, "Bearer ", 7) == 0 ? find_text(a, header + 7) : NULL;
        if (!k)
            return refuse(r, a->config.is_open
                                 ? "the token is not known here, where none is needed: show none"
                                 : "the token is not known here, or was taken back");
        return is_let_in(r, k, out);
    }
    if (cookie && (!a->config.is_open || find_session(a, cookie)))
        return identify_cookie(a, r, cookie, out);
    if (a->config.is_open)
        return identify_anybody(a, r, out);
    return refuse(r, "show a token, as \"Authorization: Bearer TOKEN\" (gale: --token TOKEN, or "
                     "GALE_TOKEN)");
}

bool access_count(struct access *a, struct api_request *r, const struct api_caller *caller)
{
    struct known *k = map_get(&a->by_id, str_of(caller->id));
    char text[16];
    unsigned wait;

    if (bucket_take(k ? &k->bucket : &a->anybody.bucket, &request_limit, clock_now(), &wait))
        return true;
    snprintf(text, sizeof text, "%u", wait);
    api_add_header(r, "Retry-After", text);
    api_problem(r, 429, "/problems/too-many-requests", "Too many requests",
                "More than %.0f requests a second: try again in %s s", request_limit.per_second,
                text);
    return false;
}
