/* What the client makes of servers that misbehave, of time that runs out, and of itself cancelled.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "http_fixture.h"
#include "net/rules.h"
#include "support/test.h"

static uint16_t port;

#define REPLY(text_, then_)                                                                        \
    {                                                                                              \
        .text = "HTTP/1.1 " text_, .then = (then_)                                                 \
    }

/* --- broken responses --------------------------------------------------------------------------
 */

static const struct {
    struct reply reply;
    int err;
    int code;
    const char *error; /* response.error */
} broken[] = {
    {{.text = "", .then = THEN_CLOSE}, ERR_EOF, 1000, "EOF"},
    {{.text = "", .then = THEN_RESET}, ERR_RESET, 1220, "read: connection reset by peer"},
    {{.text = "garbage\r\n\r\n"}, ERR_HTTP, 1000, "malformed HTTP response"},
    {{.text = "HT", .then = THEN_CLOSE}, ERR_UNEXPECTED_EOF, 1000, "unexpected EOF"},
    {REPLY("200 OK\r\nContent-Le", THEN_CLOSE), ERR_UNEXPECTED_EOF, 1000, "unexpected EOF"},
    {REPLY("200 OK\r\nContent-Length: 10\r\n\r\nshort", THEN_CLOSE), ERR_UNEXPECTED_EOF, 1000,
     "unexpected EOF"},
    {REPLY("200 OK\r\nContent-Length: 10\r\n\r\nshort", THEN_RESET), ERR_RESET, 1220,
     "read: connection reset by peer"},
    {REPLY("200 OK\r\nContent-Length: 1x\r\n\r\n", THEN_KEEP), ERR_HTTP, 1000,
     "bad Content-Length"},
    {REPLY("200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", THEN_KEEP), ERR_HTTP, 1000,
     "conflicting Content-Length headers"},
    {REPLY("200 OK\r\nA: b\r\n c\r\n\r\n", THEN_KEEP), ERR_HTTP, 1000, "folded header line"},
    {REPLY("200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\nx", THEN_KEEP),
     ERR_HTTP, 1000, "http chunk length too large"},
    {REPLY("200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", THEN_KEEP), ERR_HTTP, 1000,
     "invalid byte in chunk length"},
    {REPLY("200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", THEN_CLOSE), ERR_UNEXPECTED_EOF,
     1000, "unexpected EOF"},
    {REPLY("200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n", THEN_CLOSE),
     ERR_UNEXPECTED_EOF, 1000, "unexpected EOF"},
    {REPLY("200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", THEN_KEEP), ERR_HTTP, 1000,
     "unsupported transfer encoding"},
    {REPLY("200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone", THEN_KEEP),
     ERR_DECOMPRESS, 1701, "decompressing the response body failed"},
    {REPLY("200 OK\r\nContent-Length: 1001\r\n\r\n", THEN_KEEP), ERR_HTTP_BODY_LIMIT, 1000,
     "HTTP response body exceeds the limit"},
    {REPLY("200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n", THEN_KEEP),
     ERR_HTTP_BODY_LIMIT, 1000, "HTTP response body exceeds the limit"},
    {REPLY("200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx", THEN_CLOSE),
     ERR_UNEXPECTED_EOF, 1000, "unexpected EOF"},
};

static void every_broken_response(void)
{
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        struct http_response r = get(at(port, "/"));

        if (r.err != broken[i].err)
            test_fail(__FILE__, __LINE__, "%zu: %d %s", i, r.err, text(r.error_long));
        CHECK_EQ(r.error_code, broken[i].code);
        CHECK_TEXT(text(r.error), broken[i].error);
        CHECK_TEXT(text(r.error_long),
                   arena_printf(&arena, "Get \"%s\": %s", at(port, "/"), broken[i].error));
        CHECK_EQ(r.status, 0);
        CHECK_EQ(r.header_count + r.body.len + r.status_text.len + r.proto.len, 0);
        CHECK(!r.has_body);
        CHECK_EQ(hop_count, 1);
        CHECK_EQ(hops[0].err, r.err);
        CHECK_EQ(r.remote.port, port);
        CHECK(r.timings.duration > 0);
        /* Nothing of it is used again, except where only the body's coding was wrong. */
        if (i > 0 && broken[i - 1].err != ERR_DECOMPRESS)
            CHECK(seen[i].connection > seen[i - 1].connection);
    }
}

static struct reply *broken_replies(void)
{
    static struct reply replies[COUNT_OF(broken)];

    for (size_t i = 0; i < COUNT_OF(broken); i++)
        replies[i] = broken[i].reply;
    return replies;
}

TEST(http_names_what_is_wrong_with_responses)
{
    client_options.max_body = 1000;
    port = serve(broken_replies(), COUNT_OF(broken));
    run_client(every_broken_response);
}

