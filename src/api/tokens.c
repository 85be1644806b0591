/* Sessions, and the tokens behind them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/access.h"
#include "api/fleet_live.h"
#include "api/fleet_views.h"
#include "api/stored_internal.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "store/access.h"

enum { MAX_NAME = 100, MAX_DAYS = 3650, MAX_TOKEN_TEXT = 200 };

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

/* --- the list ------------------------------------------------------------------------------- */

static void add_token(void *arg, const struct store_token *t)
{
    json_array_append_new(((struct stored *)arg)->json,
                          json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:o}", "id", t->id, "name",
                                    t->name, "role", t->role, "created_at", view_time(t->created),
                                    "created_by", t->created_by, "expires_at",
                                    view_time(t->expires), "last_used_at", view_time(t->used)));
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

/* --- making and taking back ----------------------------------------------------------------- */

struct work {
    struct api_context context;
    struct api_request *request; /* NULL: the client has left */
    struct access_grant grant;
    struct access_token made;
    char *name; /* owned, as is the next */
    char *created_by;
    char id[ROUTE_VALUE_SIZE]; /* of the token to be taken back */
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

static void create_fiber(void *arg)
{
    struct work *w = arg;
    struct diag d = DIAG_INIT;
    int err = access_grant(w->context.access, &w->grant, &w->made, &d);

    if (w->request && err)
        stored_refuse(w->request, err, &d);
    else if (w->request)
        api_answer_json(w->request, 201,
                        json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:n, s:s}", "id", w->made.id,
                                  "name", w->name, "role", role_name(w->grant.role), "created_at",
                                  view_time(w->made.created), "created_by", w->created_by,
                                  "expires_at", view_time(w->grant.expires), "last_used_at",
                                  "token", w->made.text));
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

/* What the body says, checked; false: it was answered. */
static bool read_grant(struct api_call *call, const json_t *body, struct access_grant *out)
{
    const char *name = json_string_value(json_object_get(body, "name"));
    const char *role = json_string_value(json_object_get(body, "role"));
    const json_t *days = json_object_get(body, "expires_in_days");
    json_int_t count = json_integer_value(days);

    *out = (struct access_grant){.name = name, .role = role ? role_of(role) : API_NONE};
    if (!name || !name[0] || length_of(name) > MAX_NAME)
        call_invalid(call, "name: whose the token is, 1 to %d characters", MAX_NAME);
    else if (out->role == API_NONE)
        call_invalid(call, "role: viewer, runner or admin");
    else if (days && !json_is_null(days) &&
             (!json_is_integer(days) || count < 1 || count > MAX_DAYS))
        call_invalid(call, "expires_in_days: 1 to %d, or null for never", MAX_DAYS);
    else if (json_object_size(body) > (days ? 3 : 2))
        call_invalid(call, "a token has name, role and expires_in_days");
    else
        return true;
    return false;
}

void tokens_create(struct api_call *call)
{
    json_t *body = call_json(call);
    struct access_grant grant;
    struct work *w;

    if (body && read_grant(call, body, &grant)) {
        w = start_work(call);
        w->name = mem_strdup(grant.name);
        w->created_by = mem_strdup(call->caller.name);
        w->grant =
            (struct access_grant){.name = w->name, .role = grant.role, .created_by = w->created_by};
        if (json_is_integer(json_object_get(body, "expires_in_days")))
            w->grant.expires =
                clock_wall() +
                DAY_NSEC * json_integer_value(json_object_get(body, "expires_in_days"));
        fiber_start(call->context->config.loop, create_fiber, w);
    }
    json_decref(body);
}

static void delete_fiber(void *arg)
{
    struct work *w = arg;
    struct diag d = DIAG_INIT;
    int err = access_revoke(w->context.access, w->id, NULL, &d);

    if (err == 0)
        fleet_lives_end_caller(w->context.lives, w->id);
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
