#include "script/ws/socket.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "metrics/request.h"
#include "metrics/shard.h"

enum {
    QUEUE_MAX = 16 * 1024 * 1024, /* bytes that wait for the script before the peer has to */
    PINGS_KEPT = 8,
};

static const int64_t CLOSE_WAIT = 10 * NSEC_PER_SEC; /* for the peer's answer to a close */

/* --- the queue ---------------------------------------------------------------------------- */

static void push(struct ws_socket *s, enum ws_event_kind kind, int code, struct str data)
{
    struct ws_event *e = mem_alloc(sizeof *e + data.len + 1);

    *e = (struct ws_event){.kind = kind, .code = code, .len = data.len};
    if (data.len)
        memcpy(e->data, data.ptr, data.len);
    e->data[data.len] = '\0';
    *s->last = e;
    s->last = &e->next;
    s->queued += data.len;
    if (!s->is_abandoned)
        s->on_news(s);
}

/* --- samples ------------------------------------------------------------------------------ */

static tagset_id tags_of(const struct ws_socket *s)
{
    struct shard *shard = s->vu->shard;
    tag_id ids[3];
    size_t count = 0;
    char status[16];

    snprintf(status, sizeof status, "%d", s->reply.status);
    if (vu_has_system_tag(s->vu, SYSTEM_TAG_URL))
        ids[count++] = shard_tag(shard, STR("url"), s->url);
    if (vu_has_system_tag(s->vu, SYSTEM_TAG_STATUS))
        ids[count++] = shard_tag(shard, STR("status"), str_of(status));
    if (vu_has_system_tag(s->vu, SYSTEM_TAG_SUBPROTO) && s->reply.protocol.len)
        ids[count++] = shard_tag(shard, STR("subproto"), s->reply.protocol);
    return shard_tagset(shard, s->tags, ids, count);
}

static void sample(struct ws_socket *s, uint32_t metric, double value)
{
    vu_sample_tagged(s->vu, metric, s->tags, value);
}

static void count_bytes(struct ws_socket *s)
{
    struct stream_bytes now;

    if (!s->ws)
        return;
    now = ws_bytes(s->ws);
    s->vu->data_sent += now.sent - s->counted.sent;
    s->vu->data_received += now.received - s->counted.received;
    s->counted = now;
}

void ws_socket_report(struct ws_socket *s)
{
    count_bytes(s);
    if (s->opened == 0 || s->has_reported)
        return;
    s->has_reported = true;
    sample(s, METRIC_WS_SESSION_DURATION, nsec_to_ms(clock_now() - s->opened));
}

/* The payload of our pings is their number. */
static void sample_pong(struct ws_socket *s, const struct ws_event *e)
{
    uint64_t number;

    if (str_to_u64(str_from(e->data, e->len), &number) && number > 0 && number <= s->pings &&
        s->pings - number < PINGS_KEPT)
        sample(s, METRIC_WS_PING,
               nsec_to_ms(clock_now() - s->ping_sent[(number - 1) % PINGS_KEPT]));
}

/* The handshake as a single request, for traces and exemplars. `error` is empty when it went well.
 */
static void keep_handshake(struct ws_socket *s, struct str error)
{
    const struct ws_reply *reply = &s->reply;
    const struct dial_timing *dialled = &reply->dialled;
    tagset_id tags = tags_of(s);
    struct request_record r = {
        .method = "GET",
        .end_wall = clock_wall() - (clock_now() - s->answered),
        .blocked = dialled->dns + dialled->connect + dialled->tls,
        .dns = dialled->dns,
        .connecting = dialled->connect,
        .tls = dialled->tls,
        .sending = reply->sending,
        .waiting = reply->waiting,
        .status = reply->status,
        .failed = error.len > 0,
    };
    struct str url;

    if (!shard_wants_request(s->vu->shard, tags, r.failed, s->trace.sampled, request_duration(&r)))
        return;
    url = url_text(&s->request.url, URL_USER_MASK, &s->arena); /* http..., for ws... */
    url = str_of(arena_printf(&s->arena, "ws%.*s", STR_ARG(str_from_index(url, 4))));
    request_text(r.url, sizeof r.url, url);
    request_text(r.error, sizeof r.error, error);
    vu_add_request(s->vu, &s->trace, tags, &r);
}

