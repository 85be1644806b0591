/* Streams and buckets against a real nats-server that is killed in between. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "fleet/bus.h"
#include "nats_fixture.h"
#include "support/test.h"

static void make_stream(struct bus *bus, int64_t max_bytes)
{
    struct bus_stream_config config = {
        .name = "DATA", .subjects = "d.>", .max_bytes = max_bytes, .max_age_nsec = 0};
    struct diag d = DIAG_INIT;

    if (bus_stream_make(bus, &config, &d) != 0)
        test_fail(__FILE__, __LINE__, "%s", d.message);
}

static void fill(const char *path, size_t size)
{
    char *bytes = mem_zalloc(size);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    CHECK_EQ(write(fd, bytes, size), (ssize_t)size);
    close(fd);
    mem_free(bytes);
}

/* --- a writer that sends again until it has been told that the stream has it ------------------ */

struct writer {
    struct bus *bus;
    struct loop *loop;
    int next; /* to be sent */
    int last;
    int waiting;
    int acked;
    int failed; /* and sent again */
    int err;    /* the last one */
    size_t size;
};

struct letter {
    struct writer *w;
    int number;
};

static void on_ack(void *arg, int err);

static void send_letter(struct letter *l)
{
    char *bytes = mem_zalloc(l->w->size + 16);
    char id[16];
    int err;

    snprintf(bytes, 16, "%d", l->number);
    snprintf(id, sizeof id, "%d", l->number);
    l->w->waiting++;
    err = bus_stream_publish(l->w->bus, "d.x", id,
                             str_from(bytes, l->w->size ? l->w->size : strlen(bytes)),
                             2 * NSEC_PER_SEC, on_ack, l);
    mem_free(bytes);
    if (err < 0)
        on_ack(l, err);
}

struct again {
    struct timer timer;
    struct letter *letter;
};

static void on_again(struct timer *timer)
{
    struct again *a = CONTAINER_OF(timer, struct again, timer);

    a->letter->w->waiting--;
    send_letter(a->letter);
    mem_free(a);
}

static void on_ack(void *arg, int err)
{
    struct letter *l = arg;
    struct writer *w = l->w;
    struct again *a;

    if (err == 0) {
        w->waiting--;
        w->acked++;
        mem_free(l);
        return;
    }
    w->failed++;
    w->err = err;
    if (!w->loop) { /* does not send again */
        w->waiting--;
        mem_free(l);
        return;
    }
    a = mem_alloc(sizeof *a);
    timer_init(&a->timer, on_again);
    a->letter = l;
    timer_start(w->loop, &a->timer, clock_now() + 20 * NSEC_PER_MSEC);
}

/* At most 500 under way. */
static void write_on(struct writer *w)
{
    while (w->next <= w->last && w->waiting < 500) {
        struct letter *l = mem_alloc(sizeof *l);

        *l = (struct letter){w, w->next++};
        send_letter(l);
    }
}

/* --- a reader that counts what it gets -------------------------------------------------------- */

struct reader {
    int *seen; /* times, per number */
    int max;
    int count;
    int wrong;
    uint64_t sequence;
};

static void on_letter(void *arg, const struct bus_message *m)
{
    struct reader *r = arg;
    uint64_t number = 0;

    /* The rest of a large one is zeros. */
    CHECK(str_to_u64(str_from(m->data.ptr, strnlen(m->data.ptr, m->data.len)), &number));
    CHECK(number >= 1 && number <= (uint64_t)r->max);
    CHECK(m->sequence > r->sequence);
    CHECK(str_eq_c(m->subject, "d.x"));
    r->sequence = m->sequence;
    r->seen[number]++;
    r->count++;
}

static struct reader reader_new(int max)
{
    return (struct reader){.seen = mem_calloc((size_t)max + 1, sizeof(int)), .max = max};
}

static void all_once(struct reader *r)
{
    for (int i = 1; i <= r->max; i++)
        CHECK_EQ(r->seen[i], 1);
    mem_free(r->seen);
}

static struct bus_sub *follow(struct bus *bus, uint64_t from, struct reader *r)
{
    struct bus_follow what = {.stream = "DATA", .subject = "d.x", .from = from, .limit = 100000};
    struct bus_sub *sub;

    CHECK_EQ(bus_stream_follow(bus, &what, on_letter, r, &sub), 0);
    return sub;
}

