/* Exemplars of a run as JSON (output/exemplars.h). The handler, results_exemplars, answers from
 * memory while the run is there, else from the store. */
#ifndef API_EXEMPLARS_H
#define API_EXEMPLARS_H

#include <jansson.h>
#include <stddef.h>

#include "base/str.h"

struct exemplar;

/* One, in the schema of that name, without what the store has columns for (id, second, kind,
 * region); the caller's. */
json_t *exemplar_data(const struct exemplar *x);
const char *exemplar_kind(const struct exemplar *x); /* "slow", "failed" */
/* Not zero-terminated. */
struct str exemplar_region(const struct exemplar *x);

#endif