static void sample_event(struct ws_socket *s, const struct ws_event *e)
{
    count_bytes(s);
    switch (e->kind) {
    case WS_EVENT_OPEN:
        s->tags = tags_of(s);
        vu_sample_traced(s->vu, &s->trace, METRIC_WS_SESSIONS, s->tags, 1);
        vu_sample_traced(s->vu, &s->trace, METRIC_WS_CONNECTING, s->tags,
                         nsec_to_ms(s->opened - s->started));
        keep_handshake(s, STR(""));
        break;
    case WS_EVENT_TEXT:
    case WS_EVENT_BINARY:
        sample(s, METRIC_WS_MSGS_RECEIVED, 1);
        break;
    case WS_EVENT_PONG:
        sample_pong(s, e);
        break;
    case WS_EVENT_CLOSE:
    case WS_EVENT_FAILURE:
        if (s->opened == 0)
            keep_handshake(s, str_from(e->data, e->len));
        ws_socket_report(s);
        break;
    default:
        break;
    }
}

struct ws_event *ws_socket_take(struct ws_socket *s)
{
    struct ws_event *e = s->first;

    if (!e)
        return NULL;
    s->first = e->next;
    if (!s->first)
        s->last = &s->first;
    s->queued -= e->len;
    if (s->reader_waits && s->reader)
        fiber_wake(s->reader);
    sample_event(s, e);
    return e;
}

/* --- cookies ------------------------------------------------------------------------------ */

static void write_cookies(struct ws_socket *s)
{
    struct cookie_pair *pairs = NULL;
    size_t count = 0;
    struct str text = STR("");

    if (s->jar)
        count = cookie_jar_match(s->jar, &s->request.url, clock_wall() / NSEC_PER_SEC, &s->arena,
                                 &pairs);
    for (size_t i = 0; i < count; i++)
        text = str_of(arena_printf(&s->arena, "%.*s%s%.*s=%.*s", STR_ARG(text), i ? "; " : "",
                                   STR_ARG(pairs[i].name), STR_ARG(pairs[i].value)));
    s->request.cookies = text;
}

static void keep_cookies(struct ws_socket *s)
{
    struct cookie cookie;

    for (size_t i = 0; s->jar && i < s->reply.header_count; i++) {
        const struct http_header *h = &s->reply.headers[i];

        /* One that a server may not set is passed over, as browsers do. */
        if (str_eq_c(h->name, "Set-Cookie") && cookie_parse(h->value, &cookie) == 0 &&
            cookie_jar_set(s->jar, &s->request.url, &cookie, clock_wall() / NSEC_PER_SEC) != 0)
            continue;
    }
}

/* The peer did not answer our close. */
static void on_close_timer(struct timer *timer)
{
    struct ws_socket *s = CONTAINER_OF(timer, struct ws_socket, close_timer);

    if (s->reader)
        fiber_cancel(s->reader);
}

/* --- the reader --------------------------------------------------------------------------- */

static int wait_for_room(struct ws_socket *s)
{
    int err = 0;

    s->reader_waits = true;
    while (err == 0 && s->queued > QUEUE_MAX)
        err = fiber_park();
    s->reader_waits = false;
    return err;
}

static void push_message(struct ws_socket *s, const struct ws_message *m)
{
    switch (m->kind) {
    case WS_TEXT:
        push(s, WS_EVENT_TEXT, 0, m->data);
        break;
    case WS_BINARY:
        push(s, WS_EVENT_BINARY, 0, m->data);
        break;
    case WS_PING:
        push(s, WS_EVENT_PING, 0, m->data);
        break;
    case WS_PONG:
        push(s, WS_EVENT_PONG, 0, m->data);
        break;
    default:
        push(s, WS_EVENT_CLOSE, m->code, m->data);
        break;
    }
}

/* A peer that does not answer our close in time is left alone, as is one that hangs up on it. */
static void push_end(struct ws_socket *s, int err, const struct diag *d)
{
    if (s->is_closing)
        push(s, WS_EVENT_CLOSE, WS_ABNORMAL, STR(""));
    else
        push(s, WS_EVENT_FAILURE, WS_ABNORMAL,
             d->message                  ? str_of(d->message)
             : err == ERR_UNEXPECTED_EOF ? STR("websocket: close 1006 (abnormal closure): "
                                               "unexpected EOF")
                                         : str_of(err_text(err)));
}

