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
#include "cli/load.h"
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

/* The child's arguments; free the list and, from `first_env` on, every second text. */
enum { FIXED_ARGS = 6 };

static char **child_args(const char *input, const json_t *env)
{
    char **args = mem_calloc(2 * json_object_size(env) + FIXED_ARGS + 2, sizeof *args);
    size_t count = FIXED_ARGS;
    const char *name;
    json_t *value;

    memcpy((void *)args,
           (const char *const[]){"gale", "archive", "--log-format=raw", "--no-color", "-O",
                                 ".out.tar"},
           FIXED_ARGS * sizeof *args);
    json_object_foreach((json_t *)(uintptr_t)env, name, value)
    {
        args[count++] = (char *)(uintptr_t) "-e";
        args[count++] = mem_printf("%s=%s", name, json_string_value(value));
    }
    args[count] = (char *)(uintptr_t)input;
    return args;
}

static void free_args(char **args)
{
    for (size_t i = FIXED_ARGS; args[i] && args[i + 1]; i += 2)
        mem_free(args[i + 1]);
    mem_free((void *)args);
}

/* In the child, after fork: only what is safe there. */
_Noreturn static void run_child(const char *folder, char *const *args, int errors)
{
    const struct rlimit cpu = {CHILD_SECONDS, CHILD_SECONDS};
    const struct rlimit memory = {CHILD_MEMORY, CHILD_MEMORY};
    const struct rlimit core = {0, 0};
    static const char lost[] = "gale can't start itself to read the script: its file is gone";

    setrlimit(RLIMIT_CPU, &cpu);
    if (!SANITIZED) /* a sanitizer maps the whole address space */
        setrlimit(RLIMIT_AS, &memory);
    setrlimit(RLIMIT_CORE, &core);
    alarm(2 * CHILD_SECONDS); /* also when it only waits */
    if (chdir(folder) != 0 || dup2(errors, STDERR_FILENO) < 0 || dup2(errors, STDOUT_FILENO) < 0)
        _exit(EXIT_CODE_OTHER);
    execv("/proc/self/exe", args); /* also when that file was replaced by a newer one, or is gone */
    execv(fleet_self(), args);
    (void)!write(STDERR_FILENO, lost, sizeof lost - 1);
    _exit(EXIT_CODE_OTHER);
}

/* Without the folder that the upload lay in while it was read; heap. */
static char *without_folder(const char *folder, struct str text)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    char *place = mem_printf("%s/", folder);
    ptrdiff_t at;

    while ((at = str_find_str(text, str_of(place))) >= 0) {
        struct str before = str_slice(text, 0, (size_t)at);

        if (str_ends_with(before, STR("file://")))
            before.len -= strlen("file://");
        buf_append(&out, before.ptr, before.len);
        text = str_from_index(text, (size_t)at + strlen(place));
    }
    buf_append(&out, text.ptr, text.len);
    mem_free(place);
    return buf_take(&out);
}

/* "checkout.js:3:27: SyntaxError: ...", the line itself, a mark under it and where it was called
 * from: the place, the message, and the line. */
static void say_error(const char *folder, struct str said, struct diag *d)
{
    char *text = without_folder(folder, said);
    struct str rest = str_of(text);
    struct str first = str_cut(&rest, '\n');
    struct str source = str_cut(&rest, '\n');
    struct str message = first;
    struct str name = str_cut(&message, ':');
    struct str line = str_cut(&message, ':');
    struct str column = str_cut(&message, ':');
    char *file = str_dup(name);
    uint64_t numbers[2];

    if (message.ptr && str_to_u64(line, &numbers[0]) && str_to_u64(column, &numbers[1])) {
        message = str_trim(message);
        source = str_trim(source);
        diag_set(d, ERR_INVALID, "%.*s%s%.*s", STR_ARG(message), source.len ? "\n" : "",
                 STR_ARG(source));
        diag_at(d, file, (int)numbers[0], (int)numbers[1]);
    } else {
        diag_set(d, ERR_INVALID, "%s", text);
    }
    mem_free(file);
    mem_free(text);
}

/* The exit code of the test, with what the child said as a message. */
static int wait_child(const char *folder, pid_t pid, int errors, struct diag *d)
{
    struct buf said = BUF_INIT(MAX_ERROR + 65536);
    struct str text;
    int status = 0;

    load_read_fd(errors, &said);
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
        say_error(folder, text, d);
    buf_deinit(&said);
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_CODE_SCRIPT_ERROR;
}

static int start_child(const char *folder, const char *input, const json_t *env, struct diag *d)
{
    char **args;
    int errors[2];
    int code;
    pid_t pid;

    if (pipe2(errors, O_CLOEXEC) != 0) {
        diag_set(d, -errno, "can't start a child process: %s", err_text(-errno));
        return EXIT_CODE_OTHER;
    }
    args = child_args(input, env);
    pid = fork();
    if (pid == 0)
        run_child(folder, args, errors[1]);
    close(errors[1]);
    if (pid < 0) {
        diag_set(d, -errno, "can't start a child process: %s", err_text(-errno));
        code = EXIT_CODE_OTHER;
    } else {
        code = wait_child(folder, pid, errors[0], d);
    }
    free_args(args);
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
    int err = fd < 0 ? -errno : load_read_fd(fd, out);

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

/* --- what is wanted otherwise than the script says ------------------------------------------ */

static int check_options(const json_t *options, struct diag *d)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)options, key, value)
    {
        if (!option_by_key(str_of(key)))
            return diag_set(d, ERR_INVALID, "option %s: there is none of that name", key);
    }
    return 0;
}

