#include "fleet/nats_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "fleet/nats_config.h"
#include "fleet/nats_folder.h"
#include "fleet/process.h"
#include "loop/loop.h"

enum {
    READY_SEC = 10,
    RELOAD_SEC = 3,
    STOP_SEC = 5,
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 10000,
    STEADY_SEC = 30, /* one that lived so long starts the back-off anew */
    LINE_MAX = 4096,
    LOOK_MS = 500,
};

struct nats_server {
    struct nats_server_config config; /* texts are owned; users are not kept */
    struct nats_folder folder;
    char *program;
    char *name; /* of this server alone: whoever answers on the port with it is ours */
    char *url;
    int port;

    struct process child;
    struct io io;
    struct timer again;
    struct timer look; /* at the disk */
    bool was_full;
    int64_t backoff_ms;
    int64_t started;

    struct buf line;
    char *complaint;  /* its last line that was an error or a warning */
    unsigned reloads; /* counted from its log, failures too */
    bool reload_failed;
};

/* --- what it says ----------------------------------------------------------------------------- */

/* "[123] 2026/11/23 20:13:52.148173 [ERR] text": gives the text, and whether it is an error. */
static struct str text_of(struct str line, bool *is_error)
{
    ptrdiff_t at = str_find_str(line, STR(" ["));
    struct str rest = at < 0 ? line : str_from_index(line, (size_t)at + 1);

    *is_error =
        str_starts_with(rest, STR("[ERR]")) || str_starts_with(rest, STR("[FTL]")) || at < 0;
    return at < 0 || rest.len < 6 ? line : str_trim(str_from_index(rest, 5));
}

static void take_line(struct nats_server *s, struct str line)
{
    static struct log_limit limit;
    bool is_error;
    struct str text = text_of(line, &is_error);

    if (text.len == 0)
        return;
    /* That was is_ready, which reads the server's greeting and leaves. */
    if (str_ends_with(text, STR("TLS handshake error: EOF")))
        is_error = false;
    if (is_error) {
        mem_free(s->complaint);
        s->complaint = str_dup(text);
        log_limited(&limit, LOG_WARN, "nats-server: %.*s", STR_ARG(text));
    } else {
        log_printf(LOG_DEBUG, "nats-server: %.*s", STR_ARG(text));
    }
    if (str_starts_with(text, STR("Reloaded server configuration"))) {
        s->reloads++;
    } else if (str_starts_with(text, STR("Failed to reload"))) {
        s->reloads++;
        s->reload_failed = true;
    }
}

static void take_lines(struct nats_server *s)
{
    struct str all = buf_str(&s->line);
    size_t used = 0;
    ptrdiff_t end;

    while ((end = str_find(str_from_index(all, used), '\n')) >= 0) {
        take_line(s, str_slice(all, used, used + (size_t)end));
        used += (size_t)end + 1;
    }
    buf_consume(&s->line, used);
    if (s->line.len >= LINE_MAX / 2)
        buf_reset(&s->line);
}

/* Reads what there is; false at the end: it has died. */
static bool read_log(struct nats_server *s)
{
    for (;;) {
        char bytes[1024];
        ssize_t count = read(s->child.log_fd, bytes, sizeof bytes);

        if (count == 0)
            return false;
        if (count < 0)
            return errno == EAGAIN || errno == EINTR;
        (void)buf_append(&s->line, bytes, (size_t)count);
        take_lines(s);
    }
}

/* Waits for `until`, reading its log; false when it died or the time is over. */
static bool wait_for(struct nats_server *s, bool (*until)(struct nats_server *s), int seconds)
{
    int64_t deadline = clock_now() + seconds * NSEC_PER_SEC;

    while (clock_now() < deadline) {
        struct pollfd pfd = {s->child.log_fd, POLLIN, 0};

        if (!read_log(s))
            return false;
        if (until(s))
            return true;
        (void)poll(&pfd, 1, 20);
    }
    return false;
}

/* --- its life --------------------------------------------------------------------------------- */

static void on_log(struct io *io);

static int watch(struct nats_server *s)
{
    s->io.on_ready = on_log;
    return io_add(s->config.loop, &s->io, s->child.log_fd);
}

