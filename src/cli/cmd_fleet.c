/* gale fleet: the operator's commands, over the controller's REST API. */
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/command.h"
#include "cli/fleet_client.h"
#include "cli/load.h"
#include "cli/service.h"
#include "engine/run.h"
#include "fleet/planner.h"
#include "loop/fiber.h"
#include "loop/offload.h"
#include "output/json_text.h"

struct fleet_verb;

struct fleet_call {
    struct service service;
    const struct args *args;
    struct fleet_client *client;
    const struct fleet_verb *verb;
    const char *what; /* its first argument; "": none */
    const char *how;  /* its second one; "": none */
    int code;
};

struct fleet_verb {
    const char *name;
    const char *arguments; /* "": it takes none */
    const char *method;
    const char *path; /* %s: the argument */
    void (*print)(const json_t *answer, struct buf *out);
};

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "-";
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* --- tables --------------------------------------------------------------------------------- */

static void print_labels(const json_t *labels, struct buf *out)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)labels, name, value)
        buf_printf(out, ", %s=%s", name, json_string_value(value));
}

static void print_agents(const json_t *answer, struct buf *out)
{
    json_t *a;
    size_t i;

    buf_printf(out, "%-24s %-16s %-6s %-6s %-14s %8s %6s %8s %10s %s\n", "AGENT", "REGION", "ZONE",
               "STATE", "RUN", "MAX VUS", "CPU %", "LAG MS", "CLOCK MS", "VERSION");
    json_array_foreach(json_object_get(answer, "items"), i, a)
    {
        buf_printf(out, "%-24s %-16s %-6s %-6s %-14s %8.0f %6.1f %8.2f %10.2f %s%s%s%s",
                   text(a, "name"), text(a, "region"), text(a, "zone"), text(a, "state"),
                   text(a, "run"), number(a, "capacity_vus"), number(a, "cpu_percent"),
                   number(a, "loop_lag_ms"), number(a, "clock_offset_ms"), text(a, "version"),
                   json_is_string(json_object_get(a, "emulate")) ? ", emulated " : "",
                   json_is_string(json_object_get(a, "emulate")) ? text(a, "emulate") : "",
                   json_is_string(json_object_get(a, "refused")) ? ", refused" : "");
        print_labels(json_object_get(a, "labels"), out);
        buf_append_char(out, '\n');
    }
}

static void print_regions(const json_t *answer, struct buf *out)
{
    json_t *r;
    size_t i;

    buf_printf(out, "%-18s %6s %6s %6s %12s %12s\n", "REGION", "READY", "BUSY", "STALE", "MAX VUS",
               "FREE VUS");
    json_array_foreach(json_object_get(answer, "items"), i, r)
    {
        const json_t *agents = json_object_get(r, "agents");

        buf_printf(out, "%-18s %6.0f %6.0f %6.0f %12.0f %12.0f\n", text(r, "name"),
                   number(agents, "ready"), number(agents, "busy"), number(agents, "stale"),
                   number(r, "capacity_vus"), number(r, "free_vus"));
    }
}

static void print_runs(const json_t *answer, struct buf *out)
{
    json_t *r;
    size_t i;

    buf_printf(out, "%-14s %-24s %-12s %-8s %5s %-26s %s\n", "RUN", "SCRIPT", "PHASE", "RESULT",
               "EXIT", "CREATED", "REGIONS");
    json_array_foreach(json_object_get(answer, "items"), i, r)
    {
        json_t *region;
        size_t j;

        buf_printf(out, "%-14s %-24s %-12s %-8s %5.0f %-26s ", text(r, "id"), text(r, "name"),
                   text(r, "phase"), text(r, "result"), number(r, "exit_code"),
                   text(r, "created_at"));
        json_array_foreach(json_object_get(r, "regions"), j, region) buf_printf(
            out, "%s%s=%.4g%%", j ? "," : "", text(region, "region"), number(region, "share"));
        buf_append_char(out, '\n');
    }
}

static void print_whole(const json_t *answer, struct buf *out)
{
    char *json = json_text(answer, 2);

    buf_printf(out, "%s\n", json);
    mem_free(json);
}

static void print_logs(const json_t *answer, struct buf *out)
{
    json_t *line;
    size_t i;

    json_array_foreach(json_object_get(answer, "items"), i, line)
        buf_printf(out, "%s %-5s %s/%s %s\n", text(line, "at"), text(line, "level"),
                   text(line, "region"), text(line, "agent"), text(line, "message"));
}

