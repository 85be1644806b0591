#include "net/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"

enum {
    PARTS_MAX = 16,         /* parts of a writev that go into one system call */
    KEEPALIVE_SECONDS = 30, /* HTP-23 */
    STREAK_MAX = 32,        /* reads or writes without a wait before others get their turn */
};

/* One reader and one writer may wait on a socket at the same time (HTTP/2, WebSockets), so waiting
 * is done here and not by io_wait, which has room for one fiber. It also differs for a writer: the
 * peer's half of the connection being closed is no reason for it to stop waiting. */
struct wait {
    struct fiber *fiber; /* NULL: nobody waits */
    unsigned bits;
};

struct tcp {
    struct stream stream;
    struct loop *loop;
    struct io io;
    struct wait waits[2]; /* by enum tcp_side */
    unsigned streak;      /* attempts since the last wait */
};

static struct tcp *tcp_of(struct stream *s)
{
    return CONTAINER_OF(s, struct tcp, stream);
}

static const struct tcp *const_tcp_of(const struct stream *s)
{
    return tcp_of((struct stream *)(uintptr_t)s);
}

static void on_ready(struct io *io)
{
    struct tcp *t = CONTAINER_OF(io, struct tcp, io);

    for (size_t i = 0; i < COUNT_OF(t->waits); i++) {
        if (t->waits[i].fiber && (io->ready & t->waits[i].bits))
            fiber_wake(t->waits[i].fiber);
    }
}

int tcp_wait(struct stream *s, enum tcp_side side, unsigned bits, int64_t deadline)
{
    struct tcp *t = tcp_of(s);
    int err = 0;

    t->streak = 0;
    t->waits[side] = (struct wait){fiber_current(), bits};
    while (!(t->io.ready & bits) && err == 0)
        err = fiber_park_until(deadline);
    t->waits[side].fiber = NULL;
    return err;
}

int tcp_take_turn(struct stream *s, int64_t deadline)
{
    struct tcp *t = tcp_of(s);

    if (LIKELY(++t->streak < STREAK_MAX))
        return 0;
    t->streak = 0;
    fiber_yield();
    if (fiber_is_cancelled(fiber_current()))
        return ERR_CANCELLED;
    return loop_now(t->loop) >= deadline ? ERR_TIMEOUT : 0;
}

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

ptrdiff_t tcp_try_read(struct stream *s, void *out, size_t size)
{
    struct tcp *t = tcp_of(s);
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

static ptrdiff_t try_writev(struct tcp *t, const struct iovec *parts, size_t count)
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

ptrdiff_t tcp_try_write(struct stream *s, const void *data, size_t len)
{
    struct iovec part = {(void *)(uintptr_t)data, len};

    return try_writev(tcp_of(s), &part, 1);
}

int64_t tcp_ready_nsec(const struct stream *s)
{
    return const_tcp_of(s)->io.ready_nsec;
}

bool tcp_has_news(const struct stream *s)
{
    return const_tcp_of(s)->io.ready & (IO_READ | IO_HANGUP);
}

/* --- the stream --------------------------------------------------------------------------- */

static ptrdiff_t tcp_read(struct stream *s, void *out, size_t size, int64_t deadline,
                          int64_t *ready_nsec)
{
    struct tcp *t = tcp_of(s);
    int err = tcp_take_turn(s, deadline);
    ptrdiff_t got;

    if (err)
        return err;
    while ((got = tcp_try_read(s, out, size)) == -EAGAIN) {
        err = tcp_wait(s, TCP_READER, IO_READ, deadline);
        if (err)
            return err;
    }
    if (ready_nsec)
        *ready_nsec = t->io.ready_nsec;
    return got;
}

/* Drops `len` written bytes from the front of the parts; returns how many parts are done. */
static size_t advance(struct iovec *parts, size_t count, size_t len)
{
    size_t done = 0;

    while (done < count && len >= parts[done].iov_len)
        len -= parts[done++].iov_len;
    if (done < count) {
        parts[done].iov_base = (char *)parts[done].iov_base + len;
        parts[done].iov_len -= len;
    }
    return done;
}

static int write_all(struct stream *s, struct iovec *parts, size_t count, int64_t deadline)
{
    size_t done = 0;

    while (done < count) {
        int err = tcp_take_turn(s, deadline);
        ptrdiff_t put = err ? err : try_writev(tcp_of(s), parts + done, count - done);

        if (put >= 0) {
            done += advance(parts + done, count - done, (size_t)put);
            continue;
        }
        if (put != -EAGAIN)
            return (int)put;
        err = tcp_wait(s, TCP_WRITER, IO_WRITE, deadline);
        if (err)
            return err;
    }
    return 0;
}

static int tcp_write(struct stream *s, const struct iovec *parts, size_t count, int64_t deadline)
{
    struct iovec left[PARTS_MAX];

    while (count > 0) {
        size_t n = count < PARTS_MAX ? count : PARTS_MAX;
        int err;

        memcpy(left, parts, n * sizeof *parts);
        err = write_all(s, left, n, deadline);
        if (err)
            return err;
        parts += n;
        count -= n;
    }
    return 0;
}

static bool tcp_is_idle_healthy(struct stream *s)
{
    struct tcp *t = tcp_of(s);
    ssize_t got;
    char byte;

    if (!tcp_has_news(s))
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
    struct tcp *t = tcp_of(s);
    int fd = t->io.fd;

    io_remove(t->loop, &t->io);
    close(fd);
    mem_free(t);
}

static const struct stream_ops tcp_ops = {
    .read = tcp_read,
    .write = tcp_write,
    .is_idle_healthy = tcp_is_idle_healthy,
    .close = tcp_close,
};

/* --- connecting --------------------------------------------------------------------------- */

/* From here on the socket belongs to the stream; a connecting one is registered only after
 * connect(), because an unconnected socket counts as hung up. */
int tcp_adopt(struct loop *loop, int fd, struct stream **out)
{
    struct tcp *t = mem_zalloc(sizeof *t);
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    int err;

    t->stream.ops = &tcp_ops;
    t->loop = loop;
    t->io.on_ready = on_ready;
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

static int dial_error(const struct addr *remote, const char *call, int errnum, struct diag *d)
{
    char text[ADDR_PORT_TEXT_MAX];
    const char *why = strerrordesc_np(errnum);
    int err = errnum == ECONNREFUSED ? ERR_REFUSED : ERR_DIAL_ERRNO;

    addr_format_port(remote, text);
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
    return diag_set(d, err, "dial tcp %s: %s: %s", text, call, why ? why : "unknown error");
}

/* Waits for a connect() under way. */
static int finish_connect(struct stream *s, int64_t deadline, int *errnum)
{
    struct tcp *t = tcp_of(s);
    socklen_t len = sizeof *errnum;
    int err = tcp_wait(s, TCP_WRITER, IO_WRITE, deadline);

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
        return dial_error(remote, "socket", errno, d);
    set_options(fd);
    err = local ? bind_local(fd, local) : 0;
    if (err) {
        close(fd);
        return dial_error(remote, "bind", -err, d);
    }
    if (connect(fd, (struct sockaddr *)&sa, len) != 0 && errno != EINPROGRESS) {
        errnum = errno;
        close(fd);
        return dial_error(remote, "connect", errnum, d);
    }
    err = tcp_adopt(loop, fd, &s);
    if (err)
        return dial_error(remote, "epoll_ctl", -err, d);
    s->remote = *remote;
    err = finish_connect(s, deadline, &errnum);
    if (err || errnum) {
        stream_close(s);
        return err ? err : dial_error(remote, "connect", errnum, d);
    }
    *out = s;
    return 0;
}
