/* What a run on a fleet sends and reads besides its own: outputs, fed once with the merged windows
 * of each region, and the targets' own metrics (--scrape).
 *
 * They live on a thread and a loop of their own: encoding and a backend's slowness delay no
 * controller, and outputs may end as they do in a run on one machine, by running their loop until
 * they are done. The owner (a run of the controller) and the thread hand each other messages and
 * share nothing.
 *
 * What a run asks for comes from outside: only outputs to backends can be had, files are neither
 * written nor read at a stranger's word, and connections keep to the policy. */
#ifndef FLEET_DELIVERY_H
#define FLEET_DELIVERY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/log.h"

struct delivery;
struct loop;
struct network;
struct window;

/* On the owner's loop. */
struct delivery_events {
    /* What outputs and targets have to say: failures, losses. */
    void (*say)(void *arg, enum log_level level, const char *text);
    /* What a target told of itself in a second of the run (output/scrape.h). */
    void (*scraped)(void *arg, int64_t second, const char *target, const struct window *w);
    /* The table of what moved with the latency; before `over`. */
    void (*compared)(void *arg, const char *text);
    /* All is sent or given up, after delivery_end. */
    void (*over)(void *arg);
    void *arg;
};

/* Of what a run's settings say:
 *
 *   {"outputs": ["prometheus-rw=http://..."], "env": {"K6_PROMETHEUS_RW_TREND_STATS": "p(95)"},
 *    "scrape": ["shop=http://.../metrics,interval=5s"], "native_histograms": false}
 *
 * *out is NULL when they ask for neither outputs nor targets. ERR_INVALID with a message. Not from
 * within a loop: call it on the offload pool. The network outlives it. */
MUST_USE int delivery_open(const json_t *settings, const struct network *network,
                           struct delivery **out, struct diag *d);
/* NULL is allowed. From any thread; what still waits gets a few seconds, unless it is over. */
void delivery_free(struct delivery *d);

/* Begins; windows and seconds up to `delivered` were sent by a controller before: outputs that send
 * increments leave them out, others take them in silence. -1: none was. */
MUST_USE int delivery_start(struct delivery *d, struct loop *loop, int64_t delivered,
                            const struct delivery_events *events);
/* The scenarios have begun: targets are read from now on, once a second of the run. */
void delivery_started(struct delivery *d, int64_t start_wall_nsec);

/* A region's window of a second, or what came late of it. Its series outlive the delivery; its
 * values are copied. */
void delivery_window(struct delivery *d, int64_t second, const struct window *w);
/* The second is complete; `p95` as in scrape_note. */
void delivery_second(struct delivery *d, int64_t second, int64_t wall_nsec, double p95);

/* Between these two nothing is sent, everything kept: another controller may lead, and deliver. */
void delivery_hold(struct delivery *d);
void delivery_release(struct delivery *d);

/* No window follows: `over` does, within some seconds. */
void delivery_end(struct delivery *d);
bool delivery_is_over(const struct delivery *d);

#endif
