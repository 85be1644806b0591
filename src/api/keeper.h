/* Puts runs into the store as they happen: what was asked for, every phase, events, log lines, and
 * each region's windows; committed once a second.
 *
 * A run is held on the bus (controller_hold_run) until the end of it is committed, so that a
 * controller that dies at any point finds all of it there when it returns: the run's data is then
 * read from the beginning, and what the store had measured of it is replaced. While the store can't
 * be written (full, read-only) what waits is kept up to a bound; a run that goes beyond it stays
 * held, and is stored whole after the controller's next start.
 *
 * Threads: the loop's; the store itself is used on the offload pool. */
#ifndef API_KEEPER_H
#define API_KEEPER_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/diag.h"

struct controller;
struct keeper;
struct store;

/* Opens or makes the store. With a message. */
MUST_USE int keeper_open(const char *path, struct controller *controller, struct keeper **out,
                         struct diag *d);
/* Commits what waits. Before the controller's end; the loop must not run. NULL is allowed. */
void keeper_close(struct keeper *k);

/* Whether the store has the run already; it gets there within a second of its beginning. */
bool keeper_has(const struct keeper *k, const char *run);

/* Whether the run's beginning, or its end, is not in the store yet; a moment later it is. */
bool keeper_is_behind(const struct keeper *k, const char *run);

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

#endif
