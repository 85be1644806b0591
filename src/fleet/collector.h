/* What a controller makes of a run's Data messages: totals, overall and per region, and each second
 * as it becomes complete.
 *
 * Each message counts once, whatever is sent again: an agent's boot numbers its messages from 1.
 * The windows of a second wait until all agents that are expected have delivered theirs, or for
 * COLLECTOR_PATIENCE_NSEC; then they are merged into the totals together, as one window per region,
 * and shown. What comes later is added to its own second all the same. Merging is exact, so the
 * order changes nothing.
 *
 * Series lose the tag instance_id unless `keep_instances`: the agents of a region then share
 * theirs, and what a second costs grows with the series of a script, not with the number of agents.
 * The gauges `vus` and `vus_max` are each agent's own: they become a sum over the agents, without
 * tags for the fleet and with load_zone for a region.
 *
 * Pure: no clock, no bus. `now_nsec` is the time of the run, from the start of the scenarios by the
 * controller's clock, negative before. One thread owns it. */
#ifndef FLEET_COLLECTOR_H
#define FLEET_COLLECTOR_H

#include <fleet.pb-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "fleet/timeline.h"

struct collector;
struct totals;
struct window;

#define COLLECTOR_PATIENCE_NSEC INT64_C(3000000000)

struct collector_origin {
    struct str agent;
    struct str boot;
    uint64_t epoch;
    int64_t second;
};

/* Each may be NULL. */
struct collector_events {
    /* Whether the agent was entitled to make load in that second: else its data is fenced. */
    bool (*is_entitled)(void *arg, const struct collector_origin *from);
    /* Something to add to a second: the whole of it once it is complete, then what comes late. Of a
     * region, or of the fleet (NULL: the gauges vus and vus_max alone). The window is valid during
     * the call, its series for the life of the collector. */
    void (*on_window)(void *arg, int64_t second, const char *region, const struct window *w,
                      bool is_late);
    /* A second is complete, in order: totals and numbers have it. */
    void (*on_second)(void *arg, int64_t second);
    /* A message with log lines, or with some dropped. */
    void (*on_logs)(void *arg, const struct Gale__Fleet__Data *data);
    /* A message that can't be read: why, as a person shall read it. */
    void (*on_poison)(void *arg, struct str agent, const char *why);
    void *arg;
};

struct collector_config {
    const char *run;
    uint32_t max_series; /* 0: SERIES_BOOK_DEFAULT */
    bool keep_instances; /* thresholds ask for instance_id */
    struct collector_events events;
};

enum collector_verdict {
    COLLECTOR_TAKEN,
    COLLECTOR_DUPLICATE,
    COLLECTOR_FENCED,
    COLLECTOR_POISON,
};

struct collector_counts {
    uint64_t bytes;
    uint64_t taken;
    uint64_t late; /* of those taken */
    uint64_t duplicates;
    uint64_t fenced;
    uint64_t poison;
    uint64_t folded_series; /* times that a new series was folded into another (series_book.h) */
    uint64_t series;        /* that the agents have sent */
    uint64_t logs_dropped;  /* by agents */
    uint64_t missing;       /* messages before others that have come */
};

struct collector *collector_new(const struct collector_config *config);
void collector_free(struct collector *c); /* NULL is allowed */

/* When the scenarios have begun, by the wall clock: gauges get their times from it. */
void collector_started(struct collector *c, int64_t start_wall_nsec);

/* A second is complete when the agents expected for it have delivered. Whoever is lost, or has
 * ended all its parts, must be unexpected: each second waits for him otherwise. An agent's vus and
 * vus_max add up over the series of one message; the last of a second counts. */
void collector_expect(struct collector *c, const char *agent, const char *region,
                      int64_t from_second);
void collector_unexpect(struct collector *c, const char *agent);

/* One message, from the agent that its subject names. */
enum collector_verdict collector_take(struct collector *c, struct str agent, struct str bytes,
                                      int64_t now_nsec);

/* Completes what has waited long enough; returns when to call it again (INT64_MAX: no need). */
int64_t collector_tick(struct collector *c, int64_t now_nsec);
/* Completes all: nothing more is awaited. */
void collector_finish(struct collector *c);

/* How far all messages of an agent's boot have come. */
uint64_t collector_upto(const struct collector *c, const char *agent, const char *boot);

struct totals *collector_totals(struct collector *c);                            /* overall */
struct totals *collector_region_totals(struct collector *c, const char *region); /* or NULL */
int64_t collector_last_second(const struct collector *c); /* complete; -1: none */
/* region NULL: the fleet. False when the second isn't complete, too old, or had no data. */
bool collector_numbers(const struct collector *c, const char *region, int64_t second,
                       struct second_numbers *out);
void collector_counts(const struct collector *c, struct collector_counts *out);

/* What has come of one agent. */
struct agent_numbers {
    int64_t last_second;        /* it has delivered up to this one; -1: none */
    uint64_t missing;           /* messages before others that have come */
    uint64_t saturated_seconds; /* in which it said that it was */
    double dropped_iterations;
};
/* False when nothing was expected of it. */
bool collector_agent_numbers(const struct collector *c, const char *agent,
                             struct agent_numbers *out);

#endif
