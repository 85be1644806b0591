#include <zlib.h>

#include "base/err.h"
#include "proto/ws/internal.h"

enum {
    WINDOW = -15, /* raw deflate */
    MEMORY = 8,
    STEP = 16 * 1024,
};

/* RFC 7692 7.2.1: what every packed message would end with, and does not. */
static const unsigned char tail[4] = {0x00, 0x00, 0xff, 0xff};

int ws_deflate(struct str plain, struct buf *out)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)plain.ptr, .avail_in = (uInt)plain.len};
    int result;

    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW, MEMORY, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        return ERR_LIMIT;
    do {
        char *room = buf_room(out, STEP);

        if (!room)
            break;
        z.next_out = (Bytef *)room;
        z.avail_out = STEP;
        result = deflate(&z, Z_SYNC_FLUSH);
        buf_added(out, STEP - z.avail_out);
    } while (result == Z_OK && z.avail_out == 0);
    deflateEnd(&z);
    if (buf_is_over(out))
        return ERR_LIMIT;
    if (out->len >= sizeof tail)
        out->len -= sizeof tail;
    return 0;
}

/* Feeds one piece; false: broken data, or too much of it. */
static int inflate_piece(z_stream *z, const void *data, size_t len, struct buf *out)
{
    z->next_in = (Bytef *)(uintptr_t)data;
    z->avail_in = (uInt)len;
    do {
        size_t step = buf_left(out) < STEP ? buf_left(out) : STEP;
        char *room = buf_room(out, step + (step == 0));
        int result;

        if (!room)
            return ERR_LIMIT;
        z->next_out = (Bytef *)room;
        z->avail_out = (uInt)step;
        result = inflate(z, Z_SYNC_FLUSH);
        buf_added(out, step - z->avail_out);
        if (result == Z_BUF_ERROR || result == Z_STREAM_END)
            return 0;
        if (result != Z_OK)
            return ERR_DECOMPRESS;
    } while (z->avail_in > 0 || z->avail_out == 0);
    return 0;
}

int ws_inflate(struct str packed, struct buf *out)
{
    z_stream z = {.zalloc = NULL};
    int err;

    if (inflateInit2(&z, WINDOW) != Z_OK)
        return ERR_DECOMPRESS;
    err = inflate_piece(&z, packed.ptr, packed.len, out);
    if (err == 0)
        err = inflate_piece(&z, tail, sizeof tail, out);
    inflateEnd(&z);
    return err;
}
