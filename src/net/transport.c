#include "net/transport.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "loop/fiber.h"

enum {
    PARTS_MAX = 16,  /* parts of a gathering write that go into one attempt */
    STREAK_MAX = 32, /* attempts without a wait before others get their turn */
};

void transport_wake(struct transport *t)
{
    for (size_t i = 0; i < COUNT_OF(t->_waits); i++) {
        if (t->_waits[i].fiber && (t->io.ready & t->_waits[i].bits))
            fiber_wake(t->_waits[i].fiber);
    }
}

static void on_ready(struct io *io)
{
    struct transport *t = CONTAINER_OF(io, struct transport, io);

    transport_wake(t);
    if (t->watch)
        t->watch(t->watch_arg);
}

void transport_init(struct transport *t, const struct stream_ops *stream_ops,
                    const struct transport_ops *ops, struct loop *loop)
{
    *t = (struct transport){
        .stream.ops = stream_ops,
        .ops = ops,
        .loop = loop,
        .io = {.fd = -1, .on_ready = on_ready},
    };
}

int transport_wait(struct transport *t, enum transport_side side, unsigned bits, int64_t deadline)
{
    int err = 0;

    t->_streak = 0;
    t->_waits[side] = (struct transport_wait){fiber_current(), bits};
    while (!(t->io.ready & bits) && err == 0)
        err = fiber_park_until(deadline);
    t->_waits[side].fiber = NULL;
    return err;
}

int transport_take_turn(struct transport *t, int64_t deadline)
{
    if (LIKELY(++t->_streak < STREAK_MAX))
        return 0;
    t->_streak = 0;
    fiber_yield();
    if (fiber_is_cancelled(fiber_current()))
        return ERR_CANCELLED;
    return loop_now(t->loop) >= deadline ? ERR_TIMEOUT : 0;
}

ptrdiff_t transport_read(struct stream *s, void *out, size_t size, int64_t deadline,
                         int64_t *ready_nsec)
{
    struct transport *t = transport_of(s);
    int err = transport_take_turn(t, deadline);
    ptrdiff_t got;

    if (err)
        return err;
    while ((got = transport_try_read(t, out, size)) == -EAGAIN) {
        err = transport_wait(t, TRANSPORT_READER, IO_READ, deadline);
        if (err)
            return err;
    }
    if (ready_nsec)
        *ready_nsec = t->io.ready_nsec;
    return got;
}

/* Drops `len` written bytes from the front of the parts; returns how many parts are done. */
static size_t advance(struct iovec *parts, size_t count, size_t len)
{
    size_t done = 0;

    while (done < count && len >= parts[done].iov_len)
        len -= parts[done++].iov_len;
    if (done < count) {
        parts[done].iov_base = (char *)parts[done].iov_base + len;
        parts[done].iov_len -= len;
    }
    return done;
}

static int write_all(struct transport *t, struct iovec *parts, size_t count, int64_t deadline)
{
    size_t done = 0;

    while (done < count) {
        int err = transport_take_turn(t, deadline);
        ptrdiff_t put = err ? err : t->ops->try_write(t, parts + done, count - done);

        if (put >= 0) {
            done += advance(parts + done, count - done, (size_t)put);
            continue;
        }
        if (put != -EAGAIN)
            return (int)put;
        err = transport_wait(t, TRANSPORT_WRITER, IO_WRITE, deadline);
        if (err)
            return err;
    }
    return 0;
}

int transport_write(struct stream *s, const struct iovec *parts, size_t count, int64_t deadline)
{
    struct iovec left[PARTS_MAX];

    while (count > 0) {
        size_t n = count < PARTS_MAX ? count : PARTS_MAX;
        int err;

        memcpy(left, parts, n * sizeof *parts);
        err = write_all(transport_of(s), left, n, deadline);
        if (err)
            return err;
        parts += n;
        count -= n;
    }
    return 0;
}
