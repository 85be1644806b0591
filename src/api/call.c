#include "api/call.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/ensure.h"
#include "fleet/controller.h"

const char *call_param(const struct api_call *call, const char *name)
{
    const char *value = route_value(call->route, &call->values, name);

    ensure(value);
    return value;
}

const char *call_query(const struct api_call *call, const char *name)
{
    return api_query(call->request, name);
}

json_t *call_json(struct api_call *call)
{
    struct str body = api_body(call->request);
    json_error_t error;
    json_t *json;

    if (body.len == 0)
        return json_object();
    json = json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(json))
        return json;
    if (json)
        call_invalid(call, "the body must be a JSON object");
    else
        call_invalid(call, "the body is no JSON: line %d, column %d: %s", error.line, error.column,
                     error.text);
    json_decref(json);
    return NULL;
}

struct fleet_run *call_fleet_run(const struct api_call *call)
{
    const struct controller *c = call->context->config.controller;

    return c ? controller_find_run(c, call_param(call, "run")) : NULL;
}

void call_not_found(struct api_call *call, const char *what, const char *name)
{
    api_problem(call->request, 404, "/problems/not-found", "Not found", "There is no %s %s", what,
                name);
}

void call_invalid(struct api_call *call, const char *fmt, ...)
{
    char message[2048];
    va_list args;

    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    api_problem(call->request, 400, "/problems/invalid-request", "Invalid request", "%s", message);
}