static int start_child(struct nats_server *s, struct diag *d)
{
    const char *argv[] = {s->program, "-c", s->folder.config_path, NULL};
    int err;

    buf_reset(&s->line);
    mem_free(s->complaint);
    s->complaint = NULL;
    s->started = clock_now();
    err = process_start(&s->child, &(struct process_how){.argv = argv}, d);
    return err;
}

static void plan_restart(struct nats_server *s)
{
    if (clock_now() - s->started > STEADY_SEC * NSEC_PER_SEC)
        s->backoff_ms = BACKOFF_MIN_MS;
    timer_start(s->config.loop, &s->again, clock_now() + s->backoff_ms * NSEC_PER_MSEC);
    s->backoff_ms = s->backoff_ms * 2 < BACKOFF_MAX_MS ? s->backoff_ms * 2 : BACKOFF_MAX_MS;
}

static void on_log(struct io *io)
{
    struct nats_server *s = CONTAINER_OF(io, struct nats_server, io);
    char *how;
    char *why;

    io_clear(io, IO_READ | IO_HANGUP);
    if (read_log(s))
        return;
    io_remove(s->config.loop, &s->io);
    how = process_reap(&s->child);
    why = s->complaint ? mem_printf("%s: %s", how, s->complaint) : mem_strdup(how);
    plan_restart(s);
    if (s->config.on_exit)
        s->config.on_exit(s->config.arg, why);
    mem_free(how);
    mem_free(why);
}

static void on_again(struct timer *timer)
{
    static struct log_limit limit;
    struct nats_server *s = CONTAINER_OF(timer, struct nats_server, again);
    struct diag d = DIAG_INIT;
    int err = start_child(s, &d);

    if (err == 0) {
        err = watch(s);
        if (err < 0)
            mem_free(process_stop(&s->child, 0));
    }
    if (err < 0) {
        log_limited(&limit, LOG_ERROR, "nats-server can't be started again: %s",
                    d.message ? d.message : err_text(err));
        plan_restart(s);
    }
    diag_deinit(&d);
}

/* A stream that could not be written to does not answer any more, though there be space again
 * (nats-server 2.9; one in a cluster puts all of JetStream away). A new process finds all that was
 * acknowledged, so a kill is as good as an orderly end, and comes through where that would hang. */
static void on_look(struct timer *timer)
{
    struct nats_server *s = CONTAINER_OF(timer, struct nats_server, look);
    enum nats_space space = nats_folder_space(&s->folder);

    timer_start(s->config.loop, timer, clock_now() + LOOK_MS * NSEC_PER_MSEC);
    if (space == NATS_SPACE_NONE && !s->was_full) {
        s->was_full = true;
        log_printf(LOG_ERROR,
                   "the disk of %s is full: nothing is stored any more until there is space",
                   s->folder.path);
    } else if (space == NATS_SPACE_ENOUGH && s->was_full) {
        s->was_full = false;
        log_printf(LOG_WARN, "there is space again for %s: nats-server is started anew",
                   s->folder.path);
        if (s->child.pid > 0)
            kill(s->child.pid, SIGKILL);
    }
}

bool nats_server_is_full(const struct nats_server *s)
{
    return s->was_full;
}

/* --- starting --------------------------------------------------------------------------------- */

static bool is_ready(struct nats_server *s)
{
    return nats_folder_answers(s->config.host, s->port, s->name);
}

static int first_start(struct nats_server *s, struct diag *d)
{
    int err = start_child(s, d);
    char *how;

    if (err < 0)
        return err;
    if (wait_for(s, is_ready, READY_SEC))
        return 0;
    how = process_stop(&s->child, 0);
    diag_set(d, ERR_INVALID, "nats-server did not start (%s): %s", how,
             s->complaint ? s->complaint : "it said nothing");
    mem_free(how);
    return ERR_INVALID;
}

static int write_config(struct nats_server *s, const struct nats_user *users, size_t count,
                        struct diag *d)
{
    struct nats_server_config config = s->config;
    char *text;
    int err = nats_config_check_users(users, count, d);

    if (err < 0)
        return err;
    config.users = users;
    config.user_count = count;
    text = nats_config_text(&config, s->name, s->port, s->folder.store_path, s->config.max_bytes);
    err = nats_folder_write(s->folder.config_path, text, d);
    mem_free(text);
    return err;
}

