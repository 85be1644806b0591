#include "net/dns.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "support/test.h"

/* A name server on loopback: answers by the first label of the name.
 *   two   10.0.0.1, 10.0.0.2 and fd00::1    v6    fd00::6 only
 *   fail  SERVFAIL                          mute  no answer
 *   big   truncated: the client must ask again by TCP, where it gets 10.0.0.9
 *   else  NXDOMAIN */
static atomic_uint queries; /* for A records */
static char server_text[32];
static int udp_fd;
static int tcp_fd;

static size_t put_u16(uint8_t *out, unsigned v)
{
    out[0] = (uint8_t)(v >> 8);
    out[1] = (uint8_t)v;
    return 2;
}

static size_t put_record(uint8_t *out, unsigned type, const uint8_t *ip)
{
    size_t len = 0;
    unsigned size = type == 1 ? 4 : 16;

    len += put_u16(out, 0xc00c); /* the name of the question */
    len += put_u16(out + len, type);
    len += put_u16(out + len, 1);
    len += put_u16(out + len, 0);
    len += put_u16(out + len, 3600);
    len += put_u16(out + len, size);
    memcpy(out + len, ip, size);
    return len + size;
}

/* Makes the question in `msg` its answer; 0: none is sent. */
static size_t make_answer(uint8_t *msg, size_t len, bool is_tcp)
{
    static const uint8_t v4[3][4] = {{10, 0, 0, 1}, {10, 0, 0, 2}, {10, 0, 0, 9}};
    static const uint8_t v6[2][16] = {{0xfd, [15] = 1}, {0xfd, [15] = 6}};
    const char *label = (const char *)msg + 13;
    unsigned count = 0;
    unsigned code = 0;
    size_t end = 12;
    unsigned type;

    while (end < len && msg[end])
        end += msg[end] + 1U;
    end += 5;
    type = msg[end - 3];
    queries += type == 1;
    if (memcmp(label, "mute", 4) == 0)
        return 0;
    len = end;
    if (memcmp(label, "big", 3) == 0 && !is_tcp) {
        msg[2] |= 0x02; /* truncated */
    } else if (memcmp(label, "big", 3) == 0) {
        if (type == 1 && ++count)
            len += put_record(msg + len, type, v4[2]);
    } else if (memcmp(label, "two", 3) == 0) {
        for (size_t i = 0; i < (type == 1 ? 2 : 1); i++, count++)
            len += put_record(msg + len, type, type == 1 ? v4[i] : v6[0]);
    } else if (memcmp(label, "v6", 2) == 0) {
        if (type == 28 && ++count)
            len += put_record(msg + len, type, v6[1]);
    } else {
        code = memcmp(label, "fail", 4) == 0 ? 2 : 3;
    }
    msg[2] |= 0x80;
    msg[3] = (uint8_t)(0x80 | code);
    put_u16(msg + 6, count);
    put_u16(msg + 8, 0);
    put_u16(msg + 10, 0);
    return len;
}

static void *serve_udp(void *arg)
{
    (void)arg;
    for (;;) {
        uint8_t msg[1024];
        struct sockaddr_in from;
        socklen_t from_len = sizeof from;
        ssize_t got = recvfrom(udp_fd, msg, sizeof msg, 0, (struct sockaddr *)&from, &from_len);
        size_t len = got > 12 ? make_answer(msg, (size_t)got, false) : 0;

        if (len)
            sendto(udp_fd, msg, len, 0, (struct sockaddr *)&from, from_len);
    }
    return NULL;
}

static void *serve_tcp(void *arg)
{
    (void)arg;
    for (;;) {
        int fd = accept(tcp_fd, NULL, NULL);
        uint8_t msg[1024];
        uint8_t head[2];

        while (read(fd, head, 2) == 2) {
            size_t len = (size_t)head[0] << 8 | head[1];

            read_exactly(fd, (char *)msg, len);
            len = make_answer(msg, len, true);
            put_u16(head, (unsigned)len);
            write_all(fd, (const char *)head, 2);
            write_all(fd, (const char *)msg, len);
        }
        close(fd);
    }
    return NULL;
}

