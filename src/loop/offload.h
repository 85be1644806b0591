/* Blocking work off the event loop: file systems, getaddrinfo-like calls, long computations.
 *
 * A pool of threads, shared by all loops: each is started when work waits and none is free, up to
 * one per processor (two at least), so that computations of many VUs keep every core busy. */
#ifndef LOOP_OFFLOAD_H
#define LOOP_OFFLOAD_H

#include <stdbool.h>

#include "base/compiler.h"

/* Runs fn(arg) on a pool thread and parks the calling fiber until it is done. A cancelled fiber
 * still waits for it, because `arg` usually lives on its stack. */
YIELDS
void offload_run(void (*fn)(void *arg), void *arg);

/* In fn: whether the fiber that waits was cancelled. Long computations ask now and then, and end
 * early. */
bool offload_is_cancelled(void);

/* Ends the pool's threads; nothing may be running. */
void offload_shutdown(void);

#endif
