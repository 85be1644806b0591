#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "script/remote/internal.h"

void hash_text(struct str data, char out[HASH_TEXT])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)data.ptr, data.len, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

/* --- files -------------------------------------------------------------------------------- */

static int write_all(int fd, struct str data)
{
    while (data.len > 0) {
        ssize_t done = write(fd, data.ptr, data.len);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        data = str_from_index(data, (size_t)done);
    }
    return 0;
}

int replace_file(const char *path, struct str data)
{
    char *temporary = mem_printf("%s.%ld.tmp", path, (long)getpid());
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int err = fd < 0 ? -errno : write_all(fd, data);

    if (fd >= 0) {
        if (close(fd) != 0 && err == 0)
            err = -errno;
        if (err == 0 && rename(temporary, path) != 0)
            err = -errno;
        if (err)
            unlink(temporary);
    }
    mem_free(temporary);
    return err;
}

/* Makes the folder and those above it; only the user sees into new ones. */
static void make_folders(const char *folder)
{
    char *path = mem_strdup(folder);

    for (char *at = path + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        mkdir(path, 0700);
        *at = '/';
    }
    mkdir(path, 0700);
    mem_free(path);
}

/* --- by hash ------------------------------------------------------------------------------ */

bool cache_get(const char *folder, const struct lock_entry *entry, char **data)
{
    char *path = folder ? mem_printf("%s/%s", folder, entry->sha256) : NULL;
    FILE *in = path ? fopen(path, "rbe") : NULL;
    char hash[HASH_TEXT];
    char *bytes;
    bool ok;

    mem_free(path);
    if (!in)
        return false;
    bytes = mem_alloc(entry->size + 1);
    ok = fread(bytes, 1, entry->size, in) == entry->size && fgetc(in) == EOF;
    fclose(in);
    bytes[entry->size] = '\0';
    hash_text(str_from(bytes, entry->size), hash);
    if (ok && strcmp(hash, entry->sha256) == 0) {
        *data = bytes;
        return true;
    }
    mem_free(bytes);
    return false;
}

void cache_put(const char *folder, const struct lock_entry *entry, struct str data)
{
    char *path;

    if (!folder)
        return;
    make_folders(folder);
    path = mem_printf("%s/%s", folder, entry->sha256);
    (void)!replace_file(path, data);
    mem_free(path);
}
