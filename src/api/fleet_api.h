/* The REST API (docs/api/openapi.yaml) and the dashboard: views of a controller's state, and the
 * few things that change it; or, with no controller, of the one run that this process makes. */
#ifndef API_FLEET_API_H
#define API_FLEET_API_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"

struct controller;
struct fleet_api;
struct keeper;
struct living;
struct loop;

struct fleet_api_config {
    struct controller *controller;
    const struct living *local; /* the run, where there is no controller; else NULL */
    const char *local_id;       /* its id; it outlives the API */
    struct keeper *keeper;      /* the store */
    struct loop *loop;
    const char *address;  /* host:port */
    const char *token;    /* who shows it may do everything; NULL: none */
    bool is_open;         /* and so may who shows no token (of a run: see and stop it) */
    bool is_shared;       /* other machines reach it though it is open: they may see a run */
    const char *cert_pem; /* TLS: texts; NULL: plain */
    const char *key_pem;
    /* `gale fleet scale`: so many agents of the region; NULL: there is no provisioner. ERR_ with a
     * message. */
    int (*scale)(void *arg, const char *region, unsigned agents, struct diag *d);
    int (*wanted)(void *arg, const char *region); /* how many were asked for; -1: nothing was */
    void *arg;
    const char *provisioner; /* its name; NULL: there is none */
    int64_t started_wall;    /* of the controller */
    int64_t retain_nsec;     /* retention.h; 0: everything, as is the other */
    int64_t retain_bytes;
};

MUST_USE int fleet_api_start(const struct fleet_api_config *config, struct fleet_api **out,
                             struct diag *d);
/* Ends all streams and answers what waits for an answer. Work that a request began may go on: free
 * it when the keeper is closed. NULL is allowed, here and below. */
void fleet_api_stop(struct fleet_api *api);
void fleet_api_free(struct fleet_api *api);
int fleet_api_port(const struct fleet_api *api);

/* --- where there is no controller ----------------------------------------------------------- */

/* Whether somebody follows the run. */
bool fleet_api_is_followed(const struct fleet_api *api);
/* What happens to it, an event of followRun; takes the data. */
void fleet_api_tell(struct fleet_api *api, const char *event, json_t *data);
/* Its end, as lives_end has it. */
void fleet_api_end(struct fleet_api *api, json_t *all, json_t *view);
/* Runs the loop until that is sent, or so long. */
void fleet_api_drain(struct fleet_api *api, int64_t nsec);

/* --- with a controller ---------------------------------------------------------------------- */

/* The token that was made as there was none yet, to be shown this once; "" when there was one. */
const char *fleet_api_first_token(const struct fleet_api *api);

#endif
