/* One request and one response of HTTP/1.1 over a connection.
 *
 * The response is read into one buffer of the arena and stays where it was read: headers and body
 * are pieces of that buffer. Only a body that outgrows it moves to a larger one.
 *
 *     data                 start            body_end        len             cap
 *     | heads ............ | body so far .. | not looked at | free ........ |
 */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "loop/fiber.h"
#include "proto/http_internal.h"

enum {
    FIRST_READ_MIN = 4096,
    FIRST_READ_MAX = 64 * 1024,
    WRITE_AT_ONCE = 64 * 1024,      /* a longer body is written while the response is awaited */
    BODY_AT_ONCE = 8 * 1024 * 1024, /* what Content-Length alone may make us reserve */
};

struct receiver {
    struct http_exchange *x;
    struct arena *arena;
    char *data;
    size_t start; /* of the body */
    size_t len;
    size_t cap;
    uint64_t max_body;
    int64_t deadline;
    int64_t last_ready;
    bool keeps;                   /* false: the body is read and dropped, or given away */
    const struct http_sink *sink; /* NULL: nobody takes pieces */
};

/* --- reading ------------------------------------------------------------------------------ */

/* Room for at least `need` bytes behind `len`. What lies before the body stays in the old buffer,
 * which the head's texts point into. */
static void make_room(struct receiver *r, size_t need)
{
    size_t kept = r->len - r->start;
    size_t cap = r->cap * 2;
    char *data;

    if (r->cap - r->len >= need)
        return;
    if (cap < kept + need)
        cap = kept + need;
    data = arena_alloc(r->arena, cap);
    if (kept)
        memcpy(data, r->data + r->start, kept);
    r->data = data;
    r->cap = cap;
    r->start = 0;
    r->len = kept;
}

/* Reads once; returns how many bytes came, 0 at the end of the stream, or an error.
 *
 * The moment of a read is that at which its data became readable. Data that was there without a
 * wait has no such moment of its own: then the clock tells (x->end stays 0 until the end). */
static ptrdiff_t read_some(struct receiver *r)
{
    struct http_exchange *x = r->x;
    int64_t ready = 0;
    ptrdiff_t got;

    make_room(r, 1);
    got = stream_read(x->link.conn->stream, r->data + r->len, r->cap - r->len, r->deadline, &ready);
    if (got <= 0)
        return got;
    r->len += (size_t)got;
    if (!x->got_bytes) {
        x->got_bytes = true;
        x->first_byte = ready > x->written ? ready : x->written;
    }
    x->end = ready != r->last_ready && ready > x->written ? ready : 0;
    r->last_ready = ready;
    return got;
}

/* As read_some, but the end of the stream is ERR_UNEXPECTED_EOF. */
static int need_more(struct receiver *r)
{
    ptrdiff_t got = read_some(r);

    if (got < 0)
        return (int)got;
    return got == 0 ? ERR_UNEXPECTED_EOF : 0;
}

/* --- the head ----------------------------------------------------------------------------- */

/* Reads heads until the first that is not interim; the body begins at r->start then. */
static int read_head(struct receiver *r, struct http1_head *head)
{
    struct http1_scan scan = {0};
    int interim = 0;

    for (;;) {
        ptrdiff_t size = http1_scan_head(&scan, r->data + r->start, r->len - r->start);
        int err;

        if (size < 0) {
            r->x->why = size == ERR_HTTP ? "malformed HTTP response" : NULL;
            return (int)size;
        }
        if (size == 0) {
            err = need_more(r);
            if (err)
                return err == ERR_UNEXPECTED_EOF && !r->x->got_bytes ? ERR_EOF : err;
            continue;
        }
        err = http1_parse_head(r->data + r->start, (size_t)size, scan.lines, r->x->is_head,
                               r->arena, head, &r->x->why);
        if (err)
            return err;
        r->start += (size_t)size;
        if (head->status >= 200 || head->is_upgrade)
            return 0;
        if (++interim > HTTP1_INTERIM_MAX) {
            r->x->why = "too many 1xx informational responses";
            return ERR_HTTP;
        }
        scan = (struct http1_scan){0};
    }
}

static void take_head(struct http_exchange *x, const struct http1_head *head)
{
    x->status = head->status;
    x->status_text = head->status_text;
    x->proto = head->minor > 0 ? STR("HTTP/1.1") : STR("HTTP/1.0");
    x->response_headers = head->headers;
    x->response_header_count = head->header_count;
    x->has_cookies = head->has_cookies;
    x->has_encoding = head->has_encoding;
}

