/* What a run is asked for (RunCreate of docs/api/openapi.yaml). Internal to src/api. */
#ifndef API_RUN_SPEC_H
#define API_RUN_SPEC_H

#include <jansson.h>
#include <stdint.h>

#include "api/call.h"
#include "base/compiler.h"
#include "base/diag.h"
#include "fleet/planner.h"

/* Checks all of it; its shares, and the version that it names (0: the latest). ERR_INVALID with a
 * message whose place is a JSON pointer. */
MUST_USE int run_spec_check(const json_t *spec, struct shares *shares, int64_t *version,
                            struct diag *d);

/* Lays a RunRerun over the spec. */
MUST_USE int run_spec_change(json_t *spec, const json_t *changes, struct diag *d);

/* The same from a query, of a request that brings a script. */
MUST_USE int run_spec_of_query(const struct api_call *call, struct shares *shares, json_t **spec,
                               struct diag *d);

/* The shares in a RunScale. */
MUST_USE int run_spec_regions(const json_t *body, bool per_region, struct shares *out,
                              struct diag *d);

/* Of a spec that was checked; NULL: it is not. */
bool run_spec_is_per_region(const json_t *spec);

/* Answers with the planner's refusal, line by line. */
void run_spec_refuse(struct api_request *r, int err, const struct diag *d);

#endif
