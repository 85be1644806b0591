#include "script/grpc/protos.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "script/child.h"

enum {
    SET_MAX = 64 * 1024 * 1024,
    MESSAGES_MAX = 64 * 1024,
    FILES_MAX = 10000,
};

/* The .proto files of one load(), copied into a folder where protoc finds them under the names by
 * which they import each other: a script may come from an archive. Names are the script's, which
 * may be a stranger's: nothing is written outside of the folder, and protoc gets paths, which are
 * neither flags nor argument files to it. */
struct job {
    JSContext *ctx;
    struct vu *vu;
    const struct str *folders;
    size_t folder_count;
    char *work;       /* owned: the folder */
    struct map names; /* those that are copied, or not to be found */
    struct map paths; /* char *, owned: where they came from */
};

/* --- finding files ------------------------------------------------------------------------ */

static const struct file *read_file(struct job *j, struct str folder, struct str name)
{
    struct script *script = j->vu->worker->script;
    const struct file *file = NULL;
    char *joined = folder.len ? mem_printf("%.*s/%.*s", STR_ARG(folder), STR_ARG(name))
                              : mem_strndup(name.ptr, name.len);
    char *url = files_resolve(str_of(script->url), str_of(joined));

    if (files_get(script->files, str_of(url), false, &file, NULL) < 0)
        file = NULL;
    mem_free(url);
    mem_free(joined);
    return file;
}

static const struct file *find_file(struct job *j, struct str name)
{
    const struct file *file = NULL;

    for (size_t i = 0; i < j->folder_count && !file; i++)
        file = read_file(j, j->folders[i], name);
    return file ? file : read_file(j, STR(""), name);
}

/* --- copying them ------------------------------------------------------------------------- */

/* Makes the folders that lead to a path below j->work. */
static void make_folders(const char *path, size_t from)
{
    char *copy = mem_strdup(path);

    for (char *p = copy + from; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        mkdir(copy, 0700); /* what fails shows when the file is written */
        *p = '/';
    }
    mem_free(copy);
}

/* `name` is plain. */
static int write_copy(struct job *j, struct str name, const struct file *file)
{
    char *path = mem_printf("%s/%.*s", j->work, STR_ARG(name));
    FILE *out;
    bool ok;

    make_folders(path, strlen(j->work) + 1);
    out = fopen(path, "wbe");
    ok = out && fwrite(file->data, 1, file->len, out) == file->len;
    if (out && fclose(out) != 0)
        ok = false;
    if (!ok)
        host_throw(j->ctx, "%s: %s", path, strerror(errno));
    mem_free(path);
    return ok ? 0 : -1;
}

/* A name that stays below the folder it is looked for in. */
static bool is_plain(struct str name)
{
    struct str rest = name;

    if (name.len == 0 || name.ptr[0] == '/' || memchr(name.ptr, '\0', name.len))
        return false;
    while (rest.len > 0) {
        if (str_eq_c(str_cut(&rest, '/'), ".."))
            return false;
    }
    return true;
}

static int copy_file(struct job *j, struct str name, struct str copy);

/* Finds `import "x";` and `import public "x";` line by line; what is not found is protoc's to
 * complain of, or its own (google/protobuf). */
static int copy_imports(struct job *j, const struct file *file)
{
    struct str rest = str_from(file->data, file->len);

    while (rest.len > 0) {
        struct str line = str_trim(str_cut(&rest, '\n'));
        struct str name;

        if (!str_starts_with(line, STR("import")))
            continue;
        str_cut(&line, '"');
        name = str_cut(&line, '"');
        if (is_plain(name) && copy_file(j, name, name) < 0)
            return -1;
    }
    return 0;
}

