#include "cli/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "metrics/metric.h"
#include "output/json_text.h"
#include "script/files.h"

enum { MAX_ENTRY = 512 * 1024 * 1024, MAX_ENTRIES = 100000 };
#define MAX_TOTAL ((size_t)2 * 1024 * 1024 * 1024) /* of all files, unpacked */

/* --- reading ------------------------------------------------------------------------------ */

/* An archive may be a stranger's, sent to an agent. Its script sees the regular files that it holds
 * and nothing else: they are never unpacked to the disk, links and devices are passed over, and a
 * name that is not among them is refused. */

static int refuse(void *arg, const char *path, size_t max, char **data, size_t *len, struct diag *d)
{
    (void)arg;
    (void)max;
    (void)data;
    (void)len;
    return diag_set(d, ERR_NOT_FOUND, "'%s' is not in the archive", path);
}

static int read_entry(struct archive *tar, struct buf *out)
{
    char part[16384];
    la_ssize_t len;

    while ((len = archive_read_data(tar, part, sizeof part)) > 0) {
        if (buf_append(out, part, (size_t)len))
            return ERR_LIMIT;
    }
    return len < 0 ? ERR_SYNTAX : 0;
}

/* "file/dir/x.js" as "file:///dir/x.js"; the names that older archives use too;
 * "https/host/x.js" as "https://host/x.js". NULL: not a file of the script. */
static char *url_of_entry(const char *name)
{
    static const char *const prefixes[] = {"file/", "files/", "scripts/"};
    static const char *const schemes[] = {"https", "http"};

    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        size_t len = strlen(schemes[i]);

        if (name && strncmp(name, schemes[i], len) == 0 && name[len] == '/')
            return mem_printf("%s:/%s", schemes[i], name + len);
    }
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        size_t len = strlen(prefixes[i]);

        if (name && strncmp(name, prefixes[i], len) == 0)
            return mem_printf("file:///%s", name + len + (name[len] == '/' ? 1 : 0));
    }
    return NULL;
}

struct reading {
    struct archive_content *out;
    size_t count; /* of entries, and the bytes of their files */
    size_t total;
    char *main_data;
    size_t main_len;
};

static int take_entry(struct reading *r, const char *name, struct buf *data, struct diag *d)
{
    json_error_t error;
    char *url;

    if (strcmp(name, "metadata.json") == 0) {
        json_decref(r->out->metadata); /* the last one counts */
        r->out->metadata = json_loadb(data->data ? data->data : "", data->len, 0, &error);
        if (!r->out->metadata)
            return diag_set(d, ERR_SYNTAX, "the archive's metadata.json is no JSON: %s",
                            error.text);
        return 0;
    }
    if (strcmp(name, "data") == 0) {
        mem_free(r->main_data);
        r->main_len = data->len;
        r->main_data = buf_take(data);
        return 0;
    }
    url = url_of_entry(name);
    if (url)
        files_put(r->out->files, str_of(url), buf_str(data), false);
    mem_free(url);
    return 0;
}

static int read_file(struct archive *tar, struct archive_entry *entry, struct reading *r,
                     struct diag *d)
{
    const char *name = archive_entry_pathname(entry);
    size_t room = MAX_TOTAL - r->total < MAX_ENTRY ? MAX_TOTAL - r->total : MAX_ENTRY;
    struct buf data = BUF_INIT(room);
    int err = ERR_SYNTAX;

    if ((uint64_t)archive_entry_size(entry) > room)
        err = ERR_LIMIT;
    else if (name)
        err = read_entry(tar, &data);
    r->total += data.len;
    if (err == ERR_LIMIT)
        diag_set(d, err, "the archive is too large at '%s': %zu bytes a file and %zu in all", name,
                 (size_t)MAX_ENTRY, MAX_TOTAL);
    else if (err)
        diag_set(d, err, "the archive is damaged at '%s'", name ? name : "");
    else
        err = take_entry(r, name, &data, d);
    buf_deinit(&data);
    return err;
}

