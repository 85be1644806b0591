/* The bus's thread: it makes the connections, and is alone in calling into them. */
#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "fleet/bus_internal.h"

enum {
    CONNECT_MS = 5000, /* TCP, TLS and the greeting are six trips: half the world away, 2 s */
    PING_MS = 2000,    /* and two without an answer end a connection: 6 s */
    WRITE_MS = 10000,
    FLUSH_MS = 500,
    BACKOFF_MIN_MS = 50,
    BACKOFF_MAX_MS = 2000,
    STEADY_MS = 5000, /* a link that lasted so long starts the back-off anew */
};

/* --- callbacks, on the library's threads ------------------------------------------------------ */

static void on_message(natsConnection *nc, natsSubscription *handle, natsMsg *msg, void *closure)
{
    struct bus_sub *sub = closure;
    struct bus *bus = sub->bus;
    struct bus_arrival *a = mem_zalloc(sizeof *a);

    (void)nc;
    (void)handle;
    *a = (struct bus_arrival){.sub = sub, .msg = msg, .mono_nsec = clock_now()};
    pthread_mutex_lock(&bus->lock);
    if (!bus->closing && !sub->unwanted && sub->queued < sub->limit && bus->in_size < BUS_IN_MAX) {
        sub->queued++;
        sub->references++;
        bus_arrive_locked(bus, a);
        a = NULL;
    } else {
        sub->dropped++;
    }
    pthread_mutex_unlock(&bus->lock);
    if (a) {
        natsMsg_Destroy(msg);
        mem_free(a);
    }
}

/* No on_message of this subscription comes any more, and none is running. */
static void on_complete(void *closure)
{
    struct bus_sub *sub = closure;
    struct bus *bus = sub->bus;

    pthread_mutex_lock(&bus->lock);
    bus->references++;
    bus_sub_unref_locked(sub);
    bus_unref_locked(bus);
}

static void on_error(natsConnection *nc, natsSubscription *handle, natsStatus s, void *closure)
{
    static struct log_limit limit;
    const char *text = NULL;

    (void)handle;
    (void)closure;
    if (natsConnection_GetLastError(nc, &text) == NATS_OK || !text || !*text)
        text = natsStatus_GetText(s);
    log_limited(&limit, LOG_WARN, "NATS: %s", text);
}

static void on_closed(natsConnection *nc, void *closure)
{
    struct bus *bus = closure;
    const char *text = NULL;
    natsStatus s = natsConnection_GetLastError(nc, &text);

    pthread_mutex_lock(&bus->lock);
    if (bus->nc == nc && !bus->is_lost) {
        mem_free(bus->why);
        bus->why = mem_printf("%s: %s", bus->where ? bus->where : "the server",
                              text && *text ? text : natsStatus_GetText(s));
        bus->is_lost = true;
        pthread_cond_signal(&bus->wake);
    }
    bus_unref_locked(bus);
}

/* --- commands --------------------------------------------------------------------------------- */

static void subscribe(struct bus_sub *sub, natsConnection *nc)
{
    struct bus *bus = sub->bus;
    bool unwanted;

    pthread_mutex_lock(&bus->lock);
    unwanted = sub->unwanted;
    if (!unwanted)
        sub->references++;
    pthread_mutex_unlock(&bus->lock);
    if (unwanted)
        return;
    if (natsConnection_Subscribe(&sub->handle_of_library, nc, sub->subject, on_message, sub) !=
        NATS_OK) {
        sub->handle_of_library = NULL;
        on_complete(sub);
        return;
    }
    /* Refused if the connection has gone meanwhile. Then nobody tells when on_message has run for
     * the last time: the reference stays for good. */
    (void)natsSubscription_SetOnCompleteCB(sub->handle_of_library, on_complete, sub);
}

static void let_go(struct bus_sub *sub)
{
    natsSubscription_Destroy(sub->handle_of_library);
    sub->handle_of_library = NULL;
}

static void unsubscribe(struct bus_sub *sub)
{
    struct bus *bus = sub->bus;

    let_go(sub);
    pthread_mutex_lock(&bus->lock);
    *sub->_prev = sub->_next;
    if (sub->_next)
        sub->_next->_prev = sub->_prev;
    bus_sub_unref_locked(sub);
    pthread_mutex_unlock(&bus->lock);
}

static void run_job(struct bus *bus, struct bus_job *job, natsConnection *nc)
{
    bool abandoned;

    if (nc)
        job->run(job, nc);
    else
        job->err = diag_set(&job->d, ERR_LINK_DOWN, "NATS: %s", err_text(ERR_LINK_DOWN));
    pthread_mutex_lock(&bus->lock);
    job->done = true;
    abandoned = job->abandoned;
    pthread_cond_broadcast(&bus->told);
    pthread_mutex_unlock(&bus->lock);
    if (abandoned) {
        diag_deinit(&job->d);
        job->free(job);
    }
}

