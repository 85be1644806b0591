/* The benchmarks' target for WebSockets and gRPC: sends back what it gets, as fast as one core can,
 * so that the generator is what is measured.
 *
 *     echo WS_PORT GRPC_PORT        both on 127.0.0.1; ends when it is killed
 *
 * One thread, one epoll. WebSockets: frames of up to 64 KiB, unfragmented, without extensions
 * (RFC 6455). gRPC: HTTP/2 with prior knowledge by nghttp2; each request's body is the answer's,
 * grpc-status 0 in the trailers. Clients are trusted: whatever else they send ends their
 * connection. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 256 * 1024, EVENTS = 512, BODY_MAX = 64 * 1024 };

struct conn {
    int fd;
    int is_grpc;
    int is_open; /* the WebSocket's handshake is over */
    nghttp2_session *h2;
    char *in;
    size_t in_len;
    char *out;
    size_t out_len;
    size_t out_cap;
};

struct stream {
    size_t len;
    size_t sent;
    char body[];
};

static int poller;

/* --- bytes out ---------------------------------------------------------------------------- */

static void put(struct conn *c, const void *data, size_t len)
{
    if (c->out_len + len > c->out_cap) {
        c->out_cap = (c->out_len + len) * 2;
        c->out = realloc(c->out, c->out_cap);
        if (!c->out)
            abort();
    }
    memcpy(c->out + c->out_len, data, len);
    c->out_len += len;
}

static int flush_out(struct conn *c)
{
    size_t at = 0;

    while (at < c->out_len) {
        ssize_t done = send(c->fd, c->out + at, c->out_len - at, MSG_NOSIGNAL);

        if (done < 0 && errno == EAGAIN)
            break;
        if (done <= 0)
            return -1;
        at += (size_t)done;
    }
    memmove(c->out, c->out + at, c->out_len - at);
    c->out_len -= at;
    return 0;
}

/* --- WebSockets --------------------------------------------------------------------------- */

/* Whole requests only: the generator writes them in one piece. */
static int shake_hands(struct conn *c)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    static const char field[] = "Sec-WebSocket-Key: ";
    unsigned char digest[SHA_DIGEST_LENGTH];
    char text[128];
    char accepted[64];
    char answer[256];
    char *key;
    int len;

    c->in[c->in_len] = '\0';
    if (!strstr(c->in, "\r\n\r\n"))
        return 0;
    key = strcasestr(c->in, field);
    if (!key)
        return -1;
    len = snprintf(text, sizeof text, "%.24s%s", key + sizeof field - 1, guid);
    SHA1((unsigned char *)text, (size_t)len, digest);
    EVP_EncodeBlock((unsigned char *)accepted, digest, sizeof digest);
    len =
        snprintf(answer, sizeof answer,
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: %s\r\n\r\n",
                 accepted);
    put(c, answer, (size_t)len);
    c->is_open = 1;
    c->in_len = 0;
    return 0;
}

/* Echoes one frame from the front of `in`: its length, 0 when it is not whole yet, or -1. */
static ssize_t echo_frame(struct conn *c, unsigned char *in, size_t have)
{
    size_t len = have > 1 ? in[1] & 0x7fu : 0;
    size_t head = 2;
    unsigned char *mask;

    if (have < 2)
        return 0;
    if (!(in[1] & 0x80) || len == 127)
        return -1;
    if (len == 126) {
        if (have < 4)
            return 0;
        len = (size_t)in[2] << 8 | in[3];
        head = 4;
    }
    if (have < head + 4 + len)
        return 0;
    mask = in + head;
    for (size_t i = 0; i < len; i++)
        mask[4 + i] ^= mask[i & 3];
    in[1] &= 0x7f;
    if ((in[0] & 0xf) == 9)
        in[0] = 0x8a; /* a ping's answer */
    put(c, in, head);
    put(c, mask + 4, len);
    return (ssize_t)(head + 4 + len);
}

static int on_ws(struct conn *c)
{
    size_t at = 0;

    if (!c->is_open)
        return shake_hands(c);
    while (at < c->in_len) {
        ssize_t used = echo_frame(c, (unsigned char *)c->in + at, c->in_len - at);

        if (used < 0)
            return -1;
        if (used == 0)
            break;
        at += (size_t)used;
    }
    memmove(c->in, c->in + at, c->in_len - at);
    c->in_len -= at;
    return 0;
}

/* --- gRPC --------------------------------------------------------------------------------- */

static ssize_t h2_send(nghttp2_session *h2, const uint8_t *data, size_t len, int flags, void *user)
{
    (void)h2;
    (void)flags;
    put(user, data, len);
    return (ssize_t)len;
}

