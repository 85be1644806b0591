/* Orders to agents, and answers to their questions. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "fleet/controller_internal.h"
#include "fleet/message.h"

#define RESEND_NSEC NSEC_PER_SEC

/* --- orders --------------------------------------------------------------------------------- */

/* Versions grow over runs and controllers: wall time in microseconds, and more if need be. */
static uint64_t next_version(struct controller *c, const struct fleet_agent *a)
{
    uint64_t version = (uint64_t)(clock_wall() / NSEC_PER_USEC);

    if (version <= c->last_version)
        version = c->last_version + 1;
    if (version <= a->order_seen)
        version = a->order_seen + 1;
    c->last_version = version;
    return version;
}

static void send(struct controller *c, struct fleet_agent *a, Gale__Fleet__Order *order,
                 struct moment now)
{
    char *subject = mem_printf("gale.agent.%s.order", a->id);
    struct buf packed;

    order->version = a->order_version;
    message_pack(&order->base, &packed);
    if (bus_publish(c->bus, subject, buf_str(&packed)) < 0)
        a->order_sent_nsec = 0; /* the next tick tries again */
    else
        a->order_sent_nsec = now.mono;
    buf_deinit(&packed);
    mem_free(subject);
}

static void send_order(struct controller *c, struct fleet_agent *a, struct moment now)
{
    struct fleet_run *run = controller_run_of(c, a->id);
    Gale__Fleet__Order order;
    struct buf packed;
    bool changed;
    bool unseen;

    gale__fleet__order__init(&order);
    if (!a->refused && run)
        fleet_run_order(run, a->id, &order);
    if (a->refused)
        order.refused = a->refused;
    message_pack(&order.base, &packed);
    changed = !str_eq(buf_str(&packed), buf_str(&a->order)) || a->order_version == 0;
    unseen = a->order_seen < a->order_version && now.mono - a->order_sent_nsec > RESEND_NSEC;
    /* One that has nothing to do and knows it needs no order. */
    if (changed && a->order_version == 0 && order.n_parts == 0 && !a->run && !a->refused)
        changed = false;
    if (changed) {
        buf_deinit(&a->order);
        a->order = packed;
        a->order_version = next_version(c, a);
    } else {
        buf_deinit(&packed);
    }
    if (changed || unseen)
        send(c, a, &order, now);
    order.refused = (char *)(uintptr_t) "";
    conductor_order_free(&order);
}

void controller_send_orders(struct controller *c, struct moment now)
{
    for (struct map_entry *e = map_first(&c->agents); e; e = map_next(&c->agents, e)) {
        struct fleet_agent *a = e->value;

        /* To the lost as well: they may only be slow to hear. */
        if (a->is_alive || now.mono - a->heard_nsec < 60 * NSEC_PER_SEC)
            send_order(c, a, now);
    }
}

/* --- questions ------------------------------------------------------------------------------ */

static void fill_chunk(struct controller *c, const Gale__Fleet__Ask__Chunk *wanted,
                       Gale__Fleet__Answer *answer)
{
    struct str bytes;

    if (wanted->sha256.len != BLOB_HASH || !blob_store_get(c->blobs, wanted->sha256.data, &bytes) ||
        wanted->offset >= bytes.len) {
        answer->error = (char *)(uintptr_t) "the controller does not have that";
        return;
    }
    bytes = str_from_index(bytes, (size_t)wanted->offset);
    answer->data.len = bytes.len < BLOB_CHUNK ? bytes.len : BLOB_CHUNK;
    answer->data.data = (uint8_t *)(uintptr_t)bytes.ptr;
}

/* NATS lets an agent name any reply subject: only its own inbox is answered to. */
static bool is_own_inbox(const struct bus_message *m)
{
    struct str rest = m->subject;
    struct str id;
    char *inbox;
    bool ok;

    str_cut(&rest, '.');
    str_cut(&rest, '.');
    id = str_cut(&rest, '.');
    inbox = mem_printf("_INBOX_%.*s.", STR_ARG(id));
    ok = str_starts_with(str_of(m->reply), str_of(inbox));
    mem_free(inbox);
    return ok;
}

void controller_on_ask(void *arg, const struct bus_message *m)
{
    struct controller *c = arg;
    Gale__Fleet__Answer answer = GALE__FLEET__ANSWER__INIT;
    Gale__Fleet__Ask *ask;
    struct buf packed;

    if (!c->leads || !m->reply || !is_own_inbox(m))
        return;
    ask = gale__fleet__ask__unpack(NULL, m->data.len, (const uint8_t *)m->data.ptr);
    if (!ask)
        return;
    if (ask->chunk)
        fill_chunk(c, ask->chunk, &answer);
    /* As late as possible, less what it waited for us: the middle of the trip. */
    answer.wall_nsec = clock_wall() - (clock_now() - m->mono_nsec) / 2;
    message_pack(&answer.base, &packed);
    if (bus_publish(c->bus, m->reply, buf_str(&packed)) < 0) {
        /* Whoever asked asks again. */
    }
    buf_deinit(&packed);
    gale__fleet__ask__free_unpacked(ask, NULL);
}
