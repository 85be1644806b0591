#include "cli/service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "cli/args.h"
#include "cli/load.h"
#include "engine/run.h"
#include "net/addr.h"

static int signal_pipe[2] = {-1, -1};
static volatile sig_atomic_t signal_count;

static void on_signal(int number)
{
    int saved = errno;
    char byte = (char)number;

    if (++signal_count > 1 || write(signal_pipe[1], &byte, 1) < 0)
        _exit(EXIT_CODE_SIGNAL);
    errno = saved;
}

static void on_ready(struct io *io)
{
    struct service *s = CONTAINER_OF(io, struct service, _signals);
    char byte;

    io_clear(io, IO_READ);
    if (read(io->fd, &byte, 1) != 1)
        return;
    log_printf(LOG_INFO, "stopping in response to %s; once more ends it at once",
               byte == SIGTERM ? "SIGTERM" : "Ctrl-C");
    s->on_stop(s);
}

int service_open(struct service *s, const struct args *args)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct diag d = DIAG_INIT;

    (void)args;
    if (loop_new(&s->loop) != 0 || pipe2(signal_pipe, O_NONBLOCK | O_CLOEXEC) != 0) {
        diag_set(&d, ERR_LIMIT, "the system refuses an event loop: raise the limit of descriptors");
        return load_fail(EXIT_CODE_OTHER, &d);
    }
    s->_signals.on_ready = on_ready;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (io_add(s->loop, &s->_signals, signal_pipe[0]) != 0) {
        diag_set(&d, ERR_LIMIT, "the system refuses to watch a pipe");
        return load_fail(EXIT_CODE_OTHER, &d);
    }
    return 0;
}

void service_run(struct service *s)
{
    loop_run(s->loop);
}

void service_close(struct service *s)
{
    io_remove(s->loop, &s->_signals);
    loop_free(s->loop);
}

void service_bus(const struct args *args, struct bus_config *out)
{
    *out = (struct bus_config){
        .url = args_text(args, FLAG_NATS, "nats://127.0.0.1:4222"),
        .user = args_text(args, FLAG_NATS_USER, NULL),
        .password = args_text(args, FLAG_NATS_PASSWORD, NULL),
        .credentials = args_text(args, FLAG_NATS_CREDENTIALS, NULL),
        .ca_file = args_text(args, FLAG_NATS_CA, NULL),
        .cert_file = args_text(args, FLAG_NATS_CERT, NULL),
        .key_file = args_text(args, FLAG_NATS_KEY, NULL),
    };
}

bool service_is_loopback(const char *address)
{
    struct str all = str_of(address);
    ptrdiff_t colon = str_rfind(all, ':');
    struct str host = str_slice(all, 0, colon < 0 ? all.len : (size_t)colon);
    struct addr addr;

    if (str_eq_c(host, "localhost"))
        return true;
    if (str_starts_with(host, STR("[")))
        host = str_slice(host, 1, host.len - 1);
    return addr_parse(host, &addr) == 0 && addr_is_loopback(&addr);
}
