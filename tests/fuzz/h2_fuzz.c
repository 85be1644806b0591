/* layer: proto
 *
 * What a server may send over HTTP/2: any bytes, after the client has asked for two things. The
 * session ends in order, and what it took stays within its limits. */
#include "base/clock.h"
#include "base/err.h"
#include "net/memstream.h"
#include "on_fiber.h"
#include "proto/h2/h2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 1000 };

static void check(struct h2_stream *s)
{
    int err = h2_stream_wait_end(s, clock_now() + NSEC_PER_SEC);

    ensure(err != ERR_TIMEOUT);
    ensure(s->body.len <= BODY_MAX);
    ensure(s->header_count <= H2_HEADERS_MAX && s->trailer_count <= H2_HEADERS_MAX);
    ensure(err || (s->status >= 200 && s->status <= 999));
}

static void run(void *arg)
{
    struct fuzz_input *in = arg;
    struct h2_request request = {STR("GET"), STR("https"), STR("a"), STR("/"), NULL,
                                 0,          false,        false};
    struct h2_stream streams[2];
    struct stream *client;
    struct stream *server;
    struct h2_conn *conn;
    struct arena arena;

    arena_init(&arena);
    memstream_pair(NULL, &client, &server);
    conn = h2_conn_new(client);
    for (int i = 0; i < 2; i++) {
        streams[i] = (struct h2_stream){.arena = &arena, .max_body = BODY_MAX};
        ensure(h2_stream_open(conn, &streams[i], &request, INT64_MAX) == 0);
    }
    memstream_push(server, in->data, in->size);
    memstream_end(server);
    for (int i = 0; i < 2; i++)
        check(&streams[i]);
    for (int i = 0; i < 2; i++)
        h2_stream_close(&streams[i]);
    h2_conn_unref(conn);
    fiber_yield();
    stream_close(server);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_on_fiber(data, size, run);
    return 0;
}
