#include <errno.h>
#include <string.h>
#include <wslay/wslay.h>

#include "base/ensure.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "proto/ws/internal.h"

enum {
    READ_SIZE = 64 * 1024,
    WRITE_SIZE = 64 * 1024,
    OUT_KEPT = 4 * 1024, /* a larger buffer is not kept between writes */
};

/* A message that came whole; its data lies behind the struct. */
struct held {
    struct held *next;
    enum ws_kind kind;
    int code;
    size_t len;
    char data[];
};

struct ws {
    struct stream *stream; /* owned */
    wslay_event_context_ptr wslay;
    bool deflate;
    size_t max_message;
    struct held *first; /* messages that nobody has read */
    struct held **last;
    struct held *given; /* what ws_read returned */
    struct str input;   /* what wslay may still read */
    char *early;        /* owned: bytes that came with the handshake; NULL: none */
    struct str early_left;
    struct buf out;
    uint16_t broken; /* the close code of a rule that the peer broke; 0: none */
    bool is_writing;
    bool is_closing; /* ws_close was called */
};

/* Read into by every connection of the thread: a stream parks before it has read something, never
 * after, and wslay takes all of it before another fiber runs. */
static _Thread_local char input[READ_SIZE];

/* --- wslay's callbacks -------------------------------------------------------------------- */

static ssize_t give_input(wslay_event_context_ptr ctx, uint8_t *out, size_t size, int flags,
                          void *arg)
{
    struct ws *ws = arg;
    size_t len = ws->input.len < size ? ws->input.len : size;

    (void)flags;
    if (len == 0) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(out, ws->input.ptr, len);
    ws->input = str_from_index(ws->input, len);
    return (ssize_t)len;
}

static ssize_t take_output(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags,
                           void *arg)
{
    struct ws *ws = arg;

    (void)flags;
    if (ws->out.len >= WRITE_SIZE) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    buf_append(&ws->out, data, len);
    return (ssize_t)len;
}

static int make_mask(wslay_event_context_ptr ctx, uint8_t *out, size_t len, void *arg)
{
    (void)ctx;
    (void)arg;
    rng_system(out, len);
    return 0;
}

static void hold(struct ws *ws, enum ws_kind kind, int code, struct str data)
{
    struct held *m = mem_alloc(sizeof *m + data.len);

    *m = (struct held){.kind = kind, .code = code, .len = data.len};
    if (data.len)
        memcpy(m->data, data.ptr, data.len);
    *ws->last = m;
    ws->last = &m->next;
}

static void break_off(struct ws *ws, uint16_t code)
{
    if (ws->broken)
        return;
    ws->broken = code;
    wslay_event_queue_close(ws->wslay, code, NULL, 0);
    wslay_event_shutdown_read(ws->wslay);
}

static void hold_packed(struct ws *ws, enum ws_kind kind, struct str packed)
{
    struct buf plain;
    int err;

    buf_init(&plain, ws->max_message);
    err = ws_inflate(packed, &plain);
    if (err)
        break_off(ws, err == ERR_LIMIT ? WSLAY_CODE_MESSAGE_TOO_BIG
                                       : WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA);
    else if (kind == WS_TEXT && !str_is_utf8(buf_str(&plain)))
        break_off(ws, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA);
    else
        hold(ws, kind, 0, buf_str(&plain));
    buf_deinit(&plain);
}

static void on_message(wslay_event_context_ptr ctx,
                       const struct wslay_event_on_msg_recv_arg *message, void *arg)
{
    struct ws *ws = arg;
    struct str data = str_from((const char *)message->msg, message->msg_length);
    enum ws_kind kind = (enum ws_kind)message->opcode;

    (void)ctx;
    if (kind == WS_CLOSE) {
        /* The first two bytes are the code. */
        hold(ws, kind, message->status_code ? message->status_code : WS_NO_STATUS,
             str_from_index(data, sizeof(uint16_t)));
    } else if (wslay_get_rsv1(message->rsv)) {
        hold_packed(ws, kind, data);
    } else {
        hold(ws, kind, 0, data);
    }
}

/* --- writing ------------------------------------------------------------------------------ */

/* Writes what wslay has queued, unless another fiber is at it (that one will write it). */
YIELDS static int flush(struct ws *ws, int64_t deadline)
{
    int err = 0;

    if (ws->is_writing)
        return 0;
    ws->is_writing = true;
    while (err == 0 && wslay_event_want_write(ws->wslay)) {
        buf_reset(&ws->out);
        if (wslay_event_send(ws->wslay) != 0 && ws->out.len == 0)
            err = ERR_WS_PROTOCOL;
        if (ws->out.len > 0)
            err = stream_write(ws->stream, ws->out.data, ws->out.len, deadline);
    }
    ws->is_writing = false;
    if (ws->out._cap > OUT_KEPT)
        buf_deinit(&ws->out);
    return err;
}

