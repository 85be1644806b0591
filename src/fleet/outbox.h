/* What an agent has measured and the stream has not acknowledged yet.
 *
 * Messages go out in order, many at a time; one that fails goes out again, with the same id, until
 * the stream has it. While the link is cut they wait: a quarter of the bound in memory, the rest in
 * a file up to another bound. Where the disk takes nothing they stay in memory, and it is tried
 * again; past both bounds the oldest are dropped and counted, so that the newest picture wins.
 *
 * Threads: the loop's. */
#ifndef FLEET_OUTBOX_H
#define FLEET_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct bus;
struct loop;
struct outbox;

struct outbox_config {
    struct bus *bus;
    struct loop *loop;
    const char *folder;  /* for the file; NULL: memory alone */
    uint64_t max_memory; /* bytes; 0: 32 MB */
    uint64_t max_file;   /* bytes; 0: 1 GB */
};

struct outbox *outbox_new(const struct outbox_config *config);
void outbox_free(struct outbox *o); /* NULL is allowed; what waits is lost */

/* Takes `bytes` (heap) over. `sequence` grows from message to message; `id` is copied. */
void outbox_add(struct outbox *o, const char *subject, const char *id, uint64_t sequence,
                char *bytes, size_t len);

/* Sends now what waits: the link is back. */
void outbox_kick(struct outbox *o);

/* Forgets what waits: nobody wants it any more. */
void outbox_clear(struct outbox *o);

struct outbox_stats {
    uint64_t waiting;       /* messages */
    uint64_t waiting_bytes; /* of them */
    uint64_t in_file;       /* messages of them */
    uint64_t dropped;       /* messages, since the beginning */
    uint64_t
        acknowledged; /* every message up to this sequence number is in the stream or dropped */
};
void outbox_stats(const struct outbox *o, struct outbox_stats *out);

#endif
