/* The live stream of a run: GET /api/v1/runs/{run}/live. */
#ifndef API_FLEET_LIVE_H
#define API_FLEET_LIVE_H

#include "api/call.h"
#include "fleet/controller.h"

struct fleet_lives; /* all of them */

struct fleet_lives *fleet_lives_new(struct controller *c);
void fleet_lives_stop(struct fleet_lives *lives); /* ends all streams; before the server's end */
void fleet_lives_free(struct fleet_lives *lives); /* after it was stopped */

/* Answers the call with a stream of the run. */
void fleet_lives_add(struct fleet_lives *lives, struct fleet_run *run, const struct api_call *call);
size_t fleet_lives_count(const struct fleet_lives *lives);
/* Ends those that the token's owner follows. */
void fleet_lives_end_caller(struct fleet_lives *lives, const char *token);

#endif
