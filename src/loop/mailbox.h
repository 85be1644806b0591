/* A bounded queue of pointers from any thread to one loop: the only way state crosses threads.
 *
 * The sender hands the pointer over and forgets it. The receiver's callback runs on its loop, once
 * per message, in order per sender. */
#ifndef LOOP_MAILBOX_H
#define LOOP_MAILBOX_H

#include <stddef.h>

#include "base/compiler.h"

struct loop;
struct mailbox;

/* `receive` runs on `loop` for each message; it must not park. */
struct mailbox *mailbox_new(struct loop *loop, size_t capacity,
                            void (*receive)(void *arg, void *message), void *arg);
void mailbox_free(struct mailbox *box); /* on the loop's thread; undelivered messages are lost */

/* Hands `message` over; ERR_LIMIT when the box is full (the sender keeps the message). Any thread.
 */
MUST_USE
int mailbox_send(struct mailbox *box, void *message);

#endif
