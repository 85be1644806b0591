/* Only orders and lower bounds are asserted: a busy machine makes everything later. */
#include "net/emulate.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "fixture.h"
#include "net/dialer.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "net/transport.h"
#include "support/test.h"

enum { BIG = 3 * 1024 * 1024 + 17, RTT_MS = 40 };

static const int64_t rtt = RTT_MS * NSEC_PER_MSEC;

/* --- text --------------------------------------------------------------------------------- */

TEST(distance_parses_and_formats)
{
    struct distance_spec spec;
    char text[DISTANCE_TEXT_MAX];

    CHECK_EQ(distance_parse(STR("rtt=230ms,jitter=8ms,rate=50mbit,loss=0.1%"), &spec, NULL), 0);
    CHECK_EQ(spec.rtt, 230 * NSEC_PER_MSEC);
    CHECK_EQ(spec.jitter, 8 * NSEC_PER_MSEC);
    CHECK_EQ(spec.rate, 50000000);
    CHECK_NEAR(spec.loss, 0.001, 1e-9);
    CHECK_TEXT(distance_format(&spec, text), "rtt=230ms,jitter=8ms,rate=50mbit,loss=0.1%");
    CHECK_EQ(distance_parse(STR(" loss=0% , rtt=1.5s"), &spec, NULL), 0);
    CHECK_TEXT(distance_format(&spec, text), "rtt=1.5s");
    CHECK_EQ(distance_parse(STR("rate=1gbit"), &spec, NULL), 0);
    CHECK_TEXT(distance_format(&spec, text), "rtt=0s,rate=1gbit");
}

TEST(distance_names_the_part_that_is_wrong)
{
    static const struct {
        const char *text;
        const char *message;
    } bad[] = {
        {"", "'': use rtt=, jitter=, rate= and loss="},
        {"230ms", "'230ms': use rtt=, jitter=, rate= and loss="},
        {"rtt", "'rtt': use rtt=, jitter=, rate= and loss="},
        {"rtt=10ms,", "'': use rtt=, jitter=, rate= and loss="},
        {"delay=10ms", "'delay=10ms': use rtt=, jitter=, rate= and loss="},
        {"rtt=", "rtt '': a duration from 0 to 60s, as in 230ms"},
        {"rtt=-1ms", "rtt '-1ms': a duration from 0 to 60s, as in 230ms"},
        {"rtt=61s", "rtt '61s': a duration from 0 to 60s, as in 230ms"},
        {"rtt=9ms,jitter=x", "jitter 'x': a duration from 0 to 60s, as in 230ms"},
        {"rtt=9ms,rtt=9ms", "rtt is given twice"},
        {"rtt=9ms,jitter=10ms", "jitter is larger than rtt: no round trip takes less than nothing"},
        {"rate=50", "rate '50': bits per second from 1kbit to 1000gbit, as in 50mbit"},
        {"loss=1", "loss '1': a share from 0% to 50%, as in 0.1%"},
        {"loss=51%", "loss '51%': a share from 0% to 50%, as in 0.1%"},
        {"loss=nan%", "loss 'nan%': a share from 0% to 50%, as in 0.1%"},
    };
    struct distance_spec spec;

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct diag d = DIAG_INIT;

        CHECK_EQ(distance_parse(str_of(bad[i].text), &spec, &d), ERR_INVALID);
        CHECK_TEXT(d.message, bad[i].message);
        diag_deinit(&d);
    }
}

/* --- connections -------------------------------------------------------------------------- */

/* One case: a server's port, a distance, and what the client does. */
static struct {
    uint16_t port;
    struct distance_spec spec;
    void (*then)(struct emulator *em);
} t;

static void client(void *arg)
{
    struct distance *distance = distance_new(&t.spec);
    struct emulator *em = emulator_new(fiber_loop(), distance);

    (void)arg;
    t.then(em);
    emulator_free(em);
    distance_free(distance);
}

static void run(void (*then)(struct emulator *em))
{
    t.then = then;
    run_fiber(client, NULL);
}

static struct stream *dial(struct emulator *em)
{
    struct addr to = loopback(t.port);
    struct stream *s;

    CHECK_EQ(emulator_dial(em, &to, NULL, soon(), &s, NULL), 0);
    return s;
}

