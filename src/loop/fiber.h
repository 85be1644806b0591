/* Fibers: functions with a stack of their own that can stop in the middle and go on later.
 *
 * A VU runs on a fiber, so that k6's blocking calls (http.get returns a response) read as straight
 * code while thousands of them share a thread. Switching is a few instructions per architecture
 * (fiber_x86_64.S, fiber_aarch64.S), ucontext elsewhere.
 *
 * Stacks are reserved large and committed by touch; they come from slabs of many stacks, because a
 * mapping and a guard page each would pass vm.max_map_count at 30,000 VUs.
 *
 * A fiber belongs to one loop for life. Parking functions are declared YIELDS; they may be called
 * on a fiber only, and never in a no-yield section, a finalizer or a loop callback. */
#ifndef LOOP_FIBER_H
#define LOOP_FIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct fiber;
struct loop;

enum { FIBER_STACK_SIZE = 1024 * 1024 }; /* reserved, not committed */

/* Starts fn(arg) on a new fiber at the loop's next chance (not within this call). The fiber frees
 * itself when fn returns. */
struct fiber *fiber_start(struct loop *loop, void (*fn)(void *arg), void *arg);

/* The running fiber; NULL on the loop's own stack. */
struct fiber *fiber_current(void);

/* The loop of the running fiber. */
struct loop *fiber_loop(void);

/* Parks until fiber_wake. Returns 0, or ERR_CANCELLED when the fiber was cancelled. A wake that
 * came before the park is kept: the park returns at once (one is kept, not several). */
MUST_USE
YIELDS
int fiber_park(void);

/* Parks until the deadline (monotonic): ERR_TIMEOUT then, 0 when woken first, or ERR_CANCELLED. */
MUST_USE
YIELDS
int fiber_park_until(int64_t deadline);

/* Sleeps until the deadline; 0, or ERR_CANCELLED. */
MUST_USE
YIELDS
int fiber_sleep_until(int64_t deadline);

/* Lets the others that are ready run, then goes on. */
YIELDS
void fiber_yield(void);

/* Makes a parked fiber ready. On the fiber's own loop thread. */
void fiber_wake(struct fiber *fiber);

/* Makes the fiber's parks fail with ERR_CANCELLED, the present one included, until
 * fiber_uncancel. */
void fiber_cancel(struct fiber *fiber);
void fiber_uncancel(struct fiber *fiber);
bool fiber_is_cancelled(const struct fiber *fiber);

/* Sections in which a park is a bug and ends the process. They nest. */
void fiber_no_yield_begin(void);
void fiber_no_yield_end(void);
bool fiber_can_yield(void);

/* The lowest address that the running fiber's stack may use, with a margin for C calls. */
uintptr_t fiber_stack_limit(void);

/* A slot for whoever owns the fiber (the VU). */
void fiber_set_data(struct fiber *fiber, void *data);
void *fiber_data(const struct fiber *fiber);

/* Gives pages of a once-deep stack back to the system: call on a fiber at its shallowest. */
void fiber_trim_stack(void);

/* Waits for several fibers: each started one calls wait_group_done, the parent waits. */
struct wait_group {
    size_t _left;
    struct fiber *_waiter;
};
void wait_group_init(struct wait_group *group);
void wait_group_add(struct wait_group *group, size_t count);
void wait_group_done(struct wait_group *group);
/* 0, or ERR_CANCELLED while some are still running: cancel those, then wait again. */
MUST_USE
YIELDS
int wait_group_wait(struct wait_group *group);

#endif
