/* TypeScript and JSX to JavaScript, by esbuild: types are stripped, not checked, as k6 does it. */
#ifndef SCRIPT_TYPESCRIPT_H
#define SCRIPT_TYPESCRIPT_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

/* Whether a file of that name needs it: .ts, .mts, .cts, .tsx, .jsx. */
bool typescript_is_name(struct str name);

/* Runs the program that GALE_ESBUILD names, or `esbuild` of the PATH, and waits for it. `path`
 * names the file in messages. The result (heap, NUL behind its end) ends with its source map as a
 * data: URL. ERR_NOT_FOUND: there is no esbuild. ERR_SYNTAX, with the place in `d`. Negative errno.
 */
MUST_USE int typescript_compile(const char *path, struct str source, char **out, size_t *out_len,
                                struct diag *d);

#endif
