#include "cli/pem_file.h"

#include <errno.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"

enum { MAX_PEM = 1024 * 1024, PIECE = 4096 };

int pem_file_read(const char *flag, const char *path, char **out, struct diag *d)
{
    struct buf text = BUF_INIT(MAX_PEM);
    FILE *file = fopen(path, "rbe");
    size_t got = 1;
    int err = file ? 0 : -errno;

    while (err == 0 && got > 0) {
        char *room = buf_room(&text, PIECE);

        if (!room) {
            err = ERR_LIMIT;
            break;
        }
        got = fread(room, 1, PIECE, file);
        buf_added(&text, got);
        if (got == 0 && ferror(file))
            err = errno ? -errno : ERR_INVALID;
    }
    if (file)
        (void)fclose(file);
    if (err == 0)
        *out = buf_take(&text);
    else
        diag_set(d, err, "flag %s: can't read %s: %s", flag, path, err_text(err));
    buf_deinit(&text);
    return err;
}
