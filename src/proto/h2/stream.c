#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "loop/fiber.h"
#include "proto/h2/internal.h"

enum {
    PSEUDO_HEADERS = 4,
    CODE_COUNT = 14,
};

/* --- the end of a stream ------------------------------------------------------------------ */

void h2_stream_wake(struct h2_stream *s)
{
    if (s->_reader)
        fiber_wake(s->_reader);
    if (s->_writer)
        fiber_wake(s->_writer);
}

void h2_stream_end(struct h2_stream *s, int err, uint32_t code, const char *why)
{
    struct h2_stream **at = &s->_conn->streams;

    while (*at != s)
        at = &(*at)->_next;
    *at = s->_next;
    s->is_closed = true;
    s->err = s->err ? s->err : err;
    s->code = code;
    s->why = s->why ? s->why : why;
    h2_stream_wake(s);
}

void h2_stream_close(struct h2_stream *s)
{
    struct h2_conn *c = s->_conn;

    if (!c)
        return;
    if (!s->is_closed) {
        nghttp2_session_set_stream_user_data(c->session, s->_id, NULL);
        nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, s->_id, NGHTTP2_CANCEL);
        h2_stream_end(s, ERR_CANCELLED, 0, NULL);
        h2_conn_flush_later(c);
    }
    buf_deinit(&s->body);
    s->_conn = NULL;
    h2_conn_unref(c);
}

/* --- the request -------------------------------------------------------------------------- */

/* RFC 9113 8.2.2: fields that speak of a connection have no place here. */
static bool is_of_connection(struct str name)
{
    static const struct str names[] = {
        STR_INIT("connection"),        STR_INIT("host"),    STR_INIT("keep-alive"),
        STR_INIT("proxy-connection"),  STR_INIT("upgrade"), STR_INIT("proxy-authorization"),
        STR_INIT("transfer-encoding"),
    };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (str_eq_nocase(name, names[i]))
            return true;
    }
    return false;
}

static nghttp2_nv pair(struct str name, struct str value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name.ptr, (uint8_t *)(uintptr_t)value.ptr, name.len,
                        value.len, NGHTTP2_NV_FLAG_NONE};
}

/* RFC 9113 8.2.3: a Cookie field is split, so that HPACK finds its parts again. */
static size_t add_cookies(nghttp2_nv *out, struct str value)
{
    size_t count = 0;

    while (value.len > 0) {
        struct str part = str_trim(str_cut(&value, ';'));

        if (part.len)
            out[count++] = pair(STR("cookie"), part);
    }
    return count;
}

static size_t room_for(const struct h2_request *r)
{
    size_t room = PSEUDO_HEADERS + r->header_count;

    for (size_t i = 0; i < r->header_count; i++) {
        struct str value = r->headers[i].value;

        if (!str_eq_nocase(r->headers[i].name, STR("cookie")))
            continue;
        for (size_t k = 0; k < value.len; k++)
            room += value.ptr[k] == ';';
    }
    return room;
}

/* nghttp2 wants names in lower case, and copies. */
static size_t write_fields(const struct h2_request *r, nghttp2_nv *out)
{
    size_t count = 0;

    out[count++] = pair(STR(":method"), r->method);
    out[count++] = pair(STR(":scheme"), r->scheme);
    out[count++] = pair(STR(":authority"), r->authority);
    out[count++] = pair(STR(":path"), r->path);
    for (size_t i = 0; i < r->header_count; i++) {
        const struct http_header *h = &r->headers[i];

        if (is_of_connection(h->name))
            continue;
        if (str_eq_nocase(h->name, STR("cookie")))
            count += add_cookies(out + count, h->value);
        else
            out[count++] = pair(h->name, h->value);
    }
    return count;
}

