#include "script/typescript.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

enum {
    OUTPUT_MAX = 512 * 1024 * 1024,
    READ_SIZE = 64 * 1024,
    IN = 0,
    OUT = 1,
    ERR = 2,
    NO_SUCH_PROGRAM = 127,
};

extern char **environ;

bool typescript_is_name(struct str name)
{
    static const struct str endings[] = {STR_INIT(".ts"), STR_INIT(".mts"), STR_INIT(".cts"),
                                         STR_INIT(".tsx"), STR_INIT(".jsx")};

    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        if (str_ends_with(name, endings[i]))
            return true;
    }
    return false;
}

/* --- the child ---------------------------------------------------------------------------- */

struct child {
    pid_t pid;
    int fds[3]; /* our ends of its stdin, stdout and stderr */
};

static void close_pair(int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

static const char *program(void)
{
    const char *own = getenv("GALE_ESBUILD");

    return own && *own ? own : "esbuild";
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

/* esbuild reads all of its input before it writes; one that ends early is told of by its exit. */
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

/* --- messages ----------------------------------------------------------------------------- */

/* esbuild writes "✘ [ERROR] what", an empty line, "    path:line:column:", the source. */
static int report(const char *path, struct str text, struct diag *d)
{
    static const struct str mark = STR_INIT("[ERROR] ");
    ptrdiff_t at = str_find_str(text, mark);
    struct str rest = at < 0 ? text : str_from_index(text, (size_t)at + mark.len);
    struct str what = str_trim(str_cut(&rest, '\n'));
    uint64_t line = 0;
    uint64_t column = 0;

    at = str_find_str(rest, str_of(path));
    if (at >= 0) {
        rest = str_from_index(rest, (size_t)at + strlen(path) + 1);
        if (!str_to_u64(str_cut(&rest, ':'), &line) || !str_to_u64(str_cut(&rest, ':'), &column))
            line = 0;
    }
    diag_set(d, ERR_SYNTAX, "%.*s", STR_ARG(what));
    if (line)
        diag_at(d, path, (int)line, (int)column + 1);
    return ERR_SYNTAX;
}

static int no_esbuild(const char *path, struct diag *d)
{
    return diag_set(d, ERR_NOT_FOUND,
                    "%s: to run TypeScript, gale needs esbuild, and there is no '%s'; install it "
                    "(apt-get install esbuild, or npm install -g esbuild), or set GALE_ESBUILD to "
                    "its path",
                    path, program());
}

/* --- the whole ---------------------------------------------------------------------------- */

/* esbuild's name for the kind of file. */
static const char *loader_of(const char *path)
{
    struct str name = str_of(path);

    if (str_ends_with(name, STR(".tsx")))
        return "--loader=tsx";
    return str_ends_with(name, STR(".jsx")) ? "--loader=jsx" : "--loader=ts";
}

int typescript_compile(const char *path, struct str source, char **out, size_t *out_len,
                       struct diag *d)
{
    char *source_file = mem_printf("--sourcefile=%s", path);
    char *argv[] = {(char *)(uintptr_t)program(),
                    (char *)(uintptr_t)loader_of(path),
                    source_file,
                    (char *)(uintptr_t) "--sourcemap=inline",
                    (char *)(uintptr_t) "--sources-content=false",
                    (char *)(uintptr_t) "--target=es2022",
                    (char *)(uintptr_t) "--charset=utf8",
                    (char *)(uintptr_t) "--log-level=error",
                    (char *)(uintptr_t) "--log-limit=5",
                    (char *)(uintptr_t) "--color=false",
                    NULL};
    struct buf js = BUF_INIT(OUTPUT_MAX);
    struct buf messages = BUF_INIT(READ_SIZE * 4);
    struct child child;
    int err = start(argv, &child);
    int code;

    mem_free(source_file);
    if (err)
        return err == -ENOENT ? no_esbuild(path, d)
                              : diag_set(d, err, "%s: %s", program(), strerror(-err));
    feed(child.fds[IN], source);
    drain(child.fds[OUT], &js);
    drain(child.fds[ERR], &messages);
    code = finish(child.pid);
    if (code == NO_SUCH_PROGRAM) {
        err = no_esbuild(path, d);
    } else if (code != 0) {
        err = report(path, buf_str(&messages), d);
    } else {
        *out_len = js.len;
        *out = buf_take(&js);
    }
    buf_deinit(&js);
    buf_deinit(&messages);
    return err;
}
