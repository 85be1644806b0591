/* Who runs how much: from the load that is wanted and the agents that there are to parts.
 *
 * Pure: no clock, no messages. The sum over all parts is the whole load, exactly
 * (engine/segment.h).
 *
 * The operator says, per region, a share of the test (`us-east-1=50%`, `us-east-1=50`: any numbers,
 * in proportion; percents must add up to 100) or VUs at the peak (`us-east-1=50vus`: the script's
 * load is scaled so that the regions' VUs are exactly these; of several scenarios at one time each
 * is rounded), or names regions alone (equal shares;
 * with --load per-region each runs the whole script's load). Nothing said: the script's
 * options.cloud.distribution, or all regions that have idle agents, equally. */
#ifndef FLEET_PLANNER_H
#define FLEET_PLANNER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct scenario_list;
struct segment;

enum { PLANNER_MAX_REGIONS = 100, PLANNER_MAX_AGENTS = 10000 };

enum share_kind { SHARE_WEIGHT, SHARE_PERCENT, SHARE_VUS, SHARE_EQUAL };

struct region_share {
    char *region;    /* owned */
    uint64_t weight; /* VUs; of percents and weights millionths, so that 33.3% is exact */
    uint32_t agents; /* how many agents to use; 0: as many as its load needs */
};

struct shares {
    enum share_kind kind;
    bool per_region; /* --load per-region: each region runs the script's whole load */
    struct region_share *list;
    size_t count;
};

/* "us-east-1=50%,eu-central-1=50%", "a=3,b=1", "a=50vus,b=20vus", "a,b,c"; any with "/N" for N
 * agents: "a=50%/2". ERR_INVALID with a message that names the entry and what is allowed. */
MUST_USE int shares_parse(struct str text, bool per_region, struct shares *out, struct diag *d);
/* From options.cloud.distribution: {label: {loadZone, percent}}; load zones of k6's cloud such as
 * "amazon:us:ashburn" stand for the region that is nearest by name (us-east-1). 0 entries when
 * there is none. */
MUST_USE int shares_from_distribution(const json_t *distribution, struct shares *out,
                                      struct diag *d);
void shares_deinit(struct shares *s);

struct planner_agent {
    const char *id;
    const char *region;
    const char *zone; /* "" or NULL: none */
    uint64_t max_vus;
    double max_rate;     /* iterations per second */
    bool is_idle;        /* takes a run */
    const char *why_not; /* why it takes none; NULL when idle */
};

/* What a whole test needs at its peak. */
struct planner_load {
    uint64_t vus; /* most VUs, maxVUs of arrival rates included */
    double rate;  /* most iterations per second of arrival rates; 0: none */
};
void planner_load_of(const struct scenario_list *scenarios, struct planner_load *out);

struct plan_level {
    uint64_t *weights; /* owned; NULL: `count` equal parts */
    size_t count;
    size_t index;
};

struct fleet_part {
    uint32_t id;             /* from 1 */
    const char *agent;       /* the planner_agent's */
    const char *region;      /* the same */
    struct plan_level *path; /* outermost first; owned */
    size_t depth;
    uint64_t vus; /* its share of the load, for people */
    double rate;
};

struct fleet_plan {
    uint64_t scale_num; /* the script's load times this fraction is the test's */
    uint64_t scale_den;
    struct planner_load load; /* scaled */
    struct fleet_part *parts;
    size_t count;
};

/* Shares of 0 entries: all regions with idle agents, equally (as many as there are VUs).
 * ERR_LIMIT when something does not fit, with the arithmetic: needed, had, where, and the way out
 * ("region eu-central-1 needs 400 VUs, its 2 idle agents take 300 (a1: 150, a2: 150): start another
 * agent there, give it a smaller share or ..."); ERR_INVALID when a region has no agents, naming
 * those that have. Agents of a region are used as many as the load needs, largest first, spread
 * over zones in turn; with `agents` given exactly so many. Weights of agents: equal when all can
 * take an equal share, else by capacity. A region that would get no VU at all, and more agents than
 * VUs, are refused too. A line for each region that does not fit. */
MUST_USE int planner_plan(const struct shares *shares, const struct planner_load *load,
                          const struct planner_agent *agents, size_t count, struct fleet_plan *out,
                          struct diag *d);
void fleet_plan_deinit(struct fleet_plan *p);

/* A lost part over the agents that stay in its region: new parts whose paths are the lost one's
 * with one more level. `agents` may take some: those that are idle (this run aside), with what each
 * can take on top of what it has; all of the region's are used. `next_id` is the first id.
 * ERR_LIMIT when nobody is there or they can't take it (then `out` holds the best there is when
 * `anyway`, so that the load goes on saturated: no part at all when nobody is there). */
MUST_USE int planner_split(const struct fleet_part *lost, const struct planner_agent *agents,
                           size_t count, uint32_t next_id, bool anyway, struct fleet_plan *out,
                           struct diag *d);

/* The segment of a path: initialises *out. */
void plan_path_segment(const struct plan_level *path, size_t depth, struct segment *out);

/* The plan as people read it, a line per region and agent: heap. */
char *fleet_plan_describe(const struct fleet_plan *p);

#endif
