#include "net/proxy.h"

#include "base/mem.h"
#include "fixture.h"
#include "net/memstream.h"
#include "support/test.h"

/* --- which proxy -------------------------------------------------------------------------- */

static const char *env[3][2]; /* name, value */

static const char *lookup(void *arg, const char *name)
{
    (void)arg;
    for (size_t i = 0; i < COUNT_OF(env); i++) {
        if (env[i][0] && strcmp(env[i][0], name) == 0)
            return env[i][1];
    }
    return NULL;
}

static struct proxy_config *config_of(const char *http, const char *https, const char *no)
{
    struct proxy_config *c;

    env[0][0] = "HTTP_PROXY";
    env[0][1] = http;
    env[1][0] = "https_proxy";
    env[1][1] = https;
    env[2][0] = "NO_PROXY";
    env[2][1] = no;
    CHECK_EQ(proxy_config_new(lookup, NULL, &c, NULL), 0);
    return c;
}

static const char *key_for(const struct proxy_config *c, bool is_tls, const char *host,
                           uint16_t port)
{
    const struct proxy *p = proxy_for(c, is_tls, str_of(host), port);

    return p ? p->key.ptr : "none";
}

TEST(proxy_is_chosen_by_scheme)
{
    struct proxy_config *c = config_of("http://p.test:3128", "socks5://[::1]:1081/", "");

    CHECK_TEXT(key_for(c, false, "shop.test", 80), "http://@p.test:3128");
    CHECK_TEXT(key_for(c, true, "shop.test", 443), "socks5://@::1:1081");
    CHECK_TEXT(key_for(NULL, true, "shop.test", 443), "none");
    proxy_config_free(c);
    c = config_of(NULL, "", NULL);
    CHECK_TEXT(key_for(c, false, "shop.test", 80), "none");
    CHECK_TEXT(key_for(c, true, "shop.test", 80), "none");
    proxy_config_free(c);
}

TEST(proxy_parses_its_url)
{
    struct proxy_config *c = config_of("proxy.test", "http://user:p%40ss@proxy.test", NULL);
    const struct proxy *p = proxy_for(c, false, STR("a.test"), 80);

    CHECK(p->kind == PROXY_HTTP && p->port == 80 && p->authorization.len == 0);
    CHECK(str_eq_c(p->host, "proxy.test"));
    p = proxy_for(c, true, STR("a.test"), 443);
    CHECK(str_eq_c(p->user, "user") && str_eq_c(p->password, "p@ss"));
    CHECK(str_eq_c(p->authorization, "Basic dXNlcjpwQHNz"));
    proxy_config_free(c);
}

TEST(proxy_refuses_bad_urls)
{
    static const char *const bad[] = {"quic://p.test", "ftp://p.test", "http://",
                                      "http://p:x",    "http://p:0",   "http://u@"};

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct proxy_config *c;
        struct diag d = DIAG_INIT;

        env[0][0] = "HTTP_PROXY";
        env[0][1] = bad[i];
        env[1][0] = NULL;
        CHECK_EQ(proxy_config_new(lookup, NULL, &c, &d), ERR_INVALID);
        CHECK(strstr(d.message, "HTTP_PROXY: "));
        diag_deinit(&d);
    }
}

