#include "loop/offload.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include "base/ensure.h"
#include "base/err.h"
#include "loop/fiber.h"
#include "loop/loop.h"

enum { MIN_THREADS = 2, MAX_THREADS = 64 };

struct job {
    void (*fn)(void *arg);
    void *arg;
    struct loop *loop;
    struct fiber *fiber;
    struct job *next;
    bool done; /* written and read on the fiber's loop only */
    atomic_bool cancelled;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t threads[MAX_THREADS];
    int count;   /* of threads */
    int idle;    /* threads that wait for a job */
    int waiting; /* jobs that no thread has taken */
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
    pool.idle++;
    while (!pool.head && !pool.stopping)
        pthread_cond_wait(&pool.wake, &pool.lock);
    pool.idle--;
    job = pool.head;
    if (job) {
        pool.head = job->next;
        pool.waiting--;
    }
    pthread_mutex_unlock(&pool.lock);
    return job;
}

static _Thread_local struct job *running;

static void *work(void *arg)
{
    (void)arg;
    while ((running = next_job())) {
        running->fn(running->arg);
        loop_post(running->loop, finish, running);
    }
    return NULL;
}

static int most_threads(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    if (cpus < MIN_THREADS)
        return MIN_THREADS;
    return cpus > MAX_THREADS ? MAX_THREADS : (int)cpus;
}

static void put(struct job *job)
{
    pthread_mutex_lock(&pool.lock);
    if (!pool.head)
        pool.tail = &pool.head;
    *pool.tail = job;
    pool.tail = &job->next;
    pool.waiting++;
    if (pool.waiting > pool.idle && pool.count < most_threads())
        ensure(pthread_create(&pool.threads[pool.count++], NULL, work, NULL) == 0);
    pthread_cond_signal(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
}

void offload_run(void (*fn)(void *arg), void *arg)
{
    struct job job = {.fn = fn, .arg = arg, .loop = fiber_loop(), .fiber = fiber_current()};
    bool cancelled = fiber_is_cancelled(job.fiber);

    atomic_init(&job.cancelled, cancelled);
    put(&job);
    while (!job.done) {
        if (fiber_park() == ERR_CANCELLED) {
            cancelled = true;
            atomic_store(&job.cancelled, true);
            fiber_uncancel(job.fiber);
        }
    }
    if (cancelled)
        fiber_cancel(job.fiber);
}

bool offload_is_cancelled(void)
{
    return running && atomic_load(&running->cancelled);
}

void offload_shutdown(void)
{
    pthread_mutex_lock(&pool.lock);
    ensure(!pool.head);
    pool.stopping = true;
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
    for (int i = 0; i < pool.count; i++)
        pthread_join(pool.threads[i], NULL);
    pool.count = 0;
    pool.stopping = false;
}