static int read_entries(struct archive *tar, struct reading *r, struct diag *d)
{
    struct archive_entry *entry;
    int status;

    while ((status = archive_read_next_header(tar, &entry)) == ARCHIVE_OK ||
           status == ARCHIVE_WARN) {
        int err = 0;

        if (++r->count > MAX_ENTRIES)
            return diag_set(d, ERR_LIMIT, "the archive has more than %d entries", MAX_ENTRIES);
        /* A hard link stands for `data`, which is put in under its URL below. */
        if (archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry))
            err = read_file(tar, entry, r, d);
        if (err)
            return err;
    }
    return status == ARCHIVE_EOF
               ? 0
               : diag_set(d, ERR_SYNTAX, "this is no tar archive, or it is damaged: %s",
                          archive_error_string(tar));
}

int archive_read_test(struct str bytes, struct archive_content *out, struct diag *d)
{
    static const struct file_source nothing_else = {refuse, NULL};
    struct archive *tar = archive_read_new();
    struct reading r = {.out = out};
    const char *name;
    int err;

    *out = (struct archive_content){.files = files_new(&nothing_else)};
    files_set_remote(out->files, &nothing_else);
    archive_read_support_format_tar(tar);
    archive_read_support_filter_gzip(tar);
    if (archive_read_open_memory(tar, bytes.ptr, bytes.len) != ARCHIVE_OK)
        err = diag_set(d, ERR_SYNTAX, "this is no tar archive: %s", archive_error_string(tar));
    else
        err = read_entries(tar, &r, d);
    archive_read_free(tar);
    name = json_string_value(json_object_get(out->metadata, "filename"));
    if (err == 0 && (!name || !r.main_data))
        err = diag_set(d, ERR_SYNTAX,
                       "this is no archive of a test: metadata.json or data is missing");
    if (err == 0 && name) {
        out->main_url = strstr(name, "://") ? mem_strdup(name) : files_url(str_of(name));
        files_put(out->files, str_of(out->main_url), str_from(r.main_data, r.main_len), true);
    }
    mem_free(r.main_data);
    if (err)
        archive_content_deinit(out);
    return err;
}

void archive_content_deinit(struct archive_content *a)
{
    json_decref(a->metadata);
    mem_free(a->main_url);
    files_free(a->files);
    *a = (struct archive_content){0};
}

/* --- writing ------------------------------------------------------------------------------ */

struct writing {
    struct archive *tar;
    const char *main_url;
    int64_t mtime;
    int err;
};

static void put_entry(struct writing *w, const char *name, struct str data)
{
    struct archive_entry *entry = archive_entry_new();

    archive_entry_set_pathname(entry, name);
    archive_entry_set_size(entry, (la_int64_t)data.len);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_mtime(entry, w->mtime, 0);
    if (archive_write_header(w->tar, entry) != ARCHIVE_OK ||
        (data.len > 0 && archive_write_data(w->tar, data.ptr, data.len) != (la_ssize_t)data.len))
        w->err = ERR_LIMIT;
    archive_entry_free(entry);
}

static void put_link(struct writing *w, const char *name)
{
    struct archive_entry *entry = archive_entry_new();

    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_hardlink(entry, "data");
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_mtime(entry, w->mtime, 0);
    if (archive_write_header(w->tar, entry) != ARCHIVE_OK)
        w->err = ERR_LIMIT;
    archive_entry_free(entry);
}

/* The name of the user stays at home: "file/home/ann/x.js" is "file/home/nobody/x.js". */
static char *anonymous(const char *path)
{
    static const char *const homes[] = {"/home/", "/Users/"};
    bool is_remote = strncmp(path, "http", 4) == 0;

    for (size_t i = 0; i < COUNT_OF(homes) && !is_remote; i++) {
        const char *home = strstr(path, homes[i]);
        const char *rest = home ? strchr(home + strlen(homes[i]), '/') : NULL;

        if (rest)
            return mem_printf("%.*snobody%s", (int)(home - path + (ptrdiff_t)strlen(homes[i])),
                              path, rest);
    }
    return mem_strdup(path);
}

