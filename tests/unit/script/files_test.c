#include "script/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "support/test.h"

static void check_resolve(const char *base, const char *specifier, const char *want)
{
    char *url = files_resolve(str_of(base), str_of(specifier));

    CHECK_TEXT(url, want);
    mem_free(url);
}

static int reads;

static int fake_read(void *arg, const char *path, size_t max, char **data, size_t *len,
                     struct diag *d)
{
    (void)max;
    reads++;
    if (!str_ends_with(str_of(path), str_of(arg)))
        return diag_set(d, ERR_NOT_FOUND, "%s is not here", path);
    *data = mem_strdup("bytes");
    *len = 5;
    return 0;
}

TEST(files_resolve_relative_to_a_module)
{
    check_resolve("file:///a/b/main.js", "./x.js", "file:///a/b/x.js");
    check_resolve("file:///a/b/main.js", "x.js", "file:///a/b/x.js");
    check_resolve("file:///a/b/main.js", "../x.js", "file:///a/x.js");
    check_resolve("file:///a/b/main.js", "../../../../x.js", "file:///x.js");
    check_resolve("file:///a/b/main.js", "./c/./d//../x.js", "file:///a/b/c/x.js");
    check_resolve("file:///a/b/main.js", "/x.js", "file:///x.js");
    check_resolve("file:///a/b/main.js", "file:///y/z.js", "file:///y/z.js");
    check_resolve("file:///a/b/", "x.js", "file:///a/b/x.js");
    check_resolve("file:///main.js", ".", "file:///");
}

TEST(files_resolve_against_the_network)
{
    check_resolve("file:///a/main.js", "https://x.test/a/../b.js#f", "https://x.test/b.js");
    check_resolve("https://x.test/a/b.js?v=1", "./c.js?v=2", "https://x.test/a/c.js?v=2");
    check_resolve("https://x.test/a/b.js", "../../c.js", "https://x.test/c.js");
    check_resolve("https://x.test/a/b.js", "/c.js", "https://x.test/c.js");
    check_resolve("https://x.test:8443/a/b.js", "http://y.test/", "http://y.test/");
    check_resolve("https://x.test/a/b.js", "file:///etc/x.js", "file:///etc/x.js");
    check_resolve("file:///a/main.js", "https://[", "https://[");
    CHECK(str_eq_c(files_name(STR("https://x.test/a.ts?v=2")), "https://x.test/a.ts"));
    CHECK(str_eq_c(files_name(STR("file:///a/b?c.js")), "file:///a/b?c.js"));
}

TEST(files_of_the_network_are_for_modules)
{
    const struct file_source source = {fake_read, "x.js"};
    struct files *files = files_new(NULL);
    const struct file *file;
    struct diag d = DIAG_INIT;

    CHECK_EQ(files_get(files, STR("https://x.test/x.js"), true, &file, &d), ERR_NOT_FOUND);
    CHECK_TEXT(d.message, "https://x.test/x.js: there is no network here");
    diag_deinit(&d);
    d = (struct diag)DIAG_INIT;
    files_set_remote(files, &source);
    CHECK_EQ(files_get(files, STR("https://x.test/x.js"), false, &file, &d), ERR_INVALID);
    diag_deinit(&d);
    CHECK_EQ(files_get(files, STR("https://x.test/x.js"), true, &file, NULL), 0);
    CHECK(file->is_module && file->len == 5);
    files_free(files);
}

TEST(files_url_of_a_path_is_absolute)
{
    char cwd[4096];
    char *url = files_url(STR("x/../y.js"));
    char *want = mem_printf("file://%s/y.js", getcwd(cwd, sizeof(cwd)));

    CHECK_TEXT(url, want);
    mem_free(want);
    mem_free(url);
    url = files_url(STR("/p/q.js"));
    CHECK_TEXT(url, "file:///p/q.js");
    CHECK(str_eq_c(files_path(str_of(url)), "/p/q.js"));
    mem_free(url);
}

TEST(files_are_read_once_and_then_frozen)
{
    const struct file_source source = {fake_read, "x.js"};
    struct files *files = files_new(&source);
    const struct file *file;
    const struct file *again;
    struct diag d = DIAG_INIT;

    CHECK_EQ(files_get(files, STR("file:///x.js"), false, &file, &d), 0);
    CHECK(!file->is_module && file->len == 5);
    CHECK_EQ(files_get(files, STR("file:///x.js"), true, &again, &d), 0);
    CHECK(file == again && file->is_module);
    CHECK_EQ(reads, 1);
    CHECK_EQ(files_get(files, STR("file:///y.js"), true, &file, &d), ERR_NOT_FOUND);
    CHECK_TEXT(d.message, "/y.js is not here");
    diag_deinit(&d);
    files_freeze(files);
    d = (struct diag)DIAG_INIT;
    CHECK_EQ(files_get(files, STR("file:///also/x.js"), true, &file, &d), ERR_NOT_FOUND);
    CHECK(str_find_str(str_of(d.message), STR("first initialised")) > 0);
    CHECK_EQ(files_get(files, STR("file:///x.js"), true, &file, &d), 0);
    CHECK_EQ(reads, 2);
    diag_deinit(&d);
    files_free(files);
}

TEST(files_of_the_disk_say_what_is_wrong)
{
    struct files *files = files_new(NULL);
    const struct file *file;
    struct diag d = DIAG_INIT;

    CHECK_EQ(files_get(files, STR("file:///tmp"), false, &file, &d), -EISDIR);
    CHECK_TEXT(d.message, "/tmp is a directory");
    diag_deinit(&d);
    d = (struct diag)DIAG_INIT;
    CHECK_EQ(files_get(files, STR("file:///no/such/file"), false, &file, &d), ERR_NOT_FOUND);
    CHECK_TEXT(d.message, "/no/such/file: No such file or directory");
    diag_deinit(&d);
    d = (struct diag)DIAG_INIT;
    CHECK_EQ(files_get(files, STR("file:///dev/zero"), false, &file, &d), ERR_INVALID);
    diag_deinit(&d);
    d = (struct diag)DIAG_INIT;
    CHECK_EQ(files_get(files, STR("file:///etc/\0/x"), false, &file, &d), ERR_INVALID);
    diag_deinit(&d);
    files_free(files);
}

TEST(files_refuse_a_script_past_the_limit)
{
    char path[] = "/tmp/gale-files-XXXXXX";
    int fd = mkstemp(path);
    char *url = mem_printf("file://%s", path);
    struct files *files = files_new(NULL);
    const struct file *file;
    struct diag d = DIAG_INIT;

    CHECK_EQ(ftruncate(fd, 200 * 1024 * 1024), 0);
    CHECK_EQ(files_get(files, str_of(url), true, &file, &d), ERR_LIMIT);
    CHECK(str_find_str(str_of(d.message), STR("at most 67108864")) > 0);
    diag_deinit(&d);
    files_free(files);
    mem_free(url);
    close(fd);
    unlink(path);
}

static void join(void *arg, const struct file *file)
{
    buf_append_c(arg, file->url);
    buf_append_c(arg, file->is_module ? "! " : " ");
}

TEST(files_are_listed_in_order)
{
    struct files *files = files_new(NULL);
    struct buf out = BUF_INIT(SIZE_MAX);

    files_put(files, STR("file:///b"), STR("1"), true);
    files_put(files, STR("file:///a"), STR("2"), false);
    files_put(files, STR("file:///b"), STR("3"), true); /* the newer bytes */
    files_each(files, join, &out);
    CHECK_TEXT(out.data, "file:///b! file:///a ");
    buf_deinit(&out);
    files_free(files);
}
