/* Starting and ending runs. */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/scenario.h"
#include "fleet/controller_internal.h"
#include "fleet/delivery.h"

/* Runs that are over stay this many; their data is what the store keeps. */
enum { KEPT_RUNS = 100 };

static const struct planner_agent *agents_hook(void *arg, size_t *count)
{
    return controller_planner_agents(arg, count);
}

static void tell_hook(void *arg, struct controller_news *news)
{
    controller_tell(arg, news);
}

static void changed_hook(void *arg, struct fleet_run *r)
{
    controller_save_run(arg, r);
}

struct fleet_run_config controller_run_config(struct controller *c)
{
    return (struct fleet_run_config){
        .bus = c->bus,
        .blobs = c->blobs,
        .loop = c->loop,
        .arg = c,
        .agents = agents_hook,
        .tell = tell_hook,
        .changed = changed_hook,
    };
}

struct fleet_run *controller_run_of(const struct controller *c, const char *agent)
{
    for (size_t i = c->run_count; i-- > 0;) {
        if (!c->runs[i]->is_over && fleet_run_has_agent(c->runs[i], agent))
            return c->runs[i];
    }
    return NULL;
}

/* --- planning ------------------------------------------------------------------------------- */

/* What the operator has said, else the script, else nothing: then all regions. */
static int find_shares(const struct prepared *prepared, const struct shares *said,
                       struct shares *out, struct diag *d)
{
    const json_t *cloud = options_object(&prepared->options, OPTION_CLOUD);

    *out = (struct shares){0};
    if (said->count > 0)
        return 0;
    if (shares_from_distribution(json_object_get(cloud, "distribution"), out, d))
        return ERR_INVALID;
    out->per_region = said->per_region;
    return 0;
}

int controller_plan(struct controller *c, const struct prepared *prepared,
                    const struct shares *shares, struct fleet_plan *out, struct diag *d)
{
    bool said = shares->count > 0;
    struct planner_load load;
    struct shares found;
    size_t count;
    const struct planner_agent *agents;
    int err = find_shares(prepared, shares, &found, d);

    if (err)
        return err;
    planner_load_of(&prepared->scenarios, &load);
    agents = controller_planner_agents(c, &count);
    err = planner_plan(said ? shares : &found, &load, agents, count, out, d);
    shares_deinit(&found);
    return err;
}

/* --- runs ----------------------------------------------------------------------------------- */

void controller_add_run(struct controller *c, struct fleet_run *r)
{
    while (c->run_count >= KEPT_RUNS && c->runs[0]->is_over && !c->runs[0]->is_held)
        controller_forget_run(c, c->runs[0]);
    c->runs = mem_reallocarray((void *)c->runs, c->run_count + 1, sizeof(struct fleet_run *));
    c->runs[c->run_count++] = r;
    controller_tell(c, &(struct controller_news){.kind = NEWS_RUN, .run = r});
}

void controller_free_request(struct run_request *request)
{
    prepared_free(request->prepared);
    shares_deinit(&request->shares);
    json_decref(request->extra);
    json_decref(request->settings);
    delivery_free(request->delivery);
}

int controller_open_delivery(const struct controller *c, const json_t *settings,
                             struct delivery **out, struct diag *d)
{
    return delivery_open(settings, c->config.network, out, d);
}

static int check_request(const struct controller *c, const struct run_request *request,
                         struct diag *d)
{
    const struct options *options = &request->prepared->options;

    if (!controller_leads(c))
        return diag_set(d, ERR_UNSUPPORTED, "this controller stands by: ask the one that leads%s%s",
                        c->leader_url ? ", " : "", c->leader_url ? c->leader_url : "");
    if (options_is_set(options, OPTION_EXECUTION_SEGMENT))
        return diag_set(d, ERR_INVALID,
                        "option executionSegment: on a fleet the planner divides the test");
    return 0;
}

static void note_emulated(const struct controller *c, struct fleet_run *r)
{
    for (size_t i = 0; i < r->plan.count; i++) {
        const struct fleet_part *part = &r->plan.parts[i];
        const struct fleet_agent *agent = map_get(&c->agents, str_of(part->agent));

        if (agent && agent->emulated && agent->emulated[0])
            fleet_run_set_emulated(r, part->region);
    }
}

int controller_run(struct controller *c, struct run_request *request, struct fleet_run **out,
                   struct diag *d)
{
    struct fleet_run_config config = controller_run_config(c);
    struct fleet_plan plan = {0};
    struct fleet_run *r = NULL;
    int err = check_request(c, request, d);

    if (err == 0)
        err = controller_plan(c, request->prepared, &request->shares, &plan, d);
    if (err == 0) {
        r = fleet_run_new(&config, request, &plan, d);
        err = r ? fleet_run_follow(r, d) : ERR_INVALID;
    } else {
        controller_free_request(request);
    }
    fleet_plan_deinit(&plan);
    if (err) {
        fleet_run_free(r);
        return err;
    }
    note_emulated(c, r);
    controller_add_run(c, r);
    controller_save_run(c, r);
    log_printf(LOG_INFO, "run %s: %s on %zu agent%s", r->id, r->prepared->name, r->plan.count,
               r->plan.count == 1 ? "" : "s");
    *out = r;
    return 0;
}

struct fleet_run *controller_find_run(const struct controller *c, const char *id)
{
    for (size_t i = 0; i < c->run_count; i++) {
        if (strcmp(c->runs[i]->id, id) == 0)
            return c->runs[i];
    }
    return NULL;
}

size_t controller_runs(const struct controller *c, struct fleet_run ***out)
{
    *out = mem_calloc(c->run_count + 1, sizeof(struct fleet_run *));
    for (size_t i = 0; i < c->run_count; i++)
        (*out)[i] = c->runs[c->run_count - 1 - i];
    return c->run_count;
}

void controller_stop_run(struct controller *c, struct fleet_run *run, enum run_abort_reason reason,
                         const char *message)
{
    fleet_run_stop(run, reason, message);
    controller_save_run(c, run);
    controller_send_orders(c, controller_now());
}

int controller_spread_run(struct controller *c, struct fleet_run *run, const struct shares *wanted,
                          struct fleet_plan *out, struct diag *d)
{
    size_t count;
    const struct planner_agent *agents = controller_planner_agents(c, &count);
    int err = fleet_run_spread(run, wanted, agents, count, out, d);

    if (err)
        return err;
    controller_save_run(c, run);
    controller_send_orders(c, controller_now());
    return 0;
}

void controller_hold_run(struct controller *c, struct fleet_run *run)
{
    (void)c;
    run->is_held = true;
}

void controller_release_run(struct controller *c, struct fleet_run *run)
{
    run->is_held = false;
    if (!run->is_over)
        return;
    controller_save_run(c, run);
    if (run->data)
        fleet_run_forget_data(run);
}

void controller_forget_run(struct controller *c, struct fleet_run *run)
{
    for (size_t i = 0; i < c->run_count; i++) {
        if (c->runs[i] != run)
            continue;
        memmove((void *)&c->runs[i], (void *)&c->runs[i + 1],
                (c->run_count - i - 1) * sizeof(struct fleet_run *));
        c->run_count--;
        fleet_run_free(run);
        return;
    }
}

void controller_tick_runs(struct controller *c, struct moment now)
{
    for (size_t i = 0; i < c->run_count; i++) {
        if (!c->runs[i]->is_over)
            fleet_run_tick(c->runs[i], now);
    }
}
