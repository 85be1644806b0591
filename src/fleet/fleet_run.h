/* One run as the controller sees it: its plan and life (conductor.h), its measurements
 * (collector.h), its verdict (scoring.h), its timeline and logs. */
#ifndef FLEET_FLEET_RUN_H
#define FLEET_FLEET_RUN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/diag.h"
#include "base/log.h"
#include "base/str.h"
#include "fleet/conductor.h"
#include "fleet/prepared.h"

struct collector;
struct exemplars;
struct fleet_run;
struct summary_options;
struct threshold_set;
struct totals;

enum { FLEET_RUN_EVENTS = 10000, FLEET_RUN_LOGS = 20000 };

/* Of the timeline. */
struct fleet_event {
    uint64_t id; /* from 1 */
    int64_t wall_nsec;
    enum fleet_event_kind kind;
    char *region; /* NULL: of the whole; owned, as are the others */
    char *agent;
    char *text;
};

struct fleet_log {
    uint64_t id; /* from 1 */
    int64_t wall_nsec;
    enum log_level level;
    char *region;
    char *agent;
    char *text;
};

/* --- what it is ------------------------------------------------------------------------------ */

const char *fleet_run_id(const struct fleet_run *r);
const struct prepared *fleet_run_prepared(const struct fleet_run *r);
const struct conductor *fleet_run_conductor(const struct fleet_run *r);
struct collector *fleet_run_collector(const struct fleet_run *r);
const struct fleet_plan *fleet_run_plan(const struct fleet_run *r); /* the present one */
const json_t *fleet_run_extra(const struct fleet_run *r);
/* Sets a field of it. Takes the value. */
void fleet_run_set_extra(struct fleet_run *r, const char *key, json_t *value);
int64_t fleet_run_created_wall(const struct fleet_run *r);
int64_t
fleet_run_started_wall(const struct fleet_run *r); /* of setup() or the scenarios; 0: not yet */
int64_t fleet_run_ended_wall(const struct fleet_run *r); /* 0: not yet */
/* From the start to now or the end. */
int64_t fleet_run_duration(const struct fleet_run *r, int64_t now_wall);
/* Of the whole plan, at the longest. */
int64_t fleet_run_planned_duration(const struct fleet_run *r);
bool fleet_run_is_over(const struct fleet_run *r);

/* The verdict: the test's exit code, crossed thresholds looked at. Once it is over. */
void fleet_run_outcome(const struct fleet_run *r, struct conductor_outcome *out);

const struct threshold_set *fleet_run_thresholds(const struct fleet_run *r);
const struct fleet_event *fleet_run_events(const struct fleet_run *r, size_t *count);
const struct fleet_log *fleet_run_logs(const struct fleet_run *r, size_t *count);

/* Single requests of note. */
const struct exemplars *fleet_run_exemplars(const struct fleet_run *r);

/* The end-of-test summary as text: k6's, and a table by region. `mode` NULL: as the run was asked.
 */
void fleet_run_summary(const struct fleet_run *r, const char *mode, bool color, struct buf *out);
/* The table alone. */
void fleet_run_region_table(const struct fleet_run *r, bool color, struct buf *out);
/* --summary-export's JSON; heap. */
char *fleet_run_export(const struct fleet_run *r, bool machine_readable);
/* What `--baseline` of a later run reads (output/baseline.h); NULL until it is over. */
const char *fleet_run_baseline(const struct fleet_run *r);

struct fleet_report_input {
    const char *script;        /* as its author calls it; NULL: by the name that it came with */
    struct str baseline;       /* JSON of a run to compare with; empty: none */
    const char *baseline_name; /* for people; may be NULL */
};
/* "junit", "github" or "markdown" (output/report.h; the last with a table by region). ERR_NOT_FOUND
 * for another one; ERR_INVALID before the run's end, or for a baseline that is none. */
MUST_USE int fleet_run_report(const struct fleet_run *r, const char *format,
                              const struct fleet_report_input *from, struct buf *out,
                              struct diag *d);
/* What handleSummary() returned, as JSON; NULL: nothing. */
const char *fleet_run_custom_summary(const struct fleet_run *r);

/* Whether an agent of the region emulates its distance; that one does. */
void fleet_run_set_emulated(struct fleet_run *r, const char *region);
bool fleet_run_is_emulated(const struct fleet_run *r, const char *region);
/* Regions of the plan, each once; valid as long as the run. */
size_t fleet_run_regions(const struct fleet_run *r, const char *const **out);

#endif
