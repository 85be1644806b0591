#include "api/replay.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "api/keeper.h"
#include "api/stored_internal.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "output/json_text.h"
#include "store/access.h"

enum { MAX_KEY = 128, SERVER_ERROR = 500, TOO_MANY = 429 };

struct replay {
    struct api_context context;
    struct api_request *request; /* NULL: the server has ended */
    struct api_call *call;       /* the request's; until its handler is called */
    char token[SHORT_ID_SIZE];
    char key[MAX_KEY + 1];
    struct store_answer claim;
    bool is_known; /* the key is; then */
    bool is_same;  /* the request is as well */
    int64_t status;
    char *text; /* owned: {"location": ..., "body": ...} */
};

/* --- what the store has --------------------------------------------------------------------- */

static struct store_answer_key key_of(const struct replay *p)
{
    return (struct store_answer_key){.token = p->token, .key = p->key};
}

static void see_known(void *arg, const struct store_answer *known)
{
    struct replay *p = arg;

    p->is_known = true;
    p->is_same = memcmp(known->request, p->claim.request, sizeof p->claim.request) == 0;
    p->status = known->status;
    p->text = mem_strdup(known->body);
}

static int claim(struct store *s, void *arg, struct diag *d)
{
    struct replay *p = arg;
    const struct store_answer_key key = key_of(p);
    int err = store_claim_answer(s, &key, &p->claim, see_known, p, d);

    return err > 0 ? 0 : err;
}

static int put(struct store *s, void *arg, struct diag *d)
{
    const struct replay *p = arg;
    const struct store_answer_key key = key_of(p);

    if (p->text)
        return store_put_answer(s, &key, p->status, p->text, d);
    return store_release_answer(s, &key, d);
}

/* --- answers -------------------------------------------------------------------------------- */

static void free_replay(struct replay *p)
{
    mem_free(p->text);
    mem_free(p);
}

static void answer_again(struct replay *p)
{
    json_t *kept = json_loads(p->text, 0, NULL);
    const char *location = json_string_value(json_object_get(kept, "location"));

    if (location)
        api_add_header(p->request, "Location", location);
    api_add_header(p->request, "Idempotent-Replay", "true");
    api_answer_json(p->request, (unsigned)p->status, json_incref(json_object_get(kept, "body")));
    json_decref(kept);
}

static void answer_known(struct replay *p)
{
    if (!p->is_same) {
        api_problem(p->request, 422, "/problems/idempotency-mismatch", "Idempotency key reused",
                    "this Idempotency-Key came with another request: use a new one");
    } else if (p->status == 0) {
        api_add_header(p->request, "Retry-After", "1");
        api_problem(p->request, 409, "/problems/idempotency-busy", "Request in progress",
                    "a request with this Idempotency-Key is being handled: try again in a second");
    } else {
        answer_again(p);
    }
}

static void hide(json_t *body, const char *key)
{
    if (json_object_get(body, key))
        json_object_set_new(body, key, json_null());
}

/* What will be answered again; NULL: it is tried again. */
static char *kept_answer(unsigned status, struct str text, const char *location)
{
    json_t *body = status < SERVER_ERROR && status != TOO_MANY
                       ? json_loadb(text.ptr ? text.ptr : "", text.len, 0, NULL)
                       : NULL;
    json_t *kept;
    char *dumped;

    if (!body)
        return NULL;
    if (json_object_get(body, "token"))
        hide(body, "page"); /* a share's, which has the token in it */
    hide(body, "token");
    kept = json_pack("{s:o, s:o}", "body", body, "location",
                     location ? json_string(location) : json_null());
    dumped = json_text(kept, 0);
    json_decref(kept);
    return dumped;
}

static void store_fiber(void *arg)
{
    struct replay *p = arg;
    struct diag d = DIAG_INIT;

    if (keeper_write(p->context.config.keeper, put, p, &d) != 0)
        log_printf(LOG_WARN, "an answer can't be stored for its Idempotency-Key: %s", d.message);
    diag_deinit(&d);
    if (p->request)
        api_release(p->request);
    free_replay(p);
}

static void on_answered(void *arg, unsigned status, struct str body, const char *location)
{
    struct replay *p = arg;

    if (status == 0) {
        p->request = NULL; /* the next start frees the key */
        return;
    }
    p->status = status;
    p->text = kept_answer(status, body, location);
    fiber_start(p->context.config.loop, store_fiber, p);
}

/* --- requests ------------------------------------------------------------------------------- */

static void release_key(struct replay *p)
{
    struct diag d = DIAG_INIT;

    if (keeper_write(p->context.config.keeper, put, p, &d) != 0)
        log_printf(LOG_WARN, "an Idempotency-Key can't be released: %s", d.message);
    diag_deinit(&d);
}

static void claim_fiber(void *arg)
{
    struct replay *p = arg;
    struct diag d = DIAG_INIT;
    int err = keeper_write(p->context.config.keeper, claim, p, &d);

    if (p->request && !err && !p->is_known && !api_has_left(p->request)) {
        p->call->route->handle(p->call); /* on_answered goes on */
        diag_deinit(&d);
        return;
    }
    if (!err && !p->is_known)
        release_key(p);
    if (p->request && !api_has_left(p->request)) {
        struct api_request *r = p->request;

        api_unhold(r);
        if (err)
            stored_refuse(r, err, &d);
        else
            answer_known(p);
    } else if (p->request) {
        api_unhold(p->request);
    }
    diag_deinit(&d);
    free_replay(p);
}

static void hash_part(EVP_MD_CTX *ctx, struct str part)
{
    uint64_t len = part.len;

    EVP_DigestUpdate(ctx, &len, sizeof len);
    EVP_DigestUpdate(ctx, part.ptr ? part.ptr : "", part.len);
}

/* Of method, path, query and body. */
static void hash_request(const struct api_request *r, unsigned char out[STORE_SHA256_SIZE])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    json_t *query = api_queries(r);
    char *text = json_dumps(query, JSON_SORT_KEYS | JSON_COMPACT);

    ensure(ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1);
    hash_part(ctx, str_of(api_method(r)));
    hash_part(ctx, str_of(api_path(r)));
    hash_part(ctx, str_of(text));
    hash_part(ctx, api_body(r));
    ensure(EVP_DigestFinal_ex(ctx, out, NULL) == 1);
    EVP_MD_CTX_free(ctx);
    json_decref(query);
    free(text);
}

void replay_handle(struct api_call *call)
{
    const char *key = api_header(call->request, "Idempotency-Key");
    struct replay *p;

    if (!key) {
        call->route->handle(call);
        return;
    }
    if (!key[0] || strlen(key) > MAX_KEY) {
        call_invalid(call, "Idempotency-Key: 1 to %d bytes", MAX_KEY);
        return;
    }
    p = mem_zalloc(sizeof *p);
    p->context = *call->context;
    p->request = call->request;
    p->call = call;
    p->claim.created = clock_wall();
    snprintf(p->token, sizeof p->token, "%s", call->caller.id);
    snprintf(p->key, sizeof p->key, "%s", key);
    hash_request(call->request, p->claim.request);
    api_hold(call->request, on_answered, p);
    fiber_start(call->context->config.loop, claim_fiber, p);
}
