#include "net/policy.h"

#include "base/err.h"
#include "base/mem.h"
#include "fixture.h"
#include "net/dialer.h"
#include "net/rules.h"
#include "support/test.h"

static struct policy *make(const char *const *allow, const char *const *deny)
{
    struct policy *p = policy_new("test.json");

    for (; allow && *allow; allow++)
        CHECK_EQ(policy_allow(p, str_of(*allow), NULL), 0);
    for (; deny && *deny; deny++)
        CHECK_EQ(policy_deny(p, str_of(*deny), NULL), 0);
    return p;
}

static int check(const struct policy *p, const char *host, const char *to, bool by_dns,
                 struct diag *d)
{
    struct addr addr;

    CHECK_EQ(addr_parse_port(str_of(to), &addr), 0);
    if (addr.port == 0)
        addr.port = 80;
    return policy_check(p, str_of(host), &addr, by_dns, d);
}

static bool passes(const struct policy *p, const char *host, const char *to)
{
    int err = check(p, host, to, true, NULL);

    CHECK(err == 0 || err == ERR_POLICY);
    return err == 0;
}

TEST(policy_of_nothing_refuses_metadata_alone)
{
    static const char *const good[] = {"10.0.0.1",    "127.0.0.1",       "8.8.8.8",
                                       "169.253.1.1", "2606:4700::1111", "100.100.100.201",
                                       "::1",         "0.0.0.0",         "fec0::1"};
    static const char *const bad[] = {
        "169.254.169.254",   "169.254.170.2",
        "169.254.0.1",       "100.100.100.200",
        "168.63.129.16",     "fe80::1",
        "febf::1",           "fd00:ec2::254",
        "fd20:ce::254",      "::ffff:169.254.169.254",
        "::169.254.169.254", "64:ff9b::169.254.169.254",
        "2002:a9fe:a9fe::1", "64:ff9b::6464:64c8",
    };
    struct policy *p = make(NULL, NULL);
    struct diag d = DIAG_INIT;

    CHECK_EQ(policy_check(NULL, STR("x"), NULL, true, NULL), 0);
    for (size_t i = 0; i < COUNT_OF(good); i++)
        CHECK(passes(p, "x.test", good[i]));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK(!passes(p, "x.test", bad[i]));
    CHECK_EQ(check(p, "x.test", "169.254.169.254", true, &d), ERR_POLICY);
    CHECK_TEXT(d.message,
               "policy test.json: 169.254.169.254:80 (x.test) is refused: link-local and cloud "
               "metadata addresses are refused unless \"allowMetadata\" is true or \"allow\" has "
               "the address itself");
    diag_deinit(&d);
    d = (struct diag)DIAG_INIT;
    CHECK_EQ(policy_check_name(p, STR("Metadata.Google.Internal."), 80, &d), ERR_POLICY);
    CHECK(
        strstr(d.message, "policy test.json: Metadata.Google.Internal.:80 is refused: link-local"));
    diag_deinit(&d);
    CHECK_EQ(policy_check_name(p, STR("google.internal"), 80, NULL), 0);
    policy_allow_metadata(p);
    CHECK_EQ(policy_check_name(p, STR("metadata.google.internal"), 80, NULL), 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK(passes(p, "x.test", bad[i]));
    policy_free(p);
}

TEST(policy_allows_metadata_by_its_own_address_only)
{
    static const char *const wide[] = {"0.0.0.0/0", "::/0", "*", NULL};
    static const char *const exact[] = {"169.254.7.0/24", "169.254.169.254:8080", NULL};
    struct policy *p = make(wide, NULL);

    CHECK(passes(p, "x", "1.2.3.4"));
    CHECK(!passes(p, "x", "169.254.169.254"));
    CHECK(!passes(p, "x", "fe80::1"));
    policy_free(p);
    p = make(exact, NULL);
    CHECK(passes(p, "x", "169.254.7.9"));
    CHECK(!passes(p, "x", "169.254.8.9"));
    CHECK(!passes(p, "x", "169.254.169.254"));
    CHECK(passes(p, "x", "169.254.169.254:8080"));
    policy_free(p);
}

TEST(policy_refuses_what_it_does_not_allow)
{
    static const char *const allow[] = {"10.0.0.0/8",    "*.example.com",  "shop.test:443",
                                        "[fd00::]:9000", "192.0.2.1:8080", NULL};
    struct policy *p = make(allow, NULL);
    struct diag d = DIAG_INIT;

    CHECK(passes(p, "x", "10.1.2.3:22"));
    CHECK(passes(p, "x", "::ffff:10.1.2.3"));
    CHECK(!passes(p, "x", "11.1.2.3"));
    CHECK(passes(p, "www.EXAMPLE.com.", "1.2.3.4"));
    CHECK(!passes(p, "example.com", "1.2.3.4"));
    CHECK(!passes(p, "wwwexample.com", "1.2.3.4"));
    CHECK(!passes(p, "www.example.com", "169.254.169.254"));
    CHECK(passes(p, "shop.test", "1.2.3.4:443"));
    CHECK(!passes(p, "shop.test", "1.2.3.4:80"));
    CHECK(passes(p, "x", "[fd00::]:9000"));
    CHECK(!passes(p, "x", "[fd00::1]:9000"));
    CHECK(passes(p, "x", "192.0.2.1:8080"));
    CHECK(!passes(p, "x", "192.0.2.1:8081"));
    CHECK_EQ(check(p, "1.2.3.4", "1.2.3.4:80", true, &d), ERR_POLICY);
    CHECK_TEXT(d.message, "policy test.json: 1.2.3.4:80 is refused: \"allow\" does not have it");
    diag_deinit(&d);
    d = (struct diag)DIAG_INIT;
    CHECK_EQ(check(p, "www.example.com", "1.2.3.4:80", false, &d), ERR_POLICY);
    CHECK_TEXT(d.message, "policy test.json: 1.2.3.4:80 (www.example.com) is refused: \"allow\" "
                          "has the name, but the address comes from the option hosts");
    diag_deinit(&d);
    CHECK_EQ(check(p, "www.example.com", "10.9.9.9:80", false, NULL), 0);
    policy_free(p);
    p = make(NULL, NULL);
    policy_allow_only(p);
    CHECK(!passes(p, "x", "1.2.3.4"));
    policy_free(p);
}

TEST(policy_denied_beats_allowed)
{
    static const char *const allow[] = {"127.0.0.0/8", "10.0.0.0/8", "::/0", "*", NULL};
    static const char *const deny[] = {"127.0.0.0/8",   "::1",         "10.0.0.7:5432",
                                       "*.secret.test", "secret.test", NULL};
    struct policy *p = make(allow, deny);
    struct diag d = DIAG_INIT;

    CHECK(!passes(p, "localhost", "127.0.0.1"));
    CHECK(!passes(p, "x", "0.0.0.0"));
    CHECK(!passes(p, "x", "::"));
    CHECK(!passes(p, "x", "::ffff:127.9.9.9"));
    CHECK(!passes(p, "x", "64:ff9b::127.0.0.1"));
    CHECK(!passes(p, "x", "10.0.0.7:5432"));
    CHECK(passes(p, "x", "10.0.0.7:5433"));
    CHECK(!passes(p, "a.secret.test", "10.0.0.8"));
    CHECK(!passes(p, "SECRET.test.", "10.0.0.8"));
    CHECK_EQ(policy_check_name(p, STR("a.secret.test"), 1, &d), ERR_POLICY);
    CHECK_TEXT(d.message,
               "policy test.json: a.secret.test:1 is refused: \"deny\" has *.secret.test");
    diag_deinit(&d);
    policy_free(p);
}

TEST(policy_names_a_bad_rule)
{
    static const char *const bad[] = {"",         "10.0.0.0/33", "a/b",          "*x.test",
                                      "a b",      "x.test:0",    "x.test:99999", "[::1",
                                      "http://x", "x.*.test",    "1.2.3.0/a",    "::1:80:zz"};
    struct policy *p = policy_new("p");

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct diag d = DIAG_INIT;

        CHECK_EQ(policy_deny(p, str_of(bad[i]), &d), ERR_INVALID);
        CHECK(strstr(d.message, "is no rule: an address, a network as in 10.0.0.0/8"));
        diag_deinit(&d);
    }
    for (size_t i = 0; i < POLICY_MAX_RULES; i++)
        CHECK_EQ(policy_deny(p, STR("10.0.0.1"), NULL), 0);
    CHECK_EQ(policy_deny(p, STR("10.0.0.1"), NULL), ERR_LIMIT);
    policy_free(p);
}

