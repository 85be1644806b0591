#include "loop/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "base/clock.h"
#include "base/ensure.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/internal.h"
#include "loop/poller.h"
#include "loop/timer_heap.h"

enum { EVENTS_MAX = 512 };

/* However many fibers are ready at once, readiness is stamped at most this late. Asking costs about
 * a hundredth of it. */
enum { LOOK_NSEC = 100000 };

struct posted {
    void (*fn)(void *arg);
    void *arg;
};

struct post_queue {
    struct posted *items;
    size_t count;
    size_t cap;
};

struct loop {
    struct poller poller;
    struct timer_heap timers;
    struct fiber_sched sched;
    void (*on_quiet)(void *arg); /* NULL: nobody waits for it */
    void *quiet_arg;
    int64_t now;
    bool stopping;
    struct loop_stats stats;
    int64_t wait_ended; /* when the last wait returned: the turn began */
    int64_t looked;     /* when the poller was last asked, in the turn's middle too */

    struct io *pending[EVENTS_MAX]; /* ios whose on_ready is due in this turn */
    size_t pending_count;

    pthread_mutex_t post_lock;
    struct post_queue posted;  /* guarded by post_lock */
    struct post_queue running; /* the loop's own, swapped with `posted` */
    atomic_bool has_posted;
};

static _Thread_local struct loop *current_loop;

int loop_new(struct loop **out)
{
    struct loop *loop = mem_zalloc(sizeof *loop);
    int err = poller_init(&loop->poller);

    if (err) {
        mem_free(loop);
        return err;
    }
    sched_init(&loop->sched);
    pthread_mutex_init(&loop->post_lock, NULL);
    loop->now = clock_now();
    loop->wait_ended = loop->now;
    *out = loop;
    return 0;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    sched_deinit(&loop->sched);
    poller_deinit(&loop->poller);
    timer_heap_deinit(&loop->timers);
    pthread_mutex_destroy(&loop->post_lock);
    mem_free(loop->posted.items);
    mem_free(loop->running.items);
    mem_free(loop);
}

struct fiber_sched *loop_sched(struct loop *loop)
{
    return &loop->sched;
}

struct loop *loop_current(void)
{
    return current_loop;
}

int64_t loop_now(const struct loop *loop)
{
    return loop->now;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}

/* --- one turn ----------------------------------------------------------------------------- */

static void note_lag(struct loop *loop, int64_t lag)
{
    if (lag > loop->stats.max_lag_nsec)
        loop->stats.max_lag_nsec = lag;
}

static void run_timers(struct loop *loop)
{
    struct timer *timer;

    while ((timer = timer_heap_first(&loop->timers)) && timer->deadline <= loop->now) {
        note_lag(loop, loop->now - timer->deadline);
        timer_heap_remove(&loop->timers, timer);
        timer->fire(timer);
    }
}

static void run_pending(struct loop *loop)
{
    for (size_t i = 0; i < loop->pending_count; i++) {
        struct io *io = loop->pending[i];

        if (!io)
            continue;
        io->_pending = false;
        loop->pending[i] = NULL;
        if (io->on_ready)
            io->on_ready(io);
    }
    loop->pending_count = 0;
}

static void run_posted(struct loop *loop)
{
    struct post_queue queue;

    if (!atomic_load_explicit(&loop->has_posted, memory_order_acquire))
        return;
    pthread_mutex_lock(&loop->post_lock);
    queue = loop->posted;
    loop->posted = loop->running;
    loop->posted.count = 0;
    atomic_store_explicit(&loop->has_posted, false, memory_order_relaxed);
    pthread_mutex_unlock(&loop->post_lock);
    for (size_t i = 0; i < queue.count; i++)
        queue.items[i].fn(queue.items[i].arg);
    loop->running = queue;
}

static int64_t wait_time(struct loop *loop)
{
    const struct timer *first = timer_heap_first(&loop->timers);

    if (!sched_is_idle(&loop->sched) || loop->stopping ||
        atomic_load_explicit(&loop->has_posted, memory_order_relaxed))
        return 0;
    if (!first)
        return -1;
    return first->deadline > loop->now ? first->deadline - loop->now : 0;
}

/* Asks the poller and marks what became ready; nobody runs yet, so that all of it carries the same
 * early time. */
static void mark_ready(struct loop *loop, int64_t timeout_nsec)
{
    struct poller_event events[EVENTS_MAX];
    size_t count = poller_wait(&loop->poller, timeout_nsec, events, EVENTS_MAX);

    loop->looked = clock_now();
    for (size_t i = 0; i < count; i++) {
        struct io *io = events[i].io;

        io->ready |= events[i].bits;
        io->ready_nsec = loop->looked;
        if (io->waiter) {
            if (events[i].bits & (io->_wanted | IO_HANGUP))
                fiber_wake(io->waiter);
        } else if (io->on_ready && !io->_pending) {
            io->_pending = true;
            loop->pending[loop->pending_count++] = io;
        }
    }
}

