#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "fixture.h"
#include "store/journal.h"
#include "store/schema.h"
#include "store/sql.h"

/* --- opening ------------------------------------------------------------------------------ */

static int try_open(const char *path, const struct store_options *options, struct diag *d)
{
    struct store *s = NULL;
    int err = store_open(path, options, &s, d);

    store_close(s);
    return err;
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    CHECK(f);
    fputs(text, f);
    fclose(f);
}

static void alter(const char *path, const char *sql)
{
    sqlite3 *db = NULL;

    CHECK(sqlite3_open(path, &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
}

TEST(store_is_what_it_was_when_opened_again)
{
    struct store *s = fixture_open();
    int64_t newest;

    fixture_add_run(s, "run000000000");
    fixture_put_value(s, "run000000000", "eu", 3, 1);
    store_close(s);
    s = fixture_open();
    CHECK_EQ(store_newest_second(s, "run000000000", &newest, NULL), 0);
    CHECK_EQ(newest, 3);
    CHECK_EQ(store_check(s, NULL), 0);
    CHECK(store_bytes(s) > 0);
    store_close(s);
}

TEST(store_refuses_what_it_can_not_read)
{
    struct store_options reads = {.read_only = true};
    const char *path = fixture_path("x.db");
    struct diag d = DIAG_INIT;

    fixture_check_error(&d, try_open(fixture_path("no/such/folder"), NULL, &d), -ENOENT, "folder");
    fixture_check_error(&d, try_open(path, &reads, &d), -ENOENT, "x.db");
    write_file(path, "This is a text that is long enough to be taken for the head of a database "
                     "file, which it is not, whatever one may think of its name.");
    fixture_check_error(&d, try_open(path, NULL, &d), -EBADMSG, "no database");
    unlink(path);
    alter(path, "CREATE TABLE people (name)");
    fixture_check_error(&d, try_open(path, NULL, &d), -EBADMSG, "another program");
    unlink(path);
    CHECK_EQ(try_open(path, NULL, NULL), 0);
    alter(path, "PRAGMA user_version = 99");
    fixture_check_error(&d, try_open(path, NULL, &d), ERR_UNSUPPORTED, "version 99");
    fixture_check_error(&d, try_open(path, &reads, &d), ERR_UNSUPPORTED, "newer");
}

TEST(store_has_one_writer)
{
    struct store *s = fixture_open();
    struct store *reader = fixture_open_reader();
    struct diag d = DIAG_INIT;

    fixture_check_error(&d, try_open(fixture_path("gale.db"), NULL, &d), -EBUSY, "another gale");
    store_close(s);
    CHECK_EQ(try_open(fixture_path("gale.db"), NULL, NULL), 0);
    store_close(reader);
}

TEST(store_schema_grows)
{
    static const char *const first[] = {"CREATE TABLE a (x)", "INSERT INTO a VALUES (1)", NULL};
    static const char *const second[] = {"ALTER TABLE a ADD COLUMN y DEFAULT 2", NULL};
    static const char *const wrong[] = {"UPDATE a SET x = 5", "CREATE NONSENSE", NULL};
    const char *const *list[] = {first, second, wrong};
    struct store s = {.path = (char *)(uintptr_t) "some.db", .lock_fd = -1};
    struct diag d = DIAG_INIT;
    int64_t sum;
    struct sql q;

    CHECK(sqlite3_open(":memory:", &s.db) == SQLITE_OK);
    CHECK_EQ(schema_upgrade(&s, list, 1, NULL), 0);
    CHECK_EQ(schema_upgrade(&s, list, 1, NULL), 0);
    CHECK_EQ(schema_upgrade(&s, list, 2, NULL), 0);
    /* A version that fails leaves everything as it was. */
    CHECK(schema_upgrade(&s, list, 3, &d) < 0);
    diag_deinit(&d);
    d = (struct diag)DIAG_INIT;
    q = sql(&s, "SELECT sum(x + y) FROM a");
    CHECK_EQ(sql_number(&q, 0, &sum, NULL), 0);
    CHECK_EQ(sum, 3);
    fixture_check_error(&d, schema_upgrade(&s, list, 1, &d), ERR_UNSUPPORTED, "version 2");
    sql_finalize_all(&s);
    sqlite3_close(s.db);
}

TEST(store_that_can_not_be_written_says_so)
{
    const char *path = fixture_path("gale.db");
    struct store_options reads = {.read_only = true};
    struct diag d = DIAG_INIT;
    struct store *s = fixture_open();

    fixture_add_run(s, "run000000000");
    store_close(s);
    CHECK(chmod(path, 0444) == 0);
    CHECK(chmod(fixture_path("gale.db-lock"), 0666) == 0);
    CHECK(chmod(fixture_path("."), 0777) == 0);
    if (getuid() == 0) /* to whom nothing is read-only */
        CHECK(seteuid(65534) == 0);
    fixture_check_error(&d, try_open(path, NULL, &d), -EROFS, "can't be written");
    CHECK_EQ(store_open(path, &reads, &s, NULL), 0);
    fixture_check_error(&d, store_set_baseline(s, "run000000000", true, &d), -EROFS,
                        "can't be written");
    store_close(s);
    if (getuid() == 0)
        CHECK(seteuid(0) == 0);
}

/* --- transactions ------------------------------------------------------------------------- */

static int64_t count_events(struct store *s)
{
    struct sql q = sql(s, "SELECT count(*) FROM events");
    int64_t count = -1;

    CHECK_EQ(sql_number(&q, 0, &count, NULL), 0);
    return count;
}

static int add_event(struct store *s, const char *run, struct diag *d)
{
    struct store_event e = {
        .wall_nsec = 1, .second = 2, .kind = "x", .severity = "info", .message = "", .data = "{}"};

    return store_add_event(s, run, &e, NULL, d);
}

TEST(store_transactions_are_all_or_nothing)
{
    struct store *s = fixture_open();
    struct store *reader = fixture_open_reader();
    struct diag d = DIAG_INIT;

    fixture_add_run(s, "run000000000");
    CHECK_EQ(store_begin(s, NULL), 0);
    fixture_check_error(&d, store_begin(s, &d), ERR_INVALID, "open already");
    CHECK_EQ(add_event(s, "run000000000", NULL), 0);
    CHECK_EQ(count_events(reader), 0);
    /* A call that fails takes only itself back. */
    fixture_check_error(&d, add_event(s, "run999999999", &d), ERR_NOT_FOUND, "no run");
    CHECK_EQ(add_event(s, "run000000000", NULL), 0);
    CHECK_EQ(store_commit(s, NULL), 0);
    CHECK_EQ(count_events(reader), 2);
    CHECK_EQ(store_begin(s, NULL), 0);
    CHECK_EQ(add_event(s, "run000000000", NULL), 0);
    store_rollback(s);
    CHECK_EQ(count_events(s), 2);
    fixture_check_error(&d, store_commit(s, &d), ERR_CANCELLED, "rolled back");
    CHECK_EQ(store_begin(s, NULL), 0);
    fixture_check_error(&d, store_tidy(s, &d), ERR_INVALID, "transaction");
    store_close(s);
    store_close(reader);
}

/* --- full --------------------------------------------------------------------------------- */

/* Puts seconds until the store is full; returns the first that was not committed. */
static int64_t fill(struct store *s, struct diag *d)
{
    struct window *w = fixture_window();
    const struct window *windows[] = {w};
    struct rng rng;
    int64_t t = 0;
    int err = 0;

    rng_seed(&rng, 1);
    for (int i = 0; i < 400; i++)
        sink_add(fixture_sink(w, DURATION_A), rng_unit(&rng), 0);
    for (; t < 100000; t++) {
        struct store_second at = {"run000000000", STR_INIT("eu"), t};

        err = store_begin(s, d);
        if (!err)
            err = store_put_second(s, &at, windows, 1, d);
        if (!err)
            err = store_commit(s, d);
        if (err)
            break;
    }
    window_free(w);
    CHECK_EQ(err, -ENOSPC);
    return t;
}

static void check_seconds(struct store *s, int64_t count)
{
    struct store_where where = {.metric = STR("http_req_duration")};
    struct agg agg = {AGG_COUNT, 0};
    struct store_query q = {
        .run = "run000000000", .where = where, .aggs = &agg, .agg_count = 1, .step = 1};
    struct store_columns got;

    CHECK_EQ(store_query(s, &q, &got, NULL), 0);
    CHECK_EQ(got.rows, count);
    for (size_t i = 0; i < got.rows; i++)
        CHECK_NEAR(got.list[0].values[i], 400, 0);
    store_columns_deinit(&got);
}

TEST(store_that_is_full_loses_nothing)
{
    struct store_options small = {.max_bytes = 600 * 1024};
    struct diag d = DIAG_INIT;
    struct store *s = NULL;
    int64_t count;

    CHECK_EQ(store_open(fixture_path("gale.db"), &small, &s, NULL), 0);
    fixture_add_run(s, "run000000000");
    count = fill(s, &d);
    CHECK(count > 100);
    fixture_check_error(&d, -ENOSPC, -ENOSPC, "free some space");
    fixture_check_error(&d, store_commit(s, &d), ERR_CANCELLED, "rolled back");
    check_seconds(s, count);
    store_close(s);
    /* With room again it goes on where it was. */
    s = fixture_open();
    check_seconds(s, count);
    fixture_tidy_all(s);
    CHECK_EQ(store_check(s, NULL), 0);
    check_seconds(s, count);
    store_close(s);
}

/* A disk of two megabytes, where the system lets a test mount one. */
TEST(store_on_a_full_disk_loses_nothing)
{
    char *folder = mem_strdup(fixture_path("disk"));
    char *path = mem_printf("%s/gale.db", folder);
    char *ballast = mem_printf("%s/ballast", folder);
    struct diag d = DIAG_INIT;
    struct store *s = NULL;
    int64_t count;

    CHECK(mkdir(folder, 0700) == 0);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", folder, "tmpfs", 0, "size=2m") != 0) {
        rmdir(folder);
        return;
    }
    CHECK_EQ(store_open(path, NULL, &s, NULL), 0);
    fixture_add_run(s, "run000000000");
    write_file(ballast, "0123456789");
    CHECK(truncate(ballast, 0) == 0);
    count = fill(s, &d);
    CHECK(count > 10);
    fixture_check_error(&d, -ENOSPC, -ENOSPC, "free some space");
    check_seconds(s, count);
    store_close(s);
    CHECK(mount(NULL, folder, NULL, MS_REMOUNT, "size=64m") == 0);
    CHECK_EQ(store_open(path, NULL, &s, NULL), 0);
    check_seconds(s, count);
    CHECK_EQ(store_check(s, NULL), 0);
    fixture_tidy_all(s);
    check_seconds(s, count);
    store_close(s);
    umount(folder);
    rmdir(folder);
    mem_free(folder);
    mem_free(path);
    mem_free(ballast);
}

/* --- damaged ------------------------------------------------------------------------------ */

TEST(store_that_is_damaged_says_so)
{
    struct store *s = fixture_open();
    struct diag d = DIAG_INIT;
    unsigned char noise[4096];
    int damaged = 0;
    struct stat st;
    int fd;

    fixture_add_run(s, "run000000000");
    for (int64_t t = 0; t < 300; t++)
        fixture_put_value(s, "run000000000", "eu", t, (double)t);
    fixture_tidy_all(s);
    store_close(s);
    CHECK(stat(fixture_path("gale.db"), &st) == 0);
    fd = open(fixture_path("gale.db"), O_RDWR);
    memset(noise, 0xa5, sizeof noise);
    /* Each page but the first in turn: an error or an answer, never a crash. */
    for (off_t at = 4096; at < st.st_size; at += 4096) {
        struct agg agg = {AGG_P, 95};
        struct store_query q = {.run = "run000000000", .aggs = &agg, .agg_count = 1, .step = 1};
        struct store_columns got;
        unsigned char page[4096];
        int err;

        CHECK(pread(fd, page, sizeof page, at) == sizeof page);
        CHECK(pwrite(fd, noise, sizeof noise, at) == sizeof noise);
        q.where.metric = STR("http_req_duration");
        s = NULL;
        err = store_open(fixture_path("gale.db"), NULL, &s, &d);
        if (!err) {
            err = store_query(s, &q, &got, &d);
            if (!err)
                store_columns_deinit(&got);
            if (store_check(s, NULL) == -EBADMSG)
                damaged++;
        }
        store_close(s);
        diag_deinit(&d);
        d = (struct diag)DIAG_INIT;
        CHECK(pwrite(fd, page, sizeof page, at) == sizeof page);
    }
    close(fd);
    CHECK(damaged > 5);
    s = fixture_open();
    CHECK_EQ(store_check(s, NULL), 0);
    store_close(s);
}

/* --- killed ------------------------------------------------------------------------------- */

/* A second's values: its own number, so that one knows it again. */
static void write_until_killed(int out)
{
    struct store *s = fixture_open();
    int64_t t = 0;

    CHECK_EQ(store_newest_second(s, "run000000000", &t, NULL), 0);
    for (t++; t < 20000; t++) {
        CHECK_EQ(store_begin(s, NULL), 0);
        fixture_put_value(s, "run000000000", "eu", t, (double)t);
        fixture_put_value(s, "run000000000", "us", t, (double)t);
        CHECK_EQ(add_event(s, "run000000000", NULL) == 0 || t > STORE_MAX_EVENTS, 1);
        CHECK_EQ(store_put_position(s, "run000000000", "stream", t, NULL), 0);
        CHECK_EQ(store_commit(s, NULL), 0);
        CHECK(write(out, &t, sizeof t) == sizeof t);
        CHECK(store_tidy(s, NULL) >= 0);
    }
    _exit(0);
}

/* Every committed second is there once, in both regions. */
static void check_after_kill(struct store *s, int64_t committed)
{
    struct agg aggs[] = {{AGG_COUNT, 0}, {AGG_MAX, 0}};
    struct store_query q = {
        .run = "run000000000", .aggs = aggs, .agg_count = 2, .step = 1, .by = STR_INIT("region")};
    struct store_columns got;
    int64_t position;

    q.where.metric = STR("http_req_duration");
    CHECK_EQ(store_get_position(s, "run000000000", "stream", -1, &position, NULL), 0);
    CHECK(position >= committed);
    CHECK_EQ(store_query(s, &q, &got, NULL), 0);
    CHECK_EQ(got.rows, position + 1);
    CHECK_EQ(got.count, 4);
    for (size_t i = 0; i < got.rows; i++) {
        for (size_t r = 0; r < 2; r++) {
            CHECK_NEAR(got.list[2 * r].values[i], 1, 0);
            CHECK_NEAR(got.list[2 * r + 1].values[i], (double)i, 0);
        }
    }
    store_columns_deinit(&got);
}

TEST(store_survives_being_killed)
{
    struct store *s = fixture_open();
    int64_t committed = -1;
    struct rng rng;

    rng_seed(&rng, 1);
    fixture_add_run(s, "run000000000");
    store_close(s);
    for (int round = 0; round < 25; round++) {
        int64_t more = 1 + (int64_t)rng_below(&rng, 150);
        int64_t second;
        int pipes[2];
        pid_t pid;

        CHECK(pipe(pipes) == 0);
        pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            close(pipes[0]);
            write_until_killed(pipes[1]);
        }
        close(pipes[1]);
        for (int64_t i = 0; i < more; i++)
            CHECK(read(pipes[0], &second, sizeof second) == sizeof second);
        /* Somewhere in the second after the next one. */
        usleep((useconds_t)rng_below(&rng, 3000));
        kill(pid, SIGKILL);
        while (read(pipes[0], &second, sizeof second) == sizeof second)
            continue;
        close(pipes[0]);
        CHECK(waitpid(pid, NULL, 0) == pid);
        committed = second;
        s = fixture_open();
        CHECK_EQ(store_check(s, NULL), 0);
        check_after_kill(s, committed);
        store_close(s);
    }
    CHECK(committed > 600); /* so that all levels had their turn */
}

