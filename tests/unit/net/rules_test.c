#include "net/rules.h"

#include "base/err.h"
#include "support/test.h"

static struct rules *rules;

static const char *find(const char *host, uint16_t port)
{
    static char out[ADDR_PORT_TEXT_MAX];
    struct addr a;

    return rules_find_host(rules, str_of(host), port, &a) ? addr_format_port(&a, out) : "none";
}

static void add(const char *host, const char *target)
{
    CHECK_EQ(rules_add_host(rules, str_of(host), str_of(target), NULL), 0);
}

TEST(rules_override_hosts)
{
    rules = rules_new();
    add("test.k6.io", "1.2.3.4");
    add("test.k6.io:443", "1.2.3.4:8443");
    add("*.grafana.com", "1.2.3.5");
    add("*.deep.grafana.com", "1.2.3.6:99");
    add("*.grafana.com:81", "[::1]:82");
    add("exact.grafana.com", "9.9.9.9");
    CHECK_TEXT(find("test.k6.io", 80), "1.2.3.4:80");
    CHECK_TEXT(find("TEST.k6.io.", 80), "1.2.3.4:80");
    CHECK_TEXT(find("test.k6.io", 443), "1.2.3.4:8443");
    CHECK_TEXT(find("other.k6.io", 80), "none");
    CHECK_TEXT(find("a.grafana.com", 80), "1.2.3.5:80");
    CHECK_TEXT(find("a.grafana.com", 81), "[::1]:82");
    CHECK_TEXT(find("b.a.grafana.com", 80), "1.2.3.5:80");
    CHECK_TEXT(find("a.deep.grafana.com", 80), "1.2.3.6:99");
    CHECK_TEXT(find("exact.grafana.com", 80), "9.9.9.9:80");
    CHECK_TEXT(find("grafana.com", 80), "none");
    add("TEST.k6.io", "4.4.4.4");
    CHECK_TEXT(find("test.k6.io", 80), "4.4.4.4:80");
    rules_free(rules);
    rules = NULL;
    CHECK_TEXT(find("test.k6.io", 80), "none");
}

TEST(rules_refuse_bad_overrides)
{
    static const char *const bad[][2] = {
        {"host", "other-host"}, {"host", ""},
        {"", "1.2.3.4"},        {"a*b", "1.2.3.4"},
        {"host:0", "1.2.3.4"},  {"host:x", "1.1.1.1"},
        {"h ost", "1.2.3.4"},   {"host", "1.2.3.4:99999"},
        {"[::1", "1.2.3.4"},
    };

    rules = rules_new();
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct diag d = DIAG_INIT;

        CHECK_EQ(rules_add_host(rules, str_of(bad[i][0]), str_of(bad[i][1]), &d), ERR_INVALID);
        CHECK(d.message && strncmp(d.message, "hosts: ", 7) == 0);
        diag_deinit(&d);
    }
    CHECK_EQ(rules_add_host(rules, STR("[::1]:80"), STR("127.0.0.1"), NULL), 0);
    CHECK_TEXT(find("::1", 80), "127.0.0.1:80");
    CHECK_TEXT(find("::1", 81), "none");
    rules_free(rules);
}

TEST(rules_block_hostnames)
{
    struct diag d = DIAG_INIT;

    rules = rules_new();
    CHECK_EQ(rules_add_blocked(rules, STR("test.k6.io"), NULL), 0);
    CHECK_EQ(rules_add_blocked(rules, STR("*.example.com"), NULL), 0);
    CHECK_EQ(rules_check_host(rules, STR("Test.K6.io"), &d), ERR_HOST_BLOCKED);
    CHECK_TEXT(d.message, "hostname (Test.K6.io) is in a blocked pattern (test.k6.io)");
    CHECK_EQ(rules_check_host(rules, STR("a.example.com"), NULL), ERR_HOST_BLOCKED);
    CHECK_EQ(rules_check_host(rules, STR("example.com"), NULL), 0);
    CHECK_EQ(rules_check_host(rules, STR("k6.io"), NULL), 0);
    CHECK_EQ(rules_check_host(NULL, STR("k6.io"), NULL), 0);
    CHECK_EQ(rules_add_blocked(rules, STR("a.*.com"), NULL), ERR_INVALID);
    CHECK_EQ(rules_add_blocked(rules, STR(""), NULL), ERR_INVALID);
    CHECK_EQ(rules_add_blocked(rules, STR("*"), NULL), 0);
    CHECK_EQ(rules_check_host(rules, STR("k6.io"), NULL), ERR_HOST_BLOCKED);
    diag_deinit(&d);
    rules_free(rules);
}

TEST(rules_blacklist_addresses)
{
    struct diag d = DIAG_INIT;
    struct addr a;

    rules = rules_new();
    CHECK_EQ(rules_add_blacklisted(rules, STR("10.0.0.0/8"), NULL), 0);
    CHECK_EQ(rules_add_blacklisted(rules, STR("10/8"), &d), ERR_INVALID);
    CHECK_TEXT(d.message,
               "blacklistIPs: '10/8' is no range of addresses as in 10.0.0.0/8 or ::1/128");
    diag_deinit(&d);
    d = (struct diag)DIAG_INIT;
    CHECK_EQ(addr_parse(STR("10.1.2.3"), &a), 0);
    CHECK_EQ(rules_check_ip(rules, &a, &d), ERR_IP_BLACKLISTED);
    CHECK_TEXT(d.message, "IP (10.1.2.3) is in a blacklisted range (10.0.0.0/8)");
    CHECK_EQ(addr_parse(STR("11.1.2.3"), &a), 0);
    CHECK_EQ(rules_check_ip(rules, &a, NULL), 0);
    CHECK_EQ(rules_check_ip(NULL, &a, NULL), 0);
    diag_deinit(&d);
    rules_free(rules);
}
