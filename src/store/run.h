/* Runs: what was asked for, how far they are, what came out.
 *
 * What is looked for or sorted by is a field; the rest is JSON that the caller writes and reads
 * (spec: what was asked for; plan; state: what changes while it runs; summary: the end's). Texts
 * are NUL-terminated and borrowed both ways: what a callback is given is valid during the call,
 * which must not use the store. Times are wall nanoseconds; 0: never. */
#ifndef STORE_RUN_H
#define STORE_RUN_H

#include "store/store.h"

enum { STORE_NO_EXIT_CODE = -1 };

struct store_run {
    const char *id;
    const char *test;      /* its id */
    const char *test_name; /* the store's own */
    int64_t version;
    const char *name;
    const char *notes;
    const char *labels;
    const char *phase;  /* "ended" is the only one that the store itself knows */
    const char *result; /* NULL: none yet */
    int64_t exit_code;  /* STORE_NO_EXIT_CODE: none yet */
    int64_t created;
    int64_t started;
    int64_t ended;
    const char *created_by;
    const char *rerun_of; /* NULL: of none */
    const char *spec;
    const char *plan;
    const char *state;
    const char *summary; /* NULL: none yet */
    bool is_baseline;    /* the store's own */
};

MUST_USE int store_add_run(struct store *s, const struct store_run *run, struct diag *d);

/* What changes while it runs; a NULL text and a 0 time leave what is there. */
struct store_phase {
    const char *phase;
    const char *result;
    int64_t exit_code; /* STORE_NO_EXIT_CODE: leave it */
    int64_t started;
    int64_t ended;
    const char *plan;
    const char *state;
    const char *summary;
};
MUST_USE int store_update_phase(struct store *s, const char *run, const struct store_phase *phase,
                                struct diag *d);
/* What people say of it; NULL leaves what is there. */
MUST_USE int store_update_run(struct store *s, const char *run, const char *name, const char *notes,
                              const char *labels, struct diag *d);
/* In place of the test's other one; `is_baseline` false: if it is this one, there is none. */
MUST_USE int store_set_baseline(struct store *s, const char *run, bool is_baseline, struct diag *d);
/* -EBUSY unless it has ended. What it measured is cleared away by store_tidy. */
MUST_USE int store_delete_run(struct store *s, const char *run, struct diag *d);
MUST_USE int store_get_run(struct store *s, const char *id,
                           void (*fn)(void *arg, const struct store_run *run), void *arg,
                           struct diag *d);

struct store_run_filter {
    const char *test;    /* NULL, as everywhere here: any */
    const char *phases;  /* one of them: a JSON array of texts */
    const char *results; /* likewise */
    const char *region;  /* with windows from there */
    const char *text;    /* part of its or its test's name, in any case of ASCII letters */
    const char *labels;  /* all of them: a JSON object */
};

/* Newest first; without `plan` and `summary` (NULL). 1: there are more. */
MUST_USE int store_list_runs(struct store *s, const struct store_run_filter *filter,
                             struct store_page *page,
                             void (*fn)(void *arg, const struct store_run *run), void *arg,
                             struct diag *d);

#endif
