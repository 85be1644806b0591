/* A diagnostic: what went wrong, where, and what to do, in a form that a person reads.
 *
 * Filled once, by whoever knows most; callers up the stack pass it on. The first message stays. */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include <stdbool.h>

#include "base/compiler.h"

struct diag {
    char *file;    /* owned; NULL: no place */
    int line;      /* 1-based; 0: unknown */
    int column;    /* 1-based; 0: unknown */
    char *message; /* owned; NULL: nothing was reported */
};

#define DIAG_INIT                                                                                  \
    {                                                                                              \
        NULL, 0, 0, NULL                                                                           \
    }
void diag_deinit(struct diag *d);

/* Sets the message unless there is one; `d` may be NULL. Returns `err`, so that a failing
 * function can end with `return diag_set(d, ERR_SYNTAX, "...")`. */
int diag_set(struct diag *d, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Adds a place to a message that has none; file is copied. */
void diag_at(struct diag *d, const char *file, int line, int column);

/* Puts "text: " in front of the message (the name of the option it was found in, say). */
void diag_prefix(struct diag *d, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* "file:line:column: message" on the heap; the caller frees it with mem_free. */
char *diag_text(const struct diag *d);

#endif
