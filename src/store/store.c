#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/memory.h"
#include "store/schema.h"
#include "store/sql.h"

enum { BUSY_MS = 10000, CACHE_KB = 32 * 1024, BACKUP_PAGES = 4096 };

/* --- opening ------------------------------------------------------------------------------ */

/* One writer in all processes, by a lock on a file beside the store; a dead one's is gone. */
static int lock(struct store *s, struct diag *d)
{
    char *path = mem_printf("%s-lock", s->path);
    int err = 0;

    s->lock_fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (s->lock_fd < 0)
        err = diag_set(d, errno == ENOENT ? -ENOENT : -EROFS,
                       "%s: %s: see that its folder exists and may be written", s->path,
                       err_text(-errno));
    else if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
        err =
            diag_set(d, -EBUSY, "%s: another gale writes to it: end that one, or name another file",
                     s->path);
    mem_free(path);
    return err;
}

static int open_file(struct store *s, int flags, struct diag *d)
{
    int code =
        sqlite3_open_v2(s->path, &s->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

    if (code != SQLITE_OK)
        return s->db ? sql_error(s, d) : diag_set(d, -ENOMEM, "%s: out of memory", s->path);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    if (!s->read_only && sqlite3_db_readonly(s->db, "main") == 1)
        return diag_set(d, -EROFS,
                        "%s: it can't be written: see its permissions and its file system's",
                        s->path);
    return 0;
}

static int configure(struct store *s, const struct store_options *options, struct diag *d)
{
    int64_t page_bytes = 0;
    struct sql q;
    char *text;
    int err;

    /* Before the first table: pages can be given back bit by bit. */
    err = s->read_only ? 0 : sql_exec(s, "PRAGMA auto_vacuum = INCREMENTAL", d);
    if (!err)
        err = s->read_only ? 0 : sql_exec(s, "PRAGMA journal_mode = WAL", d);
    text = mem_printf("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;"
                      "PRAGMA journal_size_limit = 67108864;"
                      "PRAGMA cache_size = -%d",
                      CACHE_KB);
    if (!err)
        err = sql_exec(s, text, d);
    mem_free(text);
    if (err || !options || options->max_bytes == 0)
        return err;
    q = sql(s, "PRAGMA page_size");
    err = sql_number(&q, 4096, &page_bytes, d);
    text = mem_printf("PRAGMA max_page_count = %lld", (long long)(options->max_bytes / page_bytes));
    if (!err)
        err = sql_exec(s, text, d);
    mem_free(text);
    return err;
}

int store_open(const char *path, const struct store_options *options, struct store **out,
               struct diag *d)
{
    struct store *s = mem_zalloc(sizeof *s);
    int err = 0;

    s->path = mem_strdup(path);
    s->read_only = options && options->read_only;
    s->lock_fd = -1;
    if (!s->read_only)
        err = lock(s, d);
    if (!err)
        err = open_file(
            s, s->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, d);
    if (!err)
        err = configure(s, options, d);
    if (!err)
        err = schema_prepare(s, d);
    if (err) {
        store_close(s);
        return err;
    }
    *out = s;
    return 0;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    store_rollback(s);
    memory_forget(s);
    sql_finalize_all(s);
    sqlite3_close(s->db);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    mem_free(s->path);
    mem_free(s);
}

/* --- transactions ------------------------------------------------------------------------- */

int store_begin(struct store *s, struct diag *d)
{
    int err;

    if (s->in_transaction)
        return diag_set(d, ERR_INVALID, "%s: a transaction is open already", s->path);
    err = sql_exec(s, "BEGIN IMMEDIATE", d);
    s->in_transaction = err == 0;
    return err;
}

int store_commit(struct store *s, struct diag *d)
{
    int err;

    if (!s->in_transaction)
        return diag_set(d, ERR_CANCELLED, "%s: the transaction was rolled back by an error before",
                        s->path);
    err = sql_exec(s, "COMMIT", d);
    if (err)
        store_rollback(s);
    s->in_transaction = false;
    return err;
}

void store_rollback(struct store *s)
{
    if (s->in_transaction && !sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    if (s->in_transaction)
        memory_forget(s);
    s->in_transaction = false;
}

/* --- upkeep ------------------------------------------------------------------------------- */

int64_t store_bytes(struct store *s)
{
    struct sql q = sql(s, "SELECT (page_count - freelist_count) * page_size "
                          "FROM pragma_page_count, pragma_freelist_count, pragma_page_size");
    int64_t bytes = 0;

    return sql_number(&q, 0, &bytes, NULL) ? 0 : bytes;
}

int store_check(struct store *s, struct diag *d)
{
    struct sql q = sql(s, "PRAGMA integrity_check(1)");
    const char *text;
    int err = sql_row(&q, d);

    if (err <= 0)
        return err;
    text = sql_get_text(&q);
    if (text && strcmp(text, "ok") == 0)
        err = 0;
    else
        err = diag_set(d, -EBADMSG, "%s: it is damaged (%s): restore a backup", s->path,
                       text ? text : "");
    sql_end(&q);
    return err;
}

/* Copies all pages of one moment: the transaction holds it from its first reading on, so that no
 * commit of another connection makes the copy start anew. */
static int copy_pages(struct store *s, sqlite3 *to, struct diag *d)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", s->db, "main");
    struct sql q = sql(s, "SELECT count(*) FROM sqlite_schema");
    int code = SQLITE_OK;
    int64_t tables;

    if (backup && sql_number(&q, 0, &tables, d) != 0)
        code = SQLITE_ERROR;
    while (backup && code == SQLITE_OK)
        code = sqlite3_backup_step(backup, BACKUP_PAGES);
    sqlite3_backup_finish(backup);
    if (backup && code == SQLITE_DONE)
        return 0;
    return diag_set(d, (code & 0xff) == SQLITE_FULL ? -ENOSPC : -EIO, "the backup of %s failed: %s",
                    s->path, sqlite3_errmsg(to));
}

static int sync_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int err = fd < 0 || fsync(fd) != 0 ? -errno : 0;

    if (fd >= 0)
        close(fd);
    return err;
}

static int appear(const char *part, const char *path, struct diag *d)
{
    int err = sync_file(part);

    if (!err && rename(part, path) != 0)
        err = -errno;
    if (err)
        return diag_set(d, err, "can't write the backup %s: %s", path, err_text(err));
    return 0;
}

int store_backup(struct store *s, const char *path, struct diag *d)
{
    char *part = mem_printf("%s.part", path);
    struct sql_scope scope;
    sqlite3 *to = NULL;
    int err;

    if (access(path, F_OK) == 0) {
        mem_free(part);
        return diag_set(d, -EEXIST, "%s exists: name another file", path);
    }
    unlink(part);
    err = sql_enter(s, &scope, d);
    if (!err) {
        if (sqlite3_open(part, &to) != SQLITE_OK)
            err = diag_set(d, -EIO, "can't write the backup %s: %s", part, sqlite3_errmsg(to));
        else
            err = copy_pages(s, to, d);
        sqlite3_close(to);
        err = sql_leave(s, scope, err, d);
    }
    if (!err)
        err = appear(part, path, d);
    unlink(part);
    mem_free(part);
    return err;
}
