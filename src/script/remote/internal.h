/* What the files of remote modules share with one another, and nobody else. */
#ifndef SCRIPT_REMOTE_INTERNAL_H
#define SCRIPT_REMOTE_INTERNAL_H

#include "base/map.h"
#include "script/remote/remote.h"

enum { HASH_TEXT = 65 }; /* a SHA-256 in hexadecimal, and a NUL */

/* --- lock.c ------------------------------------------------------------------------------- */

struct lock_entry {
    char sha256[HASH_TEXT];
    uint64_t size;
};

struct lock {
    char *path;
    struct map entries; /* struct lock_entry *, by URL */
    bool is_changed;
};

/* Reads the file; one that is not there is an empty lock. ERR_SYNTAX with its place. */
MUST_USE int lock_open(struct lock *lock, const char *path, struct diag *d);
void lock_deinit(struct lock *lock);
const struct lock_entry *lock_find(const struct lock *lock, struct str url); /* NULL: none */
void lock_set(struct lock *lock, struct str url, const struct lock_entry *entry);
/* Writes it, by way of a temporary file beside it, if it is changed. */
MUST_USE int lock_write(struct lock *lock, struct diag *d);

/* --- cache.c ------------------------------------------------------------------------------ */

void hash_text(struct str data, char out[HASH_TEXT]);

/* The bytes of that hash, which they are checked against; false: not there. Heap, with a NUL. */
bool cache_get(const char *folder, const struct lock_entry *entry, char **data);
/* Best effort: a cache that can't be written is done without. */
void cache_put(const char *folder, const struct lock_entry *entry, struct str data);

/* Whole files that others may be reading or writing: a new one takes the old one's place at once.
 * A negative errno. */
MUST_USE int replace_file(const char *path, struct str data);

#endif