static void print_plan(const json_t *answer, struct buf *out)
{
    json_t *region;
    size_t i;

    buf_printf(out, "%-18s %8s %8s  %s\n", "REGION", "SHARE %", "MAX VUS", "AGENTS");
    json_array_foreach(json_object_get(answer, "regions"), i, region)
    {
        json_t *agent;
        size_t j;

        buf_printf(out, "%-18s %8.4g %8.0f  ", text(region, "region"), number(region, "share"),
                   number(region, "max_vus"));
        json_array_foreach(json_object_get(region, "agents"), j, agent)
            buf_printf(out, "%s%s", j ? ", " : "", text(agent, "id"));
        buf_append_char(out, '\n');
    }
}

static void print_done(const json_t *answer, struct buf *out)
{
    (void)answer;
    buf_append_c(out, "done\n");
}

static const struct fleet_verb verbs[] = {
    {"agents", "", "GET", "/api/v1/agents?limit=500", print_agents},
    {"regions", "", "GET", "/api/v1/regions", print_regions},
    {"runs", "", "GET", "/api/v1/runs?limit=500", print_runs},
    {"show", "RUN", "GET", "/api/v1/runs/%s", print_whole},
    {"stop", "RUN", "POST", "/api/v1/runs/%s/stop", print_done},
    {"logs", "RUN", "GET", "/api/v1/runs/%s/logs?order=asc&limit=500", print_logs},
    {"spread", "RUN REGIONS", "POST", "/api/v1/runs/%s/scale", print_plan},
    {"scale", "REGION=N", "PUT", "/api/v1/regions/%s/scale", print_done},
};

/* --- the call ------------------------------------------------------------------------------- */

/* Of `scale`: "us-east-1=4". */
static int split_scale(const char *what, char **region, char **body, struct diag *d)
{
    struct str count = str_of(what);
    struct str name = str_cut(&count, '=');
    uint64_t agents;

    if (name.len == 0 || !count.ptr || !str_to_u64(count, &agents))
        return diag_set(d, ERR_INVALID, "'%s' must be REGION=N, as in us-east-1=4", what);
    *region = str_dup(name);
    *body = mem_printf("{\"agents\":%llu}", (unsigned long long)agents);
    return 0;
}

/* Of `spread`: the regions as --regions has them, as RunScale. */
static int regions_body(const char *how, char **body, struct diag *d)
{
    struct shares shares;
    json_t *list = json_array();
    json_t *json = json_pack("{s:o}", "regions", list);
    int err = shares_parse(str_of(how), false, &shares, d);
    double sum = 0;

    for (size_t i = 0; err == 0 && i < shares.count; i++)
        sum += (double)shares.list[i].weight;
    for (size_t i = 0; err == 0 && i < shares.count; i++) {
        const struct region_share *share = &shares.list[i];
        json_t *region = json_pack("{s:s}", "region", share->region);

        if (shares.kind == SHARE_VUS)
            json_object_set_new(region, "vus", json_integer((json_int_t)share->weight));
        else if (shares.kind != SHARE_EQUAL)
            json_object_set_new(region, "share", json_real(100 * (double)share->weight / sum));
        if (share->agents)
            json_object_set_new(region, "agents", json_integer(share->agents));
        json_array_append_new(list, region);
    }
    if (err == 0) {
        *body = json_text(json, 0);
        shares_deinit(&shares);
    }
    json_decref(json);
    return err;
}

/* What the verb sends; *name is what stands for %s in its path. */
static int make_body(const struct fleet_call *c, char **name, char **body, struct diag *d)
{
    if (strcmp(c->verb->name, "scale") == 0)
        return split_scale(c->what, name, body, d);
    *name = mem_strdup(c->what);
    if (strcmp(c->verb->name, "spread") == 0)
        return regions_body(c->how, body, d);
    if (strcmp(c->verb->method, "POST") == 0)
        *body = mem_strdup("{}");
    return 0;
}

/* `what` as one segment of the path, whatever is in it. */
static char *path_of(const char *format, const char *what)
{
    const char *at = strstr(format, "%s");
    struct buf path = BUF_INIT(SIZE_MAX);

    if (!at)
        return mem_strdup(format);
    buf_append(&path, format, (size_t)(at - format));
    fleet_client_add_escaped(&path, what);
    buf_append_c(&path, at + 2);
    return buf_take(&path);
}

static void show(const struct fleet_call *c, const json_t *json)
{
    struct buf out = BUF_INIT(SIZE_MAX);

    if (args_bool(c->args, FLAG_JSON))
        print_whole(json, &out);
    else
        c->verb->print(json, &out);
    print_out(buf_str(&out));
    buf_deinit(&out);
}

