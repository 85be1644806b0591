/* The life of one run over the fleet: who runs which part, how far each may go, and what happens
 * when one is lost (docs/fleet.md).
 *
 * A state machine without clock or messages: what agents say, what time it is and what the data
 * held come in as calls; what is wanted of each agent comes out as an order. So its rules can be
 * tested without a fleet. Times are monotonic nanoseconds, except for those called wall. */
#ifndef FLEET_CONDUCTOR_H
#define FLEET_CONDUCTOR_H

#include <fleet.pb-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "engine/run.h"
#include "fleet/blob.h"
#include "fleet/planner.h"

struct conductor;

enum fleet_phase {
    FLEET_INIT,       /* archive, init context, VUs */
    FLEET_SETUP,      /* setup(), on one */
    FLEET_RUNNING,    /* the scenarios */
    FLEET_TEARDOWN,   /* teardown(), on one */
    FLEET_COLLECTING, /* the last windows are on the way */
    FLEET_SUMMARY,    /* handleSummary(), on one */
    FLEET_OVER,
};
const char *fleet_phase_name(enum fleet_phase phase); /* "init", "setup", ... */

/* When a region has lost its last agent. */
enum loss_policy {
    LOSS_CONTINUE, /* the others go on; the load comes back with an agent of that region */
    LOSS_ABORT,    /* exit code 105 */
};

enum fleet_event_kind {
    FLEET_EVENT_PHASE,
    FLEET_EVENT_LOST,     /* an agent is gone */
    FLEET_EVENT_MOVED,    /* its load was given to others */
    FLEET_EVENT_RESTORED, /* it runs there */
    FLEET_EVENT_ORPHANED, /* nobody is there to take it */
    FLEET_EVENT_BACK,     /* an agent that was cut off is there again, with its part */
    FLEET_EVENT_FENCED,   /* an agent came back after its part was given away */
    FLEET_EVENT_FAILED,   /* an agent could not begin */
    FLEET_EVENT_STOPPED,
    FLEET_EVENT_CROSSED, /* thresholds, at the end */
    FLEET_EVENT_NOTE,
};
const char *fleet_event_name(enum fleet_event_kind kind); /* "phase", "agent-lost", ... */

/* What the data said of a part's work: conductor_hooks.progress. */
struct part_progress {
    const struct scenario_done *done; /* by scenario; NULL: nothing */
    size_t scenario_count;
    const char *const *names; /* of the scenarios */
};

struct conductor_hooks {
    void *arg;
    void (*phase)(void *arg, enum fleet_phase phase);
    /* For the timeline; `region` and `agent` may be NULL. */
    void (*event)(void *arg, enum fleet_event_kind kind, const char *region, const char *agent,
                  const char *text);
    /* Agents that are alive now, for taking over: valid during the call. is_idle of those that
     * run a part of this run is false. */
    const struct planner_agent *(*agents)(void *arg, size_t *count);
    void (*progress)(void *arg, uint32_t part, struct part_progress *out);
    /* Data of this boot does not count from now on. */
    void (*fence)(void *arg, const char *agent, const char *boot);
    /* Every window is there (or will not come): answer with conductor_summarise or
     * conductor_finish. */
    void (*collected)(void *arg);
};

struct conductor_config {
    const char *run;
    const struct fleet_plan *plan; /* copied */
    struct blob_id archive;
    enum loss_policy on_loss;
    int64_t duration_nsec; /* of the scenarios, graceful stops included */
    const struct map *env; /* char * by name: K6_CLOUDRUN_*; copied */
    struct conductor_hooks hooks;
};

struct conductor *conductor_new(const struct conductor_config *config);
void conductor_free(struct conductor *c); /* NULL is allowed */

/* --- what comes in -------------------------------------------------------------------------- */

struct moment {
    int64_t mono; /* this process's clock */
    int64_t wall; /* the controller's clock */
};

void conductor_status(struct conductor *c, const Gale__Fleet__Status *status, struct moment now);
/* The agent has not been heard for too long, or has begun anew. */
void conductor_lost(struct conductor *c, const char *agent, const char *why, struct moment now);
/* Several times a second. */
void conductor_tick(struct conductor *c, struct moment now);
/* What setup() or handleSummary() gave, whole. `blob` of `json`; json NULL: nothing. */
void conductor_output(struct conductor *c, Gale__Fleet__Stage stage, const char *json,
                      const struct blob_id *blob);
/* A part's last window is merged. */
void conductor_ended(struct conductor *c, uint32_t part);
/* Ends the run as soon as it can, gracefully; the first reason stays. */
void conductor_stop(struct conductor *c, enum run_abort_reason reason, const char *message);

/* Spreads the load of running scenarios anew. Parts of `plan` that there are, with the same path on
 * the same agent, go on; others are made, and once all of these are ready take over at one moment
 * from those that the plan does not have. Should one of them fail before, all stays as it is. Fills
 * the plan's ids in. ERR_UNSUPPORTED with a message when the scenarios are not running, or some
 * load is on its way already. */
MUST_USE int conductor_spread(struct conductor *c, struct fleet_plan *plan, struct diag *d);
bool conductor_is_spreading(const struct conductor *c);

/* Answers to `collected`. */
void conductor_summarise(struct conductor *c, const struct blob_id *input, int64_t timeout_nsec);
void conductor_finish(struct conductor *c);

/* --- what comes out ------------------------------------------------------------------------- */

/* What is wanted of the agent, with version 0; free it with conductor_order_free. False when
 * nothing is: it has no part. */
bool conductor_order(const struct conductor *c, const char *agent, Gale__Fleet__Order *out);
void conductor_order_free(Gale__Fleet__Order *order);

struct conductor_outcome {
    int exit_code; /* of the run itself: thresholds are the caller's to see */
    enum run_abort_reason reason;
    const char *message; /* NULL: none */
    bool marked_failed;
    bool began; /* setup() or the scenarios: there is something to sum up */
};
void conductor_outcome(const struct conductor *c, struct conductor_outcome *out);

enum fleet_phase conductor_phase(const struct conductor *c);
uint64_t conductor_epoch(const struct conductor *c);
int64_t conductor_start_wall(const struct conductor *c); /* of the scenarios; 0: not yet */

/* One part, as people see it. Valid until the next call that brings something in. */
struct conductor_part_view {
    uint32_t id;
    const char *agent; /* NULL: nobody has it */
    const char *region;
    Gale__Fleet__Stage stage;
    bool leads;
    bool is_lost;
    bool is_orphan;
    bool is_ended;   /* its last window is merged */
    bool is_leaving; /* others have its load, or will at once */
    bool is_coming;  /* it will take load over */
    const struct plan_level *path;
    size_t depth;
    uint64_t planned_vus;
    double planned_rate;
    uint64_t vus;
    uint64_t vus_max;
    uint64_t completed;
    int64_t began_wall_nsec;
};
size_t conductor_part_count(const struct conductor *c);
void conductor_part(const struct conductor *c, size_t index, struct conductor_part_view *out);

/* --- coming back ---------------------------------------------------------------------------- */

/* Fills phase, epoch, parts, start, stop and the like; free the lists with conductor_record_free.
 */
void conductor_save(const struct conductor *c, Gale__Fleet__RunRecord *out);
void conductor_record_free(Gale__Fleet__RunRecord *record);
/* Of a record; config's plan is not looked at. Agents have `grace_nsec` from `now` on to be heard.
 */
struct conductor *conductor_load(const struct conductor_config *config,
                                 const Gale__Fleet__RunRecord *record, struct moment now);

#endif
