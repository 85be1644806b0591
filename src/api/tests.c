/* Making and changing tests and their versions. */
#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/fleet_views.h"
#include "api/keeper.h"
#include "api/script_work.h"
#include "api/server.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "store/test.h"

static const struct body_field create_fields[] = {
    {.name = "name", .kind = BODY_TEXT, .max = 200, .is_needed = true},
    {.name = "description", .kind = BODY_TEXT, .max = 4000},
    {.name = "labels", .kind = BODY_TEXTS, .max = 50, .each = 200},
    {.name = "script", .kind = BODY_TEXT, .max = STORE_MAX_CONTENT},
    {.name = "filename", .kind = BODY_TEXT, .max = 200},
};

/* --- what is being made --------------------------------------------------------------------- */

/* A test, a version, or only a look at a script. */
struct making {
    struct stored *q;
    struct script_work work;
    char id[SHORT_ID_SIZE]; /* of the test */
    struct store_version version;
    int64_t number; /* of the version */
    bool is_known;  /* it was there */
};

static const char *labels_of(struct stored *q)
{
    const json_t *labels = json_object_get(q->body, "labels");
    char *text = labels ? json_dumps(labels, JSON_COMPACT) : NULL;
    const char *copy = arena_strdup(&q->arena, text ? text : "{}");

    free(text);
    return copy;
}

static int add_version(struct making *m, struct store *s, struct diag *d)
{
    int err;

    m->version.test = m->id;
    m->version.created_by = m->q->caller;
    err = store_add_version(s, &m->version, m->work.input, &m->number, d);
    m->is_known = err == 1;
    return err < 0 ? err : 0;
}

static int write_test(struct store *s, void *arg, struct diag *d)
{
    struct making *m = arg;
    struct stored *q = m->q;
    const struct store_test test = {
        .id = m->id,
        .name = body_text(q->body, "name", ""),
        .description = body_text(q->body, "description", ""),
        .labels = labels_of(q),
        .created = clock_wall(),
        .updated = clock_wall(),
    };
    int err;

    short_id_new(test.created, m->id);
    err = store_add_test(s, &test, d);
    if (err == 0 && m->work.prepared)
        err = add_version(m, s, d);
    q->status = 201;
    q->location = arena_printf(&q->arena, "/api/v1/tests/%s", m->id);
    return err ? err : stored_load_test(q, s, m->id, d);
}

static int write_version(struct store *s, void *arg, struct diag *d)
{
    struct making *m = arg;
    struct stored *q = m->q;
    int err = add_version(m, s, d);

    q->status = m->is_known ? 200 : 201;
    if (!m->is_known)
        q->location =
            arena_printf(&q->arena, "/api/v1/tests/%s/versions/%lld", m->id, (long long)m->number);
    return err ? err : stored_load_version(q, s, m->id, m->number, d);
}

static int find_test(struct store *s, void *arg, struct diag *d)
{
    struct making *m = arg;

    return stored_load_test(m->q, s, m->id, d);
}

/* --- making it ------------------------------------------------------------------------------ */

static bool is_about(const struct making *m, const char *operation)
{
    return strcmp(m->q->route->operation, operation) == 0;
}

/* 0, or what went wrong: ERR_INVALID with nothing in `d` when it is the script. */
YIELDS static int make(struct making *m, struct diag *d)
{
    struct stored *q = m->q;
    struct keeper *keeper = q->context.config.keeper;
    int err = 0;

    if (is_about(m, "createVersion")) { /* before a long look at the script */
        err = keeper_read(keeper, find_test, m, d);
        json_decref(q->json);
        q->json = NULL;
    }
    if (err == 0 && m->work.input.ptr)
        err = script_read(q->context.config.controller, &m->work);
    if (err)
        return err;
    if (m->work.prepared)
        script_version(&q->arena, &m->work, &m->version);
    if (is_about(m, "inspectScript"))
        q->json = view_found(m->work.prepared);
    else
        err = keeper_write(keeper, is_about(m, "createTest") ? write_test : write_version, m, d);
    return err;
}

static void make_fiber(void *arg)
{
    struct making *m = arg;
    struct diag d = DIAG_INIT;
    int err = make(m, &d);

    if (m->q->request && err && m->work.code)
        script_refuse(m->q->request, &m->work);
    else if (m->q->request && err)
        stored_refuse(m->q->request, err, &d);
    else if (m->q->request)
        stored_answer(m->q);
    diag_deinit(&d);
    stored_free(m->q);
    script_work_deinit(&m->work);
    mem_free(m);
}

