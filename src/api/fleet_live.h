/* The live stream of a run: GET /api/v1/runs/{run}/live. */
#ifndef API_FLEET_LIVE_H
#define API_FLEET_LIVE_H

#include "api/server.h"
#include "fleet/controller.h"

struct fleet_lives; /* all of them */

struct fleet_lives *fleet_lives_new(struct controller *c);
void fleet_lives_free(struct fleet_lives *lives); /* before the server; ends them */

/* Answers the request with a stream. */
void fleet_lives_add(struct fleet_lives *lives, struct fleet_run *run, struct api_request *r);

#endif
