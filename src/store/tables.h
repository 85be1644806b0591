/* Tables of a run, from its windows: requests, failed requests, checks; and the sums of whole
 * metrics. Any span and any regions; exact but for quantiles (metrics/hist.h).
 *
 * Texts live as long as their table. */
#ifndef STORE_TABLES_H
#define STORE_TABLES_H

#include "store/series.h"
#include "store/store.h"

struct arena;

/* What to tabulate: where->metric and where->tags are not used. */
struct store_table {
    const char *run;
    struct store_where where;
    bool by_region; /* of requests: a row for each region as well */
};

/* --- requests ----------------------------------------------------------------------------- */

struct store_url {
    struct str region; /* ptr NULL: all of them together */
    struct str method;
    struct str name; /* the tag `name`; else `url` */
    struct str status;
    uint64_t count;
    double rps;    /* in the seconds of the span */
    double failed; /* of http_req_failed; NAN: not said */
    double min;    /* of http_req_duration, as are the others: milliseconds */
    double avg;
    double p50;
    double p90;
    double p95;
    double p99;
    double max;
};

struct store_urls {
    struct store_url *list; /* in the order of first sight; a region's rows follow the whole's */
    size_t count;
    struct arena *_texts;
};

MUST_USE int store_get_urls(struct store *s, const struct store_table *table,
                            struct store_urls *out, struct diag *d);
void store_urls_deinit(struct store_urls *u);

/* --- failed requests ---------------------------------------------------------------------- */

struct store_region_count {
    struct str region;
    uint64_t count;
};

struct store_failure {
    struct str error_code; /* "": none */
    struct str error;
    struct str status;
    struct str method;
    struct str name;
    uint64_t count;
    int64_t first; /* seconds */
    int64_t last;
    struct store_region_count *regions; /* those that have some */
    size_t region_count;
};

struct store_failures {
    struct store_failure *list; /* most frequent first */
    size_t count;
    struct arena *_texts;
};

/* Requests that have an error code or an unexpected status. */
MUST_USE int store_get_failures(struct store *s, const struct store_table *table,
                                struct store_failures *out, struct diag *d);
void store_failures_deinit(struct store_failures *f);

/* --- checks ------------------------------------------------------------------------------- */

struct store_check_count {
    struct str region;
    uint64_t passes;
    uint64_t fails;
};

struct store_check_row {
    struct str name;
    struct str group; /* "::outer::inner"; "": the root */
    uint64_t passes;
    uint64_t fails;
    struct store_check_count *regions; /* those that have some */
    size_t region_count;
};

struct store_checks {
    struct store_check_row *list; /* in the order of first sight */
    size_t count;
    struct arena *_texts;
};

MUST_USE int store_get_checks(struct store *s, const struct store_table *table,
                              struct store_checks *out, struct diag *d);
void store_checks_deinit(struct store_checks *c);

#endif
