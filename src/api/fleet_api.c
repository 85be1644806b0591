/* Routes of the REST API. What takes long (reading an upload) runs on a fiber; everything else is
 * answered at once. */
#include "api/fleet_api.h"

#include <string.h>

#include "api/fleet_live.h"
#include "api/fleet_views.h"
#include "api/server.h"
#include "api/static.h"
#include "api/stored.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/run.h"
#include "fleet/controller.h"
#include "loop/fiber.h"
#include "loop/offload.h"

enum { MAX_BODY = 64 * 1024 * 1024, MAX_CONNECTIONS = 1024, PATH_PARTS = 8 };

struct fleet_api {
    struct fleet_api_config config;
    struct api_server *server;
    struct fleet_lives *lives;
    char *token;
};

/* --- problems ------------------------------------------------------------------------------- */

static void not_found(struct api_request *r, const char *what, const char *name)
{
    api_problem(r, 404, "/problems/not-found", "Not found", "There is no %s %s", what, name);
}

static void invalid(struct api_request *r, const char *message)
{
    api_problem(r, 400, "/problems/invalid-request", "Invalid request", "%s", message);
}

/* --- starting a run ------------------------------------------------------------------------- */

struct creation {
    struct fleet_api *api;
    struct api_request *request; /* NULL: the client has left */
    char *name;
    struct str input; /* owned */
    struct run_request wanted;
    char *mode;
    struct diag diag;
    int code;
};

static void free_creation(struct creation *c)
{
    mem_free(c->name);
    mem_free((void *)(uintptr_t)c->input.ptr);
    mem_free(c->mode);
    diag_deinit(&c->diag);
    mem_free(c);
}

static void on_gone(void *arg)
{
    ((struct creation *)arg)->request = NULL;
}

static void prepare_offloaded(void *arg)
{
    struct creation *c = arg;
    const struct preparer *preparer = controller_preparer(c->api->config.controller);

    c->code = preparer->prepare(preparer->arg, c->name, c->input, &c->wanted.prepared, &c->diag);
}

static void start_run(struct creation *c)
{
    struct fleet_run *run = NULL;
    int err = controller_run(c->api->config.controller, &c->wanted, &run, &c->diag);
    const char *message = c->diag.message ? c->diag.message : err_text(err);
    char *location;

    if (!c->request)
        return; /* it runs all the same: who asked may look for it */
    if (err == ERR_UNSUPPORTED) {
        api_problem(c->request, 503, "/problems/not-ready", "Not ready", "%s", message);
    } else if (err) {
        api_problem(c->request, 422, "/problems/plan-refused", "The plan was refused", "%s",
                    message);
    } else {
        location = mem_printf("/api/v1/runs/%s", fleet_run_id(run));
        api_add_header(c->request, "Location", location);
        api_answer_json(c->request, 201, view_run(run));
        mem_free(location);
    }
}

static void create_fiber(void *arg)
{
    struct creation *c = arg;

    offload_run(prepare_offloaded, c);
    if (c->code == 0) {
        const char *name = json_string_value(json_object_get(c->wanted.extra, "name"));

        if (name) { /* not that of the archive it came in */
            mem_free(c->wanted.prepared->name);
            c->wanted.prepared->name = mem_strdup(name);
        }
        start_run(c);
    } else {
        shares_deinit(&c->wanted.shares);
        if (c->request)
            api_problem(c->request, 422, "/problems/invalid-script", "Invalid script", "%s",
                        c->diag.message ? c->diag.message : "it could not be read");
    }
    free_creation(c);
}

static int read_wanted(struct api_request *r, struct run_request *out, struct diag *d)
{
    const char *regions = api_query(r, "regions");
    const char *load = api_query(r, "load");
    const char *lost = api_query(r, "on_region_lost");
    bool per_region = load && strcmp(load, "per-region") == 0;

    if (load && !per_region && strcmp(load, "total") != 0)
        return diag_set(d, ERR_INVALID, "load: '%s' is none: total or per-region", load);
    if (lost && strcmp(lost, "continue") != 0 && strcmp(lost, "abort") != 0)
        return diag_set(d, ERR_INVALID, "on_region_lost: '%s' is none: continue or abort", lost);
    *out = (struct run_request){
        .on_loss = lost && strcmp(lost, "abort") == 0 ? LOSS_ABORT : LOSS_CONTINUE,
        .without_thresholds = api_query(r, "no_thresholds") != NULL,
    };
    out->shares.per_region = per_region;
    if (!regions)
        return 0;
    return shares_parse(str_of(regions), per_region, &out->shares, d);
}

