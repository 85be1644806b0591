/* Reports of a finished run for machines and people of a CI: JUnit XML, the annotations of GitHub
 * Actions, and a page of Markdown. */
#ifndef OUTPUT_REPORT_H
#define OUTPUT_REPORT_H

#include <stddef.h>

#include "base/buf.h"
#include "output/baseline.h"
#include "output/summary.h"

struct threshold_set;
struct totals;

struct report_input {
    const char *script; /* as given on the command line */
    const struct totals *totals;
    const struct threshold_set *thresholds;
    const struct summary_options *summary; /* its notice is what the run says of itself */
    double run_seconds;
    int exit_code;
    const char *failure; /* why the exit code is not 0, thresholds aside; NULL: it is */
    const struct estimates *estimates;
    size_t estimate_count;
    const char *baseline_name;       /* NULL: none */
    const struct baseline *baseline; /* NULL: none */
};

/* One suite: a case per threshold, failed when it was crossed; a case per check, which tells its
 * counts and does not fail (only a threshold on checks does); a case for the run itself. */
void report_junit(const struct report_input *in, struct buf *out);

/* Workflow commands (::error title=...::...) for what was crossed or failed, and for what clearly
 * differs from the baseline. */
void report_github(const struct report_input *in, struct buf *out);

void report_markdown(const struct report_input *in, struct buf *out);

/* --- for the reports ------------------------------------------------------------------------ */

/* "http_req_duration{scenario:buy}" */
const char *report_metric_name(const struct threshold *t);

/* Calls fn for each statistic that the baseline has too. */
void report_each_change(const struct report_input *in,
                        void (*fn)(void *arg, const struct estimates *e, size_t stat,
                                   const struct estimate *then, const struct change *change),
                        void *arg);

/* Text on a page of Markdown, in a table's cell too: what would end it, or begin markup, is
 * escaped. */
void report_put_markdown(struct buf *out, const char *text);

/* XML 1.0: markup is escaped, and control characters, which can't be said, become "?". */
void report_put_xml(struct buf *out, const char *text);

/* A statistic's value as the summary shows it. */
void report_put_value(const struct report_input *in, const struct metric *metric, struct agg agg,
                      double value, struct buf *out);

#endif
