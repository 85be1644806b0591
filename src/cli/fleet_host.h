/* What the fleet needs of the program: loading archives on an agent (fleet/host.h), and taking
 * uploads apart on a controller (fleet/prepared.h). */
#ifndef CLI_FLEET_HOST_H
#define CLI_FLEET_HOST_H

#include "fleet/host.h"
#include "fleet/prepared.h"

struct args;
struct operator_network;

/* What this machine's operator gives to scripts that run here, and keeps from them. */
struct fleet_operator {
    const struct operator_network *network;
    const struct args *args; /* --secret-source is read for each run anew */
};

/* `operator` outlives the host. */
struct host fleet_host(const struct fleet_operator *operator);

/* Uploads are read by a child process, `gale archive`, with limits on time and memory: a script
 * that loops for ever or eats memory in its init context ends the child alone. */
struct preparer fleet_preparer(void);

/* The program's own path, for starting children. Static. */
const char *fleet_self(void);

#endif
