#include "cli/imports.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/args.h"
#include "script/files.h"
#include "script/remote/remote.h"

/* Beside a script that is a file; else in the current folder. */
static char *lock_path(const char *script_url)
{
    struct str url = str_of(script_url);
    char *beside =
        files_is_remote(url) ? files_url(STR("gale.lock")) : files_resolve(url, STR("gale.lock"));
    char *path = str_dup(files_path(str_of(beside)));

    mem_free(beside);
    return path;
}

/* NULL: the user has no folder. */
static char *cache_folder(void)
{
    const char *base = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");

    if (base && *base == '/')
        return mem_printf("%s/gale/modules", base);
    return home && *home == '/' ? mem_printf("%s/.cache/gale/modules", home) : NULL;
}

static int allow_hosts(const struct args *args, struct remote *remote, struct diag *d)
{
    int err = 0;

    for (size_t i = 0; i < args->value_count[FLAG_ALLOW_IMPORT]; i++) {
        struct str rest = str_of(args->values[FLAG_ALLOW_IMPORT][i]);

        while (rest.len > 0 && err == 0)
            err = remote_allow(remote, str_trim(str_cut(&rest, ',')), d);
    }
    return err;
}

int imports_open(const struct args *args, const char *script_url, struct files *files,
                 struct remote **out, struct diag *d)
{
    const char *timeout = args_text(args, FLAG_IMPORT_TIMEOUT, "1m");
    struct remote_options options = {.update_lock = args_bool(args, FLAG_UPDATE_LOCK)};
    struct file_source source = {remote_read, NULL};
    char *lock;
    char *cache;
    int err;

    if (duration_parse(str_of(timeout), &options.timeout_nsec) || options.timeout_nsec <= 0)
        return diag_set(d, ERR_INVALID, "flag --import-timeout: '%s' is no duration, as in 30s",
                        timeout);
    options.lock_path = lock = lock_path(script_url);
    options.cache_dir = cache = cache_folder();
    *out = remote_new(&options);
    mem_free(lock);
    mem_free(cache);
    err = allow_hosts(args, *out, d);
    source.arg = *out;
    files_set_remote(files, &source);
    return err;
}

void imports_save(struct remote *remote)
{
    struct diag d = DIAG_INIT;

    if (remote && remote_save(remote, &d))
        log_printf(LOG_WARN, "%s", d.message);
    diag_deinit(&d);
}
