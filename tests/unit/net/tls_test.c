/* Handshakes, verification and transfers against OpenSSL's own server. */
#include "net/tls.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "fixture.h"
#include "net/tcp.h"
#include "support/test.h"

enum { BIG = 3 * 1024 * 1024 + 17 };

static const long hour = 3600;

/* One case: a server, a client's configuration, and what the client found. */
static struct {
    struct pair ca;
    struct pair leaf;
    struct tls_server server;
    struct tls_config *config;
    struct tls_request request;
    uint16_t port;
    int err;
    struct diag d;
    void (*then)(struct stream *s);
} t;

static void echo(void *ssl, void *arg)
{
    char buf[4096];
    int got;

    (void)arg;
    while ((got = SSL_read(ssl, buf, sizeof buf)) > 0)
        SSL_write(ssl, buf, got);
    SSL_shutdown(ssl);
}

static void trust(const struct pair *root)
{
    char *pem = cert_pem(root);

    CHECK_EQ(tls_config_add_roots(t.config, str_of(pem), NULL), 0);
    mem_free(pem);
}

static void set_up(const char *names, long from, long to)
{
    setenv("SSL_CERT_FILE", "/dev/null", 1); /* the system's roots are slow to read and no matter */
    t.ca = make_cert("gale test CA", NULL, -hour, hour, NULL);
    t.leaf = make_cert("leaf", names, from, to, &t.ca);
    t.server =
        (struct tls_server){.cert = t.leaf.cert, .key = t.leaf.key, .ca = t.ca.cert, .serve = echo};
    t.config = tls_config_new();
    t.request = (struct tls_request){.host = STR("shop.test")};
    t.d = (struct diag)DIAG_INIT;
    trust(&t.ca);
}

static void tear_down(void)
{
    diag_deinit(&t.d);
    tls_config_free(t.config);
    pair_free(&t.leaf);
    pair_free(&t.ca);
}

static void client(void *arg)
{
    struct tls_context *ctx = NULL;
    struct addr to = loopback(t.port);
    struct stream *tcp;
    struct stream *s = NULL;

    (void)arg;
    t.err = tls_context_new(t.config, &ctx, &t.d);
    if (t.err)
        return;
    CHECK_EQ(tcp_dial(fiber_loop(), &to, NULL, soon(), &tcp, NULL), 0);
    t.err = tls_connect(ctx, tcp, &t.request, in_ms(3000), &s, &t.d);
    CHECK_EQ(t.err == 0, s != NULL);
    if (s && t.then)
        t.then(s);
    stream_close(s);
    tls_context_free(ctx);
}

static void run(void (*then)(struct stream *s))
{
    t.then = then;
    t.port = serve_tls(1, &t.server);
    run_fiber(client, NULL);
}

static void expect_error(int err, const char *text)
{
    run(NULL);
    CHECK_EQ(t.err, err);
    CHECK(t.d.message);
    if (!strstr(t.d.message, text))
        test_fail(__FILE__, __LINE__, "got \"%s\", want \"%s\"", t.d.message, text);
    tear_down();
}

/* --- exchange ----------------------------------------------------------------------------- */

static void ping(struct stream *s)
{
    struct iovec parts[3] = {{"pi", 2}, {"", 0}, {"ng", 2}};
    char buf[64];

    CHECK_EQ(stream_writev(s, parts, 3, soon()), 0);
    CHECK_EQ(stream_read(s, buf, sizeof buf, soon(), NULL), 4);
    CHECK(memcmp(buf, "ping", 4) == 0);
}

static void look_at_tls13(struct stream *s)
{
    int64_t before = clock_now();
    int64_t ready = 0;
    char buf[64];

    CHECK_TEXT(tls_version_text(s->tls->version), "tls1.3");
    CHECK_TEXT(s->tls->cipher, "TLS_AES_128_GCM_SHA256");
    CHECK(!s->tls->is_h2);
    CHECK_EQ(s->tls->ocsp.status, TLS_OCSP_NONE);
    CHECK_EQ(s->remote.port, t.port);
    CHECK(s->bytes.sent > 300 && s->bytes.received > 600); /* the handshake is on the wire */
    ping(s);
    CHECK_EQ(stream_write(s, "x", 1, soon()), 0);
    CHECK_EQ(stream_read(s, buf, sizeof buf, soon(), &ready), 1);
    CHECK(ready > before && ready <= clock_now());
}

TEST(tls_speaks_13_by_default)
{
    set_up("DNS:shop.test", -hour, hour);
    run(look_at_tls13);
    CHECK_EQ(t.err, 0);
    CHECK_TEXT(t.server.sni, "shop.test");
    tear_down();
}

