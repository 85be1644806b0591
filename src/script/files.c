#include "script/files.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/ensure.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "proto/url.h"

enum { MAX_OPEN_FILE = 1024 * 1024 * 1024 }; /* of open(): a data file of 1 GiB */

static const struct str scheme = STR_INIT("file://");

struct files {
    struct map by_url; /* struct file *, in order of reading */
    struct file_source source;
    struct file_source remote; /* `read` NULL: none */
    bool frozen;
};

/* --- the disk ----------------------------------------------------------------------------- */

static int read_all(FILE *in, size_t size, char **data, size_t *len)
{
    char *bytes = mem_alloc(size + 1);
    size_t got = fread(bytes, 1, size, in);

    if (ferror(in)) {
        mem_free(bytes);
        return -EIO;
    }
    bytes[got] = '\0';
    *data = bytes;
    *len = got;
    return 0;
}

static int disk_read(void *arg, const char *path, size_t max, char **data, size_t *len,
                     struct diag *d)
{
    FILE *in = fopen(path, "rbe");
    struct stat st;
    int err = 0;

    (void)arg;
    if (!in)
        return diag_set(d, errno == ENOENT ? ERR_NOT_FOUND : -errno, "%s: %s", path,
                        strerror(errno));
    if (fstat(fileno(in), &st) != 0)
        err = diag_set(d, -errno, "%s: %s", path, strerror(errno));
    else if (S_ISDIR(st.st_mode))
        err = diag_set(d, -EISDIR, "%s is a directory", path);
    else if (!S_ISREG(st.st_mode))
        err = diag_set(d, ERR_INVALID, "%s is not a regular file", path);
    else if ((uint64_t)st.st_size > max)
        err = diag_set(d, ERR_LIMIT, "%s has %lld bytes; at most %zu are allowed", path,
                       (long long)st.st_size, max);
    else if ((err = read_all(in, (size_t)st.st_size, data, len)) < 0)
        diag_set(d, err, "%s: %s", path, strerror(-err));
    fclose(in);
    return err;
}

/* --- the set ------------------------------------------------------------------------------ */

struct files *files_new(const struct file_source *source)
{
    struct files *files = mem_zalloc(sizeof(*files));

    map_init(&files->by_url);
    files->source = source ? *source : (struct file_source){disk_read, NULL};
    return files;
}

void files_set_remote(struct files *files, const struct file_source *source)
{
    files->remote = *source;
}

static void file_free(void *value)
{
    struct file *file = value;

    mem_free(file->url);
    mem_free(file->data);
    mem_free(file);
}

void files_free(struct files *files)
{
    if (!files)
        return;
    map_deinit_with(&files->by_url, file_free);
    mem_free(files);
}

static struct file *add(struct files *files, struct str url, char *data, size_t len, bool is_module)
{
    struct file *file = mem_zalloc(sizeof(*file));
    struct file *old;

    file->url = str_dup(url);
    file->data = data;
    file->len = len;
    file->is_module = is_module;
    old = map_set(&files->by_url, url, file);
    if (old)
        file_free(old);
    return file;
}

static int read_first(struct files *files, struct str url, bool is_module, struct file **out,
                      struct diag *d)
{
    bool is_remote = files_is_remote(url);
    const struct file_source *source = is_remote ? &files->remote : &files->source;
    size_t max = is_module ? FILES_MAX_SCRIPT : MAX_OPEN_FILE;
    char *path = str_dup(files_path(url));
    char *data = NULL;
    size_t len = 0;
    int err;

    if (files->frozen)
        err = diag_set(d, ERR_NOT_FOUND,
                       "%s was not read when the script was first initialised; files can only be "
                       "opened if every VU opens them",
                       path);
    else if (strlen(path) != files_path(url).len)
        err = diag_set(d, ERR_INVALID, "the path of a file has a NUL byte in it");
    else if (is_remote && !is_module)
        err = diag_set(d, ERR_INVALID,
                       "%s: only modules come over the network; keep data in a file beside the "
                       "script and open that",
                       path);
    else if (!source->read)
        err = diag_set(d, ERR_NOT_FOUND, "%s: there is no network here", path);
    else
        err = source->read(source->arg, path, max, &data, &len, d);
    mem_free(path);
    if (err == 0)
        *out = add(files, url, data, len, is_module);
    return err;
}

int files_get(struct files *files, struct str url, bool is_module, const struct file **out,
              struct diag *d)
{
    struct file *file = map_get(&files->by_url, url);
    int err = file ? 0 : read_first(files, url, is_module, &file, d);

