/* A run as data: all that the store has of it (Export of docs/api/openapi.yaml). */
#ifndef API_RUN_EXPORT_H
#define API_RUN_EXPORT_H

#include <jansson.h>

#include "base/compiler.h"
#include "base/diag.h"

struct store;

/* Rows of tables and points of charts that an export has at most; `left_out` in it says what there
 * was beyond. */
enum {
    RUN_EXPORT_POINTS = 2000,
    RUN_EXPORT_REGIONS = 50, /* with charts of their own */
    RUN_EXPORT_TARGET = 48,  /* series that the target told */
    RUN_EXPORT_ROWS = 1000,
    RUN_EXPORT_EXEMPLARS = 200,
};

/* ERR_NOT_FOUND when the store has no such run. *out is the caller's. */
MUST_USE int run_export(struct store *s, const char *id, json_t **out, struct diag *d);

#endif
