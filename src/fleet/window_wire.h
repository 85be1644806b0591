/* Windows as bytes (gale.fleet.Window): what an agent measured in a second, on its way.
 *
 * A message is whole in itself: metrics, tags and histograms are in it, each string once. The
 * receiver interns metrics and tag sets in a book, so that the series of its windows have stable
 * addresses for as long as the book lives (metrics/window.h asks for that). */
#ifndef FLEET_WINDOW_WIRE_H
#define FLEET_WINDOW_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"
#include "metrics/metric.h"

struct series_book;
struct window;

/* Merges windows and encodes them as one: series that are the same in several (by metric and tags)
 * become one. Appends to `out`. */
void window_encode(const struct window *const *windows, size_t count, struct buf *out);

struct series_book *series_book_new(uint32_t max_series); /* 0: the default, 1,000,000 */
void series_book_free(struct series_book *book);

/* Reads one. *out is the caller's (window_free), its series the book's. ERR_SYNTAX on anything
 * malformed, ERR_INVALID where a metric has another type than the book knows, ERR_LIMIT on more
 * series than the book takes; nothing is out then. */
MUST_USE int window_decode(struct series_book *book, struct str bytes, struct window **out,
                           struct diag *d);

#endif
