/* `gale fleet scale`: keeps as many agents in a region as somebody has asked for, by a provisioner
 * (fleet/provisioner.h). Agents that run a test are ended only when it is over; those that die are
 * started again. */
#ifndef CLI_SCALE_H
#define CLI_SCALE_H

#include "base/compiler.h"
#include "base/diag.h"

struct controller;
struct loop;
struct scale;

/* `how`: "local", or "ssh=FILE" of hosts. `nats`: the URL that agents get. ERR_INVALID with a
 * message. */
MUST_USE int scale_new(const char *how, const char *nats, struct controller *controller,
                       struct loop *loop, struct scale **out, struct diag *d);
void scale_free(struct scale *s); /* ends the agents; NULL is allowed */

/* From now on so many; an api/fleet_api.h scale hook. */
int scale_set(void *scale, const char *region, unsigned agents, struct diag *d);

#endif
