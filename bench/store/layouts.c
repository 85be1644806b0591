/* How to lay out one-second windows in SQLite: three ways, measured on the same hour of three
 * regions. The numbers behind docs/decisions/0008-run-store.md.
 *
 *   rows    a row per series, region and second, clustered by series
 *   blobs   a row per region and second with all of its series in one blob
 *   chunks  blobs for the newest minute; each full minute is turned into a row per series and
 *           region with its 60 points
 *
 *   build/release/bench/store_layouts [SECONDS] */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/mem.h"
#include "base/rng.h"
#include "metrics/hist.h"

enum { REGIONS = 3, URLS = 4, TRENDS = 7, PER_URL = 9, OTHERS = 10, VARIANTS = 64 };
enum { SERIES = URLS * PER_URL + OTHERS, CHUNK = 60 };

static struct buf points[SERIES][VARIANTS]; /* encoded sinks */

/* --- what is stored ----------------------------------------------------------------------- */

static void make_trend(struct rng *rng, size_t values, struct buf *out)
{
    struct hist *h = hist_new();

    for (size_t i = 0; i < values; i++)
        hist_record(h, (double)(int64_t)(1e6 * (20 + 5 / (rng_unit(rng) + 0.02))) / 1e6);
    hist_encode(h, out);
    hist_free(h);
}

static void make_points(size_t values)
{
    struct rng rng;

    rng_seed(&rng, 1);
    for (size_t s = 0; s < SERIES; s++) {
        for (size_t v = 0; v < VARIANTS; v++) {
            buf_init(&points[s][v], SIZE_MAX);
            if (s % PER_URL < TRENDS && s < URLS * PER_URL)
                make_trend(&rng, values / 2 + rng_below(&rng, values), &points[s][v]);
            else
                buf_append(&points[s][v], "\x0a\x14\x1e", 2 + s % 2);
        }
    }
}

static const struct buf *point(size_t series, size_t region, int64_t second)
{
    return &points[series][((size_t)second * 7 + region * 3 + series) % VARIANTS];
}

/* --- SQLite ------------------------------------------------------------------------------- */

static void run_sql(sqlite3 *db, const char *sql)
{
    char *message = NULL;

    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, message);
        exit(1);
    }
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = NULL;

    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(db));
        exit(1);
    }
    return s;
}

static sqlite3 *open_new(const char *path)
{
    sqlite3 *db = NULL;
    char *wal = mem_printf("%s-wal", path);

    unlink(path);
    unlink(wal);
    mem_free(wal);
    ensure(sqlite3_open(path, &db) == SQLITE_OK);
    run_sql(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
    return db;
}

static void step(sqlite3_stmt *s)
{
    ensure(sqlite3_step(s) == SQLITE_DONE);
    sqlite3_reset(s);
}

static void put(sqlite3_stmt *s, int64_t a, int64_t b, int64_t c, const struct buf *blob)
{
    int at = 1;

    sqlite3_bind_int64(s, at++, a);
    if (b >= 0)
        sqlite3_bind_int64(s, at++, b);
    sqlite3_bind_int64(s, at++, c);
    sqlite3_bind_blob(s, at, blob->data, (int)blob->len, SQLITE_STATIC);
    step(s);
}

/* A blob of points: number, length, bytes, one after another. */
static void add_point(struct buf *out, uint16_t number, const struct buf *bytes)
{
    uint16_t head[2] = {number, (uint16_t)bytes->len};

    buf_append(out, head, sizeof head);
    buf_append(out, bytes->data, bytes->len);
}

/* Merges the points whose number `wanted` accepts into `h`; returns how many. */
static size_t merge_points(struct hist *h, const char *data, size_t len, uint64_t wanted)
{
    size_t found = 0;

    for (size_t at = 0; at + 4 <= len;) {
        uint16_t head[2];

        memcpy(head, data + at, sizeof head);
        at += sizeof head;
        if (wanted >> head[0] & 1) {
            ensure(hist_decode(h, str_from(data + at, head[1])) == 0);
            found++;
        }
        at += head[1];
    }
    return found;
}

/* --- layouts ------------------------------------------------------------------------------ */

struct layout {
    const char *name;
    const char *schema;
    void (*write)(sqlite3 *db, int64_t seconds);
    /* Decodes series 0 to count-1 (trends) of all regions from `from` to `to`. */
    size_t (*read)(sqlite3 *db, size_t count, int64_t from, int64_t to);
};

static void write_rows(sqlite3 *db, int64_t seconds)
{
    sqlite3_stmt *s = prepare(db, "INSERT INTO w VALUES (?, ?, ?, ?)");

    for (int64_t t = 0; t < seconds; t++) {
        run_sql(db, "BEGIN");
        for (size_t r = 0; r < REGIONS; r++) {
            for (size_t i = 0; i < SERIES; i++)
                put(s, (int64_t)i, (int64_t)r, t, point(i, r, t));
        }
        run_sql(db, "COMMIT");
    }
    sqlite3_finalize(s);
}

static size_t read_rows(sqlite3 *db, size_t count, int64_t from, int64_t to)
{
    sqlite3_stmt *s = prepare(db, "SELECT points FROM w WHERE series = ? AND region = ? AND "
                                  "second >= ? AND second < ?");
    struct hist *h = hist_new();
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        for (int r = 0; r < REGIONS; r++) {
            sqlite3_bind_int64(s, 1, (int64_t)i);
            sqlite3_bind_int64(s, 2, r);
            sqlite3_bind_int64(s, 3, from);
            sqlite3_bind_int64(s, 4, to);
            for (; sqlite3_step(s) == SQLITE_ROW; found++)
                ensure(hist_decode(h, str_from(sqlite3_column_blob(s, 0),
                                               (size_t)sqlite3_column_bytes(s, 0))) == 0);
            sqlite3_reset(s);
        }
    }
    sqlite3_finalize(s);
    hist_free(h);
    return found;
}

