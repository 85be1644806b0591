/* Redirects, cookies, authentication: what takes more than one request. */
#include <stdio.h>
#include <string.h>

#include "http_fixture.h"
#include "net/proxy.h"
#include "support/test.h"

static uint16_t port;

#define REPLY(text_)                                                                               \
    {                                                                                              \
        .text = "HTTP/1.1 " text_                                                                  \
    }
#define OK REPLY("200 OK\r\nContent-Length: 2\r\n\r\nok")
#define TO(status, location)                                                                       \
    REPLY(status " Go\r\nLocation: " location "\r\nContent-Length: 4\r\n\r\nbody")

/* --- redirects ---------------------------------------------------------------------------------
 */

static const struct {
    const char *method;
    const char *status;
    const char *next;
    const char *body;
} method_rows[] = {
    {"GET", "301", "GET /next HTTP/1.1", ""},       {"POST", "301", "GET /next HTTP/1.1", ""},
    {"POST", "302", "GET /next HTTP/1.1", ""},      {"POST", "303", "GET /next HTTP/1.1", ""},
    {"PUT", "303", "GET /next HTTP/1.1", ""},       {"HEAD", "303", "HEAD /next HTTP/1.1", ""},
    {"POST", "307", "POST /next HTTP/1.1", "sent"}, {"PUT", "308", "PUT /next HTTP/1.1", "sent"},
    {"DELETE", "307", "DELETE /next HTTP/1.1", ""},
};

static void every_method(void)
{
    static const struct http_header type = {STR_INIT("Content-Type"), STR_INIT("x/y")};

    for (size_t i = 0; i < COUNT_OF(method_rows); i++) {
        struct http_request q = request_of(method_rows[i].method, at(port, "/first?x"));
        struct http_response r;
        bool has_body = *method_rows[i].method == 'P';

        if (has_body) {
            q.body = STR("sent");
            q.headers = &type;
            q.header_count = 1;
        }
        r = send_request(&q);
        CHECK_EQ(r.status, 200);
        CHECK_EQ(hop_count, 2);
        CHECK_TEXT(text(str_from(text(hops[0].status_text), 3)), method_rows[i].status);
        CHECK(!hops[0].has_body);
        CHECK_TEXT(seen_line(i * 2 + 1), method_rows[i].next);
        CHECK_TEXT(seen_body(i * 2 + 1), method_rows[i].body);
        CHECK_TEXT(seen_header(i * 2 + 1, "Content-Type"), *method_rows[i].body ? "x/y" : "(none)");
        CHECK_TEXT(seen_header(i * 2 + 1, "Referer"), at(port, "/first?x"));
        CHECK_TEXT(text(url_text(r.request.url, URL_USER_KEEP, &arena)), at(port, "/next"));
        CHECK_EQ(seen[i * 2 + 1].connection, 1);
    }
}

TEST(http_redirects_by_the_rules_of_methods)
{
    static struct reply replies[COUNT_OF(method_rows) * 2];
    static char texts[COUNT_OF(method_rows)][128];

    for (size_t i = 0; i < COUNT_OF(method_rows); i++) {
        /* A response to HEAD has no body. */
        snprintf(texts[i], sizeof texts[i],
                 "HTTP/1.1 %s X\r\nLocation: next\r\nContent-Length: 4\r\n\r\n%s",
                 method_rows[i].status, *method_rows[i].method == 'H' ? "" : "body");
        replies[i * 2].text = texts[i];
        replies[i * 2 + 1].text = *method_rows[i].method == 'H'
                                      ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
                                      : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    }
    port = SERVE(replies);
    run_client(every_method);
}

static void limits(void)
{
    struct http_request q = request_of("GET", at(port, "/"));
    struct http_response r;

    q.max_redirects = 2;
    r = send_request(&q);
    CHECK_EQ(r.status, 302);
    CHECK_EQ(hop_count, 3);
    CHECK(r.hit_redirect_limit && !hops[0].hit_redirect_limit && !hops[1].hit_redirect_limit);
    CHECK_TEXT(text(r.body), "body");
    q = request_of("GET", at(port, "/"));
    q.max_redirects = 0;
    r = send_request(&q);
    CHECK_EQ(r.status, 302);
    CHECK_EQ(hop_count, 1);
    CHECK(!r.hit_redirect_limit);
    /* Without a Location, and with a status that only looks like one. */
    CHECK_EQ(get(at(port, "/")).status, 302);
    CHECK_EQ(hop_count, 1);
    CHECK_EQ(get(at(port, "/")).status, 300);
    CHECK_EQ(hop_count, 1);
}