static void create_run(struct fleet_api *api, struct api_request *r)
{
    const char *mode = api_query(r, "summary_mode");
    const char *name = api_query(r, "filename");
    struct creation *c = mem_zalloc(sizeof *c);
    struct str body = api_body(r);

    c->api = api;
    if (body.len == 0)
        diag_set(&c->diag, ERR_INVALID, "the body must be a script or an archive (.tar)");
    if (c->diag.message || read_wanted(r, &c->wanted, &c->diag)) {
        invalid(r, c->diag.message);
        free_creation(c);
        return;
    }
    /* An archive is known by its content: whatever it was packed from. */
    if (body.len > 262 && memcmp(body.ptr + 257, "ustar", 5) == 0)
        c->name = mem_printf("%s.tar", name ? name : "archive");
    else
        c->name = mem_strdup(name ? name : "script.js");
    c->input = str_from(mem_dup(body.ptr, body.len), body.len);
    c->mode = mem_strdup(mode);
    c->wanted.summary_mode = c->mode;
    if (name)
        c->wanted.extra = json_pack("{s:s}", "name", name);
    c->request = r;
    api_on_gone(r, on_gone, c);
    fiber_start(api->config.loop, create_fiber, c);
}

/* --- one run -------------------------------------------------------------------------------- */

static void stop_run(struct fleet_api *api, struct api_request *r, struct fleet_run *run)
{
    struct str body = api_body(r);
    json_t *json = json_loadb(body.ptr ? body.ptr : "", body.len, 0, NULL);
    const char *reason = json_string_value(json_object_get(json, "reason"));

    if (fleet_run_is_over(run))
        api_problem(r, 409, "/problems/run-ended", "Run ended", "Run %s has ended",
                    fleet_run_id(run));
    else {
        controller_stop_run(api->config.controller, run, RUN_ABORT_SIGNAL, reason);
        api_answer_json(r, 202, view_run(run));
    }
    json_decref(json);
}

static void summary(struct api_request *r, const struct fleet_run *run)
{
    const char *format = api_query(r, "format");
    const char *color = api_query(r, "color");
    bool colored = color && strcmp(color, "true") == 0;
    struct buf out = BUF_INIT(SIZE_MAX);

    if (format && strcmp(format, "regions") == 0)
        fleet_run_region_table(run, colored, &out);
    else
        fleet_run_summary(run, NULL, colored, &out);
    api_answer(r, 200, "text/plain; charset=utf-8", buf_str(&out));
    buf_deinit(&out);
}

static void answer_text(struct api_request *r, const char *type, char *text)
{
    api_answer(r, 200, type, str_of(text ? text : ""));
    mem_free(text);
}

static void list_lines(struct api_request *r, const struct fleet_run *run, bool logs)
{
    json_t *items = json_array();
    size_t count;

    if (logs) {
        const struct fleet_log *list = fleet_run_logs(run, &count);

        for (size_t i = 0; i < count; i++)
            json_array_append_new(items, view_log(run, &list[i]));
    } else {
        const struct fleet_event *list = fleet_run_events(run, &count);

        for (size_t i = 0; i < count; i++)
            json_array_append_new(items, view_event(run, &list[i]));
    }
    api_answer_json(r, 200, json_pack("{s:o, s:n}", "items", items, "next"));
}

static void export(struct api_request *r, const struct fleet_run *run, const char *format)
{
    if (format && strcmp(format, "summary") == 0)
        answer_text(r, "application/json", fleet_run_export(run, false));
    else if (format && strcmp(format, "machine") == 0)
        answer_text(r, "application/json", fleet_run_export(run, true));
    else
        not_found(r, "export", format ? format : "");
}

static void route_run(struct fleet_api *api, struct api_request *r, char **path, size_t count)
{
    struct fleet_run *run = controller_find_run(api->config.controller, path[3]);
    const struct stored_context stored = {api->config.keeper, api->config.controller};
    const char *what = count > 4 ? path[4] : "";
    bool is_get = strcmp(api_method(r), "GET") == 0;

    if (is_get && (strcmp(what, "series") == 0 || strcmp(what, "metrics") == 0))
        stored_metrics(&stored, r, path);
    else if (!run && is_get)
        stored_run(&stored, r, path, count);
    else if (!run)
        not_found(r, "run", path[3]);
    else if (strcmp(what, "stop") == 0 && strcmp(api_method(r), "POST") == 0)
        stop_run(api, r, run);
    else if (!is_get)
        api_problem(r, 405, "/problems/method-not-allowed", "Method not allowed",
                    "use GET here, or POST .../stop");
    else if (what[0] == '\0')
        api_answer_json(r, 200, view_run(run));
    else if (strcmp(what, "live") == 0)
        fleet_lives_add(api->lives, run, r);
    else if (strcmp(what, "summary") == 0)
        summary(r, run);
    else if (strcmp(what, "custom-summary") == 0)
        answer_text(r, "application/json", mem_strdup(fleet_run_custom_summary(run)));
    else if (strcmp(what, "events") == 0 || strcmp(what, "logs") == 0)
        list_lines(r, run, what[0] == 'l');
    else if (strcmp(what, "thresholds") == 0)
        api_answer_json(r, 200, view_thresholds(run));
    else if (strcmp(what, "export") == 0)
        export(r, run, count > 5 ? path[5] : NULL);
    else
        not_found(r, "page", api_path(r));
}

/* --- the fleet ------------------------------------------------------------------------------ */

