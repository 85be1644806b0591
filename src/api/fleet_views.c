#include "api/fleet_views.h"

#include <stdlib.h>
#include <string.h>

#include "api/measured_views.h"
#include "base/clock.h"
#include "base/mem.h"
#include "fleet/collector.h"
#include "fleet/conductor.h"

enum { SERIES_SECONDS = 3600 }; /* what the collector keeps */

static json_t *text_or_null(const char *text)
{
    return text && text[0] ? json_string(text) : json_null();
}

json_t *view_time(int64_t wall_nsec)
{
    char text[40];

    if (wall_nsec <= 0)
        return json_null();
    clock_rfc3339(wall_nsec, 3, text, sizeof text);
    return json_string(text);
}

/* --- agents --------------------------------------------------------------------------------- */

static const char *state_of(const struct agent_view *a)
{
    return !a->is_alive ? "stale" : a->run ? "busy" : "ready";
}

static json_t *labels_of(const struct agent_view *a)
{
    json_t *labels = json_object();

    for (struct map_entry *e = map_first(a->labels); e; e = map_next(a->labels, e))
        json_object_set_new(labels, e->key.ptr, json_string(e->value));
    return labels;
}

/* What it runs of its run. */
static json_int_t vus_of(const struct controller *c, const struct agent_view *a)
{
    const struct fleet_run *run = a->run ? controller_find_run(c, a->run) : NULL;
    const struct conductor *conductor = run ? fleet_run_conductor(run) : NULL;
    json_int_t vus = 0;

    for (size_t i = 0; conductor && i < conductor_part_count(conductor); i++) {
        struct conductor_part_view part;

        conductor_part(conductor, i, &part);
        if (part.agent && !part.is_lost && strcmp(part.agent, a->id) == 0)
            vus += (json_int_t)part.vus;
    }
    return vus;
}

json_t *view_agent(const struct controller *c, const struct agent_view *a)
{
    int64_t now = clock_now();

    return json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:o, s:I, s:I, s:i, s:f, s:f, s:I, s:I, s:I, s:o, "
        "s:o, s:o, s:b, s:o, s:o, s:o, s:I, s:I}",
        "id", a->id, "name", a->id, "region", a->region, "zone", text_or_null(a->zone), "labels",
        labels_of(a), "state", state_of(a), "version", a->version, "run", text_or_null(a->run),
        "capacity_vus", (json_int_t)a->capacity.max_vus, "vus", vus_of(c, a), "cpus",
        (int)a->capacity.cores, "cpu_percent", a->cpu_percent, "loop_lag_ms",
        nsec_to_ms(a->loop_lag_nsec), "memory_bytes", (json_int_t)a->rss_bytes,
        "memory_limit_bytes", (json_int_t)a->capacity.memory_bytes, "open_files",
        (json_int_t)a->capacity.descriptors, "clock_offset_ms",
        a->clock_known ? json_real(nsec_to_ms(a->clock_offset_nsec)) : json_null(), "rtt_ms",
        a->clock_known ? json_real(2 * nsec_to_ms(a->clock_error_nsec)) : json_null(), "emulate",
        text_or_null(a->emulated), "is_saturated", (int)a->saturated, "enlisted_at",
        view_time(a->since_wall_nsec), "seen_at", view_time(clock_wall() - (now - a->heard_nsec)),
        "refused", text_or_null(a->refused), "kept_data", (json_int_t)a->kept_data, "lost_data",
        (json_int_t)a->lost_data);
}

static void add_number(json_t *object, const char *key, json_int_t by)
{
    json_object_set_new(object, key,
                        json_integer(json_integer_value(json_object_get(object, key)) + by));
}

static void set_place(json_t *region, const char *name)
{
    static const struct {
        const char *region;
        const char *title;
        double latitude;
        double longitude;
    } places[] = {
#define PLACE(region, title, latitude, longitude) {region, title, latitude, longitude},
#include "api/places.def"
#undef PLACE
    };

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        if (strcmp(places[i].region, name) != 0)
            continue;
        json_object_set_new(region, "title", json_string(places[i].title));
        json_object_set_new(region, "latitude", json_real(places[i].latitude));
        json_object_set_new(region, "longitude", json_real(places[i].longitude));
    }
}

json_t *view_region_of(json_t *items, const char *name)
{
    json_t *region;
    size_t i;

    json_array_foreach(items, i, region)
    {
        if (strcmp(json_string_value(json_object_get(region, "name")), name) == 0)
            return region;
    }
    region =
        json_pack("{s:s, s:s, s:n, s:n, s:{s:i, s:i, s:i}, s:[], s:i, s:i, s:n, s:b, s:n, s:n}",
                  "name", name, "title", name, "latitude", "longitude", "agents", "ready", 0,
                  "busy", 0, "stale", 0, "zones", "capacity_vus", 0, "free_vus", 0, "rtt_ms",
                  "is_emulated", 0, "provisioner", "agents_wanted");
    set_place(region, name);
    json_array_append_new(items, region);
    return region;
}

static void add_zone(json_t *zones, const char *zone)
{
    json_t *known;
    size_t i;

    json_array_foreach(zones, i, known)
    {
        if (strcmp(json_string_value(known), zone) == 0)
            return;
    }
    json_array_append_new(zones, json_string(zone));
}

