/* Two streams in memory, each the other's peer, with faults to order: for tests of what runs on
 * streams.
 *
 * What is written to one end is read from the other. Parks need a fiber on a loop; pushing does not
 * park. Both ends belong to one loop. */
#ifndef NET_MEMSTREAM_H
#define NET_MEMSTREAM_H

#include <stddef.h>

#include "net/stream.h"

struct memstream_faults {
    size_t max_read;         /* at most that many bytes a read; 0: no limit */
    size_t fail_read_after;  /* that many bytes, then read_error for ever */
    int read_error;          /* 0: no fault; e.g. ERR_RESET */
    size_t end_read_after;   /* that many bytes, then the orderly end; SIZE_MAX: no fault */
    size_t fail_write_after; /* that many bytes, then write_error for ever */
    int write_error;         /* 0: no fault; e.g. ERR_BROKEN_PIPE */
    size_t capacity;         /* unread bytes before the writer has to wait; 0: no limit */
};
#define MEMSTREAM_FAULTS_NONE                                                                      \
    {                                                                                              \
        0, 0, 0, SIZE_MAX, 0, 0, 0                                                                 \
    }

/* `faults` (NULL: none) are those of `*a`; the peer has none. Close both ends. */
void memstream_pair(const struct memstream_faults *faults, struct stream **a, struct stream **b);

/* Writes to the stream's peer without parking and without its faults. */
void memstream_push(struct stream *s, const void *data, size_t len);
/* The peer of `s` reads the orderly end after what was written. */
void memstream_end(struct stream *s);
/* Bytes that were written to `s`'s peer side and that `s` has not read; the data is valid until the
 * next call on either end. */
struct str memstream_unread(const struct stream *s);

#endif