static void scale(struct fleet_api *api, struct api_request *r, const char *region)
{
    struct str body = api_body(r);
    json_t *json = json_loadb(body.ptr ? body.ptr : "", body.len, 0, NULL);
    const json_t *agents = json_object_get(json, "agents");
    struct diag d = DIAG_INIT;

    if (!json_is_integer(agents) || json_integer_value(agents) < 0 ||
        json_integer_value(agents) > 10000)
        invalid(r, "agents: how many there shall be, 0 to 10,000");
    else if (!api->config.scale)
        api_problem(r, 422, "/problems/plan-refused", "No provisioner",
                    "this controller starts no agents: start them with `gale agent --region %s`",
                    region);
    else if (api->config.scale(api->config.arg, region, (unsigned)json_integer_value(agents), &d))
        api_problem(r, 422, "/problems/plan-refused", "Not possible", "%s", d.message);
    else
        api_answer_json(r, 202, json_pack("{s:s, s:O}", "name", region, "agents_wanted", agents));
    diag_deinit(&d);
    json_decref(json);
}

static void ready(struct fleet_api *api, struct api_request *r)
{
    const struct controller *c = api->config.controller;

    if (!controller_is_connected(c))
        api_answer(r, 503, "text/plain", STR("nats: not connected\n"));
    else if (!controller_leads(c))
        api_answer(r, 503, "text/plain", STR("another controller leads\n"));
    else
        api_answer(r, 200, "text/plain", STR("ok\n"));
}

/* --- routing -------------------------------------------------------------------------------- */

/* Compares in constant time for its length. */
static bool is_token(const char *got, const char *wanted)
{
    size_t len = strlen(wanted);
    unsigned char differs = strlen(got) != len;

    for (size_t i = 0; i < len && got[i]; i++)
        differs |= (unsigned char)(got[i] ^ wanted[i]);
    return !differs;
}

static bool may(const struct fleet_api *api, const struct api_request *r)
{
    const char *header = api_header(r, "Authorization");

    if (!api->token)
        return true;
    return header && strncmp(header, "Bearer ", 7) == 0 && is_token(header + 7, api->token);
}

static void route(struct fleet_api *api, struct api_request *r, char **path, size_t count)
{
    const char *method = api_method(r);
    bool is_get = strcmp(method, "GET") == 0;
    const struct stored_context stored = {api->config.keeper, api->config.controller};

    if (count < 3 || strcmp(path[0], "api") != 0 || strcmp(path[1], "v1") != 0)
        not_found(r, "page", api_path(r));
    else if (strcmp(path[2], "runs") == 0 && count > 3)
        route_run(api, r, path, count);
    else if (strcmp(path[2], "runs") == 0 && is_get)
        stored_list_runs(&stored, r);
    else if (strcmp(path[2], "runs") == 0 && strcmp(method, "POST") == 0)
        create_run(api, r);
    else if (strcmp(path[2], "tests") == 0 && is_get)
        stored_tests(&stored, r, path, count);
    else if (strcmp(path[2], "agents") == 0 && is_get && count == 3)
        api_answer_json(r, 200, view_agents(api->config.controller));
    else if (strcmp(path[2], "regions") == 0 && is_get && count == 3)
        api_answer_json(r, 200, view_regions(api->config.controller));
    else if (strcmp(path[2], "regions") == 0 && count == 5 && strcmp(path[4], "scale") == 0 &&
             strcmp(method, "PUT") == 0)
        scale(api, r, path[3]);
    else
        not_found(r, "page", api_path(r));
}

static void handle(void *arg, struct api_request *r)
{
    struct fleet_api *api = arg;
    struct str rest = str_from_index(str_of(api_path(r)), 1);
    char *path[PATH_PARTS] = {NULL};
    size_t count = 0;

    if (strcmp(api_path(r), "/healthz") == 0) {
        api_answer(r, 200, "text/plain", STR("ok\n"));
        return;
    }
    if (strcmp(api_path(r), "/readyz") == 0) {
        ready(api, r);
        return;
    }
    if (static_answer(r))
        return; /* the dashboard holds no secret: it asks for the token itself */
    if (!may(api, r)) {
        api_add_header(r, "WWW-Authenticate", "Bearer realm=\"gale\"");
        api_problem(r, 401, "/problems/unauthorized", "Unauthorized",
                    "show the controller's token: --token, or GALE_TOKEN");
        return;
    }
    while (rest.len > 0 && count < PATH_PARTS)
        path[count++] = str_dup(str_cut(&rest, '/'));
    route(api, r, path, count);
    for (size_t i = 0; i < count; i++)
        mem_free(path[i]);
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

    api->config = *config;
    api->token = mem_strdup(config->token);
    err = api_server_start(&server, &api->server, d);
    if (err) {
        mem_free(api->token);
        mem_free(api);
        return err;
    }
    api->lives = fleet_lives_new(config->controller);
    *out = api;
    return 0;
}

void fleet_api_stop(struct fleet_api *api)
{
    if (!api)
        return;
    fleet_lives_free(api->lives);
    api_server_stop(api->server);
    mem_free(api->token);
    mem_free(api);
}

int fleet_api_port(const struct fleet_api *api)
{
    return api_server_port(api->server);
}
