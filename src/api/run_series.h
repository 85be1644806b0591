/* The columns of the run page (LiveSeries of docs/api/openapi.yaml) from the store. */
#ifndef API_RUN_SERIES_H
#define API_RUN_SERIES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "metrics/metric.h"

struct store;

/* A series of a metric of its own, as --scrape stores what a target tells. */
struct run_series_other {
    const char *name; /* of its column */
    const char *metric;
    const struct tag *tags;
    size_t tag_count;
    const char *agg;
};

struct run_series_options {
    const char *run;
    const char *latency;  /* the metric whose percentiles are shown */
    const char **regions; /* a set of columns for each; the overall one is always there */
    size_t region_count;
    bool regions_are_all; /* the run has no other: each metric is read once for them and overall */
    const struct run_series_other *others; /* in `target` by their names */
    size_t other_count;
    size_t points;   /* about the most of a column; at least 2 */
    size_t max_rows; /* steps that are read for them; 0: as many as will do */
};

/* A run of more seconds is thinned out: of so many seconds each column keeps its least and its
 * greatest value, in their order. Besides LiveSeries' fields the answer has `thinned`: of how many
 * seconds; null when nothing is left out. */
MUST_USE int run_series(struct store *s, const struct run_series_options *options, json_t **out,
                        struct diag *d);

#endif
