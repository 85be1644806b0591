/* `gale fleet scale`: keeps as many agents in a region as somebody has asked for, by a provisioner
 * (fleet/provisioner.h). Agents that run a test are ended only when it is over; those that die are
 * started again. */
#ifndef CLI_SCALE_H
#define CLI_SCALE_H

#include "base/compiler.h"
#include "base/diag.h"

struct agent_users;
struct args;
struct controller;
struct loop;
struct scale;

struct scale_config {
    const struct args *args;
    const char *nats;          /* where the controller finds it; agents too, but for --agent-nats */
    struct agent_users *users; /* of its own nats-server; NULL: none, or it is somebody else's */
    struct controller *controller;
    struct loop *loop;
};

/* As --provision says. A user and a password for NATS, each agent's own where there are `users`,
 * go to agents by their environment, and to those of this machine the files of --nats-ca and its
 * kin. ERR_INVALID, ERR_NOT_FOUND with a message that names the flag. */
MUST_USE int scale_new(const struct scale_config *config, struct scale **out, struct diag *d);
void scale_free(struct scale *s); /* ends the agents; NULL is allowed */

/* From now on so many; an api/fleet_api.h scale hook. */
int scale_set(void *scale, const char *region, unsigned agents, struct diag *d);
/* How many somebody has asked for; -1: nobody has. */
int scale_wanted(void *scale, const char *region);
const char *scale_name(const struct scale *s); /* of the provisioner: "local", "ssh" */

#endif
