#include "api/measured_views.h"

#include "api/fleet_views.h"
#include "base/clock.h"
#include "engine/run.h"
#include "fleet/timeline.h"
#include "metrics/threshold.h"
#include "metrics/totals.h"

/* --- thresholds ----------------------------------------------------------------------------- */

const char *view_unit(enum metric_type type, enum metric_contains contains, struct agg agg)
{
    if (type == METRIC_RATE)
        return agg.kind == AGG_COUNT ? "count" : "ratio";
    if (agg.kind == AGG_COUNT && type == METRIC_TREND)
        return "count";
    if (contains == METRIC_TIME)
        return "ms";
    if (contains == METRIC_DATA)
        return agg.kind == AGG_RATE ? "bytes_per_second" : "bytes";
    if (type == METRIC_COUNTER)
        return agg.kind == AGG_RATE ? "per_second" : "count";
    return "none";
}

static json_t *seconds_or_null(int64_t nsec)
{
    return nsec > 0 ? json_real(nsec_to_sec(nsec)) : json_null();
}

static json_t *threshold_json(const struct threshold *t, const json_t *of_asker)
{
    const char *name = t->submetric ? t->submetric->full_name : t->metric->metric.name.ptr;
    const struct sink *sink = t->submetric ? &t->submetric->sink : &t->metric->sink;
    bool of_run = json_object_get(of_asker, name) != NULL;

    return json_pack(
        "{s:s, s:s, s:b, s:o, s:s, s:s, s:b, s:f, s:o, s:o, s:o}", "metric", name, "expression",
        t->expr.source, "ok", (int)t->ok, "value",
        sink->is_empty ? json_null() : json_real(t->last_value), "unit",
        view_unit(t->metric->metric.type, t->metric->metric.contains, t->expr.agg), "source",
        of_run ? "run" : "script", "abort_on_fail", (int)t->abort_on_fail, "delay_abort_seconds",
        nsec_to_sec(t->delay_abort_nsec), "window_seconds", seconds_or_null(t->window_nsec),
        "for_seconds", seconds_or_null(t->for_nsec), "crossed_at_second",
        t->failed_nsec >= 0 ? json_integer(t->failed_nsec / NSEC_PER_SEC) : json_null());
}

json_t *view_threshold_set(const struct threshold_set *set, const json_t *of_asker)
{
    json_t *items = json_array();

    for (int ok = 0; ok <= 1; ok++) {
        for (size_t i = 0; i < set->count; i++) {
            if (set->list[i]->ok == (ok == 1))
                json_array_append_new(items, threshold_json(set->list[i], of_asker));
        }
    }
    return json_pack("{s:o}", "items", items);
}

/* --- seconds -------------------------------------------------------------------------------- */

json_t *view_values(const struct second_numbers *v)
{
    bool any = v->http_reqs > 0;

    return json_pack(
        "{s:f, s:f, s:f, s:o, s:o, s:o, s:o, s:f, s:f, s:f}", "vus", v->vus, "rps", v->http_reqs,
        "iterations", v->iterations, "p50", any ? json_real(v->p50) : json_null(), "p95",
        any ? json_real(v->p95) : json_null(), "p99", any ? json_real(v->p99) : json_null(),
        "failed", any ? json_real(v->failed) : json_null(), "dropped", v->dropped_iterations,
        "data_received", 0.0, "data_sent", 0.0);
}

void view_add_row(json_t *columns, const struct second_numbers *v)
{
    static const struct second_numbers nothing;
    json_t *values = view_values(v ? v : &nothing);
    const char *key;
    json_t *value;

    json_object_foreach(values, key, value)
    {
        json_t *column = json_object_get(columns, key);

        if (!column) {
            column = json_array();
            json_object_set_new(columns, key, column);
        }
        json_array_append(column, v ? value : json_null());
    }
    json_decref(values);
}

/* --- in all --------------------------------------------------------------------------------- */

