#include "proto/http.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "http_fixture.h"
#include "support/test.h"

static uint16_t port;

#define OK(body_len, body)                                                                         \
    {                                                                                              \
        "HTTP/1.1 200 OK\r\nContent-Length: " #body_len "\r\n\r\n" body, 0, 0, 0, 0, false         \
    }

/* --- one request -------------------------------------------------------------------------------
 */

static void a_plain_get(void)
{
    struct http_response r;
    uint64_t sent;
    uint64_t received;

    client_options.user_agent = STR("gale/1");
    r = get(at(port, "/a?b=c"));
    CHECK_EQ(r.err, 0);
    CHECK_EQ(r.status, 200);
    CHECK_EQ(r.error_code, 0);
    CHECK_EQ(r.error.len, 0);
    CHECK_TEXT(text(r.status_text), "200 OK");
    CHECK_TEXT(text(r.proto), "HTTP/1.1");
    CHECK_TEXT(text(r.body), "hello");
    CHECK(r.has_body && !r.is_tls && !r.is_auth_round && !r.hit_redirect_limit);
    CHECK_EQ(r.header_count, 3);
    CHECK_TEXT(header_of(r.headers, r.header_count, "X-Two-Words"), "v");
    CHECK_EQ(r.remote.port, port);
    CHECK_EQ(r.remote.ip[0], 127);
    CHECK_EQ(hop_count, 1);
    CHECK_TEXT(text(r.request.method), "GET");
    CHECK_TEXT(text(url_text(r.request.url, URL_USER_KEEP, &arena)), at(port, "/a?b=c"));
    CHECK_TEXT(seen[0].text,
               arena_printf(&arena, "GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", port));
    http_client_take_bytes(client, &sent, &received);
    CHECK_EQ(sent, seen[0].len);
    CHECK_EQ(received,
             strlen("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx-two-WORDS: v\r\nX: \r\n\r\n"
                    "hello"));
    http_client_take_bytes(client, &sent, &received);
    CHECK_EQ(sent + received, 0);
}

TEST(http_gets)
{
    static const struct reply replies[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx-two-WORDS: v\r\nX: \r\n\r\nhello", 0, 0, 0, 0,
         false}};

    port = SERVE(replies);
    run_client(a_plain_get);
}

static void two_gets(void)
{
    struct http_response first = get(at(port, "/1"));
    struct http_response second;
    unsigned sends = send_calls;
    unsigned recvs = recv_calls;

    second = get(at(port, "/2"));
    CHECK_EQ(send_calls - sends, 1);
    CHECK_EQ(recv_calls - recvs, 1);
    CHECK_EQ(seen[0].connection, 1);
    CHECK_EQ(seen[1].connection, 1);
    CHECK(first.timings.connecting > 0);
    CHECK(first.timings.blocked >= first.timings.connecting);
    CHECK_EQ(second.timings.connecting, 0);
    CHECK_EQ(second.timings.tls_handshaking, 0);
    CHECK(second.timings.blocked < 5 * NSEC_PER_MSEC);
    CHECK(second.timings.waiting >= 30 * NSEC_PER_MSEC);
    CHECK(second.timings.sending > 0);
    CHECK_EQ(second.timings.duration,
             second.timings.sending + second.timings.waiting + second.timings.receiving);
    CHECK_TEXT(text(second.body), "two");
}

