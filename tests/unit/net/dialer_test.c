#include "net/dialer.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "fixture.h"
#include "net/rules.h"
#include "net/tls.h"
#include "support/test.h"

static struct dialer_options options;
static struct dial_request request;
static struct dial_timing timing;
static int err;
static struct diag d;
static char remote[ADDR_PORT_TEXT_MAX];
static char greeting[8];

static void dial(void *arg)
{
    struct dialer *dialer;
    struct stream *s = NULL;

    (void)arg;
    CHECK_EQ(dialer_new(fiber_loop(), &options, &dialer, NULL), 0);
    err = dialer_dial(dialer, &request, &s, &timing, &d);
    if (s) {
        addr_format_port(&s->remote, remote);
        CHECK(stream_read(s, greeting, 5, soon(), NULL) > 0);
    }
    stream_close(s);
    dialer_free(dialer);
}

static void run(const char *host, uint16_t port)
{
    diag_deinit(&d);
    d = (struct diag)DIAG_INIT;
    memset(greeting, 0, sizeof greeting);
    request.host = str_of(host);
    request.port = port;
    if (!request.deadline)
        request.deadline = soon();
    options.dns = (struct dns_options)DNS_OPTIONS_DEFAULT;
    run_fiber(dial, NULL);
}

static void greet(int fd, void *arg)
{
    (void)arg;
    write_all(fd, "hello", 5);
}

static void greet_tls(void *ssl, void *arg)
{
    (void)arg;
    SSL_write(ssl, "hello", 5);
    SSL_shutdown(ssl);
}

TEST(dialer_dials_and_times)
{
    uint16_t port = serve(1, greet, NULL);
    char want[32];

    run("localhost", port);
    CHECK_EQ(err, 0);
    CHECK_TEXT(greeting, "hello");
    snprintf(want, sizeof want, "127.0.0.1:%u", port);
    CHECK_TEXT(remote, want);
    CHECK(timing.dns > 0 && timing.dns < NSEC_PER_SEC);
    CHECK(timing.connect > 0 && timing.connect < NSEC_PER_SEC);
    CHECK_EQ(timing.tls, 0);
    diag_deinit(&d);
}

TEST(dialer_obeys_rules)
{
    struct rules *rules = rules_new();
    char target[32];
    uint16_t port = serve(1, greet, NULL);

    options.rules = rules;
    snprintf(target, sizeof target, "127.0.0.1:%u", port);
    CHECK_EQ(rules_add_host(rules, STR("shop.test:80"), str_of(target), NULL), 0);
    CHECK_EQ(rules_add_host(rules, STR("bad.test"), STR("10.0.0.1"), NULL), 0);
    CHECK_EQ(rules_add_blocked(rules, STR("*.blocked.test"), NULL), 0);
    CHECK_EQ(rules_add_blacklisted(rules, STR("10.0.0.0/8"), NULL), 0);
    run("shop.test", 80);
    CHECK_EQ(err, 0);
    CHECK_TEXT(remote, target);
    run("bad.test", 80);
    CHECK_EQ(err, ERR_IP_BLACKLISTED);
    CHECK_TEXT(d.message, "IP (10.0.0.1) is in a blacklisted range (10.0.0.0/8)");
    run("10.1.1.1", 80);
    CHECK_EQ(err, ERR_IP_BLACKLISTED);
    run("www.blocked.test", 80);
    CHECK_EQ(err, ERR_HOST_BLOCKED);
    CHECK_TEXT(d.message, "hostname (www.blocked.test) is in a blocked pattern (*.blocked.test)");
    diag_deinit(&d);
    rules_free(rules);
}

TEST(dialer_reports_refusal)
{
    uint16_t port = dead_port();
    char want[96];

    run("127.0.0.1", port);
    CHECK_EQ(err, ERR_REFUSED);
    snprintf(want, sizeof want, "dial tcp 127.0.0.1:%u: connect: connection refused", port);
    CHECK_TEXT(d.message, want);
    diag_deinit(&d);
}