TEST(proxy_leaves_exceptions_alone)
{
    struct proxy_config *c = config_of(
        "http://p.test", NULL,
        "one.test, .two.test,*.three.test,four.test:81 ,10.0.0.0/8,192.168.1.1,[fd00::1]:82,,");
    static const struct {
        const char *host;
        uint16_t port;
        bool is_proxied;
    } cases[] = {
        {"one.test", 80, false},    {"a.ONE.test", 80, false}, {"none.test", 80, true},
        {"two.test", 80, true},     {"a.two.test", 80, false}, {"three.test", 80, true},
        {"b.three.test", 1, false}, {"four.test", 80, true},   {"four.test", 81, false},
        {"10.9.8.7", 80, false},    {"11.9.8.7", 80, true},    {"192.168.1.1", 80, false},
        {"fd00::1", 82, false},     {"fd00::1", 80, true},     {"localhost", 80, false},
        {"127.3.4.5", 80, false},   {"::1", 80, false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool is_proxied = strcmp(key_for(c, false, cases[i].host, cases[i].port), "none") != 0;

        if (is_proxied != cases[i].is_proxied)
            test_fail(__FILE__, __LINE__, "%s:%u", cases[i].host, cases[i].port);
    }
    proxy_config_free(c);
    c = config_of("http://p.test", NULL, "*");
    CHECK_TEXT(key_for(c, false, "any.test", 80), "none");
    proxy_config_free(c);
}

/* --- the talk, byte by byte ------------------------------------------------------------------- */

static struct {
    struct proxy proxy;
    const char *host;
    const char *answer;
    size_t answer_len;
    size_t max_read;
    int err;
    char *sent;
    size_t sent_len;
    size_t left; /* bytes of the answer that belong to the tunnel */
    struct diag d;
} talk;

static void open_tunnel(void *arg)
{
    struct memstream_faults faults = MEMSTREAM_FAULTS_NONE;
    struct stream *s;
    struct stream *peer;
    struct str unread;

    (void)arg;
    faults.max_read = talk.max_read;
    memstream_pair(&faults, &s, &peer);
    memstream_push(peer, talk.answer, talk.answer_len);
    memstream_end(peer);
    talk.err = proxy_open_tunnel(&talk.proxy, s, str_of(talk.host), 443, soon(), &talk.d);
    unread = memstream_unread(peer);
    mem_free(talk.sent);
    talk.sent = mem_strndup(unread.ptr ? unread.ptr : "", unread.len);
    talk.sent_len = unread.len;
    talk.left = memstream_unread(s).len;
    stream_close(s);
    stream_close(peer);
}

static void converse(const char *answer, size_t len)
{
    talk.answer = answer;
    talk.answer_len = len;
    diag_deinit(&talk.d);
    talk.d = (struct diag)DIAG_INIT;
    run_fiber(open_tunnel, NULL);
}

static void end_talk(void)
{
    mem_free(talk.sent);
    diag_deinit(&talk.d);
}

#define CONVERSE(literal) converse((literal), sizeof(literal) - 1)

TEST(proxy_connect_opens_a_tunnel)
{
    talk.host = "shop.test";
    talk.proxy = (struct proxy){.kind = PROXY_HTTP, .authorization = STR("Basic abc")};
    talk.max_read = 3;
    CONVERSE("HTTP/1.1 200 OK\r\nVia: x\r\n\r\n\x16\x03");
    CHECK_EQ(talk.err, 0);
    CHECK_TEXT(talk.sent, "CONNECT shop.test:443 HTTP/1.1\r\nHost: shop.test:443\r\n"
                          "Proxy-Authorization: Basic abc\r\n\r\n");
    CHECK_EQ(talk.left, 2); /* the tunnel's own bytes are still there */
    talk.host = "::1";
    CONVERSE("HTTP/1.0 200 Connection established\r\n\r\n");
    CHECK_EQ(talk.err, 0);
    CHECK(strstr(talk.sent, "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n"));
    end_talk();
}

TEST(proxy_connect_refusals)
{
    static char endless[20000];

    talk.host = "shop.test";
    talk.proxy = (struct proxy){.kind = PROXY_HTTP};
    CONVERSE("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    CHECK_EQ(talk.err, ERR_NET);
    CHECK_TEXT(talk.d.message, "proxyconnect tcp: the proxy answered CONNECT with 407 Proxy "
                               "Authentication Required");
    CONVERSE("SSH-2.0-x\r\n\r\n");
    CHECK_EQ(talk.err, ERR_NET);
    CONVERSE("HTTP/1.1 200 OK\r\n");
    CHECK_EQ(talk.err, ERR_UNEXPECTED_EOF);
    memset(endless, 'x', sizeof endless);
    converse(endless, sizeof endless);
    CHECK_EQ(talk.err, ERR_LIMIT);
    end_talk();
}

TEST(proxy_socks_opens_a_tunnel)
{
    talk.host = "shop.test";
    talk.proxy = (struct proxy){.kind = PROXY_SOCKS5, .user = STR("me"), .password = STR("pw")};
    talk.max_read = 1;
    CONVERSE("\5\2\1\0\5\0\0\1\1\2\3\4\0\0tail");
    CHECK_EQ(talk.err, 0);
    CHECK_EQ(talk.left, 4);
    CHECK_EQ(talk.sent_len, 4 + 7 + 7 + 9);
    CHECK(memcmp(talk.sent, "\5\2\0\2\1\2me\2pw\5\1\0\3\11shop.test\1\273", talk.sent_len) == 0);
    talk.proxy = (struct proxy){.kind = PROXY_SOCKS5};
    talk.host = "1.2.3.4";
    CONVERSE("\5\0\5\0\0\3\4name\0\0");
    CHECK_EQ(talk.err, 0);
    CHECK(memcmp(talk.sent, "\5\1\0\5\1\0\1\1\2\3\4\1\273", 13) == 0);
    talk.host = "::1";
    CONVERSE("\5\0\5\0\0\4"
             "0123456789abcdef\0\0");
    CHECK_EQ(talk.err, 0);
    CHECK_EQ(talk.sent_len, 3 + 4 + 16 + 2);
    end_talk();
}

TEST(proxy_socks_refusals)
{
    static const struct {
        const char *answer;
        size_t len;
        const char *text; /* NULL: the stream's end */
    } cases[] = {
        {"\5\377", 2, "socks connect: no acceptable authentication methods"},
        {"\4\0", 2, "socks connect: the proxy does not speak SOCKS5"},
        {"\5\2\1\1", 4, "socks connect: username/password authentication failed"},
        {"\5\0\5\5\0\1\0", 7, "socks connect: connection refused"},
        {"\5\0\5\77\0\1\0", 7, "socks connect: unknown code"},
        {"\5\0\5\0\0\7\0", 7, "socks connect: unknown address type in the answer"},
        {"\5\0\4\0\0\1\0", 7, "socks connect: the proxy does not speak SOCKS5"},
        {"\5\0\5\0\0\1\0", 7, NULL},
        {"", 0, NULL},
    };

    talk.host = "shop.test";
    talk.proxy = (struct proxy){.kind = PROXY_SOCKS5, .user = STR("me"), .password = STR("pw")};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        converse(cases[i].answer, cases[i].len);
        CHECK_EQ(talk.err, cases[i].text ? ERR_NET : ERR_UNEXPECTED_EOF);
        if (cases[i].text)
            CHECK_TEXT(talk.d.message, cases[i].text);
    }
    end_talk();
}
