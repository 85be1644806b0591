/* HTTP/2 against a server session of nghttp2 in memory, and against bytes that no server should
 * send. */
#include "proto/h2/h2.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "net/memstream.h"
#include "support/test.h"

enum { SECOND = 1000000000 };

static struct arena arena;
static struct loop *loop;
static struct stream *server_end;
static struct h2_conn *conn;
static nghttp2_session *server;
static struct fiber *server_fiber;
static int requests;
static size_t received;      /* bytes of request bodies */
static int32_t held;         /* a stream that the server keeps waiting */
static uint32_t closed_code; /* how that one ended */

/* --- the server --------------------------------------------------------------------------- */

static ssize_t body_of(nghttp2_session *s, int32_t id, uint8_t *out, size_t room, uint32_t *flags,
                       nghttp2_data_source *source, void *arg)
{
    size_t *left = source->ptr;
    size_t len = *left < room ? *left : room;

    (void)s;
    (void)id;
    (void)arg;
    memset(out, 'x', len);
    *left -= len;
    if (*left == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)len;
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), 0};
}

static void answer(int32_t id, size_t len)
{
    nghttp2_nv fields[] = {field(":status", "200"), field("content-type", "text/plain"),
                           field("x-a", "1")};
    size_t *left = arena_alloc(&arena, sizeof *left);
    nghttp2_data_provider body = {.source = {.ptr = left}, .read_callback = body_of};

    *left = len;
    nghttp2_submit_response(server, id, fields, 3, &body);
}

static int on_path(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name,
                   size_t name_len, const uint8_t *value, size_t len, uint8_t flags, void *arg)
{
    struct str path = str_from((const char *)value, len);
    uint64_t size;

    (void)flags;
    (void)arg;
    if (!str_eq(str_from((const char *)name, name_len), STR(":path")))
        return 0;
    requests++;
    if (str_eq_c(path, "/reset"))
        nghttp2_submit_rst_stream(s, 0, frame->hd.stream_id, NGHTTP2_INTERNAL_ERROR);
    else if (str_eq_c(path, "/refuse"))
        nghttp2_submit_rst_stream(s, 0, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
    else if (str_eq_c(path, "/away"))
        nghttp2_submit_goaway(s, 0, 0, NGHTTP2_ENHANCE_YOUR_CALM, NULL, 0);
    else if (str_eq_c(path, "/hold"))
        held = frame->hd.stream_id;
    else if (str_to_u64(str_from_index(path, 1), &size))
        answer(frame->hd.stream_id, (size_t)size);
    return 0;
}

static int on_body(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
                   void *arg)
{
    (void)s;
    (void)flags;
    (void)id;
    (void)data;
    (void)arg;
    received += len;
    return 0;
}

static int on_closed(nghttp2_session *s, int32_t id, uint32_t code, void *arg)
{
    (void)s;
    (void)arg;
    if (id == held)
        closed_code = code;
    return 0;
}

static void server_flush(void)
{
    const uint8_t *data;
    ssize_t len;

    while ((len = nghttp2_session_mem_send(server, &data)) > 0)
        memstream_push(server_end, data, (size_t)len);
}

static void serve(void *arg)
{
    uint8_t in[16384];
    ptrdiff_t got;

    (void)arg;
    while ((got = stream_read(server_end, in, sizeof in, INT64_MAX, NULL)) > 0) {
        if (nghttp2_session_mem_recv(server, in, (size_t)got) < 0)
            break;
        server_flush();
    }
    memstream_end(server_end);
    server_fiber = NULL;
}

static void start_server(void)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2}};

    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_path);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_body);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_closed);
    nghttp2_session_server_new(&server, callbacks, NULL);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(server, 0, settings, 1);
    server_fiber = fiber_start(loop, serve, NULL);
}

/* --- the frame of a test ------------------------------------------------------------------ */

struct scene {
    void (*play)(void);
    bool is_raw; /* nobody serves: the test pushes bytes */
};

static void stop(void *arg)
{
    (void)arg;
    loop_stop(loop);
}

static void scene_main(void *arg)
{
    struct scene *s = arg;
    struct stream *client_end;

    memstream_pair(NULL, &client_end, &server_end);
    if (!s->is_raw)
        start_server();
    conn = h2_conn_new(client_end);
    s->play();
    h2_conn_unref(conn);
    if (server_fiber)
        fiber_cancel(server_fiber);
    loop_when_quiet(loop, stop, NULL);
}

