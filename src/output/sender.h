/* What outputs to a backend have in common: payloads wait in a bounded queue and go one after
 * another, from a fiber of main's loop, so that a slow backend delays nobody.
 *
 * An attempt that fails is made again with growing pauses. When the queue is full the oldest
 * payload is dropped. Points are counted: made = delivered + dropped, once sender_stop has
 * returned. The first failure is said, and so is its end; what was lost is sender_stop's to say.
 */
#ifndef OUTPUT_SENDER_H
#define OUTPUT_SENDER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/diag.h"
#include "output/output.h"

struct loop;
struct sender;
struct transport;

enum { SENDER_QUEUE_BYTES = 64 * 1024 * 1024 };

struct sender_options {
    struct loop *loop;           /* main's */
    const char *name;            /* "influxdb (http://127.0.0.1:8086/k6)": for messages; copied */
    struct transport *transport; /* owned by the sender */
    int64_t timeout;             /* nanoseconds for one attempt */
    int64_t end_timeout;         /* and for all that waits at the end; 0: 5 s */
    size_t queue_bytes;          /* 0: SENDER_QUEUE_BYTES */
    struct output_voice voice;
};

struct sender_counts {
    uint64_t made;
    uint64_t delivered;
    uint64_t dropped;
};

struct sender *sender_new(const struct sender_options *options);
void sender_free(struct sender *s); /* after sender_stop, if anything was pushed. NULL is allowed */

/* Takes the bytes of `payload`, which is empty then; it holds `points` of them. */
void sender_push(struct sender *s, struct buf *payload, uint64_t points);

/* Counts points that can't be sent at all as lost, and says why, once. */
void sender_refuse(struct sender *s, uint64_t points, const char *why);

/* Nothing more will be pushed: pauses end now, and what can't be delivered soon is given up. */
void sender_end(struct sender *s);

/* After sender_end, outside of the loop: runs it until the queue is empty. Returns an error with a
 * message when anything was lost. */
int sender_stop(struct sender *s, struct diag *d);

void sender_get_counts(const struct sender *s, struct sender_counts *out);

#endif
