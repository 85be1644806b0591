/* From a request to its handler: the route, who asks, whether they may. */
#include "api/fleet_api.h"

#include <string.h>

#include "api/call.h"
#include "api/fleet_live.h"
#include "api/static.h"
#include "base/mem.h"

enum { MAX_BODY = 64 * 1024 * 1024, MAX_CONNECTIONS = 1024 };

struct fleet_api {
    struct api_context context;
    struct api_server *server;
    char *token;
};

/* Compares in constant time for its length. */
static bool is_token(const char *got, const char *wanted)
{
    size_t len = strlen(wanted);
    unsigned char differs = strlen(got) != len;

    for (size_t i = 0; i < len && got[i]; i++)
        differs |= (unsigned char)(got[i] ^ wanted[i]);
    return !differs;
}

static bool is_known(const struct fleet_api *api, const struct api_request *r)
{
    const char *header = api_header(r, "Authorization");

    if (!api->token)
        return true;
    return header && strncmp(header, "Bearer ", 7) == 0 && is_token(header + 7, api->token);
}

static void unauthorized(struct api_request *r)
{
    api_add_header(r, "WWW-Authenticate", "Bearer realm=\"gale\"");
    api_problem(r, 401, "/problems/unauthorized", "Unauthorized",
                "show the controller's token: --token, or GALE_TOKEN");
}

static void serve(const struct fleet_api *api, struct api_call *call)
{
    if (call->route->role != API_NONE && !is_known(api, call->request)) {
        unauthorized(call->request);
        return;
    }
    call->caller = (struct api_caller){.id = "", .name = "", .role = API_ADMIN};
    call->route->handle(call);
}

static void handle(void *arg, struct api_request *r)
{
    const struct fleet_api *api = arg;
    struct api_call call = {.context = &api->context, .request = r};
    char allow[ROUTE_ALLOW_SIZE];

    switch (route_find(api_method(r), api_path(r), &call.route, &call.values, allow)) {
    case ROUTE_FOUND:
        serve(api, &call);
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
        if (!static_answer(r))
            api_problem(r, 404, "/problems/not-found", "Not found", "There is no such page");
    }
}

int fleet_api_start(const struct fleet_api_config *config, struct fleet_api **out, struct diag *d)
{
    struct fleet_api *api = mem_zalloc(sizeof *api);
    struct api_server_config server = {
        .address = config->address,
        .loop = config->loop,
        .max_body = MAX_BODY,
        .connections = MAX_CONNECTIONS,
        .handle = handle,
        .arg = api,
    };
    int err;

    api->context.config = *config;
    api->token = mem_strdup(config->token);
    err = api_server_start(&server, &api->server, d);
    if (err) {
        mem_free(api->token);
        mem_free(api);
        return err;
    }
    api->context.lives = fleet_lives_new(config->controller);
    *out = api;
    return 0;
}

void fleet_api_stop(struct fleet_api *api)
{
    if (!api)
        return;
    fleet_lives_free(api->context.lives);
    api_server_stop(api->server);
    mem_free(api->token);
    mem_free(api);
}

int fleet_api_port(const struct fleet_api *api)
{
    return api_server_port(api->server);
}
