/* One load generator: enlists over the bus, runs what it is ordered to, and says how it goes.
 *
 * An agent acts on the last order alone (docs/fleet.md): it goes as far as that allows, stops
 * what is not in it, and needs nobody in between. It runs one test at a time.
 *
 * Threads: the loop's. */
#ifndef FLEET_AGENT_H
#define FLEET_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/map.h"
#include "fleet/bus.h"
#include "fleet/host.h"

struct agent;
struct loop;

enum { AGENT_MAX_LABELS = 64 };

/* What an agent believes it can run; from agent_measure, narrowed by flags and policy. */
struct agent_capacity {
    unsigned cores;
    uint64_t memory_bytes; /* that VUs may take */
    uint64_t max_vus;
    double max_rate; /* iterations of one request each per second */
    uint64_t descriptors;
};

/* Looks at this machine (cores, free memory, limits) and runs a short computation on one core to
 * see how fast it is; about 50 ms. */
void agent_measure(struct agent_capacity *out);

struct agent_config {
    const char *id; /* letters, digits, - and _; unique in the fleet */
    const char *region;
    const char *zone;         /* "": none */
    const struct map *labels; /* char * by name, at most AGENT_MAX_LABELS; NULL: none */
    const char *emulated;     /* the text of --emulate; NULL: none */
    struct agent_capacity capacity;
    struct bus_config bus; /* loop, inbox and hooks are the agent's */
    const char *folder;    /* for measurements that wait for a link; NULL: memory alone */
    struct host host;
    struct loop *loop;
};

/* Connects and enlists. Errors as bus_open's; ERR_INVALID for a bad id or region. */
MUST_USE int agent_start(const struct agent_config *config, struct agent **out, struct diag *d);

/* Ends what it runs, gracefully: done(arg) is called on the loop when the last window is on its way
 * or 10 s are over. */
void agent_stop(struct agent *a, void (*done)(void *arg), void *arg);
void agent_free(struct agent *a); /* NULL is allowed */

/* Ids and regions: 1 to 63 letters, digits, '-' and '_'. */
bool agent_name_is_valid(const char *name);

#endif
