#include "net/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "net/transport.h"

enum { KEEPALIVE_SECONDS = 30 }; /* HTP-23 */

/* What a read or write that failed is called. */
static int stream_error(int errnum)
{
    switch (errnum) {
    case ECONNRESET:
        return ERR_RESET;
    case EPIPE:
        return ERR_BROKEN_PIPE;
    case EWOULDBLOCK:
        return -EAGAIN;
    default:
        return -errnum;
    }
}

static ptrdiff_t try_read(struct transport *t, void *out, size_t size)
{
    ssize_t got;

    if (!(t->io.ready & IO_READ))
        return -EAGAIN;
    do {
        got = recv(t->io.fd, out, size, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        if (errno == EAGAIN)
            io_clear(&t->io, IO_READ);
        return stream_error(errno);
    }
    t->stream.bytes.received += (size_t)got;
    /* A short count empties the socket, and what comes later is a new edge. Not so when the end has
     * been announced: its edge is past. */
    if ((size_t)got < size && !(t->io.ready & IO_HANGUP))
        io_clear(&t->io, IO_READ);
    return got;
}

static ptrdiff_t try_write(struct transport *t, const struct iovec *parts, size_t count)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = count};
    ssize_t put;

    do {
        put = sendmsg(t->io.fd, &msg, MSG_NOSIGNAL);
    } while (put < 0 && errno == EINTR);
    if (put < 0) {
        if (errno == EAGAIN)
            io_clear(&t->io, IO_WRITE);
        return stream_error(errno);
    }
    t->stream.bytes.sent += (size_t)put;
    return put;
}

/* --- the stream --------------------------------------------------------------------------- */

static bool tcp_is_idle_healthy(struct stream *s)
{
    struct transport *t = transport_of(s);
    ssize_t got;
    char byte;

    if (!transport_has_news(t))
        return true;
    if (t->io.ready & IO_HANGUP)
        return false;
    got = recv(t->io.fd, &byte, 1, MSG_PEEK);
    if (got >= 0 || errno != EAGAIN)
        return false;
    io_clear(&t->io, IO_READ);
    return true;
}

static void tcp_close(struct stream *s)
{
    struct transport *t = transport_of(s);
    int fd = t->io.fd;

    io_remove(t->loop, &t->io);
    close(fd);
    mem_free(t);
}

static const struct stream_ops tcp_ops = {
    .read = transport_read,
    .write = transport_write,
    .is_idle_healthy = tcp_is_idle_healthy,
    .close = tcp_close,
};

static const struct transport_ops attempts = {
    .try_read = try_read,
    .try_write = try_write,
};

/* --- connecting --------------------------------------------------------------------------- */

/* From here on the socket belongs to the stream; a connecting one is registered only after
 * connect(), because an unconnected socket counts as hung up. */
int tcp_adopt(struct loop *loop, int fd, struct stream **out)
{
    struct transport *t = mem_alloc(sizeof *t);
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    int err;

    transport_init(t, &tcp_ops, &attempts, loop);
    if (getpeername(fd, (struct sockaddr *)&sa, &len) == 0)
        addr_from_sockaddr((struct sockaddr *)&sa, &t->stream.remote);
    err = io_add(loop, &t->io, fd);
    if (err) {
        close(fd);
        mem_free(t);
        return err;
    }
    *out = &t->stream;
    return 0;
}

static void set_options(int fd)
{
    int on = 1;
    int idle = KEEPALIVE_SECONDS;

    /* They cannot fail on a TCP socket, and the connection would work without them. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
}

static int bind_local(int fd, const struct addr *local)
{
    struct sockaddr_storage sa;
    struct addr any_port = *local;
    int on = 1;

    any_port.port = 0;
    /* The kernel picks the port at connect(), by the whole 4-tuple: a local address is then good
     * for 28,000 connections to each target, not for 28,000 in all. */
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return bind(fd, (struct sockaddr *)&sa, addr_to_sockaddr(&any_port, &sa)) == 0 ? 0 : -errno;
}

/* `local`: the address that was asked for and is at fault; NULL: none. */
static int dial_error(const struct addr *local, const struct addr *remote, const char *call,
                      int errnum, struct diag *d)
{
    char text[ADDR_PORT_TEXT_MAX];
    char from[ADDR_PORT_TEXT_MAX] = "";
    const char *why = strerrordesc_np(errnum);
    int err = errnum == ECONNREFUSED ? ERR_REFUSED : ERR_DIAL_ERRNO;

    addr_format_port(remote, text);
    if (local)
        addr_format_port(local, from);
    /* Go writes the system's texts in lower case. */
    if (errnum == ECONNREFUSED)
        why = "connection refused";
    else if (errnum == ENETUNREACH)
        why = "network is unreachable";
    else if (errnum == EHOSTUNREACH)
        why = "no route to host";
    else if (errnum == EADDRNOTAVAIL)
        why = "cannot assign requested address";
    else if (errnum == ETIMEDOUT)
        why = "connection timed out";
    else if (errnum == ECONNRESET)
        why = "connection reset by peer";
    else if (errnum == EMFILE)
        why = "too many open files";
    return diag_set(d, err, "dial tcp %s%s%s: %s: %s", from, local ? "->" : "", text, call,
                    why ? why : "unknown error");
}

/* Waits for a connect() under way. */
static int finish_connect(struct stream *s, int64_t deadline, int *errnum)
{
    struct transport *t = transport_of(s);
    socklen_t len = sizeof *errnum;
    int err = transport_wait(t, TRANSPORT_WRITER, IO_WRITE, deadline);

    if (err)
        return err;
    if (getsockopt(t->io.fd, SOL_SOCKET, SO_ERROR, errnum, &len) != 0)
        *errnum = errno;
    return 0;
}

int tcp_dial(struct loop *loop, const struct addr *remote, const struct addr *local,
             int64_t deadline, struct stream **out, struct diag *d)
{
    struct sockaddr_storage sa;
    socklen_t len = addr_to_sockaddr(remote, &sa);
    struct stream *s;
    int errnum = 0;
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    int err;

    if (fd < 0)
        return dial_error(NULL, remote, "socket", errno, d);
    set_options(fd);
    err = local ? bind_local(fd, local) : 0;
    if (err) {
        close(fd);
        return dial_error(local, remote, "bind", -err, d);
    }
    if (connect(fd, (struct sockaddr *)&sa, len) != 0 && errno != EINPROGRESS) {
        errnum = errno;
        close(fd);
        return dial_error(NULL, remote, "connect", errnum, d);
    }
    err = tcp_adopt(loop, fd, &s);
    if (err)
        return dial_error(NULL, remote, "epoll_ctl", -err, d);
    s->remote = *remote;
    err = finish_connect(s, deadline, &errnum);
    if (err || errnum) {
        stream_close(s);
        return err ? err : dial_error(NULL, remote, "connect", errnum, d);
    }
    *out = s;
    return 0;
}