/* --- bodies ------------------------------------------------------------------------------- */

/* Tells whether a body of that size may be kept. */
static int check_size(const struct receiver *r, uint64_t size)
{
    return r->keeps && size > r->max_body ? ERR_HTTP_BODY_LIMIT : 0;
}

/* Gives a piece to whoever takes them. */
static int give(struct receiver *r, struct str piece)
{
    return r->sink && piece.len ? r->sink->on_data(r->sink->arg, piece) : 0;
}

static int read_length(struct receiver *r, uint64_t length)
{
    uint64_t left;
    int err = check_size(r, length);

    if (err)
        return err;
    if (r->len - r->start > length) {
        /* More than was announced: nobody may take it for the next response. */
        r->len = r->start + (size_t)length;
        r->x->can_reuse = false;
    }
    left = length - (r->len - r->start);
    err = give(r, str_from(r->data + r->start, r->len - r->start));
    while (left > 0 && err == 0) {
        size_t before;

        if (!r->keeps)
            r->len = r->start;
        make_room(r, r->keeps && left < BODY_AT_ONCE ? (size_t)left : 1);
        before = r->len;
        err = need_more(r);
        if (err)
            return err;
        if (r->len - before > left) {
            r->len = before + (size_t)left;
            r->x->can_reuse = false;
        }
        left -= r->len - before;
        err = give(r, str_from(r->data + before, r->len - before));
    }
    return err;
}

static int read_chunked(struct receiver *r)
{
    struct http1_chunks chunks = HTTP1_CHUNKS_INIT;
    struct str in = str_from(r->data + r->start, r->len - r->start);
    size_t size = 0;

    for (;;) {
        struct str piece;
        int event = http1_chunks_next(&chunks, &in, &piece);
        int err = event < 0 ? event : 0;

        if (event == HTTP1_CHUNK_END) {
            r->x->can_reuse = r->x->can_reuse && in.len == 0;
            r->len = r->start + size;
            return 0;
        }
        if (event == HTTP1_CHUNK_DATA) {
            if (r->keeps) {
                memmove(r->data + r->start + size, piece.ptr, piece.len);
                size += piece.len;
            }
            err = r->keeps ? check_size(r, size) : give(r, piece);
        } else if (event == HTTP1_CHUNK_MORE) {
            r->len = r->start + size;
            err = need_more(r);
            in = str_from(r->data + r->start + size, r->len - r->start - size);
        } else {
            r->x->why = chunks.why;
        }
        if (err)
            return err;
    }
}

static int read_until_close(struct receiver *r)
{
    for (;;) {
        ptrdiff_t got;
        int err = check_size(r, r->len - r->start);

        if (err == 0)
            err = give(r, str_from(r->data + r->start, r->len - r->start));
        if (err)
            return err;
        if (!r->keeps)
            r->len = r->start;
        got = read_some(r);
        if (got <= 0)
            return (int)got;
    }
}

static int read_body(struct receiver *r, const struct http1_head *head)
{
    switch (head->body) {
    case HTTP1_BODY_LENGTH:
        return read_length(r, head->length);
    case HTTP1_BODY_CHUNKED:
        return read_chunked(r);
    case HTTP1_BODY_UNTIL_CLOSE:
        return read_until_close(r);
    default:
        r->x->can_reuse = r->x->can_reuse && r->len == r->start;
        return 0;
    }
}

/* --- the whole ---------------------------------------------------------------------------- */

/* What the first read has room for: so much that a response like the last ones comes with one read,
 * and not much more. It shrinks slowly, grows at once. */
static void learn_size(struct http_client *client, size_t size)
{
    size_t want = size + size / 8;

    if (want < FIRST_READ_MIN)
        want = FIRST_READ_MIN;
    else if (want > FIRST_READ_MAX)
        want = FIRST_READ_MAX;
    if (want < client->first_read)
        want = client->first_read - (client->first_read - want) / 16;
    client->first_read = want;
}

/* Pieces of a body come into a buffer of their own, in one size. */
static void begin_pieces(struct receiver *r)
{
    r->sink = http_sink_of(r->x);
    if (!r->sink)
        return;
    r->keeps = false;
    r->x->is_streamed = true;
    make_room(r, FIRST_READ_MAX);
}

