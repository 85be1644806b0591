/* Plans and new runs. The script is read on a fiber: that may take seconds. */
#include <string.h>

#include "api/fleet_views.h"
#include "api/keeper.h"
#include "api/keeper_op.h"
#include "api/run_settings.h"
#include "api/run_spec.h"
#include "api/script_work.h"
#include "api/server.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fleet/controller.h"
#include "fleet/delivery.h"
#include "loop/fiber.h"
#include "store/run.h"

struct creation {
    struct stored *q;
    struct script_work work;
    json_t *spec; /* RunCreate, as it was asked for; owned */
    struct shares shares;
    char test[SHORT_ID_SIZE];
    const char *test_name; /* in the arena */
    int64_t version;
    const char *rerun_of;     /* NULL: of none */
    const char *summary_mode; /* NULL: the usual */
    bool without_thresholds;
    json_t *settings;          /* owned; NULL: none */
    struct delivery *delivery; /* what they ask for; owned */
};

static void free_creation(struct creation *c)
{
    script_work_deinit(&c->work);
    shares_deinit(&c->shares);
    json_decref(c->spec);
    json_decref(c->settings);
    delivery_free(c->delivery);
    stored_free(c->q);
    mem_free(c);
}

/* --- the test and its script ---------------------------------------------------------------- */

static void note_test(void *arg, const struct store_test *t)
{
    struct creation *c = arg;

    c->test_name = arena_strdup(&c->q->arena, t->name);
}

static void note_version(void *arg, const struct store_version *v)
{
    struct creation *c = arg;

    c->version = v->version;
    c->work.name = arena_strdup(&c->q->arena, v->filename);
}

static void note_content(void *arg, struct str content)
{
    struct creation *c = arg;

    c->work.input = str_from(mem_dup(content.ptr, content.len), content.len);
}

static int read_test(struct store *s, void *arg, struct diag *d)
{
    struct creation *c = arg;
    int err = store_get_test(s, c->test, note_test, c, d);

    if (err == 0)
        err = store_get_version(s, c->test, c->version, note_version, c, d);
    return err ? err : store_get_content(s, c->test, c->version, note_content, c, d);
}

/* An archive that comes without a test belongs to the one of its name. */
static int write_test(struct store *s, void *arg, struct diag *d)
{
    struct creation *c = arg;
    struct store_version version;
    int err = keep_find_test(s, c->work.name, clock_wall(), c->test, d);

    script_version(&c->q->arena, &c->work, &version);
    version.test = c->test;
    version.created_by = c->q->caller;
    if (err == 0)
        err = store_add_version(s, &version, c->work.input, &c->version, d);
    c->test_name = c->work.name;
    return err < 0 ? err : 0;
}

/* --- the same again ------------------------------------------------------------------------- */

static void note_run(void *arg, const struct store_run *run)
{
    struct creation *c = arg;
    json_t *spec = json_loads(run->spec ? run->spec : "{}", 0, NULL);
    json_t *labels = json_loads(run->labels ? run->labels : "{}", 0, NULL);

    c->spec = spec ? spec : json_object();
    json_object_set_new(c->spec, "test", json_string(run->test));
    json_object_set_new(c->spec, "version", json_integer(run->version));
    json_object_set_new(c->spec, "name", json_string(run->name));
    json_object_set_new(c->spec, "labels", labels ? labels : json_object());
    json_object_del(c->spec, "notes");
    c->rerun_of = arena_strdup(&c->q->arena, run->id);
}

static int read_old(struct store *s, void *arg, struct diag *d)
{
    struct creation *c = arg;

    return store_get_run(s, stored_path(c->q, "run"), note_run, c, d);
}

/* --- the run -------------------------------------------------------------------------------- */

static void copy_field(json_t *to, const json_t *from, const char *key)
{
    json_t *value = json_object_get(from, key);

    if (value)
        json_object_set(to, key, value);
}

static json_t *extra_of(const struct creation *c)
{
    json_t *extra = json_pack("{s:{s:s, s:s, s:I}, s:s, s:s, s:O}", "test", "id", c->test, "name",
                              c->test_name, "version", (json_int_t)c->version, "name", c->test_name,
                              "created_by", c->q->caller, "spec", c->spec);

    copy_field(extra, c->spec, "name");
    copy_field(extra, c->spec, "notes");
    copy_field(extra, c->spec, "labels");
    if (c->rerun_of)
        json_object_set_new(extra, "rerun_of", json_string(c->rerun_of));
    return extra;
}

static void preview(struct creation *c)
{
    struct controller *controller = c->q->context.config.controller;
    struct fleet_plan plan;
    struct diag d = DIAG_INIT;
    int err = controller_plan(controller, c->work.prepared, &c->shares, &plan, &d);

    if (err) {
        run_spec_refuse(c->q->request, err, &d);
    } else {
        c->q->json = view_plan(controller, &plan, c->work.prepared, c->shares.per_region);
        stored_answer(c->q);
        fleet_plan_deinit(&plan);
    }
    diag_deinit(&d);
}

