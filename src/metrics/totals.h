/* The whole run so far: windows merged into what thresholds, the summary and the dashboard read.
 *
 * Per metric one sink, and one per sub-metric (a filter on tags, registered beforehand); checks by
 * group; the tree of groups; and sinks per scenario and group for the full summary. Everything is
 * in the order in which it was first seen. One thread owns it (control). */
#ifndef METRICS_TOTALS_H
#define METRICS_TOTALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/map.h"
#include "base/str.h"
#include "metrics/metric.h"
#include "metrics/sink.h"

struct blocks;
struct window;
struct tags;

enum { TOTALS_HISTORY_SECONDS = 3600 };

/* The recent past, second by second, of what has a sliding-window threshold. */
struct history {
    struct sink *seconds; /* a ring of `size`, by second of the run modulo size */
    int64_t *second;      /* which second each slot holds; -1: none */
    size_t size;          /* 0: not kept */
};

struct submetric {
    char *selector;    /* "scenario:buy": what stands between the braces, normalised; owned */
    char *full_name;   /* "http_req_duration{scenario:buy}"; owned */
    struct tags *tags; /* what a series must have; owned */
    struct sink sink;
    struct history history;
    struct blocks *blocks; /* metrics/blocks.h; owned; NULL: not kept */
    struct submetric *next;
};

struct metric_total {
    struct metric metric; /* name owned by the totals */
    struct sink sink;
    struct history history;
    struct blocks *blocks;        /* owned; NULL: not kept */
    struct submetric *submetrics; /* in order of registration */
    bool seen;                    /* a sample arrived */
};

struct check_total {
    char *name; /* owned, as is path */
    char *path; /* "::outer::inner::name" */
    uint64_t passes;
    uint64_t fails;
};

struct check_list {
    struct check_total **checks;
    size_t count;
};

struct group_total {
    char *name; /* owned; "" for the root */
    char *path; /* "::outer::inner"; "" for the root */
    struct group_total **groups;
    size_t group_count;
    struct check_list checks;
};

/* The metrics of one scenario, with its groups', or of one group within it, for the full summary.
 */
struct scope_total {
    char *scenario;      /* owned, as is path; "": a group outside of scenarios (setup, teardown) */
    char *path;          /* of the group, without those in it; "": the scenario */
    struct sink **sinks; /* by metric_total index; NULL: no sample */
    size_t sink_count;
    struct check_list checks;
};

struct totals {
    struct metric_total **metrics; /* in order of first sight (registered ones first) */
    size_t metric_count;
    struct group_total *root;
    struct check_list checks; /* all of them, in order of first sight */
    struct scope_total **scopes;
    size_t scope_count;
    bool without_scopes; /* set before the first window: nobody will ask for them */
    bool keeps_blocks;   /* set before the first metric: its metrics and theirs have blocks */
    struct map _metric_by_name;
    struct map _scope_by_key;
    struct map _plans; /* by the address of a series */
};

struct totals *totals_new(void);
void totals_free(struct totals *t);

/* The metric's total, made if needed: thresholds and init contexts register before samples come. */
struct metric_total *totals_metric(struct totals *t, const struct metric *metric);
struct metric_total *totals_find(const struct totals *t, struct str name); /* or NULL */

/* Adds a sub-metric of `metric` from the text between the braces of a selector:
 * "scenario:buy, method:GET"; quotes and white space around keys and values are trimmed, quotes
 * allow an empty value (k6-features.md THR-04). The same selector twice gives the same sub-metric.
 * ERR_SYNTAX with a message when it is malformed. */
MUST_USE int totals_add_submetric(struct totals *t, struct metric_total *metric,
                                  struct str selector, struct submetric **out, struct diag *d);

/* Keeps the last `seconds` of a sink for sliding windows. */
void history_keep(struct history *h, size_t seconds);
/* Merges the last `seconds` before `now_second` into `out` (initialised, empty). */
void history_span(const struct history *h, int64_t now_second, size_t seconds, struct sink *out);

/* Frees all blocks: what follows is kept in none. */
void totals_drop_blocks(struct totals *t);

/* Merges a window; `run_second` is the second of the run that it belongs to. */
void totals_merge(struct totals *t, const struct window *w, int64_t run_second);

#endif
