/* Content codings: gzip, deflate, br, zstd, and chains of them ("gzip, br": gzip was applied
 * first).
 *
 * Output is bounded: what would grow past its maximum is an error and not a full machine. */
#ifndef PROTO_COMPRESS_H
#define PROTO_COMPRESS_H

#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

enum compress_kind { COMPRESS_GZIP, COMPRESS_DEFLATE, COMPRESS_BR, COMPRESS_ZSTD };

enum { COMPRESS_CHAIN_MAX = 8 };

struct compress_chain {
    enum compress_kind kinds[COMPRESS_CHAIN_MAX]; /* in order of application */
    size_t count;
};

const char *compress_name(enum compress_kind kind); /* "gzip", ... */

/* A comma-separated list of names. ERR_UNSUPPORTED for an unknown one (`*unknown`, may be NULL, is
 * set to it; "identity" and empty elements are passed over) and for more than COMPRESS_CHAIN_MAX.
 */
MUST_USE int compress_chain_parse(struct str list, struct compress_chain *out, struct str *unknown);

/* Applies or undoes the whole chain; the result is appended to `out`, whose maximum is the bound
 * for each step. ERR_LIMIT: more output than that; ERR_DECOMPRESS: `in` is broken or cut off. */
MUST_USE int compress_encode(const struct compress_chain *chain, struct str in, struct buf *out);
MUST_USE int compress_decode(const struct compress_chain *chain, struct str in, struct buf *out);

#endif
