#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "cli/archive.h"
#include "cli/fleet_host.h"
#include "engine/run.h"
#include "engine/scenario.h"
#include "script/files.h"

enum { CHILD_SECONDS = 60, MAX_ERROR = 64 * 1024 };

#define MAX_ARCHIVE ((size_t)512 * 1024 * 1024)
#define CHILD_MEMORY ((rlim_t)8 * 1024 * 1024 * 1024)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

const char *fleet_self(void)
{
    static char path[PATH_MAX];
    ssize_t len;

    if (path[0])
        return path;
    len = readlink("/proc/self/exe", path, sizeof path - 1);
    return len > 0 ? path : "gale";
}

/* --- the child ------------------------------------------------------------------------------ */

static int read_some(int fd, size_t max, struct buf *out)
{
    ssize_t got;

    do {
        char *room = buf_room(out, 65536);

        if (!room || out->len > max)
            return ERR_LIMIT;
        got = read(fd, room, 65536);
        if (got > 0)
            buf_added(out, (size_t)got);
    } while (got > 0 || (got < 0 && errno == EINTR));
    return got < 0 ? -errno : 0;
}

/* In the child, after fork: only what is safe there. */
_Noreturn static void run_child(const char *folder, const char *input, int errors)
{
    const struct rlimit cpu = {CHILD_SECONDS, CHILD_SECONDS};
    const struct rlimit memory = {CHILD_MEMORY, CHILD_MEMORY};
    const struct rlimit core = {0, 0};

    setrlimit(RLIMIT_CPU, &cpu);
    if (!SANITIZED) /* a sanitizer maps the whole address space */
        setrlimit(RLIMIT_AS, &memory);
    setrlimit(RLIMIT_CORE, &core);
    alarm(2 * CHILD_SECONDS); /* also when it only waits */
    if (chdir(folder) != 0 || dup2(errors, STDERR_FILENO) < 0 || dup2(errors, STDOUT_FILENO) < 0)
        _exit(EXIT_CODE_OTHER);
    execl(fleet_self(), "gale", "archive", "--log-format=raw", "--no-color", "-O", ".out.tar",
          input, (char *)NULL);
    _exit(EXIT_CODE_OTHER);
}

/* The exit code of the test, with what the child said as a message. */
static int wait_child(pid_t pid, int errors, struct diag *d)
{
    struct buf said = BUF_INIT(MAX_ERROR + 65536);
    struct str text;
    int status = 0;

    read_some(errors, MAX_ERROR, &said);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    text = str_trim(buf_str(&said));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        buf_deinit(&said);
        return 0;
    }
    if (WIFSIGNALED(status))
        diag_set(d, ERR_TIMEOUT,
                 "reading the script took more than %d seconds or too much memory%s%.*s",
                 CHILD_SECONDS, text.len ? ": " : "", STR_ARG(text));
    else
        diag_set(d, ERR_INVALID, "%.*s", STR_ARG(text));
    buf_deinit(&said);
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_CODE_SCRIPT_ERROR;
}

static int start_child(const char *folder, const char *input, struct diag *d)
{
    int errors[2];
    int code;
    pid_t pid;

    if (pipe2(errors, O_CLOEXEC) != 0) {
        diag_set(d, -errno, "can't start a child process: %s", err_text(-errno));
        return EXIT_CODE_OTHER;
    }
    pid = fork();
    if (pid == 0)
        run_child(folder, input, errors[1]);
    close(errors[1]);
    if (pid < 0) {
        diag_set(d, -errno, "can't start a child process: %s", err_text(-errno));
        code = EXIT_CODE_OTHER;
    } else {
        code = wait_child(pid, errors[0], d);
    }
    close(errors[0]);
    return code;
}

/* --- the folder ----------------------------------------------------------------------------- */

static int write_input(const char *path, struct str input, struct diag *d)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0;

    while (ok && input.len > 0) {
        ssize_t put = write(fd, input.ptr, input.len);

        ok = put > 0 || (put < 0 && errno == EINTR);
        if (put > 0)
            input = str_from_index(input, (size_t)put);
    }
    if (!ok)
        diag_set(d, -errno, "can't write %s: %s", path, err_text(-errno));
    if (fd >= 0)
        close(fd);
    return ok ? 0 : EXIT_CODE_OTHER;
}

