/* The API's operations: which request goes to which handler, and who may make it (routes.def).
 * Nothing else decides about either, so that no operation is without a check. */
#ifndef API_ROUTES_H
#define API_ROUTES_H

#include <stddef.h>

struct api_call;

enum api_role { API_NONE, API_VIEWER, API_RUNNER, API_ADMIN }; /* each may what those before may */

enum route_flag {
    ROUTE_SHARE = 1,   /* share tokens of the path's run open it */
    ROUTE_CREATES = 2, /* takes an Idempotency-Key */
    ROUTE_UPLOAD = 4,  /* the body may be a script or an archive */
    ROUTE_LOCAL = 8,   /* there without a controller, of the one run of a machine */
};

enum { ROUTE_PARAMS = 3, ROUTE_VALUE_SIZE = 128, ROUTE_ALLOW_SIZE = 40 };

struct route {
    const char *method;
    const char *path; /* "/api/v1/runs/{run}" */
    const char *operation;
    enum api_role role; /* the least */
    unsigned flags;
    void (*handle)(struct api_call *call);
};

/* What a path has where its route has {names}, in their order. */
struct route_values {
    char list[ROUTE_PARAMS][ROUTE_VALUE_SIZE];
};

enum route_result { ROUTE_FOUND, ROUTE_NO_PATH, ROUTE_NO_METHOD, ROUTE_NO_NAME };

/* The route of a request and its values. HEAD is answered as GET is. ROUTE_NO_METHOD fills `allow`:
 * "GET, POST"; ROUTE_NO_NAME: what stands for a parameter can't be a name or an id. */
enum route_result route_find(const char *method, const char *path, const struct route **out,
                             struct route_values *values, char allow[ROUTE_ALLOW_SIZE]);

/* The value of a route's parameter; NULL: it has none of that name. */
const char *route_value(const struct route *route, const struct route_values *values,
                        const char *name);

const struct route *route_list(size_t *count); /* all of them */
const char *role_name(enum api_role role);     /* "viewer" */
enum api_role role_of(const char *name);       /* API_NONE: it is none that a token may have */

#endif
