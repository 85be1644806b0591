/* Streams that TLS can run on: beside the reads and writes of stream.h, which wait, they have
 * attempts, which never do. TCP is one (tcp.h), TCP over an emulated distance another (emulate.h).
 *
 * An implementation gives attempts and close; waiting, taking turns and stream.h's read and write
 * are here, once. What it is ready for are the bits of `io`, edge-triggered: they are cleared by an
 * attempt that finds nothing more, and set by the loop, or by whoever plays its part.
 *
 * Everything belongs to the thread of the loop. */
#ifndef NET_TRANSPORT_H
#define NET_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "loop/loop.h"
#include "net/stream.h"

struct transport;

struct transport_ops {
    /* They move what can be moved now; -EAGAIN, with the bit cleared, when that is nothing. 0 from
     * try_read is the peer's end. They count bytes and return stream errors. */
    ptrdiff_t (*try_read)(struct transport *t, void *out, size_t size);
    ptrdiff_t (*try_write)(struct transport *t, const struct iovec *parts, size_t count);
};

enum transport_side { TRANSPORT_READER, TRANSPORT_WRITER }; /* whose wait it is */

struct transport {
    struct stream stream;
    const struct transport_ops *ops;
    struct loop *loop;
    struct io io;
    /* One reader and one writer may wait at the same time (HTTP/2, WebSockets), so waiting is done
     * here and not by io_wait, which has room for one fiber. It also differs for a writer: the
     * peer's half of the connection being closed is no reason for it to stop waiting. */
    struct transport_wait {
        struct fiber *fiber; /* NULL: nobody waits */
        unsigned bits;
    } _waits[2];
    unsigned _streak; /* attempts since the last wait */
    /* Called on the loop when bits arrive, after fibers were woken; NULL: nobody watches. */
    void (*watch)(void *arg);
    void *watch_arg;
};

/* Fills `t` in, all but io.fd: the caller registers the socket, when there is one. */
void transport_init(struct transport *t, const struct stream_ops *stream_ops,
                    const struct transport_ops *ops, struct loop *loop);

static inline struct transport *transport_of(struct stream *s)
{
    return CONTAINER_OF(s, struct transport, stream);
}

MUST_USE static inline ptrdiff_t transport_try_read(struct transport *t, void *out, size_t size)
{
    return t->ops->try_read(t, out, size);
}

MUST_USE static inline ptrdiff_t transport_try_write(struct transport *t, const void *data,
                                                     size_t len)
{
    struct iovec part = {(void *)(uintptr_t)data, len};

    return t->ops->try_write(t, &part, 1);
}

/* When it last became ready. */
static inline int64_t transport_ready_nsec(const struct transport *t)
{
    return t->io.ready_nsec;
}

/* Whether an idle one has something to be read: data, its end, or an error. */
static inline bool transport_has_news(const struct transport *t)
{
    return t->io.ready & (IO_READ | IO_HANGUP);
}

/* Parks until one of `bits` is ready: 0, ERR_TIMEOUT or ERR_CANCELLED. A fiber may wait for one
 * while another waits for the other. */
MUST_USE YIELDS int transport_wait(struct transport *t, enum transport_side side, unsigned bits,
                                   int64_t deadline);

/* To be called before each attempt: after a long series without a wait it lets other fibers run, so
 * that a peer faster than us cannot keep the worker to itself. 0, ERR_TIMEOUT or ERR_CANCELLED. */
MUST_USE YIELDS int transport_take_turn(struct transport *t, int64_t deadline);

/* Wakes who waits for what is ready now. Bits that the loop sets do that by themselves. */
void transport_wake(struct transport *t);

/* For stream_ops. */
YIELDS ptrdiff_t transport_read(struct stream *s, void *out, size_t size, int64_t deadline,
                                int64_t *ready_nsec);
YIELDS int transport_write(struct stream *s, const struct iovec *parts, size_t count,
                           int64_t deadline);

#endif