static int read_response(struct receiver *r)
{
    struct http_exchange *x = r->x;
    struct http1_head head;
    char *head_start;
    size_t head_len;
    int err;

    r->cap = x->chain->client->first_read ? x->chain->client->first_read : FIRST_READ_MIN;
    r->data = arena_alloc(r->arena, r->cap);
    err = read_head(r, &head);
    if (err)
        return err;
    take_head(x, &head);
    head_start = r->data;
    head_len = r->start;
    x->can_reuse = head.keep_alive && !head.is_upgrade;
    r->keeps = http_note_head(x);
    if (r->keeps)
        begin_pieces(r);
    err = read_body(r, &head);
    if (http_has_enough(x->chain, err)) {
        x->can_reuse = false;
        err = 0;
    }
    if (x->end == 0)
        x->end = clock_now();
    if (err)
        return err;
    x->has_payload = r->keeps && head.body != HTTP1_BODY_NONE;
    if (x->has_payload)
        x->payload = str_from(r->data + r->start, r->len - r->start);
    learn_size(x->chain->client, head_len + r->len - r->start);
    http_debug(x, HTTP_DEBUG_RESPONSE, str_from(head_start, head_len), x->payload);
    return 0;
}

/* --- long requests ------------------------------------------------------------------------ */

/* A server may answer before it has read the whole body, and read no more of it until its answer is
 * taken. So a body that could outgrow the sockets' buffers is written by a fiber of its own. */
struct upload {
    struct http_exchange *x;
    const struct iovec *parts;
    size_t count;
    struct fiber *fiber;
    struct wait_group group;
    int err;
    bool is_done;
    bool was_cut; /* the response was complete before the request */
};

static void upload_main(void *arg)
{
    struct upload *u = arg;
    struct http_exchange *x = u->x;

    u->err = stream_writev(x->link.conn->stream, u->parts, u->count, x->chain->deadline);
    x->written = clock_now();
    u->is_done = true;
    wait_group_done(&u->group);
}

static void upload_start(struct upload *u)
{
    wait_group_init(&u->group);
    wait_group_add(&u->group, 1);
    u->fiber = fiber_start(fiber_loop(), upload_main, u);
}

/* Waits for the writer, which has to be gone before the stream may be closed. */
static int upload_end(struct upload *u)
{
    if (!u->is_done) {
        u->was_cut = true;
        fiber_cancel(u->fiber);
    }
    while (wait_group_wait(&u->group) != 0)
        fiber_yield(); /* cancelled ourselves: the writer still has to end */
    return u->err;
}

static int exchange_long(struct receiver *r, const struct iovec *parts, size_t count)
{
    struct http_exchange *x = r->x;
    struct upload u = {.x = x, .parts = parts, .count = count};
    int write_err;
    int err;

    upload_start(&u);
    err = read_response(r);
    write_err = upload_end(&u);
    /* Phases follow each other: what came before the request was out counts as sending. */
    if (x->first_byte && x->first_byte < x->written)
        x->first_byte = x->written;
    if (x->end && x->end < x->written)
        x->end = x->written;
    if (write_err)
        x->can_reuse = false;
    return err && write_err && !u.was_cut ? write_err : err;
}

static int exchange_short(struct receiver *r, const struct iovec *parts, size_t count)
{
    struct http_exchange *x = r->x;
    int write_err = stream_writev(x->link.conn->stream, parts, count, r->deadline);
    int err;

    x->written = clock_now();
    if (write_err && write_err != ERR_RESET && write_err != ERR_BROKEN_PIPE)
        return write_err;
    /* A server may answer and close before it has read everything; that answer counts. */
    err = read_response(r);
    if (write_err)
        x->can_reuse = false;
    return err && write_err ? write_err : err;
}

int http1_exchange(struct http_exchange *x)
{
    struct http_chain *c = x->chain;
    struct receiver r = {
        .x = x,
        .arena = c->arena,
        .max_body = c->client->options.max_body,
        .deadline = c->deadline,
    };
    struct str head = http1_write_head(c->method, x->target, x->headers, x->header_count, c->arena);
    struct iovec parts[2] = {
        {(void *)(uintptr_t)head.ptr, head.len},
        {(void *)(uintptr_t)c->body.ptr, c->body.len},
    };
    size_t count = c->body.len ? 2 : 1;

    http_debug(x, HTTP_DEBUG_REQUEST, head, c->plain_body);
    return c->body.len > WRITE_AT_ONCE ? exchange_long(&r, parts, count)
                                       : exchange_short(&r, parts, count);
}
