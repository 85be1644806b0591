#include <string.h>

#include "base/err.h"
#include "proto/http1.h"

enum state {
    SIZE_FIRST, /* the size's first digit */
    SIZE,       /* its other digits */
    EXTENSION,  /* from ";" or white space to the line's end */
    SIZE_LF,    /* the line feed behind the size's line */
    DATA,       /* `left` bytes of data */
    DATA_CR,    /* the line end behind them */
    DATA_LF,    /* its line feed */
    LINE_FIRST, /* the first byte of a trailer line */
    NAME,       /* a trailer's name */
    VALUE,      /* its value */
    VALUE_LF,   /* the line feed behind it */
    END_LF,     /* the line feed of the empty line */
    DONE,
};

static int refuse(struct http1_chunks *c, int err, const char *why)
{
    c->why = why;
    return err;
}

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_text(unsigned char c)
{
    return (c >= ' ' && c != 0x7f) || c == '\t';
}

/* The size's line is complete. */
static void size_done(struct http1_chunks *c)
{
    c->state = c->left ? DATA : LINE_FIRST;
    c->line = 0;
}

/* A byte of the line that holds a chunk's size. */
static int size_byte(struct http1_chunks *c, unsigned char byte)
{
    int digit = c->state == EXTENSION ? -1 : hex_value(byte);

    if (++c->line > HTTP1_CHUNK_LINE_MAX)
        return refuse(c, ERR_HTTP, "chunk line too long");
    if (digit >= 0) {
        if (c->left > UINT64_MAX >> 4)
            return refuse(c, ERR_HTTP, "http chunk length too large");
        c->left = c->left << 4 | (unsigned)digit;
        c->state = SIZE;
        return 0;
    }
    if (c->state == SIZE_FIRST)
        return refuse(c, ERR_HTTP, "invalid byte in chunk length");
    if (byte == '\r')
        c->state = SIZE_LF;
    else if (byte == '\n')
        size_done(c);
    else if (c->state == EXTENSION ? is_text(byte) : byte == ';' || byte == ' ' || byte == '\t')
        c->state = EXTENSION;
    else
        return refuse(c, ERR_HTTP, "invalid byte in chunk length");
    return 0;
}

/* A byte of the trailers, from behind the last chunk to the empty line. */
static int trailer_byte(struct http1_chunks *c, unsigned char byte)
{
    struct str s = {(const char *)&byte, 1};

    if (++c->line > HTTP1_TRAILER_MAX)
        return refuse(c, ERR_HTTP_HEADER_LIMIT, "trailers too long");
    if (c->state == LINE_FIRST && (byte == '\r' || byte == '\n')) {
        c->state = byte == '\r' ? END_LF : DONE;
    } else if (c->state == LINE_FIRST) {
        if (!header_is_token(s))
            return refuse(c, ERR_HTTP, "malformed trailer");
        if (++c->trailers > HTTP1_HEADERS_MAX)
            return refuse(c, ERR_HTTP_HEADER_LIMIT, "too many trailers");
        c->state = NAME;
    } else if (c->state == NAME) {
        if (byte != ':' && !header_is_token(s))
            return refuse(c, ERR_HTTP, "malformed trailer");
        c->state = byte == ':' ? VALUE : NAME;
    } else if (byte == '\r' || byte == '\n') {
        c->state = byte == '\r' ? VALUE_LF : LINE_FIRST;
    } else if (!is_text(byte)) {
        return refuse(c, ERR_HTTP, "malformed trailer");
    }
    return 0;
}

/* A byte that has to be the line feed behind a carriage return. */
static int line_feed(struct http1_chunks *c, unsigned char byte)
{
    if (byte != '\n')
        return refuse(c, ERR_HTTP, "malformed chunked encoding");
    switch (c->state) {
    case SIZE_LF:
        size_done(c);
        break;
    case DATA_LF:
        c->state = SIZE_FIRST;
        break;
    case VALUE_LF:
        c->state = LINE_FIRST;
        break;
    default:
        c->state = DONE;
    }
    return 0;
}

static int framing_byte(struct http1_chunks *c, unsigned char byte)
{
    switch (c->state) {
    case SIZE_FIRST:
    case SIZE:
    case EXTENSION:
        return size_byte(c, byte);
    case DATA_CR:
        c->left = 0;
        if (byte != '\r' && byte != '\n')
            return refuse(c, ERR_HTTP, "malformed chunked encoding");
        c->state = byte == '\r' ? DATA_LF : SIZE_FIRST;
        return 0;
    case LINE_FIRST:
    case NAME:
    case VALUE:
        return trailer_byte(c, byte);
    default:
        return line_feed(c, byte);
    }
}

int http1_chunks_next(struct http1_chunks *c, struct str *in, struct str *data)
{
    while (c->state != DONE && in->len > 0) {
        int err;

        if (c->state == DATA) {
            size_t len = c->left < in->len ? (size_t)c->left : in->len;

            *data = str_from(in->ptr, len);
            *in = str_from_index(*in, len);
            c->left -= len;
            if (c->left == 0)
                c->state = DATA_CR;
            return HTTP1_CHUNK_DATA;
        }
        err = framing_byte(c, (unsigned char)in->ptr[0]);
        if (err)
            return err;
        *in = str_from_index(*in, 1);
    }
    return c->state == DONE ? HTTP1_CHUNK_END : HTTP1_CHUNK_MORE;
}
