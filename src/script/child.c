#include "script/child.h"

#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    READ_SIZE = 64 * 1024,
    IN = 0,
    OUT = 1,
    ERR = 2,
    NO_SUCH_PROGRAM = 127,
};

extern char **environ;

struct child {
    pid_t pid;
    int fds[3]; /* our ends of its stdin, stdout and stderr */
};

static void close_pair(int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

static int spawn(char *const argv[], int pipes[3][2], pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    int err;

    posix_spawn_file_actions_init(&actions);
    for (int i = 0; i < 3; i++)
        posix_spawn_file_actions_adddup2(&actions, pipes[i][i == IN ? 0 : 1], i);
    for (int i = 0; i < 3; i++) {
        posix_spawn_file_actions_addclose(&actions, pipes[i][0]);
        posix_spawn_file_actions_addclose(&actions, pipes[i][1]);
    }
    err = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return -err;
}

static int start(char *const argv[], struct child *child)
{
    int pipes[3][2];
    int err = 0;

    for (int i = 0; i < 3; i++) {
        if (pipe(pipes[i]) == 0)
            continue;
        err = -errno;
        while (i-- > 0)
            close_pair(pipes[i]);
        return err;
    }
    err = spawn(argv, pipes, &child->pid);
    for (int i = 0; i < 3; i++) {
        bool is_in = i == IN;

        child->fds[i] = pipes[i][is_in ? 1 : 0];
        close(pipes[i][is_in ? 0 : 1]);
        if (err)
            close(child->fds[i]);
    }
    return err;
}

/* A child that ends early is told of by its exit. */
static void feed(int fd, struct str text)
{
    while (text.len > 0) {
        ssize_t put = write(fd, text.ptr, text.len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            break;
        text = str_from_index(text, (size_t)put);
    }
    close(fd);
}

static void drain(int fd, struct buf *out)
{
    ssize_t got;

    for (;;) {
        char *room = buf_room(out, READ_SIZE);

        if (!room)
            break;
        got = read(fd, room, READ_SIZE);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        buf_added(out, (size_t)got);
    }
    close(fd);
}

/* Its exit code, or -1. */
static int finish(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int child_run(char *const argv[], struct str input, struct buf *out, struct buf *err_out, int *code)
{
    struct child child = {.fds = {-1, -1, -1}};
    int err = start(argv, &child);

    if (err)
        return err;
    feed(child.fds[IN], input);
    drain(child.fds[OUT], out);
    drain(child.fds[ERR], err_out);
    *code = finish(child.pid);
    return *code == NO_SUCH_PROGRAM ? -ENOENT : 0;
}
