/* Windows as bytes (gale.fleet.Window): what an agent measured in a second, on its way.
 *
 * A message is whole in itself: metrics, tags and histograms are in it, each string once. The
 * receiver interns metrics and tag sets in a book (fleet/series_book.h), so that the series of its
 * windows have stable addresses for as long as the book lives (metrics/window.h asks for that). */
#ifndef FLEET_WINDOW_WIRE_H
#define FLEET_WINDOW_WIRE_H

#include <stddef.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct series_book;
struct window;

enum { WINDOW_MAX_BYTES = 4 * 1024 * 1024 }; /* window_decode takes no more */

/* Merges windows and calls fn with their bytes: series that are the same in several (by metric and
 * tags) become one. The slowest of their exemplars go with them (eight, and eight that failed).
 * Once, unless that would pass `max_bytes`: then as often as needed, each whole in itself (one
 * series that is larger goes alone). Not at all when nothing was measured. */
void window_encode(const struct window *const *windows, size_t count, size_t max_bytes,
                   void (*fn)(void *arg, struct str bytes), void *arg);

/* Reads one. *out is the caller's (window_free), its series the book's. Past the
 * book's limit of series, new ones fold into fewer (fleet/series_book.h); so two of a window's may
 * be the same series. ERR_SYNTAX on anything malformed, ERR_INVALID where a metric has another type
 * than the book knows, ERR_LIMIT on more series or histograms than can be taken; nothing is out
 * then. */
MUST_USE int window_decode(struct series_book *book, struct str bytes, struct window **out,
                           struct diag *d);

#endif
