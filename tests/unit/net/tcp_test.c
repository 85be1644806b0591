#include "net/tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "fixture.h"
#include "support/test.h"

enum { BIG = 8 * 1024 * 1024 };

static struct stream *dial(uint16_t port)
{
    struct addr to = loopback(port);
    struct stream *s;

    CHECK_EQ(tcp_dial(fiber_loop(), &to, NULL, soon(), &s, NULL), 0);
    return s;
}

static void echo(int fd, void *arg)
{
    char buf[4096];
    ssize_t got;

    (void)arg;
    while ((got = read(fd, buf, sizeof buf)) > 0)
        write_all(fd, buf, (size_t)got);
}

static void exchange(void *arg)
{
    struct stream *s = dial(*(uint16_t *)arg);
    struct iovec parts[3] = {{"he", 2}, {"", 0}, {"llo", 3}};
    char buf[64];
    char text[ADDR_PORT_TEXT_MAX];
    char want[ADDR_PORT_TEXT_MAX];
    int64_t before = clock_now();
    int64_t ready = 0;

    snprintf(want, sizeof want, "127.0.0.1:%u", *(uint16_t *)arg);
    CHECK_TEXT(addr_format_port(&s->remote, text), want);
    CHECK(!s->tls);
    CHECK_EQ(stream_writev(s, parts, 3, soon()), 0);
    CHECK_EQ(stream_read(s, buf, sizeof buf, soon(), &ready), 5);
    CHECK(memcmp(buf, "hello", 5) == 0);
    CHECK(ready > before && ready <= clock_now());
    CHECK_EQ(s->bytes.sent, 5);
    CHECK_EQ(s->bytes.received, 5);
    stream_close(s);
}

TEST(tcp_exchanges_bytes_and_counts_them)
{
    uint16_t port = serve(1, echo, NULL);

    run_fiber(exchange, &port);
}

static void count_calls(void *arg)
{
    struct stream *s = dial(*(uint16_t *)arg);
    char buf[4096];

    for (int i = 0; i < 100; i++) {
        recv_calls = 0;
        send_calls = 0;
        CHECK(stream_is_idle_healthy(s));
        CHECK_EQ(recv_calls, 0);
        CHECK_EQ(stream_write(s, "ping", 4, soon()), 0);
        CHECK_EQ(stream_read(s, buf, sizeof buf, soon(), NULL), 4);
        CHECK_EQ(send_calls, 1);
        CHECK_EQ(recv_calls, 1);
    }
    stream_close(s);
}

TEST(tcp_request_costs_one_write_and_one_read)
{
    uint16_t port = serve(1, echo, NULL);

    run_fiber(count_calls, &port);
}

static void be_refused(void *arg)
{
    struct addr to = loopback(*(uint16_t *)arg);
    struct diag d = DIAG_INIT;
    struct stream *s = NULL;
    char want[128];

    CHECK_EQ(tcp_dial(fiber_loop(), &to, NULL, soon(), &s, &d), ERR_REFUSED);
    snprintf(want, sizeof want, "dial tcp 127.0.0.1:%u: connect: connection refused", to.port);
    CHECK_TEXT(d.message, want);
    CHECK(!s);
    diag_deinit(&d);
}

TEST(tcp_names_a_refused_connection)
{
    uint16_t port = dead_port();

    run_fiber(be_refused, &port);
}

static void dial_from(void *arg)
{
    struct addr to = loopback(*(uint16_t *)arg);
    struct addr local;
    struct diag d = DIAG_INIT;
    struct stream *s;
    char peer[4];

    CHECK_EQ(addr_parse_port(STR("127.0.0.77:5"), &local), 0);
    CHECK_EQ(tcp_dial(fiber_loop(), &to, &local, soon(), &s, NULL), 0);
    CHECK_EQ(stream_read(s, peer, sizeof peer, soon(), NULL), 4);
    CHECK(memcmp(peer, local.ip, 4) == 0);
    stream_close(s);
    /* 192.0.2.0/24 is for documentation: no interface has it. */
    CHECK_EQ(addr_parse(STR("192.0.2.7"), &local), 0);
    CHECK_EQ(tcp_dial(fiber_loop(), &to, &local, soon(), &s, &d), ERR_DIAL_ERRNO);
    CHECK(strstr(d.message, "dial tcp 192.0.2.7:0->127.0.0.1:"));
    CHECK(strstr(d.message, ": bind: cannot assign requested address"));
    diag_deinit(&d);
}

