#include "cli/rest.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/rest_views.h"
#include "cli/session.h"
#include "output/json_text.h"

enum { MAX_BODY = 64 * 1024, MAX_CONNECTIONS = 64, IDLE_SECONDS = 30 };

struct rest {
    struct session *session;
    struct MHD_Daemon *daemon;
    struct io io;       /* the daemon's epoll */
    struct timer timer; /* when the daemon wants to run without an event */
};

/* --- answers ------------------------------------------------------------------------------ */

struct answer {
    unsigned status;
    json_t *json;     /* owned; NULL: the text */
    const char *text; /* static */
};

static struct answer ok(json_t *json)
{
    return (struct answer){MHD_HTTP_OK, json, NULL};
}

static struct answer refuse(unsigned status, const char *title, const char *detail)
{
    return (struct answer){status, rest_error(status, title, detail), NULL};
}

static struct answer not_found(const char *what)
{
    return refuse(MHD_HTTP_NOT_FOUND, "Not Found", what);
}

/* --- PATCH /v1/status --------------------------------------------------------------------- */

static bool changes(const json_t *attributes, const char *key, uint64_t now)
{
    const json_t *value = json_object_get(attributes, key);

    return json_is_integer(value) && json_integer_value(value) != (json_int_t)now;
}

static struct answer patch_status(struct session *s, struct str body)
{
    json_t *document = json_loadb(body.ptr ? body.ptr : "", body.len, 0, NULL);
    const json_t *attributes = json_object_get(json_object_get(document, "data"), "attributes");
    const struct run_state *state = run_get_state(s->run);
    const json_t *paused = json_object_get(attributes, "paused");
    bool is_paused = run_get_phase(s->run) == RUN_PAUSED;
    struct answer answer = {0};

    if (!json_is_object(attributes)) {
        answer = refuse(MHD_HTTP_BAD_REQUEST, "Invalid data",
                        "expected {\"data\": {\"attributes\": {...}}}");
    } else if (changes(attributes, "vus", run_state_vus_active(state)) ||
               changes(attributes, "vus-max", run_state_vus_initialised(state))) {
        answer = refuse(MHD_HTTP_INTERNAL_SERVER_ERROR, "Execution config error",
                        "no executor lets its VUs be changed from outside");
    } else if (json_is_true(paused) && !is_paused) {
        answer = refuse(MHD_HTTP_BAD_REQUEST, "Pause error",
                        "a test can't be paused once it has started");
    } else {
        if (json_is_true(json_object_get(attributes, "stopped"))) {
            run_abort(s->run, RUN_ABORT_REST, "stopped over the REST API");
            loop_stop(s->loop); /* for --linger; while the test runs, run_test goes on */
        } else if (json_is_false(paused)) {
            run_resume(s->run);
        }
        answer = ok(rest_status(s));
    }
    json_decref(document);
    return answer;
}

/* --- routes ------------------------------------------------------------------------------- */

static struct answer get(const struct session *s, const char *url)
{
    json_t *json;

    if (strcmp(url, "/ping") == 0 || strcmp(url, "/") == 0)
        return (struct answer){MHD_HTTP_OK, NULL, "ok"};
    if (strcmp(url, "/v1/status") == 0)
        return ok(rest_status(s));
    if (strcmp(url, "/v1/metrics") == 0)
        return ok(rest_metrics(s));
    if (strcmp(url, "/v1/groups") == 0)
        return ok(rest_groups(s));
    if (strcmp(url, "/v1/setup") == 0)
        return ok(rest_setup_data(s));
    if (strncmp(url, "/v1/metrics/", 12) == 0) {
        json = rest_metric(s, url + 12);
        return json ? ok(json) : not_found("no metric with that ID was found");
    }
    if (strncmp(url, "/v1/groups/", 11) == 0) {
        json = rest_group(s, url + 11);
        return json ? ok(json) : not_found("no group with that ID was found");
    }
    return not_found("there is no such page");
}

