/* Numbers as few bytes: seven bits a byte, the lowest first, the top bit says that more follow (as
 * in Protocol Buffers). Signed ones by zigzag, so that small negative ones are short too. */
#ifndef BASE_VARINT_H
#define BASE_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum { VARINT_MAX = 10 }; /* bytes */

static inline void varint_put(struct buf *out, uint64_t value)
{
    char bytes[VARINT_MAX];
    size_t len = 0;

    do {
        bytes[len++] = (char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value);
    buf_append(out, bytes, len);
}

/* Takes one from the front of `in`; false, with `in` as it was, when there is none that is whole.
 */
static inline bool varint_get(struct str *in, uint64_t *out)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < VARINT_MAX && i < in->len; i++) {
        unsigned char byte = (unsigned char)in->ptr[i];

        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) {
            *in = str_from(in->ptr + i + 1, in->len - i - 1);
            *out = value;
            return true;
        }
    }
    return false;
}

static inline uint64_t varint_zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static inline int64_t varint_unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* A double as eight bytes, little-endian. */
static inline void varint_put_double(struct buf *out, double value)
{
    uint64_t bits;
    char bytes[8];

    memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 8; i++)
        bytes[i] = (char)(bits >> (8 * i));
    buf_append(out, bytes, sizeof bytes);
}

static inline bool varint_get_double(struct str *in, double *out)
{
    uint64_t bits = 0;

    if (in->len < 8)
        return false;
    for (int i = 0; i < 8; i++)
        bits |= (uint64_t)(unsigned char)in->ptr[i] << (8 * i);
    *in = str_from(in->ptr + 8, in->len - 8);
    memcpy(out, &bits, sizeof *out);
    return true;
}

#endif
