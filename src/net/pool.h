/* The kept connections of one VU: idle streams by scheme, host, port and proxy.
 *
 * A VU mostly has one connection, so the pool is a short list in order of use: taking from it is a
 * few comparisons and no allocation. Limits are k6's (HTP-24): `max_idle` in all (batch),
 * `max_idle_per_host` (batchPerHost); the one unused for longest goes first. */
#ifndef NET_POOL_H
#define NET_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "net/stream.h"

/* Where a connection leads; compared without allocation. `host` in lower case. */
struct pool_key {
    struct str host;
    struct str proxy; /* proxy->key; empty: straight */
    uint16_t port;
    bool is_tls;
};

/* A connection, in use or idle. */
struct conn {
    struct stream *stream; /* owned */
    uint64_t requests;     /* how many it has carried; kept by the protocol */
    struct pool_key _key;  /* its texts lie behind the struct */
    struct conn *_newer;
    struct conn *_older;
};

struct pool {
    size_t max_idle;
    size_t max_idle_per_host;
    struct conn *_newest;
    struct conn *_oldest;
    size_t _count;
};

void pool_init(struct pool *pool, size_t max_idle, size_t max_idle_per_host);
void pool_deinit(struct pool *pool); /* closes what is idle */

/* An idle, healthy connection, now the caller's; NULL: there is none. Dead ones met on the way are
 * closed. */
struct conn *pool_take(struct pool *pool, const struct pool_key *key);

bool pool_key_eq(const struct pool_key *a, const struct pool_key *b);

/* A connection in use around a fresh stream; the key is copied. */
struct conn *conn_new(const struct pool_key *key, struct stream *stream);
/* Closes the stream and frees everything. NULL is allowed. */
void conn_free(struct conn *conn);

/* Gives a connection back for reuse; closes another one, or it, when there are too many. */
void pool_give(struct pool *pool, struct conn *conn);

/* Closes every idle connection (noVUConnectionReuse, end of an iteration). */
void pool_close_idle(struct pool *pool);
size_t pool_idle_count(const struct pool *pool);

#endif