static void region_blob(size_t region, int64_t t, struct buf *out)
{
    buf_reset(out);
    for (size_t i = 0; i < SERIES; i++)
        add_point(out, (uint16_t)i, point(i, region, t));
}

static void write_blobs(sqlite3 *db, int64_t seconds)
{
    sqlite3_stmt *s = prepare(db, "INSERT INTO w VALUES (?, ?, ?)");
    struct buf blob = BUF_INIT(SIZE_MAX);

    for (int64_t t = 0; t < seconds; t++) {
        run_sql(db, "BEGIN");
        for (size_t r = 0; r < REGIONS; r++) {
            region_blob(r, t, &blob);
            put(s, (int64_t)r, -1, t, &blob);
        }
        run_sql(db, "COMMIT");
    }
    sqlite3_finalize(s);
    buf_deinit(&blob);
}

static size_t read_blobs(sqlite3 *db, size_t count, int64_t from, int64_t to)
{
    sqlite3_stmt *s = prepare(db, "SELECT points FROM w WHERE second >= ? AND second < ?");
    struct hist *h = hist_new();
    size_t found = 0;

    sqlite3_bind_int64(s, 1, from);
    sqlite3_bind_int64(s, 2, to);
    while (sqlite3_step(s) == SQLITE_ROW)
        found += merge_points(h, sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0),
                              (UINT64_C(1) << count) - 1);
    sqlite3_finalize(s);
    hist_free(h);
    return found;
}

static bool use_zstd;

static void compress(struct buf *blob)
{
    size_t bound = ZSTD_compressBound(blob->len);
    char *out = mem_alloc(bound);
    size_t len = ZSTD_compress(out, bound, blob->data, blob->len, 1);

    ensure(!ZSTD_isError(len));
    buf_reset(blob);
    buf_append(blob, out, len);
    mem_free(out);
}

static void write_chunks(sqlite3 *db, int64_t seconds)
{
    sqlite3_stmt *tail = prepare(db, "INSERT INTO tail VALUES (?, ?, ?)");
    sqlite3_stmt *s = prepare(db, "INSERT INTO w VALUES (?, ?, ?, ?)");
    struct buf blob = BUF_INIT(SIZE_MAX);

    for (int64_t t = 0; t < seconds; t++) {
        run_sql(db, "BEGIN");
        for (size_t r = 0; r < REGIONS; r++) {
            region_blob(r, t, &blob);
            put(tail, (int64_t)r, -1, t, &blob);
        }
        run_sql(db, "COMMIT");
        if (t % CHUNK != CHUNK - 1)
            continue;
        run_sql(db, "BEGIN");
        for (size_t r = 0; r < REGIONS; r++) {
            for (size_t i = 0; i < SERIES; i++) {
                buf_reset(&blob);
                for (int64_t n = 0; n < CHUNK; n++)
                    add_point(&blob, (uint16_t)n, point(i, r, t - CHUNK + 1 + n));
                if (use_zstd)
                    compress(&blob);
                put(s, (int64_t)i, (int64_t)r, t / CHUNK * CHUNK, &blob);
            }
        }
        run_sql(db, "DELETE FROM tail; COMMIT");
    }
    sqlite3_finalize(tail);
    sqlite3_finalize(s);
    buf_deinit(&blob);
}

