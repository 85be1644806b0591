/* Memory that dies together: allocations are a pointer bump, and freeing is one call for all.
 *
 * Lifetimes with an arena: an iteration, a request, a parsed file. Not for what grows for the
 * length of a run. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *_head;
    char *_next;
    char *_end;
};

void arena_init(struct arena *a);
void arena_deinit(struct arena *a); /* frees everything */
void arena_reset(struct arena *a);  /* forgets everything, keeps the newest block if it is small */

void *arena_alloc(struct arena *a, size_t size);  /* aligned for any type, uninitialised */
void *arena_zalloc(struct arena *a, size_t size); /* zeroed */
char *arena_strdup(struct arena *a, const char *text);
struct str arena_str(struct arena *a, struct str s); /* a NUL-terminated copy */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
