/* group() around async functions (k6 #2728): the tag `group` follows an async function over its
 * awaits, while others run in between.
 *
 * QuickJS tells nobody about an await. But an await of a promise, and then(), read the promise's
 * `constructor` just before they register their reaction. So while a group has an async function
 * that is a getter of ours, which registers a reaction first: "what runs next belongs to group g".
 * Both reactions stand side by side in the promise's list and later in the queue of jobs.
 *
 * What is awaited without a promise (`await 1`) is no reaction of a promise that we see, but is
 * queued at once: such a job belongs to the group of the code that queued it. That is known by
 * regions: where the group changes, a job that marks the end of a region is put into the queue.
 *
 * All of it is off until a group() gets an async function, and again at the end of the iteration.
 */
#ifndef SCRIPT_ASYNC_GROUPS_H
#define SCRIPT_ASYNC_GROUPS_H

#include <quickjs.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "base/str.h"

struct vu;

/* From now on, until the end of the call. -1: exception. */
MUST_USE int async_groups_on(struct vu *vu);
bool async_groups_are_on(const struct vu *vu);
/* The end of a call: back to the group that it began in. */
void async_groups_off(struct vu *vu);
void async_groups_free(struct vu *vu);

/* Code that follows belongs to that group path ("" or "::a::b"). */
void async_groups_enter(struct vu *vu, struct str path);

/* What a task of the VU takes along (0: nothing), and its return to it. */
unsigned async_groups_now(struct vu *vu);
void async_groups_resume(struct vu *vu, unsigned group);

/* Before jobs run: what was queued until now belongs to the present group. */
void async_groups_close(struct vu *vu);
/* JS_ExecutePendingJob in the right group. */
MUST_USE int async_groups_run_job(struct vu *vu);

#endif
