/* layer: proto
 *
 * What a gRPC server may send inside an orderly HTTP/2 response: any bytes as messages. The first
 * byte of the input says how they come: in pieces of which size, and whether trailers follow, the
 * stream just ends or the connection does. No message passes the limit, each lies behind its prefix
 * as it was sent, and the call ends with a status. */
#include <string.h>

#include "base/clock.h"
#include "net/memstream.h"
#include "on_fiber.h"
#include "proto/grpc/grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    MESSAGE_MAX = 300,
    PREFIX = 5,
    FRAME_HEAD = 9,
    /* RFC 9113 6: types and flags. */
    DATA = 0,
    HEADERS = 1,
    SETTINGS = 4,
    END_STREAM = 1,
    END_HEADERS = 4,
};

/* How the response ends: the two low bits of the first byte. */
enum { BY_TRAILERS, BY_BAD_TRAILERS, BY_END_STREAM, BY_CONNECTION };

static void push_frame(struct stream *server, int type, int flags, const void *data, size_t len)
{
    bool of_stream = type != SETTINGS;
    const uint8_t head[FRAME_HEAD] = {(uint8_t)(len >> 16),
                                      (uint8_t)(len >> 8),
                                      (uint8_t)len,
                                      (uint8_t)type,
                                      (uint8_t)flags,
                                      0,
                                      0,
                                      0,
                                      of_stream};

    memstream_push(server, head, sizeof head);
    memstream_push(server, data, len);
}

static void push_response(struct stream *server, const struct fuzz_input *in)
{
    static const uint8_t status_200[] = {0x88}; /* RFC 7541 appendix A: index 8 */
    static const char ok[] = "\0\x0bgrpc-status\x01"
                             "0\0\x0cgrpc-message\x04"
                             "%41%";
    static const char bad[] = "\0\x0bgrpc-status\x03"
                              "abc";
    int how = in->size > 0 ? in->data[0] & 3 : BY_TRAILERS;
    size_t piece = in->size > 0 ? 1 + (size_t)(in->data[0] >> 2) * 16 : 1;

    push_frame(server, SETTINGS, 0, NULL, 0);
    push_frame(server, HEADERS, END_HEADERS, status_200, sizeof status_200);
    for (size_t at = 1; at < in->size; at += piece) {
        size_t len = in->size - at < piece ? in->size - at : piece;

        push_frame(server, DATA, 0, in->data + at, len);
    }
    if (how == BY_TRAILERS)
        push_frame(server, HEADERS, END_HEADERS | END_STREAM, ok, sizeof ok - 1);
    else if (how == BY_BAD_TRAILERS)
        push_frame(server, HEADERS, END_HEADERS | END_STREAM, bad, sizeof bad - 1);
    else if (how == BY_END_STREAM)
        push_frame(server, DATA, END_STREAM, NULL, 0);
    memstream_end(server);
}

static void check_messages(struct grpc_call *call, const struct fuzz_input *in)
{
    struct str message;
    size_t at = 1;

    while (grpc_receive(call, &message)) {
        ensure(message.len <= MESSAGE_MAX);
        ensure(at + PREFIX + message.len <= in->size);
        ensure(message.len == 0 || memcmp(message.ptr, in->data + at + PREFIX, message.len) == 0);
        at += PREFIX + message.len;
    }
    ensure(call->status != GRPC_DEADLINE_EXCEEDED);
    ensure(call->status != GRPC_OK || at >= in->size);
}

static void run(void *arg)
{
    struct fuzz_input *in = arg;
    struct stream *client;
    struct stream *server;
    struct arena arena;
    struct grpc_call call = {
        .arena = &arena,
        .scheme = STR("https"),
        .authority = STR("a"),
        .path = STR("/s/m"),
        .deadline = clock_now() + 5 * NSEC_PER_SEC,
        .max_receive = MESSAGE_MAX,
    };

    arena_init(&arena);
    memstream_pair(NULL, &client, &server);
    call.conn = h2_conn_new(client);
    grpc_open(&call);
    grpc_send(&call, STR("hello"), true);
    push_response(server, in);
    check_messages(&call, in);
    grpc_close(&call);
    h2_conn_unref(call.conn);
    fiber_yield();
    stream_close(server);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_on_fiber(data, size, run);
    return 0;
}
