/* What the store has of a run as JSON, in the schemas of docs/api/openapi.yaml. All are the
 * caller's. */
#ifndef API_RESULT_VIEWS_H
#define API_RESULT_VIEWS_H

#include <jansson.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "store/tables.h"

struct metric;
struct sink;
struct store_event;
struct store_log;
struct store_exemplar;
struct store_run;
struct store_threshold;

/* Arrays; of long tables the first `limit` rows. */
json_t *view_checks(const struct store_checks *checks, size_t limit);
json_t *view_urls(const struct store_urls *urls, size_t limit);
json_t *view_failures(const struct store_failures *failures, size_t limit);

/* Run, as it was when it was last put into the store. */
json_t *view_stored_run(const struct store_run *run);
json_t *view_stored_event(const struct store_event *e);
json_t *view_stored_log(const struct store_log *l);
json_t *view_stored_threshold(const struct store_threshold *t);
json_t *view_exemplar(const struct store_exemplar *e);

/* Adds what a region measured to what all did: vus and vus_max add up. Both are of the metric. */
void view_add_region(struct sink *all, const struct metric *metric, const struct sink *region);

/* Summary: every metric's numbers of a span, overall and per region, and those of the sub-metrics
 * that thresholds name. `stats` of trends: a JSON array of texts; NULL: the usual ones. ERR_INVALID
 * for one that is none. */
MUST_USE int view_summary(struct store *s, const char *run, const struct store_where *where,
                          const json_t *stats, json_t **out, struct diag *d);

#endif
