/* Sessions, the tokens behind them, and those that share a run. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/access.h"
#include "api/fleet_views.h"
#include "api/keeper.h"
#include "api/lives.h"
#include "api/stored_internal.h"
#include "base/clock.h"
#include "base/mem.h"
#include "fleet/controller.h"
#include "loop/fiber.h"
#include "store/access.h"
#include "store/run.h"

enum { MAX_NAME = 100, MAX_DAYS = 3650, SHARE_DAYS = 30, MAX_TOKEN_TEXT = 200, ALL = 500 };

#define DAY_NSEC (INT64_C(86400) * NSEC_PER_SEC)

/* --- sessions ------------------------------------------------------------------------------- */

static json_t *caller_json(const struct api_caller *c)
{
    return json_pack("{s:s, s:s, s:s, s:o}", "id", c->id, "name", c->name, "role",
                     role_name(c->role), "run", c->run[0] ? json_string(c->run) : json_null());
}

static void open_session(struct api_call *call, const char *token)
{
    char cookie[ACCESS_COOKIE_SIZE];
    struct api_caller caller;

    if (!token || strlen(token) > MAX_TOKEN_TEXT) {
        call_invalid(call, "token: the text of a token");
    } else if (!access_open_session(call->context->access, token, &caller, cookie)) {
        api_add_header(call->request, "WWW-Authenticate", "Bearer realm=\"gale\"");
        api_problem(call->request, 401, "/problems/unauthorized", "Unauthorized",
                    "the token is not known here, was taken back, or has expired");
    } else {
        api_add_header(call->request, "Set-Cookie", cookie);
        api_answer_json(call->request, 200, caller_json(&caller));
    }
}

void session_open(struct api_call *call)
{
    json_t *body = call_json(call);

    if (body)
        open_session(call, json_string_value(json_object_get(body, "token")));
    json_decref(body);
}

void session_close(struct api_call *call)
{
    char cookie[ACCESS_COOKIE_SIZE];

    access_close_session(call->context->access, call->request, cookie);
    api_add_header(call->request, "Set-Cookie", cookie);
    api_answer(call->request, 204, NULL, STR(""));
}

/* --- lists ---------------------------------------------------------------------------------- */

static json_t *times_json(const struct store_token *t)
{
    return json_pack("{s:s, s:o, s:s, s:o, s:o}", "id", t->id, "created_at", view_time(t->created),
                     "created_by", t->created_by, "expires_at", view_time(t->expires),
                     "last_used_at", view_time(t->used));
}

static void add_share(void *arg, const struct store_token *t)
{
    json_array_append_new(((struct stored *)arg)->json, times_json(t));
}

static void add_token(void *arg, const struct store_token *t)
{
    json_t *json = times_json(t);

    json_object_set_new(json, "name", json_string(t->name));
    json_object_set_new(json, "role", json_string(t->role));
    json_array_append_new(((struct stored *)arg)->json, json);
}

static int read_tokens(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    struct store_page page;
    int more = stored_page(q, &page, d);

    q->json = json_array();
    if (more == 0)
        more = store_list_tokens(s, NULL, &page, add_token, q, d);
    if (more < 0)
        return more;
    stored_end_page(q, &page, more);
    return 0;
}

void tokens_list(struct api_call *call)
{
    stored_start(call, read_tokens, NULL);
}

static void ignore_run(void *arg, const struct store_run *run)
{
    (void)arg;
    (void)run;
}

static int read_shares(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    struct store_page page = {.limit = ALL};
    const char *run = stored_path(q, "run");
    int err = store_get_run(s, run, ignore_run, NULL, d);
    json_t *items;

    if (err)
        return err;
    q->json = json_array();
    err = store_list_tokens(s, run, &page, add_share, q, d);
    items = q->json;
    q->json = json_pack("{s:o}", "items", items);
    return err < 0 ? err : 0;
}

void shares_list(struct api_call *call)
{
    stored_start(call, read_shares, NULL);
}

/* --- making and taking back ----------------------------------------------------------------- */

struct work {
    struct api_context context;
    struct api_request *request; /* NULL: the client has left */
    struct access_grant grant;
    struct access_token made;
    char *name; /* owned, as is the next */
    char *created_by;
    char id[ROUTE_VALUE_SIZE];  /* of the token to be taken back */
    char run[ROUTE_VALUE_SIZE]; /* that a share opens; "": it is none */
};

static void on_gone(void *arg)
{
    ((struct work *)arg)->request = NULL;
}

static struct work *start_work(struct api_call *call)
{
    struct work *w = mem_zalloc(sizeof *w);

    w->context = *call->context;
    w->request = call->request;
    api_on_gone(call->request, on_gone, w);
    return w;
}

static void end_work(struct work *w)
{
    mem_free(w->name);
    mem_free(w->created_by);
    mem_free(w);
}

static json_t *made_json(const struct work *w)
{
    const struct store_token token = {.id = w->made.id,
                                      .created = w->made.created,
                                      .created_by = w->created_by,
                                      .expires = w->grant.expires};
    json_t *json = times_json(&token);
    char *page;

    json_object_set_new(json, "token", json_string(w->made.text));
    if (!w->run[0]) {
        json_object_set_new(json, "name", json_string(w->name));
        json_object_set_new(json, "role", json_string(role_name(w->grant.role)));
        return json;
    }
    page = mem_printf("/runs/%s#share=%s", w->run, w->made.text);
    json_object_set_new(json, "page", json_string(page));
    mem_free(page);
    return json;
}

