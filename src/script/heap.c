/* Size classes: multiples of 8 up to 256, then eight per doubling up to 8 KiB, so that at most a
 * ninth of a block is lost (QuickJS needs no alignment beyond 8; with steps of 16 a VU took 9 %
 * more). A span is aligned to its size: the span of a block is its address with
 * the low bits cleared.
 *
 *     span   | header 64 B | block | block | ... never used yet |
 *                                              ^ bump
 *     heap   addresses base .. base + RANGE: spans handed out in order, empty ones kept in a list
 */
#include "script/heap.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/compiler.h"
#include "base/ensure.h"
#include "base/mem.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HEAP_MALLOC_ONLY 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEAP_MALLOC_ONLY 1
#endif
#ifndef HEAP_MALLOC_ONLY
#define HEAP_MALLOC_ONLY 0
#endif

enum {
    STEP = 8,
    LINEAR_MAX = 256,
    LINEAR_CLASSES = LINEAR_MAX / STEP,
    PER_DOUBLING = 8,
    CLASSES = LINEAR_CLASSES + PER_DOUBLING * 5, /* 256 to 8192 are five doublings */
    SPAN_HEADER = 64,
    COMMIT = 16 * HEAP_SPAN, /* made accessible at a time */
};

/* 16 GiB of addresses a heap: reserved only, and checked against when they run out. */
#define RANGE ((size_t)16 << 30)

struct span {
    struct span *prev; /* in the list of spans of its class that have room */
    struct span *next;
    void *free; /* blocks that came back, linked through their first word */
    char *bump; /* first byte never handed out */
    uint32_t used;
    uint16_t class;
    bool listed;
};

struct vu_heap {
    char *base; /* NULL: malloc only */
    size_t committed;
    size_t next_span; /* offset of the first span never used */
    struct span *empty;
    struct span *room[CLASSES];
    size_t used_bytes;
};

static uintptr_t all_base; /* written once, before threads start */

/* --- size classes ------------------------------------------------------------------------- */

static unsigned class_of(size_t size)
{
    unsigned log;

    if (size <= LINEAR_MAX)
        return size ? (unsigned)((size - 1) / STEP) : 0;
    log = 63 - (unsigned)__builtin_clzll((unsigned long long)(size - 1));
    return LINEAR_CLASSES + (log - 8) * PER_DOUBLING +
           (unsigned)(((size - 1) >> (log - 3)) & (PER_DOUBLING - 1));
}

static size_t class_size(unsigned class)
{
    unsigned above;

    if (class < LINEAR_CLASSES)
        return (class + 1) * (size_t)STEP;
    above = class - LINEAR_CLASSES;
    return ((size_t)LINEAR_MAX << (above / PER_DOUBLING)) +
           ((size_t)(LINEAR_MAX / PER_DOUBLING) << (above / PER_DOUBLING)) *
               (above % PER_DOUBLING + 1);
}

/* --- spans -------------------------------------------------------------------------------- */

static bool is_small(const void *ptr)
{
    return all_base && (uintptr_t)ptr - all_base < RANGE * HEAP_SLOTS;
}

static struct span *span_of(const void *ptr)
{
    return (struct span *)((uintptr_t)ptr & ~(uintptr_t)(HEAP_SPAN - 1));
}

static void list_span(struct vu_heap *heap, struct span *span)
{
    struct span **head = &heap->room[span->class];

    span->prev = NULL;
    span->next = *head;
    if (*head)
        (*head)->prev = span;
    *head = span;
    span->listed = true;
}

static void unlist_span(struct vu_heap *heap, struct span *span)
{
    if (span->prev)
        span->prev->next = span->next;
    else
        heap->room[span->class] = span->next;
    if (span->next)
        span->next->prev = span->prev;
    span->listed = false;
}

static struct span *new_span(struct vu_heap *heap, unsigned class)
{
    struct span *span = heap->empty;

    if (span) {
        heap->empty = span->next;
    } else {
        if (!heap->base || heap->next_span + HEAP_SPAN > RANGE)
            return NULL;
        if (heap->next_span == heap->committed) {
            if (mprotect(heap->base + heap->committed, COMMIT, PROT_READ | PROT_WRITE) != 0)
                return NULL;
            heap->committed += COMMIT;
        }
        span = (struct span *)(void *)(heap->base + heap->next_span);
        heap->next_span += HEAP_SPAN;
    }
    *span = (struct span){.bump = (char *)span + SPAN_HEADER, .class = (uint16_t) class};
    list_span(heap, span);
    return span;
}

/* --- blocks ------------------------------------------------------------------------------- */

static void *alloc_small(struct vu_heap *heap, size_t size)
{
    unsigned class = class_of(size);
    size_t block = class_size(class);
    struct span *span = heap->room[class];
    void *ptr;

    if (!span) {
        span = new_span(heap, class);
        if (!span)
            return malloc(size);
    }
    if (span->free) {
        ptr = span->free;
        memcpy(&span->free, ptr, sizeof(void *));
    } else {
        ptr = span->bump;
        span->bump += block;
    }
    span->used++;
    heap->used_bytes += block;
    if (!span->free && span->bump + block > (char *)span + HEAP_SPAN)
        unlist_span(heap, span);
    return ptr;
}

void *heap_alloc(struct vu_heap *heap, size_t size)
{
    if (HEAP_MALLOC_ONLY || size > HEAP_SMALL_MAX)
        return malloc(size);
    return alloc_small(heap, size);
}

