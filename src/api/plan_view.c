/* Who runs what: plans, and the agents of a run. */
#include <stdio.h>
#include <string.h>

#include "api/fleet_views.h"
#include "base/clock.h"
#include "base/mem.h"
#include "engine/scenario.h"
#include "fleet/collector.h"
#include "fleet/conductor.h"

/* --- segments ------------------------------------------------------------------------------- */

/* A point of the test's whole, as a fraction in lowest terms. */
struct point {
    uint64_t num;
    uint64_t den; /* 0: too fine to be said */
};

__extension__ typedef unsigned __int128 uint128;

static struct point fraction(uint128 num, uint128 den)
{
    uint128 a = num;
    uint128 b = den;

    while (b) {
        uint128 rest = a % b;

        a = b;
        b = rest;
    }
    num /= a;
    den /= a;
    return den <= UINT32_MAX ? (struct point){(uint64_t)num, (uint64_t)den} : (struct point){0, 0};
}

/* Where part of `level` begins, or ends, in its level. */
static struct point edge(const struct plan_level *level, size_t index)
{
    uint64_t before = 0;
    uint64_t all = 0;

    if (!level->weights)
        return fraction(index, level->count);
    for (size_t i = 0; i < level->count; i++) {
        before += i < index ? level->weights[i] : 0;
        all += level->weights[i];
    }
    return fraction(before, all);
}

/* from + (to - from) * at */
static struct point within(struct point from, struct point to, struct point at)
{
    uint128 common;

    if (!from.den || !to.den || !at.den)
        return (struct point){0, 0};
    common = (uint128)from.den * to.den;
    return fraction((uint128)from.num * to.den * at.den +
                        ((uint128)to.num * from.den - (uint128)from.num * to.den) * at.num,
                    common * at.den);
}

static void put_point(struct point p, char *out, size_t size)
{
    if (p.den == 1)
        snprintf(out, size, "%llu", (unsigned long long)p.num);
    else
        snprintf(out, size, "%llu/%llu", (unsigned long long)p.num, (unsigned long long)p.den);
}

/* As k6's --execution-segment: "1/2:3/4"; "" when it is too fine for that. */
static json_t *segment_of(const struct plan_level *path, size_t depth)
{
    struct point from = {0, 1};
    struct point to = {1, 1};
    char first[48];
    char last[48];

    for (size_t i = 0; i < depth; i++) {
        struct point begin = within(from, to, edge(&path[i], path[i].index));

        to = within(from, to, edge(&path[i], path[i].index + 1));
        from = begin;
    }
    if (!from.den || !to.den)
        return json_string("");
    put_point(from, first, sizeof first);
    put_point(to, last, sizeof last);
    return json_sprintf("%s:%s", first, last);
}

/* --- plans ---------------------------------------------------------------------------------- */

/* The outermost level of a part's path is its region's share. */
double view_share(const struct fleet_part *part)
{
    const struct plan_level *level = part->depth ? &part->path[0] : NULL;
    double all = 0;

    if (!level)
        return 100;
    if (!level->weights)
        return 100.0 / (double)level->count;
    for (size_t i = 0; i < level->count; i++)
        all += (double)level->weights[i];
    return all > 0 ? 100.0 * (double)level->weights[level->index] / all : 100;
}

struct fleet_now {
    struct agent_view *agents; /* owned */
    size_t count;
};

static const struct agent_view *find_agent(const struct fleet_now *now, const char *id)
{
    for (size_t i = 0; i < now->count; i++) {
        if (strcmp(now->agents[i].id, id) == 0)
            return &now->agents[i];
    }
    return NULL;
}

static json_t *zone_of(const struct agent_view *agent)
{
    return agent && agent->zone[0] ? json_string(agent->zone) : json_null();
}

static json_t *part_json(const struct fleet_now *now, const struct fleet_part *part)
{
    const struct agent_view *agent = find_agent(now, part->agent);
    double capacity = agent ? (double)agent->capacity.max_vus : 0;

    return json_pack("{s:s, s:o, s:I, s:o, s:I, s:f}", "id", part->agent, "zone", zone_of(agent),
                     "max_vus", (json_int_t)part->vus, "segment",
                     segment_of(part->path, part->depth), "capacity_vus", (json_int_t)capacity,
                     "load_percent", capacity > 0 ? 100 * (double)part->vus / capacity : 100.0);
}

static json_t *region_in(json_t *regions, const struct fleet_part *part, bool per_region)
{
    json_t *region;
    size_t i;

    json_array_foreach(regions, i, region)
    {
        if (strcmp(json_string_value(json_object_get(region, "region")), part->region) == 0)
            return region;
    }
    region = json_pack("{s:s, s:f, s:i, s:o, s:[]}", "region", part->region, "share",
                       per_region ? 100.0 : view_share(part), "max_vus", 0, "segment",
                       segment_of(part->path, part->depth ? 1 : 0), "agents");
    json_array_append_new(regions, region);
    return region;
}

/* Nobody there could take over. */
static void add_warnings(const json_t *regions, json_t *warnings)
{
    json_t *region;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)regions, i, region)
    {
        if (json_array_size(json_object_get(region, "agents")) == 1)
            json_array_append_new(
                warnings,
                json_sprintf("%s runs on one agent: if it is lost and no other is idle there, its "
                             "load waits",
                             json_string_value(json_object_get(region, "region"))));
    }
}

