#include "proto/url.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "support/test.h"

static struct arena arena;

static char *text_of(struct str s)
{
    return str_dup(s);
}

static void check_str(const char *what, struct str got, const char *want)
{
    char *text = text_of(got);

    if (strcmp(text, want) != 0)
        test_fail(__FILE__, __LINE__, "%s: got \"%s\", want \"%s\"", what, text, want);
    mem_free(text);
}

TEST(url_parses_every_piece)
{
    struct url u;

    arena_init(&arena);
    CHECK_EQ(url_parse(STR("HTTP://us%40er:p%3aw@ExAmple.test:8080/a%20b/c?x=1&y=%zz#frag"), &arena,
                       &u, NULL),
             0);
    check_str("scheme", u.scheme, "http");
    check_str("user", u.user, "us@er");
    check_str("password", u.password, "p:w");
    check_str("authority", u.authority, "ExAmple.test:8080");
    check_str("host", u.host, "example.test");
    check_str("path", u.path, "/a%20b/c");
    check_str("query", u.query, "x=1&y=%zz");
    check_str("fragment", u.fragment, "frag");
    check_str("target", u.target, "/a%20b/c?x=1&y=%zz");
    CHECK_EQ(u.port, 8080);
    CHECK(u.has_user && u.has_password && u.has_query && u.has_authority && !u.is_ipv6);
    arena_deinit(&arena);
}

TEST(url_knows_ports_and_targets)
{
    static const struct {
        const char *url;
        uint16_t port;
        const char *host;
        const char *authority;
        const char *target;
    } rows[] = {
        {"http://a.test", 80, "a.test", "a.test", "/"},
        {"https://a.test", 443, "a.test", "a.test", "/"},
        {"ws://a.test/x", 80, "a.test", "a.test", "/x"},
        {"wss://a.test/x", 443, "a.test", "a.test", "/x"},
        {"http://a.test:/", 80, "a.test", "a.test", "/"},
        {"http://a.test?q", 80, "a.test", "a.test", "/?q"},
        {"http://a.test/?", 80, "a.test", "a.test", "/?"},
        {"http://a.test#f", 80, "a.test", "a.test", "/"},
        {"http://[::1]:81/p", 81, "::1", "[::1]:81", "/p"},
        {"http://[FE80::1%25eth0]/", 80, "fe80::1%eth0", "[FE80::1%25eth0]", "/"},
        {"http://127.0.0.1:65535", 65535, "127.0.0.1", "127.0.0.1:65535", "/"},
        {"http://a.test/\xc3\xa4 b", 80, "a.test", "a.test", "/%C3%A4%20b"},
        {"http://a.test/q?a b", 80, "a.test", "a.test", "/q?a%20b"},
    };

    arena_init(&arena);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct url u;

        CHECK_EQ(url_parse(str_of(rows[i].url), &arena, &u, NULL), 0);
        CHECK_EQ(u.port, rows[i].port);
        check_str(rows[i].url, u.host, rows[i].host);
        check_str(rows[i].url, u.authority, rows[i].authority);
        check_str(rows[i].url, u.target, rows[i].target);
    }
    arena_deinit(&arena);
}

TEST(url_refuses_with_the_reason)
{
    static const struct {
        const char *url;
        const char *message;
    } rows[] = {
        {"://bad", "parse \"://bad\": missing protocol scheme"},
        {"", "parse \"\": missing protocol scheme"},
        {"a.test/x", "parse \"a.test/x\": missing protocol scheme"},
        {"http://a.test:abc/", "parse \"http://a.test:abc/\": invalid port \":abc\" after host"},
        {"http://a.test:65536/",
         "parse \"http://a.test:65536/\": invalid port \":65536\" after host"},
        {"http://[::1/", "parse \"http://[::1/\": missing ']' in host"},
        {"http://[::1]x/", "parse \"http://[::1]x/\": invalid port \"x\" after host"},
        {"http://a b/", "parse \"http://a b/\": invalid character \" \" in host name"},
        {"http://a.test/%zz", "parse \"http://a.test/%zz\": invalid URL escape \"%zz\""},
        {"http://a.test/%2", "parse \"http://a.test/%2\": invalid URL escape \"%2\""},
        {"http://a%41.test/", "parse \"http://a%41.test/\": invalid URL escape \"%41\""},
        {"http://a\n.test/",
         "parse \"http://a\\n.test/\": net/url: invalid control character in URL"},
        {"http://us er@a.test/", "parse \"http://us er@a.test/\": net/url: invalid userinfo"},
        {"1http://x", "parse \"1http://x\": first path segment in URL cannot contain colon"},
    };

    arena_init(&arena);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct diag d = DIAG_INIT;
        struct url u;

        CHECK_EQ(url_parse(str_of(rows[i].url), &arena, &u, &d), ERR_URL);
        CHECK_TEXT(d.message, rows[i].message);
        diag_deinit(&d);
    }
    arena_deinit(&arena);
}

TEST(url_is_bounded)
{
    char *text = mem_alloc(URL_MAX + 1);
    struct diag d = DIAG_INIT;
    struct url u;

    arena_init(&arena);
    memset(text, 'a', URL_MAX + 1);
    memcpy(text, "http://h/", 9);
    CHECK_EQ(url_parse(str_from(text, URL_MAX), &arena, &u, NULL), 0);
    CHECK_EQ(url_parse(str_from(text, URL_MAX + 1), &arena, &u, &d), ERR_URL);
    CHECK(d.message && strlen(d.message) < 1000);
    diag_deinit(&d);
    mem_free(text);
    arena_deinit(&arena);
}

