#include "script/typescript.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "script/child.h"

enum {
    OUTPUT_MAX = 512 * 1024 * 1024,
    MESSAGES_MAX = 256 * 1024,
};

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

static const char *program(void)
{
    const char *own = getenv("GALE_ESBUILD");

    return own && *own ? own : "esbuild";
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
    struct buf messages = BUF_INIT(MESSAGES_MAX);
    int code = 0;
    int err = child_run(argv, source, &js, &messages, &code);

    mem_free(source_file);
    if (err == -ENOENT) {
        err = no_esbuild(path, d);
    } else if (err) {
        diag_set(d, err, "%s: %s", program(), strerror(-err));
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
