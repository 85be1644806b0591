#include "fleet/bus_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/err.h"
#include "base/mem.h"

enum { CLOSE_NSEC = 1000000000 };

/* --- lifetime ----------------------------------------------------------------------------------*/

static void free_bus(struct bus *bus)
{
    char *texts[] = {bus->name,    bus->user,     bus->password,  bus->token,    bus->credentials,
                     bus->ca_file, bus->tls_name, bus->cert_file, bus->key_file, bus->inbox_prefix,
                     bus->inbox,   bus->why,      bus->where};

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        mem_free(texts[i]);
    bus_free_servers(bus);
    pthread_cond_destroy(&bus->wake);
    pthread_cond_destroy(&bus->told);
    pthread_mutex_destroy(&bus->lock);
    mem_free(bus);
}

void bus_unref_locked(struct bus *bus)
{
    bool last = --bus->references == 0;

    pthread_mutex_unlock(&bus->lock);
    if (last)
        free_bus(bus);
}

void bus_sub_unref_locked(struct bus_sub *sub)
{
    if (--sub->references > 0)
        return;
    sub->bus->references--; /* not the last: the caller has one */
    mem_free(sub->subject);
    mem_free(sub);
}

/* --- arrivals ----------------------------------------------------------------------------------*/

static size_t size_of(const natsMsg *msg)
{
    return msg ? (size_t)natsMsg_GetDataLength(msg) + BUS_MESSAGE_OVERHEAD : 0;
}

void bus_arrive_locked(struct bus *bus, struct bus_arrival *a)
{
    bool was_empty = !bus->in;

    a->next = NULL;
    *bus->in_tail = a;
    bus->in_tail = &a->next;
    bus->in_size += size_of(a->msg);
    /* A full pipe has woken the loop already. */
    if (was_empty && write(bus->wake_fd, "", 1) < 0 && errno != EAGAIN)
        ensure(errno == EINTR);
}

/* Frees the arrival. */
static void drop_arrival(struct bus *bus, struct bus_arrival *a)
{
    pthread_mutex_lock(&bus->lock);
    bus->in_size -= size_of(a->msg);
    if (a->sub) {
        a->sub->queued--;
        bus_sub_unref_locked(a->sub);
    }
    pthread_mutex_unlock(&bus->lock);
    natsMsg_Destroy(a->msg);
    mem_free(a->why);
    mem_free(a);
}

/* Subscriptions come and go while they are told: the search starts anew after each. */
static struct bus_sub *next_untold(const struct bus *bus)
{
    struct bus_sub *sub = bus->live;

    while (sub && (!sub->on_link || sub->told == bus->told_links))
        sub = sub->_next_live;
    return sub;
}

static void tell_link(struct bus *bus, const struct bus_arrival *a)
{
    struct bus_sub *sub;

    if (!a->is_up)
        bus_fail_pending(bus, a->epoch, ERR_LINK_DOWN);
    bus->told_links++;
    while ((sub = next_untold(bus))) {
        sub->told = bus->told_links;
        sub->on_link(sub, a->is_up);
    }
    if (bus->on_link && !bus->closed)
        bus->on_link(bus->arg, a->is_up, a->why);
}

static void on_wake(struct io *io)
{
    struct bus *bus = CONTAINER_OF(io, struct bus, io);
    struct bus_arrival *a;
    char bytes[64];

    while (read(io->fd, bytes, sizeof bytes) > 0)
        ;
    io_clear(io, IO_READ);
    pthread_mutex_lock(&bus->lock);
    bus->references++; /* a callback may close the bus */
    bus->batch = bus->in;
    bus->in = NULL;
    bus->in_tail = &bus->in;
    pthread_mutex_unlock(&bus->lock);
    while ((a = bus->batch)) {
        bus->batch = a->next;
        if (!a->sub)
            tell_link(bus, a);
        else if (a->sub->handle)
            a->sub->handle(a->sub, a->msg, a->mono_nsec);
        drop_arrival(bus, a);
    }
    pthread_mutex_lock(&bus->lock);
    bus_unref_locked(bus);
}

/* --- opening -----------------------------------------------------------------------------------*/

static int init_pipe(struct bus *bus)
{
    int fds[2];
    int err;

    if (pipe(fds) != 0)
        return -errno;
    for (int i = 0; i < 2; i++) {
        if (fcntl(fds[i], F_SETFL, O_NONBLOCK) != 0 || fcntl(fds[i], F_SETFD, FD_CLOEXEC) != 0)
            goto out;
    }
    bus->io.on_ready = on_wake;
    err = io_add(bus->loop, &bus->io, fds[0]);
    if (err == 0) {
        bus->wake_fd = fds[1];
        return 0;
    }
    errno = -err;
out:
    err = -errno;
    close(fds[0]);
    close(fds[1]);
    return err;
}

static void init_locks(struct bus *bus)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&bus->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&bus->wake, &attr);
    pthread_cond_init(&bus->told, &attr);
    pthread_condattr_destroy(&attr);
}

static struct bus *make(const struct bus_config *config)
{
    struct bus *bus = mem_zalloc(sizeof *bus);
    natsInbox *unique = NULL;
    const char *prefix = config->inbox ? config->inbox : "_INBOX";

