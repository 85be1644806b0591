#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "proto/h2/internal.h"

enum {
    READ_SIZE = 64 * 1024,
    WRITE_SIZE = 64 * 1024, /* at most one frame more is written at once */
    OUT_KEPT = 4 * 1024,    /* a larger buffer is not kept between writes */
};

static const int64_t LATE_FLUSH_NSEC = 10 * NSEC_PER_SEC;

/* Read into by every connection of the thread: a stream parks before it has read something, never
 * after, so a buffer is free again before another fiber runs. */
static _Thread_local uint8_t input[READ_SIZE];

/* --- the end ------------------------------------------------------------------------------ */

static void free_conn(struct h2_conn *c)
{
    nghttp2_session_del(c->session);
    stream_close(c->transport);
    buf_deinit(&c->out);
    mem_free(c);
}

struct h2_conn *h2_conn_ref(struct h2_conn *c)
{
    c->refs++;
    return c;
}

void h2_conn_unref(struct h2_conn *c)
{
    if (!c || --c->refs > 0)
        return;
    if (c->reader)
        fiber_cancel(c->reader);
    else
        free_conn(c);
}

void h2_conn_fail(struct h2_conn *c, int err, uint32_t code)
{
    if (c->err)
        return;
    c->err = err;
    c->code = code;
    while (c->streams)
        h2_stream_end(c->streams, err, code, NULL);
    if (c->reader)
        fiber_cancel(c->reader);
}

/* The transport broke. A server that had announced it with a reason is believed. */
static void fail_transport(struct h2_conn *c, int err)
{
    if (c->is_going_away && c->goaway_code != NGHTTP2_NO_ERROR)
        h2_conn_fail(c, ERR_H2_GOAWAY, c->goaway_code);
    else
        h2_conn_fail(c, err, 0);
}

/* --- writing ------------------------------------------------------------------------------ */

/* Collects frames; false: nghttp2 failed. */
static bool gather(struct h2_conn *c)
{
    buf_reset(&c->out);
    while (c->out.len < WRITE_SIZE) {
        const uint8_t *data;
        ssize_t len = nghttp2_session_mem_send(c->session, &data);

        if (len < 0)
            return false;
        if (len == 0)
            break;
        buf_append(&c->out, data, (size_t)len);
    }
    return true;
}

static void note_written(struct h2_conn *c)
{
    int64_t now = clock_now();

    for (struct h2_stream *s = c->streams; s; s = s->_next) {
        if (s->_is_sent && s->written == 0) {
            s->written = now;
            h2_stream_wake(s);
        }
    }
}

void h2_conn_flush(struct h2_conn *c, int64_t deadline)
{
    if (c->is_writing)
        return;
    c->is_writing = true;
    h2_conn_ref(c);
    while (!c->err) {
        int err;

        if (!gather(c)) {
            h2_conn_fail(c, ERR_HTTP2, 0);
            break;
        }
        if (c->out.len == 0)
            break;
        err = stream_write(c->transport, c->out.data, c->out.len, deadline);
        if (err)
            fail_transport(c, err);
        else
            note_written(c);
    }
    c->is_writing = false;
    if (c->out._cap > OUT_KEPT)
        buf_deinit(&c->out);
    h2_conn_unref(c);
}

static void flush_main(void *arg)
{
    struct h2_conn *c = arg;

    h2_conn_flush(c, clock_now() + LATE_FLUSH_NSEC);
    h2_conn_unref(c);
}

void h2_conn_flush_later(struct h2_conn *c)
{
    if (!c->err && !c->is_writing && nghttp2_session_want_write(c->session))
        fiber_start(c->loop, flush_main, h2_conn_ref(c));
}

/* --- reading ------------------------------------------------------------------------------ */

/* What arrived made something to send. A fiber that is sending a body does it, so that the reader
 * is not held up by a server that does not read. */
static void answer(struct h2_conn *c)
{
    if (!nghttp2_session_want_write(c->session))
        return;
    for (struct h2_stream *s = c->streams; s; s = s->_next) {
        if (s->_writer) {
            h2_stream_wake(s);
            return;
        }
    }
    h2_conn_flush(c, INT64_MAX);
}

/* One read; false: the connection is over. */
static bool read_once(struct h2_conn *c)
{
    int64_t ready = 0;
    ptrdiff_t got = stream_read(c->transport, input, sizeof input, INT64_MAX, &ready);
    ssize_t used;

    if (got <= 0) {
        fail_transport(c, got == 0 ? ERR_UNEXPECTED_EOF : (int)got);
        return false;
    }
    c->ready = ready;
    used = nghttp2_session_mem_recv(c->session, input, (size_t)got);
    if (used < 0) {
        h2_conn_fail(c, ERR_H2_CONNECTION,
                     used == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM
                                                 : NGHTTP2_PROTOCOL_ERROR);
        return false;
    }
    answer(c);
    if (!nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session))
        h2_conn_fail(c, c->own_code ? ERR_H2_CONNECTION : ERR_EOF, c->own_code);
    return !c->err;
}

static void reader_main(void *arg)
{
    struct h2_conn *c = arg;

    while (!c->err && read_once(c))
        continue;
    c->reader = NULL;
    if (c->refs == 0)
        free_conn(c);
}

/* --- the beginning ------------------------------------------------------------------------ */

struct h2_conn *h2_conn_new(struct stream *transport)
{
    struct h2_conn *c = mem_zalloc(sizeof *c);

    c->transport = transport;
    c->refs = 1;
    c->loop = fiber_loop();
    buf_init(&c->out, SIZE_MAX);
    c->session = h2_session_new(c);
    c->reader = fiber_start(c->loop, reader_main, c);
    return c;
}

bool h2_conn_is_open(const struct h2_conn *c)
{
    return !c->err && !c->is_going_away && nghttp2_session_check_request_allowed(c->session);
}

const struct stream *h2_conn_transport(const struct h2_conn *c)
{
    return c->transport;
}

void h2_conn_take_bytes(struct h2_conn *c, uint64_t *sent, uint64_t *received)
{
    struct stream_bytes now = c->transport->bytes;

    *sent = now.sent - c->taken.sent;
    *received = now.received - c->taken.received;
    c->taken = now;
}
