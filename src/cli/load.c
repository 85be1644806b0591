#include "cli/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/archive.h"
#include "cli/args.h"
#include "cli/features.h"
#include "cli/imports.h"
#include "engine/run.h"
#include "script/files.h"
#include "script/remote/remote.h"
#include "script/script.h"
#include "script/secrets/secrets.h"

enum { MAX_INPUT = 512 * 1024 * 1024 };

extern char **environ;

int load_fail(int exit_code, struct diag *d)
{
    char *text = diag_text(d);

    log_msg(LOG_ERROR, str_of(text), NULL);
    mem_free(text);
    diag_deinit(d);
    return exit_code;
}

/* --- the log ------------------------------------------------------------------------------ */

int load_log(const struct args *args)
{
    const char *format = args_text(args, FLAG_LOG_FORMAT, "text");
    const char *output = args_text(args, FLAG_LOG_OUTPUT, "stderr");
    const json_t *console = json_object_get(args->options, "consoleOutput");
    int fd = strncmp(output, "stdout", 6) == 0 ? STDOUT_FILENO : STDERR_FILENO;
    struct log_options options = {
        .level = args_bool(args, FLAG_VERBOSE) ? LOG_DEBUG : LOG_INFO,
        .format = strcmp(format, "json") == 0  ? LOG_JSON
                  : strcmp(format, "raw") == 0 ? LOG_RAW
                                               : LOG_TEXT,
        .color = isatty(fd) && !args_bool(args, FLAG_NO_COLOR) && !getenv("NO_COLOR"),
        .output = output,
        .console_out = console ? json_string_value(console) : getenv("K6_CONSOLE_OUTPUT"),
    };
    struct diag d = DIAG_INIT;

    return log_setup(&options, &d) ? load_fail(EXIT_CODE_CONFIG, &d) : 0;
}

/* --- input -------------------------------------------------------------------------------- */

int load_read_fd(int fd, struct buf *out)
{
    ssize_t got;

    do {
        char *room = buf_room(out, 65536);

        if (!room)
            return ERR_LIMIT;
        got = read(fd, room, 65536);
        if (got > 0)
            buf_added(out, (size_t)got);
    } while (got > 0 || (got < 0 && errno == EINTR));
    return got < 0 ? -errno : 0;
}

/* Flags that take one of a few words. */
static int check_names(const struct args *args, struct diag *d)
{
    const char *type = args_text(args, FLAG_TYPE, "js");
    const char *mode = args_text(args, FLAG_COMPATIBILITY_MODE, "extended");

    if (strcmp(type, "js") != 0 && strcmp(type, "archive") != 0)
        return diag_set(d, ERR_INVALID, "flag --type: '%s' is none: use js or archive", type);
    if (strcmp(mode, "experimental_enhanced") == 0)
        log_printf(
            LOG_WARN,
            "--compatibility-mode experimental_enhanced is deprecated: it is the same as extended");
    else if (strcmp(mode, "extended") != 0 && strcmp(mode, "base") != 0)
        return diag_set(d, ERR_INVALID,
                        "flag --compatibility-mode: '%s' is none: use extended or base", mode);
    return 0;
}

static bool is_archive(const struct args *args, const char *name)
{
    const char *type = args_text(args, FLAG_TYPE, "");

    return strcmp(type, "archive") == 0 || (type[0] == '\0' && !files_is_remote(str_of(name)) &&
                                            str_ends_with(str_of(name), STR(".tar")));
}

/* An archive: its options are the script's tier, its environment comes first. */
static int open_archive(struct test *t, struct archive_content *out, struct diag *d)
{
    struct files *disk = files_new(NULL);
    char *url = files_url(str_of(t->name));
    const struct file *file;
    int err = files_get(disk, str_of(url), false, &file, d);
    const char *name;
    json_t *value;

    if (err == 0)
        err = archive_read_test(str_from(file->data, file->len), out, d);
    files_free(disk);
    mem_free(url);
    if (err)
        return err;
    json_object_foreach(json_object_get(out->metadata, "env"), name, value)
    {
        if (json_is_string(value))
            mem_free(map_set(&t->env, str_of(name), mem_strdup(json_string_value(value))));
    }
    return 0;
}

