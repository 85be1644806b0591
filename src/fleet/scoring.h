/* What a test is judged and summed up by, from its options: metrics with their sub-metrics,
 * thresholds, system tags, the summary's form. The same for a run on one machine and on a fleet. */
#ifndef FLEET_SCORING_H
#define FLEET_SCORING_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/diag.h"
#include "metrics/metric.h"
#include "metrics/threshold.h"
#include "output/summary.h"

struct options;
struct totals;

/* The enabled system tags that are tags (vu and iter are metadata), sorted, NULL at the end; heap,
 * as is each: scoring_free_tags. */
char **scoring_system_tags(const struct options *options);
void scoring_free_tags(char **tags);

/* Registers the metrics, and unless `without_thresholds` compiles options.thresholds into `out`.
 * ERR_SYNTAX or ERR_INVALID with a message (k6's exit code 104). */
MUST_USE int scoring_compile(const struct options *options, const struct metric_registry *metrics,
                             bool without_thresholds, struct totals *totals,
                             struct threshold_set *out, struct diag *d);

/* Statistics, unit and mode ("compact", "full", "disabled") of the summary. */
MUST_USE int scoring_summary(const struct options *options, const char *mode,
                             struct summary_options *out, struct diag *d);

/* The names of metrics and sub-metrics whose thresholds are crossed, each once, sorted, with ", "
 * between. */
void scoring_crossed(const struct threshold_set *thresholds, struct buf *out);

/* Why a run failed, other than by its thresholds; NULL: it did not. `message` is what it was told
 * itself (NULL: nothing). */
const char *scoring_failure(int exit_code, const char *message);

#endif
