/* Exemplars of a run: of each series the slowest requests and the slowest failed ones, with what
 * finds them again: trace id, URL, status, phases (--summary-exemplars).
 *
 * Bounded: so many series, so many requests of each; the slowest stay. Main's thread. */
#ifndef OUTPUT_EXEMPLARS_H
#define OUTPUT_EXEMPLARS_H

#include "base/buf.h"
#include "base/str.h"

struct exemplars;
struct window;

struct exemplars *exemplars_new(void);
void exemplars_free(struct exemplars *e); /* NULL is allowed */

/* Takes a window's; it is theirs only until the shards that made them are freed. */
void exemplars_take(struct exemplars *e, const struct window *w);

/* The list as text for a terminal, the slowest first; nothing when there was no request. `link`
 * (empty: none) is a URL in which {trace_id} is replaced. */
void exemplars_text(const struct exemplars *e, struct str link, struct buf *out);

#endif
