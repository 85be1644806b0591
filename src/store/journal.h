/* What happened in a run, in its own words: events of the timeline, log lines, exemplars, errors of
 * scripts, thresholds and their verdicts, its agents.
 *
 * Each run's journals are bounded: what comes past the bound is refused with ERR_LIMIT, which the
 * caller counts. Texts as in run.h; a NULL region or agent: of none. */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include "base/log.h"
#include "store/store.h"

enum {
    STORE_MAX_EVENTS = 20000, /* of a run, as are the others */
    STORE_MAX_LOGS = 200000,
    STORE_MAX_EXEMPLARS = 20000,
    STORE_MAX_ERRORS = 1000,
    STORE_NO_SECOND = -1, /* before the start */
};

/* --- events ------------------------------------------------------------------------------- */

struct store_event {
    int64_t id; /* ascending; given by the store */
    int64_t wall_nsec;
    int64_t second;
    const char *kind;
    const char *severity; /* "info", "warn", "error" */
    const char *region;
    const char *agent;
    const char *message;
    const char *data; /* JSON */
};

/* *id may be NULL. */
MUST_USE int store_add_event(struct store *s, const char *run, const struct store_event *event,
                             int64_t *id, struct diag *d);

struct store_event_filter {
    const char *run;
    const char *regions; /* one of them: a JSON array of texts; NULL: any */
    const char *kinds;   /* likewise */
};
/* Oldest first. 1: there are more. */
MUST_USE int store_list_events(struct store *s, const struct store_event_filter *filter,
                               struct store_page *page,
                               void (*fn)(void *arg, const struct store_event *event), void *arg,
                               struct diag *d);

/* --- logs --------------------------------------------------------------------------------- */

struct store_log {
    int64_t id;
    int64_t wall_nsec;
    int64_t second;
    enum log_level level;
    const char *source; /* "console", "agent", "controller" */
    const char *region;
    const char *agent;
    int64_t vu; /* -1: of none, as is the iteration */
    int64_t iteration;
    int64_t left_out; /* lines before this one that a limit left out */
    const char *message;
};

MUST_USE int store_add_log(struct store *s, const char *run, const struct store_log *log,
                           struct diag *d);

struct store_log_filter {
    const char *run;
    enum log_level level; /* this and worse; LOG_DEBUG: all */
    const char *regions;  /* one of them: a JSON array of texts; NULL: any, as are the others */
    const char *agent;
    const char *source;
    const char *text; /* part of the message, in any case of ASCII letters */
    int64_t from;     /* seconds; to 0: to the end */
    int64_t to;
    bool oldest_first;
};
/* Newest first, or as the filter says. 1: there are more. */
MUST_USE int store_list_logs(struct store *s, const struct store_log_filter *filter,
                             struct store_page *page,
                             void (*fn)(void *arg, const struct store_log *log), void *arg,
                             struct diag *d);

/* --- exemplars ---------------------------------------------------------------------------- */

struct store_exemplar {
    int64_t id;
    int64_t second;
    const char *kind; /* "slow", "failed" */
    const char *region;
    const char *data; /* JSON */
};
MUST_USE int store_add_exemplar(struct store *s, const char *run, const struct store_exemplar *e,
                                struct diag *d);

struct store_exemplar_filter {
    const char *run;
    const char *kind;    /* NULL: any */
    const char *regions; /* one of them: a JSON array of texts; NULL: any */
    int64_t from;
    int64_t to; /* 0: to the end */
};
/* Newest first. 1: there are more. */
MUST_USE int store_list_exemplars(struct store *s, const struct store_exemplar_filter *filter,
                                  struct store_page *page,
                                  void (*fn)(void *arg, const struct store_exemplar *e), void *arg,
                                  struct diag *d);

/* --- errors of scripts -------------------------------------------------------------------- */

/* What iterations threw, by message; failed requests are series (tables.h). */
struct store_error {
    const char *region;
    const char *message;
    int64_t count;
    int64_t first; /* seconds */
    int64_t last;
};
/* Adds to the count of the same message in the same region. */
MUST_USE int store_add_error(struct store *s, const char *run, const struct store_error *error,
                             struct diag *d);
/* Most frequent first. */
MUST_USE int store_list_errors(struct store *s, const char *run,
                               void (*fn)(void *arg, const struct store_error *error), void *arg,
                               struct diag *d);

/* --- thresholds --------------------------------------------------------------------------- */

struct store_threshold {
    const char *metric; /* with its selector */
    const char *expression;
    const char *source; /* "script", "run" */
    const char *unit;   /* of the value: "ms", "ratio", ...; NULL: "none" */
    bool abort_on_fail;
    int64_t delay_abort_nsec;
    int64_t window_nsec; /* 0: the whole run */
    int64_t for_nsec;
    bool ok;
    double value;    /* NAN: no sample yet */
    int64_t crossed; /* the second in which it was first crossed; STORE_NO_SECOND: never */
};
/* Puts them all, in place of those that are there. */
MUST_USE int store_put_thresholds(struct store *s, const char *run,
                                  const struct store_threshold *list, size_t count, struct diag *d);
MUST_USE int store_list_thresholds(struct store *s, const char *run,
                                   void (*fn)(void *arg, const struct store_threshold *t),
                                   void *arg, struct diag *d);

/* --- agents ------------------------------------------------------------------------------- */

struct store_agent {
    const char *id;
    const char *region;
    const char *data; /* JSON: its part, load and saturation */
};
/* In place of what was known of it. */
MUST_USE int store_put_agent(struct store *s, const char *run, const struct store_agent *agent,
                             struct diag *d);
/* By region and id. */
MUST_USE int store_list_agents(struct store *s, const char *run,
                               void (*fn)(void *arg, const struct store_agent *agent), void *arg,
                               struct diag *d);

#endif
