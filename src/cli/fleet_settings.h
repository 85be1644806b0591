/* What `gale run --fleet` tells the controller of outputs, targets to read and the run to compare
 * with: the header Gale-Settings (docs/api/openapi.yaml, RunSettings). */
#ifndef CLI_FLEET_SETTINGS_H
#define CLI_FLEET_SETTINGS_H

#include "base/compiler.h"
#include "base/diag.h"

struct baseline;
struct test;

/* Refuses outputs that a controller can't have. ERR_INVALID with a message. */
MUST_USE int fleet_settings_check(const struct test *t, struct diag *d);
/* The header's value on the heap; NULL when nothing is asked for. `baseline` NULL: none. The
 * variables of the outputs that are asked for go along, paths of files aside. */
MUST_USE int fleet_settings(const struct test *t, const struct baseline *baseline, char **out,
                            struct diag *d);

#endif