static void wait_and_mark(struct loop *loop)
{
    int64_t began = clock_now();

    /* What was ready when the last wait ended has been handled only now. */
    note_lag(loop, began - loop->wait_ended);
    loop->stats.turns++;
    loop->stats.busy_nsec += began - loop->wait_ended;
    loop->now = began;
    mark_ready(loop, wait_time(loop));
    loop->wait_ended = loop->looked;
    loop->now = loop->looked;
}

void loop_between_fibers(struct loop *loop)
{
    if (clock_now() - loop->looked < LOOK_NSEC)
        return;
    mark_ready(loop, 0);
    run_pending(loop);
}

void loop_when_quiet(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    ensure(!loop->on_quiet);
    loop->on_quiet = fn;
    loop->quiet_arg = arg;
}

static void run_quiet(struct loop *loop)
{
    void (*fn)(void *) = loop->on_quiet;

    if (!fn || loop->sched.live > 0)
        return;
    loop->on_quiet = NULL;
    fn(loop->quiet_arg);
}

void loop_run(struct loop *loop)
{
    struct loop *outer = current_loop;

    ensure(!outer);
    current_loop = loop;
    loop->stopping = false;
    loop->wait_ended = clock_now();
    loop->now = loop->wait_ended;
    loop->looked = loop->wait_ended;
#ifdef __linux__
    /* The kernel may otherwise delay our wake-ups by 50 µs to save power. */
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
#endif
    while (!loop->stopping) {
        run_timers(loop);
        run_pending(loop);
        run_posted(loop);
        sched_run_ready(loop, &loop->sched);
        run_quiet(loop);
        if (loop->stopping)
            break;
        wait_and_mark(loop);
    }
    current_loop = NULL;
}

void loop_take_stats(struct loop *loop, struct loop_stats *out)
{
    *out = loop->stats;
    loop->stats = (struct loop_stats){0, 0, 0};
}

/* --- timers ------------------------------------------------------------------------------- */

void timer_init(struct timer *timer, void (*fire)(struct timer *timer))
{
    *timer = (struct timer){0, fire, 0};
}

void timer_start(struct loop *loop, struct timer *timer, int64_t deadline)
{
    timer->deadline = deadline;
    if (timer->_slot)
        timer_heap_moved(&loop->timers, timer);
    else
        timer_heap_insert(&loop->timers, timer);
}

void timer_stop(struct loop *loop, struct timer *timer)
{
    if (timer->_slot)
        timer_heap_remove(&loop->timers, timer);
}

bool timer_is_running(const struct timer *timer)
{
    return timer->_slot != 0;
}

/* --- sockets ------------------------------------------------------------------------------ */

int io_add(struct loop *loop, struct io *io, int fd)
{
    *io = (struct io){.fd = fd, .on_ready = io->on_ready};
    return poller_add(&loop->poller, fd, io);
}

void io_remove(struct loop *loop, struct io *io)
{
    if (io->fd < 0)
        return;
    poller_remove(&loop->poller, io->fd);
    if (io->_pending) {
        for (size_t i = 0; i < loop->pending_count; i++) {
            if (loop->pending[i] == io)
                loop->pending[i] = NULL;
        }
        io->_pending = false;
    }
    io->fd = -1;
}

void io_clear(struct io *io, unsigned bits)
{
    io->ready &= ~bits;
}

int io_wait(struct loop *loop, struct io *io, unsigned bits, int64_t deadline)
{
    int err = 0;

    (void)loop;
    ensure(!io->waiter);
    io->waiter = fiber_current();
    io->_wanted = bits;
    while (!(io->ready & (bits | IO_HANGUP)) && err == 0)
        err = fiber_park_until(deadline);
    io->waiter = NULL;
    return err;
}

/* --- other threads ------------------------------------------------------------------------ */

void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    bool was_empty;

    pthread_mutex_lock(&loop->post_lock);
    if (loop->posted.count == loop->posted.cap) {
        loop->posted.cap = loop->posted.cap ? loop->posted.cap * 2 : 16;
        loop->posted.items =
            mem_reallocarray(loop->posted.items, loop->posted.cap, sizeof(struct posted));
    }
    was_empty = loop->posted.count == 0;
    loop->posted.items[loop->posted.count++] = (struct posted){fn, arg};
    atomic_store_explicit(&loop->has_posted, true, memory_order_release);
    pthread_mutex_unlock(&loop->post_lock);
    if (was_empty)
        poller_wake(&loop->poller);
}
