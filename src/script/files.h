/* Where a script's files come from: the disk, or an archive that was opened, and for modules the
 * network too.
 *
 * Everything that a script reads (modules, open()) goes through here by absolute URL
 * ("file:///dir/x.js", "https://host/x.js"), once per process; the bytes are kept, so that every VU
 * shares them and `archive` can write all that was read. After the first run of the init context
 * the set is frozen: a file that was not read then is an error later, on every machine alike.
 *
 * Threads: filled on main; read-only once frozen. */
#ifndef SCRIPT_FILES_H
#define SCRIPT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct files;

/* A source of bytes. `path` is absolute, or a URL of the network. 0 and heap bytes (mem_free) with
 * a NUL behind the last, or an error with a message. */
struct file_source {
    YIELDS int (*read)(void *arg, const char *path, size_t max, char **data, size_t *len,
                       struct diag *d);
    void *arg;
};

enum { FILES_MAX_SCRIPT = 64 * 1024 * 1024 }; /* bytes of one module */

/* `source` NULL: the disk. */
struct files *files_new(const struct file_source *source);
/* Where modules with a URL of the network come from; without it they are refused. */
void files_set_remote(struct files *files, const struct file_source *source);
void files_free(struct files *files);

struct file {
    char *url;  /* "file:///dir/x.js" */
    char *data; /* NUL behind its end */
    size_t len;
    bool is_module; /* read by import or require, not by open() */
};

/* Reads once, then answers from memory. ERR_NOT_FOUND, ERR_LIMIT, negative errno; for URLs of the
 * network, which are for modules only, also what remote/remote.h says. */
MUST_USE YIELDS int files_get(struct files *files, struct str url, bool is_module,
                              const struct file **out, struct diag *d);
/* Puts bytes in under a URL (stdin, archives, tests); the data is copied. */
void files_put(struct files *files, struct str url, struct str data, bool is_module);
void files_freeze(struct files *files);
/* Everything that was read, in order of reading. */
void files_each(const struct files *files, void (*fn)(void *arg, const struct file *file),
                void *arg);

/* Whether it is one of the network: http:// or https://. */
bool files_is_remote(struct str url);
/* URL of `specifier` as seen from the module `base` ("file:///dir/x.js", or "file:///dir/"):
 * relative and absolute paths, file:// URLs and those of the network. Heap. */
char *files_resolve(struct str base, struct str specifier);
/* "file:///dir/x.js" of a path, made absolute against the current folder; heap. And back. */
char *files_url(struct str path);
struct str files_path(struct str url);
/* Without the query, which is no part of a name's ending ("https://host/x.ts?v=2"). */
struct str files_name(struct str url);

#endif
