/* Reports of a run for a CI, and what another run compares itself with: as `gale run` on one
 * machine makes them. */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fleet/collector.h"
#include "fleet/fleet_run_internal.h"
#include "fleet/scoring.h"
#include "metrics/totals.h"
#include "output/baseline.h"
#include "output/report.h"

/* --- what a run before had ------------------------------------------------------------------ */

static bool is_of(const json_t *value, const struct threshold *t)
{
    const char *metric = json_string_value(json_object_get(value, "metric"));
    const char *expression = json_string_value(json_object_get(value, "threshold"));

    return metric && expression && strcmp(metric, report_metric_name(t)) == 0 &&
           strcmp(expression, t->expr.source) == 0;
}

void fleet_run_set_baseline(struct fleet_run *r)
{
    const json_t *values = json_object_get(json_object_get(r->settings, "baseline"), "values");

    for (size_t i = 0; i < r->thresholds.count; i++) {
        struct threshold *t = r->thresholds.list[i];

        for (size_t j = 0; t->expr.of_change && j < json_array_size(values); j++) {
            const json_t *value = json_array_get(values, j);
            const json_t *then = json_object_get(value, "value");

            if (!json_is_number(then) || !is_of(value, t))
                continue;
            t->has_baseline = true;
            t->baseline = json_number_value(then);
        }
    }
}

/* --- the end -------------------------------------------------------------------------------- */

void fleet_run_prepare_reports(struct fleet_run *r)
{
    double seconds = nsec_to_sec(fleet_run_duration(r, clock_wall()));
    struct totals *totals = collector_totals(r->collector);

    fleet_run_free_reports(r);
    r->estimates = estimates_of(totals, &r->summary, seconds, &r->estimate_count);
    r->baseline = baseline_text(r->estimates, r->estimate_count, seconds);
    totals_drop_blocks(totals); /* megabytes, of each run that is kept */
}

void fleet_run_free_reports(struct fleet_run *r)
{
    estimates_free(r->estimates, r->estimate_count);
    mem_free(r->baseline);
    r->estimates = NULL;
    r->estimate_count = 0;
    r->baseline = NULL;
}

const char *fleet_run_baseline(const struct fleet_run *r)
{
    return r->baseline;
}

/* --- reports -------------------------------------------------------------------------------- */

static const struct {
    const char *format;
    void (*report)(const struct report_input *in, struct buf *out);
} reports[] = {
    {"junit", report_junit},
    {"github", report_github},
    {"markdown", report_markdown},
};

int fleet_run_report(const struct fleet_run *r, const char *format,
                     const struct fleet_report_input *from, struct buf *out, struct diag *d)
{
    struct report_input in = {
        .script = from->script ? from->script : r->prepared->name,
        .totals = collector_totals(r->collector),
        .thresholds = &r->thresholds,
        .summary = &r->summary,
        .run_seconds = nsec_to_sec(fleet_run_duration(r, clock_wall())),
        .exit_code = r->outcome.exit_code,
        .failure = scoring_failure(r->outcome.exit_code, r->outcome.message),
        .estimates = r->estimates,
        .estimate_count = r->estimate_count,
    };
    struct baseline *baseline = NULL;
    size_t i = 0;
    int err;

    while (i < COUNT_OF(reports) && strcmp(reports[i].format, format) != 0)
        i++;
    if (i == COUNT_OF(reports))
        return diag_set(d, ERR_NOT_FOUND, "there is no report %s: junit, github, markdown", format);
    if (!r->is_over)
        return diag_set(d, ERR_INVALID, "run %s has not ended: its reports come then", r->id);
    if (from->baseline.len > 0) {
        in.baseline_name = from->baseline_name ? from->baseline_name : "baseline";
        err = baseline_read(from->baseline, in.baseline_name, &baseline, d);
        if (err)
            return err;
        in.baseline = baseline;
    }
    reports[i].report(&in, out);
    if (reports[i].report == report_markdown)
        fleet_run_region_markdown(r, out);
    baseline_free(baseline);
    return 0;
}
