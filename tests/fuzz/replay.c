/* Runs a fuzz target over the files of the folders (or the files) given: what libFuzzer's driver
 * does with a corpus, for builds without libFuzzer. */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t size = 0;
    size_t got;

    if (!file) {
        perror(path);
        return 1;
    }
    do {
        data = realloc(data, size + 65536);
        got = data ? fread(data + size, 1, 65536, file) : 0;
        size += got;
    } while (got > 0);
    fclose(file);
    /* A copy of the exact size, so that a read past the end is seen. */
    data = size ? realloc(data, size) : data;
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

static int replay(const char *path, unsigned *count)
{
    struct stat st;
    DIR *dir;
    struct dirent *entry;
    int failed = 0;

    if (stat(path, &st) != 0) {
        perror(path);
        return 1;
    }
    if (!S_ISDIR(st.st_mode)) {
        ++*count;
        return replay_file(path);
    }
    dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        char child[PATH_MAX];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        failed |= replay(child, count);
    }
    if (dir)
        closedir(dir);
    return failed;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    int failed = 0;

    for (int i = 1; i < argc; i++)
        failed |= replay(argv[i], &count);
    printf("%u inputs replayed\n", count);
    return failed || count == 0;
}