static void run_command(struct bus *bus, const struct bus_outgoing *out, natsConnection *nc)
{
    switch (out->kind) {
    case BUS_OUT_MESSAGE:
        /* What fails here fails with the link: those who wait for an answer hear of that. */
        if (nc)
            (void)natsConnection_PublishMsg(nc, out->msg);
        natsMsg_Destroy(out->msg);
        break;
    case BUS_OUT_SUBSCRIBE:
        if (nc && !out->sub->handle_of_library)
            subscribe(out->sub, nc);
        break;
    case BUS_OUT_UNSUBSCRIBE:
        unsubscribe(out->sub);
        break;
    case BUS_OUT_JOB:
        run_job(bus, out->job, nc);
        break;
    }
}

/* Runs what waits; without a connection messages are dropped. */
static void run_commands(struct bus *bus, natsConnection *nc)
{
    struct bus_outgoing *out;

    pthread_mutex_lock(&bus->lock);
    while ((out = bus->out) && !(nc && bus->is_lost)) {
        bus->out = out->next;
        if (!bus->out)
            bus->out_tail = &bus->out;
        pthread_mutex_unlock(&bus->lock);
        run_command(bus, out, nc);
        pthread_mutex_lock(&bus->lock);
        bus->out_size -= out->size;
        mem_free(out);
    }
    pthread_mutex_unlock(&bus->lock);
}

/* --- one connection --------------------------------------------------------------------------- */

static void tell_loop(struct bus *bus, bool is_up)
{
    struct bus_arrival *a = mem_zalloc(sizeof *a);

    a->is_up = is_up;
    a->epoch = bus->epoch;
    a->why = mem_strdup(is_up ? bus->where : bus->why);
    bus_arrive_locked(bus, a);
}

/* Remembers what a cluster tells of its other servers: one of them may be what is left of it. */
static void learn_servers(struct bus *bus, natsConnection *nc, bool tls)
{
    char **urls = NULL;
    int count = 0;

    if (natsConnection_GetDiscoveredServers(nc, &urls, &count) != NATS_OK)
        return;
    for (int i = 0; i < count; i++) {
        bus_add_server(bus, urls[i], tls);
        free(urls[i]);
    }
    free(urls);
}

static void subscribe_all(struct bus *bus, natsConnection *nc)
{
    struct bus_sub *sub;

    pthread_mutex_lock(&bus->lock);
    /* Only this thread takes any out of the list; new ones come in front, with a command each. */
    for (sub = bus->subs; sub; sub = sub->_next) {
        pthread_mutex_unlock(&bus->lock);
        if (!sub->handle_of_library)
            subscribe(sub, nc);
        pthread_mutex_lock(&bus->lock);
    }
    pthread_mutex_unlock(&bus->lock);
}

static void disconnect(struct bus *bus)
{
    natsConnection *nc;
    struct bus_sub *sub;

    pthread_mutex_lock(&bus->lock);
    nc = bus->nc;
    bus->nc = NULL;
    if (bus->is_up && !bus->closing)
        tell_loop(bus, false);
    bus->is_up = false;
    pthread_mutex_unlock(&bus->lock);
    if (!nc)
        return;
    natsConnection_Close(nc);
    pthread_mutex_lock(&bus->lock);
    for (sub = bus->subs; sub; sub = sub->_next) {
        pthread_mutex_unlock(&bus->lock);
        let_go(sub);
        pthread_mutex_lock(&bus->lock);
    }
    pthread_mutex_unlock(&bus->lock);
    natsConnection_Destroy(nc);
}

/* A connection has been made: subscribes, measures, and tells. */
static bool bring_up(struct bus *bus, natsConnection *nc, const struct bus_server *server)
{
    int64_t rtt = 0;
    bool is_up;

    pthread_mutex_lock(&bus->lock);
    bus->nc = nc;
    bus->is_lost = false;
    mem_free(bus->where);
    bus->where = mem_strdup(server->shown);
    pthread_mutex_unlock(&bus->lock);
    subscribe_all(bus, nc);
    is_up = natsConnection_GetRTT(nc, &rtt) == NATS_OK;
    if (is_up)
        learn_servers(bus, nc, server->tls);
    pthread_mutex_lock(&bus->lock);
    if (is_up && !bus->is_lost && !bus->closing) {
        bus->is_up = true;
        bus->epoch++;
        bus->rtt_nsec = rtt;
        bus->max_payload = natsConnection_GetMaxPayload(nc);
        tell_loop(bus, true);
        pthread_cond_broadcast(&bus->told);
    }
    is_up = bus->is_up;
    pthread_mutex_unlock(&bus->lock);
    if (!is_up)
        disconnect(bus);
    return is_up;
}