TEST(bus_stream_is_followed_from_its_beginning_and_from_anywhere)
{
    struct writer w = {.next = 1, .last = 2000};
    struct reader all = reader_new(2000);
    struct reader some = reader_new(2000);
    struct bus_sub *sub;
    struct rig r;

    rig_start(&r);
    w.bus = rig_bus(&r);
    w.loop = r.loop;
    make_stream(w.bus, 0);
    make_stream(w.bus, 0); /* it is there already */
    for (write_on(&w); w.acked < 1000; write_on(&w))
        rig_turn(&r, 1);
    sub = follow(w.bus, 1, &all);
    (void)follow(w.bus, 1001, &some);
    RUN_UNTIL(&r, (write_on(&w), w.acked == 2000 && all.count == 2000 && some.count == 1000));
    CHECK_EQ(some.seen[1001], 1);
    CHECK_EQ(some.sequence, 2000);
    bus_unsubscribe(sub);
    bus_close(w.bus);
    all_once(&all);
    mem_free(some.seen);
    rig_close(&r);
}

/* 10,000 messages, and the server is killed three times in their midst. */
TEST(bus_stream_loses_and_doubles_nothing_when_the_server_is_killed)
{
    struct writer w = {.next = 1, .last = 10000};
    struct reader reader = reader_new(10000);
    struct bus *other;
    struct rig r;
    int kills = 0;

    rig_start(&r);
    w.bus = rig_bus(&r);
    w.loop = r.loop;
    other = rig_bus(&r);
    make_stream(w.bus, 0);
    (void)follow(other, 1, &reader);
    while (w.acked < 10000 || reader.count < 10000) {
        write_on(&w);
        rig_turn(&r, 1);
        if (kills < 3 && w.acked > 2500 * (kills + 1) && nats_server_pid(r.server) > 0) {
            kill(nats_server_pid(r.server), SIGKILL);
            kills++;
        }
    }
    rig_turn(&r, 50);
    CHECK_EQ(kills, 3);
    CHECK_EQ(r.exits, 3);
    CHECK(w.failed > 0);
    CHECK_EQ(reader.count, 10000);
    bus_close(w.bus);
    bus_close(other);
    all_once(&reader);
    rig_close(&r);
}

/* What is larger than the follower's limit comes too, one at a time. */
TEST(bus_stream_follows_large_messages)
{
    struct writer w = {.next = 1, .last = 8, .size = 300000};
    struct reader reader = reader_new(8);
    struct rig r;

    rig_start(&r);
    w.bus = rig_bus(&r);
    w.loop = r.loop;
    make_stream(w.bus, 0);
    (void)follow(w.bus, 1, &reader);
    RUN_UNTIL(&r, (write_on(&w), reader.count == 8));
    bus_close(w.bus);
    all_once(&reader);
    rig_close(&r);
}

TEST(bus_stream_may_come_later_and_be_made_anew)
{
    struct writer w = {.next = 1, .last = 5};
    struct reader reader = reader_new(5);
    char command[256];
    struct nats_server_config config;
    struct diag d = DIAG_INIT;
    struct rig r;

    rig_start(&r);
    w.bus = rig_bus(&r);
    w.loop = r.loop;
    (void)follow(w.bus, 1, &reader);
    rig_turn(&r, 50);
    make_stream(w.bus, 0);
    RUN_UNTIL(&r, (write_on(&w), reader.count == 5));
    /* The server comes back with an empty folder. */
    nats_server_stop(r.server);
    snprintf(command, sizeof command, "rm -r %s/jetstream", r.folder);
    CHECK_EQ(system(command), 0); /* NOLINT */
    config = rig_config(&r);
    CHECK_EQ(nats_server_start(&config, &r.server, &d), 0);
    RUN_UNTIL(&r, r.ups == 2);
    reader.sequence = 0;
    make_stream(w.bus, 0);
    w.next = 1;
    RUN_UNTIL(&r, (write_on(&w), reader.count == 10));
    bus_close(w.bus);
    mem_free(reader.seen);
    rig_close(&r);
}

TEST(bus_stream_says_when_it_is_full_and_works_again_afterwards)
{
    struct writer w = {.next = 1, .last = 20, .size = 10000};
    struct writer more = {.next = 21, .last = 25, .size = 10000};
    struct reader reader = reader_new(25);
    struct rig r;

    rig_start(&r);
    w.bus = rig_bus(&r);
    make_stream(w.bus, 102400);
    RUN_UNTIL(&r, (write_on(&w), w.next == 21 && w.waiting == 0));
    CHECK_EQ(w.acked, 10);
    CHECK_EQ(w.failed, 10);
    CHECK_EQ(w.err, -ENOSPC);
    (void)follow(w.bus, 1, &reader);
    RUN_UNTIL(&r, reader.count == 10); /* what it has acknowledged it keeps */
    bus_stream_purge(w.bus, "DATA", "d.x");
    more.bus = w.bus;
    RUN_UNTIL(&r, (write_on(&more), more.acked == 5 && reader.count == 15));
    CHECK_EQ(more.failed, 0);
    bus_close(w.bus);
    mem_free(reader.seen);
    rig_close(&r);
}