static struct nats_server *make(const struct nats_server_config *config)
{
    struct nats_server *s = mem_zalloc(sizeof *s);

    s->config = *config;
    s->config.users = NULL;
    s->config.user_count = 0;
    s->config.host = mem_strdup(config->host ? config->host : "127.0.0.1");
    s->config.cert_file = mem_strdup(config->cert_file);
    s->config.key_file = mem_strdup(config->key_file);
    s->config.ca_file = mem_strdup(config->ca_file);
    s->io.fd = -1;
    s->child = PROCESS_NONE;
    s->backoff_ms = BACKOFF_MIN_MS;
    timer_init(&s->again, on_again);
    timer_init(&s->look, on_look);
    buf_init(&s->line, LINE_MAX);
    return s;
}

int nats_server_find(const char *given, char **out, struct diag *d)
{
    if (given)
        return process_find(given, out, d);
    if (process_find("nats-server", out, NULL) == 0 ||
        process_find("/usr/sbin/nats-server", out, NULL) == 0) /* Debian's place */
        return 0;
    return diag_set(d, ERR_NOT_FOUND,
                    "nats-server is not installed: install the package nats-server, or give the "
                    "address of one that runs with --nats");
}

int nats_server_start(const struct nats_server_config *config, struct nats_server **out,
                      struct diag *d)
{
    struct nats_server *s = make(config);
    int err = nats_server_find(config->program, &s->program, d);

    if (err == 0)
        err = nats_folder_open(&s->folder, config->data, d);
    if (err == 0)
        err = nats_folder_port(&s->folder, s->config.host, config->port, &s->port, d);
    if (err == 0) {
        s->name = mem_printf("gale-%d-%lld", (int)getpid(), (long long)clock_now());
        s->url = nats_folder_url(s->config.host, s->port, config->cert_file != NULL);
        if (s->config.max_bytes <= 0)
            s->config.max_bytes = nats_folder_room(&s->folder);
        err = write_config(s, config->users, config->user_count, d);
    }
    if (err == 0)
        err = first_start(s, d);
    if (err == 0 && (err = watch(s)) < 0)
        diag_set(d, err, "nats-server: %s", err_text(err));
    if (err < 0) {
        nats_server_stop(s);
        return err;
    }
    on_look(&s->look);
    *out = s;
    return 0;
}

void nats_server_stop(struct nats_server *s)
{
    if (!s)
        return;
    timer_stop(s->config.loop, &s->again);
    timer_stop(s->config.loop, &s->look);
    io_remove(s->config.loop, &s->io);
    mem_free(process_stop(&s->child, STOP_SEC));
    nats_folder_close(&s->folder);
    buf_deinit(&s->line);
    mem_free((char *)(uintptr_t)s->config.host);
    mem_free((char *)(uintptr_t)s->config.cert_file);
    mem_free((char *)(uintptr_t)s->config.key_file);
    mem_free((char *)(uintptr_t)s->config.ca_file);
    mem_free(s->complaint);
    mem_free(s->program);
    mem_free(s->name);
    mem_free(s->url);
    mem_free(s);
}

const char *nats_server_url(const struct nats_server *s)
{
    return s->url;
}

int nats_server_pid(const struct nats_server *s)
{
    return (int)s->child.pid;
}

static bool has_reloaded(struct nats_server *s)
{
    return s->reloads > 0;
}

int nats_server_set_users(struct nats_server *s, const struct nats_user *users, size_t count,
                          struct diag *d)
{
    int err = write_config(s, users, count, d);

    if (err < 0 || s->child.pid <= 0) /* one that is started again reads the new file */
        return err;
    s->reloads = 0;
    s->reload_failed = false;
    if (kill(s->child.pid, SIGHUP) != 0)
        return diag_set(d, -errno, "nats-server: %s", err_text(-errno));
    if (!wait_for(s, has_reloaded, RELOAD_SEC) && !read_log(s))
        return 0; /* it has ended: the next one reads the new file */
    if (s->reloads == 0)
        return diag_set(d, ERR_TIMEOUT, "nats-server did not take the new users within %d s",
                        RELOAD_SEC);
    if (s->reload_failed)
        return diag_set(d, ERR_INVALID, "nats-server did not take the new users: %s",
                        s->complaint ? s->complaint : "no reason given");
    return 0;
}