static void start_run(struct creation *c)
{
    struct stored *q = c->q;
    const char *lost = json_string_value(json_object_get(c->spec, "on_region_lost"));
    struct run_request wanted = {
        .prepared = c->work.prepared,
        .shares = c->shares,
        .on_loss = lost && strcmp(lost, "abort") == 0 ? LOSS_ABORT : LOSS_CONTINUE,
        .summary_mode = c->summary_mode,
        .without_thresholds = c->without_thresholds,
        .settings = c->settings,
        .delivery = c->delivery,
        .extra = extra_of(c),
    };
    struct fleet_run *run = NULL;
    struct diag d = DIAG_INIT;
    int err;

    c->work.prepared = NULL; /* they are taken over */
    c->shares = (struct shares){.list = NULL};
    c->settings = NULL;
    c->delivery = NULL;
    err = controller_run(q->context.config.controller, &wanted, &run, &d);
    if (q->request && err) {
        run_spec_refuse(q->request, err, &d);
    } else if (q->request) { /* else it runs all the same: who asked may look for it */
        q->location = arena_printf(&q->arena, "/api/v1/runs/%s", fleet_run_id(run));
        q->status = 201;
        q->json = view_run(run);
        stored_answer(q);
    }
    diag_deinit(&d);
}

/* --- in turn -------------------------------------------------------------------------------- */

static bool is_about(const struct creation *c, const char *operation)
{
    return strcmp(c->q->route->operation, operation) == 0;
}

/* A spec that names a test: checked, with its script. */
YIELDS static int take_spec(struct creation *c, struct diag *d)
{
    struct keeper *keeper = c->q->context.config.keeper;
    int err = 0;

    if (is_about(c, "rerunRun"))
        err = keeper_read(keeper, read_old, c, d);
    else
        c->spec = json_incref(c->q->body);
    if (err == 0 && is_about(c, "rerunRun"))
        err = run_spec_change(c->spec, c->q->body, d);
    if (err == 0)
        err = run_spec_check(c->spec, &c->shares, &c->version, d);
    if (err)
        return err;
    snprintf(c->test, sizeof c->test, "%s", json_string_value(json_object_get(c->spec, "test")));
    return keeper_read(keeper, read_test, c, d);
}

/* ERR_INVALID with nothing in `d` when it is the script. */
YIELDS static int prepare(struct creation *c, struct diag *d)
{
    bool brings_script = c->work.input.ptr != NULL;
    int err = run_settings_open(c->q->context.config.controller, c->settings, &c->delivery, d);

    if (err == 0 && !brings_script)
        err = take_spec(c, d);
    if (err)
        return err;
    c->work.env = json_object_get(c->spec, "env");
    c->work.changes = brings_script ? NULL : c->spec;
    err = script_read(c->q->context.config.controller, &c->work);
    if (err == 0 && brings_script)
        err = keeper_write(c->q->context.config.keeper, write_test, c, d);
    if (err == 0)
        json_object_set_new(c->spec, "version", json_integer(c->version));
    return err;
}

static void create_fiber(void *arg)
{
    struct creation *c = arg;
    struct diag d = DIAG_INIT;
    int err = prepare(c, &d);

    if (c->q->request && err && c->work.code)
        script_refuse(c->q->request, &c->work);
    else if (c->q->request && err)
        stored_refuse(c->q->request, err, &d);
    else if (err == 0 && !is_about(c, "previewPlan"))
        start_run(c);
    else if (c->q->request)
        preview(c);
    diag_deinit(&d);
    free_creation(c);
}

static struct creation *begin(struct api_call *call)
{
    struct creation *c = mem_zalloc(sizeof *c);

    c->q = stored_new(call);
    return c;
}

/* Before its fiber has begun. */
static void refuse(struct creation *c, int err, const struct diag *d)
{
    stored_refuse(c->q->request, err, d);
    api_on_gone(c->q->request, NULL, NULL);
    free_creation(c);
}

/* --- handlers ------------------------------------------------------------------------------- */

static void start_with_spec(struct api_call *call)
{
    json_t *body = call_json(call);
    struct creation *c;
    struct diag d = DIAG_INIT;
    int err;

    if (!body)
        return;
    c = begin(call);
    c->q->body = body;
    err = run_settings_read(call->request, &c->settings, &d);
    if (err)
        refuse(c, err, &d);
    else
        fiber_start(call->context->config.loop, create_fiber, c);
    diag_deinit(&d);
}

/* A script or an archive, as `gale run --fleet` sends it, with what else is said in the query. */
static void start_with_script(struct api_call *call)
{
    struct str body = api_body(call->request);
    const char *name = call_query(call, "filename");
    struct creation *c = begin(call);
    struct arena *a = &c->q->arena;
    const char *mode = call_query(call, "summary_mode");
    struct diag d = DIAG_INIT;
    int err = 0;

    if (body.len == 0)
        err = diag_set(&d, ERR_INVALID, "the body must be a script or an archive (.tar)");
    else if (name && !script_name_is_valid(name))
        err = diag_set(&d, ERR_INVALID, "filename: 1 to 200 characters, no directories");
    else
        err = run_spec_of_query(call, &c->shares, &c->spec, &d);
    if (err == 0)
        err = run_settings_read(call->request, &c->settings, &d);
    if (err) {
        refuse(c, err, &d);
    } else {
        c->work.input = str_from(mem_dup(body.ptr, body.len), body.len);
        c->work.name = script_name(a, body, name);
        c->summary_mode = mode ? arena_strdup(a, mode) : NULL;
        c->without_thresholds = call_query(call, "no_thresholds") != NULL;
        fiber_start(call->context->config.loop, create_fiber, c);
    }
    diag_deinit(&d);
}

void runs_create(struct api_call *call)
{
    const char *type = api_header(call->request, "Content-Type");

    if (type && strncmp(type, "application/json", 16) == 0)
        start_with_spec(call);
    else
        start_with_script(call);
}

void runs_rerun(struct api_call *call)
{
    start_with_spec(call);
}

void plans_preview(struct api_call *call)
{
    start_with_spec(call);
}
