/* The system's readiness interface, behind four functions: epoll on Linux (poller_epoll.c). */
#ifndef LOOP_POLLER_H
#define LOOP_POLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct io;

struct poller {
    int fd;
    int wake_fd;
    bool coarse; /* the kernel waits in whole milliseconds only */
};

struct poller_event {
    struct io *io;
    unsigned bits; /* IO_ */
};

MUST_USE
int poller_init(struct poller *p); /* negative errno */
void poller_deinit(struct poller *p);
MUST_USE
int poller_add(struct poller *p, int fd, struct io *io); /* edge-triggered, both ways */
void poller_remove(struct poller *p, int fd);

/* Waits for at most `timeout_nsec` (negative: for ever) and fills `events`; returns how many. A
 * poller_wake ends the wait too. */
size_t poller_wait(struct poller *p, int64_t timeout_nsec, struct poller_event *events, size_t max);
void poller_wake(struct poller *p); /* any thread */

#endif
