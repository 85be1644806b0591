/* The summary as data: --summary-export, the argument of handleSummary(), and k6's machine-readable
 * form (reference: summary-export.json, summary-machine-readable.json; k6-features.md SUM-07 to
 * SUM-10). */
#ifndef OUTPUT_EXPORT_H
#define OUTPUT_EXPORT_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"
#include "output/summary.h"

struct threshold_set;
struct totals;

struct export_input {
    const struct totals *totals;
    const struct threshold_set *thresholds;
    double run_seconds;
    const struct summary_options *options;
    const char *setup_data_json; /* NULL: none */
    struct str script;           /* its text, for the machine-readable form */
    const char *time_unit;       /* options.summaryTimeUnit */
    bool stdout_is_terminal;
    bool stderr_is_terminal;
};

/* The id that k6 gives the group or check of a path: its MD5 in hex. Returns `out`. */
enum { EXPORT_ID_SIZE = 33 };
char *export_id(const char *path, char *out);

/* JSON text on the heap; the caller frees it with mem_free. */
char *export_summary(const struct export_input *in);        /* --summary-export */
char *export_handle_summary(const struct export_input *in); /* handleSummary's data */
char *export_machine_readable(const struct export_input *in);

/* Writes what handleSummary returned: an object of texts (or {"$base64": ...}) by file name; the
 * names stdout and stderr are those streams. An error names the file; the others are still written.
 */
MUST_USE int export_write_files(const char *json, struct diag *d);
/* Writes a whole file; an error says which and why (a full disk among them). */
MUST_USE int export_write_file(const char *path, struct str text, struct diag *d);

#endif
