#include "loop/timer_heap.h"

#include "base/mem.h"
#include "loop/loop.h"

enum { WAYS = 4 };

static void put(struct timer_heap *h, size_t at, struct timer *timer)
{
    h->slots[at] = timer;
    timer->_slot = at + 1;
}

static void sift_up(struct timer_heap *h, size_t at)
{
    struct timer *timer = h->slots[at];

    while (at > 0) {
        size_t parent = (at - 1) / WAYS;

        if (h->slots[parent]->deadline <= timer->deadline)
            break;
        put(h, at, h->slots[parent]);
        at = parent;
    }
    put(h, at, timer);
}

static void sift_down(struct timer_heap *h, size_t at)
{
    struct timer *timer = h->slots[at];

    for (;;) {
        size_t first = at * WAYS + 1;
        size_t end = first + WAYS < h->count ? first + WAYS : h->count;
        size_t least = first;

        if (first >= h->count)
            break;
        for (size_t child = first + 1; child < end; child++) {
            if (h->slots[child]->deadline < h->slots[least]->deadline)
                least = child;
        }
        if (timer->deadline <= h->slots[least]->deadline)
            break;
        put(h, at, h->slots[least]);
        at = least;
    }
    put(h, at, timer);
}

void timer_heap_deinit(struct timer_heap *h)
{
    mem_free(h->slots);
}

struct timer *timer_heap_first(const struct timer_heap *h)
{
    return h->count ? h->slots[0] : NULL;
}

void timer_heap_insert(struct timer_heap *h, struct timer *timer)
{
    if (h->count == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 64;
        h->slots = mem_reallocarray(h->slots, h->cap, sizeof(struct timer *));
    }
    put(h, h->count++, timer);
    sift_up(h, h->count - 1);
}

void timer_heap_moved(struct timer_heap *h, struct timer *timer)
{
    size_t at = timer->_slot - 1;

    sift_up(h, at);
    if (timer->_slot - 1 == at)
        sift_down(h, at);
}

void timer_heap_remove(struct timer_heap *h, struct timer *timer)
{
    size_t at = timer->_slot - 1;
    struct timer *last = h->slots[--h->count];

    timer->_slot = 0;
    if (last == timer)
        return;
    put(h, at, last);
    timer_heap_moved(h, last);
}
