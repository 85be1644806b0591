/* TCP: dialling, and the stream over a connected socket.
 *
 * A request on a kept connection costs one write and one read: readiness is only forgotten on a
 * short count, so no read ends in EAGAIN, and nothing is registered or changed in epoll.
 *
 * Everything belongs to the thread of the loop. */
#ifndef NET_TCP_H
#define NET_TCP_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "net/addr.h"
#include "net/stream.h"

struct loop;

/* Connects to `remote` (with its port), from `local` (NULL: any; its port is ignored). TCP_NODELAY
 * and keep-alive are on. tcp_ready_nsec tells when the connection stood.
 *
 * ERR_TIMEOUT, ERR_CANCELLED, ERR_REFUSED, ERR_DIAL_ERRNO (any other errno), ERR_DIAL. `d` (may be
 * NULL) gets "dial tcp 127.0.0.1:1: connect: connection refused". */
MUST_USE YIELDS int tcp_dial(struct loop *loop, const struct addr *remote, const struct addr *local,
                             int64_t deadline, struct stream **out, struct diag *d);

/* A stream over a connected socket, which it owns from now on, on failure too. */
MUST_USE int tcp_adopt(struct loop *loop, int fd, struct stream **out);

/* --- for a layer on top of the socket (tls.c, socks and CONNECT in proxy.c) ------------------ */

/* One attempt; -EAGAIN when nothing can be moved now. 0 from tcp_try_read is the peer's end. They
 * count bytes and return stream errors. */
MUST_USE ptrdiff_t tcp_try_read(struct stream *s, void *out, size_t size);
MUST_USE ptrdiff_t tcp_try_write(struct stream *s, const void *data, size_t len);

/* Parks until IO_READ or IO_WRITE (loop/loop.h) is ready: 0, ERR_TIMEOUT or ERR_CANCELLED. A fiber
 * may wait for one while another waits for the other. */
enum tcp_side { TCP_READER, TCP_WRITER }; /* whose wait it is */
MUST_USE YIELDS int tcp_wait(struct stream *s, enum tcp_side side, unsigned bits, int64_t deadline);

/* To be called before each attempt: after a long series without a wait it lets other fibers run, so
 * that a peer faster than us cannot keep the worker to itself. 0, ERR_TIMEOUT or ERR_CANCELLED. */
MUST_USE YIELDS int tcp_take_turn(struct stream *s, int64_t deadline);

/* When the socket last became ready. */
int64_t tcp_ready_nsec(const struct stream *s);
/* Whether a readiness bit says that an idle socket has something to be read (data or its end). */
bool tcp_has_news(const struct stream *s);

#endif
