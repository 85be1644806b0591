#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* A block of one large response is not kept for ever by each of thousands of VUs. */
enum { BLOCK_MIN = 4096, ALIGN = 16, KEEP_MAX = 64 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t size;
    _Alignas(ALIGN) char data[];
};

void arena_init(struct arena *a)
{
    *a = (struct arena){NULL, NULL, NULL};
}

void arena_deinit(struct arena *a)
{
    while (a->_head) {
        struct arena_block *next = a->_head->next;

        mem_free(a->_head);
        a->_head = next;
    }
    arena_init(a);
}

void arena_reset(struct arena *a)
{
    struct arena_block *keep = a->_head;

    if (!keep)
        return;
    if (keep->size > KEEP_MAX) {
        arena_deinit(a);
        return;
    }
    a->_head = keep->next;
    arena_deinit(a);
    keep->next = NULL;
    a->_head = keep;
    a->_next = keep->data;
    a->_end = keep->data + keep->size;
}

static void add_block(struct arena *a, size_t size)
{
    size_t last = a->_head ? a->_head->size : BLOCK_MIN / 2;
    size_t want = last * 2 > size ? last * 2 : size;
    struct arena_block *block = mem_alloc(sizeof *block + want);

    block->next = a->_head;
    block->size = want;
    a->_head = block;
    a->_next = block->data;
    a->_end = block->data + want;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t rounded = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    void *ptr;

    if ((size_t)(a->_end - a->_next) < rounded || !a->_head)
        add_block(a, rounded);
    ptr = a->_next;
    a->_next += rounded;
    return ptr;
}

void *arena_zalloc(struct arena *a, size_t size)
{
    return memset(arena_alloc(a, size), 0, size);
}

struct str arena_str(struct arena *a, struct str s)
{
    char *copy = arena_alloc(a, s.len + 1);

    if (s.len)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return str_from(copy, s.len);
}

char *arena_strdup(struct arena *a, const char *text)
{
    struct str s = str_of(text);
    char *copy = arena_alloc(a, s.len + 1);

    memcpy(copy, text, s.len + 1);
    return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    int len;
    char *text;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    text = arena_alloc(a, (size_t)len + 1);
    va_start(args, fmt);
    vsnprintf(text, (size_t)len + 1, fmt, args);
    va_end(args);
    return text;
}
