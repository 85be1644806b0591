/* What the loop asks of the bus's thread. */
#include <errno.h>
#include <limits.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fleet/bus_internal.h"

enum { SUBJECT_MAX = 512, JOB_NSEC_MAX = 1000000000 };

/* NATS: tokens of any bytes but white space, * and >, with dots between them. */
int bus_check_subject(const char *subject, bool wild)
{
    struct str rest = str_of(subject);

    if (rest.len == 0 || rest.len > SUBJECT_MAX || subject[rest.len - 1] == '.')
        return ERR_INVALID;
    while (rest.len > 0) {
        struct str token = str_cut(&rest, '.');

        if (token.len == 0)
            return ERR_INVALID;
        if (wild && (str_eq_c(token, "*") || (str_eq_c(token, ">") && rest.len == 0)))
            continue;
        for (size_t i = 0; i < token.len; i++) {
            if ((unsigned char)token.ptr[i] <= ' ' || strchr("*>\x7f", token.ptr[i]))
                return ERR_INVALID;
        }
    }
    return 0;
}

/* --- the queue -------------------------------------------------------------------------------- */

static void put_locked(struct bus *bus, struct bus_outgoing what)
{
    struct bus_outgoing *out = mem_alloc(sizeof *out);
    bool was_empty = !bus->out;

    *out = what;
    *bus->out_tail = out;
    bus->out_tail = &out->next;
    bus->out_size += out->size;
    if (was_empty)
        pthread_cond_signal(&bus->wake);
}

static int send_locked(struct bus *bus, natsMsg *msg, size_t size, uint64_t *epoch)
{
    if (!bus->is_up || bus->closing)
        return ERR_LINK_DOWN;
    if ((int64_t)size > bus->max_payload)
        return -EMSGSIZE;
    if (bus->out_size + size > BUS_OUT_MAX)
        return ERR_LIMIT;
    put_locked(bus, (struct bus_outgoing){
                        .kind = BUS_OUT_MESSAGE, .size = size + BUS_MESSAGE_OVERHEAD, .msg = msg});
    if (epoch)
        *epoch = bus->epoch;
    return 0;
}

int bus_send(struct bus *bus, natsMsg *msg, size_t size, uint64_t *epoch)
{
    int err;

    pthread_mutex_lock(&bus->lock);
    err = send_locked(bus, msg, size, epoch);
    pthread_mutex_unlock(&bus->lock);
    if (err < 0)
        natsMsg_Destroy(msg);
    return err;
}

int bus_publish(struct bus *bus, const char *subject, struct str bytes)
{
    natsMsg *msg;

    if (bus_check_subject(subject, false) != 0)
        return ERR_INVALID;
    if (bytes.len > INT_MAX)
        return -EMSGSIZE;
    if (natsMsg_Create(&msg, subject, NULL, bytes.ptr, (int)bytes.len) != NATS_OK)
        return -ENOMEM;
    return bus_send(bus, msg, bytes.len, NULL);
}

/* --- subscriptions ---------------------------------------------------------------------------- */

int bus_sub_new(struct bus *bus, const char *subject, size_t limit,
                void (*handle)(struct bus_sub *sub, natsMsg *msg, int64_t mono_nsec),
                struct bus_sub **out)
{
    struct bus_sub *sub;

    if (bus->closed || bus_check_subject(subject, true) != 0)
        return ERR_INVALID;
    sub = mem_zalloc(sizeof *sub);
    sub->bus = bus;
    sub->subject = mem_strdup(subject);
    sub->handle = handle;
    sub->limit = limit;
    sub->references = 1;
    sub->_next_live = bus->live;
    sub->_prev_live = &bus->live;
    if (bus->live)
        bus->live->_prev_live = &sub->_next_live;
    bus->live = sub;

    pthread_mutex_lock(&bus->lock);
    bus->references++;
    sub->_next = bus->subs;
    sub->_prev = &bus->subs;
    if (bus->subs)
        bus->subs->_prev = &sub->_next;
    bus->subs = sub;
    put_locked(bus, (struct bus_outgoing){.kind = BUS_OUT_SUBSCRIBE, .sub = sub});
    pthread_mutex_unlock(&bus->lock);
    *out = sub;
    return 0;
}