static void echo(int fd, void *arg)
{
    char buf[65536];
    ssize_t got;

    (void)arg;
    while ((got = read(fd, buf, sizeof buf)) > 0)
        write_all(fd, buf, (size_t)got);
}

static void ping(struct emulator *em)
{
    int64_t began = clock_now();
    struct stream *s = dial(em);
    char text[ADDR_PORT_TEXT_MAX];
    char want[ADDR_PORT_TEXT_MAX];
    char buf[64];

    CHECK(transport_ready_nsec(transport_of(s)) >= began + rtt);
    CHECK(clock_now() >= began + rtt);
    snprintf(want, sizeof want, "127.0.0.1:%u", t.port);
    CHECK_TEXT(addr_format_port(&s->remote, text), want);
    for (uint64_t i = 1; i <= 3; i++) {
        int64_t ready = 0;

        began = clock_now();
        CHECK(stream_is_idle_healthy(s));
        CHECK_EQ(stream_write(s, "ping", 4, soon()), 0);
        CHECK_EQ(stream_read(s, buf, sizeof buf, soon(), &ready), 4);
        CHECK(memcmp(buf, "ping", 4) == 0);
        CHECK(ready >= began + rtt && ready <= clock_now());
        CHECK_EQ(s->bytes.sent, 4 * i);
        CHECK_EQ(s->bytes.received, 4 * i);
    }
    stream_close(s);
}

TEST(emulate_makes_everything_a_round_trip)
{
    t.spec.rtt = rtt;
    t.port = serve(1, echo, NULL);
    run(ping);
}

static void greet(int fd, void *arg)
{
    char byte;

    (void)arg;
    write_all(fd, "hello", 5);
    read_exactly(fd, &byte, 1);
}

/* The stamp is the moment of arrival, also when nobody looked then. */
static void look_late(struct emulator *em)
{
    int64_t began = clock_now();
    struct stream *s = dial(em);
    char buf[8];
    int64_t arrived;
    int64_t ready;

    CHECK(turns_unhealthy(s));
    arrived = clock_now();
    while (clock_now() < arrived + rtt)
        continue; /* a busy fiber */
    CHECK_EQ(stream_read(s, buf, sizeof buf, soon(), &ready), 5);
    CHECK(ready >= began + rtt && ready <= arrived);
    stream_close(s);
}

TEST(emulate_stamps_the_moment_of_arrival)
{
    t.spec.rtt = rtt;
    t.port = serve(1, greet, NULL);
    run(look_late);
}

static void knock(struct emulator *em)
{
    struct addr to = loopback(t.port);
    int64_t began = clock_now();
    struct diag d = DIAG_INIT;
    struct stream *s = NULL;
    char want[96];

    CHECK_EQ(emulator_dial(em, &to, NULL, soon(), &s, &d), ERR_REFUSED);
    snprintf(want, sizeof want, "dial tcp 127.0.0.1:%u: connect: connection refused", t.port);
    CHECK_TEXT(d.message, want);
    CHECK(clock_now() >= began + rtt);
    diag_deinit(&d);
}

TEST(emulate_takes_a_round_trip_to_be_refused)
{
    t.spec.rtt = rtt;
    t.port = dead_port();
    run(knock);
}

static void be_impatient(struct emulator *em)
{
    struct addr to = loopback(t.port);
    struct diag d = DIAG_INIT;
    struct stream *s = NULL;
    int64_t deadline = in_ms(RTT_MS / 4);

    CHECK_EQ(emulator_dial(em, &to, NULL, deadline, &s, NULL), ERR_TIMEOUT);
    deadline = in_ms(3 * RTT_MS / 4);
    CHECK_EQ(emulator_dial(em, &to, NULL, deadline, &s, &d), ERR_TIMEOUT);
    CHECK(clock_now() >= deadline);
    CHECK(!s && !d.message);
    fiber_cancel(fiber_current());
    CHECK_EQ(emulator_dial(em, &to, NULL, soon(), &s, NULL), ERR_CANCELLED);
    fiber_uncancel(fiber_current());
    CHECK(!s);
}

static void ignore(int fd, void *arg)
{
    (void)fd;
    (void)arg;
}

TEST(emulate_gives_up_connecting_at_the_deadline)
{
    t.spec.rtt = rtt;
    t.port = serve(1, ignore, NULL);
    run(be_impatient);
}

