/* Archives: k6's layout, both ways, and what is none. */
#include "cli/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "script/files.h"
#include "support/test.h"

static const char main_text[] = "import './lib/x.js'; export default function () {}\n";

static int refuse(void *arg, const char *path, size_t max, char **data, size_t *len, struct diag *d)
{
    (void)arg;
    (void)max;
    (void)data;
    (void)len;
    return diag_set(d, ERR_NOT_FOUND, "'%s' is not there", path);
}

static const struct file_source nothing = {refuse, NULL};

static char *read_all(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *data = mem_alloc(1 << 20);

    CHECK(file);
    *len = fread(data, 1, 1 << 20, file);
    fclose(file);
    return data;
}

/* The bytes of an archive of /home/ann/t/main.js. */
static char *write_test(size_t *len)
{
    char path[] = "/tmp/gale-archive-XXXXXX";
    struct files *files = files_new(&nothing);
    struct map env = MAP_INIT;
    json_t *options = json_pack("{s:i, s:n}", "vus", 3, "duration");
    struct archive_write_test what = {.path = path,
                                      .main_url = "file:///home/ann/t/main.js",
                                      .files = files,
                                      .options = options,
                                      .env = &env};
    char *data;
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    close(fd);
    map_set(&env, STR("WHO"), (void *)(uintptr_t) "me");
    files_put(files, STR("file:///home/ann/t/main.js"), STR(main_text), true);
    files_put(files, STR("file:///home/ann/t/lib/x.js"), STR("// x\n"), true);
    files_put(files, STR("file:///data/empty.bin"), STR(""), false);
    CHECK_EQ(archive_write_test_to(&what, NULL), 0);
    files_free(files);
    json_decref(options);
    map_deinit(&env);
    data = read_all(path, len);
    unlink(path);
    return data;
}

TEST(archive_has_k6s_layout)
{
    static const char *const names[] = {"metadata.json", "data", "file/home/nobody/t/main.js",
                                        "file/home/nobody/t/lib/x.js", "file/data/empty.bin"};
    size_t len;
    char *data = write_test(&len);
    struct archive *tar = archive_read_new();
    struct archive_entry *entry;
    size_t count = 0;

    archive_read_support_format_tar(tar);
    CHECK_EQ(archive_read_open_memory(tar, data, len), ARCHIVE_OK);
    while (archive_read_next_header(tar, &entry) == ARCHIVE_OK) {
        CHECK(count < COUNT_OF(names));
        CHECK_TEXT(archive_entry_pathname(entry), names[count]);
        if (count == 2) /* the main script is there once */
            CHECK_TEXT(archive_entry_hardlink(entry), "data");
        count++;
    }
    CHECK_EQ(count, COUNT_OF(names));
    archive_read_free(tar);
    mem_free(data);
}

TEST(archive_reads_what_it_wrote)
{
    size_t len;
    char *data = write_test(&len);
    struct archive_content content;
    const struct file *file;
    struct diag d = DIAG_INIT;

    CHECK_EQ(archive_read_test(str_from(data, len), &content, NULL), 0);
    CHECK_TEXT(content.main_url, "file:///home/nobody/t/main.js");
    CHECK_TEXT(json_string_value(json_object_get(content.metadata, "type")), "js");
    CHECK_TEXT(json_string_value(json_object_get(content.metadata, "pwd")),
               "file:///home/nobody/t/");
    CHECK_EQ(
        json_integer_value(json_object_get(json_object_get(content.metadata, "options"), "vus")),
        3);
    CHECK_TEXT(json_string_value(json_object_get(json_object_get(content.metadata, "env"), "WHO")),
               "me");
    CHECK_EQ(files_get(content.files, str_of(content.main_url), true, &file, NULL), 0);
    CHECK_TEXT(file->data, main_text);
    CHECK_EQ(files_get(content.files, STR("file:///home/nobody/t/lib/x.js"), true, &file, NULL), 0);
    CHECK_TEXT(file->data, "// x\n");
    CHECK_EQ(files_get(content.files, STR("file:///data/empty.bin"), false, &file, NULL), 0);
    CHECK_EQ(file->len, 0);
    CHECK_EQ(files_get(content.files, STR("file:///etc/passwd"), false, &file, &d), ERR_NOT_FOUND);
    CHECK(strstr(d.message, "/etc/passwd"));
    diag_deinit(&d);
    archive_content_deinit(&content);
    mem_free(data);
}

