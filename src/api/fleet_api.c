/* From a request to its handler: the route, who asks, whether they may. */
#include "api/fleet_api.h"

#include <stdio.h>
#include <string.h>

#include "api/access.h"
#include "api/call.h"
#include "api/fleet_live.h"
#include "api/lives.h"
#include "api/prometheus.h"
#include "api/replay.h"
#include "api/static.h"
#include "base/mem.h"

enum { MAX_UPLOAD = 64 * 1024 * 1024, MAX_BODY = 1024 * 1024, MAX_CONNECTIONS = 2048 };

struct fleet_api {
    struct api_context context;
    struct api_server *server;
    struct fleet_live *live;
    char first_token[ACCESS_TEXT_SIZE];
};

/* --- who may ------------------------------------------------------------------------------- */

/* A share opens what is marked so, of its run. */
static bool may_by_share(struct api_call *call)
{
    const char *run = route_value(call->route, &call->values, "run");

    if (!(call->route->flags & ROUTE_SHARE))
        api_problem(call->request, 403, "/problems/forbidden", "Forbidden",
                    "the link opens what run %s measured, and nothing else", call->caller.run);
    else if (run && strcmp(run, call->caller.run) != 0)
        call_not_found(call, "run", run);
    else
        return true;
    return false;
}

static bool may(struct api_call *call)
{
    const struct api_caller *caller = &call->caller;

    if (caller->run[0])
        return may_by_share(call);
    if (caller->role >= call->route->role)
        return true;
    if (strcmp(caller->id, ACCESS_ANYBODY) == 0)
        api_problem(call->request, 403, "/problems/forbidden", "Forbidden",
                    "this is for who is on the machine itself: others may only look");
    else
        api_problem(call->request, 403, "/problems/forbidden", "Forbidden",
                    "this needs the role %s; the token '%s' is a %s", role_name(call->route->role),
                    caller->name, role_name(caller->role));
    return false;
}

/* --- requests ------------------------------------------------------------------------------- */

static bool is_admitted(struct api_call *call)
{
    struct access *access = call->context->access;

    if (call->route->role == API_NONE) /* a session is opened; the others are no API */
        return strncmp(call->route->path, "/api/", 5) != 0 ||
               access_count(access, call->request, &call->caller);
    return access_identify(access, call->request, &call->caller) &&
           access_count(access, call->request, &call->caller) && may(call);
}

/* Of one run there is one page, whatever is asked for: k6's path, or that of the run before. */
static bool leads_home(const struct fleet_api *api, struct api_request *r)
{
    const char *run = api->context.config.local_id;
    const char *path = api_path(r);
    bool is_page = static_is_page(path) || strcmp(path, "/ui") == 0 || strcmp(path, "/ui/") == 0;
    char home[64];

    if (!run || !is_page)
        return false;
    snprintf(home, sizeof home, "/runs/%s", run);
    if (strcmp(path, home) == 0)
        return false;
    api_add_header(r, "Location", home);
    api_add_header(r, "Cache-Control", "no-store");
    api_answer(r, 302, "text/plain; charset=utf-8", STR(""));
    return true;
}

/* A controller has all that there is. */
static bool is_there(struct api_call *call)
{
    if (call->context->config.controller || (call->route->flags & ROUTE_LOCAL))
        return true;
    api_problem(call->request, 404, "/problems/not-found", "Not found",
                "gale run serves the one run that it makes: a controller (gale controller) has "
                "this, too");
    return false;
}

/* Who asks, and whether they may, is known before the body is read. */
static void admit(void *arg, struct api_request *r)
{
    const struct fleet_api *api = arg;
    struct api_call *call = mem_zalloc(sizeof *call);
    char allow[ROUTE_ALLOW_SIZE];

    call->context = &api->context;
    call->request = r;
    api_set_data(r, call);
    switch (route_find(api_method(r), api_path(r), &call->route, &call->values, allow)) {
    case ROUTE_FOUND:
        api_add_header(r, "Cache-Control", "no-store");
        api_limit_body(r, call->route->flags & ROUTE_UPLOAD ? MAX_UPLOAD : MAX_BODY);
        if (is_there(call))
            is_admitted(call);
        break;
    case ROUTE_NO_METHOD:
        api_add_header(r, "Allow", allow);
        api_problem(r, 405, "/problems/method-not-allowed", "Method not allowed",
                    "use one of these here: %s", allow);
        break;
    case ROUTE_NO_NAME:
        api_problem(r, 404, "/problems/not-found", "Not found",
                    "what the path has there is no name: letters, digits, '_', '.', ':' and '-'");
        break;
    case ROUTE_NO_PATH:
        /* The dashboard holds no secret: it asks for the token itself. */
        if (!leads_home(api, r) && !static_answer(r))
            api_problem(r, 404, "/problems/not-found", "Not found", "There is no such page");
    }
}

