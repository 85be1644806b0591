#include "loop/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/rng.h"
#include "loop/fiber.h"
#include "loop/mailbox.h"
#include "loop/offload.h"
#include "support/test.h"

static struct loop *loop;

/* --- timers ------------------------------------------------------------------------------- */

enum { TIMERS = 500 };

static struct timer timers[TIMERS];
static int64_t last_deadline;
static unsigned fired;
static unsigned expected;

static void check_order(struct timer *timer)
{
    CHECK(timer->deadline >= last_deadline);
    CHECK(clock_now() >= timer->deadline);
    last_deadline = timer->deadline;
    if (++fired == expected)
        loop_stop(loop);
}

TEST(timers_fire_in_order_and_never_early)
{
    struct rng rng;
    int64_t now = clock_now();

    rng_seed(&rng, 1);
    CHECK(loop_new(&loop) == 0);
    for (int i = 0; i < TIMERS; i++) {
        timer_init(&timers[i], check_order);
        timer_start(loop, &timers[i], now + (int64_t)rng_below(&rng, 20 * NSEC_PER_MSEC));
    }
    for (int i = 0; i < TIMERS; i += 3)
        timer_start(loop, &timers[i], now + (int64_t)rng_below(&rng, 20 * NSEC_PER_MSEC));
    expected = TIMERS;
    for (int i = 1; i < TIMERS; i += 3) {
        timer_stop(loop, &timers[i]);
        CHECK(!timer_is_running(&timers[i]));
        expected--;
    }
    loop_run(loop);
    CHECK_EQ(fired, expected);
    loop_free(loop);
}

static void stop(struct timer *timer)
{
    (void)timer;
    loop_stop(loop);
}

TEST(a_timer_is_finer_than_a_millisecond)
{
    struct timer timer;
    int64_t best = INT64_MAX;

    CHECK(loop_new(&loop) == 0);
    timer_init(&timer, stop);
    for (int i = 0; i < 20; i++) {
        int64_t deadline = clock_now() + 200 * NSEC_PER_USEC;
        int64_t late;

        timer_start(loop, &timer, deadline);
        loop_run(loop);
        late = clock_now() - deadline;
        CHECK(late >= 0);
        best = late < best ? late : best;
    }
    CHECK(best < 700 * NSEC_PER_USEC);
    loop_free(loop);
}

/* --- other threads ------------------------------------------------------------------------ */

enum { SENDERS = 4, MESSAGES = 5000 };

static struct mailbox *box;
static uintptr_t last_from[SENDERS];
static unsigned received;

static void receive(void *arg, void *message)
{
    uintptr_t value = (uintptr_t)message;
    uintptr_t sender = value % SENDERS;

    (void)arg;
    CHECK(value > last_from[sender]);
    last_from[sender] = value;
    if (++received == SENDERS * MESSAGES)
        loop_stop(loop);
}

static void *sender_main(void *arg)
{
    uintptr_t sender = (uintptr_t)arg;

    for (uintptr_t i = 1; i <= MESSAGES; i++) {
        while (mailbox_send(box, (void *)(i * SENDERS + sender)) != 0)
            sched_yield();
    }
    return NULL;
}

TEST(mailbox_delivers_in_order_from_many_threads)
{
    pthread_t threads[SENDERS];

    CHECK(loop_new(&loop) == 0);
    box = mailbox_new(loop, 100, receive, NULL);
    for (uintptr_t i = 0; i < SENDERS; i++)
        CHECK(pthread_create(&threads[i], NULL, sender_main, (void *)i) == 0);
    loop_run(loop);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(received, SENDERS * MESSAGES);
    mailbox_free(box);
    loop_free(loop);
}

TEST(mailbox_refuses_when_full)
{
    CHECK(loop_new(&loop) == 0);
    box = mailbox_new(loop, 2, receive, NULL);
    CHECK_EQ(mailbox_send(box, (void *)1), 0);
    CHECK_EQ(mailbox_send(box, (void *)2), 0);
    CHECK_EQ(mailbox_send(box, (void *)3), ERR_LIMIT);
    received = SENDERS * MESSAGES - 2;
    loop_run(loop);
    mailbox_free(box);
    loop_free(loop);
}

static void block(void *arg)
{
    usleep(5000);
    *(int *)arg = 7;
}

static unsigned ticks;

static void tick(struct timer *timer)
{
    ticks++;
    timer_start(loop, timer, clock_now() + NSEC_PER_MSEC);
}