/* Finds a file by its name, and copies it under the plain name `copy`. */
static int copy_file(struct job *j, struct str name, struct str copy)
{
    const struct file *file;

    if (map_get(&j->names, copy))
        return 0;
    map_set(&j->names, copy, j);
    file = find_file(j, name);
    if (!file)
        return 0;
    if (j->names.count > FILES_MAX) {
        host_throw(j->ctx, "client.load(): more than %d files import each other", FILES_MAX);
        return -1;
    }
    map_set(&j->paths, copy, mem_strdup(files_path(str_of(file->url)).ptr));
    return write_copy(j, copy, file) < 0 ? -1 : copy_imports(j, file);
}

/* The name under which the `index`th file of a load() is copied: its own, by which others import
 * it, unless that leads elsewhere ("../protos/x.proto"). */
static char *root_name(struct str name, size_t index)
{
    if (is_plain(name))
        return str_dup(name);
    return mem_printf("load-%zu/%.*s", index,
                      STR_ARG(str_from_index(name, (size_t)(str_rfind(name, '/') + 1))));
}

/* --- protoc ------------------------------------------------------------------------------- */

static const char *program(void)
{
    const char *own = getenv("GALE_PROTOC");

    return own && *own ? own : "protoc";
}

/* protoc writes "name:line:column: what": the name becomes the path that the script knows. */
static void throw_messages(struct job *j, struct str text)
{
    struct str line = str_trim(str_cut(&text, '\n'));
    struct str rest = line;
    struct str name = str_cut(&rest, ':');
    const char *path = map_get(&j->paths, name);

    if (path)
        JS_ThrowSyntaxError(j->ctx, "%s:%.*s", path, STR_ARG(rest));
    else
        JS_ThrowSyntaxError(j->ctx, "%.*s", STR_ARG(line));
}

/* `names`: of the copies. */
static int run_protoc(struct job *j, char *const *names, size_t count, struct buf *set)
{
    struct buf messages = BUF_INIT(MESSAGES_MAX);
    char **argv = mem_calloc(count + 8, sizeof *argv);
    size_t argc = 0;
    int code = 0;
    int err;

    argv[argc++] = mem_strdup(program());
    argv[argc++] = mem_printf("--proto_path=%s", j->work);
    argv[argc++] = mem_strdup("--include_imports");
    argv[argc++] = mem_strdup("--descriptor_set_out=/dev/stdout");
    for (size_t i = 0; i < count; i++)
        argv[argc++] = mem_printf("%s/%s", j->work, names[i]);
    err = child_run(argv, STR(""), set, &messages, &code);
    if (err == -ENOENT)
        host_throw(j->ctx,
                   "client.load() needs protoc, and there is no '%s'; install it (apt-get install "
                   "protobuf-compiler), set GALE_PROTOC to its path, or use client.loadProtoset()",
                   program());
    else if (err)
        host_throw(j->ctx, "%s: %s", program(), strerror(-err));
    else if (code != 0)
        throw_messages(j, buf_str(&messages));
    while (argc > 0)
        mem_free(argv[--argc]);
    mem_free(argv);
    buf_deinit(&messages);
    return err || code ? -1 : 0;
}

static void remove_folder(const char *path)
{
    char *argv[] = {(char *)(uintptr_t) "rm", (char *)(uintptr_t) "-rf", (char *)(uintptr_t)path,
                    NULL};
    struct buf out = BUF_INIT(MESSAGES_MAX);
    struct buf err_out = BUF_INIT(MESSAGES_MAX);
    int code;

    if (child_run(argv, STR(""), &out, &err_out, &code) != 0)
        rmdir(path);
    buf_deinit(&out);
    buf_deinit(&err_out);
}

static int copy_roots(struct job *j, const struct str *files, char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        names[i] = root_name(files[i], i);
        if (!is_plain(str_of(names[i]))) {
            host_throw(j->ctx, "client.load(): '%.*s' is no name of a file", STR_ARG(files[i]));
            return -1;
        }
        if (copy_file(j, files[i], str_of(names[i])) < 0)
            return -1;
        if (!map_get(&j->paths, str_of(names[i]))) {
            host_throw(j->ctx, "client.load(): %.*s was not found in any of the import paths",
                       STR_ARG(files[i]));
            return -1;
        }
    }
    return 0;
}

