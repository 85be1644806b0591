#include "net/addr.h"

#include <netinet/in.h>

#include "base/err.h"
#include "support/test.h"

static const char *round_trip(const char *text)
{
    static char out[ADDR_TEXT_MAX];
    struct addr a;

    return addr_parse(str_of(text), &a) == 0 ? addr_format(&a, out) : "error";
}

static const char *round_trip_port(const char *text)
{
    static char out[ADDR_PORT_TEXT_MAX];
    struct addr a;

    return addr_parse_port(str_of(text), &a) == 0 ? addr_format_port(&a, out) : "error";
}

TEST(addr_parses_literals)
{
    CHECK_TEXT(round_trip("127.0.0.1"), "127.0.0.1");
    CHECK_TEXT(round_trip("::1"), "::1");
    CHECK_TEXT(round_trip("2001:DB8:0:0:0:0:0:1"), "2001:db8::1");
    CHECK_TEXT(round_trip("::ffff:1.2.3.4"), "1.2.3.4");
    CHECK_TEXT(round_trip("fe80::1%lo"), "fe80::1%lo");
    CHECK_TEXT(round_trip("fe80::1%1"), "fe80::1%lo");
}

TEST(addr_refuses_what_is_no_literal)
{
    static const char *const bad[] = {
        "",           "1.2.3",       "1.2.3.4.5", "256.1.1.1",          "host",
        "1.2.3.4:80", "[::1]",       ":::",       "01.2.3.4",           "1.2.3.4%lo",
        "::1%",       "::1%nope-if", " 1.2.3.4",  "fe80::1%99999999999"};

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK_TEXT(round_trip(bad[i]), "error");
    CHECK(addr_parse(str_from("1.2.3.4\0", 8), &(struct addr){.family = ADDR_NONE}) == ERR_SYNTAX);
}

TEST(addr_parses_ports)
{
    CHECK_TEXT(round_trip_port("1.2.3.4:80"), "1.2.3.4:80");
    CHECK_TEXT(round_trip_port("1.2.3.4"), "1.2.3.4:0");
    CHECK_TEXT(round_trip_port("[::1]:443"), "[::1]:443");
    CHECK_TEXT(round_trip_port("[::1]"), "[::1]:0");
    CHECK_TEXT(round_trip_port("::1"), "[::1]:0");
    CHECK_TEXT(round_trip_port("1.2.3.4:"), "error");
    CHECK_TEXT(round_trip_port("1.2.3.4:0"), "error");
    CHECK_TEXT(round_trip_port("1.2.3.4:65536"), "error");
    CHECK_TEXT(round_trip_port("[::1"), "error");
    CHECK_TEXT(round_trip_port("[::1]80"), "error");
    CHECK_TEXT(round_trip_port("host:80"), "error");
}

TEST(addr_survives_a_sockaddr)
{
    static const char *const texts[] = {"10.1.2.3:8080", "[2001:db8::5]:443"};

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct sockaddr_storage sa;
        struct addr a;
        struct addr b;
        char out[ADDR_PORT_TEXT_MAX];

        CHECK_EQ(addr_parse_port(str_of(texts[i]), &a), 0);
        CHECK(addr_to_sockaddr(&a, &sa) >= sizeof(struct sockaddr_in));
        addr_from_sockaddr((struct sockaddr *)&sa, &b);
        CHECK_TEXT(addr_format_port(&b, out), texts[i]);
        CHECK(addr_ip_eq(&a, &b));
    }
}

TEST(addr_knows_loopback)
{
    struct addr a;

    CHECK(addr_parse(STR("127.9.9.9"), &a) == 0 && addr_is_loopback(&a));
    CHECK(addr_parse(STR("::1"), &a) == 0 && addr_is_loopback(&a));
    CHECK(addr_parse(STR("128.0.0.1"), &a) == 0 && !addr_is_loopback(&a));
    CHECK(addr_parse(STR("::2"), &a) == 0 && !addr_is_loopback(&a));
}

static bool contains(const char *net, const char *ip)
{
    struct cidr c;
    struct addr a;

    CHECK_EQ(cidr_parse(str_of(net), &c), 0);
    CHECK_EQ(addr_parse(str_of(ip), &a), 0);
    return cidr_contains(&c, &a);
}

