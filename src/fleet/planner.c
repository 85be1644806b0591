#include "fleet/planner.h"

#include <math.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/ensure.h"
#include "base/err.h"
#include "base/gcd.h"
#include "base/mem.h"
#include "engine/scenario.h"
#include "engine/segment.h"

/* Above that the agents' weights are made coarser: a level deals that many numbers before it
 * repeats. */
enum { MAX_CYCLE = 1000 * 1000, MOST_NAMED = 8 };

/* An agent that could take a part of a region's load. */
struct candidate {
    const struct planner_agent *agent;
    uint64_t vus; /* of the region's, at most: as many as its VUs and its rate allow */
    size_t turn;  /* which of its zone it is, the largest first */
};

/* One region while it is planned. */
struct region {
    const char *name;
    uint64_t vus; /* needed */
    double rate;
    uint32_t wanted; /* agents; 0: as many as it takes */
    struct candidate *list;
    size_t count;
};

/* --- the load ----------------------------------------------------------------------------- */

void planner_load_of(const struct scenario_list *scenarios, struct planner_load *out)
{
    uint64_t *most = mem_calloc(scenarios->count, sizeof *most);

    for (size_t i = 0; i < scenarios->count; i++)
        most[i] = scenarios->list[i]->max_vus;
    out->vus = scenarios_most_vus(scenarios, most);
    /* In millionths: those that don't overlap share, as VUs do. */
    for (size_t i = 0; i < scenarios->count; i++)
        most[i] = (uint64_t)llround(scenario_most_rate(scenarios->list[i]) * 1e6);
    out->rate = (double)scenarios_most_vus(scenarios, most) / 1e6;
    mem_free(most);
}

/* --- the agents of a region ----------------------------------------------------------------- */

static int by_zone(const void *a, const void *b)
{
    const struct candidate *left = a;
    const struct candidate *right = b;
    int order = strcmp(left->agent->zone ? left->agent->zone : "",
                       right->agent->zone ? right->agent->zone : "");

    if (order != 0)
        return order;
    if (left->vus != right->vus)
        return left->vus > right->vus ? -1 : 1;
    return strcmp(left->agent->id, right->agent->id);
}

static int by_turn(const void *a, const void *b)
{
    const struct candidate *left = a;
    const struct candidate *right = b;

    if (left->turn != right->turn)
        return left->turn < right->turn ? -1 : 1;
    if (left->vus != right->vus)
        return left->vus > right->vus ? -1 : 1;
    return strcmp(left->agent->id, right->agent->id);
}

static uint64_t capacity(const struct planner_agent *agent, const struct region *r)
{
    double by_rate;

    if (!(r->rate > 0))
        return agent->max_vus;
    by_rate = agent->max_rate / r->rate * (double)r->vus;
    if (!(by_rate > 0))
        return 0;
    return by_rate < (double)agent->max_vus ? (uint64_t)by_rate : agent->max_vus;
}

/* The idle agents in the order in which they are used: zones in turn, the largest first. */
static void find_candidates(struct region *r, const struct planner_agent *agents, size_t count)
{
    r->list = mem_calloc(count, sizeof *r->list);
    r->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (agents[i].is_idle && strcmp(agents[i].region, r->name) == 0)
            r->list[r->count++] = (struct candidate){&agents[i], capacity(&agents[i], r), 0};
    }
    qsort(r->list, r->count, sizeof *r->list, by_zone);
    for (size_t i = 1; i < r->count; i++) {
        const char *zone = r->list[i].agent->zone;
        const char *before = r->list[i - 1].agent->zone;

        if (strcmp(zone ? zone : "", before ? before : "") == 0)
            r->list[i].turn = r->list[i - 1].turn + 1;
    }
    qsort(r->list, r->count, sizeof *r->list, by_turn);
}

/* How many agents the load needs: all, when even they can't take it. */
static size_t agents_needed(const struct region *r)
{
    uint64_t sum = 0;

    if (r->wanted > 0)
        return r->wanted < r->count ? r->wanted : r->count;
    for (size_t i = 0; i < r->count; i++) {
        sum += r->list[i].vus < r->vus ? r->list[i].vus : r->vus;
        if (sum >= r->vus)
            return i + 1;
    }
    return r->count;
}

