#include "fleet/nats_folder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

/* --- files ------------------------------------------------------------------------------------ */

static int make_folders(const char *path)
{
    char *copy = mem_strdup(path);
    int err = 0;

    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(copy, 0777); /* what fails shows at the last one */
        *slash = '/';
    }
    if (mkdir(copy, 0700) != 0 && errno != EEXIST)
        err = -errno;
    mem_free(copy);
    return err;
}

int nats_folder_open(struct nats_folder *f, const char *path, struct diag *d)
{
    char *real;
    char *lock;
    int err = make_folders(path);

    *f = (struct nats_folder){.lock_fd = -1};
    if (err < 0)
        return diag_set(d, err, "the folder %s can't be made: %s", path, err_text(err));
    /* The server reads relative paths from the place of its configuration. */
    real = realpath(path, NULL);
    if (!real)
        return diag_set(d, -errno, "the folder %s: %s", path, err_text(-errno));
    f->path = mem_strdup(real);
    free(real);
    f->config_path = mem_printf("%s/nats.conf", f->path);
    f->store_path = mem_printf("%s/jetstream", f->path);
    f->port_path = mem_printf("%s/nats.port", f->path);
    lock = mem_printf("%s/nats.lock", f->path);
    f->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f->lock_fd < 0)
        err = diag_set(d, -errno, "the folder %s is not writable: %s; choose another with --data",
                       path, err_text(-errno));
    else if (flock(f->lock_fd, LOCK_EX | LOCK_NB) != 0)
        err = diag_set(d, -errno,
                       "the folder %s is in use by another controller: end that one, or choose "
                       "another folder with --data",
                       path);
    mem_free(lock);
    return err;
}

void nats_folder_close(struct nats_folder *f)
{
    if (!f->path)
        return;
    if (f->lock_fd >= 0)
        close(f->lock_fd);
    mem_free(f->path);
    mem_free(f->config_path);
    mem_free(f->store_path);
    mem_free(f->port_path);
    *f = (struct nats_folder){.lock_fd = -1};
}

static _Thread_local int64_t counted;

static int count_file(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)path;
    (void)kind;
    (void)where;
    counted += (int64_t)st->st_blocks * 512;
    return 0;
}

int64_t nats_folder_room(const struct nats_folder *f)
{
    struct statvfs vfs;

    counted = 0;
    (void)nftw(f->store_path, count_file, 16, FTW_PHYS);
    if (statvfs(f->path, &vfs) == 0)
        counted += (int64_t)((double)vfs.f_bavail * (double)vfs.f_frsize * 0.9);
    return counted > 1 << 20 ? counted : 1 << 20;
}

/* The largest message has 8 MB; a small file system is not full before seven eighths. */
enum nats_space nats_folder_space(const struct nats_folder *f)
{
    struct statvfs vfs;
    uint64_t full = 8 << 20;
    uint64_t left;

    if (statvfs(f->path, &vfs) != 0)
        return NATS_SPACE_LOW;
    left = (uint64_t)vfs.f_bavail * vfs.f_frsize;
    if ((uint64_t)vfs.f_blocks * vfs.f_frsize / 8 < full)
        full = (uint64_t)vfs.f_blocks * vfs.f_frsize / 8;
    if (left < full)
        return NATS_SPACE_NONE;
    return left < full * 2 ? NATS_SPACE_LOW : NATS_SPACE_ENOUGH;
}

int nats_folder_write(const char *path, const char *text, struct diag *d)
{
    char *half = mem_printf("%s.new", path);
    int fd = open(half, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t len = strlen(text);
    int err = 0;

    errno = fd < 0 ? errno : 0;
    if (fd < 0 || write(fd, text, len) != (ssize_t)len || rename(half, path) != 0) {
        err = errno ? -errno : -ENOSPC;
        diag_set(d, err, "%s can't be written: %s", path, err_text(err));
    }
    if (fd >= 0)
        close(fd);
    mem_free(half);
    return err;
}

/* --- the address ------------------------------------------------------------------------------ */

/* A socket for `host`:`port`, and its address; negative errno, or ERR_DNS. */
static int open_socket(const char *host, int port, struct sockaddr_storage *addr, socklen_t *size)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list;
    char *service = mem_printf("%d", port);
    int err = getaddrinfo(host, service, &hints, &list);
    int fd;

    mem_free(service);
    if (err != 0)
        return ERR_DNS;
    memcpy(addr, list->ai_addr, list->ai_addrlen);
    *size = list->ai_addrlen;
    fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    err = -errno;
    freeaddrinfo(list);
    return fd < 0 ? err : fd;
}

