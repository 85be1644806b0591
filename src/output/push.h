/* An output that pushes what its series have come to, every few seconds: what such outputs share.
 * An output embeds a struct push as its first field and gives it a way to encode. */
#ifndef OUTPUT_PUSH_H
#define OUTPUT_PUSH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "output/output.h"
#include "output/sender.h"
#include "output/series.h"

enum { PUSH_PAYLOAD_BYTES = 1024 * 1024 }; /* a payload is closed when it has grown past this */

struct push {
    struct output base;
    struct series_set set;
    struct sender *sender;
    /* Appends one series to p->payload and returns how many points that made. The series of a
     * metric come one after another. */
    uint64_t (*encode)(struct push *p, const struct out_series *s);
    /* Makes a payload whole before it goes (compresses it, say); may be NULL. */
    void (*finish)(struct push *p);
    /* The last push is on its way; may be NULL. */
    void (*at_end)(struct push *p);
    void (*free)(struct push *p); /* frees all but what stands in this struct, and the memory */

    /* In place of merging windows to series: appends to p->payload by itself; NULL: it does not. */
    void (*take_samples)(struct output *o, const struct window *w);

    /* The longest point that the backend takes, in bytes of the payload; 0: any. What is longer is
     * left out and counted: the backend would refuse its neighbours with it. */
    size_t point_max;

    struct buf payload; /* under construction */
    uint64_t points;    /* in it */
    int64_t wall_nsec;  /* of this push; each is at least a millisecond after the one before */
    uint64_t every;     /* seconds */
    uint64_t ticks;
};

/* The caller has set the functions above that it has. `interval` (ns) is rounded to whole seconds,
 * at least one. Takes over `description` (heap) and the transport. */
void push_init(struct push *p, const struct output_context *context, int64_t interval,
               bool is_cumulative, char *description, struct transport *transport, int64_t timeout);

/* Encodes the series that have news, or all of them, and sends them. */
void push_all(struct push *p, int64_t wall_nsec, bool only_news);
/* Ends the points of one series that were appended behind `before` bytes of the payload. */
void push_points(struct push *p, size_t before, uint64_t points, struct str metric);
/* Sends the payload if it has grown large enough, or in any case. For outputs that add to it by
 * themselves. */
void push_payload(struct push *p, bool in_any_case);

#endif
