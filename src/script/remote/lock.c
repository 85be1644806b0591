/* gale.lock: JSON that people read and keep with their scripts.
 *
 *     { "version": 1,
 *       "modules": { "https://jslib.k6.io/x/1.0.0/index.js": { "sha256": "9f86...", "size": 4 } } }
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "script/remote/internal.h"

enum { LOCK_VERSION = 1 };

static bool is_hash(const char *text)
{
    return text && strlen(text) == HASH_TEXT - 1 &&
           strspn(text, "0123456789abcdef") == HASH_TEXT - 1;
}

static int bad_lock(const struct lock *lock, struct diag *d, const char *what)
{
    return diag_set(d, ERR_SYNTAX,
                    "%s: %s; put the file back as it was, or delete it to have it written anew",
                    lock->path, what);
}

static int read_entries(struct lock *lock, const json_t *all, struct diag *d)
{
    const json_t *modules = json_object_get(all, "modules");
    const char *url;
    json_t *value;

    if (json_integer_value(json_object_get(all, "version")) != LOCK_VERSION)
        return bad_lock(lock, d, "its \"version\" is not 1");
    if (!json_is_object(modules))
        return bad_lock(lock, d, "\"modules\" is missing");
    json_object_foreach((json_t *)(uintptr_t)modules, url, value)
    {
        const char *hash = json_string_value(json_object_get(value, "sha256"));
        json_int_t size = json_integer_value(json_object_get(value, "size"));
        struct lock_entry entry = {.size = (uint64_t)size};

        if (!is_hash(hash) || size < 0 || size > REMOTE_MAX_MODULE) {
            char *what = mem_printf("the entry of %s needs a \"sha256\" and a \"size\"", url);

            bad_lock(lock, d, what);
            mem_free(what);
            return ERR_SYNTAX;
        }
        memcpy(entry.sha256, hash, HASH_TEXT);
        lock_set(lock, str_of(url), &entry);
    }
    lock->is_changed = false;
    return 0;
}

int lock_open(struct lock *lock, const char *path, struct diag *d)
{
    json_error_t error;
    json_t *all;
    int err;

    *lock = (struct lock){.path = mem_strdup(path)};
    map_init(&lock->entries);
    if (access(path, F_OK) != 0)
        return 0;
    all = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (all) {
        err = read_entries(lock, all, d);
    } else {
        err = bad_lock(lock, d, error.text);
        if (error.line > 0)
            diag_at(d, path, error.line, error.column);
    }
    json_decref(all);
    return err;
}

void lock_deinit(struct lock *lock)
{
    map_deinit_with(&lock->entries, mem_free);
    mem_free(lock->path);
}

const struct lock_entry *lock_find(const struct lock *lock, struct str url)
{
    return map_get(&lock->entries, url);
}

void lock_set(struct lock *lock, struct str url, const struct lock_entry *entry)
{
    const struct lock_entry *old = lock_find(lock, url);

    if (old && strcmp(old->sha256, entry->sha256) == 0 && old->size == entry->size)
        return;
    mem_free(map_set(&lock->entries, url, mem_dup(entry, sizeof *entry)));
    lock->is_changed = true;
}

int lock_write(struct lock *lock, struct diag *d)
{
    json_t *modules = json_object();
    json_t *all;
    char *text;
    char *whole;
    int err;

    if (!lock->is_changed) {
        json_decref(modules);
        return 0;
    }
    for (struct map_entry *e = map_first(&lock->entries); e; e = map_next(&lock->entries, e)) {
        const struct lock_entry *entry = e->value;

        json_object_set_new(
            modules, e->key.ptr,
            json_pack("{s:s, s:I}", "sha256", entry->sha256, "size", (json_int_t)entry->size));
    }
    all = json_pack("{s:o, s:i}", "modules", modules, "version", LOCK_VERSION);
    text = json_dumps(all, JSON_INDENT(2) | JSON_SORT_KEYS);
    whole = mem_printf("%s\n", text);
    err = replace_file(lock->path, str_of(whole));
    if (err)
        diag_set(d, err, "can't write %s, which holds the hashes of imported modules: %s",
                 lock->path, strerror(-err));
    else
        lock->is_changed = false;
    mem_free(whole);
    free(text);
    json_decref(all);
    return err;
}