json_t *view_plan(const struct controller *c, const struct fleet_plan *plan,
                  const struct prepared *prepared, bool per_region)
{
    struct fleet_now now = {.agents = NULL};
    json_t *regions = json_array();
    json_t *warnings = json_array();

    now.count = controller_agents(c, &now.agents);
    for (size_t i = 0; i < plan->count; i++) {
        const struct fleet_part *part = &plan->parts[i];
        json_t *region = region_in(regions, part, per_region);
        json_t *vus = json_object_get(region, "max_vus");

        json_integer_set(vus, json_integer_value(vus) + (json_int_t)part->vus);
        json_array_append_new(json_object_get(region, "agents"), part_json(&now, part));
    }
    mem_free(now.agents);
    add_warnings(regions, warnings);
    return json_pack("{s:s, s:I, s:f, s:o, s:o}", "load", per_region ? "per-region" : "total",
                     "max_vus", (json_int_t)plan->load.vus, "duration_seconds",
                     nsec_to_sec(scenarios_duration(&prepared->scenarios)), "regions", regions,
                     "warnings", warnings);
}

/* --- the agents of a run -------------------------------------------------------------------- */

static const char *state_of(const struct conductor_part_view *part, bool over)
{
    if (part->is_lost)
        return "lost";
    if (part->stage == GALE__FLEET__STAGE__STAGE_FAILED)
        return "failed";
    if (over || part->is_ended || part->stage == GALE__FLEET__STAGE__STAGE_ENDED ||
        part->stage == GALE__FLEET__STAGE__STAGE_SUMMARISED)
        return "done";
    if (part->stage < GALE__FLEET__STAGE__STAGE_READY)
        return "preparing";
    return part->stage == GALE__FLEET__STAGE__STAGE_READY ? "ready" : "running";
}

static json_t *planned_segment(const struct fleet_run *r, uint32_t part)
{
    const struct fleet_plan *plan = fleet_run_plan(r);

    for (size_t i = 0; i < plan->count; i++) {
        if (plan->parts[i].id == part)
            return segment_of(plan->parts[i].path, plan->parts[i].depth);
    }
    return json_null();
}

/* What the agent says of itself now; nulls when it is not heard any more. */
static void add_health(json_t *json, const struct agent_view *agent, const struct fleet_run *r)
{
    bool known = agent && agent->is_alive && agent->run && strcmp(agent->run, fleet_run_id(r)) == 0;

    json_object_set_new(json, "zone", zone_of(agent));
    json_object_set_new(json, "cpu_percent", known ? json_real(agent->cpu_percent) : json_null());
    json_object_set_new(json, "loop_lag_ms",
                        known ? json_real(nsec_to_ms(agent->loop_lag_nsec)) : json_null());
    json_object_set_new(json, "memory_bytes",
                        known ? json_integer((json_int_t)agent->rss_bytes) : json_null());
    json_object_set_new(json, "memory_limit_bytes",
                        agent ? json_integer((json_int_t)agent->capacity.memory_bytes)
                              : json_null());
    json_object_set_new(json, "is_saturated", json_boolean(known && agent->saturated));
    json_object_set_new(json, "clock_offset_ms",
                        agent && agent->clock_known
                            ? json_real(nsec_to_ms(agent->clock_offset_nsec))
                            : json_null());
    json_object_set_new(json, "emulate",
                        agent && agent->emulated[0] ? json_string(agent->emulated) : json_null());
}

static json_t *run_agent(const struct fleet_now *now, const struct fleet_run *r,
                         const struct conductor_part_view *part)
{
    struct agent_numbers numbers = {.last_second = -1};
    json_t *json;

    collector_agent_numbers(fleet_run_collector(r), part->agent, &numbers);
    json =
        json_pack("{s:s, s:s, s:s, s:I, s:o, s:I, s:I, s:o, s:I}", "id", part->agent, "region",
                  part->region, "state", state_of(part, fleet_run_is_over(r)), "vus",
                  (json_int_t)(part->is_lost || fleet_run_is_over(r) ? 0 : part->vus), "segment",
                  part->is_lost ? json_null() : planned_segment(r, part->id), "dropped_iterations",
                  (json_int_t)numbers.dropped_iterations, "saturated_seconds",
                  (json_int_t)numbers.saturated_seconds, "last_window_second",
                  numbers.last_second >= 0 ? json_integer(numbers.last_second) : json_null(),
                  "windows_lost", (json_int_t)numbers.missing);
    add_health(json, find_agent(now, part->agent), r);
    return json;
}

/* An agent that has taken over has several parts: its VUs add up, the last that lives says its
 * state.
 */
static void merge_part(json_t *known, json_t *part)
{
    json_t *vus = json_object_get(known, "vus");
    const char *state = json_string_value(json_object_get(known, "state"));
    bool is_past = strcmp(state, "lost") == 0 || strcmp(state, "done") == 0;
    json_int_t sum = json_integer_value(vus) + json_integer_value(json_object_get(part, "vus"));

    if (is_past)
        json_object_update(known, part);
    json_object_set_new(known, "vus", json_integer(sum));
}

json_t *view_run_agents(const struct controller *c, const struct fleet_run *r)
{
    const struct conductor *conductor = fleet_run_conductor(r);
    struct fleet_now now = {.agents = NULL};
    json_t *by_id = json_object();
    json_t *items = json_array();
    const char *id;
    json_t *agent;

    now.count = controller_agents(c, &now.agents);
    for (size_t i = 0; i < conductor_part_count(conductor); i++) {
        struct conductor_part_view part;
        json_t *json;

        conductor_part(conductor, i, &part);
        if (!part.agent)
            continue;
        json = run_agent(&now, r, &part);
        if (json_object_get(by_id, part.agent))
            merge_part(json_object_get(by_id, part.agent), json);
        else
            json_object_set(by_id, part.agent, json);
        json_decref(json);
    }
    json_object_foreach(by_id, id, agent)
    {
        json_array_append(items, agent);
    }
    json_decref(by_id);
    mem_free(now.agents);
    return json_pack("{s:o}", "items", items);
}