    if (err)
        return err;
    if (is_module && !file->is_module && !files->frozen)
        file->is_module = true;
    if (is_module && file->len > FILES_MAX_SCRIPT)
        return diag_set(d, ERR_LIMIT, "%s has %zu bytes; a script has at most %d", file->url,
                        file->len, FILES_MAX_SCRIPT);
    *out = file;
    return 0;
}

void files_put(struct files *files, struct str url, struct str data, bool is_module)
{
    ensure(!files->frozen);
    add(files, url, mem_strndup(data.ptr ? data.ptr : "", data.len), data.len, is_module);
}

void files_freeze(struct files *files)
{
    files->frozen = true;
}

void files_each(const struct files *files, void (*fn)(void *arg, const struct file *file),
                void *arg)
{
    for (struct map_entry *e = map_first(&files->by_url); e; e = map_next(&files->by_url, e))
        fn(arg, e->value);
}

/* --- URLs --------------------------------------------------------------------------------- */

/* Appends an absolute path without ".", ".." and doubled slashes. */
static void append_clean(struct buf *out, struct str path)
{
    size_t root = out->len;

    while (path.len > 0) {
        struct str part = str_cut(&path, '/');

        if (part.len == 0 || str_eq_c(part, "."))
            continue;
        if (str_eq_c(part, "..")) {
            ptrdiff_t cut = str_rfind(str_from(out->data + root, out->len - root), '/');

            if (cut >= 0) {
                out->len = root + (size_t)cut;
                out->data[out->len] = '\0';
            }
            continue;
        }
        buf_append_char(out, '/');
        buf_append_str(out, part);
    }
    if (out->len == root)
        buf_append_char(out, '/');
}

bool files_is_remote(struct str url)
{
    return str_starts_with(url, STR("https://")) || str_starts_with(url, STR("http://"));
}

/* One spelling for what is one module: RFC 3986 5.3, without a fragment. What is no URL stays as it
 * is, for whoever fetches it to complain about. */
static char *resolve_remote(struct str base, struct str specifier)
{
    struct arena arena;
    struct url from;
    struct url url;
    char *text;
    int err;

    arena_init(&arena);
    if (files_is_remote(specifier))
        err = url_parse(specifier, &arena, &from, NULL);
    else
        err = url_parse(base, &arena, &from, NULL);
    if (err == 0)
        err = url_resolve(&from, specifier, &arena, &url, NULL);
    if (err == 0)
        url.fragment = STR("");
    text = str_dup(err ? specifier : url_text(&url, URL_USER_KEEP, &arena));
    arena_deinit(&arena);
    return text;
}

char *files_resolve(struct str base, struct str specifier)
{
    struct buf joined = BUF_INIT(SIZE_MAX);
    struct buf out = BUF_INIT(SIZE_MAX);
    char *url;

    if (files_is_remote(specifier) ||
        (files_is_remote(base) && !str_starts_with(specifier, scheme)))
        return resolve_remote(base, specifier);
    if (str_starts_with(specifier, scheme)) {
        buf_append_str(&joined, files_path(specifier));
    } else if (specifier.len > 0 && specifier.ptr[0] == '/') {
        buf_append_str(&joined, specifier);
    } else {
        struct str path = files_path(base);
        ptrdiff_t slash = str_rfind(path, '/');

        buf_append_str(&joined, str_slice(path, 0, slash < 0 ? 0 : (size_t)slash + 1));
        buf_append_str(&joined, specifier);
    }
    buf_append_str(&out, scheme);
    append_clean(&out, buf_str(&joined));
    url = buf_take(&out);
    buf_deinit(&joined);
    return url;
}

char *files_url(struct str path)
{
    char cwd[PATH_MAX];
    char *base;
    char *url;

    if (files_is_remote(path))
        return files_resolve(path, path);
    if (!getcwd(cwd, sizeof(cwd)))
        memcpy(cwd, "/", 2);
    base = mem_printf("file://%s/", cwd);
    url = files_resolve(str_of(base), path);
    mem_free(base);
    return url;
}

struct str files_path(struct str url)
{
    return str_starts_with(url, scheme) ? str_from_index(url, scheme.len) : url;
}

struct str files_name(struct str url)
{
    ptrdiff_t query = files_is_remote(url) ? str_find(url, '?') : -1;

    return query < 0 ? url : str_slice(url, 0, (size_t)query);
}
