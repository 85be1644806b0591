/* WebSocket sessions against bytes in memory: what RFC 6455 asks of a client, and what no server
 * should send. */
#include "proto/ws/ws.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "net/memstream.h"
#include "proto/ws/internal.h"
#include "support/test.h"

enum { MOST = 100000 };

static struct loop *loop;
static struct stream *peer;
static struct ws *ws;
static bool deflate;

static void scene_main(void *arg)
{
    void (*fn)(void) = *(void (**)(void))arg;
    struct stream *own;

    memstream_pair(NULL, &own, &peer);
    ws = ws_new(own, deflate, MOST, STR(""));
    fn();
    ws_free(ws);
    stream_close(peer);
    loop_stop(loop);
}

static void play(void (*fn)(void))
{
    CHECK_EQ(loop_new(&loop), 0);
    fiber_start(loop, scene_main, &fn);
    loop_run(loop);
    loop_free(loop);
}

static int64_t soon(void)
{
    return clock_now() + 5 * NSEC_PER_SEC;
}

/* A frame as a server sends it. `first`: FIN, reserved bits, opcode. */
static void push_frame(uint8_t first, const char *data, size_t len)
{
    uint8_t head[4] = {first, (uint8_t)len, 0, 0};

    if (len > 125) {
        head[1] = 126;
        head[2] = (uint8_t)(len >> 8);
        head[3] = (uint8_t)len;
    }
    memstream_push(peer, head, len > 125 ? 4 : 2);
    memstream_push(peer, data, len);
}

static void push_text(uint8_t first, const char *text)
{
    push_frame(first, text, strlen(text));
}

static void expect_message(enum ws_kind kind, const char *text)
{
    struct ws_message m;

    CHECK_EQ(ws_read(ws, &m, soon(), NULL), 0);
    CHECK_EQ(m.kind, kind);
    CHECK(str_eq_c(m.data, text));
}

/* --- good manners ------------------------------------------------------------------------- */

static void messages(void)
{
    push_text(0x81, "one");
    push_text(0x01, "t"); /* fragments, with a ping between them */
    push_text(0x89, "p");
    push_text(0x80, "wo");
    push_text(0x82, "bin");
    expect_message(WS_TEXT, "one");
    expect_message(WS_PING, "p");
    expect_message(WS_TEXT, "two");
    expect_message(WS_BINARY, "bin");
}

TEST(ws_reads_messages_and_fragments)
{
    play(messages);
}

/* The first byte of the frame that we sent, its length, and that it is masked. */
static void expect_sent(uint8_t first, size_t len)
{
    char head[128];
    ptrdiff_t got = stream_read(peer, head, sizeof head, soon(), NULL);

    CHECK_EQ(got, (long long)(len + 6));
    CHECK_EQ((uint8_t)head[0], first);
    CHECK_EQ((uint8_t)head[1], 0x80 | len);
}

static void sending(void)
{
    struct ws_message m;

    CHECK_EQ(ws_send(ws, WS_TEXT, STR("hello"), soon()), 0);
    expect_sent(0x81, 5);
    CHECK_EQ(ws_send(ws, WS_PING, STR("1"), soon()), 0);
    expect_sent(0x89, 1);
    push_text(0x89, "x"); /* a ping is answered */
    expect_message(WS_PING, "x");
    expect_sent(0x8a, 1);
    CHECK_EQ(ws_close(ws, 3000, STR("bye"), soon()), 0);
    expect_sent(0x88, 5);
    CHECK_EQ(ws_send(ws, WS_TEXT, STR("late"), soon()), ERR_WS_CLOSED);
    CHECK_EQ(ws_close(ws, 3000, STR("bye"), soon()), 0);
    push_frame(0x88, "\x0b\xb8ok", 4);
    CHECK_EQ(ws_read(ws, &m, soon(), NULL), 0);
    CHECK_EQ(m.kind, WS_CLOSE);
    CHECK_EQ(m.code, 3000);
    CHECK(str_eq_c(m.data, "ok"));
}

