#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "proto/grpc/grpc.h"

enum {
    PREFIX = 5, /* a flag for compression, the length in four bytes */
    OWN_HEADERS = 6,
};

/* --- ends --------------------------------------------------------------------------------- */

static void finish(struct grpc_call *c, int status, struct str message)
{
    if (c->_is_over)
        return;
    c->_is_over = true;
    c->status = status;
    c->message = message;
}

/* doc/PROTOCOL-HTTP2.md, "Errors". */
static int status_of_h2(uint32_t code)
{
    enum { REFUSED_STREAM = 7, CANCEL = 8, ENHANCE_YOUR_CALM = 11, INADEQUATE_SECURITY = 12 };

    switch (code) {
    case REFUSED_STREAM:
        return GRPC_UNAVAILABLE;
    case CANCEL:
        return GRPC_CANCELED;
    case ENHANCE_YOUR_CALM:
        return GRPC_RESOURCE_EXHAUSTED;
    case INADEQUATE_SECURITY:
        return GRPC_PERMISSION_DENIED;
    default:
        return GRPC_INTERNAL;
    }
}

/* doc/http-grpc-status-mapping.md. */
static int status_of_http(int status)
{
    switch (status) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

static void fail(struct grpc_call *c, int err)
{
    const struct h2_stream *s = &c->_stream;

    if (err == ERR_TIMEOUT)
        finish(c, GRPC_DEADLINE_EXCEEDED, STR("context deadline exceeded"));
    else if (err == ERR_CANCELLED)
        finish(c, GRPC_CANCELED, STR("context canceled"));
    else if (err == ERR_H2_STREAM)
        finish(c, status_of_h2(s->code),
               str_of(arena_printf(c->arena, "stream terminated by RST_STREAM with error code: %s",
                                   h2_code_name(s->code) ? h2_code_name(s->code) : "unknown")));
    else if (err == ERR_HTTP_BODY_LIMIT)
        finish(c, GRPC_RESOURCE_EXHAUSTED, STR("grpc: received message larger than max"));
    else
        finish(c, GRPC_UNAVAILABLE, str_of(s->why ? s->why : err_text(err)));
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* grpc-message is percent-encoded. */
static struct str decode_message(struct str text, struct arena *a)
{
    char *out = arena_alloc(a, text.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        int high = text.ptr[i] == '%' && i + 2 < text.len ? hex(text.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex(text.ptr[i + 2]) : -1;

        if (low >= 0) {
            out[len++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[len++] = text.ptr[i];
        }
    }
    return str_from(out, len);
}

/* The response is complete: its trailers say how the call ended; without a body, its head. */
static void take_end(struct grpc_call *c)
{
    const struct h2_stream *s = &c->_stream;
    bool is_short = s->trailer_count == 0;
    const struct http_header *list = is_short ? s->headers : s->trailers;
    size_t count = is_short ? s->header_count : s->trailer_count;
    struct str status = header_value(list, count, STR("grpc-status"));
    uint64_t number;

    c->headers = s->headers;
    c->header_count = s->header_count;
    c->trailers = list;
    c->trailer_count = count;
    if (str_to_u64(status, &number) && number <= INT32_MAX)
        finish(c, (int)number,
               decode_message(header_value(list, count, STR("grpc-message")), c->arena));
    else if (s->status != 200)
        finish(c, status_of_http(s->status),
               str_of(arena_printf(c->arena, "unexpected HTTP status code received from server: %d",
                                   s->status)));
    else
        finish(c, GRPC_INTERNAL, STR("server closed the stream without sending trailers"));
}

/* --- the request -------------------------------------------------------------------------- */

/* At most eight digits and a unit. */
static struct str timeout_text(int64_t nsec, struct arena *a)
{
    static const struct {
        int64_t nsec;
        char unit;
    } units[] = {{1, 'n'}, {1000, 'u'}, {1000000, 'm'}, {1000000000, 'S'}};
    enum { MOST = 99999999 };
    char text[9];
    size_t at = sizeof text;
    size_t i = 0;

    while (i < COUNT_OF(units) - 1 && nsec / units[i].nsec > MOST)
        i++;
    nsec = nsec / units[i].nsec < MOST ? nsec / units[i].nsec : MOST;
    text[--at] = units[i].unit;
    do {
        text[--at] = (char)('0' + nsec % 10);
        nsec /= 10;
    } while (nsec > 0);
    return arena_str(a, str_from(text + at, sizeof text - at));
}

static size_t write_headers(const struct grpc_call *c, struct http_header *out)
{
    size_t count = 0;

    out[count++] = (struct http_header){STR("content-type"), STR("application/grpc")};
    out[count++] = (struct http_header){STR("te"), STR("trailers")};
    out[count++] = (struct http_header){STR("grpc-accept-encoding"), STR("identity")};
    if (c->user_agent.len)
        out[count++] = (struct http_header){STR("user-agent"), c->user_agent};
    if (c->timeout > 0)
        out[count++] =
            (struct http_header){STR("grpc-timeout"), timeout_text(c->timeout, c->arena)};
    for (size_t i = 0; i < c->metadata_count; i++)
        out[count++] = c->metadata[i];
    return count;
}

void grpc_open(struct grpc_call *c)
{
    struct http_header *headers =
        arena_alloc(c->arena, (c->metadata_count + OWN_HEADERS) * sizeof *headers);
    struct h2_request request = {
        .method = STR("POST"),
        .scheme = c->scheme,
        .authority = c->authority,
        .path = c->path,
        .headers = headers,
        .header_count = write_headers(c, headers),
        .has_body = true,
        .sends_now = c->sends_now,
    };
    int err;

    if (c->max_receive == 0)
        c->max_receive = GRPC_RECEIVE_MAX;
    c->_stream = (struct h2_stream){
        .arena = c->arena,
        .max_body = c->max_receive + 2 * H2_HEAD_MAX + 64 * 1024,
        .wants_bytes = true,
    };
    c->_is_open = true;
    err = h2_stream_open(c->conn, &c->_stream, &request, c->deadline);
    if (err)
        fail(c, err);
}

void grpc_send(struct grpc_call *c, struct str message, bool ends)
{
    char *framed;
    int err;

    if (c->_is_over)
        return;
    if (!message.ptr) {
        err = h2_stream_send(&c->_stream, STR(""), ends, c->deadline);
    } else {
        framed = mem_alloc(message.len + PREFIX);
        framed[0] = 0;
        for (int i = 0; i < 4; i++)
            framed[1 + i] = (char)(message.len >> (24 - 8 * i));
        memcpy(framed + PREFIX, message.ptr, message.len);
        err =
            h2_stream_send(&c->_stream, str_from(framed, message.len + PREFIX), ends, c->deadline);
        mem_free(framed);
    }
    /* What the server says of a call that it ended early, grpc_receive reads. */
    if (err == ERR_TIMEOUT || err == ERR_CANCELLED)
        fail(c, err);
}

/* --- the response ------------------------------------------------------------------------- */

/* Length of the message that begins at the body's front; -1: it has not come yet. */
static int64_t next_length(const struct h2_stream *s)
{
    const unsigned char *p = (const unsigned char *)s->body.data;

    if (s->body.len < PREFIX)
        return -1;
    return (int64_t)p[1] << 24 | (int64_t)p[2] << 16 | (int64_t)p[3] << 8 | p[4];
}

static bool check_frame(struct grpc_call *c, int64_t length)
{
    if (length < 0)
        return true;
    if ((size_t)length > c->max_receive) {
        finish(
            c, GRPC_RESOURCE_EXHAUSTED,
            str_of(arena_printf(c->arena, "grpc: received message larger than max (%lld vs. %zu)",
                                (long long)length, c->max_receive)));
        return false;
    }
    if (c->_stream.body.data[0] != 0) {
        finish(c, GRPC_INTERNAL,
               STR("grpc: the server compressed a message, which was not asked for"));
        return false;
    }
    return true;
}

bool grpc_receive(struct grpc_call *c, struct str *message)
{
    struct h2_stream *s = &c->_stream;

    if (c->_given) {
        h2_stream_consume(s, c->_given);
        c->_given = 0;
    }
    while (!c->_is_over) {
        int64_t length = next_length(s);
        size_t before = s->body.len;
        int err = 0;

        if (!check_frame(c, length))
            return false;
        if (length >= 0 && s->body.len >= (size_t)length + PREFIX) {
            *message = str_from(s->body.data + PREFIX, (size_t)length);
            c->_given = (size_t)length + PREFIX;
            c->headers = s->headers;
            c->header_count = s->header_count;
            return true;
        }
        if (s->has_ended && s->body.len > 0)
            finish(c, GRPC_INTERNAL, STR("grpc: the response ended within a message"));
        else if (s->has_ended)
            take_end(c);
        else if (length >= 0)
            h2_stream_want_more(s); /* the message may be larger than the window */
        if (!c->_is_over)
            err = h2_stream_wait_more(s, before, c->deadline);
        if (err)
            fail(c, err);
    }
    return false;
}

void grpc_close(struct grpc_call *c)
{
    if (c->_is_open)
        h2_stream_close(&c->_stream);
    c->_is_open = false;
}
