#include "api/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "output/json_text.h"

enum { IDLE_SECONDS = 60, MAX_HEADERS = 16 };

struct api_server {
    struct api_server_config config;
    struct MHD_Daemon *daemon;
    struct io io;       /* the daemon's epoll */
    struct timer timer; /* when the daemon wants to run without an event */
    bool is_running;    /* within MHD_run */
    bool is_due;        /* run again soon */
    int port;
    struct api_request *requests; /* all of them */
};

struct header {
    char *name;
    char *value;
};

struct api_request {
    struct api_server *server;
    struct api_request *next;
    struct api_request **link; /* what points here */
    struct MHD_Connection *connection;
    const char *method;
    const char *path;
    struct buf body;
    bool is_handled; /* the handler was called */
    bool is_suspended;
    bool is_answered;
    struct MHD_Response *response; /* to be queued when the connection runs again */
    unsigned status;
    struct header headers[MAX_HEADERS];
    size_t header_count;
    struct api_stream *stream; /* NULL: none */
    void (*gone)(void *arg);
    void *gone_arg;
};

struct api_stream {
    struct api_request *request; /* NULL: the client has left */
    struct buf waiting;
    size_t max_waiting;
    bool is_ended;
    void (*closed)(void *arg);
    void *arg;
};

/* --- running the daemon --------------------------------------------------------------------- */

static void serve(struct api_server *s)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;

    s->is_running = true;
    do {
        s->is_due = false;
        MHD_run(s->daemon);
    } while (s->is_due);
    s->is_running = false;
    if (MHD_get_timeout(s->daemon, &timeout_ms) == MHD_YES)
        timer_start(s->config.loop, &s->timer, clock_now() + (int64_t)timeout_ms * NSEC_PER_MSEC);
}

static void on_ready(struct io *io)
{
    io_clear(io, IO_READ);
    serve(CONTAINER_OF(io, struct api_server, io));
}

static void on_timer(struct timer *timer)
{
    serve(CONTAINER_OF(timer, struct api_server, timer));
}

/* Lets the daemon look at connections that were resumed. */
static void serve_soon(struct api_server *s)
{
    if (s->is_running)
        s->is_due = true;
    else
        timer_start(s->config.loop, &s->timer, clock_now());
}

static void resume(struct api_request *r)
{
    if (!r->is_suspended)
        return;
    r->is_suspended = false;
    MHD_resume_connection(r->connection);
    serve_soon(r->server);
}

/* --- requests ------------------------------------------------------------------------------- */

const char *api_method(const struct api_request *r)
{
    return r->method;
}

const char *api_path(const struct api_request *r)
{
    return r->path;
}

struct str api_body(const struct api_request *r)
{
    return buf_str(&r->body);
}

const char *api_header(const struct api_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

const char *api_query(const struct api_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

static enum MHD_Result add_query(void *arg, enum MHD_ValueKind kind, const char *name,
                                 const char *value)
{
    json_t *all = arg;
    json_t *text = json_string(value ? value : "");
    json_t *list = json_object_get(all, name);

    (void)kind;
    if (!list) {
        list = json_array();
        if (json_object_set_new(all, name, list) != 0)
            list = NULL;
    }
    if (text && list)
        json_array_append(list, text);
    json_decref(text);
    return MHD_YES;
}

json_t *api_queries(const struct api_request *r)
{
    json_t *all = json_object();

    MHD_get_connection_values(r->connection, MHD_GET_ARGUMENT_KIND, add_query, all);
    return all;
}

const char *api_cookie(const struct api_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_COOKIE_KIND, name);
}

const char *api_peer(const struct api_request *r)
{
    static char text[64];
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

    text[0] = '\0';
    if (info && info->client_addr)
        getnameinfo(info->client_addr, sizeof(struct sockaddr_in6), text, sizeof text, NULL, 0,
                    NI_NUMERICHOST);
    return text;
}

/* --- answers -------------------------------------------------------------------------------- */

void api_add_header(struct api_request *r, const char *name, const char *value)
{
    if (r->header_count < MAX_HEADERS)
        r->headers[r->header_count++] = (struct header){mem_strdup(name), mem_strdup(value)};
}

static enum MHD_Result queue(struct api_request *r)
{
    enum MHD_Result result = MHD_queue_response(r->connection, r->status, r->response);

    MHD_destroy_response(r->response);
    r->response = NULL;
    return result;
}

static bool has_header(const struct api_request *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (strcmp(r->headers[i].name, name) == 0)
            return true;
    }
    return false;
}

/* Nothing that is answered is a page to be run, framed or read by another site's, unless a handler
 * says so. */
static void add_guards(const struct api_request *r, struct MHD_Response *response)
{
    static const struct {
        const char *name;
        const char *value;
    } guards[] = {
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
    };

    for (size_t i = 0; i < COUNT_OF(guards); i++) {
        if (!has_header(r, guards[i].name))
            MHD_add_response_header(response, guards[i].name, guards[i].value);
    }
}

