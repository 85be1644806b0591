/* Exemplars of a run: single requests with what finds them again (trace id, URL, status, phases).
 *
 * Kept are, of each series, the slowest requests and the slowest failed ones, so that one slow path
 * does not hide the others; and of each span of time in each region the slowest and the slowest
 * failed one, so that each stretch of the run has its own. Bounded: so many series, so many
 * requests of each, so many spans, which double when the run outgrows them; the slowest stay.
 * Main's thread. */
#ifndef OUTPUT_EXEMPLARS_H
#define OUTPUT_EXEMPLARS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "metrics/request.h"

struct exemplars;
struct window;

enum { EXEMPLAR_SPANS = 120 }; /* of a run in a region, at most; half of them at least */

struct exemplar {
    uint64_t id;    /* from 1, in the order in which they were taken */
    int64_t second; /* of the run; negative: before its start */
    struct request_record request;
};

struct exemplars *exemplars_new(void);
void exemplars_free(struct exemplars *e); /* NULL is allowed */

/* Takes those of a second's window; their tags must last as long as this. */
void exemplars_take(struct exemplars *e, const struct window *w, int64_t second);

/* Each that is kept, the last taken first. The array is the caller's (mem_free); what it points to
 * is valid until the next exemplars_take. */
const struct exemplar **exemplars_list(const struct exemplars *e, size_t *count);

/* The slowest and the slowest failed ones as text for a terminal; nothing when there was no
 * request. `link` (empty: none) is a URL in which {trace_id} is replaced. */
void exemplars_text(const struct exemplars *e, struct str link, struct buf *out);

#endif
