#include "proto/url.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "support/test.h"

static char *text_of(struct str s)
{
    static char shown[8][2048];
    static unsigned next;
    char *out = shown[next++ % 8];

    snprintf(out, sizeof shown[0], "%.*s", STR_ARG(s));
    return out;
}

#define CHECK_STR(got, want) CHECK_TEXT(text_of(got), want)

static struct arena arena;

static struct url parse(const char *text)
{
    struct url u;
    struct diag d = DIAG_INIT;

    if (url_parse(str_of(text), &arena, &u, &d) != 0)
        CHECK_TEXT(d.message, "no error");
    return u;
}

TEST(url_takes_the_parts_apart)
{
    struct url u = parse("HTTP://us%65r:p%40w:x@Example.COM:8080/a/b%20c?q=1&r=%zz#frag");

    CHECK_STR(u.scheme, "http");
    CHECK_STR(u.user, "user");
    CHECK_STR(u.password, "p@w:x");
    CHECK_STR(u.authority, "Example.COM:8080");
    CHECK_STR(u.host, "example.com");
    CHECK_EQ(u.port, 8080);
    CHECK_STR(u.path, "/a/b%20c");
    CHECK_STR(u.query, "q=1&r=%zz");
    CHECK_STR(u.fragment, "frag");
    CHECK_STR(u.target, "/a/b%20c?q=1&r=%zz");
    CHECK(u.has_user && u.has_password && u.has_query && !u.is_ipv6);
    arena_deinit(&arena);
}

