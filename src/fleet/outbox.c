/* A list in order of sequence. Entries whose bytes are on disk have an offset instead; the file is
 * append-only, bytes come back when their turn comes, and it is cut to nothing when none of its
 * entries waits any more: an outage ends with an empty file again. */
#include "fleet/outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "fleet/bus.h"
#include "loop/loop.h"

enum { MAX_IN_FLIGHT = 64, SUBJECT_MAX = 256 };

#define PUBLISH_TIMEOUT (5 * NSEC_PER_SEC)
#define RETRY_NSEC (500 * NSEC_PER_MSEC)
/* After a disk took nothing. */
#define FILE_PAUSE (2 * NSEC_PER_SEC)
#define DEFAULT_MEMORY (UINT64_C(32) << 20)
#define DEFAULT_FILE (UINT64_C(1) << 30)

struct entry {
    struct outbox *outbox; /* NULL: freed while in flight */
    struct entry *next;
    uint64_t sequence;
    char *bytes; /* owned; NULL: in the file */
    size_t len;
    off_t offset;
    bool is_in_flight;
    bool is_done;
    char *subject; /* owned */
    char *id;      /* owned */
};

struct outbox {
    struct outbox_config config;
    struct entry *first;
    struct entry **last;
    struct outbox_stats stats;
    uint64_t memory; /* bytes of entries in memory */
    uint64_t file;   /* size of the file */
    size_t in_flight;
    int fd;                 /* -1: none yet */
    bool file_failed;       /* the last time */
    int64_t file_pause_end; /* then */
    struct timer retry;
};

static void send_some(struct outbox *o);

/* --- the file ------------------------------------------------------------------------------- */

static int open_file(struct outbox *o)
{
    char *path = mem_printf("%s/outbox-XXXXXX", o->config.folder);
    int fd = mkostemp(path, O_CLOEXEC);

    if (fd >= 0)
        unlink(path); /* it lives as long as we do, whatever kills us */
    mem_free(path);
    return fd < 0 ? -errno : fd;
}

/* 0, or why it can't be written. */
static int write_file(struct outbox *o, const struct entry *e)
{
    ssize_t wrote;

    if (o->fd < 0)
        o->fd = open_file(o);
    if (o->fd < 0)
        return o->fd;
    wrote = pwrite(o->fd, e->bytes, e->len, (off_t)o->file);
    if (wrote < 0)
        return -errno;
    return wrote == (ssize_t)e->len ? 0 : -ENOSPC;
}

/* Says it once for as long as it stays so. */
static void note_file(struct outbox *o, int err)
{
    if (err && !o->file_failed)
        log_printf(LOG_WARN, "measurements wait in memory only: can't write in %s: %s",
                   o->config.folder, err_text(err));
    else if (!err && o->file_failed)
        log_printf(LOG_INFO, "measurements wait in %s again", o->config.folder);
    o->file_failed = err != 0;
    o->file_pause_end = err ? clock_now() + FILE_PAUSE : 0;
}

/* Where it can't be written it stays in memory. */
static void spill(struct outbox *o, struct entry *e)
{
    int err;

    if (!o->config.folder || o->file + e->len > o->config.max_file ||
        (o->file_failed && clock_now() < o->file_pause_end))
        return;
    err = write_file(o, e);
    note_file(o, err);
    if (err)
        return;
    e->offset = (off_t)o->file;
    o->file += e->len;
    o->memory -= e->len;
    o->stats.in_file++;
    mem_free(e->bytes);
    e->bytes = NULL;
}

static void leave_file(struct outbox *o)
{
    if (--o->stats.in_file > 0)
        return;
    o->file = 0;
    if (ftruncate(o->fd, 0) != 0)
        note_file(o, -errno);
}

/* The bytes of an entry, from the file if need be; false when that can't be read. */
static bool fetch(struct outbox *o, struct entry *e)
{
    if (e->bytes)
        return true;
    e->bytes = mem_alloc(e->len);
    if (pread(o->fd, e->bytes, e->len, e->offset) != (ssize_t)e->len) {
        mem_free(e->bytes);
        e->bytes = NULL;
        return false;
    }
    o->memory += e->len;
    leave_file(o);
    return true;
}

/* --- entries -------------------------------------------------------------------------------- */

static void free_entry(struct entry *e)
{
    mem_free(e->bytes);
    mem_free(e->subject);
    mem_free(e->id);
    mem_free(e);
}

