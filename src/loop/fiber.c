/* A fiber lives at the top of its own stack: struct fiber first, the stack below it. Only this file
 * knows how fibers switch; the sanitizers are told of each switch, so that they stay useful. */
#include "loop/fiber.h"

#include <sys/mman.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/err.h"
#include "loop/internal.h"
#include "loop/switch.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define FIBER_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define FIBER_TSAN 1
#endif
#ifdef FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif

enum {
    STACK_MARGIN = 16 * 1024, /* left below fiber_stack_limit for calls into C */
    TRIM_KEEP = 32 * 1024,    /* fiber_trim_stack leaves the top of the stack alone */
    TRIM_PROBE = 48 * 1024,   /* a stack that was never this deep needs no trimming */
    PAGE = 4096,
};

struct fiber {
    void *sp;
    struct loop *loop;
    char *stack; /* lowest address */
    void (*fn)(void *arg);
    void *arg;
    void *data;
    struct fiber *next; /* in the ready queue */
    struct timer timer; /* runs on past a wake: see wait_deadline */
    int64_t wait_deadline;
    bool parked;
    bool queued;
    bool woken; /* a wake that no park has taken yet */
    bool timed_out;
    bool cancelled;
    bool done;
    unsigned no_yield;
    void *fake; /* AddressSanitizer's fake stack */
    void *tsan; /* ThreadSanitizer's fiber */
};

static _Thread_local struct fiber *current;

/* --- telling the sanitizers --------------------------------------------------------------- */

static void enter_fiber_begin(struct fiber_sched *s, struct fiber *f)
{
    (void)s;
    (void)f;
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(&s->loop_fake, f->stack, FIBER_STACK_SIZE);
#endif
#ifdef FIBER_TSAN
    s->loop_tsan = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(f->tsan, 0);
#endif
}

static void leave_fiber_begin(struct fiber_sched *s, struct fiber *f)
{
    (void)s;
    (void)f;
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(f->done ? NULL : &f->fake, s->loop_bottom, s->loop_size);
#endif
#ifdef FIBER_TSAN
    __tsan_switch_to_fiber(s->loop_tsan, 0);
#endif
}

/* On the fiber's stack, right after the switch to it. */
static void on_fiber(struct fiber_sched *s, struct fiber *f)
{
    (void)s;
    (void)f;
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(f->fake, &s->loop_bottom, &s->loop_size);
#endif
}

/* On the loop's stack, right after the switch to it. */
static void on_loop(struct fiber_sched *s)
{
    (void)s;
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(s->loop_fake, NULL, NULL);
#endif
}

static void forget_stack(char *stack)
{
    (void)stack;
#ifdef FIBER_ASAN
    /* Frames that were left for ever have poisoned their red zones. */
    __asan_unpoison_memory_region(stack + PAGE, FIBER_STACK_SIZE - PAGE);
#endif
}

/* --- switching ---------------------------------------------------------------------------- */

static void switch_to_loop(struct fiber *f)
{
    struct fiber_sched *s = loop_sched(f->loop);

    leave_fiber_begin(s, f);
    gale_switch(&f->sp, s->loop_sp);
    on_fiber(s, f);
}

static void fiber_main(void *arg)
{
    struct fiber *f = arg;

    on_fiber(loop_sched(f->loop), f);
    f->fn(f->arg);
    f->done = true;
    switch_to_loop(f);
}

/* What gale_switch finds when it first goes to this stack. */
static void *first_frame(char *top, void (*fn)(void *arg), void *arg)
{
    void **sp = (void **)(void *)((uintptr_t)top & ~(uintptr_t)15);

#if defined(__x86_64__)
    *--sp = (void *)(uintptr_t)gale_switch_entry; /* the call there finds sp 16-aligned */
    *--sp = NULL;                                 /* rbp */
    *--sp = arg;                                  /* rbx */
    *--sp = (void *)(uintptr_t)fn;                /* r12 */
    *--sp = NULL;
    *--sp = NULL;
    *--sp = NULL; /* r15 */
#elif defined(__aarch64__)
    sp -= 20;
    for (int i = 0; i < 20; i++)
        sp[i] = NULL;
    sp[0] = (void *)(uintptr_t)fn; /* x19 */
    sp[1] = arg;                   /* x20 */
    sp[11] = (void *)(uintptr_t)gale_switch_entry;
#else
#error "gale has a fiber switch for x86-64 and aarch64: add switch_<architecture>.S"
#endif
    return sp;
}

static void free_fiber(struct fiber_sched *s, struct fiber *f)
{
    char *stack = f->stack;

    timer_stop(f->loop, &f->timer);
#ifdef FIBER_TSAN
    __tsan_destroy_fiber(f->tsan);
#endif
    forget_stack(stack);
    stack_pool_give(&s->stacks, stack);
    s->live--;
}

static void run_fiber(struct fiber_sched *s, struct fiber *f)
{
    current = f;
    enter_fiber_begin(s, f);
    gale_switch(&s->loop_sp, f->sp);
    on_loop(s);
    current = NULL;
    if (f->done)
        free_fiber(s, f);
}

/* --- the scheduler ------------------------------------------------------------------------ */

void sched_init(struct fiber_sched *s)
{
    *s = (struct fiber_sched){.ready = {NULL, NULL}};
    s->ready.tail = &s->ready.head;
    stack_pool_init(&s->stacks);
}

void sched_deinit(struct fiber_sched *s)
{
    ensure(s->live == 0);
    stack_pool_deinit(&s->stacks);
}

bool sched_is_idle(const struct fiber_sched *s)
{
    return s->ready.head == NULL;
}

