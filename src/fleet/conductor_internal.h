/* What the conductor's files share: conductor.c (phases), conductor_loss.c (what happens when an
 * agent is lost), conductor_spread.c (the load is spread anew), conductor_order.c (orders and
 * records). */
#ifndef FLEET_CONDUCTOR_INTERNAL_H
#define FLEET_CONDUCTOR_INTERNAL_H

#include "base/map.h"
#include "fleet/conductor.h"

struct conductor_done {
    char *scenario; /* owned */
    struct scenario_done done;
};

struct conductor_part {
    uint32_t id;
    char *agent;             /* owned; NULL: nobody has it */
    char *boot;              /* owned; NULL: not seen yet */
    char *region;            /* owned */
    struct plan_level *path; /* owned */
    size_t depth;
    uint64_t planned_vus;
    double planned_rate;
    bool leads;
    bool is_lost;    /* given up: its agent is fenced */
    bool is_orphan;  /* its agent is gone and nobody can take it */
    bool is_joining; /* takes over: its start is not fixed yet */
    bool is_ended;   /* its last window is merged */
    Gale__Fleet__Stage stage;
    Gale__Fleet__Step step;
    int64_t join_nsec;
    int64_t from_nsec;  /* the load's, since it was spread anew; 0: always */
    int64_t until_nsec; /* it leaves then; 0: it does not */
    uint32_t *replaces; /* owned; parts that leave when it joins */
    size_t replace_count;
    struct conductor_done *done; /* owned */
    size_t done_count;
    int exit_code;
    char *error; /* owned */
    uint64_t vus;
    uint64_t vus_max;
    uint64_t completed;
    int64_t began_wall_nsec;
};

struct conductor {
    struct conductor_hooks hooks;
    char *run;
    struct blob_id archive;
    enum loss_policy on_loss;
    int64_t duration_nsec;
    struct map env;
    uint64_t scale_num;
    uint64_t scale_den;
    enum fleet_phase phase;
    int64_t phase_since; /* monotonic; 0: it has just begun */
    uint64_t epoch;
    uint32_t next_part;
    struct conductor_part **parts;
    size_t count;
    struct map instances; /* number in the run by agent, as (void *)(uintptr_t) */
    int64_t start_wall;
    int64_t max_clock_error;
    bool setup_came; /* the output of setup() */
    bool has_setup_data;
    struct blob_id setup_data;
    bool has_summary_input;
    struct blob_id summary_input;
    bool summary_came;
    int64_t summary_timeout;
    bool is_stopped;
    enum run_abort_reason stop_reason;
    char *stop_message; /* owned */
    int64_t stopped_at; /* monotonic; 0: not seen by a tick yet */
    int64_t first_failure;
    int64_t spread_since; /* monotonic; 0: no tick has seen it yet */
    int exit_code;        /* of what failed without an abort */
    bool marked_failed;
    bool began;
};

/* Neither lost nor without an agent. */
bool part_is_live(const struct conductor_part *p);
struct conductor_part *conductor_lead(const struct conductor *c); /* NULL: none is live */
bool part_is_successor(const struct conductor_part *p); /* waits to take over (conductor_spread) */
/* Gives the lead to another, if it has it. */
void conductor_move_lead(struct conductor *c, struct conductor_part *from);
/* Adds a part from a plan. */
struct conductor_part *conductor_add_part(struct conductor *c, const struct fleet_part *plan);
void conductor_part_free(struct conductor_part *p);
uint32_t conductor_instance(struct conductor *c, const char *agent);
void conductor_say(struct conductor *c, enum fleet_event_kind kind, const struct conductor_part *p,
                   const char *fmt, ...) PRINTF_LIKE(4, 5);

/* --- conductor_loss.c ----------------------------------------------------------------------- */

/* Looks for somebody to take what nobody has. */
void conductor_place_orphans(struct conductor *c, struct moment now);
/* Parts that take over and are ready begin. */
void conductor_join(struct conductor *c, struct moment now);

/* --- conductor_spread.c --------------------------------------------------------------------- */

/* Parts that wait to take over do, once all of them are ready. */
void conductor_swap(struct conductor *c, struct moment now);
/* They don't. `agent`: unless it has nothing to do with that; NULL: whoever. */
void conductor_cancel_spread(struct conductor *c, const char *agent, const char *why);

#endif
