/* The agents that a collector knows: what has come of each, how far, and its gauges. */
#include <math.h>

#include "base/mem.h"
#include "fleet/collector_internal.h"
#include "fleet/planner.h"
#include "metrics/totals.h"
#include "metrics/window.h"

/* --- agents and regions ------------------------------------------------------------------- */

static void free_agent(struct agent *a)
{
    for (size_t i = 0; i < a->boot_count; i++) {
        mem_free(a->boots[i].name);
        sequence_set_deinit(&a->boots[i].had);
    }
    mem_free(a->boots);
    mem_free(a->id);
    mem_free(a);
}

static void free_region(struct region *r)
{
    totals_free(r->totals);
    timeline_free(r->timeline);
    mem_free(r->name);
    mem_free(r);
}

void collector_free_agents(struct collector *c)
{
    for (size_t i = 0; i < c->agent_count; i++)
        free_agent(c->agents[i]);
    mem_free((void *)c->agents);
    for (size_t i = 0; i < c->region_count; i++)
        free_region(c->regions[i]);
    mem_free((void *)c->regions);
    map_deinit(&c->agent_by_id);
}

struct region *collector_find_region(const struct collector *c, struct str name)
{
    for (size_t i = 0; i < c->region_count; i++) {
        if (str_eq_c(name, c->regions[i]->name))
            return c->regions[i];
    }
    return NULL;
}

/* NULL: there are too many. */
static struct region *get_region(struct collector *c, struct str name)
{
    struct region *r = collector_find_region(c, name);

    if (r || c->region_count == PLANNER_MAX_REGIONS)
        return r;
    r = mem_zalloc(sizeof *r);
    r->name = str_dup(name);
    r->index = c->region_count;
    r->totals = totals_new();
    r->totals->without_scopes = true;
    r->timeline = timeline_new();
    r->vus = collector_gauge(c, METRIC_VUS, r->name);
    r->vus_max = collector_gauge(c, METRIC_VUS_MAX, r->name);
    c->regions = mem_reallocarray((void *)c->regions, c->region_count + 1, sizeof *c->regions);
    c->regions[c->region_count++] = r;
    return r;
}

struct agent *collector_agent(struct collector *c, struct str id, struct str region)
{
    struct agent *a = map_get(&c->agent_by_id, id);
    struct region *r;

    if (a)
        return a;
    r = c->agent_count < PLANNER_MAX_AGENTS ? get_region(c, region) : NULL;
    if (!r)
        return NULL;
    a = mem_zalloc(sizeof *a);
    a->id = str_dup(id);
    a->region = r;
    a->reached = -1;
    for (size_t i = 0; i < AGENT_SECONDS; i++)
        a->seconds[i].second = -1;
    c->agents = mem_reallocarray((void *)c->agents, c->agent_count + 1, sizeof *c->agents);
    c->agents[c->agent_count++] = a;
    map_set(&c->agent_by_id, id, a);
    return a;
}

void collector_expect(struct collector *c, const char *agent, const char *region,
                      int64_t from_second)
{
    struct agent *a = collector_agent(c, str_of(agent), str_of(region));

    if (!a || a->is_expected)
        return;
    a->is_expected = true;
    a->from_second = from_second;
}

void collector_unexpect(struct collector *c, const char *agent)
{
    struct agent *a = map_get(&c->agent_by_id, str_of(agent));

    if (a)
        a->is_expected = false;
}

struct boot *collector_boot(struct agent *a, struct str name)
{
    for (size_t i = 0; i < a->boot_count; i++) {
        if (str_eq_c(name, a->boots[i].name))
            return &a->boots[i];
    }
    if (a->boot_count == MOST_BOOTS)
        return NULL;
    a->boots = mem_reallocarray(a->boots, a->boot_count + 1, sizeof *a->boots);
    a->boots[a->boot_count].name = str_dup(name);
    sequence_set_init(&a->boots[a->boot_count].had);
    return &a->boots[a->boot_count++];
}

