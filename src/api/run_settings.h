/* What a run shall send and read besides its own, and what it is compared with: of the request that
 * starts it. It may hold passwords, so it is in no URL and in no view of the run. */
#ifndef API_RUN_SETTINGS_H
#define API_RUN_SETTINGS_H

#include <jansson.h>

#include "base/compiler.h"
#include "base/diag.h"

struct api_request;
struct controller;
struct delivery;

/* The header Gale-Settings: Base64 of a JSON object (docs/api/openapi.yaml, RunSettings). *out is
 * NULL when there is none. ERR_INVALID with a message. */
MUST_USE int run_settings_read(const struct api_request *r, json_t **out, struct diag *d);

/* Opens what they ask for (fleet/delivery.h); *out is NULL when that is nothing. ERR_INVALID with a
 * message. */
MUST_USE
YIELDS
int run_settings_open(const struct controller *c, const json_t *settings, struct delivery **out,
                      struct diag *d);

#endif
