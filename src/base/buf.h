/* A growing byte buffer with a maximum, so that nobody outside can make gale take all memory.
 *
 * buf_init gives the maximum. An append that would pass it appends nothing, marks the buffer and
 * returns ERR_LIMIT; appends after that fail alike, so that a long series of appends needs one
 * check at its end (buf_is_over). Bytes stay NUL-terminated behind their end for printing. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"

struct buf {
    char *data; /* owned; NULL while nothing was appended */
    size_t len;
    size_t _cap;
    size_t _max;
    bool _over;
};

/* An empty buffer that may hold at most `max` bytes. SIZE_MAX: no limit (own data only). */
void buf_init(struct buf *b, size_t max);
#define BUF_INIT(max)                                                                              \
    {                                                                                              \
        NULL, 0, 0, (max), false                                                                   \
    }
void buf_deinit(struct buf *b); /* frees; the struct may be initialised again */
void buf_reset(struct buf *b);  /* forgets the bytes, keeps the memory, clears the mark */

int buf_append(struct buf *b, const void *data, size_t len);
int buf_append_str(struct buf *b, struct str s);
int buf_append_c(struct buf *b, const char *text);
int buf_append_char(struct buf *b, char c);
int buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Room for `len` more bytes behind the end, for reading into; NULL when past the maximum.
 * buf_added tells how many of them were filled. */
MUST_USE
char *buf_room(struct buf *b, size_t len);
void buf_added(struct buf *b, size_t len);

/* Drops `len` bytes from the front. */
void buf_consume(struct buf *b, size_t len);
/* Drops what stands behind the first `len` bytes. */
void buf_cut(struct buf *b, size_t len);

bool buf_is_over(const struct buf *b);
size_t buf_left(const struct buf *b); /* how many bytes more it may hold */
struct str buf_str(const struct buf *b);

/* Hands the bytes (NUL-terminated, heap) to the caller, who frees them with mem_free; never NULL.
 * The buffer is empty then. */
char *buf_take(struct buf *b);

#endif