TEST(http_names_what_is_wrong_with_responses_in_pieces)
{
    struct reply *replies = broken_replies();

    for (size_t i = 0; i < COUNT_OF(broken); i++)
        replies[i].piece = 1;
    client_options.max_body = 1000;
    port = serve(replies, COUNT_OF(broken));
    run_client(every_broken_response);
}

static int want_err;

static void one_failure(void)
{
    struct http_response r = get(at(port, "/"));

    if (r.err != want_err)
        test_fail(__FILE__, __LINE__, "%d %s", r.err, text(r.error_long));
}

static void check_failure(struct buf *reply, int err)
{
    static struct reply replies[1];

    want_err = err;
    replies[0] = (struct reply){.text = reply->data, .len = reply->len, .then = THEN_CLOSE};
    port = SERVE(replies);
    run_client(one_failure);
    buf_deinit(reply);
}

TEST(http_gives_up_on_endless_headers)
{
    struct buf b = BUF_INIT(SIZE_MAX);

    buf_append_c(&b, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 100000; i++)
        buf_printf(&b, "X-%d: yyyyyyyyyyyyyyyy\r\n", i);
    check_failure(&b, ERR_HTTP_HEADER_LIMIT);
}

TEST(http_gives_up_on_an_endless_header)
{
    struct buf b = BUF_INIT(SIZE_MAX);

    buf_append_c(&b, "HTTP/1.1 200 OK\r\nX: ");
    while (b.len < 2 * 1024 * 1024)
        buf_append_c(&b, "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy");
    check_failure(&b, ERR_HTTP_HEADER_LIMIT);
}

TEST(http_gives_up_on_endless_interim_responses)
{
    struct buf b = BUF_INIT(SIZE_MAX);

    for (int i = 0; i < 1000; i++)
        buf_append_c(&b, "HTTP/1.1 100 Continue\r\n\r\n");
    check_failure(&b, ERR_HTTP);
}

TEST(http_gives_up_on_endless_bodies)
{
    struct buf b = BUF_INIT(SIZE_MAX);

    client_options.max_body = 100 * 1000;
    buf_append_c(&b, "HTTP/1.1 200 OK\r\n\r\n");
    while (b.len < 5 * 1000 * 1000)
        buf_append_c(&b, "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy");
    check_failure(&b, ERR_HTTP_BODY_LIMIT);
}

TEST(http_gives_up_on_a_bomb)
{
    struct buf b = BUF_INIT(SIZE_MAX);
    struct buf packed = BUF_INIT(SIZE_MAX);
    struct compress_chain gzip = {{COMPRESS_GZIP}, 1};
    size_t size = 20 * 1000 * 1000;
    char *zeros = mem_zalloc(size);

    client_options.max_body = 1000 * 1000;
    CHECK_EQ(compress_encode(&gzip, str_from(zeros, size), &packed), 0);
    CHECK(packed.len < 100 * 1000);
    buf_printf(&b, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
               packed.len);
    buf_append_str(&b, buf_str(&packed));
    mem_free(zeros);
    buf_deinit(&packed);
    check_failure(&b, ERR_HTTP_BODY_LIMIT);
}

/* --- before there is a response ----------------------------------------------------------------
 */

static void never_connected(void)
{
    struct http_request q;
    struct http_response r = get(at(dead_port(), "/"));

    CHECK_EQ(r.err, ERR_REFUSED);
    CHECK_EQ(r.error_code, 1212);
    CHECK_TEXT(text(r.error), "dial: connection refused");
    CHECK(strstr(text(r.error_long), "dial tcp 127.0.0.1:"));
    CHECK_EQ(hop_count, 1);
    CHECK_EQ(r.timings.duration, 0);
    CHECK(r.remote.family == ADDR_NONE);
    CHECK_TEXT(header_of(r.request.headers, r.request.header_count, "User-Agent"), "gale/1");

    r = get("http://blocked.test/");
    CHECK_EQ(r.error_code, 1111);
    CHECK_TEXT(text(r.error), "hostname (blocked.test) is in a blocked pattern (*.test)");

    q = request_of("GET", "http://user:secret@127.0.0.1:1/");
    r = send_request(&q);
    CHECK(r.err != 0);
    CHECK(strstr(text(r.error_long), "secret") == NULL);
}

TEST(http_names_why_it_cannot_connect)
{
    struct rules *rules = rules_new();

    CHECK_EQ(rules_add_blocked(rules, STR("*.test"), NULL), 0);
    dialer_options.rules = rules;
    client_options.user_agent = STR("gale/1");
    run_client(never_connected);
    rules_free(rules);
}

