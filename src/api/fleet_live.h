/* What a controller's runs do, for those who follow them (lives.h) and for what the API shows of
 * runs in memory (living.h). Internal to src/api. */
#ifndef API_FLEET_LIVE_H
#define API_FLEET_LIVE_H

#include "api/living.h"

struct controller;
struct fleet_live;
struct lives;

struct fleet_live *fleet_live_new(struct controller *c, struct lives *lives);
void fleet_live_stop(struct fleet_live *f); /* it listens to the controller no more */
void fleet_live_free(struct fleet_live *f); /* after it was stopped */
/* Of the controller: it lasts as long as this. */
const struct living *fleet_live_runs(const struct fleet_live *f);

#endif
