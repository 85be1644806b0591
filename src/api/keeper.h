/* Puts runs into the store as they happen: what was asked for, every phase, events, log lines, and
 * each region's windows; committed once a second.
 *
 * What is pushed while the store can't be written (full, read-only) waits, up to a bound; a run
 * that goes beyond it is not stored further.
 *
 * Threads: the loop's; the store itself is used on the offload pool. */
#ifndef API_KEEPER_H
#define API_KEEPER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/diag.h"

struct keep_op;
struct keeper;
struct loop;
struct store;

struct keeper_config {
    const char *path;
    struct loop *loop;
    const char *way_out; /* for the log, of a run that is not stored further: "; ..."; NULL: none */
    /* Once a second, while the store can be written: to push what is true now. May be NULL. */
    void (*look)(void *arg);
    /* An op is committed, of a run that all was stored of so far. May be NULL. */
    void (*settled)(void *arg, const struct keep_op *op);
    void *arg;
};

/* Opens or makes the store. With a message. */
MUST_USE int keeper_open(const struct keeper_config *config, struct keeper **out, struct diag *d);
/* Commits what waits. The loop must not run, and nothing is pushed any more. NULL is allowed. */
void keeper_close(struct keeper *k);

/* Takes the op (keeper_op.h). The first of a run must be its beginning. */
void keeper_push(struct keeper *k, struct keep_op *op);

/* How many things wait to be stored. */
size_t keeper_waiting(const struct keeper *k);

/* Whether the store has the run already; it gets there within a second of its beginning. */
bool keeper_has(const struct keeper *k, const char *run);

/* Whether the run's beginning, or its end, is not in the store yet; a moment later it is. */
bool keeper_is_behind(const struct keeper *k, const char *run);

/* Why the store could not be written the last time that it was tried; NULL: it could. */
const char *keeper_problem(const struct keeper *k);

/* Calls fn on the offload pool with a handle of its own for reading. Its result, or why the store
 * could not be opened. */
MUST_USE
YIELDS
int keeper_read(struct keeper *k, int (*fn)(struct store *s, void *arg, struct diag *d), void *arg,
                struct diag *d);

/* Commits what waits now: who reads after it sees all that has happened before. */
YIELDS void keeper_flush(struct keeper *k);

/* Calls fn on the offload pool with the handle that writes, within a transaction, which is
 * committed when fn gives 0 and rolled back otherwise. Writers take turns, in the order of their
 * calls. fn's result, or why it could not be committed. */
MUST_USE
YIELDS
int keeper_write(struct keeper *k, int (*fn)(struct store *s, void *arg, struct diag *d), void *arg,
                 struct diag *d);

/* The same at once, before the loop runs. */
MUST_USE int keeper_now(struct keeper *k, int (*fn)(struct store *s, void *arg, struct diag *d),
                        void *arg, struct diag *d);

#endif
