/* What the agent's files share: agent.c (enlisting, the clock, orders), agent_run.c (one test),
 * agent_part.c (one part of it), agent_data.c (its measurements on their way). */
#ifndef FLEET_AGENT_INTERNAL_H
#define FLEET_AGENT_INTERNAL_H

#include <fleet.pb-c.h>

#include "engine/run.h"
#include "engine/saturation.h"
#include "engine/segment.h"
#include "fleet/agent.h"
#include "fleet/blob.h"
#include "fleet/clock_sync.h"
#include "loop/loop.h"

struct agent_run;
struct fiber;
struct outbox;
struct shard;
struct window;

struct agent {
    struct agent_config config;
    struct map labels;
    char boot[33];
    char *status_subject; /* owned, as are the others */
    char *ask_subject;
    char *inbox;
    struct bus *bus;
    struct bus_sub *orders;
    struct outbox *outbox;
    struct clock_sync clock;
    struct timer status_timer;
    struct timer clock_timer;
    unsigned trips;
    bool status_is_due; /* posted, not yet sent */
    uint64_t order_seen;
    struct probe probe;
    struct process_load load;
    int64_t loop_lag_nsec;
    struct agent_run *run; /* NULL: idle */
    /* The order for a run that begins when the one before has been freed; NULL: none. */
    Gale__Fleet__Order *next_order;
    void (*on_stopped)(void *arg);
    void *on_stopped_arg;
    struct timer stop_timer;
    bool is_stopping;
    bool has_left;         /* everything is said */
    int64_t stop_deadline; /* by then it ends, whatever waits */
    bool was_cut_off;
};

/* A part's life. */
struct agent_part {
    struct agent_run *owner;
    struct agent_part *next;
    uint32_t id;
    Gale__Fleet__Stage stage;
    Gale__Fleet__Step step; /* how far it may go */
    bool leads;
    bool is_fenced; /* not in the last order: nothing of it is sent any more */
    bool summary_asked;
    bool is_over;
    bool end_said; /* in the data */
    struct segment segment;
    uint64_t scale_num;
    uint64_t scale_den;
    struct run_part join;
    struct scenario_done *done; /* of join; owned */
    struct scenario_done *made; /* in the windows so far, by scenario; owned */
    struct runner *runner;
    struct run *run;          /* NULL: not made, or freed */
    struct run_result result; /* once it is over */
    char *error;              /* owned */
    int exit_code;
    bool gave_window; /* of the second that is being gathered */
};

enum { PENDING_WINDOWS = 4096 };

struct agent_run {
    struct agent *agent;
    char *id;      /* owned */
    char *subject; /* of its data; owned */
    uint64_t epoch;
    uint32_t instance;
    Gale__Fleet__Order *order; /* the last one; owned */
    struct agent_part *parts;
    struct host_test *test; /* NULL: not loaded yet */
    char *archive;          /* its bytes; owned */
    struct fiber *loader;   /* fetches and loads; NULL: it is not running */
    char *setup_data;       /* JSON; owned; NULL: none (yet) */
    struct fiber *setup_fetcher;
    bool has_setup_data; /* fetched, or there is none */
    char *summary_input; /* owned */
    struct fiber *summary_fetcher;
    bool load_failed;
    bool is_ending; /* free it when every part is over */
    bool is_freeing;
    bool is_detached; /* the controller does not want it: nothing is sent any more */

    /* The second that is being gathered. */
    int64_t second;
    bool is_opening; /* it is second 0, and what it holds once it is over comes later */
    struct window **windows;
    size_t window_count;
    uint64_t sequence;
    uint64_t *done;      /* iterations in the windows so far, by scenario */
    struct shard *shard; /* vus, vus_max, load_generator_* */
    uint32_t tags;
    bool was_saturated;
    bool said_vus; /* in a window */
};

/* --- agent.c -------------------------------------------------------------------------------- */

/* Something has changed: a status goes out in this turn of the loop. */
void agent_say(struct agent *a);
/* The controller's wall time of a moment of our monotonic clock; 0 while nothing is known. */
int64_t agent_wall(const struct agent *a, int64_t mono);
/* The run has been freed. */
void agent_run_gone(struct agent *a);

/* --- agent_run.c ---------------------------------------------------------------------------- */

/* Takes the order over. */
struct agent_run *agent_run_new(struct agent *a, Gale__Fleet__Order *order);
void agent_run_order(struct agent_run *r, Gale__Fleet__Order *order);
/* Ends all parts; the run frees itself and calls agent_run_gone. `detach`: sends nothing more. */
void agent_run_end(struct agent_run *r, bool detach);
/* Whether a part has not come to its end. */
bool agent_run_is_busy(const struct agent_run *r);
/* Parts have moved on: gives them what they wait for. */
void agent_run_drive(struct agent_run *r);
/* Fills the message in; free with agent_run_status_free. */
void agent_run_status(struct agent_run *r, Gale__Fleet__RunStatus *out);
void agent_run_status_free(Gale__Fleet__RunStatus *status);

/* --- agent_part.c --------------------------------------------------------------------------- */

struct agent_part *agent_part_new(struct agent_run *r, const Gale__Fleet__Part *wanted);
void agent_part_begin(struct agent_part *p); /* the test is loaded */
void agent_part_fail(struct agent_part *p, int exit_code, const char *error);
/* Goes as far as it may. */
void agent_part_drive(struct agent_part *p);
void agent_part_abort(struct agent_part *p, enum run_abort_reason reason, const char *message);
/* False when a worker had to be left behind: the process should end soon. */
bool agent_part_free(struct agent_part *p);

/* --- agent_data.c --------------------------------------------------------------------------- */

void agent_data_init(struct agent_run *r);
void agent_data_deinit(struct agent_run *r);
/* The windows of a part's tick; takes them. */
void agent_data_tick(struct agent_part *p, struct run_tick *tick);
/* What setup() or handleSummary() gave; NULL: nothing. */
void agent_data_output(struct agent_part *p, Gale__Fleet__Stage stage, const char *json);
/* Sends what is gathered, now. */
void agent_data_flush(struct agent_run *r);

#endif