TEST(http_redirects_have_a_limit)
{
    static const struct reply replies[] = {
        TO("302", "/2"),
        TO("302", "/3"),
        TO("302", "/4"),
        TO("302", "/2"),
        REPLY("302 Found\r\nContent-Length: 0\r\n\r\n"),
        TO("300", "/2"),
    };

    port = SERVE(replies);
    run_client(limits);
}

static char elsewhere[128];

static void to_another_host(void)
{
    static const struct http_header headers[] = {
        {STR_INIT("Authorization"), STR_INIT("Bearer x")},
        {STR_INIT("Cookie"), STR_INIT("own=1")},
        {STR_INIT("X-Kept"), STR_INIT("y")},
        {STR_INIT("Host"), STR_INIT("named.test")},
    };
    static const struct http_cookie cookie = {STR_INIT("param"), STR_INIT("2"), false};
    struct http_request q = request_of("GET", at_user(port, "u:p@", "/"));

    q.headers = headers;
    q.header_count = COUNT_OF(headers);
    q.cookies = &cookie;
    q.cookie_count = 1;
    CHECK_EQ(send_request(&q).status, 200);
    CHECK_EQ(hop_count, 3);
    CHECK_TEXT(seen_header(0, "Authorization"), "Bearer x");
    CHECK_TEXT(seen_header(0, "Cookie"), "own=1; param=2");
    CHECK_TEXT(seen_header(0, "Host"), "named.test");
    CHECK_TEXT(seen_header(1, "Authorization"), "Bearer x");
    CHECK_TEXT(seen_header(1, "Host"), "named.test");
    CHECK_TEXT(seen_header(1, "Referer"), at(port, "/"));
    CHECK_TEXT(seen_line(2), "GET /there HTTP/1.1");
    CHECK_TEXT(seen_header(2, "Authorization"), "(none)");
    CHECK_TEXT(seen_header(2, "Cookie"), "(none)");
    CHECK_TEXT(seen_header(2, "X-Kept"), "y");
    CHECK_TEXT(seen_header(2, "Host"), arena_printf(&arena, "localhost:%u", port));
}

TEST(http_keeps_secrets_from_other_hosts)
{
    static struct reply replies[] = {TO("302", "/same"), {.text = elsewhere}, OK};

    port = SERVE(replies);
    snprintf(
        elsewhere, sizeof elsewhere,
        "HTTP/1.1 302 Found\r\nLocation: http://localhost:%u/there\r\nContent-Length: 0\r\n\r\n",
        port);
    run_client(to_another_host);
}

static void bad_locations(void)
{
    struct http_response r = get(at(port, "/"));

    CHECK_EQ(r.err, ERR_URL);
    CHECK_EQ(r.error_code, 1020);
    CHECK_EQ(r.status, 0);
    CHECK_EQ(hop_count, 1);
    CHECK_EQ(hops[0].status, 302);
    CHECK(strstr(text(r.error_long), "failed to parse Location header \"http://[\""));
    r = get(at(port, "/"));
    CHECK_EQ(r.err, ERR_URL);
    CHECK_TEXT(text(r.error_long), "Get \"ftp://x/\": unsupported protocol scheme \"ftp\"");
}

TEST(http_refuses_bad_locations)
{
    static const struct reply replies[] = {TO("302", "http://["), TO("302", "ftp://x/")};

    port = SERVE(replies);
    run_client(bad_locations);
}

/* --- cookies -----------------------------------------------------------------------------------
 */