static void read_messages(struct ws_socket *s)
{
    struct diag d = DIAG_INIT;
    struct ws_message m = {.kind = WS_TEXT};
    int err = 0;

    while (err == 0 && m.kind != WS_CLOSE) {
        err = ws_read(s->ws, &m, INT64_MAX, &d);
        if (err == 0)
            push_message(s, &m);
        if (err == 0)
            err = wait_for_room(s);
    }
    if (err)
        push_end(s, err, &d);
    diag_deinit(&d);
}

static void connect_and_read(struct ws_socket *s, int64_t deadline)
{
    struct diag d = DIAG_INIT;
    int err = ws_connect(&s->request, deadline, &s->arena, &s->reply, &s->ws, &d);

    s->answered = clock_now();
    if (err == 0) {
        s->opened = s->answered;
        keep_cookies(s);
        push(s, WS_EVENT_OPEN, 0, STR(""));
        read_messages(s);
    } else {
        push(s, WS_EVENT_FAILURE, WS_ABNORMAL,
             err == ERR_CANCELLED ? STR("websocket: closed before the connection was established")
                                  : str_of(d.message ? d.message : err_text(err)));
    }
    diag_deinit(&d);
}

static void free_socket(struct ws_socket *s)
{
    timer_stop(s->loop, &s->close_timer);
    while (s->first) {
        struct ws_event *e = s->first;

        s->first = e->next;
        mem_free(e);
    }
    if (s->ws)
        ws_free(s->ws);
    arena_deinit(&s->arena);
    mem_free(s);
}

static void reader_main(void *arg)
{
    struct ws_socket *s = arg;

    connect_and_read(s, s->handshake_deadline);
    s->reader = NULL;
    if (s->is_abandoned)
        free_socket(s);
    else
        s->on_news(s);
}

/* --- life --------------------------------------------------------------------------------- */

struct ws_socket *ws_socket_new(struct http_vu *http)
{
    struct ws_socket *s = mem_zalloc(sizeof *s);

    s->vu = http->vu;
    s->loop = http->vu->loop;
    s->http = http;
    s->tags = http->vu->tags;
    s->last = &s->first;
    timer_init(&s->close_timer, on_close_timer);
    arena_init(&s->arena);
    s->request = (struct ws_request){
        .dialer = http->worker->dialer,
        .local = http->local.family != ADDR_NONE ? &http->local : NULL,
        .user_agent = str_of(http->worker->user_agent),
        .max_message =
            (size_t)http->worker->max_body ? (size_t)http->worker->max_body : HTTP_BODY_MAX,
    };
    return s;
}

void ws_socket_start(struct ws_socket *s, int64_t timeout)
{
    write_cookies(s);
    s->started = clock_now();
    s->handshake_deadline = s->started + timeout;
    s->reader = fiber_start(s->loop, reader_main, s);
}

void ws_socket_free(struct ws_socket *s)
{
    if (!s->reader) {
        free_socket(s);
        return;
    }
    s->is_abandoned = true;
    timer_stop(s->loop, &s->close_timer);
    fiber_cancel(s->reader);
}

/* --- sending ------------------------------------------------------------------------------ */

int ws_socket_send(struct ws_socket *s, enum ws_kind kind, struct str data)
{
    int err;

    if (!s->ws || !s->reader)
        return ERR_WS_CLOSED;
    sample(s, METRIC_WS_MSGS_SENT, 1);
    err = ws_send(s->ws, kind, data, INT64_MAX);
    count_bytes(s);
    return err;
}

int ws_socket_ping(struct ws_socket *s)
{
    char number[24];

    if (!s->ws || !s->reader)
        return ERR_WS_CLOSED;
    s->ping_sent[s->pings++ % PINGS_KEPT] = clock_now();
    snprintf(number, sizeof number, "%llu", (unsigned long long)s->pings);
    return ws_send(s->ws, WS_PING, str_of(number), INT64_MAX);
}

int ws_socket_close(struct ws_socket *s, int code, struct str reason)
{
    if (!s->ws || !s->reader)
        return ERR_WS_CLOSED;
    if (!s->is_closing)
        timer_start(s->loop, &s->close_timer, clock_now() + CLOSE_WAIT);
    s->is_closing = true;
    return ws_close(s->ws, code, reason, clock_now() + CLOSE_WAIT);
}
