#include "http_fixture.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/test.h"

unsigned recv_calls;
unsigned send_calls;

ssize_t recv(int fd, void *out, size_t size, int flags)
{
    recv_calls++;
    return syscall(SYS_recvfrom, fd, out, size, flags, NULL, NULL);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    send_calls++;
    return syscall(SYS_sendmsg, fd, msg, flags);
}

/* --- the server --------------------------------------------------------------------------------
 */

enum { CONNECTIONS_MAX = 64, REQUEST_MAX = 16 * 1024 * 1024 };

struct seen seen[REQUESTS_MAX];
size_t seen_count;

static struct {
    pthread_mutex_t lock;
    pthread_t accepter;
    int fd;
    const struct reply *replies;
    size_t reply_count;
    size_t next;
    pthread_t threads[CONNECTIONS_MAX];
    unsigned connections;
} server = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

static bool read_more(int fd, char *data, size_t *len)
{
    ssize_t got = *len < REQUEST_MAX ? read(fd, data + *len, REQUEST_MAX - *len) : -1;

    if (got <= 0)
        return false;
    *len += (size_t)got;
    data[*len] = '\0';
    return true;
}

/* The next reply, and the head that it answers put on record. */
static const struct reply *take_reply(char *data, size_t len, unsigned connection, size_t *index)
{
    const struct reply *reply = NULL;

    pthread_mutex_lock(&server.lock);
    *index = seen_count;
    if (seen_count < REQUESTS_MAX)
        seen[seen_count++] = (struct seen){mem_strndup(data, len), len, connection};
    if (server.next < server.reply_count)
        reply = &server.replies[server.next++];
    pthread_mutex_unlock(&server.lock);
    return reply;
}

static size_t body_length(const char *head)
{
    const char *at_length = strcasestr(head, "\r\ncontent-length:");

    return at_length ? strtoul(at_length + 17, NULL, 10) : 0;
}

static void add_body(size_t index, const char *data, size_t len)
{
    pthread_mutex_lock(&server.lock);
    mem_free(seen[index].text);
    seen[index].text = mem_strndup(data, len);
    seen[index].len = len;
    pthread_mutex_unlock(&server.lock);
}

static void answer(int fd, const struct reply *reply)
{
    size_t len = reply->len ? reply->len : strlen(reply->text);
    size_t piece = reply->piece ? reply->piece : len;

    if (reply->delay_ms)
        usleep((unsigned)reply->delay_ms * 1000);
    for (size_t done = 0; done < len;) {
        size_t size = len - done < piece ? len - done : piece;
        ssize_t put = send(fd, reply->text + done, size, MSG_NOSIGNAL);

        if (put <= 0)
            return;
        done += (size_t)put;
        if (reply->piece)
            usleep(200);
    }
}