bool collector_is_awaited(const struct agent *a, int64_t second)
{
    return a->is_expected && a->from_second <= second && a->reached < second;
}

/* --- the agents' gauges ------------------------------------------------------------------- */

static struct agent_second *second_of(const struct agent *a, int64_t second)
{
    return (struct agent_second *)(uintptr_t)&a->seconds[second % AGENT_SECONDS];
}

/* What an agent's message says of itself. */
struct own {
    double vus;
    double vus_max;
    bool has_vus;
    bool has_vus_max;
};

static double dropped_in(const struct window *w)
{
    double dropped = 0;

    for (size_t i = 0; w && i < w->count; i++) {
        if (w->series[i].series->metric->id == METRIC_DROPPED_ITERATIONS &&
            isfinite(w->series[i].sink.sum))
            dropped += w->series[i].sink.sum;
    }
    return dropped;
}

/* Takes vus and vus_max out of a window; of several series (parts) they add up. */
static struct own take_own(struct window *w)
{
    struct own own = {0};

    for (size_t i = 0; w && i < w->count;) {
        uint32_t id = w->series[i].series->metric->id;
        double value = w->series[i].sink.gauge.value;

        if (id != METRIC_VUS && id != METRIC_VUS_MAX) {
            i++;
            continue;
        }
        if (id == METRIC_VUS && isfinite(value)) {
            own.vus += value;
            own.has_vus = true;
        } else if (isfinite(value)) {
            own.vus_max += value;
            own.has_vus_max = true;
        }
        w->series[i] = w->series[--w->count];
    }
    return own;
}

void collector_note_agent(struct agent *a, const Gale__Fleet__Data *data, struct window *w)
{
    int64_t upto = data->more ? data->second - 1 : data->second;
    struct own own = take_own(w);
    struct agent_second *known;

    a->dropped_iterations += dropped_in(w);
    /* Messages come nearly in order: one says that those before have come. */
    if (upto > a->reached)
        a->reached = upto;
    if (data->second < 0)
        return;
    known = second_of(a, data->second);
    if (known->second > data->second)
        return;
    if (known->second < data->second)
        *known = (struct agent_second){.second = data->second};
    if (own.has_vus)
        known->vus = own.vus;
    if (own.has_vus_max)
        known->vus_max = own.vus_max;
    known->has_vus |= own.has_vus;
    a->saturated_seconds += data->saturated && !known->saturated;
    known->saturated |= data->saturated;
}

bool collector_agent_numbers(const struct collector *c, const char *agent,
                             struct agent_numbers *out)
{
    const struct agent *a = map_get(&c->agent_by_id, str_of(agent));

    if (!a)
        return false;
    *out = (struct agent_numbers){
        .last_second = a->reached,
        .saturated_seconds = a->saturated_seconds,
        .dropped_iterations = a->dropped_iterations,
    };
    for (size_t i = 0; i < a->boot_count; i++)
        out->missing += sequence_set_missing(&a->boots[i].had);
    return true;
}

/* What an agent says of a second, or has last said before it. */
static const struct agent_second *last_said(const struct agent *a, int64_t second)
{
    for (int64_t i = 0; i < AGENT_SECONDS && i <= second; i++) {
        const struct agent_second *s = second_of(a, second - i);

        if (s->second == second - i && s->has_vus)
            return s;
    }
    return NULL;
}

struct gauges collector_gauges(const struct collector *c, const struct region *r, int64_t second)
{
    struct gauges sum = {0};

    for (size_t i = 0; i < c->agent_count; i++) {
        const struct agent *a = c->agents[i];
        bool delivered = second_of(a, second)->second == second;
        const struct agent_second *said;

        if (r && a->region != r)
            continue;
        sum.agents += delivered;
        sum.saturated += delivered && second_of(a, second)->saturated;
        said = delivered || collector_is_awaited(a, second) ? last_said(a, second) : NULL;
        if (!said)
            continue;
        sum.vus_max += said->vus_max;
        if (!delivered || said->second == second) {
            sum.vus += said->vus;
            sum.has_vus = true;
        }
    }
    return sum;
}
