/* The last hour of a region (or the fleet), second by second: the small numbers that progress and
 * dashboards show. The store has the windows themselves. */
#ifndef FLEET_TIMELINE_H
#define FLEET_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hist;
struct timeline;
struct window;

/* Percentiles are computed anew for what comes late by at most TIMELINE_REOPEN seconds; later than
 * that they stay, and counts and the average still add up. */
enum { TIMELINE_SECONDS = 3600, TIMELINE_REOPEN = 300 };

struct second_numbers {
    int64_t second;
    double vus; /* of those agents that said so, and of the others what they last said */
    double vus_max;
    double http_reqs; /* in this second, as are all counts */
    double iterations;
    double dropped_iterations;
    double failed; /* share of the requests, 0 to 1 */
    double avg;    /* of http_req_duration, ms; percentiles from merged histograms */
    double p50;
    double p95;
    double p99;
    uint32_t agents; /* that delivered */
    uint32_t saturated;
    uint32_t late; /* messages that came after the second was complete */
};

/* What windows add to a second. */
struct second_sums {
    double http_reqs;
    double iterations;
    double dropped_iterations;
    uint64_t failed;
    uint64_t failed_of;
    struct hist *durations; /* owned */
};

void second_sums_init(struct second_sums *s);
void second_sums_deinit(struct second_sums *s);
void second_sums_add(struct second_sums *s, const struct window *w);
void second_sums_merge(struct second_sums *dst, const struct second_sums *src);

struct timeline *timeline_new(void);
void timeline_free(struct timeline *t); /* NULL is allowed */

/* Adds to a second (not below 0), which begins with that when it is new. Passed over when the place
 * is taken by a newer one. */
void timeline_add(struct timeline *t, int64_t second, const struct second_sums *sums, bool is_late);
/* Of a second that was added. */
void timeline_set_agents(struct timeline *t, int64_t second, double vus, double vus_max,
                         uint32_t agents, uint32_t saturated);

/* False when nothing is known of the second. */
bool timeline_get(const struct timeline *t, int64_t second, struct second_numbers *out);

#endif