static void offloads(void *arg)
{
    int result = 0;

    (void)arg;
    offload_run(block, &result);
    CHECK_EQ(result, 7);

    fiber_cancel(fiber_current());
    result = 0;
    offload_run(block, &result);
    CHECK_EQ(result, 7);
    CHECK(fiber_is_cancelled(fiber_current()));
    fiber_uncancel(fiber_current());
    loop_stop(loop);
}

TEST(offload_leaves_the_loop_running)
{
    struct timer timer;

    CHECK(loop_new(&loop) == 0);
    timer_init(&timer, tick);
    timer_start(loop, &timer, clock_now());
    fiber_start(loop, offloads, NULL);
    loop_run(loop);
    CHECK(ticks >= 2);
    timer_stop(loop, &timer);
    loop_free(loop);
    offload_shutdown();
}

static void until_cancelled(void *arg)
{
    bool *saw = arg;

    while (!offload_is_cancelled())
        usleep(100);
    *saw = true;
}

static void computes(void *arg)
{
    bool saw = false;

    offload_run(until_cancelled, &saw);
    CHECK(saw);
    CHECK(fiber_is_cancelled(fiber_current()));
    wait_group_done(arg);
}

static void cancels_many(void *arg)
{
    struct fiber *fibers[9];
    struct wait_group group;

    (void)arg;
    wait_group_init(&group);
    wait_group_add(&group, COUNT_OF(fibers));
    for (size_t i = 0; i < COUNT_OF(fibers); i++)
        fibers[i] = fiber_start(loop, computes, &group);
    CHECK(fiber_sleep_until(clock_now() + NSEC_PER_MSEC) == 0);
    for (size_t i = 0; i < COUNT_OF(fibers); i++)
        fiber_cancel(fibers[i]);
    CHECK(wait_group_wait(&group) == 0);
    loop_stop(loop);
}

/* More at once than there are threads: those that wait for one are cancelled before they begin. */
TEST(offloaded_work_sees_that_it_is_cancelled)
{
    CHECK(loop_new(&loop) == 0);
    fiber_start(loop, cancels_many, NULL);
    loop_run(loop);
    loop_free(loop);
    offload_shutdown();
}

static void hog(void *arg)
{
    int64_t until = clock_now() + 5 * NSEC_PER_MSEC;

    (void)arg;
    while (clock_now() < until)
        ;
    fiber_yield();
    loop_stop(loop);
}

TEST(loop_stats_see_a_hog)
{
    struct loop_stats stats;

    CHECK(loop_new(&loop) == 0);
    fiber_start(loop, hog, NULL);
    loop_run(loop);
    loop_take_stats(loop, &stats);
    CHECK(stats.max_lag_nsec >= 5 * NSEC_PER_MSEC);
    CHECK(stats.busy_nsec >= 5 * NSEC_PER_MSEC);
    loop_take_stats(loop, &stats);
    CHECK_EQ(stats.busy_nsec, 0);
    loop_free(loop);
}

/* --- readiness in a crowd ----------------------------------------------------------------- */

static struct io watched;
static int peer;
static int64_t crowd_ended;

static void wait_for_byte(void *arg)
{
    (void)arg;
    io_clear(&watched, IO_READ | IO_WRITE);
    CHECK_EQ(io_wait(loop, &watched, IO_READ, INT64_MAX), 0);
    CHECK(watched.ready_nsec < crowd_ended);
    loop_stop(loop);
}

static void send_byte(void *arg)
{
    (void)arg;
    CHECK_EQ(write(peer, "x", 1), 1);
}

static void compute(void *arg)
{
    int64_t until = clock_now() + NSEC_PER_MSEC;

    (void)arg;
    while (clock_now() < until)
        ;
    crowd_ended = clock_now();
}

TEST(readiness_is_stamped_while_a_crowd_of_fibers_runs)
{
    int fds[2];

    CHECK(loop_new(&loop) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    peer = fds[1];
    CHECK(io_add(loop, &watched, fds[0]) == 0);
    fiber_start(loop, wait_for_byte, NULL);
    fiber_start(loop, send_byte, NULL);
    for (int i = 0; i < 20; i++)
        fiber_start(loop, compute, NULL);
    loop_run(loop);
    io_remove(loop, &watched);
    close(fds[0]);
    close(fds[1]);
    loop_free(loop);
}
