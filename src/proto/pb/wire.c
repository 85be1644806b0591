#include "proto/pb/wire.h"

#include "base/err.h"
#include "base/varint.h"

enum { MAX_GROUP_DEPTH = 100 };

bool pb_read_varint(struct pb_reader *r, uint64_t *out)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && r->at < r->end; shift += 7) {
        uint8_t byte = *r->at++;

        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *out = value;
            return true;
        }
    }
    return false;
}

bool pb_read_fixed32(struct pb_reader *r, uint32_t *out)
{
    if (r->end - r->at < 4)
        return false;
    *out = (uint32_t)r->at[0] | (uint32_t)r->at[1] << 8 | (uint32_t)r->at[2] << 16 |
           (uint32_t)r->at[3] << 24;
    r->at += 4;
    return true;
}

bool pb_read_fixed64(struct pb_reader *r, uint64_t *out)
{
    uint32_t low;
    uint32_t high;

    if (r->end - r->at < 8 || !pb_read_fixed32(r, &low) || !pb_read_fixed32(r, &high))
        return false;
    *out = (uint64_t)high << 32 | low;
    return true;
}

static bool read_bytes(struct pb_reader *r, struct str *out)
{
    uint64_t len;

    if (!pb_read_varint(r, &len) || len > (uint64_t)(r->end - r->at))
        return false;
    *out = str_from((const char *)r->at, (size_t)len);
    r->at += len;
    return true;
}

/* Passes over a group's fields to its end tag; groups in it are counted, not recursed into. */
static bool read_group(struct pb_reader *r, struct str *out)
{
    const uint8_t *begin = r->at;
    unsigned depth = 1;

    while (depth > 0) {
        const uint8_t *before = r->at;
        uint64_t tag = 0;
        uint64_t skipped;
        uint32_t skipped32;
        struct str bytes;
        bool ok = pb_read_varint(r, &tag);

        switch (tag & 7) {
        case PB_VARINT:
            ok = ok && pb_read_varint(r, &skipped);
            break;
        case PB_FIXED64:
            ok = ok && pb_read_fixed64(r, &skipped);
            break;
        case PB_FIXED32:
            ok = ok && pb_read_fixed32(r, &skipped32);
            break;
        case PB_BYTES:
            ok = ok && read_bytes(r, &bytes);
            break;
        case PB_GROUP:
            ok = ok && ++depth <= MAX_GROUP_DEPTH;
            break;
        case PB_GROUP_END:
            depth--;
            *out = str_from((const char *)begin, (size_t)(before - begin));
            break;
        default:
            ok = false;
        }
        if (!ok)
            return false;
    }
    return true;
}

int pb_next(struct pb_reader *r, struct pb_field_value *out)
{
    uint64_t tag;
    uint32_t fixed;
    bool ok;

    if (r->at >= r->end)
        return 0;
    if (!pb_read_varint(r, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX >> 3)
        return ERR_SYNTAX;
    *out = (struct pb_field_value){.number = (uint32_t)(tag >> 3),
                                   .type = (enum pb_wire_type)(tag & 7)};
    switch (out->type) {
    case PB_VARINT:
        ok = pb_read_varint(r, &out->number_value);
        break;
    case PB_FIXED64:
        ok = pb_read_fixed64(r, &out->number_value);
        break;
    case PB_FIXED32:
        ok = pb_read_fixed32(r, &fixed);
        out->number_value = ok ? fixed : 0;
        break;
    case PB_BYTES:
        ok = read_bytes(r, &out->bytes);
        break;
    case PB_GROUP:
        ok = read_group(r, &out->bytes);
        break;
    default:
        ok = false;
    }
    return ok ? 1 : ERR_SYNTAX;
}

void pb_put_varint(struct buf *out, uint64_t value)
{
    varint_put(out, value);
}

void pb_put_tag(struct buf *out, uint32_t number, enum pb_wire_type type)
{
    pb_put_varint(out, (uint64_t)number << 3 | type);
}

void pb_put_fixed32(struct buf *out, uint32_t value)
{
    char bytes[4] = {(char)value, (char)(value >> 8), (char)(value >> 16), (char)(value >> 24)};

    buf_append(out, bytes, sizeof bytes);
}

void pb_put_fixed64(struct buf *out, uint64_t value)
{
    pb_put_fixed32(out, (uint32_t)value);
    pb_put_fixed32(out, (uint32_t)(value >> 32));
}

void pb_put_bytes(struct buf *out, uint32_t number, struct str bytes)
{
    pb_put_tag(out, number, PB_BYTES);
    pb_put_varint(out, bytes.len);
    buf_append_str(out, bytes);
}

void pb_put_text(struct buf *out, uint32_t number, struct str text)
{
    if (str_is_utf8(text)) {
        pb_put_bytes(out, number, text);
        return;
    }
    pb_put_tag(out, number, PB_BYTES);
    pb_put_varint(out, text.len);
    for (size_t i = 0; i < text.len; i++)
        buf_append_char(out, (unsigned char)text.ptr[i] < 0x80 ? text.ptr[i] : '?');
}

void pb_put_uint(struct buf *out, uint32_t number, uint64_t value)
{
    pb_put_tag(out, number, PB_VARINT);
    pb_put_varint(out, value);
}

void pb_put_double(struct buf *out, uint32_t number, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    pb_put_tag(out, number, PB_FIXED64);
    pb_put_fixed64(out, bits);
}

size_t pb_begin(struct buf *out, uint32_t number)
{
    pb_put_tag(out, number, PB_BYTES);
    return out->len;
}

/* The length goes in front of the content, which moves behind it. */
void pb_end(struct buf *out, size_t start)
{
    char head[10];
    size_t len = out->len - start;
    size_t head_len;

    pb_put_varint(out, len);
    if (buf_is_over(out))
        return;
    head_len = out->len - start - len;
    memcpy(head, out->data + start + len, head_len);
    memmove(out->data + start + head_len, out->data + start, len);
    memcpy(out->data + start, head, head_len);
}
