/* layer: proto
 *
 * Chunked bodies: whatever way the bytes are cut, the same body, end and error come out. The first
 * byte says how large the pieces are. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/ensure.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    int result;
    size_t used; /* up to the end of the body */
    struct buf body;
};

static struct outcome read_all(const char *data, size_t size, size_t step)
{
    struct outcome o = {.result = HTTP1_CHUNK_MORE, .body = BUF_INIT(SIZE_MAX)};
    struct http1_chunks c = HTTP1_CHUNKS_INIT;

    while (o.used < size && o.result == HTTP1_CHUNK_MORE) {
        size_t len = size - o.used < step ? size - o.used : step;
        char *copy = mem_dup(data + o.used, len);
        struct str in = str_from(copy, len);
        struct str piece;

        while ((o.result = http1_chunks_next(&c, &in, &piece)) == HTTP1_CHUNK_DATA) {
            ensure(piece.len > 0 && piece.ptr >= copy && piece.ptr + piece.len <= copy + len);
            buf_append_str(&o.body, piece);
        }
        ensure(in.len <= len);
        ensure(o.result != HTTP1_CHUNK_MORE || in.len == 0);
        o.used += len - in.len;
        mem_free(copy);
    }
    if (o.result < 0)
        ensure(c.why && (o.result == ERR_HTTP || o.result == ERR_HTTP_HEADER_LIMIT));
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole;
    struct outcome cut;

    if (size < 2)
        return 0;
    whole = read_all((const char *)data + 1, size - 1, size);
    cut = read_all((const char *)data + 1, size - 1, (size_t)data[0] % 32 + 1);
    ensure(whole.result == cut.result && whole.used == cut.used);
    ensure(str_eq(buf_str(&whole.body), buf_str(&cut.body)));
    buf_deinit(&whole.body);
    buf_deinit(&cut.body);
    return 0;
}