/* Standard input, as a file "-" of the current folder. */
static int open_stdin(struct files *files, const char *url, struct diag *d)
{
    struct buf text = BUF_INIT(FILES_MAX_SCRIPT);
    int err = load_read_fd(STDIN_FILENO, &text);

    if (err)
        diag_set(d, err, "can't read standard input: %s", err_text(err));
    else
        files_put(files, str_of(url), buf_str(&text), true);
    buf_deinit(&text);
    return err;
}

/* --- the environment ---------------------------------------------------------------------- */

static void set_env(struct map *env, struct str pair)
{
    struct str value = pair;
    struct str name = str_cut(&value, '=');

    mem_free(map_set(env, name, str_dup(value)));
}

static int read_env(struct test *t, bool pass_env, struct diag *d)
{
    const struct args *args = t->args;

    if (args_is_set(args, FLAG_INCLUDE_SYSTEM_ENV))
        pass_env = args_bool(args, FLAG_INCLUDE_SYSTEM_ENV);
    for (char **e = environ; pass_env && *e; e++)
        set_env(&t->env, str_of(*e));
    for (size_t i = 0; i < args->value_count[FLAG_ENV]; i++) {
        struct str pair = str_of(args->values[FLAG_ENV][i]);
        size_t len = strspn(pair.ptr, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
                                      "0123456789");

        if (len == 0 || (pair.ptr[0] >= '0' && pair.ptr[0] <= '9') ||
            (pair.ptr[len] != '=' && pair.ptr[len] != '\0'))
            return diag_set(d, ERR_INVALID,
                            "flag --env: '%s' must be NAME=VALUE, the name of letters, digits "
                            "and _",
                            pair.ptr);
        set_env(&t->env, pair);
    }
    return 0;
}

/* --- options ------------------------------------------------------------------------------ */

static const char *get_env(const char *name)
{
    return getenv(name);
}

/* config.json in gale's folder, then in k6's; NULL: there is none. Heap. */
static char *default_config(void)
{
    static const char *const folders[] = {"gale", "k6"};
    const char *base = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");

    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        char *path = base && *base
                         ? mem_printf("%s/%s/config.json", base, folders[i])
                         : mem_printf("%s/.config/%s/config.json", home ? home : "", folders[i]);

        if (access(path, R_OK) == 0)
            return path;
        mem_free(path);
    }
    return NULL;
}

/* Moves what is no option out of a config file's object. */
static json_t *take_settings(json_t *config)
{
    static const char *const keys[] = {"out",          "linger",     "noUsageReport",
                                       "webDashboard", "collectors", "features"};
    json_t *settings = json_object();

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        json_object_set(settings, keys[i], json_object_get(config, keys[i]));
        json_object_del(config, keys[i]);
    }
    return settings;
}

static int apply_config(struct test *t, struct diag *d)
{
    const char *given = args_text(t->args, FLAG_CONFIG, NULL);
    char *path = given ? mem_strdup(given) : default_config();
    json_error_t error;
    json_t *config;
    int err;

    if (!path)
        return 0;
    config = json_load_file(path, 0, &error);
    if (!config) {
        err = diag_set(d, ERR_INVALID, "config file: %s", error.text);
        diag_at(d, path, error.line, error.column);
    } else {
        t->config = take_settings(config);
        err = options_apply(&t->options, TIER_CONFIG, config, d);
        if (err)
            diag_prefix(d, "%s", path);
    }
    json_decref(config);
    mem_free(path);
    return err;
}

/* A tier's tags replace those of lower ones, or with the feature add to them. */
static int apply_tier(struct test *t, enum option_tier which, const json_t *tier, bool merge_tags,
                      struct diag *d)
{
    const json_t *below = options_object(&t->options, OPTION_TAGS);
    json_t *tags = json_object_get(tier, "tags");
    json_t *merged;
    int err;