static void tell_peer(int fd, void *arg)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    struct addr peer;

    (void)arg;
    if (getpeername(fd, (struct sockaddr *)&sa, &len) == 0) {
        addr_from_sockaddr((struct sockaddr *)&sa, &peer);
        write_all(fd, (const char *)peer.ip, 4);
    }
}

TEST(tcp_dials_from_a_local_address)
{
    uint16_t port = serve(1, tell_peer, NULL);

    run_fiber(dial_from, &port);
}

static void wait_for_nobody(void *arg)
{
    struct addr to = loopback(*(uint16_t *)arg);
    int64_t deadline = in_ms(60);
    struct stream *s;
    int err = 0;

    /* The queue takes one or two; then the kernel drops what knocks. */
    for (int i = 0; i < 8 && err == 0; i++) {
        err = tcp_dial(fiber_loop(), &to, NULL, deadline, &s, NULL);
        if (err == 0)
            stream_close(s);
    }
    CHECK_EQ(err, ERR_TIMEOUT);
    CHECK(clock_now() >= deadline);
}

TEST(tcp_dial_gives_up_at_its_deadline)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    struct addr at = loopback(0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    uint16_t port;

    CHECK_EQ(bind(fd, (struct sockaddr *)&sa, addr_to_sockaddr(&at, &sa)), 0);
    CHECK_EQ(listen(fd, 0), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    addr_from_sockaddr((struct sockaddr *)&sa, &at);
    port = at.port;
    run_fiber(wait_for_nobody, &port);
    close(fd);
}

static void reset_after_4(int fd, void *arg)
{
    struct linger off = {1, 0};
    char buf[4];

    (void)arg;
    read_exactly(fd, buf, sizeof buf);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off);
}

static void be_reset(void *arg)
{
    struct stream *s = dial(*(uint16_t *)arg);
    char buf[64];
    int err = 0;

    CHECK_EQ(stream_write(s, "ping", 4, soon()), 0);
    CHECK_EQ(stream_read(s, buf, sizeof buf, soon(), NULL), ERR_RESET);
    CHECK(!stream_is_idle_healthy(s));
    for (int i = 0; i < 3 && err == 0; i++)
        err = stream_write(s, "more", 4, soon());
    CHECK_EQ(err, ERR_BROKEN_PIPE);
    stream_close(s);
}

TEST(tcp_names_a_reset)
{
    uint16_t port = serve(1, reset_after_4, NULL);

    run_fiber(be_reset, &port);
}

static void say_and_close(int fd, void *arg)
{
    (void)arg;
    write_all(fd, "bye", 3);
}

/* Data and end may arrive together: the short read must not make it forget the end. */
static void read_to_end(void *arg)
{
    struct stream *s = dial(*(uint16_t *)arg);
    char buf[64];

    CHECK_EQ(fiber_sleep_until(in_ms(30)), 0);
    CHECK_EQ(stream_read(s, buf, sizeof buf, soon(), NULL), 3);
    CHECK_EQ(stream_read(s, buf, sizeof buf, soon(), NULL), 0);
    CHECK(!stream_is_idle_healthy(s));
    stream_close(s);
    s = dial(*(uint16_t *)arg);
    CHECK_EQ(stream_read(s, buf, 2, soon(), NULL), 2);
    CHECK_EQ(stream_read(s, buf, 2, soon(), NULL), 1);
    CHECK_EQ(stream_read(s, buf, 2, soon(), NULL), 0);
    stream_close(s);
}

TEST(tcp_reads_to_the_orderly_end)
{
    uint16_t port = serve(2, say_and_close, NULL);

    run_fiber(read_to_end, &port);
}

static void hold(int fd, void *arg)
{
    char byte;

    (void)arg;
    read_exactly(fd, &byte, 1);
    write_all(fd, "x", 1);
    read_exactly(fd, &byte, 1);
}