const char *view_result(int exit_code, enum run_abort_reason reason)
{
    if (exit_code == EXIT_CODE_OK)
        return "passed";
    if (exit_code == EXIT_CODE_THRESHOLDS || exit_code == EXIT_CODE_MARKED_FAILED)
        return "failed";
    return reason == RUN_ABORT_SIGNAL || reason == RUN_ABORT_REST || reason == RUN_ABORT_SCRIPT
               ? "aborted"
               : "error";
}

static const struct sink *sink_of(const struct totals *t, const char *name)
{
    const struct metric_total *m = totals_find(t, str_of(name));

    return m && !m->sink.is_empty ? &m->sink : NULL;
}

static double number_of(const struct totals *t, const char *name, enum agg_kind kind, double p,
                        double seconds)
{
    const struct sink *sink = sink_of(t, name);

    return sink ? sink_aggregate(sink, (struct agg){kind, p}, seconds) : 0;
}

static json_t *number_or_null(const struct totals *t, const char *name, enum agg_kind kind,
                              double p)
{
    return sink_of(t, name) ? json_real(number_of(t, name, kind, p, 0)) : json_null();
}

/* What latency means for this script: requests, else calls, else iterations. */
const char *view_latency_metric(const struct totals *t)
{
    static const char *const names[] = {"grpc_req_duration", "ws_session_duration",
                                        "iteration_duration"};

    if (sink_of(t, "http_req_duration"))
        return "http_req_duration";
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (sink_of(t, names[i]))
            return names[i];
    }
    return "http_req_duration";
}

static void count_checks(const struct totals *t, json_int_t *passes, json_int_t *fails)
{
    for (size_t i = 0; i < t->checks.count; i++) {
        *passes += (json_int_t)t->checks.checks[i]->passes;
        *fails += (json_int_t)t->checks.checks[i]->fails;
    }
}

static json_int_t count_failed(const struct threshold_set *set)
{
    json_int_t failed = 0;

    for (size_t i = 0; i < set->count; i++)
        failed += !set->list[i]->ok;
    return failed;
}

json_t *view_totals(const struct totals *t, const struct threshold_set *set, double seconds,
                    bool is_over)
{
    const char *latency = view_latency_metric(t);
    const struct sink *vus = sink_of(t, "vus");
    json_int_t passes = 0;
    json_int_t fails = 0;
    json_int_t failed = count_failed(set);

    count_checks(t, &passes, &fails);
    return json_pack(
        "{s:I, s:I, s:f, s:I, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:f, s:f}", "vus",
        (json_int_t)(!vus      ? 0
                     : is_over ? vus->gauge.max
                               : vus->gauge.value),
        "requests", (json_int_t)number_of(t, "http_reqs", AGG_COUNT, 0, 0), "rps",
        number_of(t, "http_reqs", AGG_RATE, 0, seconds), "iterations",
        (json_int_t)number_of(t, "iterations", AGG_COUNT, 0, 0), "failed",
        number_or_null(t, "http_req_failed", AGG_RATE, 0), "p50",
        number_or_null(t, latency, AGG_P, 50), "p95", number_or_null(t, latency, AGG_P, 95), "p99",
        number_or_null(t, latency, AGG_P, 99), "checks_passed", passes, "checks_failed", fails,
        "thresholds_passed", (json_int_t)set->count - failed, "thresholds_failed", failed,
        "data_received", number_of(t, "data_received", AGG_COUNT, 0, 0), "data_sent",
        number_of(t, "data_sent", AGG_COUNT, 0, 0));
}

json_t *view_phase(json_t *run)
{
    static const char *const keys[] = {"phase", "result", "exit_code", "stop", "elapsed_seconds"};
    json_t *phase = json_pack("{s:o}", "at", view_time(clock_wall()));

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        json_object_set(phase, keys[i], json_object_get(run, keys[i]));
    json_decref(run);
    return phase;
}