/* A stream of nats-server hangs for good when the disk was full; ours is started again. */
TEST(bus_stream_goes_on_after_a_full_disk)
{
    struct writer w = {.next = 1, .last = 20, .size = 100000};
    struct reader reader = reader_new(20);
    struct nats_server_config config;
    struct diag d = DIAG_INIT;
    char other[96];
    struct rig r;

    rig_open(&r);
    if (!rig_mount_small(r.folder)) {
        rig_close(&r);
        return;
    }
    config = rig_config(&r);
    if (nats_server_start(&config, &r.server, &d) != 0)
        test_fail(__FILE__, __LINE__, "%s", d.message);
    snprintf(other, sizeof other, "%s/other", r.folder);
    fill(other, 1800000);
    w.bus = rig_bus(&r);
    w.loop = r.loop;
    make_stream(w.bus, 0);
    (void)follow(w.bus, 1, &reader);
    RUN_UNTIL(&r, (write_on(&w), w.failed > 0));
    CHECK(w.acked > 5 && w.acked < 15);
    CHECK_EQ(unlink(other), 0);
    RUN_UNTIL(&r, w.acked == 20 && reader.count == 20);
    rig_turn(&r, 50);
    bus_close(w.bus);
    all_once(&reader);
    nats_server_stop(r.server);
    r.server = NULL;
    CHECK_EQ(umount2(r.folder, MNT_DETACH), 0);
    rig_close(&r);
}

/* Errors come soon when it is cut off, and what was sent twice is kept once. */
TEST(bus_stream_publishes_once_and_fails_fast)
{
    struct writer w = {.next = 1, .last = 3};
    struct writer twice = {.next = 1, .last = 3};
    struct writer cut = {.next = 1, .last = 3};
    struct reader reader = reader_new(3);
    struct bus_sub *sub;
    int64_t began;
    struct rig r;

    rig_start(&r);
    w.bus = rig_bus(&r);
    make_stream(w.bus, 0);
    twice.bus = w.bus;
    cut.bus = w.bus;
    CHECK_EQ(bus_stream_publish(w.bus, "nowhere", NULL, STR("x"), NSEC_PER_SEC, on_ack,
                                mem_dup(&(struct letter){&w, 0}, sizeof(struct letter))),
             0);
    RUN_UNTIL(&r, w.failed == 1);
    CHECK_EQ(w.err, ERR_NOBODY);
    RUN_UNTIL(&r, (write_on(&w), w.acked == 3));
    RUN_UNTIL(&r, (write_on(&twice), twice.acked == 3));
    sub = follow(w.bus, 1, &reader);
    RUN_UNTIL(&r, reader.count == 3);
    rig_turn(&r, 20);
    all_once(&reader);
    bus_unsubscribe(sub);
    began = clock_now();
    kill(nats_server_pid(r.server), SIGSTOP);
    write_on(&cut); /* 2 s */
    kill(nats_server_pid(r.server), SIGKILL);
    RUN_UNTIL(&r, cut.failed == 3);
    CHECK_EQ(cut.err, ERR_LINK_DOWN);
    CHECK(clock_now() - began < 2 * NSEC_PER_SEC);
    bus_close(w.bus);
    rig_close(&r);
}

/* --- buckets ---------------------------------------------------------------------------------- */

struct kept {
    int calls;
    int err;
    uint64_t revision;
    int entries;
    int ends;
    char text[256];
};

static void on_change(void *arg, int err, uint64_t revision)
{
    struct kept *k = arg;

    k->calls++;
    k->err = err;
    k->revision = revision;
}

static void on_entry(void *arg, int err, const struct bus_entry *e)
{
    struct kept *k = arg;
    size_t at = strlen(k->text);

    k->err = err;
    if (!e) {
        k->ends++;
        return;
    }
    k->entries++;
    snprintf(k->text + at, sizeof k->text - at, "%.*s=%.*s@%d ", STR_ARG(e->key), STR_ARG(e->value),
             (int)e->revision);
}

static void put(struct rig *r, struct bus *bus, const char *key, const char *value,
                uint64_t revision, struct kept *k)
{
    struct bus_entry e = {str_of(key), str_of(value), revision};
    int calls = k->calls;

    CHECK_EQ(bus_bucket_put(bus, "B", &e, on_change, k), 0);
    RUN_UNTIL(r, k->calls == calls + 1);
}

