/* Seconds: open ones wait for their agents, in order; complete ones take what comes late. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "fleet/collector_internal.h"
#include "metrics/totals.h"
#include "metrics/window.h"

static void free_open(struct open_second *o)
{
    for (size_t i = 0; i < o->region_count; i++)
        pending_deinit(&o->regions[i]);
    mem_free(o->regions);
}

void collector_free_seconds(struct collector *c)
{
    for (size_t i = 0; i < c->open_count; i++)
        free_open(&c->open[i]);
    mem_free(c->open);
}

/* --- merging ------------------------------------------------------------------------------ */

static void add_gauges(struct collector *c, struct pending *p, const struct region *r,
                       const struct gauges *g, int64_t second)
{
    int64_t wall = c->start_wall_nsec + (second + 1) * NSEC_PER_SEC;
    const struct series *vus = r ? r->vus : c->vus;
    const struct series *vus_max = r ? r->vus_max : c->vus_max;

    if (vus && g->has_vus)
        pending_add_gauge(p, vus, g->vus, wall);
    /* Agents that have ended say nothing more: what was initialised stays as it was last said. */
    if (vus_max && g->vus_max > 0)
        pending_add_gauge(p, vus_max, g->vus_max, wall);
}

static void tell_window(const struct collector *c, int64_t second, const struct region *r,
                        const struct pending *p, bool is_late)
{
    const struct collector_events *events = &c->config.events;

    if (events->on_window && p->window.count > 0)
        events->on_window(events->arg, second, r ? r->name : NULL, &p->window, is_late);
}

/* Merges what a second of a region has, or what came late of it, and tells of it; `gauges` NULL:
 * they are as they were. */
static void merge_region(struct collector *c, struct region *r, int64_t second, struct pending *p,
                         const struct gauges *gauges, bool is_late)
{
    totals_merge(c->totals, &p->window, second);
    if (gauges)
        add_gauges(c, p, r, gauges, second);
    totals_merge(r->totals, &p->window, second);
    tell_window(c, second, r, p, is_late);
}

static void merge_fleet(struct collector *c, int64_t second, const struct gauges *gauges,
                        bool is_late)
{
    struct pending p;

    pending_init(&p);
    add_gauges(c, &p, NULL, gauges, second);
    totals_merge(c->totals, &p.window, second);
    tell_window(c, second, NULL, &p, is_late);
    pending_deinit(&p);
}

/* --- completing --------------------------------------------------------------------------- */

static void complete_region(struct collector *c, struct region *r, int64_t second,
                            struct pending *p, struct second_sums *all)
{
    struct gauges gauges = collector_gauges(c, r, second);
    struct second_sums sums;

    if (p->window.count == 0 && gauges.agents == 0 && !(gauges.vus > 0))
        return;
    second_sums_init(&sums);
    second_sums_add(&sums, &p->window);
    timeline_add(r->timeline, second, &sums, false);
    timeline_set_agents(r->timeline, second, gauges.vus, gauges.vus_max, gauges.agents,
                        gauges.saturated);
    second_sums_merge(all, &sums);
    second_sums_deinit(&sums);
    merge_region(c, r, second, p, &gauges, false);
}

static void complete_first(struct collector *c)
{
    struct open_second o = c->open[0];
    int64_t second = c->last_second + 1;
    struct gauges gauges = collector_gauges(c, NULL, second);
    struct second_sums all;

    second_sums_init(&all);
    for (size_t i = 0; i < c->region_count; i++) {
        struct pending none;

        pending_init(&none);
        complete_region(c, c->regions[i], second, i < o.region_count ? &o.regions[i] : &none, &all);
        pending_deinit(&none);
    }
    timeline_add(c->timeline, second, &all, false);
    timeline_set_agents(c->timeline, second, gauges.vus, gauges.vus_max, gauges.agents,
                        gauges.saturated);
    if (gauges.agents > 0 || gauges.vus > 0)
        merge_fleet(c, second, &gauges, false);
    second_sums_deinit(&all);
    free_open(&o);
    c->open_count--;
    memmove(c->open, c->open + 1, c->open_count * sizeof *c->open);
    c->last_second = second;
    if (c->config.events.on_second)
        c->config.events.on_second(c->config.events.arg, second);
}

