#include "loop/stack_pool.h"

#include <stdbool.h>
#include <sys/mman.h>

#include "base/ensure.h"
#include "base/mem.h"
#include "loop/fiber.h"

enum { STACKS_PER_SLAB = 64, GUARD_SIZE = 4096, MOST_MPROTECTED = 8192 };

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

struct stack_slab {
    struct stack_slab *next;
    char *base;
};

void stack_pool_init(struct stack_pool *pool)
{
    *pool = (struct stack_pool){NULL, NULL, 0};
}

void stack_pool_deinit(struct stack_pool *pool)
{
    while (pool->slabs) {
        struct stack_slab *next = pool->slabs->next;

        munmap(pool->slabs->base, (size_t)STACKS_PER_SLAB * FIBER_STACK_SIZE);
        mem_free(pool->slabs);
        pool->slabs = next;
    }
    pool->free = NULL;
}

/* The word of a free stack that links to the next: at its top, in a page that was touched anyway.
 */
static void **link_of(void *stack)
{
    return (void **)(void *)((char *)stack + FIBER_STACK_SIZE - sizeof(void *));
}

static void install_guard(struct stack_pool *pool, void *stack)
{
    if (madvise(stack, GUARD_SIZE, MADV_GUARD_INSTALL) == 0)
        return;
    if (pool->guards < MOST_MPROTECTED && mprotect(stack, GUARD_SIZE, PROT_NONE) == 0)
        pool->guards++;
}

static void add_slab(struct stack_pool *pool)
{
    struct stack_slab *slab = mem_alloc(sizeof *slab);
    size_t size = (size_t)STACKS_PER_SLAB * FIBER_STACK_SIZE;

    slab->base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ensure(slab->base != MAP_FAILED);
    madvise(slab->base, size, MADV_NOHUGEPAGE);
    slab->next = pool->slabs;
    pool->slabs = slab;
    for (size_t i = STACKS_PER_SLAB; i-- > 0;) {
        void *stack = slab->base + i * FIBER_STACK_SIZE;

        install_guard(pool, stack);
        stack_pool_give(pool, stack);
    }
}

void *stack_pool_take(struct stack_pool *pool)
{
    void *stack;

    if (!pool->free)
        add_slab(pool);
    stack = pool->free;
    pool->free = *link_of(stack);
    return stack;
}

void stack_pool_give(struct stack_pool *pool, void *stack)
{
    *link_of(stack) = pool->free;
    pool->free = stack;
}