    if (!merge_tags || !below || !json_is_object(tags))
        return options_apply(&t->options, which, tier, d);
    merged = json_copy((json_t *)(uintptr_t)tier);
    json_object_set_new(merged, "tags", json_copy((json_t *)(uintptr_t)below));
    json_object_update(json_object_get(merged, "tags"), tags);
    err = options_apply(&t->options, which, merged, d);
    json_decref(merged);
    return err;
}

static int apply_tiers(struct test *t, const json_t *script, struct diag *d)
{
    json_t *env = NULL;
    bool merge = t->features & (1u << FEATURE_MERGE_RUN_TAGS);
    int err = apply_tier(t, TIER_SCRIPT, script, merge, d);

    if (err == 0)
        err = options_read_env(get_env, &env, d);
    if (err == 0)
        err = apply_tier(t, TIER_ENV, env, merge, d);
    json_decref(env);
    if (err == 0)
        err = apply_tier(t, TIER_FLAGS, t->args->options, merge, d);
    for (size_t i = 0; i < t->options.warning_count; i++)
        log_printf(LOG_WARN, "%s", t->options.warnings[i]);
    return err;
}

/* --- the script --------------------------------------------------------------------------- */

int load_secrets(const struct args *args, struct secrets **out, struct diag *d)
{
    struct secrets *secrets = args->value_count[FLAG_SECRET_SOURCE] ? secrets_new() : NULL;
    int err = 0;

    for (size_t i = 0; i < args->value_count[FLAG_SECRET_SOURCE] && err == 0; i++)
        err = secrets_add(secrets, str_of(args->values[FLAG_SECRET_SOURCE][i]), d);
    if (err)
        secrets_free(secrets);
    else
        *out = secrets;
    return err;
}

static int open_script(struct test *t, char *url, struct files *files)
{
    struct options early;
    struct script_open how = {.url = url,
                              .files = files,
                              .env = &t->env,
                              .freeze_env = t->features & (1u << FEATURE_FREEZE_ENV)};
    struct diag d = DIAG_INIT;
    int err;

    how.base_mode = strcmp(args_text(t->args, FLAG_COMPATIBILITY_MODE, "extended"), "base") == 0;
    if (load_secrets(t->args, &how.secrets, &d)) {
        files_free(files);
        return load_fail(EXIT_CODE_CONFIG, &d);
    }
    /* The memory limit is no option of the script: flags and environment know it beforehand. */
    options_init(&early);
    if (options_apply(&early, TIER_FLAGS, t->args->options, NULL) == 0)
        how.memory_limit = (size_t)options_int(&early, OPTION_VU_MEMORY_LIMIT);
    options_deinit(&early);
    err = script_open(&how, &t->script, &d);
    imports_save(t->remote);
    if (err)
        return load_fail(err == ERR_CANCELLED ? EXIT_CODE_SCRIPT_ABORT : EXIT_CODE_SCRIPT_ERROR,
                         &d);
    return 0;
}

static int read_options(struct test *t, const json_t *archived)
{
    struct diag d = DIAG_INIT;
    json_t *script = archived ? json_incref((json_t *)(uintptr_t)archived)
                              : json_loads(script_options_json(t->script), 0, NULL);
    int err;

    if (!json_is_object(script))
        err = diag_set(&d, ERR_INVALID, "the script's `options` must be an object");
    else
        err = apply_tiers(t, script, &d);
    json_decref(script);
    return err ? load_fail(EXIT_CODE_CONFIG, &d) : 0;
}