static void play(void (*fn)(void), bool is_raw)
{
    struct scene s = {fn, is_raw};

    arena_init(&arena);
    CHECK_EQ(loop_new(&loop), 0);
    fiber_start(loop, scene_main, &s);
    loop_run(loop);
    stream_close(server_end);
    if (!is_raw)
        nghttp2_session_del(server);
    loop_free(loop);
    arena_deinit(&arena);
}

static int64_t soon(void)
{
    return clock_now() + 5 * (int64_t)SECOND;
}

static int open_with(struct h2_stream *s, const char *path, bool has_body, bool sends_now)
{
    static const struct http_header headers[] = {{STR_INIT("Accept"), STR_INIT("*/*")},
                                                 {STR_INIT("Connection"), STR_INIT("close")},
                                                 {STR_INIT("Cookie"), STR_INIT("a=1; b=2")}};
    struct h2_request r = {STR("GET"), STR("https"), STR("a.test"), str_of(path), headers,
                           3,          has_body,     sends_now};

    *s = (struct h2_stream){.arena = &arena, .max_body = 1 << 20};
    return h2_stream_open(conn, s, &r, soon());
}

static int open_path(struct h2_stream *s, const char *path, bool has_body)
{
    return open_with(s, path, has_body, false);
}

/* --- answers ------------------------------------------------------------------------------ */

static void plain(void)
{
    struct h2_stream s;
    uint64_t sent;
    uint64_t got;

    CHECK_EQ(open_path(&s, "/5", false), 0);
    CHECK_EQ(h2_stream_wait_end(&s, soon()), 0);
    CHECK_EQ(s.status, 200);
    CHECK_EQ(s.header_count, 2);
    CHECK(str_eq_c(s.headers[0].name, "content-type"));
    CHECK(str_eq_c(buf_str(&s.body), "xxxxx"));
    CHECK(s.opened > 0 && s.written >= s.opened && s.first_byte > 0 && s.end >= s.first_byte);
    h2_stream_close(&s);
    h2_conn_take_bytes(conn, &sent, &got);
    CHECK(sent > 50 && got > 20);
    h2_conn_take_bytes(conn, &sent, &got);
    CHECK_EQ(sent + got, 0);
}

TEST(h2_answers_a_request)
{
    play(plain, false);
}

/* More streams than the server takes at a time. */
static void many(void)
{
    struct h2_stream s[8];

    CHECK_EQ(open_path(&s[0], "/1", false), 0); /* the server's limit comes with its answer */
    CHECK_EQ(h2_stream_wait_end(&s[0], soon()), 0);
    h2_stream_close(&s[0]);
    for (size_t i = 0; i < COUNT_OF(s); i++)
        CHECK_EQ(open_path(&s[i], "/100000", false), 0);
    for (size_t i = 0; i < COUNT_OF(s); i++) {
        CHECK_EQ(h2_stream_wait_end(&s[i], soon()), 0);
        CHECK_EQ(s[i].body.len, 100000);
        h2_stream_close(&s[i]);
    }
    CHECK_EQ(requests, 9);
}

TEST(h2_runs_streams_in_parallel)
{
    play(many, false);
}

/* Larger than the server's window, so that it takes several rounds. */
static void upload(void)
{
    enum { SIZE = 300000 };
    char *data = mem_zalloc(SIZE);
    struct h2_stream s;

    CHECK_EQ(open_path(&s, "/1", true), 0);
    CHECK_EQ(h2_stream_send(&s, str_from(data, 10), false, soon()), 0);
    h2_stream_close(&s);
    CHECK_EQ(open_path(&s, "/hold", true), 0);
    CHECK_EQ(h2_stream_send(&s, str_from(data, SIZE), true, soon()), 0);
    CHECK(s.written > 0);
    fiber_yield();
    fiber_yield();
    CHECK_EQ(received, SIZE + 10);
    answer(held, 3);
    server_flush();
    CHECK_EQ(h2_stream_wait_end(&s, soon()), 0);
    CHECK_EQ(s.body.len, 3);
    h2_stream_close(&s);
    mem_free(data);
}

