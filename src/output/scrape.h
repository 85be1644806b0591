/* The target's own metrics beside the run's (--scrape): read once a second while it runs, or less
 * often, and at the end compared with p(95) of http_req_duration second by second (correlate.h).
 *
 * Bounded: series and seconds of each target, bytes of an answer. A target that can't be read is
 * said once and costs the run nothing. Main's thread; reading runs on fibers of its loop. */
#ifndef OUTPUT_SCRAPE_H
#define OUTPUT_SCRAPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct output_context;
struct scrape;
struct window;

/* Of the context loop, env, network and voice count. */
struct scrape *scrape_new(const struct output_context *context);
/* Runs the loop until nothing is being read. NULL is allowed. */
void scrape_free(struct scrape *s);

/* "name=http://host/metrics", or "name=http://host/metrics,interval=5s" (whole seconds). Names tell
 * targets apart. ERR_INVALID. */
MUST_USE int scrape_add(struct scrape *s, struct str spec, struct diag *d);

/* What a target told in a second of the run, as metrics "scrape:NAME/METRIC" with its labels as
 * tags: gauges, and counters by what was added since the reading before (none of the first). The
 * window is valid during the call. */
void scrape_on_read(struct scrape *s,
                    void (*fn)(void *arg, int64_t second, const char *target,
                               const struct window *w),
                    void *arg);

/* Once a second while the test runs: reads the targets that are due. Seconds count from 0. */
void scrape_tick(struct scrape *s, int64_t second);
/* That second's p(95), in milliseconds, whenever it is known; NAN: no request ended in it. */
void scrape_note(struct scrape *s, int64_t second, double p95);

/* The table, as text for a terminal. */
void scrape_text(const struct scrape *s, struct buf *out);

#endif