static void go_idle(void *arg)
{
    struct stream *s = dial(*(uint16_t *)arg);
    char byte;

    CHECK(stream_is_idle_healthy(s));
    CHECK_EQ(stream_write(s, "a", 1, soon()), 0);
    CHECK(turns_unhealthy(s)); /* something unexpected arrived */
    CHECK_EQ(stream_read(s, &byte, 1, soon(), NULL), 1);
    CHECK(stream_is_idle_healthy(s)); /* a full count: only a peek can tell */
    CHECK_EQ(stream_write(s, "b", 1, soon()), 0);
    CHECK(turns_unhealthy(s)); /* closed */
    stream_close(s);
}

TEST(tcp_knows_when_an_idle_connection_is_dead)
{
    uint16_t port = serve(1, hold, NULL);

    run_fiber(go_idle, &port);
}

static void wait_in_vain(void *arg)
{
    struct stream *s = dial(*(uint16_t *)arg);
    int64_t deadline = in_ms(30);
    char byte;

    CHECK_EQ(stream_read(s, &byte, 1, deadline, NULL), ERR_TIMEOUT);
    CHECK(clock_now() >= deadline);
    CHECK_EQ(stream_write(s, "a", 1, soon()), 0);
    CHECK_EQ(stream_read(s, &byte, 1, soon(), NULL), 1);
    fiber_cancel(fiber_current());
    CHECK_EQ(stream_read(s, &byte, 1, soon(), NULL), ERR_CANCELLED);
    fiber_uncancel(fiber_current());
    stream_close(s);
}

TEST(tcp_read_times_out_and_is_cancelled)
{
    uint16_t port = serve(1, hold, NULL);

    run_fiber(wait_in_vain, &port);
}

/* --- large and two-way ---------------------------------------------------------------------- */

static char pattern_at(size_t i)
{
    return (char)(i * 31 + i / 4096);
}

static char *make_pattern(void)
{
    char *data = mem_alloc(BIG);

    for (size_t i = 0; i < BIG; i++)
        data[i] = pattern_at(i);
    return data;
}

/* Reads slowly at first, so that the writer meets a full socket. */
static void swallow(int fd, void *arg)
{
    char *copy = mem_alloc(BIG);
    char *want = make_pattern();

    if (arg)
        shutdown(fd, SHUT_WR);
    usleep(50000);
    for (size_t i = 0; i < 16; i++) {
        read_exactly(fd, copy + i * 1000, 1000);
        usleep(1000);
    }
    read_exactly(fd, copy + 16000, BIG - 16000);
    if (!arg)
        write_all(fd, memcmp(copy, want, BIG) == 0 ? "same" : "diff", 4);
    mem_free(copy);
    mem_free(want);
}

static void send_big(struct stream *s)
{
    char *data = make_pattern();
    struct iovec parts[40];

    for (size_t i = 0; i < 40; i++)
        parts[i] = (struct iovec){data + i * (BIG / 64), BIG / 64};
    parts[39].iov_len = BIG - 39 * (BIG / 64);
    CHECK_EQ(stream_writev(s, parts, 40, soon()), 0);
    CHECK_EQ(s->bytes.sent, BIG);
    mem_free(data);
}

static void write_big(void *arg)
{
    struct stream *s = dial(*(uint16_t *)arg);
    char answer[4];

    send_big(s);
    CHECK_EQ(stream_read(s, answer, 4, soon(), NULL), 4);
    CHECK(memcmp(answer, "same", 4) == 0);
    stream_close(s);
}

TEST(tcp_writes_everything_to_a_slow_reader)
{
    uint16_t port = serve(1, swallow, NULL);

    run_fiber(write_big, &port);
}

static void write_to_half_closed(void *arg)
{
    struct stream *s = dial(*(uint16_t *)arg);
    char byte;

    CHECK_EQ(stream_read(s, &byte, 1, soon(), NULL), 0);
    send_calls = 0;
    send_big(s);
    /* A writer that took the peer's half-close for readiness would spin: tens of thousands. */
    CHECK(send_calls < 4000);
    stream_close(s);
}

TEST(tcp_writes_to_a_half_closed_peer_without_spinning)
{
    uint16_t port = serve(1, swallow, &port);

    run_fiber(write_to_half_closed, &port);
}

