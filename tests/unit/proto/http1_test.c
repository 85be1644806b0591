#include "proto/http1.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "support/test.h"

/* --- heads -------------------------------------------------------------------------------------
 */

struct parsed {
    int err;
    size_t len;
    const char *why;
    struct http1_head head;
    char *data; /* owned */
    struct arena arena;
};

/* Scans `text` in pieces that end at `cut` and at the end, then parses. Bytes of each call lie in a
 * block of their exact size, so that ASan sees a read past them. */
static void parse_cut(const char *text, size_t len, size_t cut, bool is_head, struct parsed *out)
{
    struct http1_scan scan = {0};
    ptrdiff_t size = 0;

    memset(out, 0, sizeof *out);
    arena_init(&out->arena);
    for (size_t have = cut; size == 0; have = len) {
        char *piece = mem_dup(text, have);

        size = have ? http1_scan_head(&scan, piece, have) : 0;
        mem_free(piece);
        if (have == len && size == 0) {
            out->err = ERR_UNEXPECTED_EOF;
            return;
        }
    }
    if (size < 0) {
        out->err = (int)size;
        return;
    }
    out->len = (size_t)size;
    out->data = mem_dup(text, (size_t)size);
    out->err = http1_parse_head(out->data, (size_t)size, scan.lines, is_head, &out->arena,
                                &out->head, &out->why);
}

static void parsed_deinit(struct parsed *p)
{
    mem_free(p->data);
    arena_deinit(&p->arena);
}

static const char plain[] = "HTTP/1.1 200 OK\r\n"
                            "content-TYPE:text/plain\r\n"
                            "X-Empty:\r\n"
                            "X-Space: \t a b\tc \t\r\n"
                            "Set-Cookie: a=1\r\n"
                            "set-cookie: b=2\r\n"
                            "Content-Length: 5\r\n"
                            "\r\n"
                            "hello";

TEST(http1_reads_a_head_cut_anywhere)
{
    static const char *const want[][2] = {
        {"Content-Type", "text/plain"}, {"X-Empty", ""},       {"X-Space", "a b\tc"},
        {"Set-Cookie", "a=1"},          {"Set-Cookie", "b=2"}, {"Content-Length", "5"},
    };

    for (size_t cut = 0; cut <= sizeof plain - 1; cut++) {
        struct parsed p;

        parse_cut(plain, sizeof plain - 1, cut, false, &p);
        CHECK_EQ(p.err, 0);
        CHECK_EQ(p.len, sizeof plain - 1 - 5);
        CHECK_EQ(p.head.status, 200);
        CHECK_EQ(p.head.minor, 1);
        CHECK(str_eq_c(p.head.status_text, "200 OK"));
        CHECK_EQ(p.head.header_count, COUNT_OF(want));
        for (size_t i = 0; i < COUNT_OF(want); i++) {
            CHECK(str_eq_c(p.head.headers[i].name, want[i][0]));
            CHECK(str_eq_c(p.head.headers[i].value, want[i][1]));
        }
        CHECK_EQ(p.head.body, HTTP1_BODY_LENGTH);
        CHECK_EQ(p.head.length, 5);
        CHECK(p.head.keep_alive && p.head.has_cookies && !p.head.has_encoding);
        parsed_deinit(&p);
    }
}

TEST(http1_decides_how_a_body_ends)
{
    enum { HEAD = 1, CLOSES = 2, UPGRADE = 4 };
    static const struct {
        const char *text;
        enum http1_body body;
        unsigned flags;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", HTTP1_BODY_LENGTH, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", HTTP1_BODY_NONE, HEAD},
        {"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", HTTP1_BODY_NONE, 0},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", HTTP1_BODY_NONE, 0},
        {"HTTP/1.1 100 Continue\r\n\r\n", HTTP1_BODY_NONE, 0},
        {"HTTP/1.1 101 Switching Protocols\r\n\r\n", HTTP1_BODY_NONE, UPGRADE},
        {"HTTP/1.1 200 OK\r\n\r\n", HTTP1_BODY_UNTIL_CLOSE, CLOSES},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n", HTTP1_BODY_LENGTH,
         CLOSES},
        {"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 1\r\n\r\n", HTTP1_BODY_LENGTH,
         CLOSES},
        {"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_BODY_CHUNKED, 0},
        {"HTTP/1.1 200 \r\ntransfer-encoding:Chunked\r\n\r\n", HTTP1_BODY_CHUNKED, 0},
        /* Two ways of counting: the chunks count, and the connection is not used again. */
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
         HTTP1_BODY_CHUNKED, CLOSES},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", HTTP1_BODY_LENGTH, 0},
        {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", HTTP1_BODY_LENGTH, CLOSES},
        {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n",
         HTTP1_BODY_LENGTH, 0},
        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_BODY_UNTIL_CLOSE, CLOSES},
        /* A bare LF ends a line. */
        {"HTTP/1.1 200 OK\nContent-Length: 3\n\n", HTTP1_BODY_LENGTH, 0},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct parsed p;

        parse_cut(rows[i].text, strlen(rows[i].text), 0, rows[i].flags & HEAD, &p);
        CHECK_EQ(p.err, 0);
        CHECK_EQ(p.head.body, rows[i].body);
        CHECK_EQ(p.head.keep_alive, !(rows[i].flags & CLOSES));
        CHECK_EQ(p.head.is_upgrade, (rows[i].flags & UPGRADE) != 0);
        parsed_deinit(&p);
    }
}