static void give(struct api_request *r, unsigned status, struct MHD_Response *response)
{
    add_guards(r, response);
    for (size_t i = 0; i < r->header_count; i++)
        MHD_add_response_header(response, r->headers[i].name, r->headers[i].value);
    r->is_answered = true;
    r->status = status;
    r->response = response;
    resume(r); /* on_request queues it */
}

void api_answer(struct api_request *r, unsigned status, const char *content_type, struct str body)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body.len, (void *)(uintptr_t)(body.len ? body.ptr : ""), MHD_RESPMEM_MUST_COPY);

    if (content_type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    give(r, status, response);
}

void api_answer_json(struct api_request *r, unsigned status, json_t *json)
{
    char *text = json_text(json, 0);

    api_answer(r, status, "application/json; charset=utf-8", str_of(text));
    json_decref(json);
    mem_free(text);
}

/* The detail may be no UTF-8: json_text says it all the same. */
static void answer_problem(struct api_request *r, json_t *json, const char *detail)
{
    char *text;

    json_object_set_new(json, "detail", json_string_nocheck(detail));
    text = json_text(json, 0);
    api_answer(r, (unsigned)json_integer_value(json_object_get(json, "status")),
               "application/problem+json", str_of(text));
    json_decref(json);
    mem_free(text);
}

static json_t *problem_json(unsigned status, const char *type, const char *title)
{
    return json_pack("{s:s, s:s, s:i}", "type", type, "title", title, "status", (int)status);
}

void api_problem(struct api_request *r, unsigned status, const char *type, const char *title,
                 const char *fmt, ...)
{
    char detail[4096];
    va_list args;

    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    answer_problem(r, problem_json(status, type, title), detail);
}

void api_problem_with(struct api_request *r, unsigned status, const char *type, const char *title,
                      json_t *more, const char *fmt, ...)
{
    json_t *json = problem_json(status, type, title);
    char detail[4096];
    va_list args;

    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    json_object_update(json, more);
    json_decref(more);
    answer_problem(r, json, detail);
}

void api_on_gone(struct api_request *r, void (*gone)(void *arg), void *arg)
{
    r->gone = gone;
    r->gone_arg = arg;
}

/* --- streams -------------------------------------------------------------------------------- */

/* The daemon asks for more to send. */
static ssize_t read_stream(void *arg, uint64_t at, char *room, size_t max)
{
    struct api_stream *s = arg;
    size_t len = s->waiting.len < max ? s->waiting.len : max;

    (void)at;
    if (len == 0) {
        if (s->is_ended || !s->request)
            return MHD_CONTENT_READER_END_OF_STREAM;
        s->request->is_suspended = true;
        MHD_suspend_connection(s->request->connection);
        return 0;
    }
    memcpy(room, buf_str(&s->waiting).ptr, len);
    buf_consume(&s->waiting, len);
    return (ssize_t)len;
}

static void free_stream(void *arg)
{
    struct api_stream *s = arg;

    if (s->request)
        s->request->stream = NULL;
    if (!s->is_ended && s->closed)
        s->closed(s->arg);
    buf_deinit(&s->waiting);
    mem_free(s);
}

struct api_stream *api_stream_begin(struct api_request *r, size_t max_waiting,
                                    void (*closed)(void *arg), void *arg)
{
    struct api_stream *s = mem_zalloc(sizeof *s);
    struct MHD_Response *response;

    *s =
        (struct api_stream){.request = r, .max_waiting = max_waiting, .closed = closed, .arg = arg};
    buf_init(&s->waiting, SIZE_MAX);
    r->stream = s;
    response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, read_stream, s, free_stream);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Accel-Buffering", "no");
    give(r, MHD_HTTP_OK, response);
    return s;
}

void api_stream_send(struct api_stream *s, struct str bytes)
{
    if (s->is_ended || !s->request)
        return;
    buf_append_str(&s->waiting, bytes);
    if (s->waiting.len > s->max_waiting) { /* too slow: it may come again and resume */
        void (*closed)(void *arg) = s->closed;

        s->closed = NULL;
        buf_reset(&s->waiting);
        s->is_ended = true;
        if (closed)
            closed(s->arg);
    }
    resume(s->request);
}

void api_stream_end(struct api_stream *s)
{
    s->is_ended = true;
    s->closed = NULL;
    if (s->request)
        resume(s->request);
}

/* --- the daemon's calls --------------------------------------------------------------------- */

static struct api_request *new_request(struct api_server *s, struct MHD_Connection *connection,
                                       const char *url, const char *method)
{
    struct api_request *r = mem_zalloc(sizeof *r);

    r->server = s;
    r->connection = connection;
    r->method = mem_strdup(method);
    r->path = mem_strdup(url);
    buf_init(&r->body, s->config.max_body);
    r->next = s->requests;
    r->link = &s->requests;
    if (r->next)
        r->next->link = &r->next;
    s->requests = r;
    return r;
}

/* Called when a request's head is there, then for each part of its body, then at its end, and once
 * more when it was suspended and its answer is there. The parameters are libmicrohttpd's. */
