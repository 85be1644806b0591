/* A `gale run` as the API shows one (docs/api/openapi.yaml) and as a report needs it: what it
 * measures goes into a store of its own, in a folder that lives as long as the run. Main's thread.
 */
#ifndef CLI_LOCAL_RUN_H
#define CLI_LOCAL_RUN_H

#include <jansson.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "engine/run.h"

struct keeper;
struct local_run;
struct session;

/* Before the session's run is made. -errno with a message when the folder can't be made. */
MUST_USE int local_run_new(struct session *s, struct local_run **out, struct diag *d);
void local_run_free(struct local_run *r); /* with its folder; NULL is allowed */

/* Called when something can be shown: the event's name and data as followRun's stream has them. The
 * data is borrowed. */
void local_run_watch(struct local_run *r,
                     void (*fn)(void *arg, const char *event, const json_t *data), void *arg);

/* The session's run says these; thresholds have been judged. */
void local_run_phase(struct local_run *r, enum run_phase phase);
void local_run_tick(struct local_run *r, const struct run_tick *tick);
/* The second of the run that a tick is about; -1: before its start. */
int64_t local_run_second(const struct local_run *r, int64_t tick_second);
/* The session's result and exit code are known. */
void local_run_end(struct local_run *r);

const char *local_run_id(const struct local_run *r);
bool local_run_is_over(const struct local_run *r);
struct keeper *local_run_keeper(const struct local_run *r);
json_t *local_run_view(const struct local_run *r);     /* Run */
json_t *local_run_snapshot(const struct local_run *r); /* Snapshot */
/* False: it has ended, or is being stopped. */
bool local_run_stop(struct local_run *r, const char *reason);

/* After the end: all of it, as Export. Runs the loop. */
MUST_USE int local_run_export(struct local_run *r, json_t **out, struct diag *d);

#endif