TEST(archive_without_environment)
{
    char path[] = "/tmp/gale-archive-XXXXXX";
    struct files *files = files_new(&nothing);
    json_t *options = json_object();
    struct archive_write_test what = {
        .path = path, .main_url = "file:///m.js", .files = files, .options = options};
    struct archive_content content;
    size_t len;
    char *data;
    int fd = mkstemp(path);

    close(fd);
    files_put(files, STR("file:///m.js"), STR(main_text), true);
    CHECK_EQ(archive_write_test_to(&what, NULL), 0);
    data = read_all(path, &len);
    unlink(path);
    CHECK_EQ(archive_read_test(str_from(data, len), &content, NULL), 0);
    CHECK_EQ(json_object_size(json_object_get(content.metadata, "env")), 0);
    archive_content_deinit(&content);
    files_free(files);
    json_decref(options);
    mem_free(data);
}

/* An archive made of these names and texts. */
static char *make(const char *const *entries, size_t *len)
{
    struct archive *tar = archive_write_new();
    char *data = mem_alloc(1 << 16);

    archive_write_set_format_ustar(tar);
    archive_write_open_memory(tar, data, 1 << 16, len);
    for (; *entries; entries += 2) {
        struct archive_entry *entry = archive_entry_new();

        archive_entry_set_pathname(entry, entries[0]);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        archive_entry_set_size(entry, (la_int64_t)strlen(entries[1]));
        CHECK_EQ(archive_write_header(tar, entry), ARCHIVE_OK);
        archive_write_data(tar, entries[1], strlen(entries[1]));
        archive_entry_free(entry);
    }
    archive_write_close(tar);
    archive_write_free(tar);
    return data;
}

TEST(archive_of_k6_is_read)
{
    static const char *const entries[] = {
        "metadata.json",
        "{\"type\":\"js\",\"options\":{\"vus\":1},\"filename\":\"file:///home/nobody/a.js\","
        "\"pwd\":\"file:///home/nobody/\",\"env\":{},\"k6version\":\"2.2.0\"}",
        "data",
        "export default function () {}",
        "file/home/nobody/lib.js",
        "// lib",
        "files/old/name.js",
        "// old",
        NULL};
    struct archive_content content;
    const struct file *file;
    size_t len;
    char *data = make(entries, &len);

    CHECK_EQ(archive_read_test(str_from(data, len), &content, NULL), 0);
    CHECK_TEXT(content.main_url, "file:///home/nobody/a.js");
    CHECK_EQ(files_get(content.files, STR("file:///home/nobody/lib.js"), true, &file, NULL), 0);
    CHECK_EQ(files_get(content.files, STR("file:///old/name.js"), true, &file, NULL), 0);
    archive_content_deinit(&content);
    mem_free(data);
}

static void check_refused(const char *const *entries, const char *part)
{
    struct archive_content content;
    struct diag d = DIAG_INIT;
    size_t len;
    char *data = make(entries, &len);

    CHECK(archive_read_test(str_from(data, len), &content, &d) < 0);
    if (!strstr(d.message, part))
        test_fail(__FILE__, __LINE__, "%s", d.message);
    diag_deinit(&d);
    mem_free(data);
}

TEST(archive_that_is_none)
{
    static const char *const no_meta[] = {"data", "x", NULL};
    static const char *const no_data[] = {"metadata.json", "{\"filename\":\"file:///x.js\"}", NULL};
    static const char *const bad_json[] = {"metadata.json", "{,", "data", "x", NULL};
    static const char *const no_object[] = {"metadata.json", "[]", "data", "x", NULL};

    check_refused(no_meta, "metadata.json or data is missing");
    check_refused(no_data, "metadata.json or data is missing");
    check_refused(bad_json, "no JSON");
    check_refused(no_object, "metadata.json or data is missing");
}

TEST(archive_damaged_anywhere_is_no_crash)
{
    size_t len;
    char *data = write_test(&len);
    struct rng rng;

    rng_seed(&rng, 11);
    for (int i = 0; i < 300; i++) {
        char *copy = mem_dup(data, len);
        struct archive_content content;
        struct diag d = DIAG_INIT;

        for (int j = 0; j < 8; j++)
            copy[rng_below(&rng, len)] = (char)rng_next(&rng);
        if (archive_read_test(str_from(copy, rng_below(&rng, len) + 1), &content, &d) == 0)
            archive_content_deinit(&content);
        else
            CHECK(d.message);
        diag_deinit(&d);
        mem_free(copy);
    }
    mem_free(data);
}

TEST(archive_on_a_full_disk)
{
    struct files *files = files_new(&nothing);
    json_t *options = json_object();
    struct archive_write_test what = {
        .path = "/dev/full", .main_url = "file:///m.js", .files = files, .options = options};
    struct diag d = DIAG_INIT;

    files_put(files, STR("file:///m.js"), STR(main_text), true);
    CHECK(archive_write_test_to(&what, &d) < 0);
    CHECK(strstr(d.message, "/dev/full"));
    diag_deinit(&d);
    files_free(files);
    json_decref(options);
}
