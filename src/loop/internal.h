/* What loop.c and fiber.c share; nobody else includes it. */
#ifndef LOOP_INTERNAL_H
#define LOOP_INTERNAL_H

#include "loop/fiber.h"
#include "loop/loop.h"
#include "loop/stack_pool.h"

struct fiber_queue {
    struct fiber *head;
    struct fiber **tail;
};

/* What fiber.c keeps in each loop. */
struct fiber_sched {
    struct fiber_queue ready;
    struct stack_pool stacks;
    void *loop_sp;   /* the loop's own stack while a fiber runs */
    void *loop_tsan; /* the loop's context, as ThreadSanitizer knows it */
    void *loop_fake; /* and AddressSanitizer */
    const void *loop_bottom;
    size_t loop_size;
    size_t live; /* fibers that have not returned */
};

void sched_init(struct fiber_sched *s);
void sched_deinit(struct fiber_sched *s);
bool sched_is_idle(const struct fiber_sched *s);

/* Runs every fiber that is ready now, once; those that become ready meanwhile wait for the next
 * call. */
void sched_run_ready(struct loop *loop, struct fiber_sched *s);

/* For sched_run_ready, after each fiber: stamps what has become ready if the last look was long
 * ago, so that a crowd of fibers does not lengthen the latencies that its own members measure. */
void loop_between_fibers(struct loop *loop);

struct fiber_sched *loop_sched(struct loop *loop);

#endif