static void forget(struct outbox *o, struct entry *e)
{
    o->stats.waiting--;
    o->stats.waiting_bytes -= e->len;
    if (e->bytes)
        o->memory -= e->len;
    else
        leave_file(o);
    e->is_done = true;
}

/* Takes those that are done from the front: what is left says how far everything is known. */
static void sweep(struct outbox *o)
{
    while (o->first && o->first->is_done && !o->first->is_in_flight) {
        struct entry *e = o->first;

        o->stats.acknowledged = e->sequence;
        o->first = e->next;
        if (!o->first)
            o->last = &o->first;
        free_entry(e);
    }
}

/* Of those in memory; false when there is none. */
static bool drop_oldest(struct outbox *o)
{
    for (struct entry *e = o->first; e; e = e->next) {
        if (e->is_done || e->is_in_flight || !e->bytes)
            continue;
        forget(o, e);
        o->stats.dropped++;
        if (o->stats.dropped == 1)
            log_printf(LOG_ERROR, "the controller is out of reach for too long: the oldest "
                                  "measurements are dropped from now on");
        return true;
    }
    return false;
}

static void on_published(void *arg, int err)
{
    struct entry *e = arg;
    struct outbox *o = e->outbox;

    if (!o) {
        free_entry(e);
        return;
    }
    e->is_in_flight = false;
    o->in_flight--;
    if (err == 0 && !e->is_done)
        forget(o, e);
    sweep(o);
    if (err == 0)
        send_some(o);
    else if (!timer_is_running(&o->retry))
        timer_start(o->config.loop, &o->retry, clock_now() + RETRY_NSEC);
}

static void send_some(struct outbox *o)
{
    for (struct entry *e = o->first; e && o->in_flight < MAX_IN_FLIGHT; e = e->next) {
        if (e->is_done || e->is_in_flight)
            continue;
        if (!fetch(o, e)) {
            forget(o, e);
            o->stats.dropped++;
            continue;
        }
        if (bus_stream_publish(o->config.bus, e->subject, e->id, str_from(e->bytes, e->len),
                               PUBLISH_TIMEOUT, on_published, e) != 0) {
            if (!timer_is_running(&o->retry))
                timer_start(o->config.loop, &o->retry, clock_now() + RETRY_NSEC);
            return;
        }
        e->is_in_flight = true;
        o->in_flight++;
    }
}

static void retry(struct timer *timer)
{
    send_some(CONTAINER_OF(timer, struct outbox, retry));
}

/* --- the outbox ----------------------------------------------------------------------------- */

struct outbox *outbox_new(const struct outbox_config *config)
{
    struct outbox *o = mem_zalloc(sizeof *o);

    o->config = *config;
    if (o->config.max_memory == 0)
        o->config.max_memory = DEFAULT_MEMORY;
    if (o->config.max_file == 0)
        o->config.max_file = DEFAULT_FILE;
    o->last = &o->first;
    o->fd = -1;
    timer_init(&o->retry, retry);
    return o;
}

void outbox_clear(struct outbox *o)
{
    timer_stop(o->config.loop, &o->retry);
    for (struct entry *e = o->first, *next; e; e = next) {
        next = e->next;
        if (!e->is_done)
            forget(o, e);
        if (e->is_in_flight)
            e->outbox = NULL; /* its answer frees it */
        else
            free_entry(e);
    }
    o->in_flight = 0;
    o->first = NULL;
    o->last = &o->first;
}

void outbox_free(struct outbox *o)
{
    if (!o)
        return;
    outbox_clear(o);
    if (o->fd >= 0)
        close(o->fd);
    mem_free(o);
}

void outbox_add(struct outbox *o, const char *subject, const char *id, uint64_t sequence,
                char *bytes, size_t len)
{
    struct entry *e = mem_zalloc(sizeof *e);

    *e = (struct entry){
        .outbox = o,
        .sequence = sequence,
        .bytes = bytes,
        .len = len,
        .subject = mem_strdup(subject),
        .id = mem_strdup(id),
    };
    *o->last = e;
    o->last = &e->next;
    o->stats.waiting++;
    o->stats.waiting_bytes += len;
    o->memory += len;
    if (o->memory > o->config.max_memory / 4)
        spill(o, e);
    while (o->memory > o->config.max_memory && drop_oldest(o))
        ;
    if (!timer_is_running(&o->retry))
        send_some(o);
}

void outbox_kick(struct outbox *o)
{
    timer_stop(o->config.loop, &o->retry);
    send_some(o);
}

void outbox_stats(const struct outbox *o, struct outbox_stats *out)
{
    *out = o->stats;
}