/* The head waits for its data, so that the server sees both at once. */
static void together(void)
{
    struct h2_stream s;
    uint64_t sent;
    uint64_t got;

    CHECK_EQ(open_path(&s, "/1", false), 0);
    CHECK_EQ(h2_stream_wait_end(&s, soon()), 0);
    h2_stream_close(&s);
    h2_conn_take_bytes(conn, &sent, &got);
    CHECK_EQ(open_with(&s, "/1", true, true), 0);
    h2_conn_take_bytes(conn, &sent, &got);
    CHECK_EQ(sent, 0);
    CHECK_EQ(s.opened, 0);
    CHECK_EQ(h2_stream_send(&s, STR("data"), true, soon()), 0);
    CHECK(s.opened > 0 && s.written >= s.opened);
    CHECK_EQ(h2_stream_wait_end(&s, soon()), 0);
    CHECK_EQ(s.status, 200);
    h2_stream_close(&s);
    /* One that is given up before its data leaves the connection as it was. */
    CHECK_EQ(open_with(&s, "/1", true, true), 0);
    h2_stream_close(&s);
    CHECK_EQ(open_path(&s, "/1", false), 0);
    CHECK_EQ(h2_stream_wait_end(&s, soon()), 0);
    h2_stream_close(&s);
}

TEST(h2_sends_a_head_together_with_its_data)
{
    play(together, false);
}

TEST(h2_sends_bodies_within_the_window)
{
    play(upload, false);
}

static bool refuse_body(struct h2_stream *s)
{
    return s->status != 200;
}

static void limits(void)
{
    struct h2_stream s = {.arena = &arena, .max_body = 10};
    struct h2_request r = {STR("GET"), STR("https"), STR("a"), STR("/11"), NULL, 0, false, false};

    CHECK_EQ(h2_stream_open(conn, &s, &r, soon()), 0);
    CHECK_EQ(h2_stream_wait_end(&s, soon()), ERR_HTTP_BODY_LIMIT);
    h2_stream_close(&s);
    s = (struct h2_stream){.arena = &arena, .max_body = 10, .on_head = refuse_body};
    CHECK_EQ(h2_stream_open(conn, &s, &r, soon()), 0);
    CHECK_EQ(h2_stream_wait_end(&s, soon()), 0);
    CHECK_EQ(s.body.len, 0);
    h2_stream_close(&s);
}

TEST(h2_bounds_bodies)
{
    play(limits, false);
}

/* --- refusals ----------------------------------------------------------------------------- */

static void resets(void)
{
    struct h2_stream s;

    CHECK_EQ(open_path(&s, "/reset", false), 0);
    CHECK_EQ(h2_stream_wait_end(&s, soon()), ERR_H2_STREAM);
    CHECK_EQ(s.code, NGHTTP2_INTERNAL_ERROR);
    CHECK(!s.is_refused);
    h2_stream_close(&s);
    CHECK_EQ(open_path(&s, "/refuse", false), 0);
    CHECK_EQ(h2_stream_wait_end(&s, soon()), ERR_H2_STREAM);
    CHECK(s.is_refused);
    h2_stream_close(&s);
    CHECK(h2_conn_is_open(conn));
    CHECK_EQ(open_path(&s, "/1", false), 0);
    CHECK_EQ(h2_stream_wait_end(&s, soon()), 0);
    h2_stream_close(&s);
}

TEST(h2_tells_of_reset_streams)
{
    play(resets, false);
}

static void away(void)
{
    struct h2_stream s;

    CHECK_EQ(open_path(&s, "/away", false), 0);
    CHECK_EQ(h2_stream_wait_end(&s, soon()), ERR_H2_GOAWAY);
    CHECK_EQ(s.code, NGHTTP2_ENHANCE_YOUR_CALM);
    h2_stream_close(&s);
    CHECK(!h2_conn_is_open(conn));
    CHECK(open_path(&s, "/1", false) != 0);
    CHECK(s.is_refused);
    h2_stream_close(&s);
}

TEST(h2_tells_of_a_server_that_goes_away)
{
    play(away, false);
}

static void abandoned(void)
{
    struct h2_stream s;

    CHECK_EQ(open_path(&s, "/hold", false), 0);
    CHECK_EQ(h2_stream_wait_end(&s, clock_now() + SECOND / 100), ERR_TIMEOUT);
    h2_stream_close(&s);
    CHECK_EQ(open_path(&s, "/2", false), 0);
    CHECK_EQ(h2_stream_wait_end(&s, soon()), 0);
    h2_stream_close(&s);
    CHECK_EQ(closed_code, NGHTTP2_CANCEL);
}

TEST(h2_cancels_a_stream_that_took_too_long)
{
    play(abandoned, false);
}

/* --- bytes that no server should send ----------------------------------------------------- */

