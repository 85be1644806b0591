/* A run as files for other programs, from the store. Internal to src/api. */
#ifndef API_RUN_FILES_H
#define API_RUN_FILES_H

#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/diag.h"

struct store;

/* A line per metric, region and step of so many seconds (0: what gives some thousand steps at
 * most). ERR_LIMIT when it would be more than RUN_CSV_MAX bytes. */
#define RUN_CSV_MAX ((size_t)256 * 1024 * 1024)
MUST_USE int run_csv(struct store *s, const char *run, int64_t step, struct buf *out,
                     struct diag *d);

/* JUnit XML: a suite of thresholds, failed ones among them, and one of checks, which tell their
 * counts (output/report.h). */
MUST_USE int run_junit(struct store *s, const char *run, struct buf *out, struct diag *d);

#endif
