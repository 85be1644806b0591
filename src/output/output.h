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
#include "base/str.h"

struct loop;
struct output;
struct totals;
struct window;

struct output_context {
    const struct totals *totals; /* metrics with their sub-metrics and thresholds are known */
    const struct threshold_set *thresholds;
    const char *const *system_tags; /* enabled ones, sorted; NULL at the end: csv's columns */
    const char *(*env)(const char *name);
    char *const *environment; /* "NAME=value", NULL at the end: for families of names; NULL: none */
    struct loop *loop;        /* main's */
    bool native_histograms;   /* k6's feature of that name is on */
    const char *agent;        /* of a fleet, whose traces these are; NULL: none, as is its region */
    const char *region;
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
    char *description;  /* "json (samples.json)": for the banner; owned by the implementation */
};

/* Makes an output from "json", "json=samples.gz", "csv=file.csv", ... ERR_INVALID for an unknown
 * name (the message lists what there is), or what opening it gave. */
MUST_USE int output_new(struct str spec, const struct output_context *context, struct output **out,
                        struct diag *d);
void output_free(struct output *o);

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