static int h2_begin(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
    struct stream *s = calloc(1, sizeof *s + BODY_MAX);

    (void)user;
    return s ? nghttp2_session_set_stream_user_data(h2, frame->hd.stream_id, s) : -1;
}

static int h2_chunk(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
                    void *user)
{
    struct stream *s = nghttp2_session_get_stream_user_data(h2, id);

    (void)flags;
    (void)user;
    if (!s || s->len + len > BODY_MAX)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    memcpy(s->body + s->len, data, len);
    s->len += len;
    return 0;
}

#define HEADER(name, value)                                                                        \
    {                                                                                              \
        (uint8_t *)(name), (uint8_t *)(value), sizeof(name) - 1, sizeof(value) - 1,                \
            NGHTTP2_NV_FLAG_NONE                                                                   \
    }

static ssize_t h2_read(nghttp2_session *h2, int32_t id, uint8_t *out, size_t room, uint32_t *flags,
                       nghttp2_data_source *source, void *user)
{
    static const nghttp2_nv trailers[] = {HEADER("grpc-status", "0")};
    struct stream *s = source->ptr;
    size_t len = s->len - s->sent < room ? s->len - s->sent : room;

    (void)user;
    memcpy(out, s->body + s->sent, len);
    s->sent += len;
    if (s->sent == s->len) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_submit_trailer(h2, id, trailers, 1);
    }
    return (ssize_t)len;
}

static int h2_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
    static const nghttp2_nv headers[] = {HEADER(":status", "200"),
                                         HEADER("content-type", "application/grpc")};
    nghttp2_data_provider body = {.read_callback = h2_read};

    (void)user;
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) ||
        (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS))
        return 0;
    body.source.ptr = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
    return body.source.ptr ? nghttp2_submit_response(h2, frame->hd.stream_id, headers, 2, &body)
                           : 0;
}

static int h2_close(nghttp2_session *h2, int32_t id, uint32_t code, void *user)
{
    (void)code;
    (void)user;
    free(nghttp2_session_get_stream_user_data(h2, id));
    return nghttp2_session_set_stream_user_data(h2, id, NULL);
}

static void h2_start(struct conn *c)
{
    static nghttp2_session_callbacks *callbacks;
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000}};

    if (!callbacks) {
        nghttp2_session_callbacks_new(&callbacks);
        nghttp2_session_callbacks_set_send_callback(callbacks, h2_send);
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, h2_begin);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, h2_chunk);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, h2_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, h2_close);
    }
    nghttp2_session_server_new(&c->h2, callbacks, c);
    nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, settings, 1);
}

static int on_grpc(struct conn *c)
{
    ssize_t used = nghttp2_session_mem_recv(c->h2, (uint8_t *)c->in, c->in_len);

    c->in_len = 0;
    return used < 0 || nghttp2_session_send(c->h2) != 0 ? -1 : 0;
}

/* --- connections -------------------------------------------------------------------------- */

static void end(struct conn *c)
{
    close(c->fd);
    nghttp2_session_del(c->h2);
    free(c->in);
    free(c->out);
    free(c);
}

static void on_ready(struct conn *c)
{
    for (;;) {
        ssize_t got =
            c->in_len + 1 < BUFFER ? read(c->fd, c->in + c->in_len, BUFFER - 1 - c->in_len) : 0;

        if (got < 0 && errno == EAGAIN)
            break;
        if (got <= 0) {
            end(c);
            return;
        }
        c->in_len += (size_t)got;
        if ((c->is_grpc ? on_grpc : on_ws)(c) != 0) {
            end(c);
            return;
        }
        if (got < 4096) /* that was all; another event comes when there is more */
            break;
    }
    if (flush_out(c) != 0)
        end(c);
}

static void welcome(int listener, int is_grpc)
{
    int one = 1;
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct conn *c = calloc(1, sizeof *c);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};

        if (!c || !(c->in = malloc(BUFFER)))
            abort();
        c->fd = fd;
        c->is_grpc = is_grpc;
        if (is_grpc)
            h2_start(c);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

static int listen_on(const char *port, int *place)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = place};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0 || listen(fd, 16384) != 0) {
        perror(port);
        exit(1);
    }
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    return *place = fd;
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS];
    int ws;
    int grpc;

    if (argc != 3) {
        fprintf(stderr, "usage: echo WS_PORT GRPC_PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    poller = epoll_create1(0);
    listen_on(argv[1], &ws);
    listen_on(argv[2], &grpc);
    for (;;) {
        int count = epoll_wait(poller, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &ws)
                welcome(ws, 0);
            else if (events[i].data.ptr == &grpc)
                welcome(grpc, 1);
            else
                on_ready(events[i].data.ptr);
        }
    }
}
