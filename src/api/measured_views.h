/* What a run that lives has measured as JSON, in the schemas of docs/api/openapi.yaml: one of the
 * fleet's or one of this machine. All are the caller's. */
#ifndef API_MEASURED_VIEWS_H
#define API_MEASURED_VIEWS_H

#include <jansson.h>
#include <stdbool.h>

#include "engine/run_state.h"
#include "metrics/metric.h"
#include "metrics/sink.h"

struct second_numbers;
struct threshold_set;
struct totals;

/* What a metric's aggregate is measured in: "ms", "ratio", ... */
const char *view_unit(enum metric_type type, enum metric_contains contains, struct agg agg);

/* ThresholdList, failed ones first. `of_asker`: those that whoever started the run added, an object
 * by metric; NULL: none. */
json_t *view_threshold_set(const struct threshold_set *set, const json_t *of_asker);

json_t *view_values(const struct second_numbers *v); /* LiveValues */
/* Appends a second to LiveColumns; NULL: nothing is known of it. */
void view_add_row(json_t *columns, const struct second_numbers *v);

json_t *view_phase(json_t *run); /* LivePhase, of a Run, which is taken */

/* The result of a Run: "passed", "failed", "aborted" or "error". */
const char *view_result(int exit_code, enum run_abort_reason reason);
/* What latency means for the script: requests, else calls, else iterations. */
const char *view_latency_metric(const struct totals *t);
/* The totals of a Run. `seconds`: what rates are per. */
json_t *view_totals(const struct totals *t, const struct threshold_set *set, double seconds,
                    bool is_over);

#endif