static uint64_t total_capacity(const struct region *r, size_t used)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < used; i++)
        sum += r->list[i].vus < r->vus ? r->list[i].vus : r->vus;
    return sum;
}

/* Equal when all can take that, else by capacity; coarser where a cycle would get too long. Heap.
 */
static uint64_t *agent_weights(const struct region *r, size_t used)
{
    uint64_t *weights = mem_calloc(used, sizeof *weights);
    uint64_t equal = (r->vus + used - 1) / used;
    uint64_t common = 0;
    uint64_t sum = 0;
    bool is_equal = true;

    for (size_t i = 0; i < used; i++) {
        weights[i] = r->list[i].vus < r->vus ? r->list[i].vus : r->vus;
        is_equal = is_equal && weights[i] >= equal;
        common = gcd(common, weights[i]);
        sum += weights[i];
    }
    for (size_t i = 0; i < used; i++) {
        if (is_equal || sum == 0)
            weights[i] = 1;
        else if (sum / common > MAX_CYCLE)
            weights[i] = weights[i] / (sum / MAX_CYCLE + 1) + (weights[i] > 0);
    }
    return weights;
}

/* --- refusals ------------------------------------------------------------------------------- */

static void say_capacities(struct buf *out, const struct region *r, size_t used, bool by_rate)
{
    for (size_t i = 0; i < used && i < MOST_NAMED; i++) {
        const struct planner_agent *a = r->list[i].agent;

        buf_printf(out, "%s%s: ", i ? ", " : "", a->id);
        if (by_rate)
            buf_printf(out, "%.6g/s", a->max_rate);
        else
            buf_printf(out, "%llu", (unsigned long long)a->max_vus);
    }
    if (used > MOST_NAMED)
        buf_printf(out, ", and %zu more", used - MOST_NAMED);
}

static void refuse_capacity(struct buf *out, const struct region *r, size_t used)
{
    double rate = 0;
    uint64_t vus = 0;
    bool by_rate;

    for (size_t i = 0; i < used; i++) {
        rate += r->list[i].agent->max_rate;
        vus += r->list[i].agent->max_vus;
    }
    by_rate = vus >= r->vus;
    buf_printf(out, "region %s needs ", r->name);
    if (by_rate)
        buf_printf(out, "%.6g iterations/s on %llu VUs", r->rate, (unsigned long long)r->vus);
    else
        buf_printf(out, "%llu VUs", (unsigned long long)r->vus);
    buf_printf(out, ", %s %zu idle agent%s take%s ",
               r->wanted && used < r->count ? "the chosen" : "its", used, used == 1 ? "" : "s",
               used == 1 ? "s" : "");
    if (by_rate)
        buf_printf(out, "%.6g/s", rate);
    else
        buf_printf(out, "%llu", (unsigned long long)vus);
    buf_append_c(out, " (");
    say_capacities(out, r, used, by_rate);
    buf_append_c(out, "): start another agent there, give the region a smaller share, or ");
    buf_append_c(out, r->wanted && used < r->count ? "let it use more agents" : "lower the load");
}

static void refuse_busy(struct buf *out, const struct region *r, const struct planner_agent *agents,
                        size_t count)
{
    size_t named = 0;
    size_t all = 0;

    for (size_t i = 0; i < count; i++)
        all += strcmp(agents[i].region, r->name) == 0;
    buf_printf(out, "region %s has %zu agent%s, ", r->name, all, all == 1 ? "" : "s");
    if (r->wanted)
        buf_printf(out, "%zu of the %u asked for idle (", r->count, r->wanted);
    else
        buf_append_c(out, "none idle (");
    for (size_t i = 0; i < count && named < MOST_NAMED; i++) {
        if (strcmp(agents[i].region, r->name) != 0 || agents[i].is_idle)
            continue;
        buf_printf(out, "%s%s: %s", named ? ", " : "", agents[i].id,
                   agents[i].why_not ? agents[i].why_not : "busy");
        named++;
    }
    if (named == 0)
        buf_append_c(out, "no more there");
    buf_append_c(out, "): wait for them, start another agent there, or take the region out");
}

static bool has_region(const struct planner_agent *agents, size_t count, const char *region)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(agents[i].region, region) == 0)
            return true;
    }
    return false;
}

