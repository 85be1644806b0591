/* The seam between protocols and transports: a connected, bidirectional stream of bytes.
 *
 * Implementations: TCP (tcp.h), TCP over an emulated distance (emulate.h), TLS over either (tls.h),
 * and an in-memory pair for tests (memstream.h). A protocol client calls these as straight blocking
 * code on a fiber.
 *
 * Deadlines are monotonic nanoseconds (INT64_MAX: none); a call that passes one returns
 * ERR_TIMEOUT. A cancelled fiber gets ERR_CANCELLED. Other failures: ERR_RESET, ERR_BROKEN_PIPE,
 * ERR_UNEXPECTED_EOF (TLS cut off without its closing alert), ERR_TLS..., or a negative errno.
 * After a failure other than a timeout or a cancellation the stream is only fit to be closed. One
 * reader and one writer fiber at a time may use a stream; it belongs to one loop. */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/compiler.h"
#include "net/addr.h"

struct stream;
struct tls_info;

/* Counts of bytes on the wire (TLS records included), for data_sent and data_received. */
struct stream_bytes {
    uint64_t sent;
    uint64_t received;
};

struct stream_ops {
    /* Reads at least 1 byte; 0 is the peer's orderly end. *ready_nsec: when the data became
     * readable (see loop/loop.h), not when this fiber got round to reading it; NULL is allowed. */
    YIELDS ptrdiff_t (*read)(struct stream *s, void *out, size_t size, int64_t deadline,
                             int64_t *ready_nsec);
    /* Writes everything or fails. */
    YIELDS int (*write)(struct stream *s, const struct iovec *parts, size_t count,
                        int64_t deadline);
    /* Whether an idle stream can take another request: open, and nothing unexpected arrived. */
    bool (*is_idle_healthy)(struct stream *s);
    /* More about the last failure than err_text knows ("remote error: tls: bad certificate"), or
     * NULL. Valid until the next call. The function itself may be NULL. */
    const char *(*error_text)(struct stream *s);
    /* Closes and frees. Never parks. */
    void (*close)(struct stream *s);
};

struct stream {
    const struct stream_ops *ops;
    struct stream_bytes bytes;
    struct addr remote;         /* with its port; ADDR_NONE in memory. A proxy's when one is used */
    const struct tls_info *tls; /* net/tls.h, lives as long as the stream; NULL: not encrypted */
};

MUST_USE YIELDS static inline ptrdiff_t stream_read(struct stream *s, void *out, size_t size,
                                                    int64_t deadline, int64_t *ready_nsec)
{
    return s->ops->read(s, out, size, deadline, ready_nsec);
}

MUST_USE YIELDS static inline int stream_writev(struct stream *s, const struct iovec *parts,
                                                size_t count, int64_t deadline)
{
    return s->ops->write(s, parts, count, deadline);
}

MUST_USE YIELDS static inline int stream_write(struct stream *s, const void *data, size_t len,
                                               int64_t deadline)
{
    struct iovec part = {(void *)(uintptr_t)data, len};

    return s->ops->write(s, &part, 1, deadline);
}

static inline bool stream_is_idle_healthy(struct stream *s)
{
    return s->ops->is_idle_healthy(s);
}

static inline const char *stream_error_text(struct stream *s)
{
    return s->ops->error_text ? s->ops->error_text(s) : NULL;
}

/* NULL is allowed. */
static inline void stream_close(struct stream *s)
{
    if (s)
        s->ops->close(s);
}

#endif