static void bad_requests(void)
{
    struct http_request q = request_of("GET IT", at(port, "/"));
    struct http_header h = {STR_INIT("X"), STR_INIT("a\r\nY: b")};
    struct http_cookie c = {STR_INIT("a"), STR_INIT("b\r\nY: b"), false};

    CHECK_TEXT(text(send_request(&q).error), "net/http: invalid method \"GET IT\"");
    q = request_of("GET", at(port, "/"));
    q.headers = &h;
    q.header_count = 1;
    CHECK_TEXT(text(send_request(&q).error), "net/http: invalid header field value for \"X\"");
    h = (struct http_header){STR_INIT("a b"), STR_INIT("c")};
    CHECK_TEXT(text(send_request(&q).error), "net/http: invalid header field name \"a b\"");
    q.header_count = 0;
    q.cookies = &c;
    q.cookie_count = 1;
    CHECK_TEXT(text(send_request(&q).error), "net/http: invalid cookie \"a\"");
    q = request_of("GET", "ftp://h/");
    CHECK_TEXT(text(send_request(&q).error), "unsupported protocol scheme \"ftp\"");
    q = request_of("GET", "http:///x");
    CHECK_TEXT(text(send_request(&q).error), "http: no Host in request URL");
    CHECK_EQ(seen_count, 0);
}

TEST(http_lets_nothing_out_that_is_no_request)
{
    static const struct reply replies[] = {REPLY("200 OK\r\n\r\n", THEN_CLOSE)};

    port = SERVE(replies);
    run_client(bad_requests);
}

/* --- time --------------------------------------------------------------------------------------
 */

static void timeouts(void)
{
    for (int i = 0; i < 3; i++) {
        struct http_request q = request_of("GET", at(port, "/"));
        int64_t began = clock_now();
        struct http_response r;

        q.timeout = 100 * NSEC_PER_MSEC;
        r = send_request(&q);
        CHECK_EQ(r.err, ERR_TIMEOUT);
        CHECK_EQ(r.error_code, 1050);
        CHECK_TEXT(text(r.error), "request timeout");
        CHECK_TEXT(text(r.error_long), arena_printf(&arena, "Get \"%s\": request timeout",
                                                    at(port, i == 2 ? "/slow" : "/")));
        CHECK(clock_now() - began >= 100 * NSEC_PER_MSEC);
        CHECK(clock_now() - began < 3 * NSEC_PER_SEC);
        CHECK_EQ(hop_count, i == 2 ? 2 : 1);
    }
}