static void wait_in_vain(struct emulator *em)
{
    struct stream *s = dial(em);
    char byte;
    int64_t deadline = in_ms(30);

    CHECK_EQ(stream_read(s, &byte, 1, deadline, NULL), ERR_TIMEOUT);
    CHECK(clock_now() >= deadline);
    CHECK_EQ(stream_write(s, "a", 1, soon()), 0);
    CHECK_EQ(stream_read(s, &byte, 1, in_ms(RTT_MS / 2), NULL), ERR_TIMEOUT); /* on its way */
    CHECK_EQ(stream_read(s, &byte, 1, soon(), NULL), 1);
    fiber_cancel(fiber_current());
    CHECK_EQ(stream_read(s, &byte, 1, soon(), NULL), ERR_CANCELLED);
    fiber_uncancel(fiber_current());
    stream_close(s);
}

TEST(emulate_read_times_out_and_is_cancelled)
{
    t.spec.rtt = rtt;
    t.port = serve(1, echo, NULL);
    run(wait_in_vain);
}

/* --- many bytes --------------------------------------------------------------------------- */

static char *make_pattern(void)
{
    char *data = mem_alloc(BIG);

    for (size_t i = 0; i < BIG; i++)
        data[i] = (char)(i * 31 + i / 4096);
    return data;
}

struct half {
    struct stream *s;
    const char *data;
    struct wait_group group;
};

static void write_half(void *arg)
{
    struct half *h = arg;
    struct iovec parts[3] = {
        {(void *)(uintptr_t)h->data, 1}, {(void *)(uintptr_t)h->data, 0}, {NULL, BIG - 1}};

    parts[2].iov_base = (char *)parts[0].iov_base + 1;
    CHECK_EQ(stream_writev(h->s, parts, 3, soon()), 0);
    wait_group_done(&h->group);
}

/* Sends BIG bytes through the echo and gets them back; returns when the last one arrived. */
static int64_t send_and_get(struct emulator *em)
{
    char *data = make_pattern();
    char *back = mem_alloc(BIG);
    struct half h = {.s = dial(em), .data = data};
    int64_t last = 0;
    size_t got = 0;

    wait_group_init(&h.group);
    wait_group_add(&h.group, 1);
    fiber_start(fiber_loop(), write_half, &h);
    while (got < BIG) {
        int64_t ready = 0;
        ptrdiff_t n = stream_read(h.s, back + got, BIG - got, soon(), &ready);

        CHECK(n > 0);
        CHECK(ready >= last);
        last = ready;
        got += (size_t)n;
    }
    CHECK_EQ(wait_group_wait(&h.group), 0);
    CHECK(memcmp(data, back, BIG) == 0);
    CHECK_EQ(h.s->bytes.sent, BIG);
    CHECK_EQ(h.s->bytes.received, BIG);
    stream_close(h.s);
    mem_free(data);
    mem_free(back);
    return last;
}

static void send_far(struct emulator *em)
{
    (void)send_and_get(em);
}

TEST(emulate_keeps_bytes_and_their_order_with_jitter_and_loss)
{
    t.spec = (struct distance_spec){.rtt = rtt / 4, .jitter = rtt / 4, .loss = 0.005};
    t.port = serve(1, echo, NULL);
    run(send_far);
}

TEST(emulate_keeps_bytes_without_any_limit)
{
    t.port = serve(1, echo, NULL);
    run(send_far);
}

static void send_slowly(struct emulator *em)
{
    int64_t began = clock_now();
    int64_t line = (int64_t)((double)BIG * 8e9 / (double)t.spec.rate);

    CHECK(send_and_get(em) >= began + 2 * t.spec.rtt + line);
}

TEST(emulate_limits_the_rate)
{
    t.spec = (struct distance_spec){.rtt = rtt / 4, .rate = 100000000};
    t.port = serve(1, echo, NULL);
    run(send_slowly);
}

/* The line is the process's: two connections at once take twice as long as one. */
static struct wait_group pair_group;

static void send_one(void *arg)
{
    (void)send_and_get(arg);
    wait_group_done(&pair_group);
}

static void send_two(struct emulator *em)
{
    int64_t began = clock_now();
    int64_t line = (int64_t)((double)BIG * 8e9 / (double)t.spec.rate);

    wait_group_init(&pair_group);
    wait_group_add(&pair_group, 2);
    fiber_start(fiber_loop(), send_one, em);
    fiber_start(fiber_loop(), send_one, em);
    CHECK_EQ(wait_group_wait(&pair_group), 0);
    CHECK(clock_now() >= began + 2 * line);
}

