/* The controller itself: whether it lives and is ready. */
#include "api/call.h"
#include "fleet/controller.h"

void server_health(struct api_call *call)
{
    api_answer(call->request, 200, "text/plain; charset=utf-8", STR("ok\n"));
}

void server_readiness(struct api_call *call)
{
    const struct controller *c = call->context->config.controller;
    struct str why = STR("");

    if (!controller_is_connected(c))
        why = STR("nats: not connected\n");
    else if (!controller_leads(c))
        why = STR("another controller leads\n");
    api_answer(call->request, why.len ? 503 : 200, "text/plain; charset=utf-8",
               why.len ? why : STR("ok\n"));
}