static void start_server(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    pthread_t thread;

    tcp_fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(bind(tcp_fd, (struct sockaddr *)&sa, sizeof sa), 0);
    CHECK_EQ(getsockname(tcp_fd, (struct sockaddr *)&sa, &len), 0);
    udp_fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(udp_fd, (struct sockaddr *)&sa, sizeof sa) != 0) { /* that port is taken for UDP */
        close(udp_fd);
        close(tcp_fd);
        start_server();
        return;
    }
    CHECK_EQ(listen(tcp_fd, 8), 0);
    snprintf(server_text, sizeof server_text, "127.0.0.1:%u", ntohs(sa.sin_port));
    CHECK_EQ(pthread_create(&thread, NULL, serve_udp, NULL), 0);
    pthread_detach(thread);
    CHECK_EQ(pthread_create(&thread, NULL, serve_tcp, NULL), 0);
    pthread_detach(thread);
}

static struct dns *make_dns(enum dns_select select, enum dns_policy policy, int64_t ttl)
{
    struct dns_options options = DNS_OPTIONS_DEFAULT;

    options.select = select;
    options.policy = policy;
    options.ttl = ttl;
    options.servers = server_text;
    return dns_new(fiber_loop(), &options);
}

static const char *resolve(struct dns *dns, const char *host)
{
    static char text[ADDR_TEXT_MAX];
    struct addr a;
    int err = dns_resolve(dns, str_of(host), soon(), &a, NULL);

    return err == 0 ? addr_format(&a, text) : err == ERR_DNS_NO_HOST ? "no host" : "error";
}

static void run_with_server(void (*fn)(void *arg))
{
    start_server();
    run_fiber(fn, NULL);
}

TEST(dns_parses_options)
{
    enum dns_select select;
    enum dns_policy policy;
    int64_t ttl;

    CHECK(dns_select_parse(STR("roundRobin"), &select) == 0 && select == DNS_ROUND_ROBIN);
    CHECK(dns_select_parse(STR("first"), &select) == 0 && select == DNS_FIRST);
    CHECK_EQ(dns_select_parse(STR("last"), &select), ERR_INVALID);
    CHECK(dns_policy_parse(STR("onlyIPv6"), &policy) == 0 && policy == DNS_ONLY_IPV6);
    CHECK(dns_policy_parse(STR("any"), &policy) == 0 && policy == DNS_ANY);
    CHECK_EQ(dns_policy_parse(STR("IPv4"), &policy), ERR_INVALID);
    CHECK(dns_ttl_parse(STR("5m"), &ttl) == 0 && ttl == 300 * NSEC_PER_SEC);
    CHECK(dns_ttl_parse(STR("inf"), &ttl) == 0 && ttl == INT64_MAX);
    CHECK(dns_ttl_parse(STR("0"), &ttl) == 0 && ttl == 0);
    CHECK(dns_ttl_parse(STR("1500"), &ttl) == 0 && ttl == 1500 * NSEC_PER_MSEC);
    CHECK_EQ(dns_ttl_parse(STR("soon"), &ttl), ERR_INVALID);
    CHECK_EQ(dns_ttl_parse(STR("-1s"), &ttl), ERR_INVALID);
    CHECK_EQ(dns_ttl_parse(STR("99999999999999999"), &ttl), ERR_INVALID);
}

static void without_network(void *arg)
{
    struct dns *dns = make_dns(DNS_RANDOM, DNS_PREFER_IPV4, 0);

    (void)arg;
    CHECK_TEXT(resolve(dns, "10.1.2.3"), "10.1.2.3");
    CHECK_TEXT(resolve(dns, "::1"), "::1");
    CHECK_TEXT(resolve(dns, "localhost"), "127.0.0.1");
    CHECK_TEXT(resolve(dns, "LOCALHOST"), "127.0.0.1");
    CHECK_EQ(queries, 0);
    dns_free(dns);
}