static void handle(void *arg, struct api_request *r)
{
    struct api_call *call = api_data(r);

    (void)arg;
    if (call->route->flags & ROUTE_CREATES)
        replay_handle(call);
    else
        call->route->handle(call);
}

static void count(void *arg, unsigned status)
{
    const struct fleet_api *api = arg;

    if (api->context.prometheus)
        prometheus_count_answer(api->context.prometheus, status);
}

/* --- life ----------------------------------------------------------------------------------- */

static int start_access(struct fleet_api *api, struct diag *d)
{
    const struct fleet_api_config *config = &api->context.config;
    struct access_config access = {
        .keeper = config->keeper,
        .loop = config->loop,
        .token = config->token,
        .is_open = config->is_open,
        .is_shared = config->is_shared,
        .open_role = config->controller ? API_ADMIN : API_RUNNER,
        .is_tls = config->cert_pem != NULL,
    };
    int err = access_new(&access, &api->context.access, d);

    if (err || config->is_open)
        return err;
    return access_bootstrap(api->context.access, api->first_token, d);
}

static void watch_controller(struct fleet_api *api)
{
    api->live = fleet_live_new(api->context.config.controller, api->context.lives);
    api->context.living = fleet_live_runs(api->live);
    api->context.prometheus = prometheus_new(&api->context);
}

int fleet_api_start(const struct fleet_api_config *config, struct fleet_api **out, struct diag *d)
{
    struct fleet_api *api = mem_zalloc(sizeof *api);
    struct api_server_config server = {
        .address = config->address,
        .loop = config->loop,
        .max_body = MAX_BODY,
        .admit = admit,
        .answered = count,
        .connections = MAX_CONNECTIONS,
        .cert_pem = config->cert_pem,
        .key_pem = config->key_pem,
        .handle = handle,
        .arg = api,
    };
    int err;

    api->context.config = *config;
    api->context.lives = lives_new(config->loop);
    api->context.living = config->local;
    if (config->controller)
        watch_controller(api);
    err = start_access(api, d);
    if (err == 0)
        err = api_server_start(&server, &api->server, d);
    if (err) {
        fleet_api_stop(api);
        fleet_api_free(api);
        return err;
    }
    *out = api;
    return 0;
}

void fleet_api_stop(struct fleet_api *api)
{
    if (!api)
        return;
    if (api->live) {
        fleet_live_stop(api->live);
        prometheus_stop(api->context.prometheus);
    }
    lives_stop(api->context.lives);
    api_server_stop(api->server);
}

void fleet_api_free(struct fleet_api *api)
{
    if (!api)
        return;
    if (api->live)
        prometheus_free(api->context.prometheus);
    fleet_live_free(api->live);
    lives_free(api->context.lives);
    access_free(api->context.access);
    mem_free(api);
}

int fleet_api_port(const struct fleet_api *api)
{
    return api_server_port(api->server);
}

const char *fleet_api_first_token(const struct fleet_api *api)
{
    return api->first_token;
}

/* --- one run -------------------------------------------------------------------------------- */

bool fleet_api_is_followed(const struct fleet_api *api)
{
    return lives_are_followed(api->context.lives, api->context.config.local_id);
}

void fleet_api_tell(struct fleet_api *api, const char *event, json_t *data)
{
    if (fleet_api_is_followed(api))
        lives_send(api->context.lives, api->context.config.local_id, event, data);
    else
        json_decref(data);
}

void fleet_api_end(struct fleet_api *api, json_t *all, json_t *view)
{
    lives_end(api->context.lives, api->context.config.local_id, all, view);
}

void fleet_api_drain(struct fleet_api *api, int64_t nsec)
{
    api_server_drain(api->server, nsec);
}
