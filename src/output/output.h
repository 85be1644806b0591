/* An output: where samples and windows go besides the summary (--out TYPE=ARG).
 *
 * One file per kind. An output runs on the control thread; what it can't write is counted and said
 * once, and never fails the run. Those to a backend send from fibers of main's loop (sender.h) what
 * windows have merged to (series.h). */
#ifndef OUTPUT_OUTPUT_H
#define OUTPUT_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/log.h"
#include "base/str.h"

struct loop;
struct network;
struct output;
struct totals;
struct window;

/* Where what an output or a scraped target has to say goes: failures, once, and their end. Zeroed:
 * to the log. */
struct output_voice {
    void (*say)(void *arg, enum log_level level, const char *text);
    void *arg;
};

void output_say(const struct output_voice *voice, enum log_level level, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

struct output_context {
    const struct totals *totals; /* metrics with their sub-metrics and thresholds are known */
    const struct threshold_set *thresholds;
    const char *const *system_tags; /* enabled ones, sorted; NULL at the end: csv's columns */
    /* This process's environment: proxies, paths of files, and settings unless `environment` has
     * them. */
    const char *(*env)(const char *name);
    char *const *environment; /* settings: "NAME=value", NULL at the end; NULL: those of `env` */
    struct loop *loop;        /* main's */
    bool native_histograms;   /* k6's feature of that name is on */
    const char *agent;        /* of a fleet, whose traces these are; NULL: none, as is its region */
    const char *region;
    /* There are no samples, only what they were merged to (a fleet's controller): what writes each
     * of them is refused, files with it. */
    bool is_merged;
    const struct network *network; /* what it may connect to (net/dialer.h); NULL: anything */
    struct output_voice voice;
};

struct output_ops {
    /* Called for each window, in order of time. */
    void (*window)(struct output *o, const struct window *w);
    /* Called each second, after its windows; may be NULL. */
    void (*tick)(struct output *o, int64_t wall_nsec);
    /* No window follows: what is left may go on its way while other outputs end; may be NULL. */
    void (*end)(struct output *o, int64_t wall_nsec);
    /* After `end`, outside of the loop, which it may run: writes what is left and closes; returns
     * an error with a message when something was lost. */
    int (*stop)(struct output *o, struct diag *d);
    void (*free)(struct output *o);
};

struct output {
    const struct output_ops *ops;
    bool needs_samples; /* windows must carry every sample */
    bool needs_spans;   /* and every request whose trace is recorded */
    bool goes_on;       /* set before `end`: another process sends what follows */
    bool is_cumulative; /* sends the run so far each time: it must have had every window once */
    char *description;  /* "json (samples.json)": for the banner; owned by the implementation */
};

/* Makes an output from "json", "json=samples.gz", "csv=file.csv", ... ERR_INVALID for an unknown
 * name (the message lists what there is), or what opening it gave. */
MUST_USE int output_new(struct str spec, const struct output_context *context, struct output **out,
                        struct diag *d);
void output_free(struct output *o);

/* Whether it can be had where samples are merged (output_context.is_merged), going by its name:
 * ERR_INVALID with the way out. */
MUST_USE int output_check_merged(struct str spec, struct diag *d);
/* Whether the variable configures the output that `spec` names, and means the same on another
 * machine: paths of files do not. */
bool output_takes_variable(struct str spec, struct str name);

struct output *output_json_new(struct str arg, const struct output_context *context,
                               struct diag *d);
struct output *output_csv_new(struct str arg, const struct output_context *context, struct diag *d);
struct output *output_influxdb_new(struct str arg, const struct output_context *context,
                                   struct diag *d);
struct output *output_otel_new(struct str arg, const struct output_context *context,
                               struct diag *d);
struct output *output_statsd_new(struct str arg, const struct output_context *context,
                                 struct diag *d);
struct output *output_prometheus_new(struct str arg, const struct output_context *context,
                                     struct diag *d);

/* --traces-output, not one of --out's: "otel", "otel=HOST:PORT,..."; *out is NULL for "none".
 * ERR_INVALID, or what opening it gave. */
MUST_USE int output_traces_new(const char *spec, const struct output_context *context,
                               struct output **out, struct diag *d);

#endif