static int read_output(const char *path, struct buf *out, struct diag *d)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int err = fd < 0 ? -errno : read_some(fd, MAX_ARCHIVE, out);

    if (fd >= 0)
        close(fd);
    if (err)
        diag_set(d, err, "the archive can't be read: %s", err_text(err));
    return err ? EXIT_CODE_OTHER : 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* --- taking it apart ------------------------------------------------------------------------ */

/* Metrics that the init context made; `gale archive` writes them down. */
static int read_metrics(const json_t *list, struct metric_registry *out, struct diag *d)
{
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));
        const char *type = json_string_value(json_object_get(item, "type"));
        const char *contains = json_string_value(json_object_get(item, "contains"));
        enum metric_type t = METRIC_COUNTER;
        enum metric_contains c = METRIC_DEFAULT;
        const struct metric *metric;
        int err;

        while (t < METRIC_TREND && type && strcmp(metric_type_name(t), type) != 0)
            t++;
        while (c < METRIC_DATA && contains && strcmp(metric_contains_name(c), contains) != 0)
            c++;
        err = metric_registry_add(out, str_of(name ? name : ""), t, c, &metric, d);
        if (err)
            return err;
    }
    return 0;
}

static int take_apart(struct prepared *p, struct diag *d)
{
    struct archive_content archive = {0};
    const struct file *main_file;
    int err = archive_read_test(str_from(p->archive, p->archive_len), &archive, d);

    if (err == 0)
        err = options_apply(&p->options, TIER_SCRIPT, json_object_get(archive.metadata, "options"),
                            d);
    if (err == 0)
        err = scenarios_derive(&p->options, &p->scenarios, d);
    if (err == 0)
        err = read_metrics(json_object_get(archive.metadata, "metrics"), &p->metrics, d);
    if (err == 0)
        err = files_get(archive.files, str_of(archive.main_url), true, &main_file, d);
    if (err == 0) {
        p->script = mem_strndup(main_file->data, main_file->len);
        p->metadata = json_incref(archive.metadata);
    }
    archive_content_deinit(&archive);
    return err ? EXIT_CODE_CONFIG : 0;
}

/* The last part of a name, without what a shell or a terminal would mind; heap. */
static char *safe_name(const char *name)
{
    const char *last = name ? strrchr(name, '/') : NULL;
    char *out = mem_strdup(last ? last + 1 : name ? name : "");

    for (char *c = out; *c; c++) {
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
              strchr("-_.", *c)))
            *c = '_';
    }
    if (out[0] == '\0' || out[0] == '.' || out[0] == '-' || strlen(out) > 200) {
        mem_free(out);
        return mem_strdup("script.js");
    }
    return out;
}

static int prepare_in(const char *folder, struct str input, struct prepared *p, struct diag *d)
{
    char *path = mem_printf("%s/%s", folder, p->name);
    char *out = mem_printf("%s/.out.tar", folder);
    struct buf bytes = BUF_INIT(MAX_ARCHIVE + 65536);
    int code = write_input(path, input, d);

    if (code == 0)
        code = start_child(folder, p->name, d);
    if (code == 0)
        code = read_output(out, &bytes, d);
    if (code == 0) {
        p->archive_len = bytes.len;
        p->archive = buf_take(&bytes);
        code = take_apart(p, d);
    }
    buf_deinit(&bytes);
    mem_free(path);
    mem_free(out);
    return code;
}

static int prepare(void *arg, const char *name, struct str input, struct prepared **out,
                   struct diag *d)
{
    const char *tmp = getenv("TMPDIR");
    char *folder = mem_printf("%s/gale-upload-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    struct prepared *p = mem_zalloc(sizeof *p);
    int code = EXIT_CODE_OTHER;

    (void)arg;
    p->name = safe_name(name);
    options_init(&p->options);
    metric_registry_init(&p->metrics);
    if (!mkdtemp(folder)) {
        diag_set(d, -errno, "can't make a folder like %s: %s", folder, err_text(-errno));
    } else {
        code = prepare_in(folder, input, p, d);
        nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
    mem_free(folder);
    if (code)
        prepared_free(p);
    else
        *out = p;
    return code;
}

struct preparer fleet_preparer(void)
{
    return (struct preparer){NULL, prepare};
}
