#include "shop/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"

enum { MAX_REQUEST = 1024 * 1024, READ_SIZE = 16 * 1024, BACKLOG = 16384 };
#define IDLE_TIMEOUT (300 * NSEC_PER_SEC)

struct server {
    struct loop *loop;
    struct io io;
    struct shop_handlers handlers;
};

struct connection {
    struct server *server;
    struct io io;
    struct buf in;
};

/* --- bytes -------------------------------------------------------------------------------- */

/* Reads more into `in`. 1: some; 0: the peer has closed; negative: an error. */
static YIELDS int read_more(struct connection *c)
{
    char *room = buf_room(&c->in, READ_SIZE);

    if (!room)
        return ERR_LIMIT;
    for (;;) {
        ssize_t got = read(c->io.fd, room, READ_SIZE);
        int err;

        if (got >= 0) {
            buf_added(&c->in, (size_t)got);
            return got > 0;
        }
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        io_clear(&c->io, IO_READ);
        err = io_wait(c->server->loop, &c->io, IO_READ, clock_now() + IDLE_TIMEOUT);
        if (err)
            return err;
    }
}

static YIELDS int write_all(struct connection *c, struct str text)
{
    while (text.len > 0) {
        ssize_t put = send(c->io.fd, text.ptr, text.len, MSG_NOSIGNAL);
        int err;

        if (put >= 0) {
            text = str_from_index(text, (size_t)put);
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        io_clear(&c->io, IO_WRITE);
        err = io_wait(c->server->loop, &c->io, IO_WRITE, clock_now() + IDLE_TIMEOUT);
        if (err)
            return err;
    }
    return 0;
}

/* --- requests ----------------------------------------------------------------------------- */

struct head {
    size_t len; /* of the head, the empty line included */
    size_t body_len;
    bool close;
};

static bool header_is(struct str name, const char *want)
{
    return str_eq_nocase(name, str_of(want));
}

/* The head at the front of `text`, which is complete. False: malformed. */
static bool parse_head(struct str text, struct head *head, struct shop_request *out)
{
    struct str rest = str_slice(text, 0, head->len);
    struct str line = str_trim(str_cut(&rest, '\n'));
    struct str target;

    out->method = str_cut(&line, ' ');
    target = str_cut(&line, ' ');
    if (!str_starts_with(line, STR("HTTP/1.")) || target.len == 0)
        return false;
    head->close = str_eq_c(line, "HTTP/1.0");
    out->path = str_cut(&target, '?');
    out->query = target;
    while (rest.len > 0) {
        struct str value = str_trim(str_cut(&rest, '\n'));
        struct str name = str_cut(&value, ':');
        uint64_t len;

        value = str_trim(value);
        if (header_is(name, "content-length")) {
            if (!str_to_u64(value, &len) || len > MAX_REQUEST)
                return false;
            head->body_len = (size_t)len;
        } else if (header_is(name, "connection")) {
            head->close = header_is(value, "close");
        } else if (header_is(name, "authorization")) {
            out->authorization = value;
        } else if (header_is(name, "traceparent")) {
            out->traceparent = value;
        } else if (header_is(name, "baggage")) {
            out->baggage = value;
        } else if (header_is(name, "transfer-encoding")) {
            return false; /* nobody sends chunks to the shop */
        }
    }
    return true;
}

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 404:
        return "Not Found";
    case 409:
        return "Conflict";
    default:
        return "Error";
    }
}

static YIELDS int answer(struct connection *c, const struct shop_response *r, bool close)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    int err = 0;

    buf_printf(&out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n",
               r->status, reason(r->status), r->type ? r->type : "application/json", r->body.len,
               close ? "Connection: close\r\n" : "");
    buf_append_str(&out, buf_str(&r->body));
    if (r->delay_nsec > 0)
        err = fiber_sleep_until(clock_now() + r->delay_nsec);
    if (err == 0)
        err = write_all(c, buf_str(&out));
    buf_deinit(&out);
    return err;
}

/* One request and its answer. 1: the connection stays; 0: it ends. */
static YIELDS int serve_one(struct connection *c)
{
    struct head head = {0};
    struct shop_request request = {0};
    struct shop_response response = {.status = 200, .body = BUF_INIT(MAX_REQUEST)};
    const struct shop_handlers *handlers = &c->server->handlers;
    int64_t began;
    ptrdiff_t end;
    int more = 1;
    int err;

    while ((end = str_find_str(buf_str(&c->in), STR("\r\n\r\n"))) < 0 && more > 0)
        more = read_more(c);
    if (end < 0)
        return 0;
    head.len = (size_t)end + 4;
    if (!parse_head(buf_str(&c->in), &head, &request)) {
        response.status = 400;
        err = answer(c, &response, true);
        buf_deinit(&response.body);
        (void)err;
        return 0;
    }
    while (c->in.len < head.len + head.body_len && more > 0)
        more = read_more(c);
    if (c->in.len < head.len + head.body_len)
        return 0;
    /* The buffer may have moved while the body came. */
    parse_head(buf_str(&c->in), &head, &request);
    request.body = str_slice(buf_str(&c->in), head.len, head.len + head.body_len);
    began = clock_now();
    handlers->handle(handlers->arg, &request, &response);
    err = answer(c, &response, head.close);
    handlers->answered(handlers->arg, &request, &response, began, clock_now());
    buf_deinit(&response.body);
    buf_consume(&c->in, head.len + head.body_len);
    return err == 0 && !head.close;
}

static void serve(void *arg)
{
    struct connection *c = arg;
    int fd = c->io.fd;

    if (io_add(c->server->loop, &c->io, fd) == 0) {
        while (serve_one(c))
            ;
        io_remove(c->server->loop, &c->io);
    }
    close(fd);
    buf_deinit(&c->in);
    mem_free(c);
}

/* --- accepting ---------------------------------------------------------------------------- */

static void accept_all(struct io *io)
{
    struct server *server = CONTAINER_OF(io, struct server, io);
    int one = 1;
    int fd;

    io_clear(io, IO_READ);
    while ((fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = mem_zalloc(sizeof *c);

        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c->server = server;
        c->io.fd = fd;
        buf_init(&c->in, MAX_REQUEST + READ_SIZE);
        fiber_start(server->loop, serve, c);
    }
}

int shop_listen(struct loop *loop, uint16_t *port, const struct shop_handlers *handlers)
{
    struct server *server = mem_zalloc(sizeof *server);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t len = sizeof addr;
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int err;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->loop = loop;
    server->handlers = *handlers;
    server->io.on_ready = accept_all;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) != 0) {
        err = -errno;
        if (fd >= 0)
            close(fd);
        mem_free(server);
        return err;
    }
    *port = ntohs(addr.sin_port);
    return io_add(loop, &server->io, fd);
}