static void say_regions(struct buf *out, const struct planner_agent *agents, size_t count)
{
    size_t named = 0;

    for (size_t i = 0; i < count && named < PLANNER_MAX_REGIONS; i++) {
        size_t idle = 0;

        if (has_region(agents, i, agents[i].region))
            continue;
        for (size_t j = i; j < count; j++)
            idle += agents[j].is_idle && strcmp(agents[j].region, agents[i].region) == 0;
        buf_printf(out, "%s%s (%zu idle)", named++ ? ", " : "", agents[i].region, idle);
    }
}

/* 0, or why the region can't take its load; ERR_INVALID where there is no such region. */
static int check_region(const struct region *r, const struct planner_agent *agents, size_t count,
                        struct buf *why)
{
    size_t used = agents_needed(r);

    if (!has_region(agents, count, r->name)) {
        buf_printf(why, "region %s has no agents: there are ", r->name);
        say_regions(why, agents, count);
        buf_printf(why, "%s; gale agent --region %s starts one", count ? "" : "none", r->name);
        return ERR_INVALID;
    }
    if (r->count == 0 || r->count < r->wanted) {
        refuse_busy(why, r, agents, count);
        return ERR_LIMIT;
    }
    if (r->vus == 0) {
        buf_printf(why, "region %s would get none of the VUs: take it out, or give it more",
                   r->name);
        return ERR_LIMIT;
    }
    if (used > r->vus) {
        buf_printf(why, "region %s has %llu VUs, fewer than the %zu agents that it shall use",
                   r->name, (unsigned long long)r->vus, used);
        return ERR_LIMIT;
    }
    if (total_capacity(r, used) < r->vus) {
        refuse_capacity(why, r, used);
        return ERR_LIMIT;
    }
    return 0;
}

static int check_regions(const struct region *regions, size_t region_count,
                         const struct planner_agent *agents, size_t count, struct diag *d)
{
    struct buf all = BUF_INIT(SIZE_MAX);
    int worst = 0;

    for (size_t i = 0; i < region_count; i++) {
        struct buf why = BUF_INIT(SIZE_MAX);
        int err = check_region(&regions[i], agents, count, &why);

        if (err) {
            buf_printf(&all, "%s%s", all.len ? "\n" : "", why.data);
            worst = worst == ERR_INVALID ? worst : err;
        }
        buf_deinit(&why);
    }
    if (worst)
        diag_set(d, worst, "%s", all.data);
    buf_deinit(&all);
    return worst;
}

/* --- parts ---------------------------------------------------------------------------------- */

static struct plan_level copy_level(const struct plan_level *level)
{
    struct plan_level copy = *level;

    if (copy.weights)
        copy.weights = mem_dup(copy.weights, copy.count * sizeof *copy.weights);
    return copy;
}

static double level_share(const struct plan_level *level)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < level->count; i++)
        sum += level->weights ? level->weights[i] : 1;
    return (double)(level->weights ? level->weights[level->index] : 1) / (double)sum;
}

void plan_path_segment(const struct plan_level *path, size_t depth, struct segment *out)
{
    segment_init(out);
    for (size_t i = 0; i < depth; i++) {
        if (path[i].weights)
            segment_nest_weighted(out, path[i].weights, path[i].count, path[i].index);
        else
            segment_nest_equal(out, path[i].index, path[i].count);
    }
}

static uint64_t path_vus(const struct plan_level *path, size_t depth, uint64_t vus)
{
    struct segment segment;
    uint64_t share;

    plan_path_segment(path, depth, &segment);
    share = segment_scale(&segment, vus);
    segment_deinit(&segment);
    return share;
}

static bool are_equal(const uint64_t *weights, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (weights[i] != weights[0])
            return false;
    }
    return true;
}