static int port_of(const struct sockaddr_storage *addr)
{
    if (addr->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)addr)->sin6_port);
    return ntohs(((const struct sockaddr_in *)(const void *)addr)->sin_port);
}

/* Whether `port` is free there; with 0, one that is. */
static int try_port(const char *host, int port, int *out)
{
    struct sockaddr_storage addr;
    socklen_t size;
    int on = 1;
    int fd = open_socket(host, port, &addr, &size);
    int err = 0;

    if (fd < 0)
        return fd;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&addr, size) != 0 || listen(fd, 1) != 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &size) != 0)
        err = -errno;
    else
        *out = port_of(&addr);
    close(fd);
    return err;
}

static int kept_port(const struct nats_folder *f)
{
    char text[16] = "";
    uint64_t port = 0;
    int fd = open(f->port_path, O_RDONLY | O_CLOEXEC);
    ssize_t len;

    if (fd < 0)
        return 0;
    len = read(fd, text, sizeof text - 1);
    close(fd);
    if (len <= 0 || !str_to_u64(str_trim(str_from(text, (size_t)len)), &port) || port > 65535)
        return 0;
    return (int)port;
}

int nats_folder_port(const struct nats_folder *f, const char *host, int wanted, int *out,
                     struct diag *d)
{
    int kept = wanted ? 0 : kept_port(f);
    int port = wanted ? wanted : kept;
    int err = try_port(host, port, out);
    char *text;

    if (err == ERR_DNS)
        return diag_set(d, err, "%s is no address of this machine to listen on", host);
    if (err == -EADDRINUSE && kept)
        return diag_set(d, err,
                        "port %d of %s, which this folder's agents know, is taken by another "
                        "program: end that one, or remove %s for a new port",
                        port, host, f->port_path);
    if (err == -EADDRINUSE)
        return diag_set(d, err,
                        "port %d of %s is taken by another program: end that one, or choose "
                        "another port",
                        port, host);
    if (err < 0)
        return diag_set(d, err, "port %d of %s can't be listened on: %s", port, host,
                        err_text(err));
    if (wanted || kept)
        return 0;
    text = mem_printf("%d\n", *out);
    err = nats_folder_write(f->port_path, text, d);
    mem_free(text);
    return err;
}

/* Where this machine reaches what listens on `host`. */
static const char *near_host(const char *host)
{
    if (strcmp(host, "0.0.0.0") == 0)
        return "127.0.0.1";
    if (strcmp(host, "::") == 0)
        return "::1";
    return host;
}

char *nats_folder_url(const char *host, int port, bool tls)
{
    const char *to = near_host(host);
    const char *scheme = tls ? "tls" : "nats";

    if (strchr(to, ':'))
        return mem_printf("%s://[%s]:%d", scheme, to, port);
    return mem_printf("%s://%s:%d", scheme, to, port);
}

bool nats_folder_answers(const char *host, int port, const char *name)
{
    struct sockaddr_storage addr;
    socklen_t size;
    char text[4096];
    struct str info;
    char *wanted;
    bool ours = false;
    int fd = open_socket(near_host(host), port, &addr, &size);

    if (fd < 0)
        return false;
    if (connect(fd, (struct sockaddr *)&addr, size) == 0) {
        struct pollfd pfd = {fd, POLLIN, 0};
        ssize_t len = poll(&pfd, 1, 1000) == 1 ? read(fd, text, sizeof text) : 0;

        info = str_from(text, len > 0 ? (size_t)len : 0);
        wanted = mem_printf("\"server_name\":\"%s\"", name);
        ours = str_starts_with(info, STR("INFO ")) && str_find_str(info, str_of(wanted)) >= 0;
        mem_free(wanted);
    }
    close(fd);
    return ours;
}
