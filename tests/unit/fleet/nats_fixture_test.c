#include "nats_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/test.h"

void rig_open(struct rig *r)
{
    *r = (struct rig){.folder = "/tmp/gale-nats-XXXXXX"};
    CHECK(mkdtemp(r->folder));
    CHECK_EQ(loop_new(&r->loop), 0);
}

static void on_exit_(void *arg, const char *why)
{
    struct rig *r = arg;

    r->exits++;
    mem_free(r->why);
    r->why = mem_strdup(why);
}

struct nats_server_config rig_config(struct rig *r)
{
    return (struct nats_server_config){.data = r->folder,
                                       .host = "127.0.0.1",
                                       .max_bytes = 64 << 20,
                                       .loop = r->loop,
                                       .on_exit = on_exit_,
                                       .arg = r};
}

void rig_start(struct rig *r)
{
    struct nats_server_config config;
    struct diag d = DIAG_INIT;

    rig_open(r);
    config = rig_config(r);
    if (nats_server_start(&config, &r->server, &d) != 0)
        test_fail(__FILE__, __LINE__, "%s", d.message);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

void rig_close(struct rig *r)
{
    nats_server_stop(r->server);
    loop_free(r->loop);
    nftw(r->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    mem_free(r->why);
}

static void on_link(void *arg, bool is_up, const char *why)
{
    struct rig *r = arg;

    CHECK(why && *why);
    if (is_up)
        r->ups++;
    else
        r->downs++;
}

struct bus_config rig_bus_config(struct rig *r, const char *url)
{
    return (struct bus_config){.url = url,
                               .name = "test",
                               .connect_timeout_nsec = 5 * NSEC_PER_SEC,
                               .loop = r->loop,
                               .on_link = on_link,
                               .arg = r};
}

struct bus *rig_bus(struct rig *r)
{
    struct bus_config config = rig_bus_config(r, nats_server_url(r->server));
    struct diag d = DIAG_INIT;
    struct bus *bus;

    if (bus_open(&config, &bus, &d) != 0)
        test_fail(__FILE__, __LINE__, "%s", d.message);
    return bus;
}

struct stopper {
    struct timer timer;
    struct loop *loop;
};

static void stop(struct timer *timer)
{
    struct stopper *s = CONTAINER_OF(timer, struct stopper, timer);

    loop_stop(s->loop);
}

void rig_turn(struct rig *r, int ms)
{
    struct stopper s = {.loop = r->loop};

    timer_init(&s.timer, stop);
    timer_start(r->loop, &s.timer, clock_now() + ms * NSEC_PER_MSEC);
    loop_run(r->loop);
}

struct talker {
    int fd;
    const char *text;
};

static void *talk(void *arg)
{
    struct talker *t = arg;

    for (;;) {
        int fd = accept(t->fd, NULL, NULL);

        if (fd >= 0)
            (void)!write(fd, t->text, strlen(t->text)); /* and never closed */
    }
    return NULL;
}

int rig_talker(const char *text)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof addr;
    static struct talker t;
    pthread_t thread;

    t.fd = socket(AF_INET, SOCK_STREAM, 0);
    t.text = text;
    CHECK_EQ(bind(t.fd, (struct sockaddr *)&addr, size), 0);
    CHECK_EQ(getsockname(t.fd, (struct sockaddr *)&addr, &size), 0);
    if (text) {
        CHECK_EQ(listen(t.fd, 16), 0);
        CHECK_EQ(pthread_create(&thread, NULL, talk, &t), 0);
        pthread_detach(thread);
    } else {
        close(t.fd);
    }
    return ntohs(addr.sin_port);
}

static void write_proc(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);

    if (fd >= 0 && write(fd, text, strlen(text)) < 0)
        CHECK(errno == EPERM);
    close(fd);
}

bool rig_mount_small(const char *folder)
{
    char map[32];
    int uid = (int)getuid();
    int gid = (int)getgid();

    if (unshare(CLONE_NEWNS) != 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
            return false;
        snprintf(map, sizeof map, "0 %d 1", uid);
        write_proc("/proc/self/uid_map", map);
        write_proc("/proc/self/setgroups", "deny");
        snprintf(map, sizeof map, "0 %d 1", gid);
        write_proc("/proc/self/gid_map", map);
    }
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", folder, "tmpfs", 0, "size=3m") == 0;
}
