/* A run's plan, and how its load is spread anew while it runs: the shares that it has and those
 * that are wanted make a plan of the whole, and the conductor makes of that who goes on and who
 * takes over. */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "engine/scenario.h"
#include "fleet/fleet_run_internal.h"

static void list_regions(struct fleet_run *r)
{
    mem_free((void *)r->regions);
    r->regions = mem_calloc(r->plan.count + 1, sizeof *r->regions);
    r->region_count = 0;
    for (size_t i = 0; i < r->plan.count; i++) {
        bool known = false;

        for (size_t j = 0; j < r->region_count; j++)
            known |= strcmp(r->regions[j], r->plan.parts[i].region) == 0;
        if (!known)
            r->regions[r->region_count++] = r->plan.parts[i].region;
    }
}

/* With texts of its own: agents of the registry may go. */
static struct fleet_plan copy_plan(const struct fleet_plan *plan)
{
    struct fleet_plan copy = *plan;

    copy.parts = mem_calloc(plan->count + 1, sizeof *copy.parts);
    for (size_t i = 0; i < plan->count; i++) {
        struct fleet_part *part = &copy.parts[i];

        *part = plan->parts[i];
        part->agent = mem_strdup(part->agent ? part->agent : "");
        part->region = mem_strdup(part->region);
        part->path = mem_dup(part->path, part->depth * sizeof *part->path);
        for (size_t j = 0; j < part->depth; j++) {
            if (part->path[j].weights)
                part->path[j].weights =
                    mem_dup(part->path[j].weights, part->path[j].count * sizeof(uint64_t));
        }
    }
    return copy;
}

static void free_plan(struct fleet_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        mem_free((void *)(uintptr_t)plan->parts[i].agent);
        mem_free((void *)(uintptr_t)plan->parts[i].region);
    }
    fleet_plan_deinit(plan);
}

void fleet_run_set_plan(struct fleet_run *r, const struct fleet_plan *plan)
{
    r->plan = copy_plan(plan);
    list_regions(r);
}

void fleet_run_free_plans(struct fleet_run *r)
{
    free_plan(&r->plan);
    free_plan(&r->coming);
    mem_free((void *)r->regions);
}

/* --- shares --------------------------------------------------------------------------------- */

static struct region_share *find_share(const struct shares *s, const char *region)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->list[i].region && strcmp(s->list[i].region, region) == 0)
            return &s->list[i];
    }
    return NULL;
}

static bool is_of_region(const struct conductor_part_view *part, const char *region)
{
    return part->agent && !part->is_lost && !part->is_leaving && !part->is_coming &&
           strcmp(part->region, region) == 0;
}

/* Whether the agent runs a part of the run's in that region. */
static bool runs_there(const struct fleet_run *r, const char *agent, const char *region)
{
    for (size_t i = 0; i < conductor_part_count(r->conductor); i++) {
        struct conductor_part_view part;

        conductor_part(r->conductor, i, &part);
        if (is_of_region(&part, region) && strcmp(part.agent, agent) == 0)
            return true;
    }
    return false;
}

static uint32_t count_agents(const struct fleet_run *r, const struct planner_agent *agents,
                             size_t count, const char *region)
{
    uint32_t found = 0;

    for (size_t i = 0; i < count; i++)
        found += runs_there(r, agents[i].id, region);
    return found;
}

/* The shares of the regions as they are: the outermost level of the parts' paths. False when some
 * region has no part any more. */
static bool present_shares(const struct fleet_run *r, struct shares *out)
{
    bool whole = true;

    *out = (struct shares){.kind = SHARE_WEIGHT};
    for (size_t i = 0; i < conductor_part_count(r->conductor); i++) {
        struct conductor_part_view part;
        const struct plan_level *level;

        conductor_part(r->conductor, i, &part);
        if (part.depth == 0 || part.is_leaving || part.is_coming || part.is_lost)
            continue;
        level = part.path;
        if (!out->list) {
            out->list = mem_calloc(level->count, sizeof *out->list);
            out->count = level->count;
        }
        if (out->list[level->index].region)
            continue;
        out->list[level->index] = (struct region_share){
            mem_strdup(part.region), level->weights ? level->weights[level->index] : 1, 0};
    }
    for (size_t i = 0; i < out->count; i++)
        whole = whole && out->list[i].region;
    return whole && out->count > 0;
}

/* How many agents each may use; those that are not named keep theirs. */
static int lay_agents(struct shares *present, const struct shares *wanted, struct diag *d)
{
    for (size_t i = 0; i < wanted->count; i++) {
        struct region_share *share = find_share(present, wanted->list[i].region);

        if (!share)
            return diag_set(d, ERR_INVALID,
                            "%s is not in the run: to bring it in, give all regions their shares",
                            wanted->list[i].region);
        share->agents = wanted->list[i].agents;
    }
    return 0;
}

