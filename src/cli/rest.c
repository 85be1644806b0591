#include "cli/rest.h"

#include <string.h>

#include "api/server.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/rest_views.h"
#include "cli/session.h"
#include "loop/loop.h"

enum { MAX_BODY = 64 * 1024, MAX_CONNECTIONS = 64 };

enum {
    STATUS_OK = 200,
    STATUS_BAD_REQUEST = 400,
    STATUS_NOT_FOUND = 404,
    STATUS_METHOD_NOT_ALLOWED = 405,
    STATUS_INTERNAL = 500
};

struct rest {
    struct session *session;
    struct api_server *server;
};

/* --- answers ------------------------------------------------------------------------------ */

struct answer {
    unsigned status;
    json_t *json;     /* owned; NULL: the text */
    const char *text; /* static */
};

static struct answer ok(json_t *json)
{
    return (struct answer){STATUS_OK, json, NULL};
}

static struct answer refuse(unsigned status, const char *title, const char *detail)
{
    return (struct answer){status, rest_error(status, title, detail), NULL};
}

static struct answer not_found(const char *what)
{
    return refuse(STATUS_NOT_FOUND, "Not Found", what);
}

/* --- PATCH /v1/status --------------------------------------------------------------------- */

static bool changes(const json_t *attributes, const char *key, uint64_t now)
{
    const json_t *value = json_object_get(attributes, key);

    return json_is_integer(value) && json_integer_value(value) != (json_int_t)now;
}

static struct answer patch_status(struct session *s, struct str body)
{
    json_t *document = json_loadb(body.ptr ? body.ptr : "", body.len, 0, NULL);
    const json_t *attributes = json_object_get(json_object_get(document, "data"), "attributes");
    const struct run_state *state = run_get_state(s->run);
    const json_t *paused = json_object_get(attributes, "paused");
    bool is_paused = run_get_phase(s->run) == RUN_PAUSED;
    struct answer answer = {0};

    if (!json_is_object(attributes)) {
        answer = refuse(STATUS_BAD_REQUEST, "Invalid data",
                        "expected {\"data\": {\"attributes\": {...}}}");
    } else if (changes(attributes, "vus", run_state_vus_active(state)) ||
               changes(attributes, "vus-max", run_state_vus_initialised(state))) {
        answer = refuse(STATUS_INTERNAL, "Execution config error",
                        "no executor lets its VUs be changed from outside");
    } else if (json_is_true(paused) && !is_paused) {
        answer =
            refuse(STATUS_BAD_REQUEST, "Pause error", "a test can't be paused once it has started");
    } else {
        if (json_is_true(json_object_get(attributes, "stopped"))) {
            run_abort(s->run, RUN_ABORT_REST, "stopped over the REST API");
            loop_stop(s->loop); /* for --linger; while the test runs, run_test goes on */
        } else if (json_is_false(paused)) {
            run_resume(s->run);
        }
        answer = ok(rest_status(s));
    }
    json_decref(document);
    return answer;
}

/* --- routes ------------------------------------------------------------------------------- */

static struct answer get(const struct session *s, const char *url)
{
    json_t *json;

    if (strcmp(url, "/ping") == 0 || strcmp(url, "/") == 0)
        return (struct answer){STATUS_OK, NULL, "ok"};
    if (strcmp(url, "/v1/status") == 0)
        return ok(rest_status(s));
    if (strcmp(url, "/v1/metrics") == 0)
        return ok(rest_metrics(s));
    if (strcmp(url, "/v1/groups") == 0)
        return ok(rest_groups(s));
    if (strcmp(url, "/v1/setup") == 0)
        return ok(rest_setup_data(s));
    if (strncmp(url, "/v1/metrics/", 12) == 0) {
        json = rest_metric(s, url + 12);
        return json ? ok(json) : not_found("no metric with that ID was found");
    }
    if (strncmp(url, "/v1/groups/", 11) == 0) {
        json = rest_group(s, url + 11);
        return json ? ok(json) : not_found("no group with that ID was found");
    }
    return not_found("there is no such page");
}

static struct answer route(struct session *s, const char *method, const char *url, struct str body)
{
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        return get(s, url);
    if (strcmp(method, "PATCH") == 0 && strcmp(url, "/v1/status") == 0)
        return patch_status(s, body);
    return refuse(STATUS_METHOD_NOT_ALLOWED, "Method Not Allowed",
                  "GET, and PATCH of /v1/status, are what there is");
}

/* --- the server --------------------------------------------------------------------------- */

static void handle(void *arg, struct api_request *r)
{
    struct rest *rest = arg;
    struct answer answer = route(rest->session, api_method(r), api_path(r), api_body(r));

    if (answer.json)
        api_answer_json(r, answer.status, answer.json);
    else
        api_answer(r, answer.status, "text/plain", str_of(answer.text));
}

struct rest *rest_start(struct session *session, const char *address, struct diag *d)
{
    struct rest *rest = mem_zalloc(sizeof *rest);
    struct api_server_config config = {
        .address = address,
        .loop = session->loop,
        .max_body = MAX_BODY,
        .connections = MAX_CONNECTIONS,
        .handle = handle,
        .arg = rest,
    };

    rest->session = session;
    if (api_server_start(&config, &rest->server, d) == 0)
        return rest;
    mem_free(rest);
    return NULL;
}

void rest_stop(struct rest *rest)
{
    if (!rest)
        return;
    api_server_stop(rest->server);
    mem_free(rest);
}
