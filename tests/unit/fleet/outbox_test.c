/* What waits while nats-server is away: in memory, on a disk, on a disk that is full. */
#include "fleet/outbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "nats_fixture.h"
#include "support/test.h"

enum { MESSAGE = 1000, MANY = 400 };

struct post {
    struct rig rig;
    struct bus *bus;
    struct outbox *outbox;
    char disk[64]; /* a folder for the file */
    int added;
    int seen[MANY + 1];
    int read;
    int last;
};

static void start_server(struct post *p)
{
    struct nats_server_config config = rig_config(&p->rig);
    struct diag d = DIAG_INIT;

    if (nats_server_start(&config, &p->rig.server, &d) != 0)
        test_fail(__FILE__, __LINE__, "%s", d.message);
}

/* Then nothing leaves the outbox. */
static void stop_server(struct post *p)
{
    nats_server_stop(p->rig.server);
    p->rig.server = NULL;
    RUN_UNTIL(&p->rig, p->rig.downs == 1);
}

static void post_open(struct post *p, uint64_t max_memory, uint64_t max_file)
{
    struct bus_stream_config stream = {.name = "DATA", .subjects = "d.>"};
    struct outbox_config config = {.max_memory = max_memory, .max_file = max_file};
    struct diag d = DIAG_INIT;

    *p = (struct post){.disk = "/tmp/gale-outbox-XXXXXX"};
    CHECK(mkdtemp(p->disk));
    rig_start(&p->rig);
    p->bus = rig_bus(&p->rig);
    RUN_UNTIL(&p->rig, p->rig.ups == 1);
    CHECK_EQ(bus_stream_make(p->bus, &stream, &d), 0);
    config.bus = p->bus;
    config.loop = p->rig.loop;
    config.folder = p->disk;
    p->outbox = outbox_new(&config);
}

static void post_close(struct post *p)
{
    outbox_free(p->outbox);
    bus_close(p->bus);
    rig_close(&p->rig);
    CHECK_EQ(rmdir(p->disk), 0); /* nothing is left of the file */
}

static void add(struct post *p, int count)
{
    for (int i = 0; i < count; i++) {
        char *bytes = mem_zalloc(MESSAGE);
        char id[16];

        snprintf(bytes, MESSAGE, "%d", ++p->added);
        snprintf(id, sizeof id, "%d", p->added);
        outbox_add(p->outbox, "d.x", id, (uint64_t)p->added, bytes, MESSAGE);
    }
}

static struct outbox_stats stats(const struct post *p)
{
    struct outbox_stats now;

    outbox_stats(p->outbox, &now);
    return now;
}

static void on_message(void *arg, const struct bus_message *m)
{
    struct post *p = arg;
    int number = (int)strtol(m->data.ptr, NULL, 10);

    CHECK_EQ(m->data.len, MESSAGE);
    CHECK(number >= 1 && number <= MANY);
    p->seen[number]++;
    p->read++;
    p->last = number;
}

/* The server is back: everything that was not dropped arrives, once. */
static void deliver(struct post *p)
{
    struct bus_follow what = {.stream = "DATA", .subject = "d.x", .from = 1, .limit = 100000};
    struct bus_sub *sub;

    start_server(p);
    RUN_UNTIL(&p->rig, p->rig.ups == 2);
    CHECK_EQ(bus_stream_follow(p->bus, &what, on_message, p, &sub), 0);
    outbox_kick(p->outbox);
    RUN_UNTIL(&p->rig, stats(p).waiting == 0 && p->read == p->added - (int)stats(p).dropped);
    rig_turn(&p->rig, 50);
    for (int i = 1; i <= p->added; i++)
        CHECK(p->seen[i] <= 1);
    CHECK_EQ(p->read, p->added - (int)stats(p).dropped);
    CHECK_EQ(stats(p).acknowledged, p->added);
    CHECK_EQ(stats(p).in_file, 0);
    CHECK_EQ(stats(p).waiting_bytes, 0);
}

TEST(outbox_waits_on_the_disk_and_delivers_all_of_it)
{
    struct post p;

    post_open(&p, 80000, 0);
    add(&p, 5);
    RUN_UNTIL(&p.rig, stats(&p).acknowledged == 5);
    stop_server(&p);
    add(&p, 295);
    CHECK_EQ(stats(&p).waiting, 295);
    CHECK_EQ(stats(&p).in_file, 275); /* all but a quarter of what memory may hold */
    CHECK_EQ(stats(&p).dropped, 0);
    deliver(&p);
    CHECK_EQ(stats(&p).dropped, 0);
    /* The file is used again. */
    p.rig.ups = 1;
    p.rig.downs = 0;
    stop_server(&p);
    add(&p, 100);
    CHECK_EQ(stats(&p).in_file, 80);
    outbox_clear(p.outbox);
    CHECK_EQ(stats(&p).in_file, 0);
    post_close(&p);
}

/* The oldest go first, and are counted. */
TEST(outbox_is_bounded)
{
    struct post p;

    post_open(&p, 80000, 100000);
    stop_server(&p);
    add(&p, 300);
    CHECK_EQ(stats(&p).in_file, 100);
    CHECK_EQ(stats(&p).waiting, 180);
    CHECK_EQ(stats(&p).dropped, 120);
    deliver(&p);
    CHECK_EQ(p.seen[1], 0);
    CHECK_EQ(p.seen[300], 1);
    post_close(&p);
}

/* Takes all the room of the file system. */
static void fill(const char *folder, char *path, size_t size)
{
    int fd;

    snprintf(path, size, "%s/ballast", folder);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    CHECK(fd >= 0);
    while (write(fd, path, 1) == 1)
        CHECK(lseek(fd, 4095, SEEK_CUR) > 0);
    close(fd);
}

TEST(outbox_keeps_what_a_full_disk_refuses)
{
    char ballast[96];
    struct post p;

    post_open(&p, 400000, 0);
    if (!rig_mount_small(p.disk)) {
        post_close(&p);
        return;
    }
    fill(p.disk, ballast, sizeof ballast);
    stop_server(&p);
    add(&p, 200);
    CHECK_EQ(stats(&p).in_file, 0); /* the disk has taken none */
    CHECK_EQ(stats(&p).waiting, 200);
    CHECK_EQ(unlink(ballast), 0);
    /* There is room again: it is tried again after a while. */
    RUN_UNTIL(&p.rig, (p.added < MANY && stats(&p).in_file == 0 ? (rig_turn(&p.rig, 50), add(&p, 1))
                                                                : (void)0,
                       stats(&p).in_file > 0));
    add(&p, 5);
    CHECK_EQ(stats(&p).in_file, 6);
    CHECK_EQ(stats(&p).dropped, 0);
    deliver(&p);
    CHECK_EQ(stats(&p).dropped, 0);
    CHECK_EQ(umount2(p.disk, MNT_DETACH), 0);
    post_close(&p);
}