static void list(struct rig *r, struct bus *bus, struct kept *k)
{
    k->text[0] = '\0';
    k->entries = 0;
    k->ends = 0;
    CHECK_EQ(bus_bucket_list(bus, "B", on_entry, k), 0);
    RUN_UNTIL(r, k->ends == 1);
}

TEST(bus_bucket_knows_who_was_first)
{
    struct kept k = {0};
    struct bus *bus;
    struct diag d = DIAG_INIT;
    struct rig r;

    rig_start(&r);
    bus = rig_bus(&r);
    CHECK_EQ(bus_bucket_make(bus, "B", 0, &d), 0);
    CHECK_EQ(bus_bucket_make(bus, "B", 0, &d), 0);
    list(&r, bus, &k);
    CHECK_EQ(k.err, 0);
    CHECK_EQ(k.entries, 0);
    put(&r, bus, "a", "1", 0, &k);
    CHECK_EQ(k.err, 0);
    CHECK_EQ(k.revision, 1);
    put(&r, bus, "a", "2", 0, &k);
    CHECK_EQ(k.err, ERR_EXISTS);
    put(&r, bus, "b.c", "3", 0, &k);
    CHECK_EQ(k.err, 0);
    put(&r, bus, "a", "4", 1, &k);
    CHECK_EQ(k.err, 0);
    CHECK_EQ(k.revision, 3);
    put(&r, bus, "a", "5", 1, &k);
    CHECK_EQ(k.err, ERR_EXISTS);
    put(&r, bus, "e", "", BUS_ANY_REVISION, &k);
    CHECK_EQ(k.err, 0);
    list(&r, bus, &k);
    CHECK_TEXT(k.text, "b.c=3@2 a=4@3 e=@4 ");
    /* It outlives the server. */
    kill(nats_server_pid(r.server), SIGKILL);
    RUN_UNTIL(&r, r.ups == 2);
    list(&r, bus, &k);
    CHECK_TEXT(k.text, "b.c=3@2 a=4@3 e=@4 ");
    k.calls = 0;
    CHECK_EQ(bus_bucket_delete(bus, "B", STR("a"), on_change, &k), 0);
    RUN_UNTIL(&r, k.calls == 1);
    CHECK_EQ(k.err, 0);
    put(&r, bus, "a", "6", 0, &k);
    CHECK_EQ(k.err, 0);
    list(&r, bus, &k);
    CHECK_TEXT(k.text, "b.c=3@2 e=@4 a=6@5 ");
    bus_close(bus);
    rig_close(&r);
}

TEST(bus_bucket_forgets_after_its_time)
{
    struct kept k = {0};
    struct bus *bus;
    struct diag d = DIAG_INIT;
    struct rig r;

    rig_start(&r);
    bus = rig_bus(&r);
    CHECK_EQ(bus_bucket_make(bus, "B", 500 * NSEC_PER_MSEC, &d), 0);
    put(&r, bus, "lease", "me", 0, &k);
    CHECK_EQ(k.err, 0);
    put(&r, bus, "lease", "you", 0, &k);
    CHECK_EQ(k.err, ERR_EXISTS);
    RUN_UNTIL(&r, (put(&r, bus, "lease", "you", 0, &k), k.err == 0));
    list(&r, bus, &k);
    CHECK(strncmp(k.text, "lease=you@", 10) == 0);
    bus_close(bus);
    rig_close(&r);
}

static void close_in_list(void *arg, int err, const struct bus_entry *e)
{
    struct kept *k = arg;

    if (e) {
        k->entries++;
        bus_close(*(struct bus **)(void *)k->text);
        return;
    }
    k->ends++;
    k->err = err;
}

TEST(bus_bucket_ends_with_the_bus)
{
    struct kept k = {0};
    struct bus *bus;
    struct diag d = DIAG_INIT;
    struct rig r;

    rig_start(&r);
    bus = rig_bus(&r);
    CHECK_EQ(bus_bucket_make(bus, "B", 0, &d), 0);
    CHECK_EQ(bus_bucket_list(bus, "no such", on_entry, &k), ERR_INVALID);
    CHECK_EQ(bus_bucket_list(bus, "none", on_entry, &k), 0);
    RUN_UNTIL(&r, k.ends == 1);
    CHECK_EQ(k.err, ERR_NOT_FOUND);
    put(&r, bus, "a", "1", 0, &k);
    put(&r, bus, "b", "2", 0, &k);
    k.ends = 0;
    memcpy(k.text, &bus, sizeof(struct bus *));
    CHECK_EQ(bus_bucket_list(bus, "B", close_in_list, &k), 0);
    RUN_UNTIL(&r, k.ends == 1);
    CHECK_EQ(k.err, ERR_CANCELLED);
    CHECK_EQ(k.entries, 1);
    rig_close(&r);
}
