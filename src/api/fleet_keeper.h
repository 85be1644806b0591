/* Stores what the controller's runs are and measure (keeper.h).
 *
 * A run is held on the bus (controller_hold_run) until the end of it is committed, so that a
 * controller that dies at any point finds all of it there when it returns: the run's data is then
 * read from the beginning, and what the store had measured of it is replaced. A run that is not
 * stored further stays held, and is stored whole after the controller's next start. */
#ifndef API_FLEET_KEEPER_H
#define API_FLEET_KEEPER_H

#include "base/compiler.h"
#include "base/diag.h"

struct controller;
struct fleet_keeper;
struct keeper;

/* As keeper_open. */
MUST_USE int fleet_keeper_open(const char *path, struct controller *controller,
                               struct fleet_keeper **out, struct diag *d);
struct keeper *fleet_keeper_store(const struct fleet_keeper *k);
/* Before the controller's end; the loop must not run. NULL is allowed. */
void fleet_keeper_close(struct fleet_keeper *k);

#endif