static void release_small(struct vu_heap *heap, void *ptr)
{
    struct span *span = span_of(ptr);

    memcpy(ptr, &span->free, sizeof(void *));
    span->free = ptr;
    span->used--;
    heap->used_bytes -= class_size(span->class);
    if (span->used == 0) {
        if (span->listed)
            unlist_span(heap, span);
        span->next = heap->empty;
        heap->empty = span;
    } else if (!span->listed) {
        list_span(heap, span);
    }
}

void heap_release(struct vu_heap *heap, void *ptr)
{
    if (is_small(ptr))
        release_small(heap, ptr);
    else
        free(ptr);
}

size_t heap_usable(const void *ptr)
{
    union {
        const void *in;
        void *out;
    } p = {ptr};

    if (!ptr)
        return 0;
    if (is_small(ptr))
        return class_size(span_of(ptr)->class);
    return malloc_usable_size(p.out);
}

/* --- heaps -------------------------------------------------------------------------------- */

static atomic_flag taken[HEAP_SLOTS]; /* ranges that a heap has */

static void reserve_all(void)
{
    size_t size = RANGE * HEAP_SLOTS + HEAP_SPAN;
    void *at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at != MAP_FAILED)
        all_base = ((uintptr_t)at + HEAP_SPAN - 1) & ~(uintptr_t)(HEAP_SPAN - 1);
}

/* The lowest range that is free; HEAP_SLOTS: none is. */
static unsigned take_slot(void)
{
    unsigned slot = 0;

    while (slot < HEAP_SLOTS && atomic_flag_test_and_set(&taken[slot]))
        slot++;
    return slot;
}

struct vu_heap *heap_new(void)
{
    struct vu_heap *heap = mem_zalloc(sizeof(*heap));
    unsigned slot;

    if (HEAP_MALLOC_ONLY)
        return heap;
    if (!all_base)
        reserve_all();
    slot = all_base ? take_slot() : HEAP_SLOTS;
    if (slot < HEAP_SLOTS)
        heap->base = (char *)(all_base + slot * RANGE);
    return heap;
}

void heap_free(struct vu_heap *heap)
{
    if (!heap)
        return;
    ensure(heap->used_bytes == 0);
    if (heap->committed) {
        /* The next heap of this slot starts anew. */
        madvise(heap->base, heap->committed, MADV_DONTNEED);
        mprotect(heap->base, heap->committed, PROT_NONE);
    }
    if (heap->base)
        atomic_flag_clear(&taken[((uintptr_t)heap->base - all_base) / RANGE]);
    mem_free(heap);
}

void heap_get_stats(const struct vu_heap *heap, struct heap_stats *out)
{
    *out = (struct heap_stats){.committed = heap->next_span, .used = heap->used_bytes};
}

/* --- what QuickJS calls ------------------------------------------------------------------- */

static void *refuse(JSMallocState *s)
{
    ((struct heap_account *)s->opaque)->limit_hit = true;
    return NULL;
}

static void *js_heap_malloc(JSMallocState *s, size_t size)
{
    struct heap_account *account = s->opaque;
    void *ptr;

    account->state = s;
    if (UNLIKELY(size > s->malloc_limit || s->malloc_size > s->malloc_limit - size))
        return refuse(s);
    ptr = heap_alloc(account->heap, size);
    if (!ptr)
        return refuse(s);
    s->malloc_count++;
    s->malloc_size += heap_usable(ptr);
    return ptr;
}

static void js_heap_free(JSMallocState *s, void *ptr)
{
    if (!ptr)
        return;
    s->malloc_count--;
    s->malloc_size -= heap_usable(ptr);
    heap_release(((struct heap_account *)s->opaque)->heap, ptr);
}

/* A block of another size class, or to and from malloc. */
static void *move_block(struct vu_heap *heap, void *ptr, size_t old, size_t size)
{
    void *moved = heap_alloc(heap, size);

    if (!moved)
        return NULL;
    memcpy(moved, ptr, size < old ? size : old);
    heap_release(heap, ptr);
    return moved;
}

static void *js_heap_realloc(JSMallocState *s, void *ptr, size_t size)
{
    struct vu_heap *heap = ((struct heap_account *)s->opaque)->heap;
    size_t old = heap_usable(ptr);
    void *moved;

    if (!ptr)
        return size ? js_heap_malloc(s, size) : NULL;
    if (size == 0) {
        js_heap_free(s, ptr);
        return NULL;
    }
    if (size <= old && is_small(ptr) && class_of(size) == span_of(ptr)->class)
        return ptr;
    if (UNLIKELY(size > old && (s->malloc_size > s->malloc_limit ||
                                size - old > s->malloc_limit - s->malloc_size)))
        return refuse(s);
    if (!is_small(ptr) && (HEAP_MALLOC_ONLY || size > HEAP_SMALL_MAX))
        moved = realloc(ptr, size);
    else
        moved = move_block(heap, ptr, old, size);
    if (!moved)
        return refuse(s);
    s->malloc_size += heap_usable(moved) - old;
    return moved;
}

const JSMallocFunctions heap_functions = {
    .js_malloc = js_heap_malloc,
    .js_free = js_heap_free,
    .js_realloc = js_heap_realloc,
    .js_malloc_usable_size = heap_usable,
};