struct bus_message bus_message_of(natsMsg *msg, int64_t mono_nsec)
{
    return (struct bus_message){
        .subject = str_of(natsMsg_GetSubject(msg)),
        .data = str_from(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)),
        .reply = natsMsg_GetReply(msg),
        .mono_nsec = mono_nsec,
    };
}

static void hand_to_owner(struct bus_sub *sub, natsMsg *msg, int64_t mono_nsec)
{
    struct bus_message m = bus_message_of(msg, mono_nsec);

    sub->fn(sub->arg, &m);
}

int bus_subscribe(struct bus *bus, const char *subject, size_t limit,
                  void (*fn)(void *arg, const struct bus_message *m), void *arg,
                  struct bus_sub **out)
{
    int err = bus_sub_new(bus, subject, limit, hand_to_owner, out);

    if (err == 0) {
        (*out)->fn = fn;
        (*out)->arg = arg;
    }
    return err;
}

void bus_unsubscribe(struct bus_sub *sub)
{
    struct bus *bus;

    if (!sub)
        return;
    bus = sub->bus;
    sub->handle = NULL;
    if (sub->on_free)
        sub->on_free(sub);
    *sub->_prev_live = sub->_next_live;
    if (sub->_next_live)
        sub->_next_live->_prev_live = sub->_prev_live;
    pthread_mutex_lock(&bus->lock);
    sub->unwanted = true;
    put_locked(bus, (struct bus_outgoing){.kind = BUS_OUT_UNSUBSCRIBE, .sub = sub});
    pthread_mutex_unlock(&bus->lock);
}

uint64_t bus_sub_dropped(const struct bus_sub *sub)
{
    uint64_t dropped;

    pthread_mutex_lock(&sub->bus->lock);
    dropped = sub->dropped;
    pthread_mutex_unlock(&sub->bus->lock);
    return dropped;
}

/* --- what blocks ------------------------------------------------------------------------------ */

int bus_run_job(struct bus *bus, struct bus_job *job, int64_t timeout_nsec, struct diag *d)
{
    int64_t deadline = clock_now() + timeout_nsec;
    int err;

    pthread_mutex_lock(&bus->lock);
    put_locked(bus, (struct bus_outgoing){.kind = BUS_OUT_JOB, .job = job});
    while (!job->done && clock_now() < deadline)
        bus_cond_wait(&bus->told, &bus->lock, deadline);
    job->abandoned = !job->done;
    pthread_mutex_unlock(&bus->lock);
    if (job->abandoned)
        return diag_set(d, ERR_TIMEOUT, "NATS: no answer within %d s",
                        (int)(timeout_nsec / NSEC_PER_SEC));
    err = job->err;
    if (job->d.message)
        diag_set(d, err, "%s", job->d.message);
    diag_deinit(&job->d);
    job->free(job);
    return err;
}

/* --- what is known of the link ---------------------------------------------------------------- */

bool bus_is_up(struct bus *bus)
{
    bool is_up;

    pthread_mutex_lock(&bus->lock);
    is_up = bus->is_up;
    pthread_mutex_unlock(&bus->lock);
    return is_up;
}

int64_t bus_max_payload(struct bus *bus)
{
    int64_t max;

    pthread_mutex_lock(&bus->lock);
    max = bus->max_payload;
    pthread_mutex_unlock(&bus->lock);
    return max;
}

char *bus_describe(struct bus *bus)
{
    char *text;

    pthread_mutex_lock(&bus->lock);
    if (bus->is_up)
        text = mem_printf("%s, %.1f ms away", bus->where, nsec_to_ms(bus->rtt_nsec));
    else
        text = mem_printf("not connected: %s", bus->why ? bus->why : "no answer yet");
    pthread_mutex_unlock(&bus->lock);
    return text;
}
