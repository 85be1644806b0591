/* What the controller's files share: controller.c (its parts together, the tick), controller_lead.c
 * (the lease, coming back), controller_agents.c (who is there), controller_orders.c (orders and
 * questions), controller_runs.c (starting and ending runs). */
#ifndef FLEET_CONTROLLER_INTERNAL_H
#define FLEET_CONTROLLER_INTERNAL_H

#include <fleet.pb-c.h>

#include "base/buf.h"
#include "base/map.h"
#include "fleet/blob_store.h"
#include "fleet/controller.h"
#include "fleet/fleet_run_internal.h"
#include "loop/loop.h"

#define RUNS_BUCKET "GALE_RUNS"
#define LEAD_BUCKET "GALE_LEAD"
#define DATA_STREAM "GALE_DATA"

/* An agent as the controller knows it. */
struct fleet_agent {
    char *id; /* owned, as are the other texts */
    char *boot;
    char *region;
    char *zone;
    char *version;
    char *emulated;
    struct map labels; /* char * by name; owned */
    char *run;         /* that it says it runs; NULL: none */
    char *refused;     /* why it gets nothing to do; NULL: it may */
    bool is_alive;
    int64_t heard_nsec;
    int64_t since_wall_nsec;
    Gale__Fleet__Capacity capacity;
    Gale__Fleet__Health health; /* its text is not kept */
    Gale__Fleet__Clock clock;
    /* The last order: its bytes with version 0, and the version it went out with. */
    struct buf order;
    uint64_t order_version; /* 0: none yet */
    uint64_t order_seen;
    int64_t order_sent_nsec;
};

struct controller {
    struct controller_config config;
    char *name;
    char *url;
    struct loop *loop;
    struct bus *bus;
    struct bus_sub *statuses;
    struct bus_sub *asks;
    struct blob_store *blobs;
    struct map agents;       /* struct fleet_agent by id */
    struct fleet_run **runs; /* oldest first */
    size_t run_count;
    struct controller_watch *watches;
    struct timer tick;
    uint64_t last_version;                /* of an order */
    struct planner_agent *planner_agents; /* scratch, for conductors */
    size_t planner_cap;

    bool was_cut_off;
    bool leads;
    bool is_recovered;    /* the records of the bus are loaded */
    uint64_t lease;       /* revision of our entry */
    int64_t renewed_nsec; /* when it was last confirmed */
    bool lease_asked;     /* a put is on the way */
    struct timer lease_timer;
    size_t recovering; /* runs that are being loaded */
    char *leader_url;  /* of another leader */
};

struct moment controller_now(void);
void controller_tell(struct controller *c, const struct controller_news *news);
void controller_saved(struct controller *c, struct fleet_run *r);

/* --- controller_agents.c -------------------------------------------------------------------- */

void controller_on_status(void *arg, const struct bus_message *m);
/* What nobody could say is no sign of death: those that are alive were heard just now. */
void controller_forgive_silence(struct controller *c);
/* Looks who has not been heard for too long. */
void controller_check_agents(struct controller *c, struct moment now);
void controller_free_agents(struct controller *c);
/* For planner and conductors: those that are alive and not refused. Valid until the next call. */
const struct planner_agent *controller_planner_agents(struct controller *c, size_t *count);

/* --- controller_orders.c -------------------------------------------------------------------- */

void controller_on_ask(void *arg, const struct bus_message *m);
/* Sends what has changed, and again what was not seen. */
void controller_send_orders(struct controller *c, struct moment now);

/* --- controller_lead.c ---------------------------------------------------------------------- */

void controller_lead_start(struct controller *c);
void controller_lead_stop(struct controller *c); /* gives the lease back */
/* Steps down when the lease is over: before whatever only a leader may do, as this process may have
 * stood still and another leads. */
void controller_check_lease(struct controller *c);
void controller_save_run(struct controller *c, struct fleet_run *r);

/* --- controller_runs.c ---------------------------------------------------------------------- */

/* Adds one that was made or loaded. */
void controller_add_run(struct controller *c, struct fleet_run *r);
void controller_tick_runs(struct controller *c, struct moment now);
/* The run of an agent's parts; NULL: it has none. */
struct fleet_run *controller_run_of(const struct controller *c, const char *agent);
struct fleet_run_config controller_run_config(struct controller *c);

#endif