static size_t read_chunks(sqlite3 *db, size_t count, int64_t from, int64_t to)
{
    sqlite3_stmt *s = prepare(db, "SELECT points FROM w WHERE series = ? AND region = ? AND "
                                  "second >= ? AND second < ?");
    struct hist *h = hist_new();
    size_t found = 0;
    static char plain[1 << 20];

    for (size_t i = 0; i < count; i++) {
        for (int r = 0; r < REGIONS; r++) {
            sqlite3_bind_int64(s, 1, (int64_t)i);
            sqlite3_bind_int64(s, 2, r);
            sqlite3_bind_int64(s, 3, from);
            sqlite3_bind_int64(s, 4, to);
            while (sqlite3_step(s) == SQLITE_ROW) {
                const char *data = sqlite3_column_blob(s, 0);
                size_t len = (size_t)sqlite3_column_bytes(s, 0);

                if (use_zstd) {
                    len = ZSTD_decompress(plain, sizeof plain, data, len);
                    data = plain;
                }
                found += merge_points(h, data, len, UINT64_MAX);
            }
            sqlite3_reset(s);
        }
    }
    sqlite3_finalize(s);
    hist_free(h);
    return found;
}

static const struct layout layouts[] = {
    {"rows",
     "CREATE TABLE w (series INT, region INT, second INT, points BLOB, "
     "PRIMARY KEY (series, region, second)) WITHOUT ROWID",
     write_rows, read_rows},
    {"blobs", "CREATE TABLE w (region INT, second INT, points BLOB); CREATE INDEX i ON w (second)",
     write_blobs, read_blobs},
    {"chunks",
     "CREATE TABLE tail (region INT, second INT, points BLOB);"
     "CREATE TABLE w (series INT, region INT, second INT, points BLOB);"
     "CREATE UNIQUE INDEX i ON w (series, region, second)",
     write_chunks, read_chunks},
};

/* --- measuring ---------------------------------------------------------------------------- */

static double ms_since(int64_t start)
{
    return nsec_to_ms(clock_now() - start);
}

static double time_read(const struct layout *l, sqlite3 *db, size_t count, const int64_t span[2],
                        size_t *found)
{
    double best = 1e9;

    for (int round = 0; round < 3; round++) {
        int64_t start = clock_now();
        double took;

        *found = l->read(db, count, span[0], span[1]);
        took = ms_since(start);
        best = took < best ? took : best;
    }
    return best;
}

static void measure(const struct layout *l, const char *path, int64_t seconds)
{
    sqlite3 *db = open_new(path);
    int64_t start = clock_now();
    int64_t cpu = clock_thread_cpu();
    struct stat st;
    size_t found = 0;
    double one;
    double all;

    run_sql(db, l->schema);
    l->write(db, seconds);
    printf("%-7s%-6s write %6.2f ms/s (CPU %6.2f)", l->name, use_zstd ? "+zstd" : "",
           ms_since(start) / (double)seconds,
           nsec_to_ms(clock_thread_cpu() - cpu) / (double)seconds);
    run_sql(db, "PRAGMA wal_checkpoint(TRUNCATE)");
    ensure(stat(path, &st) == 0);
    one = time_read(l, db, 1, (const int64_t[]){0, 600}, &found);
    all = time_read(l, db, URLS, (const int64_t[]){0, seconds}, &found);
    printf("  %7.1f MB (%5.1f B/point)  one series, 10 min: %7.2f ms  %zu points: %7.1f ms\n",
           (double)st.st_size / 1e6, (double)st.st_size / ((double)seconds * REGIONS * SERIES), one,
           found, all);
    sqlite3_close(db);
    unlink(path);
}

int main(int argc, char **argv)
{
    int64_t seconds = argc > 1 ? strtoll(argv[1], NULL, 10) : 3600;
    static const size_t values[] = {10, 100, 1000};
    char path[] = "/tmp/gale-layouts-XXXXXX";
    int fd = mkstemp(path);

    ensure(fd >= 0);
    close(fd);
    for (size_t v = 0; v < COUNT_OF(values); v++) {
        make_points(values[v]);
        printf("%d series in %d regions, %lld s, %zu values per trend and second\n", SERIES,
               REGIONS, (long long)seconds, values[v]);
        for (size_t i = 0; i < COUNT_OF(layouts); i++) {
            use_zstd = false;
            measure(&layouts[i], path, seconds);
        }
        use_zstd = true;
        measure(&layouts[COUNT_OF(layouts) - 1], path, seconds);
    }
    unlink(path);
    return 0;
}
