#include "output/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include "base/err.h"
#include "base/mem.h"

enum { FLUSH_AT = 64 * 1024 };

struct text_file {
    char *path;
    int fd;     /* plain */
    gzFile zip; /* or compressed */
    struct buf buf;
    int err; /* of the first write that failed */
};

struct text_file *text_file_open(struct str path, struct diag *d)
{
    struct text_file *f = mem_zalloc(sizeof *f);
    bool to_stdout = path.len == 0 || str_eq_c(path, "-");

    f->path = to_stdout ? mem_strdup("stdout") : str_dup(path);
    buf_init(&f->buf, SIZE_MAX);
    f->fd = to_stdout ? dup(STDOUT_FILENO)
                      : open(f->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (f->fd >= 0 && str_ends_with(path, STR(".gz")))
        f->zip = gzdopen(f->fd, "wb");
    if (f->fd >= 0)
        return f;
    diag_set(d, -errno, "can't open '%s': %s", f->path, err_text(-errno));
    mem_free(f->path);
    mem_free(f);
    return NULL;
}

struct buf *text_file_buf(struct text_file *f)
{
    return &f->buf;
}

static int write_plain(int fd, struct str text)
{
    while (text.len > 0) {
        ssize_t put = write(fd, text.ptr, text.len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        text = str_from_index(text, (size_t)put);
    }
    return 0;
}

static int write_zip(gzFile zip, struct str text)
{
    errno = 0;
    if (text.len == 0 || gzwrite(zip, text.ptr, (unsigned)text.len) > 0)
        return 0;
    return errno ? -errno : ERR_LIMIT;
}

void text_file_flush(struct text_file *f, bool all)
{
    if (!all && f->buf.len < FLUSH_AT)
        return;
    if (f->err == 0)
        f->err =
            f->zip ? write_zip(f->zip, buf_str(&f->buf)) : write_plain(f->fd, buf_str(&f->buf));
    buf_reset(&f->buf);
}

int text_file_close(struct text_file *f, struct diag *d)
{
    int closed;
    int err;

    text_file_flush(f, true);
    errno = 0;
    closed = f->zip ? gzclose(f->zip) : close(f->fd);
    if (f->err == 0 && closed != 0)
        f->err = errno ? -errno : ERR_LIMIT;
    err = f->err;
    if (err)
        diag_set(d, err, "writing '%s' failed: %s: samples are missing there", f->path,
                 err_text(err));
    buf_deinit(&f->buf);
    mem_free(f->path);
    mem_free(f);
    return err;
}