static void start(struct api_call *call, json_t *body, struct str input, const char *name)
{
    struct making *m = mem_zalloc(sizeof *m);

    m->q = stored_new(call);
    m->q->body = body;
    if (input.len > 0) {
        m->work.input = str_from(mem_dup(input.ptr, input.len), input.len);
        m->work.name = script_name(&m->q->arena, input, name);
    }
    if (route_value(call->route, &call->values, "test"))
        snprintf(m->id, sizeof m->id, "%s", call_param(call, "test"));
    fiber_start(call->context->config.loop, make_fiber, m);
}

/* --- handlers ------------------------------------------------------------------------------- */

/* A body that is a script or an archive, by its type. False: it is none, and that was answered. */
static bool takes_script(struct api_call *call)
{
    static const char *const types[] = {"text/javascript",   "application/javascript",
                                        "text/typescript",   "application/typescript",
                                        "application/x-tar", "application/octet-stream"};
    const char *type = api_header(call->request, "Content-Type");
    const char *name = call_query(call, "filename");

    for (size_t i = 0; i < COUNT_OF(types); i++) {
        size_t len = strlen(types[i]);

        if (!type || strncmp(type, types[i], len) != 0 || (type[len] && !strchr("; ", type[len])))
            continue;
        if (api_body(call->request).len == 0)
            call_invalid(call, "the body must be a script or an archive (.tar)");
        else if (name && !script_name_is_valid(name))
            call_invalid(call, "filename: 1 to 200 characters, no directories");
        else
            return true;
        return false;
    }
    api_problem(call->request, 415, "/problems/unsupported-media-type", "Unsupported media type",
                "Send text/javascript, text/typescript or application/x-tar");
    return false;
}

/* TypeScript is known by its name. */
static const char *name_by_type(const struct api_call *call)
{
    const char *type = api_header(call->request, "Content-Type");
    const char *name = call_query(call, "filename");

    return name || !strstr(type, "typescript") ? name : "script.ts";
}

void tests_inspect(struct api_call *call)
{
    if (takes_script(call))
        start(call, NULL, api_body(call->request), name_by_type(call));
}

void tests_create_version(struct api_call *call)
{
    if (takes_script(call))
        start(call, NULL, api_body(call->request), name_by_type(call));
}

void tests_create(struct api_call *call)
{
    json_t *body = call_json(call);
    struct diag d = DIAG_INIT;
    const char *name = body_text(body, "filename", NULL);
    int err;

    if (!body)
        return;
    err = body_check(body, create_fields, COUNT_OF(create_fields), &d);
    if (err == 0 && name && !script_name_is_valid(name)) {
        err = diag_set(&d, ERR_INVALID, "filename: 1 to 200 characters, no directories");
        diag_at(&d, "/filename", 0, 0);
    }
    if (err) {
        stored_refuse(call->request, err, &d);
        json_decref(body);
    } else {
        start(call, body, str_of(body_text(body, "script", NULL)), name);
    }
    diag_deinit(&d);
}

/* --- changing them -------------------------------------------------------------------------- */

static const struct body_field update_fields[] = {
    {.name = "name", .kind = BODY_TEXT, .max = 200},
    {.name = "description", .kind = BODY_TEXT, .max = 4000},
    {.name = "labels", .kind = BODY_TEXTS, .max = 50, .each = 200},
};

struct update {
    struct stored *q;
    struct store_test test;
};

static void take_old(void *arg, const struct store_test *t)
{
    struct update *u = arg;
    struct arena *a = &u->q->arena;
    const json_t *body = u->q->body;

    u->test = (struct store_test){
        .id = arena_strdup(a, t->id),
        .name = arena_strdup(a, body_text(body, "name", t->name)),
        .description =
            arena_strdup(a, body_text(body, "description", t->description ? t->description : "")),
        .labels = json_object_get(body, "labels") ? labels_of(u->q) : arena_strdup(a, t->labels),
        .updated = clock_wall(),
    };
}

static int update(struct store *s, void *arg, struct diag *d)
{
    struct update u = {.q = arg};
    const char *id = stored_path(arg, "test");
    const char *name = body_text(u.q->body, "name", "x");
    int err = body_check(u.q->body, update_fields, COUNT_OF(update_fields), d);

    if (err == 0 && json_object_size(u.q->body) == 0)
        err = diag_set(d, ERR_INVALID, "nothing to change: give name, description or labels");
    if (err == 0 && name[0] == '\0')
        err = diag_set(d, ERR_INVALID, "name: it must not be empty");
    if (err == 0)
        err = store_get_test(s, id, take_old, &u, d);
    if (err == 0)
        err = store_update_test(s, &u.test, d);
    return err ? err : stored_load_test(u.q, s, id, d);
}

void tests_update(struct api_call *call)
{
    stored_write(call, update, NULL);
}

static int delete_test(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;

    q->status = 204;
    return store_delete_test(s, stored_path(q, "test"), d);
}

void tests_delete(struct api_call *call)
{
    stored_write(call, delete_test, NULL);
}