/* --- the dialer --------------------------------------------------------------------------- */

static struct {
    struct network network;
    struct rules *rules;
    struct dial_request request;
    int err;
    struct diag d;
} t;

static void dial(void *arg)
{
    struct dialer_options options = {
        .dns = DNS_OPTIONS_DEFAULT, .rules = t.rules, .network = &t.network};
    struct dial_timing timing;
    struct dialer *dialer;
    struct stream *s = NULL;

    (void)arg;
    CHECK_EQ(dialer_new(fiber_loop(), &options, &dialer, NULL), 0);
    t.err = dialer_dial(dialer, &t.request, &s, &timing, &t.d);
    stream_close(s);
    dialer_free(dialer);
}

static int try_dial(const char *host, uint16_t port)
{
    diag_deinit(&t.d);
    t.d = (struct diag)DIAG_INIT;
    t.request.host = str_of(host);
    t.request.port = port;
    t.request.deadline = soon();
    run_fiber(dial, NULL);
    return t.err;
}

static void hang_up(int fd, void *arg)
{
    (void)fd;
    (void)arg;
}

TEST(policy_is_asked_with_the_address_that_is_dialled)
{
    static const char *const allow[] = {"127.0.0.2", "*.test", NULL};
    struct policy *policy = make(allow, NULL);
    uint16_t port = dead_port();

    t.network.policy = policy;
    t.rules = rules_new();
    CHECK_EQ(rules_add_host(t.rules, STR("shop.test"), STR("127.0.0.1"), NULL), 0);
    CHECK_EQ(rules_add_host(t.rules, STR("other.test"), STR("127.0.0.2"), NULL), 0);
    CHECK_EQ(try_dial("shop.test", port), ERR_POLICY);
    CHECK(strstr(t.d.message, "(shop.test) is refused: \"allow\" has the name, but"));
    CHECK_EQ(try_dial("localhost", port), ERR_POLICY);
    CHECK_EQ(try_dial("127.0.0.1", port), ERR_POLICY);
    CHECK_EQ(try_dial("::ffff:169.254.169.254", port), ERR_POLICY);
    CHECK(strstr(t.d.message, "169.254.169.254"));
    CHECK_EQ(try_dial("other.test", port), ERR_REFUSED); /* it was let through */
    t.network.policy = NULL;
    CHECK_EQ(try_dial("shop.test", serve(1, hang_up, NULL)), 0);
    diag_deinit(&t.d);
    rules_free(t.rules);
    policy_free(policy);
}

