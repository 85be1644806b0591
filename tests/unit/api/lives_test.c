/* Event streams of runs, read by clients over sockets. */
#include "api/lives.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/call.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "support/test.h"

enum { LARGE = 3 * 1024 * 1024, ROOM = 65536, TAIL = 2 * ROOM };

static struct loop *loop;
static struct api_server *server;
static struct lives *lives;
static unsigned followers; /* that have come */

static json_t *run_json(const char *id, const char *phase)
{
    return json_pack("{s:s, s:s}", "id", id, "phase", phase);
}

/* "/api/v1/runs/ended/live" has ended; "/api/v1/runs/large/live" has much to begin with. */
static void handle(void *arg, struct api_request *r)
{
    static char text[LARGE];
    struct api_call call = {.request = r};
    char allow[ROUTE_ALLOW_SIZE];
    json_t *snapshot;
    const char *run;

    (void)arg;
    CHECK_EQ(route_find(api_method(r), api_path(r), &call.route, &call.values, allow), ROUTE_FOUND);
    snprintf(call.caller.id, sizeof call.caller.id, "somebody");
    run = call_param(&call, "run");
    snapshot =
        json_pack("{s:o}", "run", run_json(run, strcmp(run, "ended") == 0 ? "ended" : "running"));
    if (strcmp(run, "large") == 0) {
        memset(text, 'x', LARGE - 1);
        json_object_set_new(snapshot, "much", json_string(text));
    }
    lives_add(lives, &call, snapshot);
    followers++;
}

static void start(void)
{
    struct api_server_config config = {
        .address = "127.0.0.1:0", .max_body = 1000, .connections = 10, .handle = handle};
    struct diag d = DIAG_INIT;

    CHECK_EQ(loop_new(&loop), 0);
    config.loop = loop;
    CHECK_EQ(api_server_start(&config, &server, &d), 0);
    lives = lives_new(loop);
}

static void stop(void)
{
    lives_stop(lives);
    api_server_stop(server);
    lives_free(lives);
    loop_free(loop);
}

static void on_tick(struct timer *timer)
{
    (void)timer;
    loop_stop(loop);
}

static void turn(void)
{
    struct timer timer;

    timer_init(&timer, on_tick);
    timer_start(loop, &timer, clock_now() + 2 * NSEC_PER_MSEC);
    loop_run(loop);
    timer_stop(loop, &timer);
}

/* A client that takes little at a time. */
static int follow(const char *run)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)api_server_port(server))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unsigned before = followers;
    int small = 4096;
    char *text = mem_printf("GET /api/v1/runs/%s/live HTTP/1.1\r\nHost: x\r\n\r\n", run);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0);
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    CHECK_EQ(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    mem_free(text);
    for (int64_t end = clock_now() + 20 * NSEC_PER_SEC; followers == before && clock_now() < end;)
        turn();
    CHECK_EQ(followers, before + 1);
    return fd;
}

/* What came last. */
static struct str tail_of(const struct buf *got)
{
    size_t len = got->len < TAIL ? got->len : TAIL;

    return str_from_index(buf_str(got), got->len - len);
}

/* Reads until the text is there, or (NULL) until the last chunk. */
static void read_until(int fd, struct buf *got, const char *text)
{
    int64_t end = clock_now() + 20 * NSEC_PER_SEC;
    static char room[ROOM];

    while (str_find_str(tail_of(got), str_of(text ? text : "\r\n0\r\n")) < 0) {
        ssize_t len = recv(fd, room, sizeof room, MSG_DONTWAIT);

        CHECK(len > 0 || (len < 0 && errno == EAGAIN));
        CHECK(clock_now() < end);
        if (len > 0)
            buf_append(got, room, (size_t)len);
        else
            turn();
    }
}

static size_t count_of(const struct buf *got, const char *text)
{
    struct str rest = buf_str(got);
    size_t count = 0;
    ptrdiff_t at;

    while ((at = str_find_str(rest, str_of(text))) >= 0) {
        rest = str_from_index(rest, (size_t)at + strlen(text));
        count++;
    }
    return count;
}

TEST(lives_go_to_those_who_follow_the_run)
{
    struct buf a = BUF_INIT(SIZE_MAX);
    struct buf b = BUF_INIT(SIZE_MAX);
    int first;
    int second;

    start();
    first = follow("a");
    second = follow("b");
    CHECK_EQ(lives_count(lives), 2);
    CHECK(lives_are_followed(lives, "a") && !lives_are_followed(lives, "c"));
    lives_send(lives, "a", "window", json_pack("{s:i}", "t", 1));
    lives_send(lives, "c", "window", json_pack("{s:i}", "t", 2));
    lives_end(lives, "a", json_pack("{}"), run_json("a", "ended"));
    CHECK(!lives_are_followed(lives, "a"));
    read_until(first, &a, NULL);
    lives_end(lives, "b", NULL, NULL);
    read_until(second, &b, NULL);
    CHECK_EQ(count_of(&a, "event: snapshot\n"), 1);
    CHECK_EQ(count_of(&a, "event: window\ndata: {\"t\":1}\n\n"), 1);
    CHECK_EQ(count_of(&a, "event: end\n"), 1);
    CHECK_EQ(count_of(&a, "event: export\ndata: {}\n\n"), 1);
    CHECK_EQ(count_of(&a, "event: "), 4);
    CHECK_EQ(count_of(&b, "event: "), 1);
    close(first);
    close(second);
    stop();
    buf_deinit(&a);
    buf_deinit(&b);
}

TEST(lives_of_a_run_that_has_ended_end_at_once)
{
    struct buf got = BUF_INIT(SIZE_MAX);
    int fd;

    start();
    fd = follow("ended");
    CHECK_EQ(lives_count(lives), 0);
    read_until(fd, &got, NULL);
    CHECK_EQ(count_of(&got, "event: snapshot\n"), 1);
    CHECK_EQ(count_of(&got, "event: end\n"), 1);
    close(fd);
    stop();
    buf_deinit(&got);
}

TEST(lives_begin_with_however_much_there_is)
{
    struct buf got = BUF_INIT(SIZE_MAX);
    int fd;

    start();
    fd = follow("large");
    CHECK_EQ(lives_count(lives), 1);
    lives_send(lives, "large", "window", json_pack("{s:i}", "t", 1));
    read_until(fd, &got, "event: window\n");
    CHECK(got.len > LARGE);
    close(fd);
    stop();
    buf_deinit(&got);
}

TEST(lives_leave_slow_readers)
{
    static char text[65536];
    int fd;

    start();
    fd = follow("a");
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 1000 && lives_count(lives) > 0; i++) {
        lives_send(lives, "a", "log", json_string(text));
        turn();
    }
    CHECK_EQ(lives_count(lives), 0);
    close(fd);
    stop();
}

TEST(lives_end_with_their_token)
{
    struct buf got = BUF_INIT(SIZE_MAX);
    int fd;

    start();
    fd = follow("a");
    lives_end_caller(lives, "another");
    CHECK_EQ(lives_count(lives), 1);
    lives_end_caller(lives, "somebody");
    CHECK_EQ(lives_count(lives), 0);
    read_until(fd, &got, NULL);
    close(fd);
    stop();
    buf_deinit(&got);
}