TEST(http_keeps_connections_and_asks_the_system_twice)
{
    static const struct reply replies[] = {
        OK(3, "one"), {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo", 0, 0, 0, 30, false}};

    port = SERVE(replies);
    run_client(two_gets);
}

static void pages(void)
{
    /* One to learn from; one that finds out that nothing is left behind it. */
    get(at(port, "/"));
    get(at(port, "/"));
    for (int i = 0; i < 2; i++) {
        unsigned recvs = recv_calls;
        struct http_response r = get(at(port, "/"));

        CHECK_EQ(r.body.len, 20000);
        CHECK_EQ(recv_calls - recvs, 1);
    }
}

TEST(http_learns_how_much_to_read_at_once)
{
    static struct reply replies[4];
    struct buf page = BUF_INIT(SIZE_MAX);

    buf_append_c(&page, "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n");
    for (int i = 0; i < 2000; i++)
        buf_append_c(&page, "0123456789");
    for (size_t i = 0; i < 4; i++)
        replies[i] = (struct reply){.text = page.data, .len = page.len, .delay_ms = 5};
    port = SERVE(replies);
    run_client(pages);
    buf_deinit(&page);
}

static void times_of_a_slow_body(void)
{
    struct http_response r = get(at(port, "/"));

    CHECK_EQ(r.err, 0);
    CHECK(r.timings.receiving > 5 * NSEC_PER_MSEC);
    CHECK(r.timings.waiting < 5 * NSEC_PER_SEC);
}

TEST(http_times_what_comes_slowly)
{
    static const struct reply replies[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n\r\nhello",
         0, 0, 1, 0, false}};

    port = SERVE(replies);
    run_client(times_of_a_slow_body);
}

static void two_without_reuse(void)
{
    get(at(port, "/"));
    get(at(port, "/"));
    CHECK_EQ(seen[1].connection, 2);
    CHECK_TEXT(seen_header(0, "Connection"), "close");
}

TEST(http_without_reuse_dials_each_time)
{
    static const struct reply replies[] = {OK(1, "a"), OK(1, "b")};

    client_options.no_reuse = true;
    port = SERVE(replies);
    run_client(two_without_reuse);
}

static void every_header(void)
{
    static const struct http_header headers[] = {
        {STR_INIT("x-one"), STR_INIT("1")},
        {STR_INIT("HOST"), STR_INIT("other.test")},
        {STR_INIT("user-agent"), STR_INIT("own")},
        {STR_INIT("X-One"), STR_INIT("2")},
        {STR_INIT("content-length"), STR_INIT("99")},
        {STR_INIT("b"), STR_INIT("\xc3\xa4")},
        {STR_INIT("Transfer-Encoding"), STR_INIT("chunked")},
    };
    struct http_request r = request_of("POST", at(port, "/"));

    r.headers = headers;
    r.header_count = COUNT_OF(headers);
    r.body = STR("body");
    CHECK_EQ(send_request(&r).status, 200);
    CHECK_TEXT(seen_header(0, "Host"), "other.test");
    CHECK_TEXT(seen_header(0, "User-Agent"), "own");
    CHECK_TEXT(seen_header(0, "X-One"), "2");
    CHECK_TEXT(seen_header(0, "Content-Length"), "4");
    CHECK_TEXT(seen_header(0, "Transfer-Encoding"), "(none)");
    CHECK_TEXT(seen_header(0, "B"), "\xc3\xa4");
    CHECK_TEXT(seen_body(0), "body");
    CHECK_TEXT(header_of(hops[0].request.headers, hops[0].request.header_count, "Content-Length"),
               "4");
    CHECK_TEXT(header_of(hops[0].request.headers, hops[0].request.header_count, "Host"), "(none)");
    CHECK_TEXT(text(hops[0].request.body), "body");

    /* An empty user agent sends none; a POST without a body says so, a GET does not. */
    r = request_of("POST", at(port, "/"));
    CHECK_EQ(send_request(&r).status, 200);
    CHECK_TEXT(seen_header(1, "Content-Length"), "0");
    CHECK_TEXT(seen_header(1, "User-Agent"), "gale/1");
    r = request_of("DELETE", at(port, "/"));
    r.headers = &(struct http_header){STR_INIT("User-Agent"), STR_INIT("")};
    r.header_count = 1;
    CHECK_EQ(send_request(&r).status, 200);
    CHECK_TEXT(seen_header(2, "Content-Length"), "(none)");
    CHECK_TEXT(seen_header(2, "User-Agent"), "(none)");
}

TEST(http_sends_headers)
{
    static const struct reply replies[] = {OK(0, ""), OK(0, ""), OK(0, "")};

    client_options.user_agent = STR("gale/1");
    port = SERVE(replies);
    run_client(every_header);
}

static void a_packed_request(void)
{
    struct http_request r = request_of("PUT", at(port, "/"));
    struct buf plain = BUF_INIT(1000);
    struct str body;

    CHECK_EQ(compress_chain_parse(STR("gzip"), &r.compression, NULL), 0);
    r.body = STR("hello hello hello");
    CHECK_EQ(send_request(&r).status, 200);
    CHECK_TEXT(seen_header(0, "Content-Encoding"), "gzip");
    body = str_from(seen[0].text, seen[0].len);
    body = str_from_index(body, (size_t)str_find_str(body, STR("\r\n\r\n")) + 4);
    CHECK_TEXT(seen_header(0, "Content-Length"), arena_printf(&arena, "%zu", body.len));
    CHECK_EQ(compress_decode(&r.compression, body, &plain), 0);
    CHECK_TEXT(plain.data, "hello hello hello");
    CHECK_TEXT(text(hops[0].request.body), "hello hello hello");
    buf_deinit(&plain);
}

TEST(http_packs_request_bodies)
{
    static const struct reply replies[] = {OK(0, "")};

    port = SERVE(replies);
    run_client(a_packed_request);
}

/* --- bodies ------------------------------------------------------------------------------------
 */

static void every_body(void)
{
    static const struct {
        const char *method;
        bool has_body;
        const char *body;
        unsigned connection;
    } want[] = {
        {"GET", true, "chunk-0;chunk-1;", 1},
        {"HEAD", false, "", 1},
        {"GET", false, "", 1},
        {"GET", true, "after two interim ones", 1},
        {"GET", true, "until close", 1},
        {"GET", true, "old", 2},
        {"GET", true, "four", 3},
        {"GET", true, "packed packed packed", 4},
        {"GET", true, "who knows", 4},
    };

    for (size_t i = 0; i < COUNT_OF(want); i++) {
        struct http_request q = request_of(want[i].method, at(port, "/"));
        struct http_response r = send_request(&q);

        if (r.err)
            test_fail(__FILE__, __LINE__, "%zu: %s", i, text(r.error_long));
        CHECK_EQ(r.has_body, want[i].has_body);
        CHECK_TEXT(text(r.body), want[i].body);
        CHECK_EQ(seen[i].connection, want[i].connection);
    }
}

static const struct reply body_replies[] = {
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nchunk-0;\r\n8;x=y\r\nchunk-1;\r\n"
     "0\r\nTrailer: x\r\n\r\n",
     0, 0, 0, 0, false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", 0, 0, 0, 0, false},
    {"HTTP/1.1 204 No Content\r\n\r\n", 0, 0, 0, 0, false},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
     "HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\nafter two interim ones",
     0, 0, 0, 0, false},
    {"HTTP/1.1 200 OK\r\n\r\nuntil close", THEN_CLOSE, 0, 0, 0, false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold", 0, 0, 0, 0, false},
    /* More than was announced. */
    {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour and more", 0, 0, 0, 0, false},
    {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 29\r\n\r\n"
     "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x2b\x48\x4c\xce\x4e\x4d\x51\x28\x40\xa6\x00"
     "\xe6\x91\x8b\x05\x14\x00\x00\x00",
     0, sizeof "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 29\r\n\r\n" - 1 + 29,
     0, 0, false},
    {"HTTP/1.1 200 OK\r\nContent-Encoding: martian\r\nContent-Length: 9\r\n\r\nwho knows", 0, 0, 0,
     0, false},
};

TEST(http_reads_every_kind_of_body)
{
    port = SERVE(body_replies);
    run_client(every_body);
}

/* The same, a byte at a time. */
TEST(http_reads_every_kind_of_body_in_pieces)
{
    static struct reply replies[COUNT_OF(body_replies)];

    memcpy(replies, body_replies, sizeof replies);
    for (size_t i = 0; i < COUNT_OF(replies); i++)
        replies[i].piece = i == 6 ? 0 : 1; /* too much has to be there at once to be noticed */
    port = SERVE(replies);
    run_client(every_body);
}

enum { LARGE = 3 * 1000 * 1000 };
static char *large;

static void a_large_body(void)
{
    for (int i = 0; i < 6; i++) {
        struct http_request q = request_of("GET", at(port, "/"));
        struct http_response r;

        q.discard_body = i >= 3;
        r = send_request(&q);
        CHECK_EQ(r.err, 0);
        CHECK_EQ(r.has_body, i < 3);
        CHECK_EQ(r.body.len, i < 3 ? LARGE : 0);
        for (size_t k = 0; k < r.body.len; k++)
            CHECK(r.body.ptr[k] == (char)(k * 7));
    }
}

/* Content-Length, chunked, until close: kept and dropped. */
TEST(http_reads_large_bodies)
{
    static struct reply replies[6];
    struct buf texts[3] = {BUF_INIT(SIZE_MAX), BUF_INIT(SIZE_MAX), BUF_INIT(SIZE_MAX)};

    large = mem_alloc(LARGE);
    for (size_t k = 0; k < LARGE; k++)
        large[k] = (char)(k * 7);
    buf_printf(&texts[0], "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", LARGE);
    buf_append(&texts[0], large, LARGE);
    buf_append_c(&texts[1], "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t k = 0; k < LARGE; k += 10000) {
        buf_append_c(&texts[1], "2710\r\n");
        buf_append(&texts[1], large + k, 10000);
        buf_append_c(&texts[1], "\r\n");
    }
    buf_append_c(&texts[1], "0\r\n\r\n");
    buf_append_c(&texts[2], "HTTP/1.1 200 OK\r\n\r\n");
    buf_append(&texts[2], large, LARGE);
    for (size_t i = 0; i < 6; i++)
        replies[i] = (struct reply){.text = texts[i % 3].data,
                                    .len = texts[i % 3].len,
                                    .then = i % 3 == 2 ? THEN_CLOSE : THEN_KEEP};
    port = SERVE(replies);
    run_client(a_large_body);
    for (size_t i = 0; i < 3; i++)
        buf_deinit(&texts[i]);
    mem_free(large);
}

/* --- several fibers ----------------------------------------------------------------------------
 */

static struct wait_group group;

static void one_of_a_batch(void *arg)
{
    struct arena own;
    struct http_request q = request_of("GET", at(port, "/"));
    struct http_response r;

    (void)arg;
    arena_init(&own);
    CHECK_EQ(http_send(client, &q, &own, &r), 0);
    CHECK_EQ(r.status, 200);
    arena_deinit(&own);
    wait_group_done(&group);
}

static void a_batch(void)
{
    int64_t began = clock_now();

    for (int round = 0; round < 2; round++) {
        wait_group_init(&group);
        wait_group_add(&group, 4);
        for (int i = 0; i < 4; i++)
            fiber_start(fiber_loop(), one_of_a_batch, NULL);
        CHECK_EQ(wait_group_wait(&group), 0);
    }
    CHECK(clock_now() - began < 600 * NSEC_PER_MSEC);
    CHECK_EQ(seen_count, 8);
    for (size_t i = 0; i < 8; i++)
        CHECK(seen[i].connection <= 4);
}

TEST(http_sends_at_the_same_time)
{
    static struct reply replies[8];

    for (size_t i = 0; i < 8; i++)
        replies[i] = (struct reply){.text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                                    .delay_ms = 100};
    port = SERVE(replies);
    run_client(a_batch);
}

/* --- debug -------------------------------------------------------------------------------------
 */

static struct buf log_text = BUF_INIT(4096);

static void write_log(void *arg, enum http_debug_what what, uint64_t number, struct str head,
                      struct str body)
{
    (void)arg;
    buf_printf(&log_text, "%llu %d %.*s[%.*s]\n", (unsigned long long)number, (int)what,
               STR_ARG(head), STR_ARG(body));
}

static void a_logged_post(void)
{
    struct http_request q = request_of("POST", at(port, "/p"));

    q.body = STR("in");
    CHECK_EQ(send_request(&q).status, 200);
}

TEST(http_shows_what_goes_over_the_wire)
{
    static const struct reply replies[] = {OK(3, "out")};
    char want[256];

    client_options.debug = write_log;
    client_options.debug_bodies = true;
    port = SERVE(replies);
    run_client(a_logged_post);
    snprintf(want, sizeof want,
             "1 0 POST /p HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Length: 2\r\n\r\n[in]\n"
             "1 1 HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[out]\n",
             port);
    CHECK_TEXT(log_text.data, want);
    buf_deinit(&log_text);
}
