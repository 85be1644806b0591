/* The live page of a `gale run` (--dashboard): the API's server with the one run that there is, on
 * main's loop. The run's clients see it end with all that it measured, as nothing answers them
 * afterwards. */
#ifndef CLI_DASHBOARD_H
#define CLI_DASHBOARD_H

#include "base/compiler.h"
#include "base/diag.h"

struct dashboard;
struct dashboard_settings;
struct session;

/* Listens; the session has its local run, and its run until dashboard_stop. ERR_INVALID or -errno
 * with a message when it can't. */
MUST_USE int dashboard_start(struct session *s, const struct dashboard_settings *settings,
                             struct dashboard **out, struct diag *d);
/* "http://127.0.0.1:5665" */
const char *dashboard_url(const struct dashboard *db);
/* Opens a browser with it; only a warning when there is none. */
void dashboard_open(struct dashboard *db);
/* The local run has ended: says so to whoever follows it. Runs the loop. */
void dashboard_end(struct dashboard *db);
/* Waits until that has arrived, for a moment at most, and listens no more. NULL is allowed. */
void dashboard_stop(struct dashboard *db);
/* After the local run's store was closed. NULL is allowed. */
void dashboard_free(struct dashboard *db);

#endif