    init_locks(bus);
    bus->loop = config->loop;
    bus->on_link = config->on_link;
    bus->arg = config->arg;
    bus->io.fd = -1;
    bus->wake_fd = -1;
    bus->name = mem_strdup(config->name);
    bus->user = mem_strdup(config->user);
    bus->password = mem_strdup(config->password);
    bus->token = mem_strdup(config->token);
    bus->credentials = mem_strdup(config->credentials);
    bus->is_own = config->is_own;
    bus->ca_file = mem_strdup(config->ca_file);
    bus->tls_name = mem_strdup(config->tls_name);
    bus->cert_file = mem_strdup(config->cert_file);
    bus->key_file = mem_strdup(config->key_file);
    bus->inbox_prefix = mem_strdup(prefix);
    /* The library's own inbox is "_INBOX." and a name that is unique in the world. */
    ensure(natsInbox_Create(&unique) == NATS_OK);
    bus->inbox = mem_printf("%s.%s", prefix, strrchr((const char *)unique, '.') + 1);
    natsInbox_Destroy(unique);
    bus->in_tail = &bus->in;
    bus->out_tail = &bus->out;
    bus->references = 1;
    return bus;
}

void bus_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline)
{
    struct timespec ts = {(time_t)(deadline / NSEC_PER_SEC), (long)(deadline % NSEC_PER_SEC)};

    pthread_cond_timedwait(cond, lock, &ts);
}

static int start_thread(struct bus *bus)
{
    pthread_attr_t attr;
    pthread_t thread;
    int err;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    bus->references++;
    err = pthread_create(&thread, &attr, bus_thread, bus);
    pthread_attr_destroy(&attr);
    if (err != 0)
        bus->references--;
    else
        bus->has_thread = true;
    return -err;
}

/* Until the first connection is there, can't be, or the time is over. */
static int wait_for_link(struct bus *bus, int64_t timeout_nsec, struct diag *d)
{
    int64_t deadline = clock_now() + timeout_nsec;
    int err = 0;

    pthread_mutex_lock(&bus->lock);
    while (!bus->is_up && !bus->refused && clock_now() < deadline)
        bus_cond_wait(&bus->told, &bus->lock, deadline);
    if (!bus->is_up)
        err = diag_set(d, bus->refused ? ERR_INVALID : ERR_TIMEOUT, "NATS: %s%s",
                       bus->why ? bus->why : "no answer from any server",
                       bus->refused ? ""
                                    : ": is a controller or nats-server running there, and is "
                                      "--nats its address?");
    pthread_mutex_unlock(&bus->lock);
    return err;
}

int bus_open(const struct bus_config *config, struct bus **out, struct diag *d)
{
    int64_t timeout = config->connect_timeout_nsec;
    struct bus *bus;
    int err;

    if (nats_Open(-1) != NATS_OK)
        return diag_set(d, -ENOMEM, "NATS: the client library can't start");
    bus = make(config);
    err = bus_check_identity(config, d);
    if (err == 0)
        err = bus_parse_servers(bus, config->url, d);
    if (err == 0 && bus_check_subject(bus->inbox, false) != 0)
        err = diag_set(d, ERR_INVALID, "NATS: \"%s\" is no prefix of a subject", config->inbox);
    if (err == 0 && (err = init_pipe(bus)) < 0)
        diag_set(d, err, "NATS: no pipe: %s", err_text(err));
    if (err == 0) {
        char *subject = mem_printf("%s.*", bus->inbox);

        err = bus_sub_new(bus, subject, BUS_CALLS_MAX, bus_handle_answer, &bus->answers);
        mem_free(subject);
    }
    if (err == 0 && (err = start_thread(bus)) < 0)
        diag_set(d, err, "NATS: no thread: %s", err_text(err));
    if (err == 0)
        err = wait_for_link(bus, timeout ? timeout : 10 * NSEC_PER_SEC, d);
    if (err < 0)
        bus_close(bus);
    else
        *out = bus;
    return err;
}

/* The thread sends what waits and ends; after a second it has to do so alone. */
static void end_thread(struct bus *bus)
{
    int64_t deadline = clock_now() + CLOSE_NSEC;

    pthread_mutex_lock(&bus->lock);
    bus->closing = true;
    pthread_cond_signal(&bus->wake);
    while (bus->has_thread && !bus->finished && clock_now() < deadline)
        bus_cond_wait(&bus->told, &bus->lock, deadline);
    pthread_mutex_unlock(&bus->lock);
    if (!bus->has_thread)
        bus_finish(bus);
}

static void drop_arrivals(struct bus *bus, struct bus_arrival *list)
{
    while (list) {
        struct bus_arrival *next = list->next;

        drop_arrival(bus, list);
        list = next;
    }
}

void bus_close(struct bus *bus)
{
    struct bus_arrival *in;
    struct bus_arrival *batch;

    if (!bus || bus->closed)
        return;
    bus->closed = true;
    bus_fail_pending(bus, UINT64_MAX, ERR_CANCELLED);
    while (bus->live)
        bus_unsubscribe(bus->live);
    end_thread(bus);
    pthread_mutex_lock(&bus->lock);
    in = bus->in;
    bus->in = NULL;
    bus->in_tail = &bus->in;
    pthread_mutex_unlock(&bus->lock);
    batch = bus->batch;
    bus->batch = NULL;
    drop_arrivals(bus, batch);
    drop_arrivals(bus, in);
    if (bus->io.fd >= 0) {
        int fd = bus->io.fd;

        io_remove(bus->loop, &bus->io);
        close(fd);
        close(bus->wake_fd);
    }
    pthread_mutex_lock(&bus->lock);
    bus_unref_locked(bus);
}
