/* What the store has of a run as JSON, in the schemas of docs/api/openapi.yaml. All are the
 * caller's. */
#ifndef API_RESULT_VIEWS_H
#define API_RESULT_VIEWS_H

#include <jansson.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "store/tables.h"

struct store_event;
struct store_exemplar;
struct store_threshold;

/* Arrays; of long tables the first `limit` rows. */
json_t *view_checks(const struct store_checks *checks, size_t limit);
json_t *view_urls(const struct store_urls *urls, size_t limit);
json_t *view_failures(const struct store_failures *failures, size_t limit);

json_t *view_stored_event(const struct store_event *e);
/* `unit` as view_unit's. */
json_t *view_stored_threshold(const struct store_threshold *t, const char *unit);
json_t *view_exemplar(const struct store_exemplar *e);

/* Summary: every metric's numbers of a span, overall and per region. */
MUST_USE int view_summary(struct store *s, const char *run, const struct store_where *where,
                          json_t **out, struct diag *d);

#endif
