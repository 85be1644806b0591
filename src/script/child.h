/* A tool that gale runs while it loads a script (esbuild, protoc). */
#ifndef SCRIPT_CHILD_H
#define SCRIPT_CHILD_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

/* Runs argv[0] of the PATH with `input` as its stdin, and waits for its end. Only for programs that
 * read all input before they write, and write little to stderr. -ENOENT: there is no such program.
 * Other negative errno: it could not be started. *code: its exit code, -1 after a signal. */
MUST_USE int child_run(char *const argv[], struct str input, struct buf *out, struct buf *err_out,
                       int *code);

#endif