static int queue(struct ws *ws, enum ws_kind kind, struct str data, uint8_t rsv)
{
    struct wslay_event_msg message = {(uint8_t)kind, (const uint8_t *)data.ptr, data.len};

    return wslay_event_queue_msg_ex(ws->wslay, &message, rsv) == 0 ? 0 : ERR_WS_CLOSED;
}

int ws_send(struct ws *ws, enum ws_kind kind, struct str data, int64_t deadline)
{
    struct buf packed = BUF_INIT(SIZE_MAX);
    int err;

    if (ws->deflate && (kind == WS_TEXT || kind == WS_BINARY)) {
        err = ws_deflate(data, &packed);
        if (err == 0)
            err = queue(ws, kind, buf_str(&packed), WSLAY_RSV1_BIT);
        buf_deinit(&packed);
    } else {
        err = queue(ws, kind, data, WSLAY_RSV_NONE);
    }
    return err ? err : flush(ws, deadline);
}

int ws_close(struct ws *ws, int code, struct str reason, int64_t deadline)
{
    if (wslay_event_get_close_sent(ws->wslay))
        return 0;
    ws->is_closing = true;
    /* It refuses when one is queued already. */
    wslay_event_queue_close(ws->wslay, (uint16_t)code, (const uint8_t *)reason.ptr, reason.len);
    return flush(ws, deadline);
}

/* --- reading ------------------------------------------------------------------------------ */

/* When the peer breaks a rule, wslay sends a close frame of its own, which says which one. */
static void note_breach(struct ws *ws, int result)
{
    uint16_t code = wslay_event_get_status_code_sent(ws->wslay);
    bool is_own = wslay_event_get_close_sent(ws->wslay) && !ws->is_closing &&
                  !wslay_event_get_close_received(ws->wslay);

    if (ws->broken || (result == 0 && !is_own))
        return;
    ws->broken =
        code && code != WS_NO_STATUS && code != WS_ABNORMAL ? code : WSLAY_CODE_PROTOCOL_ERROR;
}

/* The next bytes to wslay; 0, or how the stream ended. */
YIELDS static int feed(struct ws *ws, int64_t deadline)
{
    ptrdiff_t got;
    int result;
    int err;

    if (ws->early_left.len) {
        ws->input = ws->early_left;
        ws->early_left.len = 0;
    } else {
        got = stream_read(ws->stream, input, sizeof input, deadline, NULL);
        if (got <= 0)
            return got == 0 ? ERR_UNEXPECTED_EOF : (int)got;
        ws->input = str_from(input, (size_t)got);
    }
    result = wslay_event_recv(ws->wslay);
    ws->input.len = 0;
    err = flush(ws, deadline);
    note_breach(ws, result);
    return err;
}

static const char *code_text(uint16_t code)
{
    switch (code) {
    case WSLAY_CODE_MESSAGE_TOO_BIG:
        return "message too big";
    case WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA:
        return "invalid payload data";
    default:
        return "protocol error";
    }
}

int ws_read(struct ws *ws, struct ws_message *out, int64_t deadline, struct diag *d)
{
    mem_free(ws->given);
    ws->given = NULL;
    while (!ws->first) {
        int err = 0;

        if (ws->broken)
            return diag_set(d, ERR_WS_PROTOCOL, "websocket: close %u (%s)", ws->broken,
                            code_text(ws->broken));
        err = feed(ws, deadline);
        if (err && !ws->first && !ws->broken)
            return err;
    }
    ws->given = ws->first;
    ws->first = ws->given->next;
    if (!ws->first)
        ws->last = &ws->first;
    *out = (struct ws_message){ws->given->kind, str_from(ws->given->data, ws->given->len),
                               ws->given->code};
    return 0;
}

/* --- life --------------------------------------------------------------------------------- */

struct ws *ws_new(struct stream *stream, bool deflate, size_t max_message, struct str early)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = give_input,
        .send_callback = take_output,
        .genmask_callback = make_mask,
        .on_msg_recv_callback = on_message,
    };
    struct ws *ws = mem_zalloc(sizeof *ws);

    ws->stream = stream;
    ws->deflate = deflate;
    ws->max_message = max_message;
    ws->last = &ws->first;
    buf_init(&ws->out, SIZE_MAX);
    if (early.len) {
        ws->early = mem_dup(early.ptr, early.len);
        ws->early_left = str_from(ws->early, early.len);
    }
    ensure(wslay_event_context_client_init(&ws->wslay, &callbacks, ws) == 0);
    wslay_event_config_set_max_recv_msg_length(ws->wslay, max_message);
    if (deflate)
        wslay_event_config_set_allowed_rsv_bits(ws->wslay, WSLAY_RSV1_BIT);
    return ws;
}

void ws_free(struct ws *ws)
{
    while (ws->first) {
        struct held *m = ws->first;

        ws->first = m->next;
        mem_free(m);
    }
    mem_free(ws->given);
    mem_free(ws->early);
    buf_deinit(&ws->out);
    wslay_event_context_free(ws->wslay);
    stream_close(ws->stream);
    mem_free(ws);
}

struct stream_bytes ws_bytes(const struct ws *ws)
{
    return ws->stream->bytes;
}
