#include "net/memstream.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"

struct end {
    struct stream stream;
    struct end *peer; /* NULL once the peer is closed */
    struct buf in;    /* written by the peer, not read yet */
    bool in_ended;    /* the peer said that nothing follows, or was closed */
    int64_t in_nsec;  /* when the newest byte, or the end, arrived */
    size_t read;      /* so far */
    size_t written;   /* so far */
    struct fiber *reader;
    struct fiber *writer; /* of the peer: waits for room in `in` */
    struct memstream_faults faults;
};

static struct end *end_of(struct stream *s)
{
    return CONTAINER_OF(s, struct end, stream);
}

static void wake(struct fiber **fiber)
{
    if (*fiber)
        fiber_wake(*fiber);
}

static void deliver(struct end *to, const void *data, size_t len)
{
    buf_append(&to->in, data, len);
    to->in_nsec = clock_now();
    wake(&to->reader);
}

static void deliver_end(struct end *to)
{
    to->in_ended = true;
    to->in_nsec = clock_now();
    wake(&to->reader);
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many bytes a read may return now, as far as the faults say; 0 with an outcome: the end or an
 * error. */
static size_t allowed_read(const struct end *e, size_t size, int *outcome)
{
    *outcome = 0;
    if (e->faults.max_read)
        size = min_size(size, e->faults.max_read);
    if (e->faults.read_error) {
        if (e->read >= e->faults.fail_read_after) {
            *outcome = e->faults.read_error;
            return 0;
        }
        size = min_size(size, e->faults.fail_read_after - e->read);
    }
    if (e->faults.end_read_after <= e->read)
        return 0;
    return min_size(size, e->faults.end_read_after - e->read);
}

static ptrdiff_t mem_read(struct stream *s, void *out, size_t size, int64_t deadline,
                          int64_t *ready_nsec)
{
    struct end *e = end_of(s);
    int err = 0;

    size = allowed_read(e, size, &err);
    if (size == 0)
        return err;
    e->reader = fiber_current();
    while (e->in.len == 0 && !e->in_ended && err == 0)
        err = fiber_park_until(deadline);
    e->reader = NULL;
    if (err)
        return err;
    size = min_size(size, e->in.len);
    if (size)
        memcpy(out, e->in.data, size);
    buf_consume(&e->in, size);
    e->read += size;
    s->bytes.received += size;
    if (ready_nsec)
        *ready_nsec = e->in_nsec;
    if (e->peer)
        wake(&e->writer);
    return (ptrdiff_t)size;
}

/* How many bytes can be written now; parks while there is no room. */
static ptrdiff_t wait_for_room(struct end *e, size_t len, int64_t deadline)
{
    size_t capacity = e->faults.capacity;
    int err = 0;

    if (e->faults.write_error) {
        if (e->written >= e->faults.fail_write_after)
            return e->faults.write_error;
        len = min_size(len, e->faults.fail_write_after - e->written);
    }
    while (capacity && e->peer && e->peer->in.len >= capacity) {
        struct end *peer = e->peer;

        peer->writer = fiber_current();
        err = fiber_park_until(deadline);
        if (e->peer)
            peer->writer = NULL;
        if (err)
            return err;
    }
    if (!e->peer)
        return ERR_BROKEN_PIPE;
    return (ptrdiff_t)(capacity ? min_size(len, capacity - e->peer->in.len) : len);
}

static int mem_write(struct stream *s, const struct iovec *parts, size_t count, int64_t deadline)
{
    struct end *e = end_of(s);

    for (size_t i = 0; i < count; i++) {
        const char *at = parts[i].iov_base;
        size_t left = parts[i].iov_len;

        while (left > 0) {
            ptrdiff_t room = wait_for_room(e, left, deadline);

            if (room < 0)
                return (int)room;
            deliver(e->peer, at, (size_t)room);
            e->written += (size_t)room;
            s->bytes.sent += (size_t)room;
            at += room;
            left -= (size_t)room;
        }
    }
    return 0;
}

static bool mem_is_idle_healthy(struct stream *s)
{
    struct end *e = end_of(s);
    int err;

    return e->in.len == 0 && !e->in_ended && allowed_read(e, 1, &err) > 0;
}

static void mem_close(struct stream *s)
{
    struct end *e = end_of(s);

    if (e->peer) {
        wake(&e->writer);
        e->peer->peer = NULL;
        deliver_end(e->peer);
    }
    buf_deinit(&e->in);
    mem_free(e);
}

static const struct stream_ops mem_ops = {
    .read = mem_read,
    .write = mem_write,
    .is_idle_healthy = mem_is_idle_healthy,
    .close = mem_close,
};

static struct end *end_new(void)
{
    struct end *e = mem_zalloc(sizeof *e);

    e->stream.ops = &mem_ops;
    e->faults = (struct memstream_faults)MEMSTREAM_FAULTS_NONE;
    buf_init(&e->in, SIZE_MAX);
    return e;
}

void memstream_pair(const struct memstream_faults *faults, struct stream **a, struct stream **b)
{
    struct end *x = end_new();
    struct end *y = end_new();

    x->peer = y;
    y->peer = x;
    if (faults)
        x->faults = *faults;
    *a = &x->stream;
    *b = &y->stream;
}

void memstream_push(struct stream *s, const void *data, size_t len)
{
    struct end *e = end_of(s);

    if (e->peer)
        deliver(e->peer, data, len);
}

void memstream_end(struct stream *s)
{
    struct end *e = end_of(s);

    if (e->peer)
        deliver_end(e->peer);
}

struct str memstream_unread(const struct stream *s)
{
    return buf_str(&end_of((struct stream *)(uintptr_t)s)->in);
}