static void check_resolved(const char *base, const char *reference, const char *want)
{
    struct url b;
    struct url u;

    CHECK_EQ(url_parse(str_of(base), &arena, &b, NULL), 0);
    CHECK_EQ(url_resolve(&b, str_of(reference), &arena, &u, NULL), 0);
    check_str(reference, url_text(&u, URL_USER_KEEP, &arena), want);
}

TEST(url_resolves_the_examples_of_rfc_3986)
{
    /* RFC 3986 5.4.1 and 5.4.2; dots are removed from absolute references too. */
    static const char *const rows[][2] = {
        {"g:h", "g:h"},
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q#s"},
        {"g#s", "http://a/b/c/g#s"},
        {"g?y#s", "http://a/b/c/g?y#s"},
        {";x", "http://a/b/c/;x"},
        {"g;x", "http://a/b/c/g;x"},
        {"g;x?y#s", "http://a/b/c/g;x?y#s"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"../../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {".g", "http://a/b/c/.g"},
        {"g..", "http://a/b/c/g.."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"./g/.", "http://a/b/c/g/"},
        {"g/./h", "http://a/b/c/g/h"},
        {"g/../h", "http://a/b/c/h"},
        {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
        {"g;x=1/../y", "http://a/b/c/y"},
        {"g?y/./x", "http://a/b/c/g?y/./x"},
        {"g#s/../x", "http://a/b/c/g#s/../x"},
    };

    arena_init(&arena);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_resolved("http://a/b/c/d;p?q", rows[i][0], rows[i][1]);
    arena_deinit(&arena);
}

TEST(url_resolves_against_other_bases)
{
    arena_init(&arena);
    check_resolved("http://h", "x", "http://h/x");
    check_resolved("http://h", "?q", "http://h?q");
    check_resolved("http://u:p@h:81/a", "/b", "http://u:p@h:81/b");
    check_resolved("http://u:p@h:81/a", "//g/b", "http://g/b");
    check_resolved("https://h/a", "//g:444/b", "https://g:444/b");
    check_resolved("http://h/a", "HTTPS://g/x/../y", "https://g/y");
    check_resolved("http://h/a", "/x y", "http://h/x%20y");
    arena_deinit(&arena);
}

TEST(url_resolving_takes_the_port_of_the_scheme)
{
    struct url base;
    struct url u;

    arena_init(&arena);
    CHECK_EQ(url_parse(STR("https://h:8443/"), &arena, &base, NULL), 0);
    CHECK_EQ(url_resolve(&base, STR("//g/"), &arena, &u, NULL), 0);
    CHECK_EQ(u.port, 443);
    CHECK_EQ(url_resolve(&base, STR("x"), &arena, &u, NULL), 0);
    CHECK_EQ(u.port, 8443);
    CHECK(url_is_same_origin(&base, &u));
    CHECK_EQ(url_resolve(&base, STR("http://h:8443/"), &arena, &u, NULL), 0);
    CHECK(!url_is_same_origin(&base, &u));
    CHECK_EQ(url_resolve(&base, STR("://x"), &arena, &u, NULL), ERR_URL);
    arena_deinit(&arena);
}

TEST(url_writes_user_info_three_ways)
{
    struct url u;

    arena_init(&arena);
    CHECK_EQ(url_parse(STR("http://a%40b:c%2Fd@h/p?q#f"), &arena, &u, NULL), 0);
    check_str("keep", url_text(&u, URL_USER_KEEP, &arena), "http://a%40b:c%2Fd@h/p?q#f");
    check_str("mask", url_text(&u, URL_USER_MASK, &arena), "http://****:****@h/p?q#f");
    check_str("drop", url_text(&u, URL_USER_DROP, &arena), "http://h/p?q#f");
    CHECK_EQ(url_parse(STR("http://a@h/"), &arena, &u, NULL), 0);
    check_str("mask", url_text(&u, URL_USER_MASK, &arena), "http://****@h/");
    CHECK(!u.has_password);
    CHECK_EQ(url_parse(STR("mailto:a@b?x=1"), &arena, &u, NULL), 0);
    check_str("opaque", url_text(&u, URL_USER_KEEP, &arena), "mailto:a@b?x=1");
    arena_deinit(&arena);
}

TEST(url_escapes_and_unescapes)
{
    struct buf b = BUF_INIT(256);

    url_query_escape(STR("a b&c=d/\xc3\xa4~-_.+"), &b);
    CHECK_TEXT(b.data, "a+b%26c%3Dd%2F%C3%A4~-_.%2B");
    buf_reset(&b);
    url_path_escape(STR("a b/c?:@&=+$"), &b);
    CHECK_TEXT(b.data, "a%20b%2Fc%3F:@&=+$");
    buf_reset(&b);
    CHECK_EQ(url_unescape(STR("a+b%2Fc%c3%A4"), true, &b), 0);
    CHECK_TEXT(b.data, "a b/c\xc3\xa4");
    buf_reset(&b);
    CHECK_EQ(url_unescape(STR("a+b"), false, &b), 0);
    CHECK_TEXT(b.data, "a+b");
    CHECK_EQ(url_unescape(STR("%"), false, &b), ERR_SYNTAX);
    CHECK_EQ(url_unescape(STR("%4"), false, &b), ERR_SYNTAX);
    CHECK_EQ(url_unescape(STR("%4g"), false, &b), ERR_SYNTAX);
    buf_deinit(&b);
    buf_init(&b, 2);
    CHECK_EQ(url_unescape(STR("abc"), false, &b), ERR_LIMIT);
    buf_deinit(&b);
}
