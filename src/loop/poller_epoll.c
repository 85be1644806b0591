#include "loop/poller.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "loop/loop.h"

enum { BATCH = 512 };

int poller_init(struct poller *p)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = NULL}};
    int err;

    *p = (struct poller){-1, -1, false};
    p->fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->fd < 0)
        return -errno;
    p->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (p->wake_fd < 0 || epoll_ctl(p->fd, EPOLL_CTL_ADD, p->wake_fd, &event) != 0) {
        err = -errno;
        poller_deinit(p);
        return err;
    }
    return 0;
}

void poller_deinit(struct poller *p)
{
    if (p->wake_fd >= 0)
        close(p->wake_fd);
    if (p->fd >= 0)
        close(p->fd);
}

int poller_add(struct poller *p, int fd, struct io *io)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data = {.ptr = io}};

    return epoll_ctl(p->fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

void poller_remove(struct poller *p, int fd)
{
    epoll_ctl(p->fd, EPOLL_CTL_DEL, fd, NULL);
}

/* epoll_pwait2 takes nanoseconds (Linux 5.11); older kernels round up to milliseconds, so that a
 * timer never fires early. */
static int wait_events(struct poller *p, int64_t timeout_nsec, struct epoll_event *out, int max)
{
    struct timespec ts = {(time_t)(timeout_nsec / NSEC_PER_SEC),
                          (long)(timeout_nsec % NSEC_PER_SEC)};
    int64_t ms = (timeout_nsec + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
    int count;

    if (timeout_nsec == 0)
        return epoll_wait(p->fd, out, max, 0);
    if (timeout_nsec < 0)
        return epoll_wait(p->fd, out, max, -1);
    if (!p->coarse) {
        count = epoll_pwait2(p->fd, out, max, &ts, NULL);
        if (count >= 0 || errno != ENOSYS)
            return count;
        p->coarse = true;
    }
    return epoll_wait(p->fd, out, max, ms > INT32_MAX ? INT32_MAX : (int)ms);
}

size_t poller_wait(struct poller *p, int64_t timeout_nsec, struct poller_event *events, size_t max)
{
    struct epoll_event raw[BATCH];
    int count = wait_events(p, timeout_nsec, raw, max < BATCH ? (int)max : BATCH);
    size_t filled = 0;

    ensure(count >= 0 || errno == EINTR);
    for (int i = 0; i < count; i++) {
        struct io *io = raw[i].data.ptr;
        uint64_t drained;
        unsigned bits = 0;

        if (!io) {
            ensure(read(p->wake_fd, &drained, sizeof drained) > 0 || errno == EAGAIN);
            continue;
        }
        if (raw[i].events & EPOLLIN)
            bits |= IO_READ;
        if (raw[i].events & EPOLLOUT)
            bits |= IO_WRITE;
        if (raw[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            bits |= IO_HANGUP | IO_READ;
        events[filled++] = (struct poller_event){io, bits};
    }
    return filled;
}

void poller_wake(struct poller *p)
{
    uint64_t one = 1;

    ensure(write(p->wake_fd, &one, sizeof one) > 0 || errno == EAGAIN);
}