/* --- backup ------------------------------------------------------------------------------- */

TEST(store_is_backed_up_while_it_is_written)
{
    struct store *s = fixture_open();
    const char *backup = fixture_path("backup.db");
    struct diag d = DIAG_INIT;
    int64_t newest;
    int status;
    pid_t pid;

    fixture_add_run(s, "run000000000");
    for (int64_t t = 0; t < 2000; t++)
        fixture_put_value(s, "run000000000", "eu", t, (double)t);
    pid = fork(); /* another process, as gale controller backup is one */
    if (pid == 0) {
        struct store *reader = fixture_open_reader();

        _exit(store_backup(reader, backup, NULL) == 0 ? 0 : 1);
    }
    for (int64_t t = 2000; waitpid(pid, &status, WNOHANG) == 0; t++)
        fixture_put_value(s, "run000000000", "eu", t, (double)t);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    fixture_check_error(&d, store_backup(s, backup, &d), -EEXIST, "backup.db exists");
    fixture_check_error(&d, store_backup(s, fixture_path("no/where.db"), &d), -EIO, "backup");
    store_close(s);
    CHECK_EQ(store_open(backup, NULL, &s, NULL), 0);
    CHECK_EQ(store_check(s, NULL), 0);
    CHECK_EQ(store_newest_second(s, "run000000000", &newest, NULL), 0);
    CHECK(newest >= 1999);
    store_close(s);
}

