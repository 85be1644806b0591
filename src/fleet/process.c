#include "fleet/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

extern char **environ;

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

int process_find(const char *program, char **out, struct diag *d)
{
    struct str path = str_of(getenv("PATH"));

    if (strchr(program, '/')) {
        if (!is_program(program))
            return diag_set(d, -errno, "%s: %s", program, err_text(-errno));
        *out = mem_strdup(program);
        return 0;
    }
    while (path.len > 0) {
        struct str folder = str_cut(&path, ':');
        char *file = mem_printf("%.*s/%s", STR_ARG(folder), program);

        if (folder.len > 0 && is_program(file)) {
            *out = file;
            return 0;
        }
        mem_free(file);
    }
    return diag_set(d, ERR_NOT_FOUND, "%s is not installed", program);
}

/* A start under way. */
struct start {
    char *const *argv;
    char **env;    /* owned */
    int logs[2];   /* pipes: what it says, */
    int errors[2]; /* why exec failed, */
    int in[2];     /* what it reads; -1: nothing */
};

/* In the child: only what is safe between fork and exec. */
static _Noreturn void run(const struct start *s, pid_t parent)
{
    sigset_t none;
    int in = s->in[0];
    int err;

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
    if (in < 0)
        in = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (in >= 0 && dup2(in, 0) == 0 && dup2(s->logs[1], 1) == 1 && dup2(s->logs[1], 2) == 2)
        execve(s->argv[0], s->argv, s->env);
    err = errno;
    _exit(write(s->errors[1], &err, sizeof err) == sizeof err ? 127 : 126);
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

/* The environment with some of it changed: ours first, so that what is asked for comes behind, and
 * what it replaces is left out. The texts are borrowed. */
static char **make_env(const char *const *changes)
{
    size_t ours = 0;
    size_t more = 0;
    size_t count = 0;
    char **env;

    while (environ[ours])
        ours++;
    while (changes && changes[more])
        more++;
    env = mem_calloc(ours + more + 1, sizeof *env);
    for (size_t i = 0; i < ours; i++) {
        size_t name = strcspn(environ[i], "=");
        size_t j = 0;

        while (j < more && (strncmp(changes[j], environ[i], name) != 0 || changes[j][name] != '='))
            j++;
        if (j == more)
            env[count++] = environ[i];
    }
    for (size_t i = 0; i < more; i++)
        env[count++] = (char *)(uintptr_t)changes[i];
    return env;
}

static void start_end(struct start *s)
{
    close_pipe(s->logs);
    close_pipe(s->errors);
    close_pipe(s->in);
    mem_free((void *)s->env);
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Our end of a pipe, which outlives the start. */
static int keep(int *fd)
{
    int kept = *fd;

    if (kept >= 0)
        fcntl(kept, F_SETFL, O_NONBLOCK);
    *fd = -1;
    return kept;
}

int process_start(struct process *p, const struct process_how *how, struct diag *d)
{
    struct start s = {.argv = (char *const *)(uintptr_t)how->argv,
                      .env = make_env(how->env),
                      .logs = {-1, -1},
                      .errors = {-1, -1},
                      .in = {-1, -1}};
    pid_t parent = getpid();
    pid_t pid = -1;
    int err = open_pipe(s.logs);

    if (err == 0)
        err = open_pipe(s.errors);
    if (err == 0 && how->has_input)
        err = open_pipe(s.in);
    if (err == 0) {
        pid = fork();
        if (pid == 0)
            run(&s, parent);
        err = pid < 0 ? -errno : 0;
    }
    close_one(&s.logs[1]);
    close_one(&s.errors[1]);
    close_one(&s.in[0]);
    if (err == 0 && (err = -exec_error(s.errors[0])) != 0)
        waitpid(pid, NULL, 0);
    if (err == 0)
        *p = (struct process){pid, keep(&s.logs[0]), keep(&s.in[1])};
    start_end(&s);
    return err ? diag_set(d, err, "%s: %s", how->argv[0], err_text(err)) : 0;
}

static char *how_it_ended(int status)
{
    if (WIFSIGNALED(status))
        return mem_printf("signal %d, %s", WTERMSIG(status), strsignal(WTERMSIG(status)));
    return mem_printf("exit code %d", WEXITSTATUS(status));
}

static void forget(struct process *p)
{
    close(p->log_fd);
    if (p->in_fd >= 0)
        close(p->in_fd);
    *p = PROCESS_NONE;
}

char *process_reap(struct process *p)
{
    int status = 0;

    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
        ;
    forget(p);
    return how_it_ended(status);
}

bool process_has_ended(const struct process *p)
{
    siginfo_t info = {.si_pid = 0};

    return waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

/* Reads on while it waits: a full pipe would keep it from ending. */
static bool wait_end(struct process *p, int64_t deadline, int *status)
{
    char bytes[4096];

    while (waitpid(p->pid, status, WNOHANG) == 0) {
        struct pollfd pfd = {p->log_fd, POLLIN, 0};

        if (clock_now() >= deadline)
            return false;
        if (poll(&pfd, 1, 10) == 1 && read(p->log_fd, bytes, sizeof bytes) == 0)
            (void)poll(NULL, 0, 1);
    }
    return true;
}

char *process_stop(struct process *p, int seconds)
{
    int status = 0;

    if (p->pid <= 0)
        return NULL;
    if (seconds > 0)
        kill(p->pid, SIGTERM);
    if (!wait_end(p, clock_now() + seconds * NSEC_PER_SEC, &status)) {
        kill(p->pid, SIGKILL);
        return process_reap(p);
    }
    forget(p);
    return how_it_ended(status);
}
