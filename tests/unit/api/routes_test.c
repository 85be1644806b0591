/* Which request goes where, and what is no path at all. */
#include "api/routes.h"

#include <string.h>

#include "base/compiler.h"
#include "support/test.h"

static const struct route *found;
static struct route_values values;
static char allow[ROUTE_ALLOW_SIZE];

static enum route_result find(const char *method, const char *path)
{
    found = NULL;
    return route_find(method, path, &found, &values, allow);
}

TEST(routes_by_method_and_path)
{
    CHECK(find("GET", "/api/v1/runs") == ROUTE_FOUND);
    CHECK(strcmp(found->operation, "listRuns") == 0 && found->role == API_VIEWER);
    CHECK(find("POST", "/api/v1/runs") == ROUTE_FOUND);
    CHECK(strcmp(found->operation, "createRun") == 0 && found->role == API_RUNNER);
    CHECK(find("HEAD", "/healthz") == ROUTE_FOUND && found->role == API_NONE);
}

TEST(routes_give_values)
{
    CHECK(find("GET", "/api/v1/tests/01hs4k2mb3w0/versions/latest/content") == ROUTE_FOUND);
    CHECK(strcmp(route_value(found, &values, "test"), "01hs4k2mb3w0") == 0);
    CHECK(strcmp(route_value(found, &values, "version"), "latest") == 0);
    CHECK(!route_value(found, &values, "run"));
}

TEST(routes_say_which_methods_there_are)
{
    CHECK(find("PUT", "/api/v1/runs") == ROUTE_NO_METHOD);
    CHECK(strcmp(allow, "GET, POST") == 0);
    CHECK(find("get", "/api/v1/agents") == ROUTE_NO_METHOD);
}

TEST(routes_take_no_tricks)
{
    static const char *const paths[] = {
        "",
        "/",
        "api/v1/runs",
        "/api/v1",
        "/api/v1/runs/",
        "//api/v1/runs",
        "/api//v1/runs",
        "/api/v1/runs//live",
        "/api/v1/runs/../agents",
        "/api/v1/runs/..",
        "/api/v1/runs/.hidden",
        "/api/v1/runs/a b",
        "/api/v1/runs/<b>",
        "/api/v1/runs/a\\b",
        "/api/v1/runs/a%2fb",
        "/api/v1/runs/a\x01",
        "/api/v1/runs/\xff\xfe",
        "/api/v1/runs/{run}",
        "/api/v1/runs/x/live/more",
    };
    char path[400] = "/api/v1/runs/";

    for (size_t i = 0; i < COUNT_OF(paths); i++)
        CHECK(find("GET", paths[i]) != ROUTE_FOUND);
    memset(path + strlen(path), 'a', sizeof path - strlen(path) - 1);
    CHECK(find("GET", path) == ROUTE_NO_PATH);
}

/* Only what says that the process lives is open to everybody, and share tokens open only what is a
 * run's and changes nothing. */
TEST(routes_are_guarded)
{
    size_t count;
    const struct route *list = route_list(&count);

    for (size_t i = 0; i < count; i++) {
        const struct route *r = &list[i];

        CHECK(r->role != API_NONE || strncmp(r->path, "/api/v1/", 8) != 0 ||
              strcmp(r->operation, "openSession") == 0);
        if ((r->flags & ROUTE_SHARE) && strstr(r->path, "/runs/"))
            CHECK(r->role == API_VIEWER && strcmp(r->method, "GET") == 0);
        if (strcmp(r->method, "GET") != 0)
            CHECK(r->role >= API_RUNNER || strstr(r->path, "/session"));
    }
}