static char asked[256];

/* Notes what a client asks of a proxy, and refuses. */
static void be_proxy(int fd, void *arg)
{
    size_t len = 0;

    (void)arg;
    while (len < sizeof asked - 1 && !strstr(asked, "\r\n\r\n")) {
        read_exactly(fd, asked + len, 1);
        len++;
    }
    write_all(fd, "HTTP/1.1 403 No\r\n\r\n", 19);
}

TEST(policy_tells_a_proxy_the_checked_address)
{
    static const char *const deny[] = {"127.0.0.9", NULL};
    struct policy *policy = make(NULL, deny);
    struct proxy proxy = {.kind = PROXY_HTTP, .host = STR_INIT("127.0.0.1")};

    proxy.port = dead_port();
    t.network.policy = policy;
    t.request.proxy = &proxy;
    CHECK_EQ(try_dial("169.254.169.254", 80), ERR_POLICY);
    CHECK_EQ(try_dial("metadata.goog", 80), ERR_POLICY);
    CHECK_EQ(try_dial("127.0.0.9", 80), ERR_POLICY);
    proxy.port = serve(1, be_proxy, NULL);
    CHECK_EQ(try_dial("localhost", 8080), ERR_NET); /* plain HTTP, by a tunnel all the same */
    CHECK(str_starts_with(str_of(asked), STR("CONNECT 127.0.0.1:8080 HTTP/1.1\r\n")) ||
          str_starts_with(str_of(asked), STR("CONNECT [::1]:8080 HTTP/1.1\r\n")));
    proxy.host = STR("127.0.0.9");
    CHECK_EQ(try_dial("localhost", 8080), ERR_POLICY);
    diag_deinit(&t.d);
    policy_free(policy);
}