static void end_connection(int fd, enum then then)
{
    struct linger hard = {1, 0};
    struct pollfd gone = {.fd = fd, .events = POLLRDHUP};
    char rest[4096];

    if (then == THEN_DEAF)
        poll(&gone, 1, 20000);
    if (then == THEN_RESET) {
        usleep(20000); /* so that what was written arrives before */
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    while (then == THEN_STALL && read(fd, rest, sizeof rest) > 0)
        continue;
    close(fd);
}

/* One request and its answer; *then says how to go on. */
static bool serve_request(int fd, unsigned connection, char *data, size_t *len, enum then *then)
{
    const struct reply *reply;
    const char *end;
    size_t index;
    size_t whole;

    data[*len] = '\0';
    while (!(end = strstr(data, "\r\n\r\n"))) {
        if (!read_more(fd, data, len))
            return false;
    }
    whole = (size_t)(end - data) + 4 + body_length(data);
    reply = take_reply(data, (size_t)(end - data) + 4, connection, &index);
    if (!reply)
        return false;
    while (!reply->without_body && *len < whole) {
        if (!read_more(fd, data, len))
            return false;
    }
    if (!reply->without_body) {
        add_body(index, data, whole);
        memmove(data, data + whole, *len - whole);
        *len -= whole;
    }
    answer(fd, reply);
    *then = reply->then;
    return *then == THEN_KEEP;
}

struct accepted {
    int fd;
    unsigned number;
};

static void *serve_connection(void *arg)
{
    struct accepted a = *(struct accepted *)arg;
    char *data = mem_alloc(REQUEST_MAX + 1);
    size_t len = 0;
    enum then then = THEN_CLOSE;

    mem_free(arg);
    while (serve_request(a.fd, a.number, data, &len, &then))
        continue;
    mem_free(data);
    end_connection(a.fd, then);
    return NULL;
}

static void *accept_all(void *arg)
{
    (void)arg;
    for (;;) {
        struct accepted *a = mem_alloc(sizeof *a);

        a->fd = accept(server.fd, NULL, NULL);
        a->number = server.connections + 1;
        if (a->fd < 0 || server.connections == CONNECTIONS_MAX) {
            mem_free(a);
            return NULL;
        }
        CHECK_EQ(pthread_create(&server.threads[server.connections], NULL, serve_connection, a), 0);
        server.connections++;
    }
}

static int listen_any(bool listens, uint16_t *port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    if (listens)
        CHECK_EQ(listen(fd, 64), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    *port = ntohs(sa.sin_port);
    return fd;
}

uint16_t serve(const struct reply *replies, size_t count)
{
    uint16_t port;

    signal(SIGPIPE, SIG_IGN);
    server.replies = replies;
    server.reply_count = count;
    server.fd = listen_any(true, &port);
    CHECK_EQ(pthread_create(&server.accepter, NULL, accept_all, NULL), 0);
    return port;
}

static void stop_server(void)
{
    if (server.fd < 0)
        return;
    shutdown(server.fd, SHUT_RDWR);
    pthread_join(server.accepter, NULL);
    for (unsigned i = 0; i < server.connections; i++)
        pthread_join(server.threads[i], NULL);
    close(server.fd);
    for (size_t i = 0; i < seen_count; i++)
        mem_free(seen[i].text);
}

uint16_t dead_port(void)
{
    uint16_t port;

    close(listen_any(false, &port));
    return port;
}

const char *at_user(uint16_t port, const char *user, const char *path)
{
    return arena_printf(&arena, "http://%s127.0.0.1:%u%s", user, port, path);
}

const char *at(uint16_t port, const char *path)
{
    return at_user(port, "", path);
}

/* --- the client --------------------------------------------------------------------------------
 */

struct http_client *client;
struct http_client_options client_options = {.max_idle = 20, .max_idle_per_host = 6};
struct dialer_options dialer_options = {.dns = DNS_OPTIONS_DEFAULT};
struct arena arena;
struct http_response hops[HOPS_MAX];
size_t hop_count;

static void client_main(void *arg)
{
    void (**fn)(void) = arg;
    struct dialer *dialer;

    CHECK_EQ(dialer_new(fiber_loop(), &dialer_options, &dialer, NULL), 0);
    client_options.dialer = dialer;
    client = http_client_new(&client_options);
    (*fn)();
    http_client_free(client);
    dialer_free(dialer);
    loop_stop(fiber_loop());
}

void run_client(void (*fn)(void))
{
    struct loop *loop;

    CHECK_EQ(loop_new(&loop), 0);
    fiber_start(loop, client_main, &fn);
    loop_run(loop);
    loop_free(loop);
    stop_server();
    arena_deinit(&arena);
}

static void note_hop(void *arg, const struct http_response *hop)
{
    (void)arg;
    if (hop_count < HOPS_MAX)
        hops[hop_count++] = *hop;
}

struct http_request request_of(const char *method, const char *url)
{
    struct http_request r = {
        .method = str_of(method),
        .timeout = 20 * NSEC_PER_SEC,
        .max_redirects = 10,
        .on_hop = note_hop,
    };

    CHECK_EQ(url_parse(str_of(url), &arena, &r.url, NULL), 0);
    return r;
}

struct http_response send_request(struct http_request *request)
{
    struct http_response out;
    int err;

    hop_count = 0;
    err = http_send(client, request, &arena, &out);
    CHECK_EQ(err, out.err);
    return out;
}

struct http_response get(const char *url)
{
    struct http_request *r = arena_alloc(&arena, sizeof *r);

    *r = request_of("GET", url);
    return send_request(r);
}

/* --- texts -------------------------------------------------------------------------------------
 */

const char *text(struct str s)
{
    return arena_str(&arena, s).ptr;
}

const char *header_of(const struct http_header *list, size_t count, const char *name)
{
    const struct http_header *h = header_find(list, count, str_of(name));

    return h ? text(h->value) : "(none)";
}

static struct str seen_text(size_t i)
{
    CHECK(i < seen_count);
    return str_from(seen[i].text, seen[i].len);
}

const char *seen_header(size_t i, const char *name)
{
    struct str rest = seen_text(i);

    while (rest.len > 0) {
        struct str value = str_trim(str_cut(&rest, '\n'));
        struct str field = str_cut(&value, ':');

        if (str_eq_c(field, name))
            return text(str_trim(value));
    }
    return "(none)";
}

const char *seen_line(size_t i)
{
    struct str rest = seen_text(i);

    return text(str_trim(str_cut(&rest, '\n')));
}

const char *seen_body(size_t i)
{
    struct str all = seen_text(i);

    return text(str_from_index(all, (size_t)str_find_str(all, STR("\r\n\r\n")) + 4));
}