/* Whether nobody is awaited for the oldest second; without any agent expected only time tells. */
static bool has_all(struct collector *c)
{
    int64_t second = c->last_second + 1;
    bool any = false;

    if (c->laggard < c->agent_count && collector_is_awaited(c->agents[c->laggard], second))
        return false;
    for (size_t i = 0; i < c->agent_count; i++) {
        any |= c->agents[i]->is_expected && c->agents[i]->from_second <= second;
        if (collector_is_awaited(c->agents[i], second)) {
            c->laggard = i;
            return false;
        }
    }
    return any;
}

static int64_t due(const struct collector *c)
{
    int64_t end = (c->last_second + 2) * NSEC_PER_SEC;
    int64_t opened = c->open[0].opened_nsec;

    return (opened > end ? opened : end) + COLLECTOR_PATIENCE_NSEC;
}

int64_t collector_tick(struct collector *c, int64_t now_nsec)
{
    while (c->open_count > 0 && (has_all(c) || now_nsec >= due(c)))
        complete_first(c);
    return c->open_count > 0 ? due(c) : INT64_MAX;
}

void collector_finish(struct collector *c)
{
    while (c->open_count > 0)
        complete_first(c);
}

/* --- adding ------------------------------------------------------------------------------- */

/* The region's part of a second that isn't complete. */
static struct pending *open_pending(struct collector *c, const struct region *r, int64_t second,
                                    int64_t now_nsec)
{
    struct open_second *o;

    while (c->open_count > 0 && second - c->last_second > MOST_OPEN)
        complete_first(c);
    if (second - c->last_second > MOST_OPEN)
        c->last_second = second - MOST_OPEN;
    if (second - c->last_second > (int64_t)c->open_count) {
        size_t count = (size_t)(second - c->last_second);

        c->open = mem_reallocarray(c->open, count, sizeof *c->open);
        while (c->open_count < count)
            c->open[c->open_count++] = (struct open_second){.opened_nsec = now_nsec};
    }
    o = &c->open[second - c->last_second - 1];
    if (r->index >= o->region_count) {
        o->regions = mem_reallocarray(o->regions, r->index + 1, sizeof *o->regions);
        while (o->region_count <= r->index)
            pending_init(&o->regions[o->region_count++]);
    }
    return &o->regions[r->index];
}

/* A window of a second that is complete, or of before the start. */
static void merge_late(struct collector *c, struct region *r, int64_t second, struct window *w)
{
    struct pending p;
    struct second_sums sums;
    struct second_numbers before;
    bool is_late = second >= 0;
    struct gauges gauges;
    struct gauges all;
    bool changed = false;

    pending_init(&p);
    if (w)
        pending_merge(&p, &c->merged, w);
    if (is_late) {
        second_sums_init(&sums);
        second_sums_add(&sums, &p.window);
        timeline_add(r->timeline, second, &sums, true);
        timeline_add(c->timeline, second, &sums, true);
        second_sums_deinit(&sums);
        /* Older ones are no longer remembered. */
        if (c->last_second - second < AGENT_SECONDS / 2 &&
            timeline_get(c->timeline, second, &before)) {
            gauges = collector_gauges(c, r, second);
            all = collector_gauges(c, NULL, second);
            timeline_set_agents(r->timeline, second, gauges.vus, gauges.vus_max, gauges.agents,
                                gauges.saturated);
            timeline_set_agents(c->timeline, second, all.vus, all.vus_max, all.agents,
                                all.saturated);
            changed = all.vus < before.vus || all.vus > before.vus;
        }
        c->counts.late++;
    }
    merge_region(c, r, second, &p, changed ? &gauges : NULL, is_late);
    if (changed)
        merge_fleet(c, second, &all, true);
    pending_deinit(&p);
}

void collector_add(struct collector *c, struct region *r, int64_t second, struct window *w,
                   int64_t now_nsec)
{
    if (second <= c->last_second || second < 0) {
        merge_late(c, r, second, w);
    } else {
        struct pending *p = open_pending(c, r, second, now_nsec);

        if (w)
            pending_merge(p, &c->merged, w);
    }
    collector_tick(c, now_nsec);
}
