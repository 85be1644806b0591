#include "proto/http1.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "support/test.h"

static struct arena arena;

/* Scans and parses `text`, given in two pieces of which the first has `split` bytes. Returns the
 * head's length, 0 when it is not complete, or an error. */
static ptrdiff_t read_in_two(const char *text, size_t len, size_t split, struct http1_head *head,
                             const char **why)
{
    struct http1_scan scan = {0};
    char *data = malloc(len + 1);
    ptrdiff_t size = 0;
    int err = 0;

    memcpy(data, text, len);
    if (split < len)
        size = http1_scan_head(&scan, data, split);
    if (size == 0)
        size = http1_scan_head(&scan, data, len);
    if (size > 0) {
        /* The list stays in the arena; its texts have to outlive the copy. */
        char *kept = arena_alloc(&arena, (size_t)size);

        memcpy(kept, data, (size_t)size);
        err = http1_parse_head(kept, (size_t)size, scan.lines, false, &arena, head, why);
    }
    free(data);
    return err ? err : size;
}

static ptrdiff_t read_head(const char *text, struct http1_head *head, const char **why)
{
    size_t len = strlen(text);
    ptrdiff_t whole = read_in_two(text, len, len, head, why);

    for (size_t split = 0; split < len; split++) {
        struct http1_head other;
        const char *other_why;

        CHECK_EQ(read_in_two(text, len, split, &other, &other_why), whole);
        if (whole > 0) {
            CHECK_EQ(other.header_count, head->header_count);
            CHECK_EQ(other.body, head->body);
        }
    }
    return whole;
}

static struct http1_head good(const char *text)
{
    struct http1_head head;
    const char *why = "none";

    if (read_head(text, &head, &why) != (ptrdiff_t)strlen(text))
        CHECK_TEXT(why, "a complete head");
    return head;
}

static void check_value(const struct http1_head *head, const char *name, const char *want)
{
    char text[256];

    snprintf(text, sizeof text, "%.*s",
             STR_ARG(header_value(head->headers, head->header_count, str_of(name))));
    CHECK_TEXT(text, want);
}

TEST(http1_reads_a_head)
{
    struct http1_head h = good("HTTP/1.1 200 OK\r\n"
                               "server: nginx/1.22\r\n"
                               "CONTENT-TYPE:text/html; charset=utf-8  \r\n"
                               "x-a_b.c!:\t v\tw \t\r\n"
                               "Content-Length: 12\r\n"
                               "empty:\r\n"
                               "obs: \xc3\xa9\x80\xff\r\n"
                               "\r\n");

    CHECK_EQ(h.status, 200);
    CHECK_EQ(h.minor, 1);
    CHECK(str_eq_c(h.status_text, "200 OK"));
    CHECK_EQ(h.header_count, 6);
    CHECK(str_eq_c(h.headers[0].name, "Server"));
    CHECK(str_eq_c(h.headers[1].name, "Content-Type"));
    CHECK(str_eq_c(h.headers[2].name, "X-A_b.c!"));
    check_value(&h, "Content-Type", "text/html; charset=utf-8");
    check_value(&h, "x-a_b.c!", "v\tw");
    check_value(&h, "empty", "");
    check_value(&h, "obs", "\xc3\xa9\x80\xff");
    CHECK_EQ(h.body, HTTP1_BODY_LENGTH);
    CHECK_EQ(h.length, 12);
    CHECK(h.keep_alive && !h.is_upgrade && !h.has_encoding && !h.has_cookies);
    arena_deinit(&arena);
}

TEST(http1_lenience_of_lines)
{
    struct http1_head h = good("HTTP/1.1 200\nA: b\n\n");

    CHECK(str_eq_c(h.status_text, "200"));
    check_value(&h, "A", "b");
    h = good("HTTP/1.1 404 Not  Found \r\n\r\n");
    CHECK(str_eq_c(h.status_text, "404 Not  Found"));
    CHECK_EQ(h.header_count, 0);
    h = good("HTTP/1.0 200 \r\n\r\n");
    CHECK(str_eq_c(h.status_text, "200"));
    CHECK_EQ(h.minor, 0);
    arena_deinit(&arena);
}

