#include "engine/vu_pool.h"

#include "base/ensure.h"
#include "base/mem.h"

struct vu_slot *vu_slot_new(struct vu *vu, uint64_t id, size_t scenarios)
{
    struct vu_slot *slot = mem_zalloc(sizeof *slot + scenarios * sizeof slot->in_scenario[0]);

    slot->vu = vu;
    slot->id = id;
    return slot;
}

void slot_queue_push(struct slot_queue *queue, struct vu_slot *slot)
{
    slot->next = NULL;
    if (queue->_first)
        queue->_last->next = slot;
    else
        queue->_first = slot;
    queue->_last = slot;
}

struct vu_slot *slot_queue_pop(struct slot_queue *queue)
{
    struct vu_slot *slot = queue->_first;

    if (slot) {
        queue->_first = slot->next;
        slot->next = NULL;
    }
    return slot;
}

void vu_pool_init(struct vu_pool *pool)
{
    *pool = (struct vu_pool){0};
    pool->_last_waiter = &pool->_first_waiter;
}

struct vu_slot *vu_pool_take(struct vu_pool *pool)
{
    struct vu_slot *slot = slot_queue_pop(&pool->_idle);

    if (slot)
        pool->count--;
    return slot;
}

void vu_pool_give(struct vu_pool *pool, struct vu_slot *slot)
{
    struct vu_waiter *waiter = pool->_first_waiter;

    if (waiter) {
        vu_pool_unwait(pool, waiter);
        waiter->take(waiter, slot);
        return;
    }
    slot_queue_push(&pool->_idle, slot);
    pool->count++;
}

void vu_pool_wait(struct vu_pool *pool, struct vu_waiter *waiter)
{
    ensure(!waiter->_waiting);
    waiter->_waiting = true;
    waiter->_next = NULL;
    *pool->_last_waiter = waiter;
    pool->_last_waiter = &waiter->_next;
}

void vu_pool_unwait(struct vu_pool *pool, struct vu_waiter *waiter)
{
    struct vu_waiter **at = &pool->_first_waiter;

    if (!waiter->_waiting)
        return;
    while (*at != waiter)
        at = &(*at)->_next;
    *at = waiter->_next;
    if (!*at)
        pool->_last_waiter = at;
    waiter->_waiting = false;
}