static int compile(struct job *j, const struct str *files, size_t count, struct buf *set)
{
    const char *base = getenv("TMPDIR");
    char *work = mem_printf("%s/gale-protos-XXXXXX", base && *base ? base : "/tmp");
    char **names;
    int err;

    j->work = mkdtemp(work);
    if (!j->work) {
        host_throw(j->ctx, "%s: %s", work, strerror(errno));
        mem_free(work);
        return -1;
    }
    map_init(&j->names);
    map_init(&j->paths);
    names = mem_calloc(count + 1, sizeof *names);
    err = copy_roots(j, files, names, count);
    if (err == 0)
        err = run_protoc(j, names, count, set);
    remove_folder(work);
    map_deinit(&j->names);
    map_deinit_with(&j->paths, mem_free);
    for (size_t i = 0; i < count; i++)
        mem_free(names[i]);
    mem_free((void *)names);
    mem_free(work);
    return err;
}

/* --- schemas ------------------------------------------------------------------------------ */

void protos_free(void *schema)
{
    pb_schema_deinit(schema);
    mem_free(schema);
}

/* Reads the set and keeps the schema under its key. */
static const struct pb_schema *keep(JSContext *ctx, struct str key, struct str set)
{
    struct script *script = vu_of(ctx)->worker->script;
    struct pb_schema *schema = mem_alloc(sizeof *schema);
    struct diag d = DIAG_INIT;
    int err;

    pb_schema_init(schema);
    err = pb_schema_add_set(schema, set, &d);
    if (err == 0)
        err = pb_schema_resolve(schema, &d);
    if (err) {
        host_throw_diag(ctx, &d);
        diag_deinit(&d);
        protos_free(schema);
        return NULL;
    }
    map_set(&script->protos, key, schema);
    return schema;
}

/* What another VU has loaded; *ends: there will be none. */
static const struct pb_schema *known(JSContext *ctx, struct str key, bool *ends)
{
    struct script *script = vu_of(ctx)->worker->script;
    const struct pb_schema *schema = map_get(&script->protos, key);

    *ends = schema || script->frozen;
    if (!schema && script->frozen)
        host_throw(ctx, "client.load(): these files were not loaded when the script was first "
                        "initialised");
    return schema;
}

const struct pb_schema *protos_load(JSContext *ctx, const struct str *folders, size_t folder_count,
                                    const struct str *files, size_t file_count)
{
    struct job j = {
        .ctx = ctx,
        .vu = vu_of(ctx),
        .folders = folders,
        .folder_count = folder_count,
    };
    struct buf key = BUF_INIT(SIZE_MAX);
    struct buf set = BUF_INIT(SET_MAX);
    const struct pb_schema *schema;
    bool ends;

    for (size_t i = 0; i < folder_count; i++)
        buf_printf(&key, "%.*s:", STR_ARG(folders[i]));
    for (size_t i = 0; i < file_count; i++)
        buf_printf(&key, "\n%.*s", STR_ARG(files[i]));
    schema = known(ctx, buf_str(&key), &ends);
    if (!ends && compile(&j, files, file_count, &set) == 0)
        schema = keep(ctx, buf_str(&key), buf_str(&set));
    buf_deinit(&key);
    buf_deinit(&set);
    return schema;
}

const struct pb_schema *protos_load_set(JSContext *ctx, struct str path)
{
    const struct file *file;
    const struct pb_schema *schema;
    bool ends;
    char *key = mem_printf("set:%.*s", STR_ARG(path));

    schema = known(ctx, str_of(key), &ends);
    if (!ends) {
        file = loader_open(vu_of(ctx), path);
        schema = file ? keep(ctx, str_of(key), str_from(file->data, file->len)) : NULL;
    }
    mem_free(key);
    return schema;
}