TEST(url_knows_what_is_missing)
{
    static const struct {
        const char *text;
        const char *authority;
        const char *host;
        int port;
        const char *target;
    } cases[] = {
        {"http://x.test", "x.test", "x.test", 80, "/"},
        {"https://x.test", "x.test", "x.test", 443, "/"},
        {"ws://x.test/s", "x.test", "x.test", 80, "/s"},
        {"wss://x.test/s", "x.test", "x.test", 443, "/s"},
        {"http://x.test:", "x.test", "x.test", 80, "/"},
        {"http://x.test:80/", "x.test:80", "x.test", 80, "/"},
        {"http://x.test?a=b", "x.test", "x.test", 80, "/?a=b"},
        {"http://x.test/?", "x.test", "x.test", 80, "/?"},
        {"http://x.test#f", "x.test", "x.test", 80, "/"},
        {"http://x.test/?#f", "x.test", "x.test", 80, "/?"},
        {"http://[::1]:81/", "[::1]:81", "::1", 81, "/"},
        {"http://[FE80::1%25eth0]/", "[FE80::1%25eth0]", "fe80::1%eth0", 80, "/"},
        {"http://u@x.test/", "x.test", "x.test", 80, "/"},
        {"http://b%C3%BCcher.test/", "b%C3%BCcher.test",
         "b\xc3\xbc"
         "cher.test",
         80, "/"},
        {"ftp://x.test/", "x.test", "x.test", 0, "/"},
        {"http://127.0.0.1:1/", "127.0.0.1:1", "127.0.0.1", 1, "/"},
        {"http://x/a//b/../c", "x", "x", 80, "/a//b/../c"},
        {"http://x/@:a", "x", "x", 80, "/@:a"},
        {"http://x.test:00080/", "x.test:00080", "x.test", 80, "/"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct url u = parse(cases[i].text);

        CHECK_STR(u.authority, cases[i].authority);
        CHECK_STR(u.host, cases[i].host);
        CHECK_EQ(u.port, cases[i].port);
        CHECK_STR(u.target, cases[i].target);
    }
    arena_deinit(&arena);
}

TEST(url_escapes_what_a_request_line_cannot_hold)
{
    CHECK_STR(parse("http://x/a b\"<>\\^`{|}\xc3\xa9?q=a b").target,
              "/a%20b%22%3C%3E%5C%5E%60%7B%7C%7D%C3%A9?q=a%20b");
    CHECK_STR(parse("http://x/!$&'()*+,;=:@[]-._~").target, "/!$&'()*+,;=:@[]-._~");
    CHECK_STR(parse("http://x/?q=\xc3\xa9\"<>").target, "/?q=\xc3\xa9\"<>");
    arena_deinit(&arena);
}

TEST(url_refuses_with_the_texts_of_go)
{
    static const struct {
        struct str text;
        const char *message;
    } cases[] = {
        {STR_INIT("://bad"), "parse \"://bad\": missing protocol scheme"},
        {STR_INIT(""), "parse \"\": missing protocol scheme"},
        {STR_INIT("/path"), "parse \"/path\": missing protocol scheme"},
        {STR_INIT("x.test"), "parse \"x.test\": missing protocol scheme"},
        {STR_INIT("127.0.0.1:80/"),
         "parse \"127.0.0.1:80/\": first path segment in URL cannot contain colon"},
        {STR_INIT("http://x\0y/"),
         "parse \"http://x\\x00y/\": net/url: invalid control character in URL"},
        {STR_INIT("http://x/\ny"),
         "parse \"http://x/\\ny\": net/url: invalid control character in URL"},
        {STR_INIT("http://a b/"), "parse \"http://a b/\": invalid character \" \" in host name"},
        {STR_INIT("http://a|b/"), "parse \"http://a|b/\": invalid character \"|\" in host name"},
        {STR_INIT("http://x:port/"), "parse \"http://x:port/\": invalid port \":port\" after host"},
        {STR_INIT("http://x:8a/"), "parse \"http://x:8a/\": invalid port \":8a\" after host"},
        {STR_INIT("http://x:65536/"),
         "parse \"http://x:65536/\": invalid port \":65536\" after host"},
        {STR_INIT("http://[::1/"), "parse \"http://[::1/\": missing ']' in host"},
        {STR_INIT("http://[::1]x/"), "parse \"http://[::1]x/\": invalid port \"x\" after host"},
        {STR_INIT("http://x/%zz"), "parse \"http://x/%zz\": invalid URL escape \"%zz\""},
        {STR_INIT("http://x/%4"), "parse \"http://x/%4\": invalid URL escape \"%4\""},
        {STR_INIT("http://%41/"), "parse \"http://%41/\": invalid URL escape \"%41\""},
        {STR_INIT("http://u<:p@x/"), "parse \"http://u<:p@x/\": net/url: invalid userinfo"},
        {STR_INIT("http://u%:p@x/"), "parse \"http://u%:p@x/\": invalid URL escape \"%:p\""},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct diag d = DIAG_INIT;
        struct url u = {.port = 7};

        CHECK_EQ(url_parse(cases[i].text, &arena, &u, &d), ERR_URL);
        CHECK_TEXT(d.message, cases[i].message);
        CHECK_EQ(u.port, 7);
        CHECK_EQ(url_parse(cases[i].text, &arena, &u, NULL), ERR_URL);
        diag_deinit(&d);
    }
    arena_deinit(&arena);
}

TEST(url_has_a_longest)
{
    char *text = malloc(URL_MAX + 2);
    struct url u;

    memset(text, 'a', URL_MAX + 2);
    memcpy(text, "http://x/", 9);
    CHECK_EQ(url_parse(str_from(text, URL_MAX), &arena, &u, NULL), 0);
    CHECK_EQ(url_parse(str_from(text, URL_MAX + 1), &arena, &u, NULL), ERR_URL);
    free(text);
    arena_deinit(&arena);
}

/* RFC 3986 5.4, and what redirects bring. */
TEST(url_resolves_references)
{
    static const struct {
        const char *reference;
        const char *want;
    } cases[] = {
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
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
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
        {"g;x=1/../y", "http://a/b/c/y"},
        {"g?y/./x", "http://a/b/c/g?y/./x"},
        {"https://u:p@z:9/x/../y?q", "https://u:p@z:9/y?q"},
        {"/a b", "http://a/a%20b"},
    };
    struct url base = parse("http://a/b/c/d;p?q");

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct url u;

        CHECK_EQ(url_resolve(&base, str_of(cases[i].reference), &arena, &u, NULL), 0);
        CHECK_STR(url_text(&u, URL_USER_KEEP, &arena), cases[i].want);
    }
    arena_deinit(&arena);
}

