#include "loop/mailbox.h"

#include <stdatomic.h>

#include "base/err.h"
#include "base/mem.h"
#include "loop/loop.h"

struct mailbox {
    struct loop *loop;
    void (*receive)(void *arg, void *message);
    void *arg;
    size_t capacity;
    atomic_size_t queued;
    atomic_size_t references; /* the owner and each message under way */
};

struct envelope {
    struct mailbox *box;
    void *message;
};

struct mailbox *mailbox_new(struct loop *loop, size_t capacity,
                            void (*receive)(void *arg, void *message), void *arg)
{
    struct mailbox *box = mem_zalloc(sizeof *box);

    box->loop = loop;
    box->receive = receive;
    box->arg = arg;
    box->capacity = capacity;
    atomic_store(&box->references, 1);
    return box;
}

static void release(struct mailbox *box)
{
    if (atomic_fetch_sub(&box->references, 1) == 1)
        mem_free(box);
}

void mailbox_free(struct mailbox *box)
{
    if (!box)
        return;
    box->receive = NULL;
    release(box);
}

static void deliver(void *arg)
{
    struct envelope *envelope = arg;
    struct mailbox *box = envelope->box;

    atomic_fetch_sub(&box->queued, 1);
    if (box->receive)
        box->receive(box->arg, envelope->message);
    release(box);
    mem_free(envelope);
}

int mailbox_send(struct mailbox *box, void *message)
{
    struct envelope *envelope;

    if (atomic_fetch_add(&box->queued, 1) >= box->capacity) {
        atomic_fetch_sub(&box->queued, 1);
        return ERR_LIMIT;
    }
    atomic_fetch_add(&box->references, 1);
    envelope = mem_alloc(sizeof *envelope);
    *envelope = (struct envelope){box, message};
    loop_post(box->loop, deliver, envelope);
    return 0;
}
