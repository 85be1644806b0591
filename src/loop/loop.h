/* The event loop of one thread: readiness of sockets, timers, and work posted by other threads.
 *
 * One turn: take the time, run due timers, run posted work, run every fiber that became ready, then
 * wait. Readiness is stamped with the moment at which the wait returned, before any fiber runs, so
 * that a fiber that computes for long does not lengthen the measured latency of its neighbours;
 * when many fibers are ready, the sockets are looked at and stamped between them as well.
 *
 * Sockets are watched edge-triggered from registration to removal: a request costs no epoll_ctl.
 * Timers have nanosecond deadlines (arrival rates need finer steps than a millisecond).
 *
 * Threads: everything here belongs to the loop's thread, except loop_post and loop_wake. */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct loop;
struct fiber;

MUST_USE
int loop_new(struct loop **out);   /* negative errno when the system refuses */
void loop_free(struct loop *loop); /* nothing may be registered any more */

/* Runs turns until loop_stop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Calls fn(arg) from within loop_run as soon as no fiber of the loop lives; one at a time. */
void loop_when_quiet(struct loop *loop, void (*fn)(void *arg), void *arg);

/* The loop that the calling thread is in; NULL outside loop_run. */
struct loop *loop_current(void);

/* Monotonic nanoseconds at the start of this turn: to schedule with. To measure: clock_now. */
int64_t loop_now(const struct loop *loop);

/* --- timers ------------------------------------------------------------------------------- */

struct timer {
    int64_t deadline; /* monotonic nanoseconds; read only */
    void (*fire)(struct timer *timer);
    size_t _slot; /* place in the heap plus 1; 0: not running */
};

void timer_init(struct timer *timer, void (*fire)(struct timer *timer));
/* Starts or moves the timer. `fire` runs on the loop at or after `deadline`, never before, never
 * from within this call; it may start the timer again. It must not park. */
void timer_start(struct loop *loop, struct timer *timer, int64_t deadline);
void timer_stop(struct loop *loop, struct timer *timer); /* no-op when not running */
bool timer_is_running(const struct timer *timer);

/* --- sockets ------------------------------------------------------------------------------ */

enum { IO_READ = 1, IO_WRITE = 2, IO_HANGUP = 4 };

struct io {
    int fd;
    unsigned ready;       /* IO_ bits seen and not yet cleared by io_clear */
    int64_t ready_nsec;   /* when the look that reported the newest of them returned */
    struct fiber *waiter; /* the fiber parked in io_wait */
    unsigned _wanted;
    bool _pending; /* in the list of on_ready calls of this turn */
    /* Called when bits arrive and no fiber waits (c-ares, idle connections); may be NULL. Must not
     * park. */
    void (*on_ready)(struct io *io);
};

/* Watches the non-blocking `fd` for everything, edge-triggered: after an event, read or write until
 * EAGAIN or a short count, then io_clear. The struct stays where it is until io_remove. */
MUST_USE
int io_add(struct loop *loop, struct io *io, int fd);
void io_remove(struct loop *loop, struct io *io); /* before close(fd) */
void io_clear(struct io *io, unsigned bits);

/* Parks the calling fiber until one of `bits` (or IO_HANGUP) is ready, the deadline passes
 * (ERR_TIMEOUT; INT64_MAX: none), or the fiber is cancelled (ERR_CANCELLED). Returns 0 at once when
 * a bit is set already. */
MUST_USE
YIELDS
int io_wait(struct loop *loop, struct io *io, unsigned bits, int64_t deadline);

/* --- other threads ------------------------------------------------------------------------ */

/* Runs fn(arg) on the loop's thread, in order of posting; from any thread. `fn` must not park. */
void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);

/* --- self-awareness ----------------------------------------------------------------------- */

struct loop_stats {
    uint64_t turns;
    int64_t busy_nsec;    /* time not spent waiting */
    int64_t max_lag_nsec; /* longest time from readiness or deadline to its handling */
};
/* Copies what was counted since the last call and starts anew. On the loop's thread. */
void loop_take_stats(struct loop *loop, struct loop_stats *out);

#endif
