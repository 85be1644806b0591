#include "script/heap.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "support/test.h"

TEST(heap_blocks_hold_what_was_asked_for)
{
    struct vu_heap *heap = heap_new();
    void *blocks[300];
    size_t count = 0;

    for (size_t size = 1; size <= 2 * HEAP_SMALL_MAX; size += 1 + size / 16) {
        void *ptr = heap_alloc(heap, size);

        CHECK(ptr && heap_usable(ptr) >= size);
        CHECK(size > HEAP_SMALL_MAX || heap_usable(ptr) <= size + size / 8 + 24);
        CHECK_EQ((uintptr_t)ptr % 8, 0);
        memset(ptr, 0xA5, size);
        blocks[count++] = ptr;
    }
    while (count > 0)
        heap_release(heap, blocks[--count]);
    CHECK_EQ(heap_usable(NULL), 0);
    heap_free(heap);
}

enum { SLOTS = 2000, ROUNDS = 200000 };

struct block {
    unsigned char *ptr;
    size_t size;
    unsigned char mark;
};

static void check_block(const struct block *b)
{
    for (size_t i = 0; i < b->size; i++)
        CHECK_EQ(b->ptr[i], b->mark);
}

static size_t random_size(struct rng *rng)
{
    return 1 + rng_below(rng, rng_below(rng, 10) == 0 ? 20000 : 400);
}

TEST(heap_never_gives_a_block_twice)
{
    struct heap_account account = {.heap = heap_new()};
    JSMallocState state = {.malloc_limit = SIZE_MAX, .opaque = &account};
    struct block *blocks = mem_calloc(SLOTS, sizeof(blocks[0]));
    struct rng rng;

    rng_seed(&rng, 7);
    for (int i = 0; i < ROUNDS; i++) {
        struct block *b = &blocks[rng_below(&rng, SLOTS)];
        size_t size = random_size(&rng);

        if (b->ptr && rng_below(&rng, 3) == 0) {
            size_t kept = size < b->size ? size : b->size;

            b->ptr = heap_functions.js_realloc(&state, b->ptr, size);
            b->size = kept;
            check_block(b);
        } else if (b->ptr) {
            check_block(b);
            heap_functions.js_free(&state, b->ptr);
            b->ptr = NULL;
            continue;
        } else {
            b->ptr = heap_functions.js_malloc(&state, size);
        }
        b->size = size;
        b->mark = (unsigned char)rng_next(&rng);
        memset(b->ptr, b->mark, size);
    }
    for (int i = 0; i < SLOTS; i++)
        heap_functions.js_free(&state, blocks[i].ptr);
    CHECK_EQ(state.malloc_count, 0);
    CHECK_EQ(state.malloc_size, 0);
    mem_free(blocks);
    heap_free(account.heap);
}

TEST(heap_keeps_the_limit_of_a_runtime)
{
    struct heap_account account = {.heap = heap_new()};
    JSMallocState state = {.malloc_limit = 1000, .opaque = &account};
    void *a = heap_functions.js_malloc(&state, 600);

    CHECK(a && !account.limit_hit);
    CHECK(!heap_functions.js_malloc(&state, 600));
    CHECK(account.limit_hit);
    CHECK(!heap_functions.js_realloc(&state, a, 2000));
    CHECK(!heap_functions.js_malloc(&state, SIZE_MAX));
    a = heap_functions.js_realloc(&state, a, 100);
    CHECK(a);
    CHECK(!heap_functions.js_realloc(&state, a, 0));
    CHECK_EQ(state.malloc_size, 0);
    heap_free(account.heap);
}

TEST(heap_reuses_empty_spans)
{
    struct vu_heap *heap = heap_new();
    struct heap_stats first;
    struct heap_stats last;
    void *blocks[4000];

    for (int round = 0; round < 20; round++) {
        size_t size = 16 + 32 * (size_t)round; /* another class each time */

        for (size_t i = 0; i < 4000; i++)
            blocks[i] = heap_alloc(heap, size % 512);
        for (size_t i = 0; i < 4000; i++)
            heap_release(heap, blocks[i]);
        if (round == 15)
            heap_get_stats(heap, &first);
    }
    heap_get_stats(heap, &last);
    CHECK_EQ(last.committed, first.committed);
    CHECK_EQ(last.used, 0);
    heap_free(heap);
}

TEST(heap_past_its_slots_is_malloc)
{
    struct vu_heap *heap = heap_new();
    void *ptr = heap_alloc(heap, 100);

    CHECK(ptr && heap_usable(ptr) >= 100);
    heap_release(heap, ptr);
    heap_free(heap);
}
