/* Starting a run. The script is read on a fiber: that may take seconds. */
#include <string.h>

#include "api/call.h"
#include "api/fleet_views.h"
#include "base/err.h"
#include "base/mem.h"
#include "fleet/controller.h"
#include "loop/fiber.h"
#include "loop/offload.h"

enum { TAR_MAGIC_AT = 257, TAR_MAGIC_LEN = 5 };

struct creation {
    struct api_context context;
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
    const struct preparer *preparer = controller_preparer(c->context.config.controller);

    const struct upload upload = {.name = c->name, .input = c->input};

    c->code = preparer->prepare(preparer->arg, &upload, &c->wanted.prepared, &c->diag);
}

static void start_run(struct creation *c)
{
    struct fleet_run *run = NULL;
    int err = controller_run(c->context.config.controller, &c->wanted, &run, &c->diag);
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

static int read_wanted(const struct api_call *call, struct run_request *out, struct diag *d)
{
    const char *regions = call_query(call, "regions");
    const char *load = call_query(call, "load");
    const char *lost = call_query(call, "on_region_lost");
    bool per_region = load && strcmp(load, "per-region") == 0;

    if (load && !per_region && strcmp(load, "total") != 0)
        return diag_set(d, ERR_INVALID, "load: '%s' is none: total or per-region", load);
    if (lost && strcmp(lost, "continue") != 0 && strcmp(lost, "abort") != 0)
        return diag_set(d, ERR_INVALID, "on_region_lost: '%s' is none: continue or abort", lost);
    *out = (struct run_request){
        .on_loss = lost && strcmp(lost, "abort") == 0 ? LOSS_ABORT : LOSS_CONTINUE,
        .without_thresholds = call_query(call, "no_thresholds") != NULL,
    };
    out->shares.per_region = per_region;
    if (!regions)
        return 0;
    return shares_parse(str_of(regions), per_region, &out->shares, d);
}

/* An archive is known by its content, whatever it was packed from. */
static char *input_name(struct str body, const char *name)
{
    if (body.len > TAR_MAGIC_AT + TAR_MAGIC_LEN &&
        memcmp(body.ptr + TAR_MAGIC_AT, "ustar", TAR_MAGIC_LEN) == 0)
        return mem_printf("%s.tar", name ? name : "archive");
    return mem_strdup(name ? name : "script.js");
}

void runs_create(struct api_call *call)
{
    const char *mode = call_query(call, "summary_mode");
    const char *name = call_query(call, "filename");
    struct creation *c = mem_zalloc(sizeof *c);
    struct str body = api_body(call->request);

    c->context = *call->context;
    if (body.len == 0)
        diag_set(&c->diag, ERR_INVALID, "the body must be a script or an archive (.tar)");
    if (c->diag.message || read_wanted(call, &c->wanted, &c->diag)) {
        call_invalid(call, "%s", c->diag.message);
        free_creation(c);
        return;
    }
    c->name = input_name(body, name);
    c->input = str_from(mem_dup(body.ptr, body.len), body.len);
    c->mode = mem_strdup(mode);
    c->wanted.summary_mode = c->mode;
    if (name)
        c->wanted.extra = json_pack("{s:s}", "name", name);
    c->request = call->request;
    api_on_gone(call->request, on_gone, c);
    fiber_start(call->context->config.loop, create_fiber, c);
}
