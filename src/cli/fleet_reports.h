/* The reports of `gale run --fleet` (docs/reports.md): the controller makes them, here they are
 * asked for and written. */
#ifndef CLI_FLEET_REPORTS_H
#define CLI_FLEET_REPORTS_H

#include "base/compiler.h"
#include "base/diag.h"

struct baseline;
struct fleet_client;
struct fleet_reports;
struct test;

struct fleet_reports *fleet_reports_new(const struct test *t);
void fleet_reports_free(struct fleet_reports *r); /* NULL is allowed */

/* Gets what --baseline names: a file, or a run that the controller knows. */
MUST_USE
YIELDS
int fleet_reports_prepare(struct fleet_reports *r, struct fleet_client *c, struct diag *d);
const struct baseline *fleet_reports_baseline(const struct fleet_reports *r); /* NULL: none */

/* Writes what flags ask for, of a run that has ended. Logs what could not be; the last error. */
MUST_USE
YIELDS
int fleet_reports_write(struct fleet_reports *r, struct fleet_client *c, const char *run);

#endif
