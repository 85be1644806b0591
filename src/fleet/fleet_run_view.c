/* What others see of a run. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/scenario.h"
#include "fleet/fleet_run_internal.h"
#include "fleet/scoring.h"
#include "metrics/totals.h"
#include "output/export.h"
#include "output/format.h"
#include "output/report.h"

const char *fleet_run_id(const struct fleet_run *r)
{
    return r->id;
}

const struct prepared *fleet_run_prepared(const struct fleet_run *r)
{
    return r->prepared;
}

const struct conductor *fleet_run_conductor(const struct fleet_run *r)
{
    return r->conductor;
}

struct collector *fleet_run_collector(const struct fleet_run *r)
{
    return r->collector;
}

const struct fleet_plan *fleet_run_plan(const struct fleet_run *r)
{
    return &r->plan;
}

const json_t *fleet_run_extra(const struct fleet_run *r)
{
    return r->extra;
}

void fleet_run_set_extra(struct fleet_run *r, const char *key, json_t *value)
{
    json_t *extra = r->extra ? json_deep_copy(r->extra) : json_object();

    json_object_set_new(extra, key, value);
    json_decref(r->extra);
    r->extra = extra;
    r->is_dirty = true;
}

int64_t fleet_run_created_wall(const struct fleet_run *r)
{
    return r->created_wall;
}

int64_t fleet_run_started_wall(const struct fleet_run *r)
{
    return r->started_wall;
}

int64_t fleet_run_ended_wall(const struct fleet_run *r)
{
    return r->ended_wall;
}

int64_t fleet_run_duration(const struct fleet_run *r, int64_t now_wall)
{
    int64_t end = r->ended_wall ? r->ended_wall : now_wall;

    return r->started_wall ? end - r->started_wall : 0;
}

int64_t fleet_run_planned_duration(const struct fleet_run *r)
{
    return scenarios_duration(&r->prepared->scenarios);
}

bool fleet_run_is_over(const struct fleet_run *r)
{
    return r->is_over;
}

void fleet_run_outcome(const struct fleet_run *r, struct conductor_outcome *out)
{
    if (r->is_over)
        *out = r->outcome;
    else
        conductor_outcome(r->conductor, out);
}

const struct threshold_set *fleet_run_thresholds(const struct fleet_run *r)
{
    return &r->thresholds;
}

const struct fleet_event *fleet_run_events(const struct fleet_run *r, size_t *count)
{
    *count = r->event_count;
    return r->events;
}

const struct fleet_log *fleet_run_logs(const struct fleet_run *r, size_t *count)
{
    *count = r->log_count;
    return r->logs;
}

const struct exemplars *fleet_run_exemplars(const struct fleet_run *r)
{
    return r->exemplars;
}

const char *fleet_run_custom_summary(const struct fleet_run *r)
{
    return r->custom_summary;
}

void fleet_run_set_emulated(struct fleet_run *r, const char *region)
{
    map_set(&r->emulated, str_of(region), r);
}

bool fleet_run_is_emulated(const struct fleet_run *r, const char *region)
{
    return map_get(&r->emulated, str_of(region)) != NULL;
}

size_t fleet_run_regions(const struct fleet_run *r, const char *const **out)
{
    *out = r->regions;
    return r->region_count;
}

/* --- the table by region -------------------------------------------------------------------- */

static const struct sink *sink_of(const struct totals *t, const char *name)
{
    const struct metric_total *m = t ? totals_find(t, str_of(name)) : NULL;

    return m && !m->sink.is_empty ? &m->sink : NULL;
}

static double aggregate(const struct totals *t, const char *name, struct agg agg, double seconds)
{
    const struct sink *sink = sink_of(t, name);

    return sink ? sink_aggregate(sink, agg, seconds) : 0;
}

/* What latency means for this script: requests, else calls, else iterations. */
static const char *latency_metric(const struct totals *t)
{
    static const char *const names[] = {"http_req_duration", "grpc_req_duration",
                                        "ws_session_duration", "iteration_duration"};
    size_t i = 0;

    while (i + 1 < COUNT_OF(names) && !sink_of(t, names[i]))
        i++;
    return names[i];
}

