/* Regions and agents: who is there now, with what people have said of regions. */
#include <math.h>
#include <string.h>

#include "api/body.h"
#include "api/fleet_views.h"
#include "api/stored_internal.h"
#include "base/err.h"
#include "fleet/controller.h"
#include "store/access.h"

enum { MAX_AGENTS = 10000 };

/* --- regions -------------------------------------------------------------------------------- */

static json_t *degrees(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static void note_described(void *arg, const struct store_region *r)
{
    json_t *described = ((struct stored *)arg)->json;

    json_object_set_new(described, r->name,
                        json_pack("{s:s, s:o, s:o}", "title", r->title, "latitude",
                                  degrees(r->latitude), "longitude", degrees(r->longitude)));
}

static int read_described(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;

    q->json = json_object();
    return store_list_regions(s, note_described, q, d);
}

static void set_wanted(const struct fleet_api_config *config, json_t *region)
{
    const char *name = json_string_value(json_object_get(region, "name"));
    int wanted = config->wanted ? config->wanted(config->arg, name) : -1;

    if (config->provisioner)
        json_object_set_new(region, "provisioner", json_string(config->provisioner));
    if (wanted >= 0)
        json_object_set_new(region, "agents_wanted", json_integer(wanted));
}

/* All regions, of what was described; takes that. */
static json_t *regions_json(const struct fleet_api_config *config, json_t *described)
{
    json_t *regions = view_regions(config->controller);
    const char *name;
    json_t *said;
    json_t *region;
    size_t i;

    json_object_foreach(described, name, said)
        json_object_update(view_region_of(regions, name), said);
    json_array_foreach(regions, i, region) set_wanted(config, region);
    json_decref(described);
    return regions;
}

static void list_regions(struct stored *q)
{
    json_t *regions = regions_json(&q->context.config, q->json);

    q->json = json_pack("{s:o}", "items", regions);
}

void regions_list(struct api_call *call)
{
    stored_start(call, read_described, list_regions);
}

static json_t *find_region(json_t *regions, const char *name)
{
    json_t *region;
    size_t i;

    json_array_foreach(regions, i, region)
    {
        if (strcmp(json_string_value(json_object_get(region, "name")), name) == 0)
            return json_incref(region);
    }
    return NULL;
}

static void pick_region(struct stored *q)
{
    const char *name = stored_path(q, "region");
    json_t *regions = regions_json(&q->context.config, q->json);

    q->json = find_region(regions, name);
    json_decref(regions);
    if (q->json)
        return;
    api_problem(q->request, 404, "/problems/not-found", "Not found",
                "There is no region %s: no agent is there, and nobody has described it", name);
    q->request = NULL; /* it is answered */
}

void regions_get(struct api_call *call)
{
    stored_start(call, read_described, pick_region);
}

/* --- describing them ------------------------------------------------------------------------ */

static int read_degrees(const json_t *body, const char *key, double most, double *out,
                        struct diag *d)
{
    const json_t *value = json_object_get(body, key);
    char *place;

    if (!value)
        return 0;
    *out = json_number_value(value);
    if (json_is_number(value) && *out >= -most && *out <= most)
        return 0;
    place = mem_printf("/%s", key);
    diag_set(d, ERR_INVALID, "%s: a number from -%g to %g", key, most, most);
    diag_at(d, place, 0, 0);
    mem_free(place);
    return ERR_INVALID;
}

struct description {
    struct stored *q;
    struct store_region region; /* as it was */
};

static void note_old(void *arg, const struct store_region *r)
{
    struct description *x = arg;

    if (strcmp(r->name, x->region.name) != 0)
        return;
    x->region = *r;
    x->region.name = stored_path(x->q, "region");
    x->region.title = arena_strdup(&x->q->arena, r->title);
    x->region.provisioner = r->provisioner ? arena_strdup(&x->q->arena, r->provisioner) : NULL;
}

static int describe(struct store *s, void *arg, struct diag *d)
{
    static const struct body_field fields[] = {
        {.name = "title", .kind = BODY_TEXT, .max = 100},
        {.name = "latitude", .kind = BODY_ANY},
        {.name = "longitude", .kind = BODY_ANY},
    };
    struct description x = {.q = arg};
    const json_t *body = x.q->body;
    int err = body_check(body, fields, COUNT_OF(fields), d);

    x.region = (struct store_region){.name = stored_path(x.q, "region"),
                                     .title = stored_path(x.q, "region"),
                                     .latitude = (double)NAN,
                                     .longitude = (double)NAN,
                                     .agents_wanted = -1};
    if (err == 0 && json_object_size(body) == 0)
        err = diag_set(d, ERR_INVALID, "nothing to say: give title, latitude or longitude");
    if (err == 0)
        err = store_list_regions(s, note_old, &x, d);
    if (err == 0)
        err = read_degrees(body, "latitude", 90, &x.region.latitude, d);
    if (err == 0)
        err = read_degrees(body, "longitude", 180, &x.region.longitude, d);
    x.region.title = body_text(body, "title", x.region.title);
    if (err == 0)
        err = store_put_region(s, &x.region, d);
    return err ? err : read_described(s, x.q, d);
}

void regions_describe(struct api_call *call)
{
    stored_write(call, describe, pick_region);
}

/* --- how many agents ------------------------------------------------------------------------ */

static bool scale_to(struct api_call *call, const json_t *body)
{
    const struct fleet_api_config *config = &call->context->config;
    const json_t *agents = json_object_get(body, "agents");
    const char *provisioner = body_text(body, "provisioner", config->provisioner);
    struct diag d = DIAG_INIT;
    bool ok = false;

    if (!json_is_integer(agents) || json_integer_value(agents) < 0 ||
        json_integer_value(agents) > MAX_AGENTS)
        call_invalid(call, "agents: how many there shall be, 0 to 10,000");
    else if (!config->scale)
        api_problem(call->request, 422, "/problems/plan-refused", "No provisioner",
                    "this controller starts no agents: start them with `gale agent --region %s`",
                    call_param(call, "region"));
    else if (provisioner && strcmp(provisioner, config->provisioner) != 0)
        call_invalid(call, "provisioner: '%s' is none: this controller has '%s'", provisioner,
                     config->provisioner);
    else if (config->scale(config->arg, call_param(call, "region"),
                           (unsigned)json_integer_value(agents), &d))
        api_problem(call->request, 422, "/problems/plan-refused", "Not possible", "%s", d.message);
    else
        ok = true;
    diag_deinit(&d);
    return ok;
}

/* With none there yet, it is what its name says. */
static void accept_scale(struct stored *q)
{
    const char *name = stored_path(q, "region");
    json_t *regions;

    if (!json_object_get(q->json, name))
        json_object_set_new(q->json, name, json_object());
    regions = regions_json(&q->context.config, q->json);
    q->json = find_region(regions, name);
    q->status = 202;
    json_decref(regions);
}

void regions_scale(struct api_call *call)
{
    json_t *body = call_json(call);

    if (body && scale_to(call, body))
        stored_start(call, read_described, accept_scale);
    json_decref(body);
}

/* --- agents --------------------------------------------------------------------------------- */

struct agent_filter {
    json_t *query;      /* owned */
    const char *state;  /* NULL: any */
    const char *cursor; /* "REGION/ID", the last that was shown; NULL: none */
    uint64_t limit;
};

static bool lets_region(const struct agent_filter *f, const char *region)
{
    const json_t *list = json_object_get(f->query, "region");
    json_t *wanted;
    size_t i;

    json_array_foreach(list, i, wanted)
    {
        if (strcmp(json_string_value(wanted), region) == 0)
            return true;
    }
    return !list;
}

static bool is_behind_cursor(const struct agent_filter *f, const struct agent_view *a)
{
    struct str id = str_of(f->cursor);
    struct str region = str_cut(&id, '/');
    int order = f->cursor ? str_cmp(str_of(a->region), region) : 1;

    return order ? order > 0 : str_cmp(str_of(a->id), id) > 0;
}

static void list_agents(struct api_call *call, const struct agent_filter *f)
{
    const struct controller *c = call->context->config.controller;
    json_t *items = json_array();
    json_t *next = json_null();
    struct agent_view *agents;
    size_t count = controller_agents(c, &agents);
    const struct agent_view *last = NULL;

    for (size_t i = 0; i < count; i++) {
        json_t *agent;

        if (!lets_region(f, agents[i].region) || !is_behind_cursor(f, &agents[i]))
            continue;
        agent = view_agent(c, &agents[i]);
        if (f->state && strcmp(json_string_value(json_object_get(agent, "state")), f->state) != 0) {
            json_decref(agent);
            continue;
        }
        if (json_array_size(items) == f->limit) { /* there are more */
            json_decref(agent);
            next = json_sprintf("%s/%s", last->region, last->id);
            break;
        }
        json_array_append_new(items, agent);
        last = &agents[i];
    }
    mem_free(agents);
    api_answer_json(call->request, 200, json_pack("{s:o, s:o}", "items", items, "next", next));
}

void agents_list(struct api_call *call)
{
    const char *limit = call_query(call, "limit");
    struct agent_filter f = {
        .query = api_queries(call->request),
        .state = call_query(call, "state"),
        .cursor = call_query(call, "cursor"),
        .limit = 50,
    };

    if (limit && (!str_to_u64(str_of(limit), &f.limit) || f.limit < 1 || f.limit > 500))
        call_invalid(call, "limit: '%s' is no number from 1 to 500", limit);
    else if (f.state && strcmp(f.state, "ready") != 0 && strcmp(f.state, "busy") != 0 &&
             strcmp(f.state, "stale") != 0)
        call_invalid(call, "state: '%s' is none: ready, busy or stale", f.state);
    else
        list_agents(call, &f);
    json_decref(f.query);
}

void agents_get(struct api_call *call)
{
    const struct controller *c = call->context->config.controller;
    const char *id = call_param(call, "agent");
    struct agent_view *agents;
    size_t count = controller_agents(c, &agents);
    size_t i = 0;

    while (i < count && strcmp(agents[i].id, id) != 0)
        i++;
    if (i < count)
        api_answer_json(call->request, 200, view_agent(c, &agents[i]));
    else
        call_not_found(call, "agent", id);
    mem_free(agents);
}