/* The script's own object with what is given laid over it; an empty list takes one away. */
static json_t *laid_over(const struct options *o, enum option_id id, const json_t *given)
{
    const json_t *own = options_object(o, id);
    json_t *all = own ? json_deep_copy(own) : json_object();
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)given, key, value)
    {
        if (json_is_array(value) && json_array_size(value) == 0)
            json_object_del(all, key);
        else
            json_object_set(all, key, value);
    }
    return all;
}

static int change_options(struct options *o, const json_t *changes, struct diag *d)
{
    const json_t *options = json_object_get(changes, "options");
    const json_t *thresholds = json_object_get(changes, "thresholds");
    const json_t *tags = json_object_get(changes, "tags");
    json_t *more = json_object();
    int err = check_options(options, d);

    if (err == 0 && options)
        err = options_apply(o, TIER_FLAGS, options, d);
    if (thresholds)
        json_object_set_new(more, "thresholds", laid_over(o, OPTION_THRESHOLDS, thresholds));
    if (tags)
        json_object_set_new(more, "tags", laid_over(o, OPTION_TAGS, tags));
    if (err == 0)
        err = options_apply(o, TIER_FLAGS, more, d);
    json_decref(more);
    return err;
}

/* The archive anew, with the options as they are now: agents read them there. */
static int pack_again(struct prepared *p, const char *folder, const struct archive_content *archive,
                      struct diag *d)
{
    const json_t *all = json_object_get(archive->metadata, "env");
    char *path = mem_printf("%s/.again.tar", folder);
    json_t *options = options_to_json(&p->options);
    struct buf bytes = BUF_INIT(MAX_ARCHIVE + 65536);
    struct map env = MAP_INIT;
    struct archive_write_test what = {
        .path = path,
        .main_url = archive->main_url,
        .files = archive->files,
        .options = options,
        .env = &env,
        .metrics = &p->metrics,
    };
    const char *name;
    json_t *value;
    int code;

    json_object_foreach((json_t *)(uintptr_t)all, name, value)
        map_set(&env, str_of(name), (void *)(uintptr_t)json_string_value(value));
    code = archive_write_test_to(&what, d) ? EXIT_CODE_OTHER : read_output(path, &bytes, d);
    if (code == 0) {
        mem_free(p->archive);
        p->archive_len = bytes.len;
        p->archive = buf_take(&bytes);
        json_object_set(archive->metadata, "options", options);
    }
    buf_deinit(&bytes);
    map_deinit(&env);
    json_decref(options);
    mem_free(path);
    return code;
}

static int take_apart(struct prepared *p, const char *folder, const json_t *changes, struct diag *d)
{
    struct archive_content archive = {0};
    const struct file *main_file;
    int err = archive_read_test(str_from(p->archive, p->archive_len), &archive, d);

    if (err == 0)
        err = options_apply(&p->options, TIER_SCRIPT, json_object_get(archive.metadata, "options"),
                            d);
    if (err == 0 && changes)
        err = change_options(&p->options, changes, d);
    if (err == 0)
        err = scenarios_derive(&p->options, &p->scenarios, d);
    if (err == 0)
        err = read_metrics(json_object_get(archive.metadata, "metrics"), &p->metrics, d);
    if (err == 0 && changes)
        err = pack_again(p, folder, &archive, d);
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

static int prepare_in(const char *folder, const struct upload *upload, struct prepared *p,
                      struct diag *d)
{
    char *path = mem_printf("%s/%s", folder, p->name);
    char *out = mem_printf("%s/.out.tar", folder);
    struct buf bytes = BUF_INIT(MAX_ARCHIVE + 65536);
    int code = write_input(path, upload->input, d);

    if (code == 0)
        code = start_child(folder, p->name, upload->env, d);
    if (code == 0)
        code = read_output(out, &bytes, d);
    if (code == 0) {
        p->archive_len = bytes.len;
        p->archive = buf_take(&bytes);
        code = take_apart(p, folder, upload->changes, d);
    }
    buf_deinit(&bytes);
    mem_free(path);
    mem_free(out);
    return code;
}

static int prepare(void *arg, const struct upload *upload, struct prepared **out, struct diag *d)
{
    const char *tmp = getenv("TMPDIR");
    char *folder = mem_printf("%s/gale-upload-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    struct prepared *p = mem_zalloc(sizeof *p);
    int code = EXIT_CODE_OTHER;

    (void)arg;
    p->name = safe_name(upload->name);
    options_init(&p->options);
    metric_registry_init(&p->metrics);
    if (!mkdtemp(folder)) {
        diag_set(d, -errno, "can't make a folder like %s: %s", folder, err_text(-errno));
    } else {
        code = prepare_in(folder, upload, p, d);
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
