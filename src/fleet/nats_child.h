/* A child process whose output comes by a pipe, and which never outlives us. */
#ifndef FLEET_NATS_CHILD_H
#define FLEET_NATS_CHILD_H

#include <sys/types.h>

#include "base/compiler.h"
#include "base/diag.h"

struct nats_child {
    pid_t pid;  /* -1: none */
    int log_fd; /* its standard output and error, non-blocking; ends when it does; -1: none */
};

/* The program's path (heap): `given`, or nats-server of $PATH or where packages put it. */
MUST_USE int nats_child_find(const char *given, char **out, struct diag *d);

/* Starts argv[0], in a process group of its own (a terminal's Ctrl-C is not for it). On Linux the
 * kernel kills it when the calling thread ends. */
MUST_USE int nats_child_start(struct nats_child *c, const char *const *argv, struct diag *d);

/* It has ended: says how ("exit code 1", "signal 9"; heap). */
char *nats_child_reap(struct nats_child *c);

/* Asks it to end, kills it after `seconds`; says how it ended (heap), NULL when there was none. */
char *nats_child_stop(struct nats_child *c, int seconds);

#endif
