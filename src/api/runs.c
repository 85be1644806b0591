/* Runs: those in the controller's memory as they are now, the others as the store has them. */
#include "api/call.h"
#include "api/fleet_live.h"
#include "api/fleet_views.h"
#include "api/stored.h"
#include "engine/run.h"
#include "fleet/controller.h"

static struct fleet_run *find(const struct api_call *call)
{
    return controller_find_run(call->context->config.controller, call_param(call, "run"));
}

void runs_stop(struct api_call *call)
{
    struct fleet_run *run = find(call);
    json_t *body;

    if (!run) {
        call_not_found(call, "run", call_param(call, "run"));
        return;
    }
    if (fleet_run_is_over(run)) {
        api_problem(call->request, 409, "/problems/run-ended", "Run ended", "Run %s has ended",
                    fleet_run_id(run));
        return;
    }
    body = call_json(call);
    if (!body)
        return;
    controller_stop_run(call->context->config.controller, run, RUN_ABORT_SIGNAL,
                        json_string_value(json_object_get(body, "reason")));
    json_decref(body);
    api_answer_json(call->request, 202, view_run(run));
}

void runs_follow(struct api_call *call)
{
    struct fleet_run *run = find(call);

    if (run)
        fleet_lives_add(call->context->lives, run, call->request);
    else
        call_not_found(call, "live run", call_param(call, "run"));
}