static bool is_closing(struct bus *bus)
{
    bool closing;

    pthread_mutex_lock(&bus->lock);
    closing = bus->closing;
    pthread_mutex_unlock(&bus->lock);
    return closing;
}

/* Tries each server once, from the one after the last that was tried. */
static bool connect_any(struct bus *bus)
{
    bool refused = true;

    for (size_t i = 0; i < bus->server_count && !is_closing(bus); i++) {
        const struct bus_server *server = &bus->servers[bus->server_now % bus->server_count];
        struct bus_attempt attempt = {.server = server,
                                      .ping_ms = PING_MS,
                                      .write_ms = WRITE_MS,
                                      .connect_ms = CONNECT_MS,
                                      .on_error = on_error,
                                      .on_closed = on_closed};

        pthread_mutex_lock(&bus->lock);
        bus->references++;
        pthread_mutex_unlock(&bus->lock);
        bus->server_now++;
        if (bus_connect(bus, &attempt)) {
            if (bring_up(bus, attempt.nc, server))
                return true;
            refused = false;
            continue;
        }
        refused = refused && attempt.is_final;
        pthread_mutex_lock(&bus->lock);
        mem_free(bus->why);
        bus->why = attempt.why;
        bus_unref_locked(bus);
    }
    pthread_mutex_lock(&bus->lock);
    bus->refused = refused;
    pthread_cond_broadcast(&bus->told);
    pthread_mutex_unlock(&bus->lock);
    return false;
}

/* Until the connection is lost or the bus closed. */
static void serve(struct bus *bus)
{
    natsConnection *nc = bus->nc;

    pthread_mutex_lock(&bus->lock);
    while (!bus->is_lost && !bus->closing) {
        if (!bus->out) {
            pthread_cond_wait(&bus->wake, &bus->lock);
            continue;
        }
        pthread_mutex_unlock(&bus->lock);
        run_commands(bus, nc);
        pthread_mutex_lock(&bus->lock);
    }
    pthread_mutex_unlock(&bus->lock);
}

static void pause_for(struct bus *bus, int64_t nsec)
{
    int64_t deadline = clock_now() + nsec;

    pthread_mutex_lock(&bus->lock);
    while (!bus->closing && clock_now() < deadline) {
        if (!bus->out) {
            bus_cond_wait(&bus->wake, &bus->lock, deadline);
            continue;
        }
        pthread_mutex_unlock(&bus->lock);
        run_commands(bus, NULL);
        pthread_mutex_lock(&bus->lock);
    }
    pthread_mutex_unlock(&bus->lock);
}

/* Half of it by chance: a thousand agents lose one server at the same moment. */
static int64_t jitter(struct rng *rng, int64_t backoff_ms)
{
    int64_t half = backoff_ms * NSEC_PER_MSEC / 2;

    return half + (int64_t)rng_below(rng, (uint64_t)half);
}

void *bus_thread(void *arg)
{
    struct bus *bus = arg;
    int64_t backoff = BACKOFF_MIN_MS;
    struct rng rng;

    rng_seed(&rng, (uint64_t)clock_wall() ^ (uint64_t)(uintptr_t)bus);
    bus->server_now = rng_below(&rng, bus->server_count);
    while (!is_closing(bus)) {
        if (connect_any(bus)) {
            int64_t began = clock_now();

            serve(bus);
            if (is_closing(bus))
                break;
            disconnect(bus);
            if (clock_now() - began > STEADY_MS * NSEC_PER_MSEC)
                backoff = BACKOFF_MIN_MS;
        }
        pause_for(bus, jitter(&rng, backoff));
        backoff = backoff * 2 < BACKOFF_MAX_MS ? backoff * 2 : BACKOFF_MAX_MS;
    }
    bus_finish(bus);
    pthread_mutex_lock(&bus->lock);
    bus->finished = true;
    pthread_cond_broadcast(&bus->told);
    bus_unref_locked(bus);
    nats_ReleaseThreadMemory();
    return NULL;
}

void bus_finish(struct bus *bus)
{
    natsConnection *nc;

    pthread_mutex_lock(&bus->lock);
    nc = bus->is_up ? bus->nc : NULL;
    pthread_mutex_unlock(&bus->lock);
    if (nc) {
        run_commands(bus, nc);
        (void)natsConnection_FlushTimeout(nc, FLUSH_MS);
    }
    disconnect(bus);
    run_commands(bus, NULL);
}
