#include "output/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/ensure.h"
#include "base/err.h"
#include "base/mem.h"
#include "output/output.h"

enum { FLUSH_AT = 64 * 1024, GZIP_WINDOW = 15 + 16 }; /* zlib: the largest, with gzip's header */

struct text_file {
    const char *kind;
    char *path;
    struct output_voice voice;
    int fd;
    bool is_regular;
    off_t begin;
    off_t end; /* of the whole rows in it, when it is regular */
    bool is_zip;
    z_stream zip;
    struct buf buf;    /* rows that gather */
    struct buf packed; /* of a compressed file: they as a member */
    uint64_t gathered; /* rows in `buf` */
    uint64_t rows;     /* all there were */
    uint64_t lost;
    int err; /* of the first write that failed */
    bool is_failing;
    bool recovery_said;
    bool has_lost; /* and nobody asked yet */
};

/* --- opening ------------------------------------------------------------------------------ */

static void find_kind(struct text_file *f)
{
    struct stat st;

    f->is_regular = fstat(f->fd, &st) == 0 && S_ISREG(st.st_mode);
    f->begin = f->is_regular ? lseek(f->fd, 0, SEEK_CUR) : 0; /* stdout may stand anywhere */
    f->end = f->begin;
}

struct text_file *text_file_open(const char *kind, struct str path,
                                 const struct output_voice *voice, struct diag *d)
{
    struct text_file *f = mem_zalloc(sizeof *f);
    bool to_stdout = path.len == 0 || str_eq_c(path, "-");

    f->kind = kind;
    f->path = to_stdout ? mem_strdup("stdout") : str_dup(path);
    f->voice = *voice;
    f->fd = to_stdout ? dup(STDOUT_FILENO)
                      : open(f->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (f->fd < 0) {
        diag_set(d, -errno, "can't open '%s': %s", f->path, err_text(-errno));
        mem_free(f->path);
        mem_free(f);
        return NULL;
    }
    find_kind(f);
    buf_init(&f->buf, SIZE_MAX);
    buf_init(&f->packed, SIZE_MAX);
    f->is_zip = str_ends_with(path, STR(".gz"));
    if (f->is_zip)
        ensure(deflateInit2(&f->zip, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8,
                            Z_DEFAULT_STRATEGY) == Z_OK);
    return f;
}

/* --- writing ------------------------------------------------------------------------------ */

static int write_all(int fd, struct str text)
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

/* What has gathered as one member. */
static struct str pack(struct text_file *f)
{
    size_t most = deflateBound(&f->zip, f->buf.len);

    deflateReset(&f->zip);
    buf_reset(&f->packed);
    f->zip.next_in = (Bytef *)f->buf.data;
    f->zip.avail_in = (uInt)f->buf.len;
    f->zip.next_out = (Bytef *)buf_room(&f->packed, most);
    f->zip.avail_out = (uInt)most;
    ensure(deflate(&f->zip, Z_FINISH) == Z_STREAM_END);
    buf_added(&f->packed, most - f->zip.avail_out);
    return buf_str(&f->packed);
}

/* Leaves out the part of a row that was written. */
static bool cut_back(const struct text_file *f)
{
    return f->is_regular && ftruncate(f->fd, f->end) == 0 && lseek(f->fd, f->end, SEEK_SET) >= 0;
}

static void note_failure(struct text_file *f, int err)
{
    bool may_recover = cut_back(f);

    f->lost += f->gathered;
    f->has_lost = true;
    f->is_failing = !may_recover;
    if (f->err)
        return;
    f->err = err;
    output_say(&f->voice, LOG_WARN,
               "output %s (%s): writing failed: %s; samples are left out%s. "
               "The test is not affected",
               f->kind, f->path, err_text(err), may_recover ? " until it succeeds again" : "");
}

static void note_success(struct text_file *f, size_t written)
{
    f->end += (off_t)written;
    if (!f->err || f->recovery_said || f->gathered == 0)
        return;
    f->recovery_said = true;
    output_say(&f->voice, LOG_INFO, "output %s (%s): writing again", f->kind, f->path);
}

void text_file_flush(struct text_file *f)
{
    struct str bytes;
    int err;

    if (f->buf.len == 0)
        return;
    if (f->is_failing) {
        f->lost += f->gathered;
    } else {
        bytes = f->is_zip ? pack(f) : buf_str(&f->buf);
        err = write_all(f->fd, bytes);
        if (err)
            note_failure(f, err);
        else
            note_success(f, bytes.len);
    }
    f->gathered = 0;
    buf_reset(&f->buf);
}

bool text_file_has_lost(struct text_file *f, bool *is_empty)
{
    bool has_lost = f->has_lost;

    *is_empty = f->end == f->begin;
    f->has_lost = false;
    return has_lost;
}

struct buf *text_file_buf(struct text_file *f)
{
    return &f->buf;
}

void text_file_end_row(struct text_file *f)
{
    f->rows++;
    f->gathered++;
    if (f->buf.len >= FLUSH_AT)
        text_file_flush(f);
}

/* --- the end ------------------------------------------------------------------------------ */

/* Some file systems tell only now that there was no room. */
static void close_fd(struct text_file *f)
{
    if (close(f->fd) == 0 || f->err)
        return;
    f->err = -errno;
    f->lost = f->rows;
}

int text_file_close(struct text_file *f, struct diag *d)
{
    int err;

    text_file_flush(f);
    close_fd(f);
    err = f->err;
    if (err)
        diag_set(d, err, "output %s (%s): %llu of %llu samples could not be written: %s", f->kind,
                 f->path, (unsigned long long)f->lost, (unsigned long long)f->rows, err_text(err));
    if (f->is_zip)
        deflateEnd(&f->zip);
    buf_deinit(&f->buf);
    buf_deinit(&f->packed);
    mem_free(f->path);
    mem_free(f);
    return err;
}
