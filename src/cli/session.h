/* One `gale run`, from the loaded script to the exit code: what its parts (cmd_run.c,
 * session_setup.c, session_end.c, rest.c) share. Main's thread. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "cli/dashboard_settings.h"
#include "cli/load.h"
#include "cli/network.h"
#include "engine/run.h"
#include "loop/loop.h"
#include "metrics/threshold.h"
#include "output/output.h"
#include "output/summary.h"

struct baseline;
struct dashboard;
struct exemplars;
struct local_run;
struct progress;
struct rest;
struct scrape;

struct session {
    const struct args *args;
    struct test test;
    struct loop *loop;
    struct totals *totals;
    struct threshold_set thresholds;
    struct output **outputs;
    size_t output_count;
    bool needs_samples;
    bool needs_spans;
    struct scrape *scrape;       /* NULL: no --scrape */
    struct exemplars *exemplars; /* NULL: not asked for */
    bool linger;
    char **system_tags; /* enabled, sorted; NULL at the end */
    struct summary_options summary;
    struct baseline *baseline; /* NULL: none */
    struct operator_network network;
    struct runner *runner;
    struct run *run;
    struct progress *progress; /* NULL: --quiet */
    struct run_result result;
    struct io signals;
    struct rest *rest; /* NULL: no --address */
    struct dashboard_settings dashboard_settings;
    const char *report;          /* where the page of HTML goes; NULL: nowhere */
    struct local_run *local;     /* NULL: no --report and no --dashboard */
    struct dashboard *dashboard; /* NULL: none */
    int exit_code;
};

/* Metrics, thresholds, outputs and the summary's form, from options and flags. 0, or an exit code
 * after a message. */
MUST_USE int session_set_up(struct session *s);

/* After the run: summary, handleSummary, export, outputs' ends, what was crossed; sets the exit
 * code. */
void session_end(struct session *s);

/* --- session_reports.c: what a CI reads --------------------------------------------------------
 */

/* Whether totals must keep blocks, for intervals around changes. */
bool session_needs_blocks(const struct session *s);
/* --baseline, and the thresholds that are about the change from it. */
MUST_USE int session_load_baseline(struct session *s, struct diag *d);
/* Writes the reports that flags ask for; the exit code is known. */
void session_report(struct session *s);

#endif