TEST(cidr_contains_its_addresses_only)
{
    CHECK(contains("10.0.0.0/8", "10.255.0.1"));
    CHECK(!contains("10.0.0.0/8", "11.0.0.1"));
    CHECK(contains("192.168.1.128/25", "192.168.1.200"));
    CHECK(!contains("192.168.1.128/25", "192.168.1.100"));
    CHECK(contains("0.0.0.0/0", "8.8.8.8"));
    CHECK(!contains("0.0.0.0/0", "::1"));
    CHECK(contains("fd00::/9", "fd7f::1"));
    CHECK(!contains("fd00::/9", "fd80::1"));
    CHECK(contains("1.2.3.4", "1.2.3.4"));
    CHECK(!contains("1.2.3.4", "1.2.3.5"));
    CHECK(contains("1.2.3.4/32", "::ffff:1.2.3.4"));
}

TEST(cidr_clears_host_bits_and_refuses_nonsense)
{
    struct cidr c;
    char out[ADDR_PORT_TEXT_MAX];

    CHECK_EQ(cidr_parse(STR("10.1.2.3/12"), &c), 0);
    CHECK_TEXT(cidr_format(&c, out), "10.0.0.0/12");
    CHECK_EQ(cidr_parse(STR("10.0.0.0/33"), &c), ERR_SYNTAX);
    CHECK_EQ(cidr_parse(STR("::/129"), &c), ERR_SYNTAX);
    CHECK_EQ(cidr_parse(STR("10.0.0.0/"), &c), ERR_SYNTAX);
    CHECK_EQ(cidr_parse(STR("10.0.0.0/-1"), &c), ERR_SYNTAX);
    CHECK_EQ(cidr_parse(STR("host/8"), &c), ERR_SYNTAX);
}

static const char *pool_at(const struct addr_pool *pool, uint64_t index)
{
    static char out[ADDR_TEXT_MAX];
    struct addr a;

    addr_pool_at(pool, index, &a);
    return addr_format(&a, out);
}

TEST(addr_pool_counts_lists_ranges_and_networks)
{
    struct addr_pool *pool;

    CHECK_EQ(addr_pool_parse(STR("127.0.0.9, 10.0.0.254-10.0.1.1,192.168.0.0/30,fd00::/126"), &pool,
                             NULL),
             0);
    CHECK_EQ(addr_pool_size(pool), 1 + 4 + 2 + 4);
    CHECK_TEXT(pool_at(pool, 0), "127.0.0.9");
    CHECK_TEXT(pool_at(pool, 1), "10.0.0.254");
    CHECK_TEXT(pool_at(pool, 3), "10.0.1.0");
    CHECK_TEXT(pool_at(pool, 5), "192.168.0.1");
    CHECK_TEXT(pool_at(pool, 6), "192.168.0.2");
    CHECK_TEXT(pool_at(pool, 7), "fd00::");
    CHECK_TEXT(pool_at(pool, 10), "fd00::3");
    CHECK_TEXT(pool_at(pool, 11), "127.0.0.9");
    addr_pool_free(pool);
}

TEST(addr_pool_holds_networks_of_any_size)
{
    struct addr_pool *pool;

    CHECK_EQ(addr_pool_parse(STR("fd00::/8,10.0.0.0/8"), &pool, NULL), 0);
    CHECK(addr_pool_size(pool) == UINT64_MAX);
    CHECK_TEXT(pool_at(pool, 65536), "fd00::1:0");
    addr_pool_free(pool);
    CHECK_EQ(addr_pool_parse(STR("::1-ffff::"), &pool, NULL), 0);
    CHECK(addr_pool_size(pool) == UINT64_MAX);
    addr_pool_free(pool);
}

TEST(addr_pool_says_what_is_wrong)
{
    static const char *const bad[] = {
        "", "host", "10.0.0.1,", "10.0.0.5-10.0.0.1", "10.0.0.1-::1", "10.0.0.0/40", "1.2.3.4-"};

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct diag d = DIAG_INIT;
        struct addr_pool *pool;

        CHECK(addr_pool_parse(str_of(bad[i]), &pool, &d) < 0);
        CHECK(d.message != NULL);
        diag_deinit(&d);
    }
}