static void stall(int fd, void *arg)
{
    (void)fd;
    (void)arg;
    stall_until_released();
}

static void write_to_stalled(void *arg)
{
    struct stream *s = dial(*(uint16_t *)arg);
    char *data = mem_zalloc(BIG);

    CHECK_EQ(stream_write(s, data, BIG, in_ms(50)), ERR_TIMEOUT);
    CHECK(s->bytes.sent > 0 && s->bytes.sent < BIG);
    release_server();
    mem_free(data);
    stream_close(s);
}

TEST(tcp_write_times_out_on_a_stalled_reader)
{
    uint16_t port = serve(1, stall, NULL);

    run_fiber(write_to_stalled, &port);
}

struct duplex {
    struct stream *s;
    struct wait_group group;
};

static void write_half(void *arg)
{
    struct duplex *d = arg;
    char *data = make_pattern();

    CHECK_EQ(stream_write(d->s, data, BIG, soon()), 0);
    mem_free(data);
    wait_group_done(&d->group);
}

static void read_and_write(void *arg)
{
    struct duplex d = {.s = dial(*(uint16_t *)arg)};
    char buf[65536];

    wait_group_init(&d.group);
    wait_group_add(&d.group, 1);
    fiber_start(fiber_loop(), write_half, &d);
    for (size_t at = 0; at < BIG;) {
        ptrdiff_t got = stream_read(d.s, buf, sizeof buf, soon(), NULL);

        CHECK(got > 0);
        for (size_t i = 0; i < (size_t)got; i++)
            CHECK(buf[i] == pattern_at(at + i));
        at += (size_t)got;
    }
    CHECK_EQ(wait_group_wait(&d.group), 0);
    stream_close(d.s);
}

TEST(tcp_serves_a_reader_and_a_writer_at_once)
{
    uint16_t port = serve(1, echo, NULL);

    run_fiber(read_and_write, &port);
}

/* --- peers that are too fast, or gone ------------------------------------------------------- */

static void gush(int fd, void *arg)
{
    static const char data[1 << 20];

    (void)arg;
    while (send(fd, data, sizeof data, MSG_NOSIGNAL) > 0)
        ;
}

static void count_turns(void *arg)
{
    unsigned *turns = arg;

    while (!fiber_is_cancelled(fiber_current())) {
        ++*turns;
        fiber_yield();
    }
}

static void drink(void *arg)
{
    struct stream *s = dial(*(uint16_t *)arg);
    int64_t deadline = in_ms(100);
    unsigned turns = 0;
    struct fiber *other = fiber_start(fiber_loop(), count_turns, &turns);
    char buf[4096];
    ptrdiff_t got = 1;

    while (got > 0 && clock_now() < deadline + 10 * NSEC_PER_SEC)
        got = stream_read(s, buf, sizeof buf, deadline, NULL);
    CHECK_EQ(got, ERR_TIMEOUT);
    CHECK(turns > 10);
    fiber_cancel(fiber_current());
    got = 1;
    while (got > 0)
        got = stream_read(s, buf, sizeof buf, INT64_MAX, NULL);
    CHECK_EQ(got, ERR_CANCELLED);
    fiber_uncancel(fiber_current());
    fiber_cancel(other);
    fiber_yield();
    stream_close(s);
}

TEST(tcp_reader_of_an_endless_stream_takes_turns_and_ends)
{
    uint16_t port = serve(1, gush, NULL);

    run_fiber(drink, &port);
}

static void reset_later(int fd, void *arg)
{
    struct linger off = {1, 0};

    (void)arg;
    usleep(50000);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off);
}

static void be_reset_while_writing(void *arg)
{
    struct stream *s = dial(*(uint16_t *)arg);
    char *data = mem_zalloc(BIG);
    int err = stream_write(s, data, BIG, soon());

    CHECK(err == ERR_RESET || err == ERR_BROKEN_PIPE);
    mem_free(data);
    stream_close(s);
}

TEST(tcp_wakes_a_waiting_writer_on_a_reset)
{
    uint16_t port = serve(1, reset_later, NULL);

    run_fiber(be_reset_while_writing, &port);
}
