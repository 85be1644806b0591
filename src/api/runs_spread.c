/* Spreading a running test's load anew. */
#include <errno.h>
#include <string.h>

#include "api/call.h"
#include "api/fleet_views.h"
#include "api/run_spec.h"
#include "api/stored_internal.h"
#include "base/err.h"
#include "fleet/controller.h"

static int read_over(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    int err = stored_read_ended(s, q, d);

    return err ? err : diag_set(d, -EALREADY, "run %s has ended", stored_path(q, "run"));
}

static void refuse_spread(struct api_request *r, int err, const struct diag *d)
{
    if (err == ERR_UNSUPPORTED)
        api_problem(r, 409, "/problems/load-fixed", "The load can't be moved", "%s", d->message);
    else if (err == ERR_INVALID && strncmp(d->message, "region ", 7) != 0)
        stored_refuse(r, err, d);
    else
        run_spec_refuse(r, err, d);
}

static void spread(struct api_call *call, struct fleet_run *run, const json_t *body)
{
    struct controller *c = call->context->config.controller;
    bool per_region = run_spec_is_per_region(json_object_get(fleet_run_extra(run), "spec"));
    struct shares shares = {.list = NULL};
    struct fleet_plan plan;
    struct diag d = DIAG_INIT;
    int err = run_spec_regions(body, per_region, &shares, &d);

    if (err) {
        stored_refuse(call->request, err, &d);
    } else {
        err = controller_spread_run(c, run, &shares, &plan, &d);
        if (err)
            refuse_spread(call->request, err, &d);
    }
    if (err == 0) {
        api_answer_json(call->request, 202,
                        view_plan(c, &plan, fleet_run_prepared(run), per_region));
        fleet_plan_deinit(&plan);
    }
    shares_deinit(&shares);
    diag_deinit(&d);
}

void runs_scale(struct api_call *call)
{
    struct fleet_run *run = call_fleet_run(call);
    json_t *body = call_json(call);

    if (body && run && !fleet_run_is_over(run))
        spread(call, run, body);
    else if (body)
        stored_start(call, read_over, NULL);
    json_decref(body);
}