/* The wanted ones in the order of the present ones, so that equal shares are equal parts. */
static int lay_shares(struct shares *present, const struct shares *wanted, struct diag *d)
{
    size_t before = present->count;

    for (size_t i = 0; i < before; i++) {
        const struct region_share *share = find_share(wanted, present->list[i].region);

        if (!share)
            return diag_set(
                d, ERR_INVALID,
                "the shares are of the whole: %s, which is in the run, is not among them",
                present->list[i].region);
        present->list[i].weight = share->weight;
        present->list[i].agents = share->agents;
    }
    for (size_t i = 0; i < wanted->count; i++) {
        struct region_share share = wanted->list[i];

        if (find_share(present, share.region))
            continue;
        share.region = mem_strdup(share.region);
        present->list = mem_reallocarray(present->list, present->count + 1, sizeof *present->list);
        present->list[present->count++] = share;
    }
    present->kind = wanted->kind;
    return 0;
}

/* --- the new plan --------------------------------------------------------------------------- */

static int check_scenarios(const struct fleet_run *r, struct diag *d)
{
    for (size_t i = 0; i < r->prepared->scenarios.count; i++) {
        const struct scenario *s = r->prepared->scenarios.list[i];

        if (s->kind == EXECUTOR_SHARED_ITERATIONS || s->kind == EXECUTOR_PER_VU_ITERATIONS)
            return diag_set(d, ERR_UNSUPPORTED,
                            "scenario '%s' has a number of iterations: while it runs they can't be "
                            "given to others; load that goes by time can",
                            s->name);
    }
    return 0;
}

/* Those that may be used: idle ones of the regions that are named, and the run's own. Heap. */
static struct planner_agent *candidates(const struct fleet_run *r, const struct shares *wanted,
                                        const struct planner_agent *agents, size_t count)
{
    struct planner_agent *list = mem_dup(agents, count * sizeof *list);

    for (size_t i = 0; i < count; i++) {
        bool is_own = runs_there(r, list[i].id, list[i].region);

        list[i].is_idle = is_own || (list[i].is_idle && find_share(wanted, list[i].region));
    }
    return list;
}

static int plan_anew(const struct fleet_run *r, const struct shares *shares,
                     const struct planner_agent *agents, size_t count, struct fleet_plan *out,
                     struct diag *d)
{
    int err = planner_plan(shares, &r->plan.load, agents, count, out, d);

    if (err == 0 && out->scale_num != out->scale_den) {
        err = diag_set(d, ERR_INVALID,
                       "the VUs add up to %llu, and the test has %llu: a running test's load stays "
                       "what it is",
                       (unsigned long long)out->load.vus, (unsigned long long)r->plan.load.vus);
        fleet_plan_deinit(out);
    }
    return err;
}

int fleet_run_spread(struct fleet_run *r, const struct shares *wanted,
                     const struct planner_agent *agents, size_t count, struct fleet_plan *out,
                     struct diag *d)
{
    struct planner_agent *list = candidates(r, wanted, agents, count);
    struct shares shares;
    bool whole = present_shares(r, &shares);
    int err = check_scenarios(r, d);

    if (err == 0 && !whole)
        err = diag_set(d, ERR_UNSUPPORTED, "the load of a region is with nobody");
    for (size_t i = 0; err == 0 && i < shares.count; i++)
        shares.list[i].agents = count_agents(r, agents, count, shares.list[i].region);
    if (err == 0)
        err = wanted->kind == SHARE_EQUAL ? lay_agents(&shares, wanted, d)
                                          : lay_shares(&shares, wanted, d);
    if (err == 0)
        err = plan_anew(r, &shares, list, count, out, d);
    if (err == 0) {
        err = conductor_spread(r->conductor, out, d);
        if (err)
            fleet_plan_deinit(out);
    }
    if (err == 0) {
        free_plan(&r->coming);
        r->coming = copy_plan(out);
        r->is_dirty = true;
    }
    shares_deinit(&shares);
    mem_free(list);
    return err;
}

static bool has_part(const struct fleet_run *r, uint32_t id)
{
    for (size_t i = 0; i < conductor_part_count(r->conductor); i++) {
        struct conductor_part_view part;

        conductor_part(r->conductor, i, &part);
        if (part.id == id)
            return true;
    }
    return false;
}

void fleet_run_note_spread(struct fleet_run *r)
{
    bool is_there = true;

    if (r->coming.count == 0 || conductor_is_spreading(r->conductor))
        return;
    for (size_t i = 0; i < r->coming.count; i++)
        is_there = is_there && has_part(r, r->coming.parts[i].id);
    if (is_there) { /* else it was given up */
        r->coming.scale_num = r->plan.scale_num;
        r->coming.scale_den = r->plan.scale_den;
        free_plan(&r->plan);
        r->plan = r->coming;
        r->coming = (struct fleet_plan){0};
        list_regions(r);
    } else {
        free_plan(&r->coming);
    }
}
