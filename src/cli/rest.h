/* k6's REST API on --address (k6-features.md section 27): status, metrics, groups, setup data; ends
 * a run, or starts a paused one.
 *
 * The server (api/server.h) is on main's loop: everything here runs between the run's own events.
 * It listens where the operator says; there is no authentication, as in k6. */
#ifndef CLI_REST_H
#define CLI_REST_H

#include "base/compiler.h"
#include "base/diag.h"

struct rest;
struct session;

/* Listens on "host:port" (":6565", "[::1]:6565"). NULL with a message when it can't. The session's
 * run is there already and stays until rest_stop. */
struct rest *rest_start(struct session *session, const char *address, struct diag *d);
void rest_stop(struct rest *rest); /* NULL is allowed */

#endif
