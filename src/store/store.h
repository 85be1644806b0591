/* The run store: tests, runs and all that runs measured, in one SQLite file.
 *
 * A handle is one connection. One handle in all processes may write (a lock says so); any number
 * may read beside it, each seeing what was committed when its call began. The file is in WAL mode
 * with synchronous=NORMAL: what was committed survives the process' death at any point, and the
 * machine's but for the last moments; it is never half-written.
 *
 * Every call that writes is a transaction of its own, or part of the one that store_begin opened:
 * the controller commits once a second. A call that fails has changed nothing; after an error of
 * the file (full, read-only, damaged) the whole transaction is rolled back and its data is the
 * caller's to give again.
 *
 * Errors carry a message with the file's name and the way out: -ENOSPC (full), -EROFS (not
 * writable), -EBUSY (another writer), -EBADMSG (damaged or no store of ours), -EIO, ERR_UNSUPPORTED
 * (made by a newer gale), ERR_NOT_FOUND, -EEXIST, ERR_INVALID, ERR_LIMIT.
 *
 * Threads: a handle belongs to one thread at a time, and every call may wait for the disk: so never
 * on a loop's thread, but in loop/offload.h's, one call after another for each handle. The rest of
 * the interface is in test.h, run.h, journal.h, series.h, tables.h, compare.h and access.h. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/short_id.h"
#include "base/str.h"

struct store;

struct store_options {
    bool read_only;
    int64_t max_bytes; /* the file never grows beyond; 0: what the disk has */
};

/* Opens the file, made if needed (not with read_only), and brings its schema up to date. `options`
 * NULL: read and write. */
MUST_USE int store_open(const char *path, const struct store_options *options, struct store **out,
                        struct diag *d);
void store_close(struct store *s); /* NULL is allowed; an open transaction is rolled back */

/* --- transactions ------------------------------------------------------------------------- */

MUST_USE int store_begin(struct store *s, struct diag *d);
MUST_USE int store_commit(struct store *s, struct diag *d);
void store_rollback(struct store *s); /* no-op without a transaction */

/* --- lists -------------------------------------------------------------------------------- */

/* A part of a list: how many at most, and after which. Zeroed but for the limit it is the
 * beginning; each call leaves it where the next one goes on. */
struct store_page {
    size_t limit;
    int64_t key;
    char id[SHORT_ID_SIZE];
};

/* --- upkeep ------------------------------------------------------------------------------- */

/* Does a bounded piece (some hundred milliseconds at most) of what is due: windows of full minutes
 * into their final form (series.h), rows of deleted runs, pages of the file that are free. 1: there
 * is more, 0: nothing is due now. Call it after each second's commit and while idle; answers do not
 * depend on it, their speed does. Not within a transaction. */
MUST_USE int store_tidy(struct store *s, struct diag *d);

struct store_retention {
    int64_t now_wall_nsec;
    int64_t max_age_nsec; /* runs that ended longer ago; 0: any age */
    int64_t max_bytes;    /* runs that ended first, until what is left fits; 0: any size */
};
/* Deletes runs by age and size, never an active one or a baseline, and answers to idempotency keys
 * that are a day old. *deleted counts the runs; store_tidy gives their space back. */
MUST_USE int store_retain(struct store *s, const struct store_retention *r, size_t *deleted,
                          struct diag *d);

int64_t store_bytes(struct store *s); /* in use: the file without its free pages */

/* Copies the store as it is now to a new file, while others write; `path` appears only when whole.
 * -EEXIST when it exists. */
MUST_USE int store_backup(struct store *s, const char *path, struct diag *d);

/* Reads everything and checks that it holds together: seconds to minutes. */
MUST_USE int store_check(struct store *s, struct diag *d);

#endif