/* "file/dir/x.js", "https/host/x.js" */
static char *name_of_entry(struct str url)
{
    struct str rest = url;
    struct str scheme = str_cut(&rest, ':');

    if (files_is_remote(url))
        return mem_printf("%.*s%.*s", STR_ARG(scheme), STR_ARG(str_from_index(rest, 1)));
    return mem_printf("file%.*s", STR_ARG(files_path(url)));
}

static void put_file(void *arg, const struct file *file)
{
    struct writing *w = arg;
    char *name = name_of_entry(str_of(file->url));
    char *shown = anonymous(name);

    if (strcmp(file->url, w->main_url) == 0)
        put_link(w, shown);
    else
        put_entry(w, shown, str_from(file->data, file->len));
    mem_free(shown);
    mem_free(name);
}

/* What the init context made, for those who judge by thresholds without running it. */
static json_t *custom_metrics(const struct metric_registry *registry)
{
    json_t *list = json_array();

    for (uint32_t i = METRIC_BUILTIN_COUNT; registry && i < registry->count; i++) {
        const struct metric *m = registry->metrics[i];

        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", m->name.ptr, "type",
                                              metric_type_name(m->type), "contains",
                                              metric_contains_name(m->contains)));
    }
    return list;
}

static char *metadata(const struct archive_write_test *what)
{
    json_t *env = json_object();
    json_t *all = json_object();
    char *filename = anonymous(what->main_url);
    char *pwd = mem_strndup(filename, (size_t)(strrchr(filename, '/') - filename) + 1);
    char *text;

    for (struct map_entry *e = what->env ? map_first(what->env) : NULL; e;
         e = map_next(what->env, e))
        json_object_set_new(env, e->key.ptr, json_string(e->value));
    json_object_set_new(all, "type", json_string("js"));
    json_object_set(all, "options", (json_t *)(uintptr_t)what->options);
    json_object_set_new(all, "filename", json_string(filename));
    json_object_set_new(all, "pwd", json_string(pwd));
    json_object_set_new(all, "env", env);
    json_object_set_new(all, "compatibilityMode", json_string("extended"));
    json_object_set_new(all, "k6version", json_string("2.2.0"));
    json_object_set_new(all, "goos", json_string("linux"));
    json_object_set_new(all, "metrics", custom_metrics(what->metrics));
    text = json_text(all, 2);
    json_decref(all);
    mem_free(filename);
    mem_free(pwd);
    return text;
}

static void find_main(void *arg, const struct file *file)
{
    struct writing *w = arg;

    if (strcmp(file->url, w->main_url) == 0)
        put_entry(w, "data", str_from(file->data, file->len));
}

int archive_write_test_to(const struct archive_write_test *what, struct diag *d)
{
    struct writing w = {.tar = archive_write_new(), .main_url = what->main_url};
    bool to_stdout = strcmp(what->path, "-") == 0;
    char *text = metadata(what);
    int err = 0;

    w.mtime = clock_wall() / NSEC_PER_SEC;
    archive_write_set_format_pax_restricted(w.tar);
    archive_write_set_bytes_per_block(w.tar, 0);
    if ((to_stdout ? archive_write_open_fd(w.tar, STDOUT_FILENO)
                   : archive_write_open_filename(w.tar, what->path)) != ARCHIVE_OK)
        w.err = ERR_LIMIT;
    if (w.err == 0) {
        put_entry(&w, "metadata.json", str_of(text));
        files_each(what->files, find_main, &w);
        files_each(what->files, put_file, &w);
    }
    if (archive_write_close(w.tar) != ARCHIVE_OK || w.err)
        err = diag_set(d, ERR_LIMIT, "can't write '%s': %s", what->path,
                       archive_error_string(w.tar) ? archive_error_string(w.tar) : "unknown error");
    archive_write_free(w.tar);
    mem_free(text);
    return err;
}
