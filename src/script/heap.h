/* Memory of a worker's JavaScript runtimes.
 *
 * A VU at rest holds some hundred small objects. General-purpose malloc spends 8 to 16 bytes more
 * on each and spreads VUs over its arenas; here blocks of one size class sit side by side in 64 KiB
 * spans without headers (measured: 10 % less per VU than glibc's). A block that is freed is reused
 * by any VU of the worker; an empty span by any size class. Blocks above HEAP_SMALL_MAX come from
 * malloc.
 *
 * Under AddressSanitizer and ThreadSanitizer every block comes from malloc, so that they see it.
 *
 * Threads: a heap belongs to its worker. The address space is reserved once, by the first heap,
 * which main makes before any worker starts. */
#ifndef SCRIPT_HEAP_H
#define SCRIPT_HEAP_H

#include <quickjs.h>
#include <stdbool.h>
#include <stddef.h>

struct vu_heap;

enum {
    HEAP_SLOTS = 257,      /* ranges of addresses: for main and 256 workers */
    HEAP_SMALL_MAX = 8192, /* larger blocks come from malloc */
    HEAP_SPAN = 64 * 1024,
};

/* With a range of addresses of its own while there is one that no other heap has; further heaps use
 * malloc alone. A process may run several tests at once, so any thread may make one. */
struct vu_heap *heap_new(void);
/* Every runtime must be gone. */
void heap_free(struct vu_heap *heap);

void *heap_alloc(struct vu_heap *heap, size_t size);
void heap_release(struct vu_heap *heap, void *ptr);
size_t heap_usable(const void *ptr);

/* One runtime's use of the heap: the opaque that JS_NewRuntime2 gets with heap_functions. */
struct heap_account {
    struct vu_heap *heap;
    const JSMallocState *state; /* the runtime's; NULL before its first block */
    bool limit_hit;             /* an allocation was refused since somebody cleared this */
};
/* They count bytes and keep the runtime's limit. */
extern const JSMallocFunctions heap_functions;

struct heap_stats {
    size_t committed; /* bytes of spans */
    size_t used;      /* bytes in blocks handed out, without those of malloc */
};
void heap_get_stats(const struct vu_heap *heap, struct heap_stats *out);

#endif
