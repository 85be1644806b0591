/* The server against clients that read slowly, leave, or are not answered at once. */
#include "api/server.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "support/test.h"

enum { MAX_WAITING = 256 * 1024, PIECE = 64 * 1024, PIECES = 1000 };

static struct loop *loop;
static struct api_server *server;
static struct api_request *request; /* the last one; NULL when its client has left */
static struct api_stream *stream;
static unsigned closed;
static unsigned gone;
static unsigned handled;
static unsigned answered;

static void on_closed(void *arg)
{
    (void)arg;
    closed++;
    stream = NULL;
}

static void on_gone(void *arg)
{
    (void)arg;
    gone++;
    request = NULL;
}

static void handle(void *arg, struct api_request *r)
{
    (void)arg;
    handled++;
    request = r;
    api_on_gone(r, on_gone, NULL);
    if (strcmp(api_path(r), "/stream") == 0)
        stream = api_stream_begin(r, STR(""), MAX_WAITING, on_closed, NULL);
}

static void start(void)
{
    const struct api_server_config config = {
        .address = "127.0.0.1:0", .max_body = 1000, .connections = 10, .handle = handle};
    struct api_server_config copy = config;
    struct diag d = DIAG_INIT;

    CHECK_EQ(loop_new(&loop), 0);
    copy.loop = loop;
    CHECK_EQ(api_server_start(&copy, &server, &d), 0);
}

static void stop(void)
{
    api_server_stop(server);
    loop_free(loop);
}

/* A client with small buffers that has sent a request. */
static int ask(const char *text)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)api_server_port(server))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int small = 4096;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0);
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    CHECK_EQ(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    return fd;
}

static void on_tick(struct timer *timer)
{
    (void)timer;
    loop_stop(loop);
}

/* Runs the loop for a moment. */
static void turn(void)
{
    struct timer timer;

    timer_init(&timer, on_tick);
    timer_start(loop, &timer, clock_now() + 2 * NSEC_PER_MSEC);
    loop_run(loop);
    timer_stop(loop, &timer);
}

static void turn_until(const unsigned *count)
{
    int64_t deadline = clock_now() + 20 * NSEC_PER_SEC;

    while (*count == 0 && clock_now() < deadline)
        turn();
    CHECK(*count > 0);
}

TEST(server_closes_streams_of_slow_readers)
{
    static char piece[PIECE];
    int fd;

    start();
    fd = ask("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    turn_until(&handled);
    memset(piece, 'x', sizeof piece);
    /* What the sockets take comes first; then so much waits, and no more. */
    for (int i = 0; i < PIECES && stream; i++) {
        api_stream_send(stream, str_from(piece, sizeof piece));
        turn();
    }
    CHECK_EQ(closed, 1);
    close(fd);
    turn();
    stop();
    CHECK_EQ(closed, 1);
}

TEST(server_says_when_a_client_has_left)
{
    int fd;

    start();
    fd = ask("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    turn_until(&handled);
    CHECK(request);
    close(fd);
    turn();
    if (request) /* a suspended connection is looked at when it is resumed */
        api_answer(request, 200, "text/plain", STR("late"));
    turn();
    stop();
}

static void on_answered(void *arg, unsigned status, struct str body, const char *location)
{
    (void)arg;
    CHECK_EQ(status, 201);
    CHECK(str_eq_c(body, "made"));
    CHECK(strcmp(location, "/there") == 0);
    answered++;
}

TEST(server_holds_answers_back)
{
    char got[4096] = "";
    int fd;

    start();
    fd = ask("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
    turn_until(&handled);
    api_hold(request, on_answered, NULL);
    api_add_header(request, "Location", "/there");
    api_answer(request, 201, "text/plain", STR("made"));
    CHECK_EQ(answered, 1);
    turn();
    CHECK(recv(fd, got, sizeof got - 1, MSG_DONTWAIT) < 0); /* nothing yet */
    api_release(request);
    turn();
    CHECK(recv(fd, got, sizeof got - 1, 0) > 0);
    CHECK(strncmp(got, "HTTP/1.1 201", 12) == 0 && strstr(got, "nosniff"));
    close(fd);
    turn();
    stop();
}

TEST(server_answers_those_who_wait_when_it_ends)
{
    char got[4096] = "";
    int fd;

    start();
    fd = ask("GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
    turn_until(&handled);
    stop();
    CHECK_EQ(gone, 1);
    CHECK(recv(fd, got, sizeof got - 1, 0) > 0);
    CHECK(strncmp(got, "HTTP/1.1 503", 12) == 0);
    close(fd);
}

TEST(server_refuses_by_the_head)
{
    static const char text[] = "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n";
    char got[4096] = "";
    ssize_t len = -1;
    int fd;

    start();
    fd = ask(text);
    for (int i = 0; i < 5000 && len < 0; i++) {
        turn();
        len = recv(fd, got, sizeof got - 1, MSG_DONTWAIT);
    }
    CHECK(strncmp(got, "HTTP/1.1 413", 12) == 0);
    CHECK_EQ(handled, 0);
    close(fd);
    stop();
}

TEST(server_drains_streams_that_have_ended)
{
    static char piece[PIECE];
    unsigned char room[4096];
    struct buf got = BUF_INIT(SIZE_MAX);
    int64_t before;
    ssize_t len;
    int fd;

    start();
    fd = ask("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    turn_until(&handled);
    before = clock_now();
    api_server_drain(server, 60 * NSEC_PER_SEC); /* none has ended: at once */
    CHECK(clock_now() - before < 30 * NSEC_PER_SEC);
    memset(piece, 'x', sizeof piece);
    api_stream_end_with(stream, str_from(piece, 1000));
    api_server_drain(server, 60 * NSEC_PER_SEC);
    CHECK(clock_now() - before < 30 * NSEC_PER_SEC);
    api_server_stop(server);
    while ((len = read(fd, room, sizeof room)) > 0)
        buf_append(&got, room, (size_t)len);
    CHECK(str_ends_with(buf_str(&got), STR("\r\n0\r\n\r\n")) && got.len > 1000);
    buf_deinit(&got);
    close(fd);
    loop_free(loop);
}

TEST(server_drains_no_longer_than_it_was_told)
{
    enum { LARGE = 64 * 1024 * 1024 };
    char *large = mem_alloc(LARGE);
    int fd;

    start();
    fd = ask("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    turn_until(&handled);
    memset(large, 'x', LARGE);
    api_stream_end_with(stream, str_from(large, LARGE)); /* however many: nobody reads them */
    CHECK_EQ(closed, 0);
    api_server_drain(server, 20 * NSEC_PER_MSEC);
    close(fd);
    stop();
    mem_free(large);
}

TEST(server_ends_though_requests_still_come)
{
    char room[256];
    int first;
    int second;

    start();
    first = ask("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    turn_until(&handled);
    second = ask("GET /later HTTP/1.1\r\n");
    turn();
    CHECK_EQ(write(second, "Host: x\r\n\r\n", 11), 11);
    stop(); /* that request is read here */
    CHECK_EQ(handled, 1);
    CHECK_EQ(gone, 1);
    CHECK(read(first, room, sizeof room) > 12 && memcmp(room, "HTTP/1.1 503", 12) == 0);
    CHECK(read(second, room, sizeof room) > 12 && memcmp(room, "HTTP/1.1 503", 12) == 0);
    close(first);
    close(second);
}