static void cookies_of_a_chain(void)
{
    static const struct http_cookie own[] = {
        {STR_INIT("a"), STR_INIT("1"), false}, /* the jar has it */
        {STR_INIT("b"), STR_INIT("x y"), false},
        {STR_INIT("c"), STR_INIT("new"), true},
    };
    struct cookie_jar *jar = cookie_jar_new();
    struct http_request q = request_of("GET", at(port, "/"));

    q.jar = jar;
    CHECK_EQ(send_request(&q).status, 200);
    CHECK_EQ(hop_count, 2);
    CHECK_EQ(hops[0].cookie_count, 4);
    CHECK_TEXT(text(hops[0].cookies[3].name), "gone");
    CHECK_EQ(hops[0].cookies[3].max_age, -1);
    CHECK_TEXT(seen_header(0, "Cookie"), "(none)");
    CHECK_TEXT(seen_header(1, "Cookie"), "a=1; b=2; c=3");
    CHECK_EQ(hops[1].request.cookie_count, 3);
    q.cookies = own;
    q.cookie_count = COUNT_OF(own);
    CHECK_EQ(send_request(&q).status, 200);
    CHECK_TEXT(seen_header(2, "Cookie"), "a=1; b=2; b=\"x y\"; c=new");
    /* The parameters are for this request alone. */
    q.cookie_count = 0;
    q.headers = &(struct http_header){STR_INIT("cookie"), STR_INIT("raw=0")};
    q.header_count = 1;
    CHECK_EQ(send_request(&q).status, 200);
    CHECK_TEXT(seen_header(3, "Cookie"), "raw=0; a=1; b=2; c=3");
    q.jar = NULL;
    q.header_count = 0;
    CHECK_EQ(send_request(&q).status, 200);
    CHECK_TEXT(seen_header(4, "Cookie"), "(none)");
    cookie_jar_free(jar);
}

TEST(http_carries_cookies)
{
    static const struct reply replies[] = {
        REPLY("302 Found\r\nLocation: /2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\n"
              "Set-Cookie: c=3\r\nSet-Cookie: gone=; Max-Age=0\r\nSet-Cookie: broken\r\n"
              "Content-Length: 0\r\n\r\n"),
        OK,
        OK,
        OK,
        OK,
    };

    port = SERVE(replies);
    run_client(cookies_of_a_chain);
}

/* --- authentication ----------------------------------------------------------------------------
 */

static void basic(void)
{
    struct http_request q = request_of("GET", at_user(port, "us%20er:p%40w@", "/"));

    CHECK_EQ(send_request(&q).status, 401);
    CHECK_EQ(hop_count, 1);
    CHECK_TEXT(seen_header(0, "Authorization"), "Basic dXMgZXI6cEB3");
    CHECK_TEXT(header_of(hops[0].request.headers, hops[0].request.header_count, "Authorization"),
               "Basic dXMgZXI6cEB3");
    CHECK_EQ(hops[0].error_code, 1401);
}

TEST(http_sends_basic_credentials_of_the_url)
{
    static const struct reply replies[] = {REPLY("401 No\r\nContent-Length: 0\r\n\r\n")};

    port = SERVE(replies);
    run_client(basic);
}

static void digest(void)
{
    struct http_request q = request_of("POST", at_user(port, "user:pw@", "/d?x=1"));

    q.auth = HTTP_AUTH_DIGEST;
    q.body = STR("sent");
    CHECK_EQ(send_request(&q).status, 200);
    CHECK_EQ(hop_count, 2);
    CHECK(hops[0].is_auth_round && !hops[1].is_auth_round);
    CHECK_EQ(hops[0].status, 401);
    CHECK_TEXT(seen_header(0, "Authorization"), "(none)");
    CHECK(str_starts_with(str_of(seen_header(1, "Authorization")),
                          STR("Digest username=\"user\", realm=\"r\", nonce=\"n\", "
                              "uri=\"/d?x=1\", response=\"")));
    CHECK_TEXT(seen_body(1), "sent");
    CHECK_EQ(seen[1].connection, 1);

    /* A second 401 is the answer; so is one without a digest challenge. */
    CHECK_EQ(send_request(&q).status, 401);
    CHECK_EQ(hop_count, 2);
    CHECK(hops[0].is_auth_round && !hops[1].is_auth_round);
    CHECK_EQ(send_request(&q).status, 401);
    CHECK_EQ(hop_count, 1);
    CHECK(!hops[0].is_auth_round);
}

