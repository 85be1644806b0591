/* The fleet's head: knows the agents, plans and follows runs. What people see of it (REST API, web
 * UI, gale fleet) is in src/api.
 *
 * Of several controllers on one bus one leads, by a lease in the bucket GALE_LEAD; the others stand
 * by and take over within seconds. All that a successor needs is on the bus: records of runs
 * (GALE_RUNS), blobs (GALE_BLOBS) and data (GALE_DATA).
 *
 * Threads: the loop's. */
#ifndef FLEET_CONTROLLER_H
#define FLEET_CONTROLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "fleet/agent.h"
#include "fleet/bus.h"
#include "fleet/fleet_run.h"
#include "fleet/planner.h"
#include "fleet/prepared.h"

struct controller;
struct delivery;
struct network;
struct nats_server;
struct window;

/* Something that watchers may want to show. Valid during the call. */
enum controller_news_kind {
    NEWS_LEADING,    /* it leads now, or does not any more */
    NEWS_AGENT,      /* an agent came, went, or has another state */
    NEWS_RUN,        /* a run is new, in another phase, or over (run) */
    NEWS_EVENT,      /* run, event */
    NEWS_LOG,        /* run, log */
    NEWS_SECOND,     /* run, second: its numbers are there, or have changed */
    NEWS_WINDOW,     /* run, second, region, window: to be added to what that second has */
    NEWS_THRESHOLDS, /* run: they were judged anew */
};
struct controller_news {
    enum controller_news_kind kind;
    struct fleet_run *run;
    const struct fleet_event *event;
    const struct fleet_log *log;
    int64_t second;
    bool is_late; /* of NEWS_SECOND */
    const char *region;
    const struct window *window;
};
struct controller_watch {
    void (*fn)(void *arg, const struct controller_news *news);
    void *arg;
    struct controller_watch *_next;
};

struct controller_config {
    const char *name;                 /* of this controller; unique */
    const char *url;                  /* of its API, for those who ask another one; may be NULL */
    int64_t agent_timeout_nsec;       /* an agent not heard for so long is lost; 0: 3 s */
    struct bus_config bus;            /* loop and hooks are the controller's */
    const struct nats_server *server; /* what it stands on; NULL: somebody else's */
    struct preparer preparer;
    struct loop *loop;
    /* What outputs and --scrape of runs may connect to (net/dialer.h); NULL: anything. */
    const struct network *network;
};

/* Connects and begins to take part. Blocks for a moment. */
MUST_USE int controller_start(const struct controller_config *config, struct controller **out,
                              struct diag *d);
void controller_free(struct controller *c); /* NULL is allowed; runs go on without it */

bool controller_leads(const struct controller *c);
/* Where the leader's API is; NULL: not known, or it has none. */
const char *controller_leader_url(const struct controller *c);
bool controller_is_connected(const struct controller *c);

/* The watch stays where it is until controller_unwatch. */
void controller_watch(struct controller *c, struct controller_watch *watch);
void controller_unwatch(struct controller *c, struct controller_watch *watch);

/* --- agents --------------------------------------------------------------------------------- */

struct agent_view {
    const char *id;
    const char *region;
    const char *zone; /* "": none */
    const char *version;
    const char *emulated;     /* "": real distances */
    const struct map *labels; /* char * by name */
    const char *run;          /* NULL: idle */
    const char *refused;      /* why it takes no run; NULL: it does */
    bool is_alive;
    int64_t heard_nsec;      /* monotonic */
    int64_t since_wall_nsec; /* when it enlisted */
    struct agent_capacity capacity;
    double cpu_percent;
    uint64_t rss_bytes;
    int64_t loop_lag_nsec;
    bool saturated;
    uint64_t kept_data;
    uint64_t lost_data;
    bool clock_known;
    int64_t clock_offset_nsec;
    int64_t clock_error_nsec;
};
/* By region and id; agents that went are there for a day. Free the array with mem_free; texts stay
 * until the loop's next turn. */
size_t controller_agents(const struct controller *c, struct agent_view **out);

/* --- runs ----------------------------------------------------------------------------------- */

struct run_request {
    struct prepared *prepared; /* taken over */
    struct shares shares;      /* taken over */
    enum loss_policy on_loss;
    const char *summary_mode; /* "compact", "full", "disabled" */
    bool without_thresholds;
    json_t *settings; /* outputs, targets, what thresholds compare with (fleet_settings); taken
                         over; NULL: none */
    struct delivery *delivery; /* of the settings: controller_open_delivery; taken over */
    json_t *extra; /* of the asker's: name, notes, labels, ...; kept with the run; taken over; NULL:
                      none */
};

/* What would run where. As planner_plan. */
MUST_USE int controller_plan(struct controller *c, const struct prepared *prepared,
                             const struct shares *shares, struct fleet_plan *out, struct diag *d);

/* What a request has, when it is given to nobody. */
void controller_free_request(struct run_request *request);

/* Checks and opens what the settings of a run ask for (delivery.h). On the offload pool. */
MUST_USE int controller_open_delivery(const struct controller *c, const json_t *settings,
                                      struct delivery **out, struct diag *d);

/* Plans and starts. *out is the controller's. ERR_ of the planner; ERR_UNSUPPORTED when it does not
 * lead; with a message. The request is taken over in any case. */
MUST_USE int controller_run(struct controller *c, struct run_request *request,
                            struct fleet_run **out, struct diag *d);
struct fleet_run *controller_find_run(const struct controller *c, const char *id); /* or NULL */
/* Newest first; free the array with mem_free. */
size_t controller_runs(const struct controller *c, struct fleet_run ***out);
void controller_stop_run(struct controller *c, struct fleet_run *run, enum run_abort_reason reason,
                         const char *message);
/* Spreads a running test's load anew, over the same or other agents (conductor_spread). With shares
 * these are of the whole, so that all of the run's regions are named; regions alone, or with a
 * number of agents, keep their shares, and so do those that are not named. Fills in what will run
 * where. ERR_ of the planner; ERR_INVALID when the shares are not the run's; ERR_UNSUPPORTED when
 * it can't be done now, or not with this test. */
MUST_USE int controller_spread_run(struct controller *c, struct fleet_run *run,
                                   const struct shares *wanted, struct fleet_plan *out,
                                   struct diag *d);
/* Whoever keeps what a run measured holds it: its data and its record then stay on the bus, for a
 * successor, until everything is kept and it is released. */
void controller_hold_run(struct controller *c, struct fleet_run *run);
void controller_release_run(struct controller *c, struct fleet_run *run);
/* Of one that is over. */
void controller_forget_run(struct controller *c, struct fleet_run *run);

const struct preparer *controller_preparer(const struct controller *c);
struct loop *controller_loop(const struct controller *c);

#endif
