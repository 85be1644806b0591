#include "api/routes.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "api/call.h"
#include "base/compiler.h"
#include "base/str.h"

#define SHARE ROUTE_SHARE
#define CREATES ROUTE_CREATES
#define UPLOAD ROUTE_UPLOAD
#define LOCAL ROUTE_LOCAL

static const struct route routes[] = {
#define ROUTE(method, path, operation, role, flags, handler)                                       \
    {#method, path, #operation, API_##role, flags, handler},
#include "api/routes.def"
#undef ROUTE
};

static bool take_value(struct str part, char out[ROUTE_VALUE_SIZE])
{
    if (part.len == 0 || part.len >= ROUTE_VALUE_SIZE)
        return false;
    memcpy(out, part.ptr, part.len);
    out[part.len] = '\0';
    return true;
}

static bool matches(const struct route *route, const char *path, struct route_values *values)
{
    struct str wanted = str_of(route->path);
    struct str got = str_of(path);
    size_t count = 0;

    memset(values, 0, sizeof *values);
    while (wanted.len > 0 && got.len > 0) {
        struct str part = str_cut(&got, '/');
        struct str pattern = str_cut(&wanted, '/');

        if (pattern.len > 0 && pattern.ptr[0] == '{') {
            if (!take_value(part, values->list[count++]))
                return false;
        } else if (!str_eq(pattern, part)) {
            return false;
        }
    }
    return wanted.len == 0 && got.len == 0 && path[strlen(path) - 1] != '/';
}

/* Names and ids are of these alone: nothing in them can be taken for a path, a pattern or markup.
 */
static bool is_name(const char *text)
{
    return text[0] != '.' &&
           text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                             "_.:-")] == '\0';
}

static bool are_names(const struct route_values *values)
{
    for (size_t i = 0; i < ROUTE_PARAMS; i++) {
        if (!is_name(values->list[i]))
            return false;
    }
    return true;
}

static void add_method(char allow[ROUTE_ALLOW_SIZE], const char *method)
{
    size_t len = strlen(allow);

    snprintf(allow + len, ROUTE_ALLOW_SIZE - len, "%s%s", len ? ", " : "", method);
}

enum route_result route_find(const char *method, const char *path, const struct route **out,
                             struct route_values *values, char allow[ROUTE_ALLOW_SIZE])
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;

    allow[0] = '\0';
    for (size_t i = 0; path[0] && i < COUNT_OF(routes); i++) {
        if (!matches(&routes[i], path, values))
            continue;
        if (strcmp(routes[i].method, wanted) == 0) {
            *out = &routes[i];
            return are_names(values) ? ROUTE_FOUND : ROUTE_NO_NAME;
        }
        add_method(allow, routes[i].method);
    }
    return allow[0] ? ROUTE_NO_METHOD : ROUTE_NO_PATH;
}

const char *route_value(const struct route *route, const struct route_values *values,
                        const char *name)
{
    struct str rest = str_of(route->path);
    size_t count = 0;

    while (rest.len > 0) {
        struct str part = str_cut(&rest, '/');

        if (part.len < 2 || part.ptr[0] != '{')
            continue;
        if (str_eq_c(str_slice(part, 1, part.len - 1), name))
            return values->list[count];
        count++;
    }
    return NULL;
}

const struct route *route_list(size_t *count)
{
    *count = COUNT_OF(routes);
    return routes;
}

static const char *const role_names[] = {"none", "viewer", "runner", "admin"};

const char *role_name(enum api_role role)
{
    return role_names[role];
}

enum api_role role_of(const char *name)
{
    for (size_t i = API_VIEWER; i < COUNT_OF(role_names); i++) {
        if (strcmp(role_names[i], name) == 0)
            return (enum api_role)i;
    }
    return API_NONE;
}