static int compare_trips(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* Between the controller and the region's agents that are heard. */
static json_t *median_trip(const struct agent_view *agents, size_t count, const char *region)
{
    int64_t *trips = mem_calloc(count + 1, sizeof *trips);
    size_t known = 0;
    json_t *median;

    for (size_t i = 0; i < count; i++) {
        if (agents[i].is_alive && agents[i].clock_known && strcmp(agents[i].region, region) == 0)
            trips[known++] = 2 * agents[i].clock_error_nsec;
    }
    if (known > 1)
        qsort(trips, known, sizeof *trips, compare_trips);
    median = known ? json_real(nsec_to_ms(trips[known / 2])) : json_null();
    mem_free(trips);
    return median;
}

json_t *view_regions(const struct controller *c)
{
    json_t *items = json_array();
    struct agent_view *agents;
    size_t count = controller_agents(c, &agents);

    for (size_t i = 0; i < count; i++) {
        const struct agent_view *a = &agents[i];
        json_t *region = view_region_of(items, a->region);

        add_number(json_object_get(region, "agents"), state_of(a), 1);
        if (!a->is_alive)
            continue;
        add_number(region, "capacity_vus", (json_int_t)a->capacity.max_vus);
        if (!a->run && !a->refused)
            add_number(region, "free_vus", (json_int_t)a->capacity.max_vus);
        if (a->emulated[0])
            json_object_set_new(region, "is_emulated", json_true());
        if (a->zone[0])
            add_zone(json_object_get(region, "zones"), a->zone);
        json_object_set_new(region, "rtt_ms", median_trip(agents, count, a->region));
    }
    mem_free(agents);
    return items;
}

/* --- lines ---------------------------------------------------------------------------------- */

static const char *severity_of(enum fleet_event_kind kind)
{
    switch (kind) {
    case FLEET_EVENT_LOST:
    case FLEET_EVENT_ORPHANED:
    case FLEET_EVENT_FAILED:
    case FLEET_EVENT_CROSSED:
        return "error";
    case FLEET_EVENT_MOVED:
    case FLEET_EVENT_FENCED:
    case FLEET_EVENT_STOPPED:
    case FLEET_EVENT_NOTE:
        return "warn";
    default:
        return "info";
    }
}

/* null: before the start. */
static json_t *second_of(const struct fleet_run *r, int64_t wall_nsec)
{
    int64_t start = conductor_start_wall(fleet_run_conductor(r));

    return start && wall_nsec >= start ? json_integer((wall_nsec - start) / NSEC_PER_SEC)
                                       : json_null();
}

json_t *view_event(const struct fleet_run *r, const struct fleet_event *e)
{
    return json_pack("{s:I, s:o, s:o, s:s, s:s, s:o, s:o, s:s, s:{}}", "id", (json_int_t)e->id,
                     "at", view_time(e->wall_nsec), "second", second_of(r, e->wall_nsec), "kind",
                     fleet_event_name(e->kind), "severity", severity_of(e->kind), "region",
                     text_or_null(e->region), "agent", text_or_null(e->agent), "message", e->text,
                     "data");
}

json_t *view_log(const struct fleet_run *r, const struct fleet_log *l)
{
    static const char *const levels[] = {
        [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};
    const char *source = strstr(l->text, " source=console") ? "console" : "agent";

    return json_pack("{s:I, s:o, s:o, s:s, s:s, s:o, s:o, s:s, s:n, s:n, s:i}", "id",
                     (json_int_t)l->id, "at", view_time(l->wall_nsec), "second",
                     second_of(r, l->wall_nsec), "level", levels[l->level], "source", source,
                     "region", text_or_null(l->region), "agent", text_or_null(l->agent), "message",
                     l->text, "vu", "iteration", "left_out", 0);
}

json_t *view_thresholds(const struct fleet_run *r)
{
    const json_t *asked = json_object_get(fleet_run_extra(r), "spec");

    return view_threshold_set(fleet_run_thresholds(r), json_object_get(asked, "thresholds"));
}

/* --- numbers -------------------------------------------------------------------------------- */

json_t *view_window(const struct fleet_run *r, int64_t second, bool is_late)
{
    const struct collector *c = fleet_run_collector(r);
    json_t *regions = json_object();
    struct second_numbers numbers = {0};
    const char *const *names;
    size_t count = fleet_run_regions(r, &names);

    for (size_t i = 0; i < count; i++) {
        if (collector_numbers(c, names[i], second, &numbers))
            json_object_set_new(regions, names[i], view_values(&numbers));
    }
    if (!collector_numbers(c, NULL, second, &numbers))
        numbers = (struct second_numbers){0};
    return json_pack("{s:I, s:b, s:o, s:o}", "t", (json_int_t)second, "is_late", (int)is_late,
                     "overall", view_values(&numbers), "regions", regions);
}

/* What is not known is null. */
static void add_row(json_t *columns, const struct collector *c, const char *region, int64_t second)
{
    struct second_numbers numbers = {0};
    bool known = collector_numbers(c, region, second, &numbers);

    view_add_row(columns, known ? &numbers : NULL);
}

json_t *view_series(const struct fleet_run *r)
{
    const struct collector *c = fleet_run_collector(r);
    int64_t end = collector_last_second(c);
    json_t *t = json_array();
    json_t *overall = json_object();
    json_t *regions = json_object();
    struct second_numbers numbers;
    const char *const *names;
    size_t count = fleet_run_regions(r, &names);

    for (size_t i = 0; i < count; i++)
        json_object_set_new(regions, names[i], json_object());
    for (int64_t s = end > SERIES_SECONDS ? end - SERIES_SECONDS : 0; s <= end; s++) {
        if (!collector_numbers(c, NULL, s, &numbers))
            continue;
        json_array_append_new(t, json_integer(s));
        add_row(overall, c, NULL, s);
        for (size_t i = 0; i < count; i++)
            add_row(json_object_get(regions, names[i]), c, names[i], s);
    }
    return json_pack("{s:i, s:o, s:o, s:o}", "step", 1, "t", t, "overall", overall, "regions",
                     regions);
}
