#include "proto/compress.h"

#include <brotli/decode.h>
#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include "base/err.h"

enum {
    STEP = 16 * 1024, /* room asked for at a time, at least */
    WINDOW_GZIP = 15 + 16,
    WINDOW_ZLIB = 15,
    WINDOW_RAW = -15,
    BROTLI_QUALITY = 6, /* between speed and size, as Go's writers choose */
    ZSTD_LEVEL = 3,
    ZSTD_WINDOW_LOG_MAX = 23, /* 8 MB: RFC 8878 3.1.1.1.2's recommendation */
};

static const char *const names[] = {
    [COMPRESS_GZIP] = "gzip",
    [COMPRESS_DEFLATE] = "deflate",
    [COMPRESS_BR] = "br",
    [COMPRESS_ZSTD] = "zstd",
};

const char *compress_name(enum compress_kind kind)
{
    return names[kind];
}

int compress_chain_parse(struct str list, struct compress_chain *out, struct str *unknown)
{
    struct compress_chain chain = {.count = 0};

    while (list.len > 0) {
        struct str name = str_trim(str_cut(&list, ','));
        size_t kind = 0;

        if (!name.len || str_eq_nocase(name, STR("identity")))
            continue;
        if (str_eq_nocase(name, STR("x-gzip")))
            name = STR("gzip");
        while (kind < COUNT_OF(names) && !str_eq_nocase(name, str_of(names[kind])))
            kind++;
        if (kind == COUNT_OF(names) || chain.count == COMPRESS_CHAIN_MAX) {
            if (unknown)
                *unknown = name;
            return ERR_UNSUPPORTED;
        }
        chain.kinds[chain.count++] = (enum compress_kind)kind;
    }
    *out = chain;
    return 0;
}

/* Room for at least one byte more, at most STEP or as much again as there is; NULL: the buffer is
 * full. */
static char *some_room(struct buf *out, size_t *size)
{
    size_t want = out->len > STEP ? out->len : STEP;

    if (want > buf_left(out))
        want = buf_left(out);
    *size = want;
    return want ? buf_room(out, want) : NULL;
}

/* --- gzip and deflate --------------------------------------------------------------------- */

/* zlib counts in unsigned int. */
static void feed(z_stream *z, struct str *in)
{
    enum { PIECE = 1 << 30 };
    size_t len = in->len < PIECE ? in->len : PIECE;

    if (z->avail_in > 0 || len == 0)
        return;
    z->next_in = (Bytef *)(uintptr_t)in->ptr;
    z->avail_in = (uInt)len;
    *in = str_from_index(*in, len);
}

static int zlib_encode(struct str in, int window, struct buf *out)
{
    z_stream z = {0};
    int status;
    int err = 0;

    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return ERR_LIMIT;
    do {
        size_t size;
        char *room = some_room(out, &size);

        if (!room) {
            err = ERR_LIMIT;
            break;
        }
        feed(&z, &in);
        z.next_out = (Bytef *)room;
        z.avail_out = (uInt)(size < UINT32_MAX ? size : UINT32_MAX);
        size = z.avail_out;
        status = deflate(&z, in.len ? Z_NO_FLUSH : Z_FINISH);
        buf_added(out, size - z.avail_out);
    } while (status != Z_STREAM_END);
    deflateEnd(&z);
    return err;
}

/* Whether another gzip member follows in `z` (RFC 1952 2.2). */
static bool next_member(z_stream *z, int window)
{
    return window == WINDOW_GZIP && z->avail_in > 0 && inflateReset(z) == Z_OK;
}

static int inflate_all(z_stream *z, struct str in, int window, struct buf *out)
{
    for (;;) {
        char probe;
        size_t size;
        char *room = some_room(out, &size);
        int status;

        feed(z, &in);
        /* A full buffer is no error when nothing more comes. */
        z->next_out = (Bytef *)(room ? room : &probe);
        size = room ? size : 1;
        z->avail_out = (uInt)(size < UINT32_MAX ? size : UINT32_MAX);
        size = z->avail_out;
        status = inflate(z, Z_NO_FLUSH);
        if (!room && z->avail_out == 0)
            return ERR_LIMIT;
        if (room)
            buf_added(out, size - z->avail_out);
        feed(z, &in);
        if (status == Z_STREAM_END && !next_member(z, window))
            return 0;
        if (status != Z_OK && status != Z_STREAM_END)
            return ERR_DECOMPRESS;
    }
}

static int zlib_decode(struct str in, int window, struct buf *out)
{
    z_stream z = {0};
    int err;

    if (inflateInit2(&z, window) != Z_OK)
        return ERR_LIMIT;
    err = inflate_all(&z, in, window, out);
    inflateEnd(&z);
    return err;
}

/* "deflate" means the zlib format (RFC 9110 8.4.1.2), but servers send raw deflate too. A zlib
 * header names the method 8 and is divisible by 31. */
static bool is_zlib(struct str in)
{
    unsigned first;

    if (in.len < 2)
        return false;
    first = (unsigned char)in.ptr[0];
    return (first & 15) == 8 && (first * 256 + (unsigned char)in.ptr[1]) % 31 == 0;
}

/* --- brotli ------------------------------------------------------------------------------- */