TEST(emulate_shares_the_line)
{
    t.spec = (struct distance_spec){.rate = 200000000};
    t.port = serve(2, echo, NULL);
    run(send_two);
}

static void swallow_late(int fd, void *arg)
{
    char *copy = mem_alloc(BIG);

    (void)arg;
    usleep(100000);
    read_exactly(fd, copy, BIG);
    write_all(fd, "done", 4);
    mem_free(copy);
}

static void write_to_late(struct emulator *em)
{
    struct stream *s = dial(em);
    char *data = make_pattern();
    char answer[4];
    size_t rounds = 3;

    for (size_t i = 0; i < rounds; i++) /* more than a window */
        CHECK_EQ(stream_write(s, data, BIG / rounds, soon()), 0);
    CHECK_EQ(stream_write(s, data, BIG % rounds, soon()), 0);
    CHECK_EQ(stream_read(s, answer, 4, soon(), NULL), 4);
    CHECK(memcmp(answer, "done", 4) == 0);
    mem_free(data);
    stream_close(s);
}

TEST(emulate_writes_everything_to_a_slow_reader)
{
    t.spec.rtt = rtt / 4;
    t.port = serve(1, swallow_late, NULL);
    run(write_to_late);
}

static void stall(int fd, void *arg)
{
    (void)fd;
    (void)arg;
    stall_until_released();
}

static void write_to_stalled(struct emulator *em)
{
    struct stream *s = dial(em);
    size_t size = 8 * (size_t)BIG;
    char *data = mem_zalloc(size);

    CHECK_EQ(stream_write(s, data, size, in_ms(200)), ERR_TIMEOUT);
    CHECK(s->bytes.sent > 0 && s->bytes.sent < size);
    release_server();
    mem_free(data);
    stream_close(s);
}

TEST(emulate_write_times_out_on_a_stalled_reader)
{
    t.spec.rtt = rtt / 4;
    t.port = serve(1, stall, NULL);
    run(write_to_stalled);
}

/* --- loss --------------------------------------------------------------------------------- */

/* A lone segment that is lost costs a timer. One in twenty is, each way: that none of so many were
 * has a chance of 10^-17. */
static void lose(struct emulator *em)
{
    struct stream *s = dial(em);
    int64_t longest = 0;
    char byte;

    for (int i = 0; i < 400 && longest < 200 * NSEC_PER_MSEC; i++) {
        int64_t began = clock_now();

        CHECK_EQ(stream_write(s, "x", 1, soon()), 0);
        CHECK_EQ(stream_read(s, &byte, 1, INT64_MAX, NULL), 1);
        if (clock_now() - began > longest)
            longest = clock_now() - began;
    }
    CHECK(longest >= 200 * NSEC_PER_MSEC);
    stream_close(s);
}

TEST(emulate_turns_loss_into_a_retransmission)
{
    t.spec.loss = 0.05;
    t.port = serve(1, echo, NULL);
    run(lose);
}

/* --- ends --------------------------------------------------------------------------------- */

static void say_and_close(int fd, void *arg)
{
    (void)arg;
    write_all(fd, "bye", 3);
}

static void read_to_end(struct emulator *em)
{
    struct stream *s = dial(em);
    char buf[64];

    CHECK_EQ(stream_read(s, buf, 2, soon(), NULL), 2);
    CHECK_EQ(stream_read(s, buf, sizeof buf, soon(), NULL), 1);
    CHECK_EQ(stream_read(s, buf, sizeof buf, soon(), NULL), 0);
    CHECK_EQ(stream_read(s, buf, sizeof buf, soon(), NULL), 0);
    CHECK(!stream_is_idle_healthy(s));
    stream_close(s);
}

TEST(emulate_reads_to_the_orderly_end)
{
    t.spec.rtt = rtt;
    t.port = serve(1, say_and_close, NULL);
    run(read_to_end);
}

static void reset_after_4(int fd, void *arg)
{
    struct linger off = {1, 0};
    char buf[4];

    (void)arg;
    read_exactly(fd, buf, sizeof buf);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off);
}

