/* One request as its handler sees it: what the route found in it, and who asks. Internal to
 * src/api.
 *
 * A handler answers call->request exactly once, now or later. A call is gone when its handler
 * returns: who answers later copies what it needs of it, and asks api_on_gone. */
#ifndef API_CALL_H
#define API_CALL_H

#include <jansson.h>

#include "api/access.h"
#include "api/fleet_api.h"
#include "api/routes.h"
#include "api/server.h"

struct fleet_live;
struct fleet_run;
struct living;
struct lives;

/* What handlers work on. It may be copied: all that it points to outlives every request. */
struct api_context {
    struct fleet_api_config config;
    struct lives *lives;
    const struct living *living;
    struct access *access;
    struct prometheus *prometheus;
};

struct api_call {
    const struct api_context *context;
    struct api_request *request;
    const struct route *route;
    struct route_values values;
    struct api_caller caller;
};

/* The handlers (routes.def). */
#define ROUTE(method, path, operation, role, flags, handler) void handler(struct api_call *call);
#include "api/routes.def"
#undef ROUTE

/* Of the path: call_param(call, "run"). */
const char *call_param(const struct api_call *call, const char *name);
/* Of the query, decoded; NULL: none. */
const char *call_query(const struct api_call *call, const char *name);
/* The body as a JSON object; an empty one for an empty body. NULL: it is none, and that was
 * answered. */
json_t *call_json(struct api_call *call);

/* Of the path's run in a controller's memory: NULL when it is not there, or no controller is. */
struct fleet_run *call_fleet_run(const struct api_call *call);

void call_not_found(struct api_call *call, const char *what, const char *name);
void call_invalid(struct api_call *call, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