static int brotli_encode(struct str in, struct buf *out)
{
    BrotliEncoderState *s = BrotliEncoderCreateInstance(NULL, NULL, NULL);
    const uint8_t *next_in = (const uint8_t *)in.ptr;
    size_t left = in.len;
    int err = s ? 0 : ERR_LIMIT;

    if (err)
        return err;
    BrotliEncoderSetParameter(s, BROTLI_PARAM_QUALITY, BROTLI_QUALITY);
    while (!BrotliEncoderIsFinished(s)) {
        size_t size;
        char *room = some_room(out, &size);
        uint8_t *next_out = (uint8_t *)room;
        size_t free_bytes = size;

        if (!room) {
            err = ERR_LIMIT;
            break;
        }
        if (!BrotliEncoderCompressStream(s, BROTLI_OPERATION_FINISH, &left, &next_in, &free_bytes,
                                         &next_out, NULL)) {
            err = ERR_INVALID;
            break;
        }
        buf_added(out, size - free_bytes);
    }
    BrotliEncoderDestroyInstance(s);
    return err;
}

static int brotli_decode(struct str in, struct buf *out)
{
    BrotliDecoderState *s = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    const uint8_t *next_in = (const uint8_t *)in.ptr;
    size_t left = in.len;
    int err = s ? 0 : ERR_LIMIT;

    while (err == 0) {
        uint8_t probe;
        size_t size;
        char *room = some_room(out, &size);
        uint8_t *next_out = room ? (uint8_t *)room : &probe;
        size_t free_bytes = room ? size : 1;
        BrotliDecoderResult result =
            BrotliDecoderDecompressStream(s, &left, &next_in, &free_bytes, &next_out, NULL);

        if (room)
            buf_added(out, size - free_bytes);
        else if (free_bytes == 0)
            err = ERR_LIMIT;
        if (err || result == BROTLI_DECODER_RESULT_SUCCESS)
            break;
        if (result != BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT)
            err = ERR_DECOMPRESS;
    }
    BrotliDecoderDestroyInstance(s);
    return err;
}

/* --- zstd --------------------------------------------------------------------------------- */

static int zstd_encode(struct str in, struct buf *out)
{
    size_t bound = ZSTD_compressBound(in.len);
    char *room = ZSTD_isError(bound) ? NULL : buf_room(out, bound);
    size_t len;

    if (!room)
        return ERR_LIMIT;
    len = ZSTD_compress(room, bound, in.ptr, in.len, ZSTD_LEVEL);
    if (ZSTD_isError(len))
        return ERR_INVALID;
    buf_added(out, len);
    return 0;
}

static int zstd_decode_with(ZSTD_DStream *s, struct str in, struct buf *out)
{
    ZSTD_inBuffer from = {in.ptr, in.len, 0};
    size_t left;

    if (ZSTD_isError(ZSTD_DCtx_setParameter(s, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX)))
        return ERR_DECOMPRESS;
    for (;;) {
        char probe;
        size_t size;
        char *room = some_room(out, &size);
        ZSTD_outBuffer to = {room ? room : &probe, room ? size : 1, 0};

        left = ZSTD_decompressStream(s, &to, &from);
        if (ZSTD_isError(left))
            return ERR_DECOMPRESS;
        if (room)
            buf_added(out, to.pos);
        else if (to.pos > 0)
            return ERR_LIMIT;
        if (from.pos == from.size && left == 0)
            return 0;
        if (from.pos == from.size && to.pos < to.size)
            return ERR_DECOMPRESS;
    }
}

static int zstd_decode(struct str in, struct buf *out)
{
    ZSTD_DStream *s = ZSTD_createDStream();
    int err = s ? zstd_decode_with(s, in, out) : ERR_LIMIT;

    ZSTD_freeDStream(s);
    return err;
}

/* --- chains ------------------------------------------------------------------------------- */

static int encode_one(enum compress_kind kind, struct str in, struct buf *out)
{
    switch (kind) {
    case COMPRESS_GZIP:
        return zlib_encode(in, WINDOW_GZIP, out);
    case COMPRESS_DEFLATE:
        return zlib_encode(in, WINDOW_ZLIB, out);
    case COMPRESS_BR:
        return brotli_encode(in, out);
    default:
        return zstd_encode(in, out);
    }
}

static int decode_one(enum compress_kind kind, struct str in, struct buf *out)
{
    /* Nothing at all is what a server sends that forgot to compress nothing. */
    if (in.len == 0)
        return 0;
    switch (kind) {
    case COMPRESS_GZIP:
        return zlib_decode(in, WINDOW_GZIP, out);
    case COMPRESS_DEFLATE:
        return zlib_decode(in, is_zlib(in) ? WINDOW_ZLIB : WINDOW_RAW, out);
    case COMPRESS_BR:
        return brotli_decode(in, out);
    default:
        return zstd_decode(in, out);
    }
}

typedef int step_fn(enum compress_kind kind, struct str in, struct buf *out);

static int run_chain(const struct compress_chain *chain, step_fn *step, bool is_backward,
                     struct str in, struct buf *out)
{
    size_t max = out->len + buf_left(out);
    struct buf between[2] = {BUF_INIT(max), BUF_INIT(max)};
    int err = 0;

    if (chain->count == 0)
        return buf_append_str(out, in);
    for (size_t i = 0; err == 0 && i < chain->count; i++) {
        bool is_last = i + 1 == chain->count;
        struct buf *to = is_last ? out : &between[i % 2];

        if (!is_last)
            buf_reset(to);
        err = step(chain->kinds[is_backward ? chain->count - 1 - i : i], in, to);
        in = buf_str(to);
    }
    buf_deinit(&between[0]);
    buf_deinit(&between[1]);
    return err;
}

int compress_encode(const struct compress_chain *chain, struct str in, struct buf *out)
{
    return run_chain(chain, encode_one, false, in, out);
}

int compress_decode(const struct compress_chain *chain, struct str in, struct buf *out)
{
    return run_chain(chain, decode_one, true, in, out);
}