TEST(http1_decides_on_bodies_and_connections)
{
    static const struct {
        const char *text;
        enum http1_body body;
        bool keep_alive;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\n\r\n", HTTP1_BODY_UNTIL_CLOSE, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", HTTP1_BODY_LENGTH, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", HTTP1_BODY_LENGTH,
         true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", HTTP1_BODY_LENGTH,
         false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: foo, CLOSE\r\n\r\n",
         HTTP1_BODY_LENGTH, false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP1_BODY_LENGTH, false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive\r\n\r\n",
         HTTP1_BODY_LENGTH, true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", HTTP1_BODY_CHUNKED, true},
        /* Both: chunked counts, the connection does not live on. */
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
         HTTP1_BODY_CHUNKED, false},
        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
         HTTP1_BODY_UNTIL_CLOSE, false},
        {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", HTTP1_BODY_NONE, true},
        {"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_BODY_NONE, true},
        {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", HTTP1_BODY_NONE, true},
        {"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n", HTTP1_BODY_NONE, true},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http1_head h = good(cases[i].text);

        CHECK_EQ(h.body, cases[i].body);
        CHECK_EQ(h.keep_alive, cases[i].keep_alive);
        CHECK_EQ(h.is_upgrade, h.status == 101);
    }
    arena_deinit(&arena);
}

TEST(http1_a_head_request_has_no_body)
{
    char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    struct http1_scan scan = {0};
    struct http1_head head;
    const char *why;

    CHECK_EQ(http1_scan_head(&scan, text, strlen(text)), (ptrdiff_t)strlen(text));
    CHECK_EQ(http1_parse_head(text, strlen(text), scan.lines, true, &arena, &head, &why), 0);
    CHECK_EQ(head.body, HTTP1_BODY_NONE);
    CHECK(head.keep_alive);
    arena_deinit(&arena);
}

TEST(http1_refuses_malformed_heads)
{
    static const struct {
        const char *text;
        const char *why;
    } cases[] = {
        {"HTTP/1.1  200 OK\r\n\r\n", "malformed HTTP status code"},
        {"HTTP/1.1 2000 OK\r\n\r\n", "malformed HTTP status code"},
        {"HTTP/1.1 099 OK\r\n\r\n", "malformed HTTP status code"},
        {"HTTP/1.1 20x OK\r\n\r\n", "malformed HTTP status code"},
        {"HTTP/1.x 200 OK\r\n\r\n", "malformed HTTP response"},
        {"HTTP/1.1200 OK\r\n\r\n", "malformed HTTP response"},
        {"HTTP/1.1 20\r\n\r\n", "malformed HTTP response"},
        {"HTTP/1.1 200 OK\r\nname\r\n\r\n", "malformed header line"},
        {"HTTP/1.1 200 OK\r\n: v\r\n\r\n", "malformed header line"},
        {"HTTP/1.1 200 OK\r\nn\xc3\xa9: v\r\n\r\n", "malformed header line"},
        {"HTTP/1.1 200 OK\r\nname : v\r\n\r\n", "white space in a header name"},
        {"HTTP/1.1 200 OK\r\nna me: v\r\n\r\n", "white space in a header name"},
        {"HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n", "folded header line"},
        {"HTTP/1.1 200 OK\r\na: b\r\n\tc: d\r\n\r\n", "folded header line"},
        {"HTTP/1.1 200 OK\r\na: b\rc: d\r\n\r\n", "control character in the head"},
        {"HTTP/1.1 200 O\rK\r\n\r\n", "control character in the head"},
        {"HTTP/1.1 200 OK\r\na: b\x01\r\n\r\n", "control character in the head"},
        {"HTTP/1.1 200 OK\r\na: long enough for words\x7f of eight\r\n\r\n",
         "control character in the head"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
         "conflicting Content-Length headers"},
        {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "bad Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", "bad Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n", "bad Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", "bad Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", "bad Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n", "bad Content-Length"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
         "unsupported transfer encoding"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", "unsupported transfer encoding"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
         "too many transfer encodings"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http1_head head = {.status = -1};
        const char *why = "none";

        CHECK_EQ(read_head(cases[i].text, &head, &why), ERR_HTTP);
        CHECK_TEXT(why, cases[i].why);
        CHECK_EQ(head.status, -1);
    }
    arena_deinit(&arena);
}

TEST(http1_refuses_a_nul)
{
    static const char text[] = "HTTP/1.1 200 OK\r\na: b\0c\r\n\r\n";
    struct http1_head head;
    const char *why;

    CHECK_EQ(read_in_two(text, sizeof text - 1, sizeof text - 1, &head, &why), ERR_HTTP);
    CHECK_TEXT(why, "NUL in the head");
    arena_deinit(&arena);
}

TEST(http1_knows_garbage_from_its_first_bytes)
{
    struct http1_scan scan = {0};

    CHECK_EQ(http1_scan_head(&scan, "HTTP", 4), 0);
    CHECK_EQ(http1_scan_head(&scan, "HTTP/2", 6), ERR_HTTP);
    CHECK_EQ(http1_scan_head(&scan, "\x16\x03\x01", 3), ERR_HTTP);
    CHECK_EQ(http1_scan_head(&scan, "SSH-2.0", 7), ERR_HTTP);
}

/* An endless head, in one line or in many, ends at the limit and in linear time. */
TEST(http1_limits_heads)
{
    size_t max = HTTP1_HEAD_MAX + 16;
    char *data = malloc(max);
    struct http1_scan scan = {0};
    ptrdiff_t result = 0;
    size_t len = 0;

    memset(data, 'a', max);
    memcpy(data, "HTTP/1.1 200 OK\r\n", 17);
    while (result == 0 && len < max)
        result = http1_scan_head(&scan, data, ++len);
    CHECK_EQ(result, ERR_HTTP_HEADER_LIMIT);
    CHECK_EQ(len, HTTP1_HEAD_MAX);

    scan = (struct http1_scan){0};
    result = 0;
    for (len = 17; len + 6 < max; len += 6)
        memcpy(data + len, "a: b\r\n", 6);
    for (len = 0; result == 0 && len < max; len += 1000)
        result = http1_scan_head(&scan, data, len);
    CHECK_EQ(result, ERR_HTTP_HEADER_LIMIT);
    CHECK(len < 32 * 1024);
    free(data);
}

TEST(http1_leaves_what_follows)
{
    static const char text[] = "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 201 Created\r\n\r\n";
    struct http1_head head;
    const char *why;

    CHECK_EQ(read_in_two(text, sizeof text - 1, 5, &head, &why), 19);
    CHECK_EQ(head.status, 200);
    arena_deinit(&arena);
}

TEST(http1_writes_heads)
{
    static const struct http_header headers[] = {
        {STR_INIT("Host"), STR_INIT("x.test")},
        {STR_INIT("A"), STR_INIT("")},
    };
    struct str head = http1_write_head(STR("GET"), STR("/a?b"), headers, 2, &arena);

    CHECK(str_eq_c(head, "GET /a?b HTTP/1.1\r\nHost: x.test\r\nA: \r\n\r\n"));
    arena_deinit(&arena);
}

/* --- chunks ------------------------------------------------------------------------------- */

/* Decodes pieces of `step` bytes into `body`; returns the last event, what is left in *left. */
static int decode(struct str in, size_t step, struct buf *body, size_t *left, const char **why)
{
    struct http1_chunks c = HTTP1_CHUNKS_INIT;
    int event = HTTP1_CHUNK_MORE;

    for (size_t at = 0; at < in.len && event == HTTP1_CHUNK_MORE; at += step) {
        struct str piece = str_slice(in, at, at + step);
        struct str data;

        while ((event = http1_chunks_next(&c, &piece, &data)) == HTTP1_CHUNK_DATA)
            buf_append_str(body, data);
        *left = piece.len + (at + step < in.len ? in.len - at - step : 0);
    }
    *why = c.why;
    return event;
}

static void check_chunks(struct str in, int want_event, const char *want_body, size_t want_left)
{
    for (size_t step = 1; step <= in.len; step++) {
        struct buf body = BUF_INIT(4096);
        const char *why;
        size_t left = 0;

        CHECK_EQ(decode(in, step, &body, &left, &why), want_event);
        if (want_body)
            CHECK_TEXT(body.data ? body.data : "", want_body);
        if (want_event == HTTP1_CHUNK_END)
            CHECK_EQ(left, want_left);
        if (want_event < 0)
            CHECK(why);
        buf_deinit(&body);
    }
}

TEST(http1_decodes_chunks)
{
    check_chunks(STR("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), HTTP1_CHUNK_END, "hello world", 0);
    check_chunks(STR("0\r\n\r\n"), HTTP1_CHUNK_END, "", 0);
    check_chunks(STR("000A;ext=\"x\";y\r\n0123456789\r\n0;z\r\n\r\n"), HTTP1_CHUNK_END,
                 "0123456789", 0);
    check_chunks(STR("1 \r\na\r\n0\r\n\r\n"), HTTP1_CHUNK_END, "a", 0);
    check_chunks(STR("1\na\n0\n\n"), HTTP1_CHUNK_END, "a", 0);
    check_chunks(STR("1\r\na\r\n0\r\nTrailer-One: x\r\ntwo:\r\n\r\n"), HTTP1_CHUNK_END, "a", 0);
    check_chunks(STR("1\r\na\r\n0\r\n\r\nHTTP/1.1"), HTTP1_CHUNK_END, "a", 8);
    check_chunks(STR("5\r\nhel"), HTTP1_CHUNK_MORE, "hel", 0);
    check_chunks(STR("5\r\nhello\r\n0\r\n"), HTTP1_CHUNK_MORE, "hello", 0);
}

TEST(http1_refuses_bad_chunks)
{
    static const char *const cases[] = {
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "1x\r\na\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "10000000000000000\r\n",
        "fffffffffffffffff\r\n",
        "1;a\rb\r\nx\r\n",
        "1;a\x01\r\nx\r\n",
        "1\ra\r\n",
        "1\r\na\rb",
        "0\r\n folded: x\r\n\r\n",
        "0\r\nname\r\n\r\n",
        "0\r\nna me: x\r\n\r\n",
        "0\r\na: \x01\r\n\r\n",
        "0\r\na: b\rc",
        "0\r\n\rx",
        ";\r\n",
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_chunks(str_of(cases[i]), ERR_HTTP, NULL, 0);
}

TEST(http1_limits_chunk_lines_and_trailers)
{
    struct buf b = BUF_INIT(SIZE_MAX);
    struct buf body = BUF_INIT(16);
    const char *why;
    size_t left;

    buf_append_c(&b, "1;");
    for (int i = 0; i < HTTP1_CHUNK_LINE_MAX; i++)
        buf_append_char(&b, 'e');
    CHECK_EQ(decode(buf_str(&b), 100, &body, &left, &why), ERR_HTTP);
    CHECK_TEXT(why, "chunk line too long");
    buf_reset(&b);
    buf_append_c(&b, "0\r\nname: ");
    for (int i = 0; i < HTTP1_TRAILER_MAX; i++)
        buf_append_char(&b, 'e');
    CHECK_EQ(decode(buf_str(&b), 100, &body, &left, &why), ERR_HTTP_HEADER_LIMIT);
    buf_reset(&b);
    buf_append_c(&b, "0\r\n");
    for (int i = 0; i <= HTTP1_HEADERS_MAX; i++)
        buf_append_c(&b, "a:\r\n");
    CHECK_EQ(decode(buf_str(&b), 100, &body, &left, &why), ERR_HTTP_HEADER_LIMIT);
    buf_deinit(&b);
    buf_deinit(&body);
}

TEST(http1_takes_the_largest_chunk_size)
{
    struct http1_chunks c = HTTP1_CHUNKS_INIT;
    struct str in = STR("ffffffffffffffff\r\nab");
    struct str data;

    CHECK_EQ(http1_chunks_next(&c, &in, &data), HTTP1_CHUNK_DATA);
    CHECK_EQ(data.len, 2);
    CHECK(c.left == UINT64_MAX - 2);
}