/* Before the head, in the body, and over a chain whose hops are quick enough each. */
TEST(http_times_out)
{
    static const struct reply replies[] = {
        {.text = "", .then = THEN_STALL},
        REPLY("200 OK\r\nContent-Length: 10\r\n\r\nhalf", THEN_STALL),
        {.text = "HTTP/1.1 302 Found\r\nLocation: /slow\r\nContent-Length: 0\r\n\r\n",
         .delay_ms = 60},
        {.text = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", .delay_ms = 60},
    };

    port = SERVE(replies);
    run_client(timeouts);
}

static struct wait_group group;

static void send_and_be_cancelled(void *arg)
{
    struct http_response r = get(at(port, "/"));

    (void)arg;
    CHECK_EQ(r.err, ERR_CANCELLED);
    CHECK_EQ(hop_count, 1);
    wait_group_done(&group);
}

static void cancel(void)
{
    struct fiber *fiber;

    for (int i = 0; i < 2; i++) {
        wait_group_init(&group);
        wait_group_add(&group, 1);
        fiber = fiber_start(fiber_loop(), send_and_be_cancelled, NULL);
        CHECK_EQ(fiber_sleep_until(clock_now() + 50 * NSEC_PER_MSEC), 0);
        fiber_cancel(fiber);
        CHECK_EQ(wait_group_wait(&group), 0);
    }
    CHECK_EQ(get(at(port, "/")).status, 200);
    CHECK_EQ(seen[2].connection, 3);
}

TEST(http_is_cancelled_and_closes)
{
    static const struct reply replies[] = {
        {.text = "", .then = THEN_STALL},
        REPLY("200 OK\r\nContent-Length: 10\r\n\r\nhalf", THEN_STALL),
        REPLY("200 OK\r\nContent-Length: 2\r\n\r\nok", THEN_KEEP),
    };

    port = SERVE(replies);
    run_client(cancel);
}

/* --- connections that die ----------------------------------------------------------------------
 */

static const char *retry_method;
static int retry_err;

static void retry(void)
{
    struct http_request q = request_of(retry_method, at(port, "/"));
    struct http_response r;

    q.body = *retry_method == 'P' ? STR("sent") : STR("");
    CHECK_EQ(get(at(port, "/")).status, 200);
    r = send_request(&q);
    CHECK_EQ(r.err, retry_err);
    CHECK_EQ(hop_count, 1);
    CHECK_EQ(seen_count, retry_err ? 2 : 3);
    if (!retry_err)
        CHECK_EQ(seen[2].connection, 2);
}

static void check_retry(const char *method, enum then then, const char *partial, int err)
{
    static struct reply replies[] = {
        REPLY("200 OK\r\nContent-Length: 2\r\n\r\nok", THEN_KEEP),
        {.text = ""},
        REPLY("200 OK\r\nContent-Length: 2\r\n\r\nok", THEN_KEEP),
    };

    replies[1].text = partial;
    replies[1].then = then;
    retry_method = method;
    retry_err = err;
    port = SERVE(replies);
    run_client(retry);
}

TEST(http_tries_again_when_a_kept_connection_was_closed)
{
    check_retry("GET", THEN_CLOSE, "", 0);
}

TEST(http_tries_again_when_a_kept_connection_was_reset)
{
    check_retry("OPTIONS", THEN_RESET, "", 0);
}

TEST(http_tries_nothing_twice_that_may_do_harm)
{
    check_retry("POST", THEN_CLOSE, "", ERR_EOF);
}

TEST(http_tries_nothing_twice_that_was_answered)
{
    check_retry("GET", THEN_CLOSE, "HTTP/1.1 2", ERR_UNEXPECTED_EOF);
}

static void idle_closed(void)
{
    CHECK_EQ(get(at(port, "/")).status, 200);
    CHECK_EQ(fiber_sleep_until(clock_now() + 100 * NSEC_PER_MSEC), 0);
    /* Not even a POST meets the dead connection. */
    CHECK_EQ(get(at(port, "/")).status, 200);
    CHECK_EQ(seen_count, 2);
    CHECK_EQ(seen[1].connection, 2);
}

TEST(http_notices_that_an_idle_connection_was_closed)
{
    static const struct reply replies[] = {
        REPLY("200 OK\r\nContent-Length: 2\r\n\r\nok", THEN_CLOSE),
        REPLY("200 OK\r\nContent-Length: 2\r\n\r\nok", THEN_KEEP),
    };

    port = SERVE(replies);
    run_client(idle_closed);
}

static void refused_upload(void)
{
    struct http_request q = request_of("POST", at(port, "/"));
    size_t size = 8 * 1024 * 1024;
    char *body = mem_zalloc(size);
    struct http_response r;

    q.body = str_from(body, size);
    r = send_request(&q);
    CHECK_EQ(r.err, 0);
    CHECK_EQ(r.status, 413);
    CHECK_EQ(r.error_code, 1413);
    r = send_request(&q);
    CHECK(r.err == ERR_RESET || r.err == ERR_BROKEN_PIPE);
    q.timeout = 200 * NSEC_PER_MSEC;
    CHECK_EQ(send_request(&q).err, ERR_TIMEOUT);
    mem_free(body);
}

/* The server answers and closes before it has read a large body: its answer counts. */
TEST(http_reads_an_answer_that_comes_early)
{
    static const struct reply replies[] = {
        {.text = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno",
         .then = THEN_CLOSE,
         .without_body = true},
        {.text = "", .then = THEN_CLOSE, .without_body = true},
        {.text = "", .without_body = true, .delay_ms = 400},
    };

    port = SERVE(replies);
    run_client(refused_upload);
}

static void echoed_upload(void)
{
    struct http_request q = request_of("POST", at(port, "/"));
    size_t size = 16 * 1024 * 1024;
    char *body = mem_zalloc(size);
    struct http_response r;

    q.body = str_from(body, size);
    r = send_request(&q);
    CHECK_EQ(r.err, 0);
    CHECK_EQ(r.body.len, size);
    CHECK(r.timings.sending > 0);
    CHECK_EQ(r.timings.waiting, 0);
    CHECK_EQ(get(at(port, "/")).status, 200);
    CHECK_EQ(seen[1].connection, 2);
    mem_free(body);
}

/* The server sends a large answer and never reads the body. */
TEST(http_reads_while_it_writes)
{
    static struct reply replies[2];
    struct buf b = BUF_INIT(SIZE_MAX);
    size_t size = 16 * 1024 * 1024;
    char *zeros = mem_zalloc(size);

    buf_printf(&b, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
    buf_append(&b, zeros, size);
    mem_free(zeros);
    replies[0] =
        (struct reply){.text = b.data, .len = b.len, .then = THEN_DEAF, .without_body = true};
    replies[1] = (struct reply)REPLY("200 OK\r\nContent-Length: 2\r\n\r\nok", THEN_KEEP);
    port = SERVE(replies);
    run_client(echoed_upload);
    buf_deinit(&b);
}