static void look_at_tls12(struct stream *s)
{
    CHECK_TEXT(tls_version_text(s->tls->version), "tls1.2");
    CHECK_TEXT(s->tls->cipher, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    ping(s);
}

TEST(tls_speaks_12)
{
    set_up("DNS:shop.test", -hour, hour);
    t.server.max = TLS1_2_VERSION;
    run(look_at_tls12);
    CHECK_EQ(t.err, 0);
    tear_down();
}

static void look_at_tls10(struct stream *s)
{
    CHECK_TEXT(tls_version_text(s->tls->version), "tls1.0");
    ping(s);
}

TEST(tls_speaks_10_when_told)
{
    set_up("DNS:shop.test", -hour, hour);
    t.server.max = TLS1_VERSION;
    t.server.ciphers = "ALL:@SECLEVEL=0";
    CHECK_EQ(tls_config_set_versions(t.config, TLS_1_0, TLS_1_2, NULL), 0);
    run(look_at_tls10);
    CHECK_EQ(t.err, 0);
    tear_down();
}

static void look_at_h2(struct stream *s)
{
    CHECK(s->tls->is_h2);
}

static void look_at_h1(struct stream *s)
{
    CHECK(!s->tls->is_h2);
}

TEST(tls_negotiates_h2)
{
    set_up("DNS:shop.test", -hour, hour);
    t.server.offers_h2 = true;
    t.request.offer_h2 = true;
    run(look_at_h2);
    CHECK_EQ(t.err, 0);
    t.request.offer_h2 = false;
    run(look_at_h1);
    CHECK_EQ(t.err, 0);
    t.request.no_alpn = true;
    run(look_at_h1);
    CHECK_EQ(t.err, 0);
    t.server.offers_h2 = false;
    t.request = (struct tls_request){.host = STR("shop.test."), .offer_h2 = true};
    run(look_at_h1);
    CHECK_EQ(t.err, 0);
    CHECK_TEXT(t.server.sni, "shop.test");
    tear_down();
}

static void count_calls(struct stream *s)
{
    char buf[4096];

    ping(s); /* consumes the tickets */
    for (int i = 0; i < 50; i++) {
        struct iovec parts[2] = {{"head", 4}, {"body", 4}};

        recv_calls = 0;
        send_calls = 0;
        CHECK(stream_is_idle_healthy(s));
        CHECK_EQ(stream_writev(s, parts, 2, soon()), 0);
        CHECK_EQ(stream_read(s, buf, sizeof buf, soon(), NULL), 8);
        CHECK_EQ(send_calls, 1);
        CHECK_EQ(recv_calls, 1);
    }
}

TEST(tls_request_costs_one_write_and_one_read)
{
    set_up("DNS:shop.test", -hour, hour);
    run(count_calls);
    CHECK_EQ(t.err, 0);
    tear_down();
}

/* --- verification --------------------------------------------------------------------------- */

TEST(tls_refuses_an_unknown_authority)
{
    set_up("DNS:shop.test", -hour, hour);
    tls_config_free(t.config);
    t.config = tls_config_new();
    expect_error(ERR_TLS_UNKNOWN_AUTHORITY, "tls: failed to verify certificate: x509: certificate "
                                            "signed by unknown authority");
}

TEST(tls_refuses_another_host)
{
    set_up("DNS:other.test,DNS:*.wild.test", -hour, hour);
    expect_error(ERR_TLS_HOSTNAME,
                 "x509: certificate is valid for other.test, *.wild.test, not shop.test");
}

TEST(tls_refuses_a_certificate_without_names)
{
    set_up(NULL, -hour, hour);
    t.request.host = STR("leaf"); /* its common name does not count */
    expect_error(ERR_TLS_HOSTNAME,
                 "x509: certificate is not valid for any names, but wanted to match leaf");
}

TEST(tls_refuses_another_ip)
{
    set_up("DNS:shop.test,IP:127.0.0.2,IP:::1", -hour, hour);
    t.request.host = STR("127.0.0.1");
    expect_error(ERR_TLS_HOSTNAME, "x509: certificate is valid for 127.0.0.2, ::1, not 127.0.0.1");
    set_up("DNS:shop.test", -hour, hour);
    t.request.host = STR("127.0.0.1");
    expect_error(ERR_TLS_HOSTNAME, "x509: cannot validate certificate for 127.0.0.1 because it "
                                   "doesn't contain any IP SANs");
}

TEST(tls_refuses_an_expired_certificate)
{
    set_up("DNS:other.test", -2 * hour, -hour); /* the date comes before the name, as in Go */
    expect_error(ERR_TLS, "x509: certificate has expired or is not yet valid: current time ");
    set_up("DNS:shop.test", hour, 2 * hour);
    expect_error(ERR_TLS, "Z is before ");
}

TEST(tls_accepts_wildcards_and_ips)
{
    set_up("DNS:*.shop.test,IP:127.0.0.1", -hour, hour);
    t.request.host = STR("www.shop.test");
    run(ping);
    CHECK_EQ(t.err, 0);
    t.request.host = STR("127.0.0.1");
    run(ping);
    CHECK_EQ(t.err, 0);
    CHECK_TEXT(t.server.sni, "");
    t.request.host = STR("a.b.shop.test");
    expect_error(ERR_TLS_HOSTNAME, "not a.b.shop.test");
}

TEST(tls_accepts_a_trusted_leaf)
{
    set_up("DNS:shop.test", -hour, hour);
    tls_config_free(t.config);
    t.config = tls_config_new();
    trust(&t.leaf);
    run(ping);
    CHECK_EQ(t.err, 0);
    tear_down();
}

TEST(tls_accepts_anything_when_told)
{
    set_up("DNS:other.test", -2 * hour, -hour);
    tls_config_set_insecure(t.config, true);
    run(ping);
    CHECK_EQ(t.err, 0);
    tear_down();
}

TEST(tls_trusts_the_file_of_the_environment)
{
    char path[] = "/tmp/gale-roots-XXXXXX";
    int fd = mkstemp(path);
    char *pem;

    set_up("DNS:shop.test", -hour, hour);
    pem = cert_pem(&t.ca);
    CHECK(write(fd, pem, strlen(pem)) > 0);
    close(fd);
    mem_free(pem);
    setenv("SSL_CERT_FILE", path, 1);
    tls_config_free(t.config);
    t.config = tls_config_new();
    run(ping);
    CHECK_EQ(t.err, 0);
    unlink(path);
    tear_down();
}

/* --- handshakes that fail ------------------------------------------------------------------- */

static void answer_in_plain(int fd, void *arg)
{
    char hello[64];

    (void)arg;
    read_exactly(fd, hello, sizeof hello);
    write_all(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
}

static void close_at_once(int fd, void *arg)
{
    char buf[4096];

    (void)arg;
    (void)!read(fd, buf, sizeof buf);
}

static void reset_at_once(int fd, void *arg)
{
    struct linger off = {1, 0};

    (void)arg;
    read_exactly(fd, (char[16]){0}, 16);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off);
}

static void say_nothing(int fd, void *arg)
{
    char buf[4096];

    (void)arg;
    while (read(fd, buf, sizeof buf) > 0)
        ;
}

static void garbage(int fd, void *arg)
{
    (void)arg;
    /* A handshake record whose content is none. */
    write_all(fd, "\x16\x03\x03\x00\x05hello", 10);
    say_nothing(fd, NULL);
}

static int dial_plain_server(void (*how)(int fd, void *arg))
{
    set_up("DNS:shop.test", -hour, hour);
    t.port = serve(1, how, NULL);
    run_fiber(client, NULL);
    return t.err;
}

TEST(tls_recognises_a_server_without_tls)
{
    CHECK_EQ(dial_plain_server(answer_in_plain), ERR_TLS_NOT_TLS);
    CHECK_TEXT(t.d.message, "tls: first record does not look like a TLS handshake");
    tear_down();
}

TEST(tls_handshake_that_is_cut_off)
{
    CHECK_EQ(dial_plain_server(close_at_once), ERR_EOF);
    tear_down();
    CHECK_EQ(dial_plain_server(reset_at_once), ERR_RESET);
    tear_down();
    CHECK_EQ(dial_plain_server(garbage), ERR_TLS);
    CHECK(strncmp(t.d.message, "tls: ", 5) == 0);
    tear_down();
}

static void impatient_client(void *arg)
{
    struct tls_context *ctx;
    struct addr to = loopback(t.port);
    struct stream *tcp;
    struct stream *s;

    (void)arg;
    CHECK_EQ(tls_context_new(t.config, &ctx, NULL), 0);
    CHECK_EQ(tcp_dial(fiber_loop(), &to, NULL, soon(), &tcp, NULL), 0);
    CHECK_EQ(tls_connect(ctx, tcp, &t.request, in_ms(30), &s, NULL), ERR_TIMEOUT);
    tls_context_free(ctx);
}

TEST(tls_handshake_times_out)
{
    set_up("DNS:shop.test", -hour, hour);
    t.port = serve(1, say_nothing, NULL);
    run_fiber(impatient_client, NULL);
    tear_down();
}

TEST(tls_versions_that_do_not_meet)
{
    set_up("DNS:shop.test", -hour, hour);
    t.server.max = TLS1_2_VERSION;
    CHECK_EQ(tls_config_set_versions(t.config, TLS_1_3, TLS_ANY, NULL), 0);
    expect_error(ERR_TLS, "remote error: tls: protocol version not supported");
}

TEST(tls_ciphers_that_do_not_meet)
{
    struct str name = STR("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");

    set_up("DNS:shop.test", -hour, hour);
    t.server.max = TLS1_2_VERSION;
    t.server.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
    CHECK_EQ(tls_config_set_ciphers(t.config, &name, 1, NULL), 0);
    expect_error(ERR_TLS, "remote error: tls: handshake failure");
}

/* --- the stream --------------------------------------------------------------------------- */

static void say_bye(void *ssl, void *arg)
{
    SSL_write(ssl, "bye", 3);
    if (arg)
        SSL_shutdown(ssl);
}

static void read_to_end(struct stream *s)
{
    char buf[64];

    CHECK_EQ(stream_read(s, buf, sizeof buf, soon(), NULL), 3);
    CHECK_EQ(stream_read(s, buf, sizeof buf, soon(), NULL), 0);
    CHECK(!stream_is_idle_healthy(s));
}

static void read_to_cut(struct stream *s)
{
    char buf[64];

    CHECK_EQ(stream_read(s, buf, sizeof buf, soon(), NULL), 3);
    CHECK_EQ(stream_read(s, buf, sizeof buf, soon(), NULL), ERR_UNEXPECTED_EOF);
    CHECK(!stream_is_idle_healthy(s));
}

TEST(tls_tells_an_end_from_a_cut)
{
    set_up("DNS:shop.test", -hour, hour);
    t.server.serve = say_bye;
    t.server.arg = &t;
    run(read_to_end);
    CHECK_EQ(t.err, 0);
    t.server.arg = NULL;
    run(read_to_cut);
    CHECK_EQ(t.err, 0);
    tear_down();
}

static void go_idle(struct stream *s)
{
    CHECK_EQ(fiber_sleep_until(in_ms(30)), 0);
    CHECK(stream_is_idle_healthy(s)); /* the tickets that came are no news */
    ping(s);
    CHECK(stream_is_idle_healthy(s));
    CHECK_EQ(stream_write(s, "x", 1, soon()), 0);
    CHECK(turns_unhealthy(s)); /* unexpected data */
}

TEST(tls_knows_when_an_idle_connection_is_dead)
{
    set_up("DNS:shop.test", -hour, hour);
    run(go_idle);
    CHECK_EQ(t.err, 0);
    tear_down();
}

static char *make_pattern(void)
{
    char *data = mem_alloc(BIG);

    for (size_t i = 0; i < BIG; i++)
        data[i] = (char)(i * 31 + i / 4096);
    return data;
}

struct duplex {
    struct stream *s;
    const char *data;
    struct wait_group group;
};

static void write_half(void *arg)
{
    struct duplex *d = arg;
    struct iovec parts[5];
    const size_t cuts[6] = {0, 10, 20000, 20000, 50000, BIG};

    for (size_t i = 0; i < 5; i++)
        parts[i] = (struct iovec){(void *)(uintptr_t)(d->data + cuts[i]), cuts[i + 1] - cuts[i]};
    CHECK_EQ(stream_writev(d->s, parts, 5, soon()), 0);
    wait_group_done(&d->group);
}

static void read_and_write(struct stream *s)
{
    char *data = make_pattern();
    char *copy = mem_alloc(BIG);
    struct duplex d = {.s = s, .data = data};

    wait_group_init(&d.group);
    wait_group_add(&d.group, 1);
    fiber_start(fiber_loop(), write_half, &d);
    for (size_t at = 0; at < BIG;) {
        ptrdiff_t got = stream_read(s, copy + at, BIG - at, soon(), NULL);

        CHECK(got > 0);
        at += (size_t)got;
    }
    CHECK_EQ(wait_group_wait(&d.group), 0);
    CHECK(memcmp(data, copy, BIG) == 0);
    CHECK(s->bytes.sent > BIG && s->bytes.received > BIG);
    mem_free(copy);
    mem_free(data);
}

TEST(tls_serves_a_reader_and_a_writer_at_once)
{
    set_up("DNS:shop.test", -hour, hour);
    run(read_and_write);
    CHECK_EQ(t.err, 0);
    t.server.max = TLS1_2_VERSION;
    run(read_and_write);
    CHECK_EQ(t.err, 0);
    tear_down();
}

static void stall(void *ssl, void *arg)
{
    (void)ssl;
    (void)arg;
    stall_until_released();
}

static void write_to_stalled(struct stream *s)
{
    char *data = make_pattern();
    int err = 0;

    for (int i = 0; i < 10 && err == 0; i++)
        err = stream_write(s, data, BIG, in_ms(40));
    CHECK_EQ(err, ERR_TIMEOUT);
    release_server();
    mem_free(data);
}

TEST(tls_write_times_out_on_a_stalled_reader)
{
    set_up("DNS:shop.test", -hour, hour);
    t.server.serve = stall;
    run(write_to_stalled);
    CHECK_EQ(t.err, 0);
    tear_down();
}