static int see_run(struct store *s, void *arg, struct diag *d)
{
    return store_get_run(s, arg, ignore_run, NULL, d);
}

/* A share is one of a run that there is. */
YIELDS static int find_run(struct work *w, struct diag *d)
{
    if (!w->run[0] ||
        (w->context.config.controller && controller_find_run(w->context.config.controller, w->run)))
        return 0;
    return keeper_read(w->context.config.keeper, see_run, w->run, d);
}

static void create_fiber(void *arg)
{
    struct work *w = arg;
    struct diag d = DIAG_INIT;
    int err = find_run(w, &d);

    if (err == 0)
        err = access_grant(w->context.access, &w->grant, &w->made, &d);
    if (w->request && err)
        stored_refuse(w->request, err, &d);
    else if (w->request)
        api_answer_json(w->request, 201, made_json(w));
    diag_deinit(&d);
    end_work(w);
}

static size_t length_of(const char *text)
{
    size_t count = 0;

    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

/* Until when; `otherwise` days without it, 0: for ever. False: it was answered. */
static bool read_days(struct api_call *call, const json_t *body, int otherwise, int64_t *expires)
{
    const json_t *days = json_object_get(body, "expires_in_days");
    json_int_t count = days ? json_integer_value(days) : otherwise;

    if (days && !json_is_null(days) && (!json_is_integer(days) || count < 1 || count > MAX_DAYS)) {
        call_invalid(call, "expires_in_days: 1 to %d, or null for never", MAX_DAYS);
        return false;
    }
    *expires = count > 0 ? clock_wall() + DAY_NSEC * count : 0;
    return true;
}

/* What the body says, checked; false: it was answered. */
static bool read_token(struct api_call *call, const json_t *body, struct access_grant *out)
{
    const char *name = json_string_value(json_object_get(body, "name"));
    const char *role = json_string_value(json_object_get(body, "role"));
    size_t fields = json_object_get(body, "expires_in_days") ? 3 : 2;

    *out = (struct access_grant){.name = name, .role = role ? role_of(role) : API_NONE};
    if (!name || !name[0] || length_of(name) > MAX_NAME)
        call_invalid(call, "name: whose the token is, 1 to %d characters", MAX_NAME);
    else if (out->role == API_NONE)
        call_invalid(call, "role: viewer, runner or admin");
    else if (json_object_size(body) > fields)
        call_invalid(call, "a token has name, role and expires_in_days");
    else
        return read_days(call, body, 0, &out->expires);
    return false;
}

static bool read_share(struct api_call *call, const json_t *body, struct access_grant *out)
{
    *out = (struct access_grant){.name = "share", .role = API_VIEWER};
    if (json_object_size(body) > (json_object_get(body, "expires_in_days") ? 1 : 0)) {
        call_invalid(call, "a share has expires_in_days");
        return false;
    }
    return read_days(call, body, SHARE_DAYS, &out->expires);
}

static void create(struct api_call *call, const struct access_grant *grant, const char *run)
{
    struct work *w = start_work(call);

    w->name = mem_strdup(grant->name);
    w->created_by = mem_strdup(call->caller.name);
    w->grant = *grant;
    w->grant.name = w->name;
    w->grant.created_by = w->created_by;
    if (run) {
        snprintf(w->run, sizeof w->run, "%s", run);
        w->grant.run = w->run;
    }
    fiber_start(call->context->config.loop, create_fiber, w);
}

void tokens_create(struct api_call *call)
{
    json_t *body = call_json(call);
    struct access_grant grant;

    if (body && read_token(call, body, &grant))
        create(call, &grant, NULL);
    json_decref(body);
}

void shares_create(struct api_call *call)
{
    json_t *body = call_json(call);
    struct access_grant grant;

    if (body && read_share(call, body, &grant))
        create(call, &grant, call_param(call, "run"));
    json_decref(body);
}

static void delete_fiber(void *arg)
{
    struct work *w = arg;
    struct diag d = DIAG_INIT;
    int err = access_revoke(w->context.access, w->id, w->run[0] ? w->run : NULL, &d);

    if (err == 0)
        lives_end_caller(w->context.lives, w->id);
    if (w->request && err == -EBUSY)
        api_problem(w->request, 409, "/problems/last-admin", "Last admin", "%s", d.message);
    else if (w->request && err)
        stored_refuse(w->request, err, &d);
    else if (w->request)
        api_answer(w->request, 204, NULL, STR(""));
    diag_deinit(&d);
    end_work(w);
}

void tokens_delete(struct api_call *call)
{
    struct work *w = start_work(call);

    snprintf(w->id, sizeof w->id, "%s", call_param(call, "token"));
    fiber_start(call->context->config.loop, delete_fiber, w);
}

void shares_delete(struct api_call *call)
{
    struct work *w = start_work(call);

    snprintf(w->id, sizeof w->id, "%s", call_param(call, "share"));
    snprintf(w->run, sizeof w->run, "%s", call_param(call, "run"));
    fiber_start(call->context->config.loop, delete_fiber, w);
}
