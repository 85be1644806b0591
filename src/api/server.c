#include "api/server.h"

#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "api/server_internal.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

/* URLs as openapi.yaml has them; PATIENCE: what is read of a body beyond its limit. */
enum { IDLE_SECONDS = 60, MAX_TARGET = 8192, PATIENCE = 16 * 1024 * 1024 };

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

void server_resume(struct api_request *r)
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
    return !r->connection ? NULL
                          : MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

const char *api_query(const struct api_request *r, const char *name)
{
    return !r->connection ? NULL
                          : MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
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

void api_limit_body(struct api_request *r, size_t max)
{
    r->max_body = max;
    buf_init(&r->body, max);
}

void api_set_data(struct api_request *r, void *data)
{
    mem_free(r->data);
    r->data = data;
}

void *api_data(const struct api_request *r)
{
    return r->data;
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

void api_on_gone(struct api_request *r, void (*gone)(void *arg), void *arg)
{
    r->gone = gone;
    r->gone_arg = arg;
}

static enum MHD_Result queue(struct api_request *r)
{
    enum MHD_Result result = MHD_queue_response(r->connection, r->status, r->response);

    MHD_destroy_response(r->response);
    r->response = NULL;
    return result;
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
    api_limit_body(r, s->config.max_body);
    r->next = s->requests;
    r->link = &s->requests;
    if (r->next)
        r->next->link = &r->next;
    s->requests = r;
    return r;
}

static void refuse_body(struct api_request *r)
{
    api_problem(r, MHD_HTTP_CONTENT_TOO_LARGE, "/problems/too-large", "Too large",
                "the body may have %zu bytes here: leave data files out, or fetch them in setup()",
                r->max_body);
}

/* Whoever was to answer must not any more. */
static void refuse_at_end(struct api_request *r)
{
    if (r->gone)
        r->gone(r->gone_arg);
    r->gone = NULL;
    if (r->answered)
        r->answered(r->answered_arg, 0, STR(""), NULL);
    r->answered = NULL;
    api_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, "/problems/not-ready", "Not ready",
                "this server is ending");
}

struct target {
    size_t size;
    bool has_nul; /* what follows it would not be seen */
};

static enum MHD_Result add_size(void *arg, enum MHD_ValueKind kind, const char *name,
                                size_t name_size, const char *value, size_t value_size)
{
    struct target *target = arg;

    (void)kind;
    target->size += name_size + value_size;
    target->has_nul |= strlen(name) != name_size || (value && strlen(value) != value_size);
    return MHD_YES;
}

/* What the head alone decides. */
static void look_at_head(struct api_request *r)
{
    struct api_server *s = r->server;
    const char *length = api_header(r, "Content-Length");
    struct target target = {.size = strlen(r->path)};
    uint64_t bytes;

    MHD_get_connection_values_n(r->connection, MHD_GET_ARGUMENT_KIND, add_size, &target);
    if (target.has_nul) {
        api_problem(r, MHD_HTTP_BAD_REQUEST, "/problems/invalid-request", "Invalid request",
                    "a query can't have the byte 0 in it");
        return;
    }
    if (target.size > MAX_TARGET) {
        api_problem(r, MHD_HTTP_URI_TOO_LONG, "/problems/too-large", "Too large",
                    "a URL may have %d bytes", MAX_TARGET);
        return;
    }
    if (s->config.admit)
        s->config.admit(s->config.arg, r);
    if (!r->is_answered && length && str_to_u64(str_of(length), &bytes) && bytes > r->max_body)
        refuse_body(r);
}

static enum MHD_Result take_body(struct api_request *r, const char *upload, size_t len)
{
    if (buf_append(&r->body, upload, len) == 0)
        return MHD_YES;
    r->passed += len; /* a length that was not said: read for an answer's sake, not for ever */
    return r->passed > r->max_body + PATIENCE ? MHD_NO : MHD_YES;
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
    size_t len = *upload_len;

    (void)version;
    if (!r) {
        *state = r = new_request(s, connection, url, method);
        if (s->is_stopping)
            refuse_at_end(r);
        else
            look_at_head(r);
        return r->response ? queue(r) : MHD_YES;
    }
    if (len > 0) {
        *upload_len = 0;
        return take_body(r, upload, len);
    }
    if (!r->is_handled) {
        r->is_handled = true;
        if (s->is_stopping)
            refuse_at_end(r);
        else if (buf_is_over(&r->body))
            refuse_body(r);
        else
            s->config.handle(s->config.arg, r);
    }
    if (r->response)
        return queue(r);
    r->is_suspended = true;
    MHD_suspend_connection(connection);
    return MHD_YES;
}

void server_free_request(struct api_request *r)
{
    if (r->response)
        MHD_destroy_response(r->response);
    if (r->held)
        MHD_destroy_response(r->held);
    for (size_t i = 0; i < r->header_count; i++) {
        mem_free(r->headers[i].name);
        mem_free(r->headers[i].value);
    }
    mem_free((void *)(uintptr_t)r->method);
    mem_free((void *)(uintptr_t)r->path);
    mem_free(r->data);
    buf_deinit(&r->body);
    mem_free(r);
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
    if (r->server->is_draining)
        loop_stop(r->server->config.loop);
    *state = NULL;
    *r->link = r->next;
    if (r->next)
        r->next->link = r->link;
    if (r->stream)
        r->stream->request = NULL;
    r->connection = NULL;
    if (r->answered)
        return; /* api_release frees it */
    if (!r->is_answered && r->is_handled && r->gone)
        r->gone(r->gone_arg);
    server_free_request(r);
}

/* --- listening ------------------------------------------------------------------------------ */

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
    int fd = server_listen(config->address, d);

    if (fd < 0)
        return fd;
    s = mem_zalloc(sizeof *s);
    s->config = *config;
    s->port = server_port_of(fd);
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

struct patience {
    struct timer timer;
    struct loop *loop;
    bool is_over;
};

static void on_patience(struct timer *timer)
{
    struct patience *p = CONTAINER_OF(timer, struct patience, timer);

    p->is_over = true;
    loop_stop(p->loop);
}

static bool is_sending(const struct api_server *s)
{
    for (const struct api_request *r = s->requests; r; r = r->next) {
        if (r->stream && r->stream->is_ended)
            return true;
    }
    return false;
}

void api_server_drain(struct api_server *s, int64_t nsec)
{
    struct patience patience = {.loop = s->config.loop};

    timer_init(&patience.timer, on_patience);
    timer_start(s->config.loop, &patience.timer, clock_now() + nsec);
    s->is_draining = true;
    while (is_sending(s) && !patience.is_over)
        loop_run(s->config.loop);
    s->is_draining = false;
    timer_stop(s->config.loop, &patience.timer);
}

void api_server_stop(struct api_server *s)
{
    if (!s)
        return;
    s->is_stopping = true; /* the daemon can't be stopped while somebody waits for an answer */
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