/* --- retention ---------------------------------------------------------------------------- */

static bool has_run(struct store *s, const char *id)
{
    int64_t key;
    struct diag d = DIAG_INIT;
    int err = sql_run_key(s, id, &key, &d);

    diag_deinit(&d);
    return err == 0;
}

static void big_run(struct store *s, const char *id, int64_t ended)
{
    fixture_add_run(s, id);
    for (int64_t t = 0; t < 650; t++)
        fixture_put_value(s, id, "eu", t, (double)t);
    CHECK_EQ(add_event(s, id, NULL), 0);
    if (ended)
        fixture_end_run(s, id, ended);
}

TEST(store_keeps_runs_by_age_and_size)
{
    const int64_t day = 86400 * NSEC_PER_SEC;
    struct store *s = fixture_open();
    struct store_retention by_age = {.now_wall_nsec = 100 * day, .max_age_nsec = 30 * day};
    struct store_retention by_size = {.now_wall_nsec = 100 * day};
    size_t deleted = 0;
    int64_t before;

    big_run(s, "run000000001", 10 * day);
    big_run(s, "run000000002", 20 * day);
    big_run(s, "run000000003", 90 * day);
    big_run(s, "run000000004", 95 * day);
    big_run(s, "run000000005", 0);
    CHECK_EQ(store_set_baseline(s, "run000000002", true, NULL), 0);
    fixture_tidy_all(s);
    CHECK_EQ(store_retain(s, &by_age, &deleted, NULL), 0);
    CHECK_EQ(deleted, 1);
    CHECK(!has_run(s, "run000000001") && has_run(s, "run000000002"));
    before = store_bytes(s);
    fixture_tidy_all(s);
    CHECK(store_bytes(s) < before);
    /* Room for less than there is: the one that ended first goes, baseline and active ones stay. */
    by_size.max_bytes = store_bytes(s) - 4096;
    CHECK_EQ(store_retain(s, &by_size, &deleted, NULL), 0);
    CHECK_EQ(deleted, 1);
    CHECK(!has_run(s, "run000000003") && has_run(s, "run000000004"));
    CHECK_EQ(store_retain(s, &by_size, &deleted, NULL), 0);
    CHECK_EQ(deleted, 0);
    fixture_tidy_all(s);
    by_size.max_bytes = 1;
    CHECK_EQ(store_retain(s, &by_size, &deleted, NULL), 0);
    CHECK(!has_run(s, "run000000004") && has_run(s, "run000000002") && has_run(s, "run000000005"));
    fixture_tidy_all(s);
    CHECK_EQ(count_events(s), 2);
    CHECK_EQ(store_check(s, NULL), 0);
    store_close(s);
}
