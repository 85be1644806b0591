/* Questions and their answers: one subscription for all of them, told apart by the last part of
 * the subject that an answer comes to. */
#include <errno.h>
#include <limits.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fleet/bus_internal.h"

static struct bus_pending **bucket_of(struct bus *bus, uint64_t id)
{
    return &bus->pending[id % BUS_PENDING_BUCKETS];
}

/* Frees it, and its owner hears. */
static void finish(struct bus_pending *p, int err, natsMsg *msg, int64_t mono_nsec)
{
    struct bus *bus = p->bus;
    struct bus_pending **at = bucket_of(bus, p->id);
    void (*done)(void *, int, natsMsg *, int64_t) = p->done;
    void *arg = p->arg;

    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    bus->pending_count--;
    timer_stop(bus->loop, &p->timer);
    mem_free(p);
    done(arg, err, msg, mono_nsec);
}

static void on_timeout(struct timer *timer)
{
    finish(CONTAINER_OF(timer, struct bus_pending, timer), ERR_TIMEOUT, NULL, 0);
}

void bus_handle_answer(struct bus_sub *answers, natsMsg *msg, int64_t mono_nsec)
{
    struct str subject = str_of(natsMsg_GetSubject(msg));
    struct bus_pending *p;
    uint64_t id;

    if (!str_to_u64(str_from_index(subject, (size_t)(str_rfind(subject, '.') + 1)), &id))
        return;
    p = *bucket_of(answers->bus, id);
    while (p && p->id != id)
        p = p->next;
    if (!p)
        return; /* it was too late, or came twice */
    if (natsMsg_IsNoResponders(msg))
        finish(p, ERR_NOBODY, NULL, 0);
    else
        finish(p, 0, msg, mono_nsec);
}

static struct bus_pending *find_until(struct bus *bus, uint64_t epoch)
{
    for (size_t i = 0; i < BUS_PENDING_BUCKETS; i++) {
        for (struct bus_pending *p = bus->pending[i]; p; p = p->next) {
            if (p->epoch <= epoch)
                return p;
        }
    }
    return NULL;
}

void bus_fail_pending(struct bus *bus, uint64_t epoch, int err)
{
    struct bus_pending *p;

    while ((p = find_until(bus, epoch)))
        finish(p, err, NULL, 0);
}

static int make_message(struct bus *bus, const struct bus_call *call, uint64_t id, natsMsg **out)
{
    char *reply = mem_printf("%s.%llu", bus->inbox, (unsigned long long)id);
    natsStatus s = natsMsg_Create(out, call->subject, reply, call->bytes.ptr, (int)call->bytes.len);

    mem_free(reply);
    if (s == NATS_OK && call->header) {
        s = natsMsgHeader_Set(*out, call->header, call->value);
        if (s != NATS_OK)
            natsMsg_Destroy(*out);
    }
    return s == NATS_OK ? 0 : -ENOMEM;
}

/* The block of headers as it goes over the wire: "NATS/1.0", a line each, an empty one. */
static size_t header_size(const struct bus_call *call)
{
    if (!call->header)
        return 0;
    return sizeof "NATS/1.0\r\n: \r\n\r\n" - 1 + strlen(call->header) + strlen(call->value);
}

int bus_call(struct bus *bus, const struct bus_call *call)
{
    struct bus_pending *p;
    natsMsg *msg;
    uint64_t epoch;
    int err;

    if (bus->closed)
        return ERR_LINK_DOWN;
    if (bus_check_subject(call->subject, false) != 0 ||
        (call->header && strpbrk(call->value, "\r\n")))
        return ERR_INVALID;
    if (call->bytes.len > INT_MAX)
        return -EMSGSIZE;
    if (bus->pending_count >= BUS_CALLS_MAX)
        return ERR_LIMIT;
    err = make_message(bus, call, ++bus->last_id, &msg);
    if (err == 0)
        err = bus_send(bus, msg, call->bytes.len + header_size(call), &epoch);
    if (err < 0)
        return err;
    p = mem_zalloc(sizeof *p);
    p->bus = bus;
    p->id = bus->last_id;
    p->epoch = epoch;
    p->done = call->done;
    p->arg = call->arg;
    p->next = *bucket_of(bus, p->id);
    *bucket_of(bus, p->id) = p;
    bus->pending_count++;
    timer_init(&p->timer, on_timeout);
    timer_start(bus->loop, &p->timer, clock_now() + call->timeout_nsec);
    return 0;
}

/* --- requests --------------------------------------------------------------------------------- */

struct request {
    void (*fn)(void *arg, int err, const struct bus_message *m);
    void *arg;
};

static void on_answer(void *arg, int err, natsMsg *msg, int64_t mono_nsec)
{
    struct request *request = arg;

    if (err == 0) {
        struct bus_message m = bus_message_of(msg, mono_nsec);

        request->fn(request->arg, 0, &m);
    } else {
        request->fn(request->arg, err, NULL);
    }
    mem_free(request);
}

int bus_request(struct bus *bus, const char *subject, struct str bytes, int64_t timeout_nsec,
                void (*fn)(void *arg, int err, const struct bus_message *m), void *arg)
{
    struct request *request = mem_alloc(sizeof *request);
    struct bus_call call = {.subject = subject,
                            .bytes = bytes,
                            .timeout_nsec = timeout_nsec,
                            .done = on_answer,
                            .arg = request};
    int err;

    *request = (struct request){fn, arg};
    err = bus_call(bus, &call);
    if (err < 0)
        mem_free(request);
    return err;
}