TEST(dns_passes_literals_and_the_hosts_file)
{
    run_with_server(without_network);
}

static void by_policy(void *arg)
{
    static const struct {
        enum dns_policy policy;
        const char *two;
        const char *v6;
    } cases[] = {
        {DNS_PREFER_IPV4, "10.0.0.1", "fd00::6"}, {DNS_PREFER_IPV6, "fd00::1", "fd00::6"},
        {DNS_ONLY_IPV4, "10.0.0.1", "no host"},   {DNS_ONLY_IPV6, "fd00::1", "fd00::6"},
        {DNS_ANY, "10.0.0.1", "fd00::6"},
    };

    (void)arg;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct dns *dns = make_dns(DNS_FIRST, cases[i].policy, INT64_MAX);

        CHECK_TEXT(resolve(dns, "two.test"), cases[i].two);
        CHECK_TEXT(resolve(dns, "v6.test"), cases[i].v6);
        dns_free(dns);
    }
}

TEST(dns_follows_the_policy)
{
    run_with_server(by_policy);
}

static void by_select(void *arg)
{
    struct dns *dns = make_dns(DNS_ROUND_ROBIN, DNS_PREFER_IPV4, INT64_MAX);
    unsigned seen[2] = {0, 0};

    (void)arg;
    for (int i = 0; i < 4; i++)
        CHECK_TEXT(resolve(dns, "two.test"), i % 2 ? "10.0.0.2" : "10.0.0.1");
    dns_free(dns);
    dns = make_dns(DNS_RANDOM, DNS_PREFER_IPV4, INT64_MAX);
    for (int i = 0; i < 200; i++)
        seen[strcmp(resolve(dns, "two.test"), "10.0.0.1") == 0]++;
    CHECK(seen[0] > 50 && seen[1] > 50);
    dns_free(dns);
    CHECK_EQ(queries, 2);
}

TEST(dns_selects_as_told)
{
    run_with_server(by_select);
}

static void by_ttl(void *arg)
{
    struct dns *dns = make_dns(DNS_FIRST, DNS_ONLY_IPV4, 400 * NSEC_PER_MSEC);

    (void)arg;
    CHECK_TEXT(resolve(dns, "two.test"), "10.0.0.1");
    CHECK_TEXT(resolve(dns, "TWO.test"), "10.0.0.1");
    CHECK_EQ(queries, 1);
    CHECK_EQ(fiber_sleep_until(in_ms(420)), 0);
    CHECK_TEXT(resolve(dns, "two.test"), "10.0.0.1");
    CHECK_EQ(queries, 2);
    dns_free(dns);
    dns = make_dns(DNS_FIRST, DNS_ONLY_IPV4, 0);
    CHECK_TEXT(resolve(dns, "two.test"), "10.0.0.1");
    CHECK_TEXT(resolve(dns, "two.test"), "10.0.0.1");
    CHECK_EQ(queries, 4);
    dns_free(dns);
}

TEST(dns_keeps_answers_for_the_ttl)
{
    run_with_server(by_ttl);
}

static void failing(void *arg)
{
    struct dns *dns = make_dns(DNS_FIRST, DNS_ONLY_IPV4, INT64_MAX);
    struct diag d = DIAG_INIT;
    struct addr a;
    char long_name[300];

    (void)arg;
    CHECK_EQ(dns_resolve(dns, STR("nope.test"), soon(), &a, &d), ERR_DNS_NO_HOST);
    CHECK_TEXT(d.message, "lookup nope.test: no such host");
    diag_deinit(&d);
    d = (struct diag)DIAG_INIT;
    CHECK_EQ(dns_resolve(dns, STR("fail.test"), soon(), &a, &d), ERR_DNS);
    CHECK_TEXT(d.message, "lookup fail.test: server misbehaving or not reachable");
    diag_deinit(&d);
    CHECK_EQ(dns_resolve(dns, STR("mute.test"), in_ms(50), &a, NULL), ERR_TIMEOUT);
    CHECK_EQ(dns_resolve(dns, STR(""), soon(), &a, NULL), ERR_DNS_NO_HOST);
    memset(long_name, 'a', sizeof long_name);
    CHECK_EQ(dns_resolve(dns, str_from(long_name, sizeof long_name), soon(), &a, NULL),
             ERR_DNS_NO_HOST);
    CHECK_EQ(dns_resolve(dns, STR("a..b"), soon(), &a, NULL), ERR_DNS_NO_HOST);
    CHECK_EQ(dns_resolve(dns, str_from("two.test\0x", 10), soon(), &a, NULL), ERR_DNS_NO_HOST);
    dns_free(dns);
}