TEST(url_resolves_ports_users_and_targets)
{
    struct url base = parse("https://u:p@h:8443/x?q");
    struct url u;

    CHECK_EQ(url_resolve(&base, STR("y"), &arena, &u, NULL), 0);
    CHECK_STR(u.target, "/y");
    CHECK_EQ(u.port, 8443);
    CHECK_STR(u.user, "u");
    CHECK_EQ(url_resolve(&base, STR("//other/z?1"), &arena, &u, NULL), 0);
    CHECK_EQ(u.port, 443);
    CHECK(!u.has_user);
    CHECK_STR(u.target, "/z?1");
    CHECK_EQ(url_resolve(&base, STR("http://other"), &arena, &u, NULL), 0);
    CHECK_EQ(u.port, 80);
    CHECK_STR(u.target, "/");
    CHECK_EQ(url_resolve(&base, STR("//[::1"), &arena, &u, NULL), ERR_URL);
    base = parse("http://h");
    CHECK_EQ(url_resolve(&base, STR("y"), &arena, &u, NULL), 0);
    CHECK_STR(u.target, "/y");
    arena_deinit(&arena);
}

TEST(url_text_hides_who_it_is)
{
    struct url u = parse("http://me:secret@x.test/a?b#c");

    CHECK_STR(url_text(&u, URL_USER_KEEP, &arena), "http://me:secret@x.test/a?b#c");
    CHECK_STR(url_text(&u, URL_USER_MASK, &arena), "http://****:****@x.test/a?b#c");
    CHECK_STR(url_text(&u, URL_USER_DROP, &arena), "http://x.test/a?b#c");
    u = parse("http://me@x.test/");
    CHECK_STR(url_text(&u, URL_USER_MASK, &arena), "http://****@x.test/");
    u = parse("http://me:@x.test/");
    CHECK_STR(url_text(&u, URL_USER_KEEP, &arena), "http://me:@x.test/");
    u = parse("http://a%2Fb:%00%C3%A9@x/");
    CHECK_STR(url_text(&u, URL_USER_KEEP, &arena), "http://a%2Fb:%00%C3%A9@x/");
    u = parse("mailto:a@b");
    CHECK_STR(url_text(&u, URL_USER_KEEP, &arena), "mailto:a@b");
    arena_deinit(&arena);
}

TEST(url_origins)
{
    struct url a = parse("http://X.test/");
    struct url b = parse("http://x.test:80/y");
    struct url c = parse("https://x.test/");

    CHECK(url_is_same_origin(&a, &b));
    CHECK(!url_is_same_origin(&a, &c));
    arena_deinit(&arena);
}

TEST(url_escaping_goes_both_ways)
{
    struct buf b = BUF_INIT(4096);
    struct buf back = BUF_INIT(4096);
    char all[256];

    url_query_escape(STR("a b&c=d/\xc3\xa9~-_."), &b);
    CHECK_TEXT(b.data, "a+b%26c%3Dd%2F%C3%A9~-_.");
    buf_reset(&b);
    url_path_escape(STR("a b&c=d/e?"), &b);
    CHECK_TEXT(b.data, "a%20b&c=d%2Fe%3F");
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    buf_reset(&b);
    url_query_escape(str_from(all, 256), &b);
    CHECK_EQ(url_unescape(buf_str(&b), true, &back), 0);
    CHECK(str_eq(buf_str(&back), str_from(all, 256)));
    CHECK_EQ(url_unescape(STR("%4"), true, &back), ERR_SYNTAX);
    CHECK_EQ(url_unescape(STR("%"), true, &back), ERR_SYNTAX);
    buf_reset(&back);
    CHECK_EQ(url_unescape(STR("a+b"), false, &back), 0);
    CHECK_TEXT(back.data, "a+b");
    buf_deinit(&b);
    buf_deinit(&back);
    url_query_escape((struct str){NULL, 0}, &b);
    buf_deinit(&b);
}