static void make_ready(struct fiber *f)
{
    struct fiber_queue *queue = &loop_sched(f->loop)->ready;

    if (f->queued)
        return;
    f->queued = true;
    f->next = NULL;
    *queue->tail = f;
    queue->tail = &f->next;
}

void sched_run_ready(struct loop *loop, struct fiber_sched *s)
{
    struct fiber *f = s->ready.head;

    s->ready.head = NULL;
    s->ready.tail = &s->ready.head;
    while (f) {
        struct fiber *next = f->next;

        f->queued = false;
        run_fiber(s, f);
        loop_between_fibers(loop);
        f = next;
    }
}

/* The timer is not stopped when a fiber is woken before its deadline: most deadlines are far
 * time-outs that never come, and the next park usually has one that is later still. So the timer
 * may fire early for what is waited for now, and is then moved. */
static void deadline_passed(struct timer *timer)
{
    struct fiber *f = CONTAINER_OF(timer, struct fiber, timer);

    if (!f->parked || f->wait_deadline == INT64_MAX)
        return;
    if (timer->deadline < f->wait_deadline) {
        timer_start(f->loop, timer, f->wait_deadline);
        return;
    }
    f->timed_out = true;
    make_ready(f);
}

struct fiber *fiber_start(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct fiber_sched *s = loop_sched(loop);
    char *stack = stack_pool_take(&s->stacks);
    char *top = stack + FIBER_STACK_SIZE - ((sizeof(struct fiber) + 63) & ~(size_t)63);
    struct fiber *f = (struct fiber *)(void *)top;

    *f = (struct fiber){.loop = loop, .stack = stack, .fn = fn, .arg = arg};
    timer_init(&f->timer, deadline_passed);
    f->sp = first_frame(top, fiber_main, f);
#ifdef FIBER_TSAN
    f->tsan = __tsan_create_fiber(0);
#endif
    s->live++;
    make_ready(f);
    return f;
}

struct fiber *fiber_current(void)
{
    return current;
}

struct loop *fiber_loop(void)
{
    ensure(current);
    return current->loop;
}

/* --- parking ------------------------------------------------------------------------------ */

int fiber_park_until(int64_t deadline)
{
    struct fiber *f = current;

    ensure(f && f->no_yield == 0);
    if (f->cancelled)
        return ERR_CANCELLED;
    if (f->woken) {
        f->woken = false;
        return 0;
    }
    f->wait_deadline = deadline;
    f->timed_out = false;
    if (deadline != INT64_MAX && (!timer_is_running(&f->timer) || f->timer.deadline > deadline))
        timer_start(f->loop, &f->timer, deadline);
    f->parked = true;
    switch_to_loop(f);
    f->parked = false;
    if (f->cancelled)
        return ERR_CANCELLED;
    if (f->woken) {
        f->woken = false;
        return 0;
    }
    return f->timed_out ? ERR_TIMEOUT : 0;
}

int fiber_park(void)
{
    return fiber_park_until(INT64_MAX);
}

int fiber_sleep_until(int64_t deadline)
{
    int err;

    do {
        err = fiber_park_until(deadline);
    } while (err == 0);
    return err == ERR_TIMEOUT ? 0 : err;
}

void fiber_yield(void)
{
    struct fiber *f = current;

    ensure(f && f->no_yield == 0);
    make_ready(f);
    switch_to_loop(f);
}

void fiber_wake(struct fiber *f)
{
    f->woken = true;
    if (f->parked)
        make_ready(f);
}

void fiber_cancel(struct fiber *f)
{
    f->cancelled = true;
    if (f->parked)
        make_ready(f);
}

void fiber_uncancel(struct fiber *f)
{
    f->cancelled = false;
    f->woken = false;
}

bool fiber_is_cancelled(const struct fiber *f)
{
    return f->cancelled;
}

void fiber_no_yield_begin(void)
{
    if (current)
        current->no_yield++;
}

void fiber_no_yield_end(void)
{
    if (current)
        current->no_yield--;
}

bool fiber_can_yield(void)
{
    return current && current->no_yield == 0;
}

/* --- the stack ---------------------------------------------------------------------------- */

uintptr_t fiber_stack_limit(void)
{
    ensure(current);
    return (uintptr_t)current->stack + PAGE + STACK_MARGIN;
}

void fiber_trim_stack(void)
{
    struct fiber *f = current;
    char *end = f->stack + FIBER_STACK_SIZE;
    unsigned char resident = 0;

    if (mincore(end - TRIM_PROBE, PAGE, &resident) != 0 || !(resident & 1))
        return;
    madvise(f->stack + PAGE, FIBER_STACK_SIZE - TRIM_KEEP - PAGE, MADV_DONTNEED);
}

void fiber_set_data(struct fiber *f, void *data)
{
    f->data = data;
}

void *fiber_data(const struct fiber *f)
{
    return f->data;
}

/* --- wait groups -------------------------------------------------------------------------- */

void wait_group_init(struct wait_group *group)
{
    *group = (struct wait_group){0, NULL};
}

void wait_group_add(struct wait_group *group, size_t count)
{
    group->_left += count;
}

void wait_group_done(struct wait_group *group)
{
    ensure(group->_left > 0);
    if (--group->_left == 0 && group->_waiter)
        fiber_wake(group->_waiter);
}

int wait_group_wait(struct wait_group *group)
{
    int err = 0;

    group->_waiter = fiber_current();
    while (group->_left > 0 && err == 0)
        err = fiber_park();
    group->_waiter = NULL;
    return err;
}
