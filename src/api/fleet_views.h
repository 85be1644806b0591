/* The controller's state as JSON, in the schemas of docs/api/openapi.yaml. All are the caller's. */
#ifndef API_FLEET_VIEWS_H
#define API_FLEET_VIEWS_H

#include <jansson.h>

#include "fleet/controller.h"

json_t *view_time(int64_t wall_nsec); /* RFC 3339; 0 gives null */
json_t *view_agent(const struct controller *c, const struct agent_view *a);
json_t *view_regions(const struct controller *c); /* those with agents, by name */
/* Adds a region without agents, unless it is there; sets what a cloud's region is called. */
json_t *view_region_of(json_t *regions, const char *name);
json_t *view_links(const char *run);         /* of a Run */
json_t *view_run(const struct fleet_run *r); /* run_view.c */
json_t *view_env(const json_t *env);         /* with *** for what looks secret */
json_t *view_event(const struct fleet_run *r, const struct fleet_event *e);
json_t *view_log(const struct fleet_run *r, const struct fleet_log *l);
json_t *view_window(const struct fleet_run *r, int64_t second, bool is_late);
/* LiveSeries: each second up to the last that is complete, as far back as the collector keeps. */
json_t *view_series(const struct fleet_run *r);
json_t *view_thresholds(const struct fleet_run *r); /* {"items": [...]}, failed ones first */

/* --- plan_view.c ---------------------------------------------------------------------------- */

double view_share(const struct fleet_part *part); /* its region's, in percent */
/* Plan: which agents run what. */
json_t *view_plan(const struct controller *c, const struct fleet_plan *plan,
                  const struct prepared *prepared, bool per_region);
json_t *view_found(const struct prepared *prepared); /* what is in a script: found_view.c */
/* RunAgent: all that took part, {"items": [...]}. */
json_t *view_run_agents(const struct controller *c, const struct fleet_run *r);

#endif