TEST(dns_names_its_failures)
{
    run_with_server(failing);
}

static void truncated(void *arg)
{
    struct dns *dns = make_dns(DNS_FIRST, DNS_PREFER_IPV4, INT64_MAX);

    (void)arg;
    CHECK_TEXT(resolve(dns, "big.test"), "10.0.0.9");
    dns_free(dns);
}

TEST(dns_asks_again_by_tcp)
{
    run_with_server(truncated);
}

static void server_is_gone(void *arg)
{
    struct dns_options options = DNS_OPTIONS_DEFAULT;
    struct dns *dns;
    struct addr a;
    char text[32];

    (void)arg;
    snprintf(text, sizeof text, "127.0.0.1:%u", dead_port());
    options.servers = text;
    dns = dns_new(fiber_loop(), &options);
    CHECK_EQ(dns_resolve(dns, STR("two.test"), soon(), &a, NULL), ERR_DNS);
    dns_free(dns);
}

TEST(dns_reports_a_dead_server_at_once)
{
    run_fiber(server_is_gone, NULL);
}

struct crowd {
    struct dns *dns;
    struct wait_group group;
    const char *host;
    int64_t deadline;
    int err;
    struct addr result;
};

static void one_of_many(void *arg)
{
    struct crowd *c = arg;
    int err = dns_resolve(c->dns, str_of(c->host), c->deadline, &c->result, NULL);

    if (err)
        c->err = err;
    wait_group_done(&c->group);
}

static void ask_at_once(struct crowd *c, const char *host, int64_t deadline, size_t count)
{
    c->host = host;
    c->deadline = deadline;
    c->err = 0;
    wait_group_add(&c->group, count);
    for (size_t i = 0; i < count; i++)
        fiber_start(fiber_loop(), one_of_many, c);
    CHECK_EQ(wait_group_wait(&c->group), 0);
}

static void many_ask_at_once(void *arg)
{
    struct crowd c = {.dns = make_dns(DNS_FIRST, DNS_ONLY_IPV4, 0)};
    unsigned before;

    (void)arg;
    wait_group_init(&c.group);
    ask_at_once(&c, "two.test", soon(), 100);
    CHECK_EQ(c.err, 0);
    CHECK(queries < 100); /* a new one only for those who ask after an answer has come */
    /* No answer comes, so all share one query; they give up while it goes on, and closing must not
     * call them back. */
    before = queries;
    ask_at_once(&c, "mute.test", in_ms(200), 100);
    CHECK_EQ(c.err, ERR_TIMEOUT);
    CHECK_EQ(queries, before + 1);
    dns_free(c.dns);
}

TEST(dns_asks_once_for_many)
{
    run_with_server(many_ask_at_once);
}

static void very_many_names(void *arg)
{
    struct dns *dns = make_dns(DNS_FIRST, DNS_ONLY_IPV4, INT64_MAX);

    (void)arg;
    for (int i = 0; i < 5000; i++) {
        char name[32];

        snprintf(name, sizeof name, "two.n%d.test", i);
        CHECK_TEXT(resolve(dns, name), "10.0.0.1");
    }
    dns_free(dns);
}

TEST(dns_survives_a_flood_of_names)
{
    run_with_server(very_many_names);
}