static void push_frame(uint8_t type, uint8_t flags, uint32_t id, const void *data, size_t len)
{
    uint8_t head[9] = {
        (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len,       type,       flags,
        (uint8_t)(id >> 24),  (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};

    memstream_push(server_end, head, sizeof head);
    if (len)
        memstream_push(server_end, data, len);
}

/* Opens a stream, lets `attack` push bytes, and expects the connection to break in order. */
static void expect_broken(void (*attack)(void), int want)
{
    struct h2_stream s;

    CHECK_EQ(open_path(&s, "/", false), 0);
    attack();
    CHECK_EQ(h2_stream_wait_end(&s, soon()), want);
    CHECK_EQ(s.err, want);
    h2_stream_close(&s);
    CHECK(!h2_conn_is_open(conn));
}

static void push_garbage(void)
{
    static const char text[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

    memstream_push(server_end, text, sizeof text - 1);
}

static void garbage(void)
{
    expect_broken(push_garbage, ERR_H2_CONNECTION);
}

TEST(h2_refuses_another_protocol)
{
    play(garbage, true);
}

static void push_huge_frame(void)
{
    static const uint8_t head[9] = {0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1};

    push_frame(NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    memstream_push(server_end, head, sizeof head);
}

static void huge_frame(void)
{
    expect_broken(push_huge_frame, ERR_H2_CONNECTION);
}

TEST(h2_refuses_a_frame_of_16_megabytes)
{
    play(huge_frame, true);
}

static void push_end(void)
{
    push_frame(NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    memstream_end(server_end);
}

static void cut(void)
{
    expect_broken(push_end, ERR_UNEXPECTED_EOF);
}

TEST(h2_tells_of_a_cut_connection)
{
    play(cut, true);
}

/* A HEADERS frame that never ends: CONTINUATION after CONTINUATION (CVE-2024-28182). */
static void push_continuations(void)
{
    static const uint8_t status = 0x88;
    static uint8_t field_bytes[16000];

    push_frame(NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    push_frame(NGHTTP2_HEADERS, 0, 1, &status, 1);
    memset(field_bytes, 'a', sizeof field_bytes);
    field_bytes[0] = 0x00; /* a literal field that is not indexed: a name and a value of 127 and */
    field_bytes[1] = 0x7f; /* more bytes in Huffman-less form */
    field_bytes[2] = 0xff;
    for (int i = 0; i < 2000; i++)
        push_frame(NGHTTP2_CONTINUATION, 0, 1, field_bytes, sizeof field_bytes);
}

static void continuations(void)
{
    struct h2_stream s;
    int err;

    CHECK_EQ(open_path(&s, "/", false), 0);
    push_continuations();
    err = h2_stream_wait_end(&s, soon());
    CHECK(err == ERR_H2_CONNECTION || err == ERR_H2_STREAM);
    h2_stream_close(&s);
}

TEST(h2_ends_a_flood_of_continuations)
{
    play(continuations, true);
}

/* A small table entry, named again and again: megabytes out of some kilobytes. */
static void push_bomb(void)
{
    static uint8_t block[16000];
    size_t len = 0;

    push_frame(NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    block[len++] = 0x88; /* :status 200 */
    block[len++] = 0x40; /* a new indexed field: "x", and a value of 3,000 bytes */
    block[len++] = 1;
    block[len++] = 'x';
    block[len++] = 0x7f;
    block[len++] = (3000 - 127) % 128 | 0x80;
    block[len++] = (3000 - 127) / 128;
    memset(block + len, 'v', 3000);
    len += 3000;
    while (len < sizeof block)
        block[len++] = 0xbe; /* the newest entry of the table */
    push_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, block, len);
}

static void bomb(void)
{
    struct h2_stream s;

    CHECK_EQ(open_path(&s, "/", false), 0);
    push_bomb();
    CHECK_EQ(h2_stream_wait_end(&s, soon()), ERR_HTTP_HEADER_LIMIT);
    h2_stream_close(&s);
    CHECK(h2_conn_is_open(conn));
}

TEST(h2_bounds_what_a_header_bomb_unpacks_to)
{
    play(bomb, true);
}

static void push_settings(void)
{
    for (int i = 0; i < 100000; i++)
        push_frame(NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    memstream_end(server_end);
}

static void settings(void)
{
    struct h2_stream s;
    int err;

    CHECK_EQ(open_path(&s, "/", false), 0);
    push_settings();
    err = h2_stream_wait_end(&s, soon());
    CHECK(err == ERR_H2_CONNECTION || err == ERR_UNEXPECTED_EOF);
    h2_stream_close(&s);
}

TEST(h2_survives_a_flood_of_settings)
{
    play(settings, true);
}
