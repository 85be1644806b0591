#include "loop/offload.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/ensure.h"
#include "base/err.h"
#include "loop/fiber.h"
#include "loop/loop.h"

enum { THREADS = 2 };

struct job {
    void (*fn)(void *arg);
    void *arg;
    struct loop *loop;
    struct fiber *fiber;
    struct job *next;
    bool done; /* written and read on the fiber's loop only */
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t threads[THREADS];
    bool started;
    bool stopping;
    struct job *head;
    struct job **tail;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static void finish(void *arg)
{
    struct job *job = arg;

    job->done = true;
    fiber_wake(job->fiber);
}

static struct job *next_job(void)
{
    struct job *job;

    pthread_mutex_lock(&pool.lock);
    while (!pool.head && !pool.stopping)
        pthread_cond_wait(&pool.wake, &pool.lock);
    job = pool.head;
    if (job) {
        pool.head = job->next;
        if (!pool.head)
            pool.tail = &pool.head;
    }
    pthread_mutex_unlock(&pool.lock);
    return job;
}

static void *work(void *arg)
{
    struct job *job;

    (void)arg;
    while ((job = next_job())) {
        job->fn(job->arg);
        loop_post(job->loop, finish, job);
    }
    return NULL;
}

static void start_threads(void)
{
    pool.started = true;
    pool.stopping = false;
    pool.tail = &pool.head;
    for (int i = 0; i < THREADS; i++)
        ensure(pthread_create(&pool.threads[i], NULL, work, NULL) == 0);
}

void offload_run(void (*fn)(void *arg), void *arg)
{
    struct job job = {fn, arg, fiber_loop(), fiber_current(), NULL, false};
    bool cancelled = fiber_is_cancelled(job.fiber);

    pthread_mutex_lock(&pool.lock);
    if (!pool.started)
        start_threads();
    *pool.tail = &job;
    pool.tail = &job.next;
    pthread_cond_signal(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
    while (!job.done) {
        if (fiber_park() == ERR_CANCELLED) {
            cancelled = true;
            fiber_uncancel(job.fiber);
        }
    }
    if (cancelled)
        fiber_cancel(job.fiber);
}

void offload_shutdown(void)
{
    pthread_mutex_lock(&pool.lock);
    if (!pool.started) {
        pthread_mutex_unlock(&pool.lock);
        return;
    }
    ensure(!pool.head);
    pool.stopping = true;
    pool.started = false;
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
    for (int i = 0; i < THREADS; i++)
        pthread_join(pool.threads[i], NULL);
}
