/* layer: proto
 *
 * What a server may send over a WebSocket: any bytes, with and without compression (the first byte
 * says which). Text that comes out is UTF-8, and no message passes the limit. */
#include "base/clock.h"
#include "base/err.h"
#include "net/memstream.h"
#include "on_fiber.h"
#include "proto/ws/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGE_MAX = 5000 };

static void run(void *arg)
{
    struct fuzz_input *in = arg;
    struct ws_message m;
    struct stream *own;
    struct stream *peer;
    struct ws *ws;
    int err = 0;

    memstream_pair(NULL, &own, &peer);
    ws = ws_new(own, in->size > 0 && (in->data[0] & 1), MESSAGE_MAX, STR(""));
    if (in->size > 0)
        memstream_push(peer, in->data + 1, in->size - 1);
    memstream_end(peer);
    while (err == 0) {
        err = ws_read(ws, &m, clock_now() + NSEC_PER_SEC, NULL);
        ensure(err != ERR_TIMEOUT);
        if (err == 0)
            ensure(m.data.len <= MESSAGE_MAX && (m.kind != WS_TEXT || str_is_utf8(m.data)));
    }
    ws_free(ws);
    stream_close(peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_on_fiber(data, size, run);
    return 0;
}