/* Adds the parts of a region's agents below the path `above`, which has the region's load. */
static void add_parts(struct fleet_plan *plan, const struct region *r,
                      const struct plan_level *above, size_t depth, uint32_t first_id)
{
    size_t used = agents_needed(r);
    uint64_t *weights = agent_weights(r, used);
    bool equal = are_equal(weights, used);

    plan->parts = mem_reallocarray(plan->parts, plan->count + used, sizeof *plan->parts);
    for (size_t i = 0; i < used; i++) {
        struct plan_level level = {equal ? NULL : weights, used, i};
        struct fleet_part *part = &plan->parts[plan->count];

        if (weights[i] == 0)
            continue; /* it has no room at all */
        *part = (struct fleet_part){
            .id = first_id + (uint32_t)plan->count,
            .agent = r->list[i].agent->id,
            .region = r->list[i].agent->region,
            .path = mem_calloc(depth + 1, sizeof *part->path),
            .depth = depth + 1,
            .vus = path_vus(&level, 1, r->vus),
            .rate = r->rate * level_share(&level),
        };
        for (size_t j = 0; j < depth; j++)
            part->path[j] = copy_level(&above[j]);
        part->path[depth] = copy_level(&level);
        plan->count++;
    }
    mem_free(weights);
}

void fleet_plan_deinit(struct fleet_plan *p)
{
    for (size_t i = 0; i < p->count; i++) {
        for (size_t j = 0; j < p->parts[i].depth; j++)
            mem_free(p->parts[i].path[j].weights);
        mem_free(p->parts[i].path);
    }
    mem_free(p->parts);
    *p = (struct fleet_plan){0};
}

/* --- the plan ------------------------------------------------------------------------------- */

struct planning {
    struct region *regions; /* owned, with their lists */
    uint64_t *weights;      /* owned */
    size_t count;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct region *)a)->name, ((const struct region *)b)->name);
}

/* Those that have idle agents, by name; no more than there are VUs. */
static void regions_with_agents(struct planning *p, const struct planner_agent *agents,
                                size_t count, uint64_t most)
{
    for (size_t i = 0; i < count && p->count < PLANNER_MAX_REGIONS; i++) {
        bool known = !agents[i].is_idle;

        for (size_t j = 0; j < p->count && !known; j++)
            known = strcmp(p->regions[j].name, agents[i].region) == 0;
        if (!known)
            p->regions[p->count++].name = agents[i].region;
    }
    if (p->count > 1)
        qsort(p->regions, p->count, sizeof *p->regions, by_name);
    if (p->count > most)
        p->count = (size_t)most;
    for (size_t i = 0; i < p->count; i++)
        p->weights[i] = 1;
}

static void find_regions(struct planning *p, const struct shares *shares,
                         const struct planner_agent *agents, size_t count, uint64_t vus)
{
    p->regions = mem_calloc(PLANNER_MAX_REGIONS, sizeof *p->regions);
    p->weights = mem_calloc(PLANNER_MAX_REGIONS, sizeof *p->weights);
    if (shares->count == 0) {
        regions_with_agents(p, agents, count, shares->per_region ? PLANNER_MAX_REGIONS : vus);
        return;
    }
    for (size_t i = 0; i < shares->count && i < PLANNER_MAX_REGIONS; i++) {
        p->regions[i].name = shares->list[i].region;
        p->regions[i].wanted = shares->list[i].agents;
        p->weights[i] = shares->list[i].weight;
        p->count++;
    }
}

/* How the script's load becomes the test's. */
static int find_scale(const struct planning *p, const struct shares *shares,
                      const struct planner_load *load, struct fleet_plan *out, struct diag *d)
{
    uint64_t common;
    uint128 vus;

    out->scale_num = 1;
    out->scale_den = 1;
    if (shares->per_region) {
        out->scale_num = p->count;
    } else if (shares->kind == SHARE_VUS) {
        out->scale_num = 0;
        for (size_t i = 0; i < p->count; i++)
            out->scale_num += p->weights[i];
        out->scale_den = load->vus;
    }
    common = gcd(out->scale_num, out->scale_den);
    out->scale_num /= common;
    out->scale_den /= common;
    vus = (uint128)load->vus * out->scale_num / out->scale_den;
    if (vus > SCENARIO_MAX_VUS)
        return diag_set(d, ERR_LIMIT, "regions: more than %llu VUs in all",
                        (unsigned long long)SCENARIO_MAX_VUS);
    out->load.vus = (uint64_t)vus;
    out->load.rate = load->rate * (double)out->scale_num / (double)out->scale_den;
    return 0;
}

static void free_planning(struct planning *p)
{
    for (size_t i = 0; i < p->count; i++)
        mem_free(p->regions[i].list);
    mem_free(p->regions);
    mem_free(p->weights);
}

