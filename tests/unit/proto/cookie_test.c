#include "proto/cookie.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/url.h"
#include "support/test.h"

static const int64_t now = 1700000000;

/* --- Set-Cookie --------------------------------------------------------------------------- */

TEST(cookie_reads_every_attribute)
{
    struct cookie c;

    CHECK_EQ(cookie_parse(STR("sid= \"a b\" ; Path=/x; DOMAIN=.Example.test; Max-Age=60 ;secure; "
                              "HttpOnly; SameSite=Lax; Expires=Wed, 09 Jun 2021 10:18:14 GMT; "
                              "Unknown=1"),
                          &c),
             0);
    CHECK(str_eq_c(c.name, "sid"));
    CHECK(str_eq_c(c.value, "a b"));
    CHECK(str_eq_c(c.path, "/x"));
    CHECK(str_eq_c(c.domain, ".Example.test"));
    CHECK(c.has_max_age && c.max_age == 60);
    CHECK(c.has_expires && c.expires == 1623233894);
    CHECK(c.secure && c.http_only);
    CHECK_EQ(c.same_site, COOKIE_SITE_LAX);
}

TEST(cookie_reads_odd_values)
{
    static const struct {
        const char *text;
        const char *value;
    } rows[] = {
        {"a=", ""},       {"a=b=c", "b=c"},    {"a= b ", "b"},        {"a=\"", "\""},
        {"a=\"x\"", "x"}, {"a=x;;;Path", "x"}, {"a=x; Max-Age", "x"}, {"a=\xc3\xa4", "\xc3\xa4"},
    };
    struct cookie c;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CHECK_EQ(cookie_parse(str_of(rows[i].text), &c), 0);
        CHECK(str_eq_c(c.name, "a"));
        CHECK(str_eq_c(c.value, rows[i].value));
    }
    CHECK_EQ(cookie_parse(STR("a=b; Max-Age=007; Expires=never; SameSite=odd"), &c), 0);
    CHECK(!c.has_max_age && !c.has_expires && c.same_site == COOKIE_SITE_DEFAULT);
    CHECK_EQ(cookie_parse(STR("a=b; Max-Age=0"), &c), 0);
    CHECK(c.has_max_age && c.max_age == -1);
    CHECK_EQ(cookie_parse(STR("a=b; Max-Age=-5"), &c), 0);
    CHECK(c.has_max_age && c.max_age == -1);
}

TEST(cookie_refuses_what_is_none)
{
    CHECK_EQ(cookie_parse(STR(""), &(struct cookie){0}), ERR_SYNTAX);
    CHECK_EQ(cookie_parse(STR("novalue"), &(struct cookie){0}), ERR_SYNTAX);
    CHECK_EQ(cookie_parse(STR("=x"), &(struct cookie){0}), ERR_SYNTAX);
    CHECK_EQ(cookie_parse(STR("a b=x"), &(struct cookie){0}), ERR_SYNTAX);
    CHECK_EQ(cookie_parse(STR("a=x\x01"), &(struct cookie){0}), ERR_SYNTAX);
    CHECK_EQ(cookie_parse(STR("; Path=/"), &(struct cookie){0}), ERR_SYNTAX);
}

