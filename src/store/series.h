/* One-second windows of runs, and what can be asked of them.
 *
 * What a region measured in a second is put as it comes; windows of the same second add up,
 * whenever they arrive. store_tidy turns full minutes into a row per series, and full ten minutes
 * into coarser steps as well (10, 60 and 600 seconds), whose histograms are merged from the finer
 * ones: so that any span is answered from few rows, and any percentile from merged histograms
 * (docs/decisions/0008-run-store.md).
 *
 * Second 0 is the first after the start; what setup() measures is of seconds before it, which
 * charts leave out and sums have.
 *
 * Gauges that count what there is at a moment (vus, vus_max) add up over regions, and over the
 * windows of one put; in a region what is put for a second later takes the place of what it had,
 * and over time the later second counts. Other gauges keep the value of the latest time. */
#ifndef STORE_SERIES_H
#define STORE_SERIES_H

#include "metrics/metric.h"
#include "metrics/sink.h"
#include "metrics/window.h"
#include "store/store.h"

enum {
    STORE_MIN_SECOND = -86400, /* of a run */
    STORE_MAX_SECOND = 366 * 86400,
    STORE_MAX_SERIES = 1000000, /* of a run */
    STORE_MAX_REGIONS = 1000,
    STORE_MAX_CELLS = 2000000, /* of an answer: points times columns */
    STORE_MAX_COLUMNS = 1000,
};

struct store_second {
    const char *run;
    struct str region;
    int64_t second;
};

/* Adds windows (of agents, say) to a second of a run in a region: in one row, with no reading; what
 * comes late is put the same way. The windows stay the caller's. ERR_LIMIT past the numbers above,
 * ERR_INVALID when a metric's type is not what it was in the run. */
MUST_USE int store_put_second(struct store *s, const struct store_second *at,
                              const struct window *const *windows, size_t count, struct diag *d);

/* How far a source of windows (a stream, an agent) is stored: put in the same transaction as they
 * are, it makes "exactly once" out of "at least once". get: `none` when it was never put. */
MUST_USE int store_put_position(struct store *s, const char *run, const char *source,
                                int64_t position, struct diag *d);
MUST_USE int store_get_position(struct store *s, const char *run, const char *source, int64_t none,
                                int64_t *out, struct diag *d);

/* --- which series there are --------------------------------------------------------------- */

/* Where to look. Zeroed: everything. */
struct store_where {
    struct str metric;      /* ptr NULL: all */
    const struct tag *tags; /* all of them must be as here; an empty value: no such tag */
    size_t tag_count;
    const struct str *regions; /* none: all */
    size_t region_count;
    /* Seconds of the run; to 0: to its end. Both 0: in sums all, what came before the start too. */
    int64_t from;
    int64_t to;
};

/* Calls fn for each series of the run that `where` lets through (regions and span aside), in the
 * order of first sight. */
MUST_USE int store_each_series(struct store *s, const char *run, const struct store_where *where,
                               void (*fn)(void *arg, const struct series *series), void *arg,
                               struct diag *d);
/* The regions that have windows, in the order of first sight. */
MUST_USE int store_each_region(struct store *s, const char *run,
                               void (*fn)(void *arg, struct str region), void *arg, struct diag *d);

/* --- over time ---------------------------------------------------------------------------- */

struct store_query {
    const char *run;
    struct store_where where; /* with a metric */
    const struct agg *aggs;   /* a count of a counter, rate or trend is per step */
    size_t agg_count;
    struct str by;   /* "": one column for all; "region", or a tag's key: one for each value */
    bool with_total; /* by region: also a column "" of all that where->regions lets through */
    int64_t step;    /* seconds; 0: the least round number that keeps within `points` */
    int64_t points;  /* 0: 1200 */
};

struct store_column {
    char *by;       /* owned; "" without `by` */
    size_t agg;     /* index into the query's */
    double *values; /* owned; NAN: nothing there */
};

/* Values over time, all columns with the same steps, which begin at multiples of `step`. */
struct store_columns {
    enum metric_type type;
    enum metric_contains contains;
    int64_t from; /* rounded down to a step, as `to` is rounded up */
    int64_t to;
    int64_t step;
    size_t rows;
    struct store_column *list; /* by value of `by`, then by aggregation; owned */
    size_t count;
};

/* ERR_NOT_FOUND: no such run or metric; ERR_INVALID: an aggregation that the metric's type has not,
 * or a span that is none; ERR_LIMIT: more cells or columns than allowed. A counter's rate is per
 * second, the last step's too, which may be shorter. */
MUST_USE int store_query(struct store *s, const struct store_query *q, struct store_columns *out,
                         struct diag *d);
void store_columns_deinit(struct store_columns *c);

/* --- in all ------------------------------------------------------------------------------- */

/* What a region measured in a span, to be merged into struct totals. Its series live as long. */
struct store_sums {
    struct str region;     /* NUL-terminated */
    struct window *window; /* a sink per series that has values */
};

struct store_sum_list {
    struct store_sums *list;
    size_t count;
    struct dictionary *_series;
};

/* The sums of every region, in the order of first sight. */
MUST_USE int store_sum(struct store *s, const char *run, const struct store_where *where,
                       struct store_sum_list *out, struct diag *d);
/* The same of whole metrics: one series each, without tags (where->tags is not used). Reads a row
 * where store_sum reads one for each tag set. Over regions `vus` and `vus_max` are to be added. */
MUST_USE int store_sum_metrics(struct store *s, const char *run, const struct store_where *where,
                               struct store_sum_list *out, struct diag *d);
void store_sum_list_deinit(struct store_sum_list *l);

/* The newest second that has a window; -1: none. */
MUST_USE int store_newest_second(struct store *s, const char *run, int64_t *out, struct diag *d);

#endif
