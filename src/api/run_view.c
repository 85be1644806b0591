/* A run as it is in the controller's memory. */
#include <string.h>

#include "api/fleet_views.h"
#include "api/measured_views.h"
#include "base/clock.h"
#include "base/mem.h"
#include "engine/run.h"
#include "engine/scenario.h"
#include "fleet/collector.h"
#include "fleet/conductor.h"
#include "metrics/totals.h"

/* --- what happened -------------------------------------------------------------------------- */

static const char *phase_of(const struct fleet_run *r)
{
    static const char *const names[] = {
        [FLEET_INIT] = "initialising",   [FLEET_SETUP] = "setup",
        [FLEET_RUNNING] = "running",     [FLEET_TEARDOWN] = "teardown",
        [FLEET_COLLECTING] = "teardown", [FLEET_SUMMARY] = "teardown",
        [FLEET_OVER] = "teardown", /* outputs still have something to send */
    };

    return fleet_run_is_over(r) ? "ended" : names[conductor_phase(fleet_run_conductor(r))];
}

/* Whoever asked for it is in the run's notes (`stopped_by`). */
static json_t *stop_of(const struct fleet_run *r, const struct conductor_outcome *o)
{
    const char *by = json_string_value(json_object_get(fleet_run_extra(r), "stopped_by"));
    int64_t at = 0;
    size_t count;
    const struct fleet_event *events = fleet_run_events(r, &count);

    if (o->reason == RUN_ABORT_NONE)
        return json_null();
    for (size_t i = 0; i < count && !at; i++)
        at = events[i].kind == FLEET_EVENT_STOPPED ? events[i].wall_nsec : 0;
    if (o->reason == RUN_ABORT_THRESHOLD)
        by = "threshold";
    else if (o->reason == RUN_ABORT_SCRIPT)
        by = "script";
    else if (o->reason != RUN_ABORT_SIGNAL && o->reason != RUN_ABORT_REST)
        by = "controller";
    return json_pack("{s:o, s:s, s:s}", "at",
                     view_time(at                        ? at
                               : fleet_run_ended_wall(r) ? fleet_run_ended_wall(r)
                                                         : clock_wall()),
                     "by", by ? by : "", "reason",
                     o->message ? o->message : run_abort_text(o->reason));
}

/* --- regions -------------------------------------------------------------------------------- */

struct region_sum {
    uint64_t vus;
    unsigned agents;
    unsigned lost;
};

/* Agents of the region: those of the plan, and those that took over. */
static struct region_sum sum_region(const struct fleet_run *r, const char *region)
{
    const struct fleet_plan *plan = fleet_run_plan(r);
    const struct conductor *c = fleet_run_conductor(r);
    struct region_sum sum = {0};

    for (size_t i = 0; i < plan->count; i++) {
        if (strcmp(plan->parts[i].region, region) != 0)
            continue;
        sum.vus += plan->parts[i].vus;
        sum.agents++;
    }
    for (size_t i = 0; i < conductor_part_count(c); i++) {
        struct conductor_part_view part;

        conductor_part(c, i, &part);
        if (strcmp(part.region, region) == 0 && (part.is_lost || part.is_orphan))
            sum.lost++;
    }
    return sum;
}

static bool is_listed(const json_t *items, const char *region)
{
    json_t *item;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)items, i, item)
    {
        if (strcmp(json_string_value(json_object_get(item, "region")), region) == 0)
            return true;
    }
    return false;
}

static json_t *regions_of(const struct fleet_run *r)
{
    const struct fleet_plan *plan = fleet_run_plan(r);
    json_t *items = json_array();

    for (size_t i = 0; i < plan->count; i++) {
        const struct fleet_part *part = &plan->parts[i];
        struct region_sum sum;

        if (is_listed(items, part->region))
            continue;
        sum = sum_region(r, part->region);
        json_array_append_new(items, json_pack("{s:s, s:f, s:I, s:i, s:i, s:b}", "region",
                                               part->region, "share", view_share(part), "max_vus",
                                               (json_int_t)sum.vus, "agents", (int)sum.agents,
                                               "agents_lost", (int)sum.lost, "is_emulated",
                                               (int)fleet_run_is_emulated(r, part->region)));
    }
    return items;
}

/* --- numbers -------------------------------------------------------------------------------- */