/* The pages after the first, added to its items. */
YIELDS static int get_rest(struct fleet_call *c, const char *path, json_t *first, struct diag *d)
{
    json_t *items = json_object_get(first, "items");
    int err = 0;

    while (err == 0 && json_is_string(json_object_get(first, "next"))) {
        struct buf next = BUF_INIT(SIZE_MAX);
        json_t *page = NULL;

        buf_append_c(&next, path);
        fleet_client_add_query(&next, "cursor", json_string_value(json_object_get(first, "next")));
        err = fleet_client_json(c->client, "GET", next.data, &page, d);
        if (err == 0) {
            json_array_extend(items, json_object_get(page, "items"));
            json_object_set(first, "next", json_object_get(page, "next"));
        }
        json_decref(page);
        buf_deinit(&next);
    }
    return err;
}

YIELDS static int call_verb(struct fleet_call *c, const char *path, const char *body,
                            struct diag *d)
{
    char *answer = NULL;
    json_t *json;
    int err = fleet_client_call(c->client, c->verb->method, path, body ? "application/json" : NULL,
                                str_of(body ? body : ""), &answer, d);

    if (err)
        return err;
    json = answer[0] ? json_loads(answer, JSON_DECODE_ANY, NULL) : json_object();
    mem_free(answer);
    if (!json)
        return diag_set(d, ERR_SYNTAX, "the controller's answer is no JSON");
    if (strcmp(c->verb->method, "GET") == 0)
        err = get_rest(c, path, json, d);
    if (err == 0)
        show(c, json);
    json_decref(json);
    return err;
}

static void call_fiber(void *arg)
{
    struct fleet_call *c = arg;
    struct diag d = DIAG_INIT;
    char *name = NULL;
    char *body = NULL;
    int err = make_body(c, &name, &body, &d);

    if (err == 0) {
        char *path = path_of(c->verb->path, name);

        err = call_verb(c, path, body, &d);
        mem_free(path);
    }
    if (err)
        c->code = load_fail(EXIT_CODE_OTHER, &d);
    mem_free(name);
    mem_free(body);
    loop_stop(c->service.loop);
}

static void on_stop(struct service *service)
{
    (void)service;
    _Exit(EXIT_CODE_SIGNAL);
}

/* How many words it takes, its own among them. */
static size_t word_count(const struct fleet_verb *verb)
{
    size_t count = verb->arguments[0] ? 2 : 1;

    for (const char *at = verb->arguments; *at; at++)
        count += *at == ' ';
    return count;
}

static const struct fleet_verb *find_verb(const struct args *args, struct diag *d)
{
    const char *name = args->positional_count > 0 ? args->positional[0] : NULL;
    const char *names[COUNT_OF(verbs) + 1];
    const char *nearest;

    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        names[i] = verbs[i].name;
        if (!name || strcmp(name, verbs[i].name) != 0)
            continue;
        if (args->positional_count == word_count(&verbs[i]))
            return &verbs[i];
        diag_set(d, ERR_INVALID, "use it as: gale fleet %s %s", name, verbs[i].arguments);
        return NULL;
    }
    names[COUNT_OF(verbs)] = NULL;
    nearest = name ? args_nearest(str_of(name), names) : NULL;
    diag_set(
        d, ERR_INVALID,
        "%s%s%s: use agents, regions, runs, show RUN, stop RUN, logs RUN, spread RUN REGIONS or "
        "scale REGION=N%s%s%s",
        name ? "'" : "", name ? name : "what is wanted?", name ? "' is none" : "",
        nearest ? " (did you mean " : "", nearest ? nearest : "", nearest ? "?)" : "");
    return NULL;
}

int cmd_fleet(const struct args *args)
{
    struct fleet_call c = {.service = {.on_stop = on_stop}, .args = args};
    struct diag d = DIAG_INIT;

    c.verb = find_verb(args, &d);
    if (!c.verb)
        return load_fail(EXIT_CODE_CONFIG, &d);
    c.what = args->positional_count > 1 ? args->positional[1] : "";
    c.how = args->positional_count > 2 ? args->positional[2] : "";
    c.code = service_open(&c.service, args);
    if (c.code)
        return c.code;
    if (fleet_client_new(c.service.loop, args, &c.client, &d)) {
        c.code = load_fail(EXIT_CODE_CONFIG, &d);
    } else {
        fiber_start(c.service.loop, call_fiber, &c);
        service_run(&c.service);
    }
    fleet_client_free(c.client);
    service_close(&c.service);
    offload_shutdown();
    return c.code;
}
