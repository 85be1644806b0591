/* What the writer remembers of runs, so that a second is put without reading: their series and
 * regions, and how full their journals are. Internal to src/store.
 *
 * It is ahead of the file within a transaction; when one fails, everything is forgotten and loaded
 * again when needed. */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include <stdint.h>

#include "base/compiler.h"

struct diag;
struct dictionary;
struct store;

enum journal { JOURNAL_EVENTS, JOURNAL_LOGS, JOURNAL_EXEMPLARS, JOURNAL_ERRORS, JOURNAL_COUNT };

struct run_memory {
    int64_t run;                   /* its key */
    struct dictionary *series;     /* owned; NULL: not loaded */
    int64_t counts[JOURNAL_COUNT]; /* rows; -1: not counted */
};

/* ERR_NOT_FOUND: there is no such run. */
MUST_USE int memory_of(struct store *s, const char *run, struct run_memory **out, struct diag *d);
/* With its series loaded. */
MUST_USE int memory_series(struct store *s, const char *run, struct dictionary **out,
                           struct diag *d);
void memory_forget_run(struct store *s, const char *run);
void memory_forget(struct store *s);

#endif