int load_test(const struct args *args, bool pass_env, struct test *t)
{
    struct archive_content archive = {0};
    struct diag d = DIAG_INIT;
    char *url = NULL;
    struct files *files = NULL;
    int code = 0;

    *t = (struct test){.args = args};
    map_init(&t->env);
    options_init(&t->options);
    segment_init(&t->segment);
    if (args->positional_count != 1) {
        log_printf(LOG_ERROR,
                   "one script is needed (a path, a URL, an archive, or -), %zu were given: "
                   "see --help",
                   args->positional_count);
        return EXIT_CODE_OTHER;
    }
    t->name = args->positional[0];
    if (check_names(args, &d) || apply_config(t, &d)) {
        load_deinit(t);
        return load_fail(EXIT_CODE_CONFIG, &d);
    }
    t->features = features_read(args, t->config);
    if (is_archive(args, t->name)) {
        if (open_archive(t, &archive, &d))
            code = load_fail(EXIT_CODE_SCRIPT_ERROR, &d);
        else
            url = mem_strdup(archive.main_url);
        files = archive.files;
        archive.files = NULL;
    } else {
        files = files_new(NULL);
        url = files_url(str_of(t->name));
        if (imports_open(args, url, files, &t->remote, &d))
            code = load_fail(EXIT_CODE_CONFIG, &d);
        else if (strcmp(t->name, "-") == 0 && open_stdin(files, url, &d))
            code = load_fail(EXIT_CODE_SCRIPT_ERROR, &d);
    }
    if (code == 0 && read_env(t, pass_env, &d))
        code = load_fail(EXIT_CODE_CONFIG, &d);
    if (code)
        files_free(files);
    else
        code = open_script(t, url, files);
    if (code == 0)
        code = read_options(t, json_object_get(archive.metadata, "options"));
    archive_content_deinit(&archive);
    mem_free(url);
    if (code)
        load_deinit(t);
    return code;
}

int load_scenarios(struct test *t)
{
    struct diag d = DIAG_INIT;

    if (scenarios_derive(&t->options, &t->scenarios, &d) ||
        segment_parse(options_text(&t->options, OPTION_EXECUTION_SEGMENT),
                      options_text(&t->options, OPTION_EXECUTION_SEGMENT_SEQUENCE), &t->segment,
                      &d))
        return load_fail(EXIT_CODE_CONFIG, &d);
    for (size_t i = 0; i < t->scenarios.count; i++) {
        const struct scenario *s = t->scenarios.list[i];

        if (script_has_function(t->script, str_of(s->exec)))
            continue;
        diag_set(&d, ERR_INVALID,
                 "scenario '%s' runs the function '%s', which the script does not export", s->name,
                 s->exec);
        return load_fail(EXIT_CODE_CONFIG, &d);
    }
    return 0;
}

static void free_value(void *value)
{
    mem_free(value);
}

void load_deinit(struct test *t)
{
    scenarios_deinit(&t->scenarios);
    segment_deinit(&t->segment);
    options_deinit(&t->options);
    script_free(t->script);
    remote_free(t->remote);
    map_deinit_with(&t->env, free_value);
    json_decref(t->config);
    t->script = NULL;
    t->remote = NULL;
}

struct str load_source(const struct test *t)
{
    const struct file *file;

    if (files_get(script_files(t->script), str_of(script_url(t->script)), true, &file, NULL))
        return (struct str){NULL, 0};
    return str_from(file->data, file->len);
}

int load_each_output(const struct test *t, int (*fn)(void *arg, struct str spec, struct diag *d),
                     void *arg, struct diag *d)
{
    const json_t *config = json_object_get(t->config, "out");
    const struct args *args = t->args;
    int err = 0;

    for (size_t i = 0; i < args->value_count[FLAG_OUT] && err == 0; i++) {
        struct str rest = str_of(args->values[FLAG_OUT][i]);
        bool several = args->from_env[FLAG_OUT];

        do {
            err = fn(arg, several ? str_cut(&rest, ',') : rest, d);
        } while (several && rest.len > 0 && err == 0);
    }
    if (args->value_count[FLAG_OUT] > 0)
        return err;
    if (json_is_string(config))
        return fn(arg, str_of(json_string_value(config)), d);
    for (size_t i = 0; i < json_array_size(config) && err == 0; i++)
        err = fn(arg, str_of(json_string_value(json_array_get(config, i))), d);
    return err;
}