static uint64_t saturated_seconds(const struct fleet_run *r, const char *region)
{
    int64_t last = collector_last_second(r->collector);
    struct second_numbers numbers;
    uint64_t count = 0;

    for (int64_t second = last > TIMELINE_SECONDS ? last - TIMELINE_SECONDS : 0; second <= last;
         second++)
        count += collector_numbers(r->collector, region, second, &numbers) && numbers.saturated > 0;
    return count;
}

enum { CELL_SIZE = 32, CELLS = 7 };

static const struct {
    const char *title;
    size_t width;
} columns[CELLS] = {
    {"VUs", 7},    {"iterations", 12}, {"req/s", 11},  {"avg", 11},
    {"p(95)", 11}, {"p(99)", 11},      {"failed", 10},
};

/* Of a region, or of all: as the summary shows such numbers. */
struct region_row {
    char cells[CELLS][CELL_SIZE];
};

static void put_cell(char *cell, struct buf *text)
{
    snprintf(cell, CELL_SIZE, "%.*s", STR_ARG(buf_str(text)));
    buf_reset(text);
}

static void fill_row(const struct fleet_run *r, const struct totals *t, struct region_row *row)
{
    static const struct agg latencies[] = {{AGG_AVG, 0}, {AGG_P, 95}, {AGG_P, 99}};
    double seconds = nsec_to_sec(fleet_run_duration(r, clock_wall()));
    const char *latency = latency_metric(collector_totals(r->collector));
    const struct sink *vus = sink_of(t, "vus");
    struct buf text = BUF_INIT(CELL_SIZE);
    size_t n = 0;

    buf_printf(&text, "%.0f", vus ? vus->gauge.max : 0);
    put_cell(row->cells[n++], &text);
    buf_printf(&text, "%.0f", aggregate(t, "iterations", (struct agg){AGG_COUNT, 0}, seconds));
    put_cell(row->cells[n++], &text);
    buf_printf(&text, "%.1f", aggregate(t, "http_reqs", (struct agg){AGG_RATE, 0}, seconds));
    put_cell(row->cells[n++], &text);
    for (size_t i = 0; i < COUNT_OF(latencies); i++) {
        format_time(&text, aggregate(t, latency, latencies[i], seconds), r->summary.unit);
        put_cell(row->cells[n++], &text);
    }
    format_percent(&text, aggregate(t, "http_req_failed", (struct agg){AGG_RATE, 0}, seconds));
    put_cell(row->cells[n++], &text);
    buf_deinit(&text);
}

static void put_right(struct buf *out, const char *text, size_t width)
{
    for (size_t have = format_width(text); have < width; have++)
        buf_append_char(out, ' ');
    buf_append_c(out, text);
}

static void put_row(const struct fleet_run *r, const char *name, const char *region,
                    const struct totals *t, struct buf *out)
{
    uint64_t saturated = saturated_seconds(r, region);
    struct region_row row;

    fill_row(r, t, &row);
    buf_printf(out, "     %-22s", name);
    for (size_t i = 0; i < CELLS; i++)
        put_right(out, row.cells[i], columns[i].width);
    if (saturated > 0)
        buf_printf(out, "  saturated for %llus", (unsigned long long)saturated);
    if (region && fleet_run_is_emulated(r, region))
        buf_append_c(out, "  (emulated distance)");
    buf_append_char(out, '\n');
}

static bool is_loss(const struct fleet_event *e)
{
    return e->kind == FLEET_EVENT_LOST || e->kind == FLEET_EVENT_MOVED ||
           e->kind == FLEET_EVENT_FAILED || e->kind == FLEET_EVENT_RESTORED ||
           e->kind == FLEET_EVENT_ORPHANED || e->kind == FLEET_EVENT_BACK ||
           e->kind == FLEET_EVENT_NOTE;
}

/* What was lost, from the timeline; `begin` and `end` stand around a line's time. */
static void put_losses(const struct fleet_run *r, const char *begin, const char *end, bool markdown,
                       struct buf *out)
{
    int64_t start = conductor_start_wall(r->conductor);

