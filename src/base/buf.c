#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/ensure.h"
#include "base/err.h"
#include "base/mem.h"

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf)BUF_INIT(max);
}

void buf_deinit(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf)BUF_INIT(b->_max);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->_over = false;
    if (b->data)
        b->data[0] = '\0';
}

char *buf_room(struct buf *b, size_t len)
{
    size_t cap = b->_cap ? b->_cap : 64;

    if (b->_over || len > b->_max || b->len > b->_max - len) {
        b->_over = true;
        return NULL;
    }
    if (b->len + len + 1 > b->_cap) {
        while (cap < b->len + len + 1)
            cap *= 2;
        b->data = mem_realloc(b->data, cap);
        b->_cap = cap;
    }
    return b->data + b->len;
}

void buf_added(struct buf *b, size_t len)
{
    ensure(b->len + len < b->_cap || (len == 0 && b->_cap == 0));
    b->len += len;
    if (b->data)
        b->data[b->len] = '\0';
}

int buf_append(struct buf *b, const void *data, size_t len)
{
    char *room = buf_room(b, len);

    if (!room)
        return ERR_LIMIT;
    if (len)
        memcpy(room, data, len);
    buf_added(b, len);
    return 0;
}

int buf_append_str(struct buf *b, struct str s)
{
    return buf_append(b, s.ptr, s.len);
}

int buf_append_c(struct buf *b, const char *text)
{
    return buf_append(b, text, strlen(text));
}

int buf_append_char(struct buf *b, char c)
{
    return buf_append(b, &c, 1);
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    int len;
    char *room;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    room = buf_room(b, (size_t)len);
    if (!room)
        return ERR_LIMIT;
    va_start(args, fmt);
    vsnprintf(room, (size_t)len + 1, fmt, args);
    va_end(args);
    buf_added(b, (size_t)len);
    return 0;
}

void buf_consume(struct buf *b, size_t len)
{
    ensure(len <= b->len);
    if (len == 0)
        return;
    memmove(b->data, b->data + len, b->len - len);
    b->len -= len;
    b->data[b->len] = '\0';
}

void buf_cut(struct buf *b, size_t len)
{
    ensure(len <= b->len);
    if (len == b->len)
        return;
    b->len = len;
    b->data[len] = '\0';
}

bool buf_is_over(const struct buf *b)
{
    return b->_over;
}

size_t buf_left(const struct buf *b)
{
    return b->_over ? 0 : b->_max - b->len;
}

struct str buf_str(const struct buf *b)
{
    return str_from(b->data ? b->data : "", b->len);
}

char *buf_take(struct buf *b)
{
    char *data = b->data ? b->data : mem_strdup("");

    b->data = NULL;
    buf_deinit(b);
    return data;
}