/* NOLINTNEXTLINE(readability-function-size) */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **state)
{
    struct api_server *s = arg;
    struct api_request *r = *state;

    (void)version;
    if (!r) {
        *state = new_request(s, connection, url, method);
        return MHD_YES;
    }
    if (*upload_len > 0) {
        buf_append(&r->body, upload, *upload_len);
        *upload_len = 0;
        return MHD_YES;
    }
    if (!r->is_handled) {
        r->is_handled = true;
        if (buf_is_over(&r->body))
            api_problem(r, MHD_HTTP_CONTENT_TOO_LARGE, "/problems/too-large", "Too large",
                        "the body has more than %zu bytes", s->config.max_body);
        else
            s->config.handle(s->config.arg, r);
    }
    if (r->response)
        return queue(r);
    r->is_suspended = true;
    MHD_suspend_connection(connection);
    return MHD_YES;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode how)
{
    struct api_request *r = *state;

    (void)arg;
    (void)connection;
    (void)how;
    if (!r)
        return;
    *state = NULL;
    *r->link = r->next;
    if (r->next)
        r->next->link = r->link;
    if (!r->is_answered && r->is_handled && r->gone)
        r->gone(r->gone_arg);
    if (r->response)
        MHD_destroy_response(r->response);
    if (r->stream)
        r->stream->request = NULL;
    for (size_t i = 0; i < r->header_count; i++) {
        mem_free(r->headers[i].name);
        mem_free(r->headers[i].value);
    }
    mem_free((void *)(uintptr_t)r->method);
    mem_free((void *)(uintptr_t)r->path);
    buf_deinit(&r->body);
    mem_free(r);
}

/* --- listening ------------------------------------------------------------------------------ */

/* A socket that listens, or a negative error with a message. */
static int listen_on(const char *address, struct diag *d)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    struct str all = str_of(address);
    ptrdiff_t colon = str_rfind(all, ':');
    struct str host = str_slice(all, 0, colon < 0 ? 0 : (size_t)colon);
    char *name;
    int one = 1;
    int err;
    int fd;

    if (colon < 0)
        return diag_set(d, ERR_INVALID, "'%s': expected host:port, as in localhost:6565", address);
    if (str_starts_with(host, STR("[")) && str_ends_with(host, STR("]")))
        host = str_slice(host, 1, host.len - 1);
    name = str_dup(host);
    err = getaddrinfo(host.len ? name : NULL, address + colon + 1, &hints, &found);
    mem_free(name);
    if (err)
        return diag_set(d, ERR_INVALID, "'%s': %s", address, gai_strerror(err));
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0) {
        err = diag_set(d, -errno, "can't listen on '%s': %s", address, err_text(-errno));
        if (fd >= 0)
            close(fd);
    }
    freeaddrinfo(found);
    return err ? err : fd;
}

static int port_of(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    char text[16] = "";
    uint64_t port = 0;

    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0 ||
        getnameinfo((struct sockaddr *)&address, len, NULL, 0, text, sizeof text, NI_NUMERICSERV) !=
            0 ||
        !str_to_u64(str_of(text), &port))
        return 0;
    return (int)port;
}

static struct MHD_Daemon *start_daemon(struct api_server *s, int fd)
{
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)s->config.cert_pem},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)s->config.key_pem},
        {MHD_OPTION_END, 0, NULL}};

    if (s->config.cert_pem)
        flags |= MHD_USE_TLS;
    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, fd,
                            MHD_OPTION_CONNECTION_LIMIT, s->config.connections,
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
                            MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_ARRAY,
                            s->config.cert_pem ? tls : &tls[2], MHD_OPTION_END);
}

int api_server_start(const struct api_server_config *config, struct api_server **out,
                     struct diag *d)
{
    struct api_server *s;
    const union MHD_DaemonInfo *info;
    int fd = listen_on(config->address, d);

    if (fd < 0)
        return fd;
    s = mem_zalloc(sizeof *s);
    s->config = *config;
    s->port = port_of(fd);
    timer_init(&s->timer, on_timer);
    s->io.on_ready = on_ready;
    s->daemon = start_daemon(s, fd);
    info = s->daemon ? MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (info && io_add(config->loop, &s->io, info->epoll_fd) == 0) {
        serve(s);
        *out = s;
        return 0;
    }
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    else
        close(fd);
    mem_free(s);
    return diag_set(d, ERR_LIMIT, "the system refuses a server on '%s'%s", config->address,
                    config->cert_pem ? ": are certificate and key PEM files that fit?" : "");
}

/* Whoever was to answer must not any more. */
static void refuse_at_end(struct api_request *r)
{
    if (r->gone)
        r->gone(r->gone_arg);
    r->gone = NULL;
    api_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, "/problems/not-ready", "Not ready",
                "this controller is ending");
}

void api_server_stop(struct api_server *s)
{
    if (!s)
        return;
    for (struct api_request *r = s->requests; r; r = r->next) {
        if (r->stream)
            api_stream_end(r->stream);
        else if (r->is_handled && !r->is_answered)
            refuse_at_end(r);
    }
    serve(s);
    timer_stop(s->config.loop, &s->timer);
    io_remove(s->config.loop, &s->io);
    MHD_stop_daemon(s->daemon);
    mem_free(s);
}

int api_server_port(const struct api_server *s)
{
    return s->port;
}