TEST(http1_refuses_malformed_heads)
{
    static const char *const rows[] = {
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.x 200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "garbage\r\n\r\n",
        "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 -20 OK\r\n\r\n",
        "HTTP/1.1 200 O\rK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nNoColon\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : x\r\n\r\n",
        "HTTP/1.1 200 OK\r\n A: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: x\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: x\r\n\tfolded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: x\ry\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: x\x01\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: x\x7f\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA\x80: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x10\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t len = strlen(rows[i]);

        for (size_t cut = 0; cut <= len; cut++) {
            struct parsed p;

            parse_cut(rows[i], len, cut, false, &p);
            if (p.err != ERR_HTTP)
                test_fail(__FILE__, __LINE__, "row %zu cut at %zu: %d", i, cut, p.err);
            parsed_deinit(&p);
        }
    }
}

TEST(http1_refuses_a_nul_in_a_head)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nA: x\0y\r\n\r\n";
    struct parsed p;

    parse_cut(text, sizeof text - 1, 0, false, &p);
    CHECK_EQ(p.err, ERR_HTTP);
    CHECK_TEXT(p.why, "NUL in the head");
    parsed_deinit(&p);
}

/* Values around the eight bytes that are looked at together. */
TEST(http1_finds_the_end_of_values_of_any_length)
{
    for (size_t len = 0; len < 64; len++) {
        char text[160];
        char value[65] = {0};
        struct parsed p;

        memset(value, '\xff', len);
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nA: %s\r\nB: 1\r\n\r\n", value);
        parse_cut(text, strlen(text), 0, false, &p);
        CHECK_EQ(p.err, 0);
        CHECK(str_eq_c(p.head.headers[0].value, value));
        CHECK(str_eq_c(p.head.headers[1].value, "1"));
        parsed_deinit(&p);
    }
}

static ptrdiff_t scan_all(struct buf *b)
{
    struct http1_scan scan = {0};
    ptrdiff_t size = 0;

    for (size_t have = 1; size == 0 && have < b->len; have += 1 + have / 2)
        size = http1_scan_head(&scan, b->data, have);
    return size ? size : http1_scan_head(&scan, b->data, b->len);
}