/* A listener whose queue is full drops what knocks. */
static int full_listener(uint16_t *port)
{
    struct sockaddr_storage sa;
    struct addr at = loopback(0);
    socklen_t len = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CHECK_EQ(bind(fd, (struct sockaddr *)&sa, addr_to_sockaddr(&at, &sa)), 0);
    CHECK_EQ(listen(fd, 0), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    for (int i = 0; i < 4; i++) {
        int knock = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

        (void)!connect(knock, (struct sockaddr *)&sa, len);
    }
    addr_from_sockaddr((struct sockaddr *)&sa, &at);
    *port = at.port;
    return fd;
}

TEST(dialer_tells_its_own_time_limit_from_the_requests)
{
    uint16_t port;
    int fd = full_listener(&port);
    char want[64];

    options.dial_timeout = 30 * NSEC_PER_MSEC;
    run("127.0.0.1", port);
    CHECK_EQ(err, ERR_DIAL_TIMEOUT);
    snprintf(want, sizeof want, "dial tcp 127.0.0.1:%u: i/o timeout", port);
    CHECK_TEXT(d.message, want);
    options.dial_timeout = 0;
    request.deadline = in_ms(30);
    run("127.0.0.1", port);
    CHECK_EQ(err, ERR_TIMEOUT);
    close(fd);
    diag_deinit(&d);
}

static struct pair ca;
static struct pair leaf;
static struct tls_server server;
static struct tls_config *config;

static void set_up_tls(void)
{
    char *pem;

    setenv("SSL_CERT_FILE", "/dev/null", 1);
    ca = make_cert("gale test CA", NULL, -3600, 3600, NULL);
    leaf = make_cert("leaf", "DNS:shop.test", -3600, 3600, &ca);
    server = (struct tls_server){.cert = leaf.cert, .key = leaf.key, .serve = greet_tls};
    config = tls_config_new();
    pem = cert_pem(&ca);
    CHECK_EQ(tls_config_add_roots(config, str_of(pem), NULL), 0);
    mem_free(pem);
    options.tls = config;
    request.is_tls = true;
}

static void tear_down_tls(void)
{
    tls_config_free(config);
    pair_free(&leaf);
    pair_free(&ca);
    diag_deinit(&d);
}

TEST(dialer_encrypts)
{
    struct rules *rules = rules_new();
    uint16_t port;

    set_up_tls();
    CHECK_EQ(rules_add_host(rules, STR("*.test"), STR("127.0.0.1"), NULL), 0);
    options.rules = rules;
    port = serve_tls(1, &server);
    run("shop.test", port);
    CHECK_EQ(err, 0);
    CHECK_TEXT(greeting, "hello");
    CHECK_TEXT(server.sni, "shop.test");
    CHECK(timing.tls > 0);
    port = serve_tls(1, &server);
    run("other.test", port);
    CHECK_EQ(err, ERR_TLS_HOSTNAME);
    CHECK(timing.tls > 0 && timing.connect > 0);
    options.tls = NULL; /* the default verifies too */
    port = serve_tls(1, &server);
    run("shop.test", port);
    CHECK_EQ(err, ERR_TLS_UNKNOWN_AUTHORITY);
    rules_free(rules);
    tear_down_tls();
}

/* --- through proxies ------------------------------------------------------------------------ */

static char proxy_head[512];

/* Copies in both directions until one side ends. */
static void relay(int a, int b)
{
    fd_set set;
    char buf[4096];

    for (;;) {
        FD_ZERO(&set);
        FD_SET(a, &set);
        FD_SET(b, &set);
        select((a > b ? a : b) + 1, &set, NULL, NULL, NULL);
        for (int i = 0; i < 2; i++) {
            int from = i ? a : b;
            ssize_t got = FD_ISSET(from, &set) ? read(from, buf, sizeof buf) : 1;

            if (got <= 0)
                return;
            if (FD_ISSET(from, &set))
                write_all(i ? b : a, buf, (size_t)got);
        }
    }
}

static void forward(int fd, uint16_t port)
{
    struct sockaddr_storage sa;
    struct addr to = loopback(port);
    int out = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(out, (struct sockaddr *)&sa, addr_to_sockaddr(&to, &sa)) == 0)
        relay(fd, out);
    close(out);
}

static void http_proxy(int fd, void *arg)
{
    size_t len = 0;

    while (len < 4 || memcmp(proxy_head + len - 4, "\r\n\r\n", 4) != 0)
        read_exactly(fd, proxy_head + len++, 1);
    proxy_head[len] = '\0';
    write_all(fd, "HTTP/1.1 200 OK\r\n\r\n", 19);
    forward(fd, *(uint16_t *)arg);
}

static void socks_proxy(int fd, void *arg)
{
    char buf[64];

    read_exactly(fd, buf, 3);
    write_all(fd, "\5\0", 2);
    read_exactly(fd, buf, 4 + 1 + 9 + 2);
    write_all(fd, "\5\0\0\1\0\0\0\0\0\0", 10);
    forward(fd, *(uint16_t *)arg);
}

TEST(dialer_tunnels_through_a_proxy)
{
    struct proxy proxy = {.kind = PROXY_HTTP, .host = STR("127.0.0.1")};
    uint16_t port;

    set_up_tls();
    request.proxy = &proxy;
    port = serve_tls(1, &server);
    proxy.port = serve(1, http_proxy, &port);
    run("shop.test", 443);
    CHECK_EQ(err, 0);
    CHECK_TEXT(greeting, "hello");
    CHECK(strncmp(proxy_head, "CONNECT shop.test:443 HTTP/1.1\r\n", 32) == 0);
    proxy.kind = PROXY_SOCKS5;
    port = serve_tls(1, &server);
    proxy.port = serve(1, socks_proxy, &port);
    run("shop.test", 443);
    CHECK_EQ(err, 0);
    CHECK_TEXT(greeting, "hello");
    CHECK_TEXT(server.sni, "shop.test");
    tear_down_tls();
}

static void greet_after_reading(int fd, void *arg)
{
    (void)!read(fd, proxy_head, sizeof proxy_head);
    greet(fd, arg);
}

TEST(dialer_hands_over_the_proxys_connection_for_http)
{
    struct proxy proxy = {.kind = PROXY_HTTP, .host = STR("127.0.0.1")};

    request.proxy = &proxy;
    proxy.port = serve(1, greet, NULL); /* no CONNECT: it speaks at once */
    run("shop.test", 80);
    CHECK_EQ(err, 0);
    CHECK_TEXT(greeting, "hello");
    request.wants_tunnel = true;
    proxy.port = serve(1, greet_after_reading, NULL);
    run("shop.test", 80);
    CHECK_EQ(err, ERR_UNEXPECTED_EOF);
    proxy.port = dead_port();
    run("shop.test", 80);
    CHECK_EQ(err, ERR_REFUSED);
    diag_deinit(&d);
}
