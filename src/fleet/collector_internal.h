/* What collector*.c share. */
#ifndef FLEET_COLLECTOR_INTERNAL_H
#define FLEET_COLLECTOR_INTERNAL_H

#include "base/arena.h"
#include "base/map.h"
#include "fleet/collector.h"
#include "fleet/pending.h"
#include "fleet/sequence_set.h"
#include "metrics/metric.h"

struct series;
struct series_book;

enum {
    MOST_BOOTS = 256,   /* of an agent in one run */
    AGENT_SECONDS = 64, /* how long an agent's gauges are remembered */
    MOST_OPEN = 128,    /* seconds that wait */
};

struct boot {
    char *name; /* owned */
    struct sequence_set had;
};

struct agent_second {
    int64_t second; /* -1: none */
    double vus;
    double vus_max;
    bool has_vus;
    bool saturated;
};

struct agent {
    char *id; /* owned */
    struct region *region;
    struct boot *boots; /* owned */
    size_t boot_count;
    bool is_expected;
    int64_t from_second; /* expected from then on */
    int64_t reached;     /* it has delivered up to this second */
    uint64_t saturated_seconds;
    double dropped_iterations;
    struct agent_second seconds[AGENT_SECONDS]; /* by second modulo their number */
};

struct region {
    char *name; /* owned */
    size_t index;
    struct totals *totals;
    struct timeline *timeline;
    const struct series *vus; /* with load_zone */
    const struct series *vus_max;
};

/* A second that waits for agents. */
struct open_second {
    int64_t opened_nsec;
    struct pending *regions; /* by index; owned */
    size_t region_count;
};

struct collector {
    struct collector_config config;
    char *run;
    int64_t start_wall_nsec;
    struct series_book *book;
    struct merged_series merged;
    struct arena arena; /* of a message */

    struct agent **agents; /* owned */
    size_t agent_count;
    size_t laggard; /* one that the oldest second waited for, when it was last looked at */
    struct map agent_by_id;
    struct region **regions; /* owned */
    size_t region_count;

    struct totals *totals;
    struct timeline *timeline;
    const struct series *vus;
    const struct series *vus_max;

    struct open_second *open; /* consecutive, after `last_second` */
    size_t open_count;
    int64_t last_second;
    struct collector_counts counts;
};

/* --- collector.c -------------------------------------------------------------------------- */

/* A series of a built-in gauge, of a region or without tags; NULL: the book is full. */
const struct series *collector_gauge(struct collector *c, enum metric_builtin id,
                                     const char *region);

/* --- collector_agents.c ------------------------------------------------------------------- */

struct region *collector_find_region(const struct collector *c, struct str name);
/* NULL: there are too many agents or regions; or boots. */
struct agent *collector_agent(struct collector *c, struct str id, struct str region);
struct boot *collector_boot(struct agent *a, struct str name);
void collector_free_agents(struct collector *c);

/* Takes the agent's own vus and vus_max out of its window (NULL: it has none) and keeps them. */
void collector_note_agent(struct agent *a, const Gale__Fleet__Data *data, struct window *w);
/* Whether a second waits for the agent. */
bool collector_is_awaited(const struct agent *a, int64_t second);

struct gauges {
    double vus;
    double vus_max;
    bool has_vus;    /* somebody still runs the test */
    uint32_t agents; /* that delivered */
    uint32_t saturated;
};

/* Sums over the agents of a region, or of all (NULL). One that is awaited counts as before;
 * of one that has delivered and says nothing of VUs the test is over: its VUs were there. */
struct gauges collector_gauges(const struct collector *c, const struct region *r, int64_t second);

/* --- collector_seconds.c ------------------------------------------------------------------ */

/* Adds a window (NULL: none) to its second; its sinks are empty then. */
void collector_add(struct collector *c, struct region *r, int64_t second, struct window *w,
                   int64_t now_nsec);
void collector_free_seconds(struct collector *c);

#endif