TEST(http1_bounds_heads)
{
    struct buf b = BUF_INIT(SIZE_MAX);

    /* Endless header line. */
    buf_append_c(&b, "HTTP/1.1 200 OK\r\nA: ");
    CHECK_EQ(scan_all(&b), 0);
    while (b.len < HTTP1_HEAD_MAX)
        buf_append_c(&b, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    CHECK_EQ(scan_all(&b), ERR_HTTP_HEADER_LIMIT);

    /* Endless headers. */
    buf_reset(&b);
    buf_append_c(&b, "HTTP/1.1 200 OK\r\n");
    for (unsigned i = 0; i < HTTP1_HEADERS_MAX; i++)
        buf_append_c(&b, "A: b\r\n");
    CHECK_EQ(scan_all(&b), 0);
    buf_append_c(&b, "A: b\r\n");
    CHECK_EQ(scan_all(&b), ERR_HTTP_HEADER_LIMIT);
    buf_deinit(&b);
}

TEST(http1_writes_heads)
{
    static const struct http_header headers[] = {
        {STR_INIT("Host"), STR_INIT("a.test")},
        {STR_INIT("X"), STR_INIT("")},
    };
    struct arena a;

    arena_init(&a);
    CHECK(str_eq_c(http1_write_head(STR("GET"), STR("/p?q"), headers, 2, &a),
                   "GET /p?q HTTP/1.1\r\nHost: a.test\r\nX: \r\n\r\n"));
    CHECK(str_eq_c(http1_write_head(STR("GET"), STR("*"), NULL, 0, &a), "GET * HTTP/1.1\r\n\r\n"));
    arena_deinit(&a);
}

/* --- chunked bodies ----------------------------------------------------------------------------
 */

struct dechunked {
    int result; /* HTTP1_CHUNK_END, HTTP1_CHUNK_MORE, or the error */
    size_t left;
    struct buf body;
};

static int feed(struct http1_chunks *c, const char *data, size_t len, struct dechunked *out)
{
    char *copy = mem_dup(data, len);
    struct str in = str_from(copy, len);
    struct str piece;
    int event;

    while ((event = http1_chunks_next(c, &in, &piece)) == HTTP1_CHUNK_DATA) {
        CHECK(piece.len > 0);
        buf_append_str(&out->body, piece);
    }
    if (event == HTTP1_CHUNK_MORE)
        CHECK_EQ(in.len, 0);
    out->left = in.len;
    mem_free(copy);
    return event;
}

static struct dechunked dechunk_cut(const char *text, size_t len, size_t first, size_t second)
{
    struct dechunked out = {.body = BUF_INIT(SIZE_MAX)};
    struct http1_chunks c = HTTP1_CHUNKS_INIT;
    size_t ends[] = {first, second, len};
    size_t at = 0;

    out.result = HTTP1_CHUNK_MORE;
    for (size_t i = 0; i < COUNT_OF(ends) && out.result == HTTP1_CHUNK_MORE; i++) {
        out.result = feed(&c, text + at, ends[i] - at, &out);
        out.left += len - ends[i];
        at = ends[i];
    }
    if (out.result < 0)
        CHECK(c.why != NULL);
    return out;
}

TEST(http1_reads_chunks_cut_anywhere)
{
    static const char text[] = "5\r\nhello\r\n"
                               "00A ; ext=\"v\"\r\n0123456789\r\n"
                               "1;x\n!\n"
                               "0\r\nTrailer: v\r\nX:\r\n\r\nrest";

    for (size_t first = 0; first <= sizeof text - 1; first++) {
        for (size_t second = first; second <= sizeof text - 1; second++) {
            struct dechunked d = dechunk_cut(text, sizeof text - 1, first, second);

            CHECK_EQ(d.result, HTTP1_CHUNK_END);
            CHECK_TEXT(d.body.data, "hello0123456789!");
            CHECK_EQ(d.left, 4);
            buf_deinit(&d.body);
        }
    }
}

TEST(http1_waits_for_the_end_of_chunks)
{
    static const char text[] = "3\r\nabc\r\n0\r\nT: v\r\n\r\n";

    for (size_t len = 0; len < sizeof text - 1; len++) {
        struct dechunked d = dechunk_cut(text, len, 0, len);

        CHECK_EQ(d.result, HTTP1_CHUNK_MORE);
        buf_deinit(&d.body);
    }
}

TEST(http1_refuses_malformed_chunks)
{
    static const char *const rows[] = {
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "+1\r\n",
        " 1\r\n",
        "0x1\r\na\r\n",
        "1\r\nab\r\n",
        "1\r\na\rb",
        "1\ra",
        ";ext\r\n",
        "10000000000000000\r\n", /* 2^64 */
        "1fffffffffffffffff\r\n",
        "000000000000000000000000000g",
        "1;\x01\r\n",
        "0\r\nno colon\r\n\r\n",
        "0\r\nNoColon\r\n\r\n",
        "0\r\n: v\r\n\r\n",
        "0\r\n folded\r\n\r\n",
        "0\r\nA: \x01\r\n\r\n",
        "0\r\n\rx",
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t len = strlen(rows[i]);

        for (size_t cut = 0; cut <= len; cut++) {
            struct dechunked d = dechunk_cut(rows[i], len, cut, cut);

            if (d.result != ERR_HTTP)
                test_fail(__FILE__, __LINE__, "row %zu cut at %zu: %d", i, cut, d.result);
            buf_deinit(&d.body);
        }
    }
}

TEST(http1_takes_the_largest_chunk)
{
    static const char text[] = "ffffffffffffffff\r\nabc";
    struct dechunked d = dechunk_cut(text, sizeof text - 1, 0, 0);

    CHECK_EQ(d.result, HTTP1_CHUNK_MORE);
    CHECK_TEXT(d.body.data, "abc");
    buf_deinit(&d.body);
}

TEST(http1_bounds_chunk_lines_and_trailers)
{
    struct buf b = BUF_INIT(SIZE_MAX);
    struct dechunked d;

    /* An endless extension; endless zeros. */
    buf_append_c(&b, "1;");
    while (b.len <= HTTP1_CHUNK_LINE_MAX)
        buf_append_char(&b, 'x');
    d = dechunk_cut(b.data, b.len, 0, b.len / 2);
    CHECK_EQ(d.result, ERR_HTTP);
    memset(b.data, '0', b.len);
    d = dechunk_cut(b.data, b.len, 0, b.len / 2);
    CHECK_EQ(d.result, ERR_HTTP);

    /* Endless trailers: too many, too long. */
    buf_reset(&b);
    buf_append_c(&b, "0\r\n");
    for (unsigned i = 0; i <= HTTP1_HEADERS_MAX; i++)
        buf_append_c(&b, "A:\r\n");
    d = dechunk_cut(b.data, b.len, 0, 5);
    CHECK_EQ(d.result, ERR_HTTP_HEADER_LIMIT);
    buf_reset(&b);
    buf_append_c(&b, "0\r\nA: ");
    while (b.len <= HTTP1_TRAILER_MAX + 8)
        buf_append_char(&b, 'x');
    d = dechunk_cut(b.data, b.len, 0, 5);
    CHECK_EQ(d.result, ERR_HTTP_HEADER_LIMIT);
    buf_deinit(&b);
}
