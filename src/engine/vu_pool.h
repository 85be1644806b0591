/* The VUs of one worker that no executor holds.
 *
 * A VU is not tied to a scenario: executors take VUs here and give them back, in turn (the one that
 * has rested longest goes first), as in k6. One that finds the pool empty waits in line. A worker's
 * thread only. */
#ifndef ENGINE_VU_POOL_H
#define ENGINE_VU_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct executor;
struct fiber;
struct vu;

struct vu_slot {
    struct vu *vu;
    uint64_t id;            /* __VU */
    struct executor *owner; /* who holds it; NULL in the pool */
    struct vu_slot *next;   /* in the pool, or in an executor's list */
    struct fiber *padding;  /* the fiber that sleeps out a minimum duration; NULL: none */
    int64_t due;            /* of arrival rates: when the iteration should have begun */
    bool is_running;        /* within vu_run */
    bool has_run;           /* an iteration, of any scenario */
    bool is_unplanned;      /* held as one that nobody planned for */
    uint64_t in_scenario[]; /* iterations so far, by scenario */
};

struct vu_slot *vu_slot_new(struct vu *vu, uint64_t id, size_t scenarios);

/* First in, first out. All zero is an empty one. */
struct slot_queue {
    struct vu_slot *_first;
    struct vu_slot *_last; /* of no meaning when _first is NULL */
};

static inline bool slot_queue_is_empty(const struct slot_queue *queue)
{
    return !queue->_first;
}

void slot_queue_push(struct slot_queue *queue, struct vu_slot *slot);
struct vu_slot *slot_queue_pop(struct slot_queue *queue); /* NULL when empty */

/* Somebody who waits for a VU; embedded. */
struct vu_waiter {
    void (*take)(struct vu_waiter *waiter, struct vu_slot *slot);
    struct vu_waiter *_next;
    bool _waiting;
};

struct vu_pool {
    struct slot_queue _idle;
    struct vu_waiter *_first_waiter;
    struct vu_waiter **_last_waiter;
    size_t count;     /* idle */
    size_t unplanned; /* VUs that were added while running and that nobody holds as such */
};

void vu_pool_init(struct vu_pool *pool);

/* NULL when there is none. */
struct vu_slot *vu_pool_take(struct vu_pool *pool);

/* To the first who waits, else into the pool. `take` is called within. */
void vu_pool_give(struct vu_pool *pool, struct vu_slot *slot);

void vu_pool_wait(struct vu_pool *pool, struct vu_waiter *waiter);
void vu_pool_unwait(struct vu_pool *pool, struct vu_waiter *waiter); /* no-op when not waiting */

#endif