static struct answer route(struct session *s, const char *method, const char *url, struct str body)
{
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        return get(s, url);
    if (strcmp(method, "PATCH") == 0 && strcmp(url, "/v1/status") == 0)
        return patch_status(s, body);
    return refuse(MHD_HTTP_METHOD_NOT_ALLOWED, "Method Not Allowed",
                  "GET, and PATCH of /v1/status, are what there is");
}

/* --- the server --------------------------------------------------------------------------- */

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct answer answer)
{
    char *text = answer.json ? json_text(answer.json, 0) : mem_strdup(answer.text);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result;

    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                            answer.json ? "application/json; charset=utf-8" : "text/plain");
    result = MHD_queue_response(connection, answer.status, response);
    MHD_destroy_response(response);
    json_decref(answer.json);
    mem_free(text);
    return result;
}

/* Called when a request's head is there, then for each part of its body, then at its end. The
 * parameters are libmicrohttpd's. */
/* NOLINTNEXTLINE(readability-function-size) */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **state)
{
    struct rest *rest = arg;
    struct buf *body = *state;

    (void)version;
    if (!body) {
        body = mem_alloc(sizeof *body);
        buf_init(body, MAX_BODY);
        *state = body;
        return MHD_YES;
    }
    if (*upload_len > 0) {
        buf_append(body, upload, *upload_len);
        *upload_len = 0;
        return MHD_YES;
    }
    if (buf_is_over(body))
        return send_answer(connection, refuse(MHD_HTTP_CONTENT_TOO_LARGE, "Content Too Large",
                                              "the body has more than 64 KB"));
    return send_answer(connection, route(rest->session, method, url, buf_str(body)));
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode how)
{
    (void)arg;
    (void)connection;
    (void)how;
    if (!*state)
        return;
    buf_deinit(*state);
    mem_free(*state);
    *state = NULL;
}

static void serve(struct rest *rest)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;

    MHD_run(rest->daemon);
    if (MHD_get_timeout(rest->daemon, &timeout_ms) == MHD_YES)
        timer_start(rest->session->loop, &rest->timer,
                    clock_now() + (int64_t)timeout_ms * NSEC_PER_MSEC);
}

static void on_ready(struct io *io)
{
    io_clear(io, IO_READ);
    serve(CONTAINER_OF(io, struct rest, io));
}

static void on_timer(struct timer *timer)
{
    serve(CONTAINER_OF(timer, struct rest, timer));
}

/* --- listening ---------------------------------------------------------------------------- */

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

struct rest *rest_start(struct session *session, const char *address, struct diag *d)
{
    struct rest *rest = mem_zalloc(sizeof *rest);
    int fd = listen_on(address, d);
    const union MHD_DaemonInfo *info;

    rest->session = session;
    timer_init(&rest->timer, on_timer);
    if (fd >= 0)
        rest->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, rest,
                                        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                                        (unsigned)MAX_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
                                        (unsigned)IDLE_SECONDS, MHD_OPTION_NOTIFY_COMPLETED,
                                        on_completed, rest, MHD_OPTION_END);
    info = rest->daemon ? MHD_get_daemon_info(rest->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    rest->io.on_ready = on_ready;
    if (info && io_add(session->loop, &rest->io, info->epoll_fd) == 0) {
        serve(rest);
        return rest;
    }
    diag_set(d, ERR_LIMIT, "the system refuses a server on '%s'", address);
    if (rest->daemon)
        MHD_stop_daemon(rest->daemon);
    else if (fd >= 0)
        close(fd);
    mem_free(rest);
    return NULL;
}

void rest_stop(struct rest *rest)
{
    if (!rest)
        return;
    timer_stop(rest->session->loop, &rest->timer);
    io_remove(rest->session->loop, &rest->io);
    MHD_stop_daemon(rest->daemon);
    mem_free(rest);
}
