#include "loop/fiber.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "support/test.h"

static struct loop *loop;

static void run(void (*fn)(void *arg), void *arg)
{
    CHECK(loop_new(&loop) == 0);
    fiber_start(loop, fn, arg);
    loop_run(loop);
    loop_free(loop);
}

/* --- switching ---------------------------------------------------------------------------- */

static int trace[16];
static size_t traced;

static void note(int value)
{
    trace[traced++] = value;
}

static void yields_twice(void *arg)
{
    int id = *(int *)arg;

    note(id);
    fiber_yield();
    note(id + 10);
    fiber_yield();
    note(id + 20);
    if (id == 2)
        loop_stop(loop);
}

static int one = 1;
static int two = 2;

static void starts_another(void *arg)
{
    (void)arg;
    fiber_start(loop, yields_twice, &one);
    fiber_start(loop, yields_twice, &two);
}

TEST(fiber_yield_lets_the_others_run_in_turn)
{
    static const int want[] = {1, 2, 11, 12, 21, 22};

    run(starts_another, NULL);
    CHECK_EQ(traced, 6);
    CHECK(memcmp(trace, want, sizeof want) == 0);
}

static double sum_deep(int depth)
{
    volatile char frame[512];

    frame[0] = (char)depth;
    if (depth == 0) {
        fiber_yield();
        return frame[0];
    }
    return sum_deep(depth - 1) + 1.0;
}

static void goes_deep(void *arg)
{
    (void)arg;
    CHECK_NEAR(sum_deep(1000), 1000.0, 0);
    CHECK((uintptr_t)&arg > fiber_stack_limit());
    fiber_trim_stack();
    CHECK_NEAR(sum_deep(10), 10.0, 0);
    loop_stop(loop);
}

TEST(fiber_stack_holds_deep_calls)
{
    run(goes_deep, NULL);
}

static void finishes(void *arg)
{
    ++*(int *)arg;
}

static void starts_many(void *arg)
{
    int count = 0;

    (void)arg;
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 1000; i++)
            fiber_start(loop, finishes, &count);
        fiber_yield();
        fiber_yield();
    }
    CHECK_EQ(count, 10000);
    loop_stop(loop);
}

TEST(fiber_stacks_are_reused)
{
    run(starts_many, NULL);
}

/* --- parking ------------------------------------------------------------------------------ */

static void wakes(void *arg)
{
    fiber_wake(arg);
}

static void parks(void *arg)
{
    int64_t began = clock_now();

    (void)arg;
    fiber_start(loop, wakes, fiber_current());
    CHECK_EQ(fiber_park(), 0);
    CHECK_EQ(fiber_park_until(began + 5 * NSEC_PER_MSEC), ERR_TIMEOUT);
    CHECK(clock_now() - began >= 5 * NSEC_PER_MSEC);

    /* A wake that comes first is kept, once. */
    fiber_wake(fiber_current());
    fiber_wake(fiber_current());
    CHECK_EQ(fiber_park(), 0);
    CHECK_EQ(fiber_park_until(clock_now() + NSEC_PER_MSEC), ERR_TIMEOUT);

    /* An earlier deadline than the one before, then a later one. */
    began = clock_now();
    fiber_start(loop, wakes, fiber_current());
    CHECK_EQ(fiber_park_until(began + NSEC_PER_SEC), 0);
    CHECK_EQ(fiber_park_until(began + 3 * NSEC_PER_MSEC), ERR_TIMEOUT);
    CHECK_EQ(fiber_park_until(began + 9 * NSEC_PER_MSEC), ERR_TIMEOUT);
    CHECK(clock_now() - began >= 9 * NSEC_PER_MSEC);
    CHECK(clock_now() - began < NSEC_PER_SEC);
    loop_stop(loop);
}

TEST(fiber_park_ends_by_wake_or_deadline)
{
    run(parks, NULL);
}

static void sleeps(void *arg)
{
    int *result = arg;

    *result = fiber_sleep_until(clock_now() + 60 * NSEC_PER_SEC);
}

static void cancels(void *arg)
{
    int result = 0;
    struct fiber *sleeper = fiber_start(loop, sleeps, &result);

    (void)arg;
    fiber_yield();
    fiber_cancel(sleeper);
    fiber_yield();
    CHECK_EQ(result, ERR_CANCELLED);

    fiber_cancel(fiber_current());
    CHECK_EQ(fiber_park(), ERR_CANCELLED);
    CHECK_EQ(fiber_sleep_until(clock_now() + NSEC_PER_SEC), ERR_CANCELLED);
    fiber_uncancel(fiber_current());
    CHECK_EQ(fiber_sleep_until(clock_now() + NSEC_PER_MSEC), 0);
    loop_stop(loop);
}

TEST(fiber_cancel_fails_parks_until_uncancelled)
{
    run(cancels, NULL);
}

static void member(void *arg)
{
    CHECK_EQ(fiber_sleep_until(clock_now() + NSEC_PER_MSEC), 0);
    wait_group_done(arg);
}

static void waits(void *arg)
{
    struct wait_group group;

    (void)arg;
    wait_group_init(&group);
    CHECK_EQ(wait_group_wait(&group), 0);
    wait_group_add(&group, 5);
    for (int i = 0; i < 5; i++)
        fiber_start(loop, member, &group);
    CHECK_EQ(wait_group_wait(&group), 0);
    CHECK_EQ(group._left, 0);
    loop_stop(loop);
}

TEST(wait_group_waits_for_every_member)
{
    run(waits, NULL);
}

/* --- sockets ------------------------------------------------------------------------------ */

static int pair[2];

static void writes_later(void *arg)
{
    (void)arg;
    CHECK_EQ(fiber_sleep_until(clock_now() + 2 * NSEC_PER_MSEC), 0);
    CHECK(write(pair[1], "hello", 5) == 5);
}

static void reads(void *arg)
{
    struct io io = {.fd = -1};
    char data[16];

    (void)arg;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    CHECK_EQ(io_add(loop, &io, pair[0]), 0);
    CHECK_EQ(io_wait(loop, &io, IO_WRITE, INT64_MAX), 0);
    CHECK_EQ(io_wait(loop, &io, IO_READ, clock_now() + NSEC_PER_MSEC), ERR_TIMEOUT);
    fiber_start(loop, writes_later, NULL);
    CHECK_EQ(io_wait(loop, &io, IO_READ, clock_now() + NSEC_PER_SEC), 0);
    CHECK(io.ready_nsec <= clock_now() && io.ready_nsec > clock_now() - NSEC_PER_SEC);
    CHECK(read(pair[0], data, sizeof data) == 5);
    io_clear(&io, IO_READ);
    close(pair[1]);
    CHECK_EQ(io_wait(loop, &io, IO_READ, INT64_MAX), 0);
    CHECK(io.ready & IO_HANGUP);
    CHECK(read(pair[0], data, sizeof data) == 0);
    io_remove(loop, &io);
    close(pair[0]);
    loop_stop(loop);
}

TEST(io_wait_parks_until_ready_or_deadline)
{
    run(reads, NULL);
}
