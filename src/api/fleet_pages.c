/* Regions and agents. */
#include "api/call.h"
#include "api/fleet_views.h"
#include "fleet/controller.h"

enum { MAX_AGENTS = 10000 };

void regions_list(struct api_call *call)
{
    api_answer_json(call->request, 200, view_regions(call->context->config.controller));
}

void agents_list(struct api_call *call)
{
    api_answer_json(call->request, 200, view_agents(call->context->config.controller));
}

static void scale_to(struct api_call *call, const char *region, const json_t *agents)
{
    const struct fleet_api_config *config = &call->context->config;
    struct diag d = DIAG_INIT;

    if (!json_is_integer(agents) || json_integer_value(agents) < 0 ||
        json_integer_value(agents) > MAX_AGENTS)
        call_invalid(call, "agents: how many there shall be, 0 to 10,000");
    else if (!config->scale)
        api_problem(call->request, 422, "/problems/plan-refused", "No provisioner",
                    "this controller starts no agents: start them with `gale agent --region %s`",
                    region);
    else if (config->scale(config->arg, region, (unsigned)json_integer_value(agents), &d))
        api_problem(call->request, 422, "/problems/plan-refused", "Not possible", "%s", d.message);
    else
        api_answer_json(call->request, 202,
                        json_pack("{s:s, s:O}", "name", region, "agents_wanted", agents));
    diag_deinit(&d);
}

void regions_scale(struct api_call *call)
{
    json_t *body = call_json(call);

    if (body)
        scale_to(call, call_param(call, "region"), json_object_get(body, "agents"));
    json_decref(body);
}