TEST(ws_sends_masked_frames_and_closes)
{
    play(sending);
}

static void close_without_code(void)
{
    struct ws_message m;

    push_frame(0x88, "", 0);
    CHECK_EQ(ws_read(ws, &m, soon(), NULL), 0);
    CHECK_EQ(m.kind, WS_CLOSE);
    CHECK_EQ(m.code, WS_NO_STATUS);
}

TEST(ws_tells_of_a_close_without_a_code)
{
    play(close_without_code);
}

static void packed(void)
{
    struct buf out = BUF_INIT(MOST);
    struct ws_message m;

    CHECK_EQ(ws_deflate(STR("hello hello hello"), &out), 0);
    push_frame(0xc1, out.data, out.len);
    push_text(0x81, "plain");
    expect_message(WS_TEXT, "hello hello hello");
    expect_message(WS_TEXT, "plain");
    push_text(0xc1, "\xff\xff garbage");
    CHECK_EQ(ws_read(ws, &m, soon(), NULL), ERR_WS_PROTOCOL);
    buf_deinit(&out);
}

TEST(ws_unpacks_messages)
{
    deflate = true;
    play(packed);
}

/* Some hundred bytes that unpack to more than is allowed. */
static void bomb(void)
{
    static char zeros[MOST + 1];
    struct buf out = BUF_INIT(MOST);
    struct ws_message m;

    CHECK_EQ(ws_deflate(str_from(zeros, sizeof zeros), &out), 0);
    CHECK(out.len < 1000);
    push_frame(0xc2, out.data, out.len);
    CHECK_EQ(ws_read(ws, &m, soon(), NULL), ERR_WS_PROTOCOL);
    buf_deinit(&out);
}

TEST(ws_bounds_what_a_message_unpacks_to)
{
    deflate = true;
    play(bomb);
}

/* --- bad manners -------------------------------------------------------------------------- */

struct breach {
    const char *bytes;
    size_t len;
    const char *says;
};

#define BYTES(literal) (literal), sizeof(literal) - 1

static const struct breach breaches[] = {
    {BYTES("\xa1\x01x"), "websocket: close 1002 (protocol error)"},        /* a reserved bit */
    {BYTES("\x83\x01x"), "websocket: close 1002 (protocol error)"},        /* an unknown opcode */
    {BYTES("\x80\x01x"), "websocket: close 1002 (protocol error)"},        /* continues nothing */
    {BYTES("\x09\x01x"), "websocket: close 1002 (protocol error)"},        /* a fragmented ping */
    {BYTES("\x89\x7e\x00\x80"), "websocket: close 1002 (protocol error)"}, /* a long ping */
    {BYTES("\x81\x02\xc3\x28"), "websocket: close 1007 (invalid payload data)"}, /* no UTF-8 */
    {BYTES("\x82\x7f\x00\x00\x00\x00\x40\x00\x00\x00x"),
     "websocket: close 1009 (message too big)"}, /* 1 GB */
    {BYTES("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"),
     "websocket: close 1002 (protocol error)"}, /* more than 63 bits */
};

static const struct breach *breach;

static void break_rule(void)
{
    struct ws_message m;
    struct diag d = DIAG_INIT;

    memstream_push(peer, breach->bytes, breach->len);
    CHECK_EQ(ws_read(ws, &m, soon(), &d), ERR_WS_PROTOCOL);
    CHECK_TEXT(d.message, breach->says);
    diag_deinit(&d);
    CHECK(memstream_unread(peer).len >= 6); /* our close frame */
}

TEST(ws_closes_on_breaches)
{
    for (size_t i = 0; i < COUNT_OF(breaches); i++) {
        breach = &breaches[i];
        play(break_rule);
    }
}

static void cut(void)
{
    struct ws_message m;

    memstream_push(peer, "\x81\x05he", 4);
    memstream_end(peer);
    CHECK_EQ(ws_read(ws, &m, soon(), NULL), ERR_UNEXPECTED_EOF);
}

TEST(ws_tells_of_a_cut_connection)
{
    play(cut);
}
