/* What the controller does with a run; views are in fleet_run.h. */
#ifndef FLEET_FLEET_RUN_INTERNAL_H
#define FLEET_FLEET_RUN_INTERNAL_H

#include <fleet.pb-c.h>

#include "base/short_id.h"
#include "fleet/collector.h"
#include "fleet/conductor.h"
#include "fleet/fleet_run.h"
#include "metrics/threshold.h"
#include "output/export.h"
#include "output/summary.h"

struct baseline;
struct blob_store;
struct bus;
struct bus_sub;
struct controller_news;
struct delivery;
struct exemplars;
struct loop;
struct run_request;

struct fleet_run_config {
    struct bus *bus;
    struct blob_store *blobs;
    struct loop *loop;
    void *arg;
    const struct planner_agent *(*agents)(void *arg, size_t *count);
    void (*tell)(void *arg, struct controller_news *news);
    void (*changed)(void *arg, struct fleet_run *r); /* its record should be saved */
};

struct fleet_run {
    struct fleet_run_config config;
    char id[SHORT_ID_SIZE];
    struct prepared *prepared;
    const char **scenario_names;
    struct fleet_plan plan;   /* the present one; its texts are its own */
    struct fleet_plan coming; /* while the load is being spread anew */
    json_t *extra;
    char *summary_mode;
    bool without_thresholds;
    enum loss_policy on_loss;
    uint64_t scale_num;
    uint64_t scale_den;
    int64_t created_wall;
    int64_t started_wall;
    int64_t ended_wall;

    struct blob_id archive;
    struct conductor *conductor;
    struct collector *collector;
    struct exemplars *exemplars; /* their tags are the collector's */
    struct threshold_set thresholds;
    struct summary_options summary;
    struct bus_sub *data;
    struct map done;      /* struct scenario_done, by scenario, of a part by its id as text */
    const char **regions; /* of the plan, each once; texts are the plan's */
    size_t region_count;
    struct map emulated;       /* by region */
    uint64_t current_sequence; /* of the message that is being taken */
    uint64_t saturated_seconds;
    bool is_dirty;          /* its record is to be saved */
    uint64_t revision;      /* of the record that this controller has stored; 0: none yet */
    bool is_recorded;       /* there is one, and it is that */
    uint64_t last_sequence; /* of the stream, that was merged */
    struct {
        char *agent;
        char *boot;
        uint64_t sequence;
    } * fences;
    size_t fence_count;

    struct buf setup_output; /* as its pieces come */
    struct buf summary_output;
    bool has_setup_output;
    bool has_summary_output;
    char *setup_json;
    char *custom_summary;
    struct blob_id setup_blob;
    struct blob_id summary_blob;
    bool asked_summary;
    char *notice; /* saturation, losses: for the summary */

    json_t *settings;            /* as asked for; NULL: none */
    struct delivery *delivery;   /* NULL: neither outputs nor targets */
    int64_t delivered;           /* the last second that outputs have; INT64_MIN: none */
    char *findings;              /* which of the targets' series moved with the latency */
    struct estimates *estimates; /* at the end, for reports */
    size_t estimate_count;
    char *baseline; /* at the end: what another run compares itself with */

    struct fleet_event *events;
    size_t event_count;
    size_t event_cap;
    struct fleet_log *logs;
    size_t log_count;
    size_t log_cap;
    uint64_t logs_dropped;

    struct conductor_outcome outcome;
    bool is_over;
    bool is_held; /* somebody has not yet kept all of it */
};

/* Takes the request over. NULL and a message when its thresholds don't compile. */
struct fleet_run *fleet_run_new(const struct fleet_run_config *config, struct run_request *request,
                                const struct fleet_plan *plan, struct diag *d);
/* Of a record; takes `prepared` and `delivery` (NULL: none) over. */
struct fleet_run *fleet_run_load(const struct fleet_run_config *config,
                                 const Gale__Fleet__RunRecord *record, struct prepared *prepared,
                                 struct delivery *delivery, struct diag *d);
void fleet_run_free(struct fleet_run *r);

/* Follows its data, from the beginning. */
MUST_USE int fleet_run_follow(struct fleet_run *r, struct diag *d);

void fleet_run_status(struct fleet_run *r, const Gale__Fleet__Status *status, struct moment now);
void fleet_run_agent_lost(struct fleet_run *r, const char *agent, const char *why,
                          struct moment now);
void fleet_run_tick(struct fleet_run *r, struct moment now);
/* Fills what is wanted of the agent in; nothing when it has no part. */
void fleet_run_order(const struct fleet_run *r, const char *agent, Gale__Fleet__Order *out);
bool fleet_run_has_agent(const struct fleet_run *r, const char *agent);
void fleet_run_stop(struct fleet_run *r, enum run_abort_reason reason, const char *message);

/* What the bus has of it. Once it is over. */
void fleet_run_forget_data(struct fleet_run *r);

uint64_t fleet_run_epoch(const struct fleet_run *r);

/* On the timeline, and to whoever watches. */
void fleet_run_note(struct fleet_run *r, const char *text);
/* Everything is over, deliveries too. */
void fleet_run_finish(struct fleet_run *r);

/* --- fleet_run_plan.c ------------------------------------------------------------------------ */

/* Copies it. */
void fleet_run_set_plan(struct fleet_run *r, const struct fleet_plan *plan);
void fleet_run_free_plans(struct fleet_run *r);
/* Once the load has been spread anew, its plan is the present one. */
void fleet_run_note_spread(struct fleet_run *r);
/* As controller_spread_run; `agents` are those of the fleet. */
MUST_USE int fleet_run_spread(struct fleet_run *r, const struct shares *wanted,
                              const struct planner_agent *agents, size_t count,
                              struct fleet_plan *out, struct diag *d);

/* --- fleet_run_delivery.c: outputs and targets ----------------------------------------------- */

/* Begins; takes it over. NULL: there is none. */
void fleet_run_deliver(struct fleet_run *r, struct delivery *delivery);
void fleet_run_deliver_window(struct fleet_run *r, int64_t second, const struct window *w);
void fleet_run_deliver_second(struct fleet_run *r, int64_t second, double p95);
/* No window follows. True when nothing is under way any more; else fleet_run_finish will be called.
 */
bool fleet_run_end_delivery(struct fleet_run *r);
/* While another controller may lead nothing is sent. */
void fleet_run_hold_delivery(struct fleet_run *r, bool hold);

/* --- fleet_run_report.c ----------------------------------------------------------------------- */

/* What the settings say about a run before, for thresholds on the change. */
void fleet_run_set_baseline(struct fleet_run *r);
/* Keeps what reports need, and frees what they need no more. */
void fleet_run_prepare_reports(struct fleet_run *r);
void fleet_run_free_reports(struct fleet_run *r);
/* --- fleet_run_view.c ------------------------------------------------------------------------- */

/* What exports and handleSummary() are made of; its texts are the run's. */
struct export_input fleet_run_export_input(const struct fleet_run *r);
/* The table by region. */
void fleet_run_region_markdown(const struct fleet_run *r, struct buf *out);

/* Its record: bytes for the bucket. */
void fleet_run_save(const struct fleet_run *r, struct buf *out);

#endif
