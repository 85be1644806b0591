#include "fleet/nats_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

int nats_child_find(const char *given, char **out, struct diag *d)
{
    struct str path = str_of(getenv("PATH"));

    if (given) {
        if (!is_program(given))
            return diag_set(d, -errno, "%s: %s", given, err_text(-errno));
        *out = mem_strdup(given);
        return 0;
    }
    while (path.len > 0) {
        struct str folder = str_cut(&path, ':');
        char *file = mem_printf("%.*s/nats-server", STR_ARG(folder));

        if (folder.len > 0 && is_program(file)) {
            *out = file;
            return 0;
        }
        mem_free(file);
    }
    if (is_program("/usr/sbin/nats-server")) { /* Debian's place, not in everybody's $PATH */
        *out = mem_strdup("/usr/sbin/nats-server");
        return 0;
    }
    return diag_set(d, ERR_NOT_FOUND,
                    "nats-server is not installed: install the package nats-server, or give the "
                    "address of one that runs with --nats");
}

/* In the child: only what is safe between fork and exec. */
static _Noreturn void run(const char *const *argv, int log_fd, int err_fd, pid_t parent)
{
    sigset_t none;
    int null;

    setpgid(0, 0);
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0UL, 0UL, 0UL);
    if (getppid() != parent)
        _exit(1);
#else
    (void)parent;
#endif
    for (int i = 1; i < NSIG; i++) {
        if (i != SIGKILL && i != SIGSTOP)
            signal(i, SIG_DFL);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0 && dup2(null, 0) == 0 && dup2(log_fd, 1) == 1 && dup2(log_fd, 2) == 2)
        execv(argv[0], (char *const *)(uintptr_t)argv);
    null = errno;
    _exit(write(err_fd, &null, sizeof null) == sizeof null ? 127 : 126);
}

static void close_pipe(int fds[2])
{
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

static int open_pipe(int fds[2])
{
    if (pipe(fds) != 0)
        return -errno;
    for (int i = 0; i < 2; i++)
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
    return 0;
}

/* The errno of a failed exec, or 0. */
static int exec_error(int fd)
{
    int err = 0;

    while (read(fd, &err, sizeof err) < 0 && errno == EINTR)
        ;
    return err;
}

int nats_child_start(struct nats_child *c, const char *const *argv, struct diag *d)
{
    int logs[2] = {-1, -1};
    int errors[2] = {-1, -1};
    pid_t parent = getpid();
    pid_t pid;
    int err = open_pipe(logs);

    if (err == 0)
        err = open_pipe(errors);
    if (err < 0) {
        close_pipe(logs);
        return diag_set(d, err, "%s: %s", argv[0], err_text(err));
    }
    pid = fork();
    if (pid == 0)
        run(argv, logs[1], errors[1], parent);
    err = pid < 0 ? errno : 0;
    close(logs[1]);
    logs[1] = -1;
    close(errors[1]);
    errors[1] = -1;
    if (pid > 0 && (err = exec_error(errors[0])) != 0)
        waitpid(pid, NULL, 0);
    close_pipe(errors);
    if (err != 0) {
        close_pipe(logs);
        return diag_set(d, -err, "%s: %s", argv[0], err_text(-err));
    }
    fcntl(logs[0], F_SETFL, O_NONBLOCK);
    *c = (struct nats_child){pid, logs[0]};
    return 0;
}

static char *how_it_ended(int status)
{
    if (WIFSIGNALED(status))
        return mem_printf("signal %d, %s", WTERMSIG(status), strsignal(WTERMSIG(status)));
    return mem_printf("exit code %d", WEXITSTATUS(status));
}

static void forget(struct nats_child *c)
{
    close(c->log_fd);
    *c = (struct nats_child){-1, -1};
}

char *nats_child_reap(struct nats_child *c)
{
    int status = 0;

    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        ;
    forget(c);
    return how_it_ended(status);
}

/* Reads on while it waits: a full pipe would keep it from ending. */
static bool wait_end(struct nats_child *c, int64_t deadline, int *status)
{
    char bytes[4096];

    while (waitpid(c->pid, status, WNOHANG) == 0) {
        struct pollfd pfd = {c->log_fd, POLLIN, 0};

        if (clock_now() >= deadline)
            return false;
        if (poll(&pfd, 1, 10) == 1 && read(c->log_fd, bytes, sizeof bytes) == 0)
            (void)poll(NULL, 0, 1);
    }
    return true;
}

char *nats_child_stop(struct nats_child *c, int seconds)
{
    int status = 0;

    if (c->pid <= 0)
        return NULL;
    if (seconds > 0)
        kill(c->pid, SIGTERM);
    if (!wait_end(c, clock_now() + seconds * NSEC_PER_SEC, &status)) {
        kill(c->pid, SIGKILL);
        return nats_child_reap(c);
    }
    forget(c);
    return how_it_ended(status);
}