#define DIGEST_401                                                                                 \
    REPLY("401 No\r\nWWW-Authenticate: Basic realm=\"r\"\r\n"                                      \
          "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n"                    \
          "Content-Length: 4\r\n\r\nbody")

TEST(http_answers_digest_challenges)
{
    static const struct reply replies[] = {
        DIGEST_401,
        OK,
        DIGEST_401,
        DIGEST_401,
        REPLY("401 No\r\nWWW-Authenticate: Basic realm=\"r\"\r\nContent-Length: 0\r\n\r\n"),
    };

    port = SERVE(replies);
    run_client(digest);
}

static void ntlm(void)
{
    struct http_request q = request_of("GET", at_user(port, "Domain%5CUser:Password@", "/"));

    q.auth = HTTP_AUTH_NTLM;
    CHECK_EQ(send_request(&q).status, 200);
    CHECK_EQ(hop_count, 3);
    CHECK(hops[0].is_auth_round && hops[1].is_auth_round && !hops[2].is_auth_round);
    CHECK_TEXT(seen_header(0, "Authorization"), "(none)");
    CHECK_TEXT(seen_header(1, "Authorization"),
               "NTLM TlRMTVNTUAABAAAABYIIIAAAAAAAAAAAAAAAAAAAAAA=");
    CHECK(str_starts_with(str_of(seen_header(2, "Authorization")),
                          STR("NTLM TlRMTVNTUAADAAAAGAAYAEAAAABUAFQAWAAAAAwADACsAAAACAAIALgAAA")));
    for (size_t i = 0; i < 3; i++)
        CHECK_EQ(seen[i].connection, 1);
    /* A server that closes in between gets no answer to its challenge. */
    CHECK_EQ(send_request(&q).status, 401);
    CHECK_EQ(hop_count, 2);
}

#define TYPE_2                                                                                     \
    "WWW-Authenticate: NTLM TlRMTVNTUAACAAAADAAMADgAAAAzgoriASNFZ4mrze8AAAAAAAAAACQAJABEAAAABgBw"  \
    "FwAAAA9TAGUAcgB2AGUAcgACAAwARABvAG0AYQBpAG4AAQAMAFMAZQByAHYAZQByAAAAAAA=\r\n"

TEST(http_answers_ntlm_challenges_on_one_connection)
{
    static const struct reply replies[] = {
        REPLY("401 No\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n"),
        REPLY("401 No\r\n" TYPE_2 "Content-Length: 0\r\n\r\n"),
        OK,
        REPLY("401 No\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n"),
        REPLY("401 No\r\n" TYPE_2 "Connection: close\r\nContent-Length: 0\r\n\r\n"),
    };

    port = SERVE(replies);
    run_client(ntlm);
}

/* --- proxies -----------------------------------------------------------------------------------
 */

static char proxy_url[64];

static const char *environment(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "HTTP_PROXY") == 0 ? proxy_url : NULL;
}

static void by_proxy(void)
{
    struct http_request q = request_of("GET", "http://u:p@target.test/path?x#f");

    CHECK_EQ(send_request(&q).status, 200);
    CHECK_TEXT(seen_line(0), "GET http://target.test/path?x HTTP/1.1");
    CHECK_TEXT(seen_header(0, "Host"), "target.test");
    CHECK_TEXT(seen_header(0, "Proxy-Authorization"), "Basic YTpi");
    CHECK_TEXT(
        header_of(hops[0].request.headers, hops[0].request.header_count, "Proxy-Authorization"),
        "(none)");
    q = request_of("GET", "http://other.test/");
    CHECK_EQ(send_request(&q).status, 200);
}

TEST(http_asks_proxies_for_whole_urls)
{
    static const struct reply replies[] = {OK, OK};
    struct proxy_config *proxies;

    port = SERVE(replies);
    snprintf(proxy_url, sizeof proxy_url, "http://a:b@127.0.0.1:%u", port);
    CHECK_EQ(proxy_config_new(environment, NULL, &proxies, NULL), 0);
    dialer_options.proxies = proxies;
    run_client(by_proxy);
    proxy_config_free(proxies);
}
