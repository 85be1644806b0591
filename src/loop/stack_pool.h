/* Stacks for fibers, from slabs of many: a mapping and a guard page each would pass
 * vm.max_map_count (65,530) at 30,000 VUs.
 *
 * A slab is one mapping. The lowest page of each stack in it is a guard: MADV_GUARD_INSTALL where
 * the kernel has it (Linux 6.13, needs no mapping of its own), else mprotect for the first
 * thousands. Huge pages are off: a stack touches a few KB. One pool per loop, no locks. */
#ifndef LOOP_STACK_POOL_H
#define LOOP_STACK_POOL_H

#include <stddef.h>

struct stack_slab;

struct stack_pool {
    struct stack_slab *slabs;
    void *free;    /* a list through the top word of free stacks */
    size_t guards; /* mprotected guard pages so far */
};

void stack_pool_init(struct stack_pool *pool);
void stack_pool_deinit(struct stack_pool *pool);

/* The lowest address of a stack of FIBER_STACK_SIZE bytes; its first page is the guard. */
void *stack_pool_take(struct stack_pool *pool);
void stack_pool_give(struct stack_pool *pool, void *stack);

#endif