static ssize_t read_data(nghttp2_session *session, int32_t id, uint8_t *out, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, id);
    size_t len;

    (void)source;
    (void)arg;
    if (!s)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* closed; its RST_STREAM is on the way */
    if (s->_out.len == 0 && !s->_out_ends) {
        s->_is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    len = s->_out.len < room ? s->_out.len : room;
    if (len)
        memcpy(out, s->_out.ptr, len);
    s->_out = str_from_index(s->_out, len);
    if (s->_out.len == 0) {
        s->_is_sent = true;
        if (s->_out_ends)
            *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)len;
}

int h2_stream_open(struct h2_conn *c, struct h2_stream *s, const struct h2_request *r,
                   int64_t deadline)
{
    nghttp2_data_provider data = {.read_callback = read_data};
    nghttp2_nv *fields = arena_alloc(s->arena, room_for(r) * sizeof *fields);
    size_t count = write_fields(r, fields);
    int32_t id;

    if (c->err || c->is_going_away) {
        s->is_refused = true;
        s->is_closed = true;
        s->err = c->err ? c->err : ERR_H2_GOAWAY;
        return s->err;
    }
    buf_init(&s->body, s->max_body);
    id = nghttp2_submit_request(c->session, NULL, fields, count, r->has_body ? &data : NULL, s);
    if (id < 0) {
        s->is_closed = true;
        s->err = ERR_HTTP2;
        s->why = nghttp2_strerror(id);
        return s->err;
    }
    s->_conn = h2_conn_ref(c);
    s->_id = id;
    s->_next = c->streams;
    c->streams = s;
    if (!r->has_body || !r->sends_now)
        h2_conn_flush(c, deadline);
    return s->is_closed ? s->err : 0;
}

int h2_stream_send(struct h2_stream *s, struct str data, bool ends, int64_t deadline)
{
    int err = 0;

    s->_out = data;
    s->_out_ends = ends;
    s->_is_sent = false;
    s->written = 0;
    if (s->_is_deferred && !s->is_closed) {
        s->_is_deferred = false;
        nghttp2_session_resume_data(s->_conn->session, s->_id);
    }
    s->_writer = fiber_current();
    while (err == 0 && !s->is_closed && !s->has_ended && s->written == 0) {
        h2_conn_flush(s->_conn, deadline);
        if (!s->is_closed && !s->has_ended && s->written == 0)
            err = fiber_park_until(deadline);
    }
    s->_writer = NULL;
    s->_out = STR("");
    if (s->has_ended && s->written == 0)
        s->written = s->end;
    return s->is_closed && !s->has_ended ? s->err : err;
}

/* --- the response ------------------------------------------------------------------------- */

/* Until the response has ended, or `have` bytes are not all of the body any more. */
int h2_stream_wait_more(struct h2_stream *s, size_t have, int64_t deadline)
{
    int err = 0;

    s->_reader = fiber_current();
    while (err == 0 && !s->has_ended && s->body.len <= have && !s->is_closed)
        err = fiber_park_until(deadline);
    s->_reader = NULL;
    if (s->has_ended || s->body.len > have)
        return 0;
    return s->is_closed ? s->err : err;
}

int h2_stream_wait_end(struct h2_stream *s, int64_t deadline)
{
    return h2_stream_wait_more(s, SIZE_MAX, deadline);
}

static void credit(struct h2_stream *s, size_t len)
{
    if (len == 0 || !s->_conn || s->_conn->err)
        return;
    nghttp2_session_consume(s->_conn->session, s->_id, len);
    h2_conn_flush_later(s->_conn);
}

void h2_stream_consume(struct h2_stream *s, size_t len)
{
    size_t known = len < s->_credited ? len : s->_credited;

    buf_consume(&s->body, len);
    s->_credited -= known;
    credit(s, len - known);
}

void h2_stream_want_more(struct h2_stream *s)
{
    credit(s, s->body.len - s->_credited);
    s->_credited = s->body.len;
}

/* --- codes -------------------------------------------------------------------------------- */

const char *h2_code_name(uint32_t code)
{
    return code < CODE_COUNT ? nghttp2_http2_strerror(code) : NULL;
}
