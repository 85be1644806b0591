/* The target's own metrics beside the run's (--scrape): read once a second while it runs, and at
 * the end compared with p(95) of http_req_duration second by second (correlate.h).
 *
 * Bounded: series and seconds of each target, bytes of an answer. A target that can't be read is
 * said once and costs the run nothing. Main's thread; reading runs on fibers of its loop. */
#ifndef OUTPUT_SCRAPE_H
#define OUTPUT_SCRAPE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct loop;
struct scrape;

struct scrape *scrape_new(struct loop *loop, const char *(*env)(const char *name));
/* Runs the loop until nothing is being read. NULL is allowed. */
void scrape_free(struct scrape *s);

/* "name=http://host/metrics". ERR_INVALID. */
MUST_USE int scrape_add(struct scrape *s, struct str spec, struct diag *d);

/* Once a second: `p95` is that second's, in milliseconds; NAN: no request ended in it. */
void scrape_tick(struct scrape *s, double p95);

/* The table, as text for a terminal. */
void scrape_text(const struct scrape *s, struct buf *out);

#endif
