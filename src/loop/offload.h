/* Blocking work off the event loop: file systems, getaddrinfo-like calls, long computations.
 *
 * A small pool of threads, started on first use, shared by all loops. */
#ifndef LOOP_OFFLOAD_H
#define LOOP_OFFLOAD_H

#include "base/compiler.h"

/* Runs fn(arg) on a pool thread and parks the calling fiber until it is done. A cancelled fiber
 * still waits for it, because `arg` usually lives on its stack. */
YIELDS
void offload_run(void (*fn)(void *arg), void *arg);

/* Ends the pool's threads; nothing may be running. */
void offload_shutdown(void);

#endif