TEST(cookie_dates_of_all_forms)
{
    static const struct {
        const char *text;
        int64_t want;
    } rows[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
        {"Sun Nov  6 08:49:37 1994", 784111777},
        {"Thu, 01-Jan-1970 00:00:00 GMT", 0},
        {"Thu, 01 Jan 1970 00:00:01 GMT", 1},
        {"6 Nov 1994 8:9:7", 784109347},
        {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
        {"1 Jan 69 00:00:00", 3124224000},
        {"29 Feb 2024 00:00:00", 1709164800},
    };
    static const char *const bad[] = {
        "",
        "soon",
        "06 Nov 1994",
        "08:49:37 06 Nov",
        "32 Nov 1994 08:49:37",
        "06 Nov 1994 24:00:00",
        "06 Nov 1994 00:60:00",
        "06 Nov 1600 00:00:00",
        "06 Xxx 1994 00:00:00",
        "999999999999 Nov 1994 00:00:00",
    };
    int64_t got;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CHECK_EQ(cookie_date_parse(str_of(rows[i].text), &got), 0);
        CHECK_EQ(got, rows[i].want);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK_EQ(cookie_date_parse(str_of(bad[i]), &got), ERR_SYNTAX);
}

/* --- the jar ------------------------------------------------------------------------------ */

static struct arena arena;
static struct cookie_jar *jar;

static struct url parsed(const char *text)
{
    struct url u;

    CHECK_EQ(url_parse(str_of(text), &arena, &u, NULL), 0);
    return u;
}

static int set_at(const char *url, const char *text, int64_t when)
{
    struct url u = parsed(url);
    struct cookie c;

    CHECK_EQ(cookie_parse(str_of(text), &c), 0);
    return cookie_jar_set(jar, &u, &c, when);
}

static int set(const char *url, const char *text)
{
    return set_at(url, text, now);
}

/* "a=1; b=2": what a request would carry. */
static const char *sent_at(const char *url, int64_t when)
{
    static struct buf out = BUF_INIT(SIZE_MAX);
    struct url u = parsed(url);
    struct cookie_pair *pairs;
    size_t count = cookie_jar_match(jar, &u, when, &arena, &pairs);

    buf_reset(&out);
    buf_append_c(&out, "");
    for (size_t i = 0; i < count; i++)
        buf_printf(&out, "%s%.*s=%.*s", i ? "; " : "", STR_ARG(pairs[i].name),
                   STR_ARG(pairs[i].value));
    return out.data ? out.data : "";
}

static const char *sent(const char *url)
{
    return sent_at(url, now);
}

static void begin(void)
{
    arena_init(&arena);
    jar = cookie_jar_new();
}

static void end(void)
{
    cookie_jar_free(jar);
    arena_deinit(&arena);
}

TEST(cookie_jar_keeps_to_host_path_and_scheme)
{
    begin();
    CHECK_EQ(set("http://a.test/x/y", "host=1"), 0);
    CHECK_EQ(set("http://a.test/x/y", "root=2; Path=/"), 0);
    CHECK_EQ(set("http://www.a.test/", "dom=3; Domain=a.test"), 0);
    CHECK_EQ(set("https://a.test/", "sec=4; Secure"), 0);
    CHECK_TEXT(sent("http://a.test/"), "root=2; dom=3");
    CHECK_TEXT(sent("http://a.test/x"), "host=1; root=2; dom=3");
    CHECK_TEXT(sent("http://a.test/x/z"), "host=1; root=2; dom=3");
    CHECK_TEXT(sent("http://a.test/xy"), "root=2; dom=3");
    CHECK_TEXT(sent("https://A.test/"), "root=2; dom=3; sec=4");
    CHECK_TEXT(sent("http://deep.www.a.test/"), "dom=3");
    CHECK_TEXT(sent("http://xa.test/"), "");
    CHECK_TEXT(sent("http://b.test/"), "");
    /* Ports do not matter. */
    CHECK_TEXT(sent("http://a.test:8080/"), "root=2; dom=3");
    end();
}

TEST(cookie_jar_sends_longer_paths_first_then_older_ones)
{
    begin();
    set("http://a.test/", "z=1; Path=/");
    set("http://a.test/", "y=2; Path=/p/q");
    set("http://a.test/", "x=3; Path=/p");
    set("http://a.test/", "w=4; Path=/p");
    CHECK_TEXT(sent("http://a.test/p/q/r"), "y=2; x=3; w=4; z=1");
    /* A new value keeps the place of the old one. */
    set("http://a.test/", "x=5; Path=/p");
    CHECK_TEXT(sent("http://a.test/p"), "x=5; w=4; z=1");
    end();
}

TEST(cookie_jar_forgets_what_has_expired)
{
    begin();
    set("http://a.test/", "age=1; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
    set("http://a.test/", "exp=2; Expires=Tue, 14 Nov 2023 22:13:40 GMT"); /* now + 20 */
    set("http://a.test/", "session=3");
    CHECK_TEXT(sent_at("http://a.test/", now + 9), "age=1; exp=2; session=3");
    CHECK_TEXT(sent_at("http://a.test/", now + 10), "exp=2; session=3");
    CHECK_TEXT(sent_at("http://a.test/", now + 20), "session=3");
    CHECK_EQ(cookie_jar_count(jar), 1);
    set("http://a.test/", "session=; Max-Age=0");
    CHECK_TEXT(sent("http://a.test/"), "");
    set("http://a.test/", "late=1; Max-Age=9223372036854775807");
    CHECK_TEXT(sent("http://a.test/"), "late=1");
    end();
}

TEST(cookie_jar_refuses_foreign_domains)
{
    begin();
    CHECK_EQ(set("http://a.test/", "x=1; Domain=b.test"), ERR_INVALID);
    CHECK_EQ(set("http://a.test/", "x=1; Domain=www.a.test"), ERR_INVALID);
    CHECK_EQ(set("http://a.test/", "x=1; Domain=test"), ERR_INVALID);
    CHECK_EQ(set("http://a.test/", "x=1; Domain=.test"), ERR_INVALID);
    CHECK_EQ(set("http://a.test/", "x=1; Domain=."), ERR_INVALID);
    CHECK_EQ(set("http://xa.test/", "x=1; Domain=a.test"), ERR_INVALID);
    CHECK_EQ(set("http://127.0.0.1/", "x=1; Domain=0.0.1"), ERR_INVALID);
    CHECK_EQ(cookie_jar_count(jar), 0);
    CHECK_EQ(set("http://127.0.0.1/", "x=1; Domain=127.0.0.1"), 0);
    CHECK_EQ(set("http://localhost/", "y=1; Domain=localhost"), 0);
    CHECK_TEXT(sent("http://127.0.0.1/"), "x=1");
    CHECK_TEXT(sent("http://localhost/"), "y=1");
    end();
}

TEST(cookie_jar_clears_and_deletes_by_url)
{
    struct url u;

    begin();
    set("http://a.test/", "a=1");
    set("http://a.test/", "b=2");
    set("http://a.test/", "b=3; Path=/p");
    set("http://b.test/", "a=4");
    u = parsed("http://a.test/");
    cookie_jar_delete(jar, &u, STR("b"), now);
    CHECK_TEXT(sent("http://a.test/p"), "b=3; a=1");
    cookie_jar_delete(jar, &u, STR("none"), now);
    cookie_jar_clear(jar, &u, now);
    CHECK_TEXT(sent("http://a.test/p"), "b=3");
    CHECK_TEXT(sent("http://b.test/"), "a=4");
    cookie_jar_reset(jar);
    CHECK_EQ(cookie_jar_count(jar), 0);
    CHECK_TEXT(sent("http://b.test/"), "");
    end();
}

TEST(cookie_jar_is_bounded)
{
    struct cookie big = {.name = STR("big")};
    char *text = mem_zalloc(COOKIE_MAX_BYTES);
    char line[64];
    struct url u;

    begin();
    u = parsed("http://a.test/");
    big.value = str_from(text, COOKIE_MAX_BYTES);
    CHECK_EQ(cookie_jar_set(jar, &u, &big, now), ERR_INVALID);
    CHECK_EQ(set("http://a.test/", "first=1"), 0);
    for (int i = 1; i < COOKIE_JAR_MAX_PER_DOMAIN; i++) {
        snprintf(line, sizeof line, "c%d=1", i);
        CHECK_EQ(set("http://a.test/", line), 0);
    }
    CHECK_EQ(set("http://a.test/", "last=1"), 0);
    CHECK_EQ(cookie_jar_count(jar), COOKIE_JAR_MAX_PER_DOMAIN);
    CHECK(strstr(sent("http://a.test/"), "first=1") == NULL);
    CHECK(strstr(sent("http://a.test/"), "last=1") != NULL);
    for (int i = 0; i < COOKIE_JAR_MAX; i++) {
        snprintf(line, sizeof line, "http://h%d.test/", i);
        CHECK_EQ(set(line, "c=1"), 0);
    }
    CHECK_EQ(cookie_jar_count(jar), COOKIE_JAR_MAX);
    CHECK_TEXT(sent(line), "c=1");
    mem_free(text);
    end();
}