    for (size_t i = 0; i < r->event_count; i++) {
        const struct fleet_event *e = &r->events[i];
        int64_t at = start ? (e->wall_nsec - start) / NSEC_PER_SEC : 0;

        if (!is_loss(e))
            continue;
        buf_printf(out, "%s%02lld:%02lld%s %s%s", begin, (long long)(at > 0 ? at / 60 : 0),
                   (long long)(at > 0 ? at % 60 : 0), end, e->region ? e->region : "",
                   e->region ? ": " : "");
        if (markdown)
            report_put_markdown(out, e->text);
        else
            buf_append_c(out, e->text);
        buf_append_char(out, '\n');
    }
}

void fleet_run_region_table(const struct fleet_run *r, bool color, struct buf *out)
{
    const char *latency = latency_metric(collector_totals(r->collector));

    buf_printf(out, "\n  %sBY REGION%s (%s)\n\n", color ? "\x1b[1m" : "", color ? "\x1b[0m" : "",
               latency);
    buf_printf(out, "     %-22s", "region");
    for (size_t i = 0; i < CELLS; i++)
        put_right(out, columns[i].title, columns[i].width);
    buf_append_char(out, '\n');
    for (size_t i = 0; i < r->region_count; i++)
        put_row(r, r->regions[i], r->regions[i],
                collector_region_totals(r->collector, r->regions[i]), out);
    put_row(r, "all", NULL, collector_totals(r->collector), out);
    buf_append_char(out, '\n');
    put_losses(r, color ? "     \x1b[33m" : "     ", color ? "\x1b[0m" : "", false, out);
    if (r->findings)
        buf_printf(out, "\n%s", r->findings);
}

static void put_markdown_row(const struct fleet_run *r, const char *name, const char *region,
                             const struct totals *t, struct buf *out)
{
    struct region_row row;

    fill_row(r, t, &row);
    buf_printf(out, "| %s%s |", name,
               region && fleet_run_is_emulated(r, region) ? " (emulated)" : "");
    for (size_t i = 0; i < CELLS; i++)
        buf_printf(out, " %s |", row.cells[i]);
    buf_append_char(out, '\n');
}

void fleet_run_region_markdown(const struct fleet_run *r, struct buf *out)
{
    buf_printf(out, "### By region (%s)\n\n| region |",
               latency_metric(collector_totals(r->collector)));
    for (size_t i = 0; i < CELLS; i++)
        buf_printf(out, " %s |", columns[i].title);
    buf_append_c(out, "\n| --- |");
    for (size_t i = 0; i < CELLS; i++)
        buf_append_c(out, " --: |");
    buf_append_char(out, '\n');
    for (size_t i = 0; i < r->region_count; i++)
        put_markdown_row(r, r->regions[i], r->regions[i],
                         collector_region_totals(r->collector, r->regions[i]), out);
    put_markdown_row(r, "all", NULL, collector_totals(r->collector), out);
    buf_append_char(out, '\n');
    put_losses(r, "- ", "", true, out);
}

/* --- the summary ---------------------------------------------------------------------------- */

void fleet_run_summary(const struct fleet_run *r, const char *mode, bool color, struct buf *out)
{
    struct summary_options options = r->summary;

    options.color = color;
    if (mode && strcmp(mode, "full") == 0)
        options.mode = SUMMARY_FULL;
    else if (mode && strcmp(mode, "compact") == 0)
        options.mode = SUMMARY_COMPACT;
    if (options.mode != SUMMARY_DISABLED)
        summary_text(collector_totals(r->collector), &r->thresholds,
                     nsec_to_sec(fleet_run_duration(r, clock_wall())), &options, out);
    fleet_run_region_table(r, color, out);
}

struct export_input fleet_run_export_input(const struct fleet_run *r)
{
    return (struct export_input){
        .totals = collector_totals(r->collector),
        .thresholds = &r->thresholds,
        .run_seconds = nsec_to_sec(fleet_run_duration(r, clock_wall())),
        .options = &r->summary,
        .setup_data_json = r->setup_json,
        .script = str_of(r->prepared->script),
        .time_unit = "",
    };
}

char *fleet_run_export(const struct fleet_run *r, bool machine_readable)
{
    struct export_input in = fleet_run_export_input(r);

    return machine_readable ? export_machine_readable(&in) : export_summary(&in);
}
