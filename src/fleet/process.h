/* A child process whose output comes by a pipe, and which never outlives us. */
#ifndef FLEET_PROCESS_H
#define FLEET_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/diag.h"

struct process {
    pid_t pid;  /* -1: none */
    int log_fd; /* its standard output and error, non-blocking; ends when it does; -1: none */
    int in_fd;  /* its standard input, non-blocking; -1: that is empty. The caller may close it */
};
#define PROCESS_NONE                                                                               \
    (struct process)                                                                               \
    {                                                                                              \
        -1, -1, -1                                                                                 \
    }

struct process_how {
    const char *const *argv; /* argv[0]: the program's path */
    const char *const *env;  /* NAME=VALUE, instead of what the environment has; NULL: none */
    bool has_input;
};

/* The path (heap) of a program: itself when it has a slash, else of $PATH. ERR_NOT_FOUND, or a
 * negative errno, with a message. */
MUST_USE int process_find(const char *program, char **out, struct diag *d);

/* Starts it in a process group of its own (a terminal's Ctrl-C is not for it). On Linux the kernel
 * kills it when the calling thread ends. */
MUST_USE int process_start(struct process *p, const struct process_how *how, struct diag *d);

/* It has ended: says how ("exit code 1", "signal 9"; heap). */
char *process_reap(struct process *p);
/* Whether it is there to be reaped. Its output may still have something. */
bool process_has_ended(const struct process *p);

/* Asks it to end, kills it after `seconds`; says how it ended (heap), NULL when there was none. */
char *process_stop(struct process *p, int seconds);

#endif