static void be_reset(struct emulator *em)
{
    struct stream *s = dial(em);
    char buf[64];
    int err = 0;

    CHECK_EQ(stream_write(s, "ping", 4, soon()), 0);
    CHECK(stream_is_idle_healthy(s)); /* the news is not here yet */
    CHECK_EQ(stream_read(s, buf, sizeof buf, soon(), NULL), ERR_RESET);
    CHECK(!stream_is_idle_healthy(s));
    for (int i = 0; i < 50 && err == 0; i++) {
        err = stream_write(s, "more", 4, soon());
        CHECK_EQ(fiber_sleep_until(in_ms(RTT_MS / 2)), 0);
    }
    CHECK_EQ(err, ERR_BROKEN_PIPE);
    stream_close(s);
}

TEST(emulate_names_a_reset)
{
    t.spec.rtt = rtt;
    t.port = serve(1, reset_after_4, NULL);
    run(be_reset);
}

static _Atomic int64_t end_seen; /* by the server; 0: not yet */

static void note_end(int fd, void *arg)
{
    char text[8] = "";
    char byte;

    (void)arg;
    read_exactly(fd, text, 5);
    CHECK(memcmp(text, "hello", 5) == 0);
    if (read(fd, &byte, 1) == 0)
        end_seen = clock_now();
}

static void close_early(struct emulator *em)
{
    struct stream *s = dial(em);
    int64_t closed;

    CHECK_EQ(stream_write(s, "hello", 5, soon()), 0);
    closed = clock_now();
    stream_close(s);
    while (end_seen == 0)
        CHECK_EQ(fiber_sleep_until(in_ms(5)), 0);
    CHECK(end_seen >= closed + rtt / 2);
}

TEST(emulate_delivers_what_was_written_before_a_close)
{
    t.spec.rtt = rtt;
    t.port = serve(1, note_end, NULL);
    run(close_early);
}

static void leave_at_once(struct emulator *em)
{
    struct stream *s = dial(em);

    CHECK_EQ(stream_write(s, "hello", 5, soon()), 0);
    stream_close(s);
}

TEST(emulate_delivers_what_was_written_before_the_end)
{
    t.spec.rtt = rtt;
    t.port = serve(1, note_end, NULL);
    run(leave_at_once); /* the server checks what it got */
}

/* --- the dialer --------------------------------------------------------------------------- */

static void dial_through_dialer(void *arg)
{
    struct distance_spec spec = {.rtt = rtt};
    struct tls_config *tls = tls_config_new();
    struct network network = {.distance = distance_new(&spec)};
    struct dialer_options options = {.dns = DNS_OPTIONS_DEFAULT, .tls = tls, .network = &network};
    struct dial_request request = {
        .host = STR("127.0.0.1"), .port = *(uint16_t *)arg, .is_tls = true, .deadline = soon()};
    struct dial_timing timing;
    struct dialer *dialer;
    struct stream *s;
    int64_t ready = 0;
    int64_t began;
    char buf[8];

    tls_config_set_insecure(tls, true);
    CHECK_EQ(dialer_new(fiber_loop(), &options, &dialer, NULL), 0);
    CHECK_EQ(dialer_dial(dialer, &request, &s, &timing, NULL), 0);
    CHECK(timing.connect >= rtt);
    CHECK(timing.tls >= rtt);
    CHECK(s->tls && s->bytes.received > 0);
    CHECK(stream_is_idle_healthy(s));
    began = clock_now();
    CHECK_EQ(stream_write(s, "hello", 5, soon()), 0);
    CHECK_EQ(stream_read(s, buf, sizeof buf, soon(), &ready), 5);
    CHECK(memcmp(buf, "hello", 5) == 0);
    CHECK(ready >= began + rtt);
    stream_close(s);
    dialer_free(dialer);
    tls_config_free(tls);
    distance_free(network.distance);
}

static void echo_tls(void *ssl, void *arg)
{
    char buf[4096];
    int got;

    (void)arg;
    while ((got = SSL_read(ssl, buf, sizeof buf)) > 0)
        SSL_write(ssl, buf, got);
    SSL_shutdown(ssl);
}

TEST(emulate_stretches_a_handshake)
{
    struct pair ca = make_cert("gale test CA", NULL, -3600, 3600, NULL);
    struct tls_server server = {.cert = ca.cert, .key = ca.key, .serve = echo_tls};
    uint16_t port = serve_tls(1, &server);

    run_fiber(dial_through_dialer, &port);
    pair_free(&ca);
}