int planner_plan(const struct shares *shares, const struct planner_load *load,
                 const struct planner_agent *agents, size_t count, struct fleet_plan *out,
                 struct diag *d)
{
    struct planning p = {0};
    struct fleet_plan plan = {0};
    struct plan_level level;
    int err;

    ensure(load->vus > 0); /* every scenario has a VU */
    find_regions(&p, shares, agents, count, load->vus);
    level = (struct plan_level){are_equal(p.weights, p.count) ? NULL : p.weights, p.count, 0};
    err =
        p.count > 0
            ? find_scale(&p, shares, load, &plan, d)
            : diag_set(d, ERR_LIMIT,
                       "no agent is idle (%zu known): gale agent --region NAME starts one", count);
    for (level.index = 0; err == 0 && level.index < p.count; level.index++) {
        struct region *r = &p.regions[level.index];

        r->vus = path_vus(&level, 1, plan.load.vus);
        r->rate = plan.load.rate * level_share(&level);
        find_candidates(r, agents, count);
    }
    if (err == 0)
        err = check_regions(p.regions, p.count, agents, count, d);
    for (level.index = 0; err == 0 && level.index < p.count; level.index++)
        add_parts(&plan, &p.regions[level.index], &level, 1, 1);
    if (err == 0)
        *out = plan;
    free_planning(&p);
    return err;
}

int planner_split(const struct fleet_part *lost, const struct planner_agent *agents, size_t count,
                  uint32_t next_id, bool anyway, struct fleet_plan *out, struct diag *d)
{
    struct region r = {.name = lost->region, .vus = lost->vus, .rate = lost->rate};
    struct fleet_plan plan = {1, 1, {lost->vus, lost->rate}, NULL, 0};
    int err = 0;

    find_candidates(&r, agents, count);
    r.wanted = (uint32_t)(r.count < r.vus ? r.count : r.vus);
    if (r.count == 0) {
        err = diag_set(d, ERR_LIMIT, "region %s has no agent that could take over the load of %s",
                       r.name, lost->agent);
    } else if (r.wanted == 0) {
        r.wanted = 1; /* somebody has the part, though it has no VU */
    } else if (total_capacity(&r, r.wanted) < r.vus) {
        struct buf why = BUF_INIT(SIZE_MAX);

        refuse_capacity(&why, &r, r.wanted);
        err = diag_set(d, ERR_LIMIT, "the load of %s: %s", lost->agent, why.data);
        buf_deinit(&why);
    }
    if (err == 0 || anyway) {
        if (r.count > 0)
            add_parts(&plan, &r, lost->path, lost->depth, next_id);
        *out = plan;
    }
    mem_free(r.list);
    return err;
}

/* --- for people ----------------------------------------------------------------------------- */

static void say_load(struct buf *out, uint64_t vus, double rate)
{
    buf_printf(out, "%llu VU%s", (unsigned long long)vus, vus == 1 ? "" : "s");
    if (rate > 0)
        buf_printf(out, ", %.6g iterations/s", rate);
}

char *fleet_plan_describe(const struct fleet_plan *p)
{
    struct buf out = BUF_INIT(SIZE_MAX);

    if (p->scale_num != p->scale_den)
        buf_printf(&out, "the script's load times %llu/%llu\n", (unsigned long long)p->scale_num,
                   (unsigned long long)p->scale_den);
    for (size_t i = 0; i < p->count;) {
        const char *region = p->parts[i].region;
        uint64_t vus = 0;
        double rate = 0;
        size_t end;

        for (end = i; end < p->count && strcmp(p->parts[end].region, region) == 0; end++) {
            vus += p->parts[end].vus;
            rate += p->parts[end].rate;
        }
        buf_printf(&out, "%s: ", region);
        say_load(&out, vus, rate);
        buf_printf(&out, " on %zu agent%s\n", end - i, end - i == 1 ? "" : "s");
        for (; i < end; i++) {
            buf_printf(&out, "  %s: ", p->parts[i].agent);
            say_load(&out, p->parts[i].vus, p->parts[i].rate);
            buf_append_c(&out, "\n");
        }
    }
    return buf_take(&out);
}
