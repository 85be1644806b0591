/* `gale fleet scale`: keeps as many agents in a region as somebody has asked for, by a provisioner
 * (fleet/provisioner.h). Agents that run a test are ended only when it is over; those that die are
 * started again. */
#ifndef CLI_SCALE_H
#define CLI_SCALE_H

#include "base/compiler.h"
#include "base/diag.h"

struct args;
struct controller;
struct loop;
struct scale;

/* As --provision says. `nats`: where the controller finds NATS; agents too, unless --agent-nats
 * says otherwise. User and password for NATS go to them by their environment, and to those of this
 * machine the files of --nats-ca and its kin. ERR_INVALID, ERR_NOT_FOUND with a message that names
 * the flag. */
MUST_USE int scale_new(const struct args *args, const char *nats, struct controller *controller,
                       struct loop *loop, struct scale **out, struct diag *d);
void scale_free(struct scale *s); /* ends the agents; NULL is allowed */

/* From now on so many; an api/fleet_api.h scale hook. */
int scale_set(void *scale, const char *region, unsigned agents, struct diag *d);
/* How many somebody has asked for; -1: nobody has. */
int scale_wanted(void *scale, const char *region);
const char *scale_name(const struct scale *s); /* of the provisioner: "local", "ssh" */

#endif
