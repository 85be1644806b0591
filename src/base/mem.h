/* Heap memory that is always there: out of memory ends the process with a message.
 *
 * Amounts that a script, a peer or an operator chooses are bounded before they come here
 * (struct buf has a maximum; options have limits), so this fires only when the machine is full. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

#define NEVER_NULL __attribute__((returns_nonnull))

NEVER_NULL void *mem_alloc(size_t size);                /* uninitialised; free with mem_free */
NEVER_NULL void *mem_zalloc(size_t size);               /* zeroed */
NEVER_NULL void *mem_calloc(size_t count, size_t size); /* zeroed; the product is checked */
NEVER_NULL void *mem_realloc(void *ptr, size_t size);   /* ptr may be NULL */
NEVER_NULL void *mem_reallocarray(void *ptr, size_t count, size_t size);
NEVER_NULL void *mem_dup(const void *ptr, size_t size);     /* a copy */
char *mem_strdup(const char *text);                         /* NULL gives NULL */
NEVER_NULL char *mem_strndup(const char *text, size_t len); /* copies len bytes, adds the NUL */
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *mem_vprintf(const char *fmt, va_list args) __attribute__((format(printf, 1, 0)));
void mem_free(void *ptr); /* NULL is allowed */

/* Once, at the start of a process that takes and frees much each second: up to so many freed bytes
 * stay with it. Otherwise the C library may give them back each time and fault them in again
 * (measured: three times the work for a controller with hot series). */
void mem_keep_freed(size_t bytes);

#endif
