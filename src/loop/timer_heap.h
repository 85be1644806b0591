/* A heap of running timers, earliest first. Four children a node: half the levels of a binary heap,
 * and siblings share cache lines. */
#ifndef LOOP_TIMER_HEAP_H
#define LOOP_TIMER_HEAP_H

#include <stddef.h>

struct timer;

struct timer_heap {
    struct timer **slots;
    size_t count;
    size_t cap;
};

void timer_heap_deinit(struct timer_heap *h);
struct timer *timer_heap_first(const struct timer_heap *h); /* NULL when empty */
void timer_heap_insert(struct timer_heap *h, struct timer *timer);
void timer_heap_moved(struct timer_heap *h, struct timer *timer); /* its deadline has changed */
void timer_heap_remove(struct timer_heap *h, struct timer *timer);

#endif
