#include "cli/policy_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "cli/network.h"
#include "net/policy.h"
#include "support/test.h"

static char path[] = "/tmp/gale-policy-XXXXXX";

static int read_text(const char *text, struct policy **out, struct policy_limits *limits,
                     struct diag *d)
{
    int fd = mkstemp(path);
    int err;

    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    err = policy_file_read(path, out, limits, d);
    unlink(path);
    return err;
}

static bool passes(const struct policy *p, const char *host, const char *to)
{
    struct addr addr;

    CHECK_EQ(addr_parse_port(str_of(to), &addr), 0);
    return policy_check(p, str_of(host), &addr, true, NULL) == 0;
}

TEST(policy_file_has_rules_and_limits)
{
    struct policy_limits limits;
    struct policy *p;

    CHECK_EQ(read_text("{\"allow\": [\"10.0.0.0/8\", \"shop.test:443\"], \"deny\": [\"10.0.0.1\"],"
                       " \"maxVUs\": 1000, \"maxRate\": 12.5, \"maxBandwidth\": \"100mbit\","
                       " \"allowMetadata\": false}",
                       &p, &limits, NULL),
             0);
    CHECK_EQ(limits.max_vus, 1000);
    CHECK_NEAR(limits.max_rate, 12.5, 1e-9);
    CHECK_EQ(limits.bandwidth, 100000000);
    CHECK(passes(p, "x", "10.0.0.2:1"));
    CHECK(!passes(p, "x", "10.0.0.1:1"));
    CHECK(passes(p, "shop.test", "1.1.1.1:443"));
    CHECK(!passes(p, "x", "1.1.1.1:443"));
    policy_free(p);
}

TEST(policy_file_may_leave_things_out)
{
    struct policy_limits limits = {1, 1, 1};
    struct policy *p;

    CHECK_EQ(read_text("{}", &p, &limits, NULL), 0);
    CHECK(limits.max_vus == 0 && limits.max_rate == 0 && limits.bandwidth == 0);
    CHECK(passes(p, "x", "1.1.1.1:443"));
    CHECK(!passes(p, "x", "169.254.169.254:80"));
    policy_free(p);
    memcpy(path, "/tmp/gale-policy-XXXXXX", sizeof path);
    CHECK_EQ(read_text("{\"allow\": [], \"allowMetadata\": true}", &p, &limits, NULL), 0);
    CHECK(!passes(p, "x", "1.1.1.1:443"));
    policy_free(p);
}

TEST(policy_file_names_what_is_wrong)
{
    static const struct {
        const char *text;
        const char *message;
    } bad[] = {
        {"[]", ": a policy is a JSON object"},
        {"{\"alow\": []}", ": alow: a policy has allow, deny, maxVUs, maxRate, maxBandwidth and "},
        {"{\"allow\": \"10.0.0.0/8\"}", ": allow: a list of rules, as in [\"10.0.0.0/8\"]"},
        {"{\"deny\": [\"10.0.0.1\", \"a/b\"]}", ": deny, entry 2: \"a/b\" is no rule"},
        {"{\"deny\": [7]}", ": deny, entry 1: a rule is a text"},
        {"{\"deny\": [\"a\\u0000b\"]}", "policy: "},
        {"{\"maxVUs\": 0}", ": maxVUs: a number from 1"},
        {"{\"maxVUs\": 1.5}", ": maxVUs: a number from 1"},
        {"{\"maxRate\": \"5\"}", ": maxRate: iterations per second, above 0"},
        {"{\"maxBandwidth\": 100}", ": maxBandwidth: bits per second from"},
        {"{\"maxBandwidth\": \"100mb\"}", ": maxBandwidth: bits per second from"},
        {"{\"allowMetadata\": \"no\"}", ": allowMetadata: true or false"},
        {"{\"allow\": [], \"allow\": []}", "policy: duplicate object key"},
        {"{\"allow\": [", "policy: "},
        {"", "policy: "},
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct diag d = DIAG_INIT;
        struct policy_limits limits;
        struct policy *p = NULL;
        char *text;

        memcpy(path, "/tmp/gale-policy-XXXXXX", sizeof path);
        CHECK_EQ(read_text(bad[i].text, &p, &limits, &d), ERR_INVALID);
        text = diag_text(&d);
        if (!strstr(text, bad[i].message) || !strstr(text, path))
            CHECK_TEXT(text, bad[i].message);
        CHECK(!p);
        mem_free(text);
        diag_deinit(&d);
    }
}

TEST(policy_file_that_is_not_there)
{
    struct diag d = DIAG_INIT;
    struct policy_limits limits;
    struct policy *p;

    CHECK_EQ(policy_file_read("/nowhere/policy.json", &p, &limits, &d), ERR_INVALID);
    CHECK(strstr(d.message, "No such file or directory"));
    diag_deinit(&d);
}

TEST(policy_limits_a_load)
{
    struct operator_network n = {.limits = {.max_vus = 10, .max_rate = 5}};
    struct diag d = DIAG_INIT;

    CHECK_EQ(network_check_load(&n, 10, 5, NULL), 0);
    CHECK_EQ(network_check_load(&n, 11, 0, &d), ERR_POLICY);
    CHECK(strstr(d.message, "the policy allows 10 VUs here and the test needs 11"));
    diag_deinit(&d);
    d = (struct diag)DIAG_INIT;
    CHECK_EQ(network_check_load(&n, 1, 5.5, &d), ERR_POLICY);
    CHECK(strstr(d.message, "allows 5 iterations per second here and the test needs 5.5"));
    diag_deinit(&d);
    n.limits = (struct policy_limits){0, 0, 0};
    CHECK_EQ(network_check_load(&n, 1000000, 1e9, NULL), 0);
}