static json_t *windows_of(const struct fleet_run *r)
{
    struct collector_counts counts;

    collector_counts(fleet_run_collector(r), &counts);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "merged", (json_int_t)counts.taken, "late",
                     (json_int_t)counts.late, "lost", (json_int_t)counts.missing, "duplicates",
                     (json_int_t)counts.duplicates, "fenced", (json_int_t)counts.fenced, "poison",
                     (json_int_t)counts.poison);
}

/* --- what was asked for --------------------------------------------------------------------- */

static bool holds(const char *name, const char *word)
{
    size_t len = strlen(word);

    for (; *name; name++) {
        if (strlen(name) >= len && str_eq_nocase(str_from(name, len), str_from(word, len)))
            return true;
    }
    return false;
}

json_t *view_env(const json_t *env)
{
    static const char *const secret[] = {"key", "token", "secret", "password"};
    json_t *shown = json_object();
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)env, name, value)
    {
        bool is_secret = false;

        for (size_t i = 0; i < COUNT_OF(secret); i++)
            is_secret |= holds(name, secret[i]);
        json_object_set_new(shown, name, is_secret ? json_string("***") : json_incref(value));
    }
    return shown;
}

/* The field of what the asker gave, or what it is without. Takes `otherwise`. */
static json_t *asked(const json_t *extra, const char *key, json_t *otherwise)
{
    json_t *value = json_object_get(extra, key);

    if (!value)
        return otherwise;
    json_decref(otherwise);
    return json_incref(value);
}

static void add_asked(json_t *run, const struct fleet_run *r)
{
    const json_t *extra = fleet_run_extra(r);
    const json_t *spec = json_object_get(extra, "spec");

    json_object_set_new(run, "name",
                        asked(extra, "name", json_string(fleet_run_prepared(r)->name)));
    json_object_set_new(run, "notes", asked(extra, "notes", json_string("")));
    json_object_set_new(run, "labels", asked(extra, "labels", json_object()));
    json_object_set_new(run, "created_by", asked(extra, "created_by", json_string("")));
    json_object_set_new(run, "rerun_of", asked(extra, "rerun_of", json_null()));
    json_object_set_new(run, "load", asked(spec, "load", json_string("total")));
    json_object_set_new(run, "on_region_lost",
                        asked(spec, "on_region_lost", json_string("continue")));
    json_object_set_new(run, "tags", asked(spec, "tags", json_object()));
    json_object_set_new(run, "env", view_env(json_object_get(spec, "env")));
    if (json_object_get(extra, "test"))
        json_object_set(run, "test", json_object_get(extra, "test"));
}

json_t *view_links(const char *id)
{
    char *self = mem_printf("/api/v1/runs/%s", id);
    char *live = mem_printf("%s/live", self);
    char *web = mem_printf("/runs/%s", id);
    json_t *links = json_pack("{s:s, s:s, s:s}", "self", self, "live", live, "page", web);

    mem_free(self);
    mem_free(live);
    mem_free(web);
    return links;
}

json_t *view_run(const struct fleet_run *r)
{
    bool over = fleet_run_is_over(r);
    const struct totals *totals = collector_totals(fleet_run_collector(r));
    double seconds = nsec_to_sec(fleet_run_duration(r, clock_wall()));
    struct conductor_outcome o;
    json_t *run;

    fleet_run_outcome(r, &o);
    run = json_pack(
        "{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:f, s:I, s:b, s:o, s:s, s:o, s:o, s:o}",
        "id", fleet_run_id(r), "phase", phase_of(r), "result",
        over ? json_string(view_result(o.exit_code, o.reason)) : json_null(), "exit_code",
        over ? json_integer(o.exit_code) : json_null(), "stop", stop_of(r, &o), "created_at",
        view_time(fleet_run_created_wall(r)), "started_at", view_time(fleet_run_started_wall(r)),
        "ended_at", view_time(fleet_run_ended_wall(r)), "elapsed_seconds", seconds,
        "duration_seconds", nsec_to_sec(fleet_run_planned_duration(r)), "max_vus",
        (json_int_t)fleet_run_plan(r)->load.vus, "is_baseline", 0, "regions", regions_of(r),
        "latency_metric", view_latency_metric(totals), "totals",
        fleet_run_started_wall(r) ? view_totals(totals, fleet_run_thresholds(r), seconds, over)
                                  : json_null(),
        "windows", windows_of(r), "links", view_links(fleet_run_id(r)));
    add_asked(run, r);
    return run;
}
