/* TCP: dialling, and the stream over a connected socket, which is a transport (transport.h).
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
 * and keep-alive are on. transport_ready_nsec tells when the connection stood.
 *
 * ERR_TIMEOUT, ERR_CANCELLED, ERR_REFUSED, ERR_DIAL_ERRNO (any other errno), ERR_DIAL. `d` (may be
 * NULL) gets "dial tcp 127.0.0.1:1: connect: connection refused". */
MUST_USE YIELDS int tcp_dial(struct loop *loop, const struct addr *remote, const struct addr *local,
                             int64_t deadline, struct stream **out, struct diag *d);

/* A stream over a connected socket, which it owns from now on, on failure too. */
MUST_USE int tcp_adopt(struct loop *loop, int fd, struct stream **out);

#endif
