/* The Protocol Buffers wire format: varints, fixed widths, length-delimited fields.
 *
 * Source: protobuf.dev/programming-guides/encoding. Readers are bounded by the bytes given. */
#ifndef PROTO_PB_WIRE_H
#define PROTO_PB_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

enum pb_wire_type {
    PB_VARINT = 0,
    PB_FIXED64 = 1,
    PB_BYTES = 2,
    PB_GROUP = 3,
    PB_GROUP_END = 4,
    PB_FIXED32 = 5
};

struct pb_reader {
    const uint8_t *at;
    const uint8_t *end;
};

struct pb_field_value {
    uint32_t number;
    enum pb_wire_type type;
    uint64_t number_value; /* varint and fixed */
    struct str bytes;      /* length-delimited; of a group: what is inside */
};

static inline struct pb_reader pb_reader_of(struct str bytes)
{
    const uint8_t *at = (const uint8_t *)(bytes.ptr ? bytes.ptr : "");

    return (struct pb_reader){at, at + bytes.len};
}

bool pb_read_varint(struct pb_reader *r, uint64_t *out);
bool pb_read_fixed32(struct pb_reader *r, uint32_t *out);
bool pb_read_fixed64(struct pb_reader *r, uint64_t *out);

/* The next field. 1: there is one; 0: the end; ERR_SYNTAX: truncated or malformed. */
int pb_next(struct pb_reader *r, struct pb_field_value *out);

void pb_put_varint(struct buf *out, uint64_t value);
void pb_put_tag(struct buf *out, uint32_t number, enum pb_wire_type type);
void pb_put_fixed32(struct buf *out, uint32_t value);
void pb_put_fixed64(struct buf *out, uint64_t value);
void pb_put_bytes(struct buf *out, uint32_t number, struct str bytes);
/* A string field, which must be UTF-8: other bytes above 0x7f become "?". */
void pb_put_text(struct buf *out, uint32_t number, struct str text);
void pb_put_uint(struct buf *out, uint32_t number, uint64_t value);
void pb_put_double(struct buf *out, uint32_t number, double value);

/* A message within the message, or a packed list: what is appended between the two. They nest.
 * `start` is what pb_begin returned. */
MUST_USE size_t pb_begin(struct buf *out, uint32_t number);
void pb_end(struct buf *out, size_t start);

static inline int64_t pb_unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static inline uint64_t pb_zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

#endif
