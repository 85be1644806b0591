/* The controller's REST API (docs/api/openapi.yaml): views of its state, and the few things that
 * change it. */
#ifndef API_FLEET_API_H
#define API_FLEET_API_H

#include "base/compiler.h"
#include "base/diag.h"

struct controller;
struct fleet_api;
struct keeper;
struct loop;

struct fleet_api_config {
    struct controller *controller;
    struct keeper *keeper; /* the store */
    struct loop *loop;
    const char *address; /* host:port */
    const char *token;   /* who shows it may do everything; NULL: everybody may */
    /* `gale fleet scale`: so many agents of the region; NULL: there is no provisioner. ERR_ with a
     * message. */
    int (*scale)(void *arg, const char *region, unsigned agents, struct diag *d);
    void *arg;
};

MUST_USE int fleet_api_start(const struct fleet_api_config *config, struct fleet_api **out,
                             struct diag *d);
void fleet_api_stop(struct fleet_api *api); /* NULL is allowed */
int fleet_api_port(const struct fleet_api *api);

#endif
