/* nghttp2's callbacks: what becomes of the frames that arrive. Nothing here parks. */
#include <string.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/err.h"
#include "loop/fiber.h"
#include "proto/h2/internal.h"

enum {
    STREAM_WINDOW = 4 * 1024 * 1024,
    CONN_WINDOW = 1024 * 1024 * 1024,
    FIELD_OVERHEAD = 32, /* of a field, as RFC 9113 6.5.2 counts it */
    FIRST_FIELDS = 16,
};

/* --- fields ------------------------------------------------------------------------------- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    struct h2_conn *c = arg;

    if (!s)
        return 0;
    s->_field_count = 0;
    s->_field_bytes = 0;
    s->_fields = NULL;
    s->_field_room = 0;
    if (s->first_byte == 0)
        s->first_byte = c->ready;
    return 0;
}

static void add_field(struct h2_stream *s, struct str name, struct str value)
{
    if (s->_field_count == s->_field_room) {
        size_t room = s->_field_room ? s->_field_room * 2 : FIRST_FIELDS;
        struct http_header *more = arena_alloc(s->arena, room * sizeof *more);

        if (s->_field_count)
            memcpy(more, s->_fields, s->_field_count * sizeof *more);
        s->_fields = more;
        s->_field_room = room;
    }
    s->_fields[s->_field_count++] =
        (struct http_header){arena_str(s->arena, name), arena_str(s->arena, value)};
}

static struct str str_of_rcbuf(nghttp2_rcbuf *buf)
{
    nghttp2_vec v = nghttp2_rcbuf_get_buf(buf);

    return str_from((const char *)v.base, v.len);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *arg)
{
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    struct str n = str_of_rcbuf(name);
    struct str v = str_of_rcbuf(value);
    uint64_t status;

    (void)flags;
    (void)arg;
    if (!s)
        return 0;
    s->_field_bytes += n.len + v.len + FIELD_OVERHEAD;
    if (s->_field_bytes > H2_HEAD_MAX || s->_field_count >= H2_HEADERS_MAX) {
        s->err = ERR_HTTP_HEADER_LIMIT;
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets the stream */
    }
    if (!str_eq(n, STR(":status")))
        add_field(s, n, v);
    else if (str_to_u64(v, &status) && status >= 200) /* interim ones leave nothing behind */
        s->status = (int)status;
    return 0;
}

/* --- frames ------------------------------------------------------------------------------- */

static void take_fields(struct h2_stream *s)
{
    bool is_head = s->status > 0 && !s->headers;

    if (is_head) {
        s->headers = s->_fields ? s->_fields : arena_alloc(s->arena, sizeof *s->headers);
        s->header_count = s->_field_count;
        s->_drops = s->on_head && !s->on_head(s);
    } else if (s->status > 0) {
        s->trailers = s->_fields;
        s->trailer_count = s->_field_count;
    }
}

static void note_goaway(struct h2_conn *c, const nghttp2_goaway *goaway)
{
    c->is_going_away = true;
    c->last_id = goaway->last_stream_id;
    c->goaway_code = goaway->error_code;
}

static void note_end(struct h2_stream *s, int64_t now)
{
    s->end = now;
    s->has_ended = s->status > 0;
    if (s->has_ended)
        return;
    s->err = ERR_HTTP;
    s->why = "the response ended without a final status";
    nghttp2_submit_rst_stream(s->_conn->session, NGHTTP2_FLAG_NONE, s->_id, NGHTTP2_PROTOCOL_ERROR);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2_conn *c = arg;
    struct h2_stream *s;

    if (frame->hd.type == NGHTTP2_GOAWAY)
        note_goaway(c, &frame->goaway);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!s)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS)
        take_fields(s);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        note_end(s, c->ready);
    h2_stream_wake(s);
    return 0;
}

/* A full buffer ends its stream, not the connection. */
static void refuse_body(nghttp2_session *session, struct h2_stream *s)
{
    s->err = ERR_HTTP_BODY_LIMIT;
    s->_drops = true;
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->_id, NGHTTP2_CANCEL);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t len, void *arg)
{
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, id);

    (void)flags;
    (void)arg;
    if (s && !s->_drops && buf_append(&s->body, data, len) != 0)
        refuse_body(session, s);
    if (!s || s->_drops || !s->wants_bytes)
        nghttp2_session_consume(session, id, len);
    return 0;
}

/* --- ends --------------------------------------------------------------------------------- */

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, id);
    struct h2_conn *c = arg;

    if (!s)
        return 0;
    if (s->has_ended && !s->err) {
        h2_stream_end(s, 0, 0, NULL);
    } else if (c->is_going_away && id > c->last_id) {
        s->is_refused = c->goaway_code == NGHTTP2_NO_ERROR;
        h2_stream_end(s, ERR_H2_GOAWAY, c->goaway_code, NULL);
    } else {
        s->is_refused = code == NGHTTP2_REFUSED_STREAM;
        h2_stream_end(s, ERR_H2_STREAM, code, NULL);
    }
    return 0;
}

static struct h2_stream *find_stream(struct h2_conn *c, int32_t id)
{
    struct h2_stream *s = c->streams;

    while (s && s->_id != id)
        s = s->_next;
    return s;
}

/* A request that could not be sent any more: a GOAWAY came first. */
static int on_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int code, void *arg)
{
    struct h2_conn *c = arg;
    struct h2_stream *s = NULL;

    (void)session;
    if (frame->hd.type == NGHTTP2_HEADERS)
        s = find_stream(c, frame->hd.stream_id);
    if (!s)
        return 0;
    s->is_refused = true;
    h2_stream_end(s, c->is_going_away ? ERR_H2_GOAWAY : ERR_HTTP2,
                  c->is_going_away ? c->goaway_code : 0, nghttp2_strerror(code));
    return 0;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2_conn *c = arg;
    struct h2_stream *s;

    if (frame->hd.type == NGHTTP2_GOAWAY)
        c->own_code = frame->goaway.error_code;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (s) {
        s->opened = clock_now();
        s->_is_sent = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    }
    return 0;
}

/* --- the session -------------------------------------------------------------------------- */

static void set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_not_sent);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
}

nghttp2_session *h2_session_new(struct h2_conn *c)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_HEAD_MAX},
    };
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    nghttp2_session *session;

    ensure(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0);
    set_callbacks(callbacks);
    nghttp2_option_set_no_auto_window_update(option, 1);
    ensure(nghttp2_session_client_new2(&session, callbacks, c, option) == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    ensure(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, COUNT_OF(settings)) == 0);
    ensure(nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW) == 0);
    return session;
}
