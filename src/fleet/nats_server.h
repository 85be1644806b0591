/* A nats-server of the controller's own: a child process with JetStream, its data in a folder.
 *
 * Its configuration is written by us: listen address, JetStream's folder and limits, and users.
 * With accounts each agent has a user of its own, held to its own subjects (docs/fleet.md). When
 * the child dies it is started again, with a back-off; when the controller dies, however, it ends
 * too. What it logs goes to gale's log: errors as warnings, the rest for --verbose.
 *
 * When the disk was full and there is space again it is started anew: a stream that could not be
 * written to would hang for good (nats-server 2.9).
 *
 * Threads: the loop's, which lives on: on Linux the kernel kills the child with the thread that
 * started it. (Elsewhere a controller that is killed leaves it behind.) */
#ifndef FLEET_NATS_SERVER_H
#define FLEET_NATS_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"

struct loop;
struct nats_server;

struct nats_user {
    char *name;
    char *password;
    char *agent; /* the id whose subjects it is held to; NULL: a controller, everything */
};

struct nats_server_config {
    const char *program; /* NULL: nats-server of $PATH, or /usr/sbin */
    const char *data;    /* folder: configuration and JetStream's files; made if needed */
    const char *host;    /* to listen on; "127.0.0.1" */
    int port;            /* 0: any free one; kept in the folder, so that it stays the same */
    int64_t max_bytes;   /* JetStream's files; 0: what the disk has */
    const struct nats_user *users; /* none: no authorization */
    size_t user_count;
    const char *cert_file; /* TLS; NULL: none */
    const char *key_file;
    const char *ca_file; /* verifies clients; NULL: they need no certificate */
    struct loop *loop;
    /* On the loop: it has ended and will be started again. May be NULL. */
    void (*on_exit)(void *arg, const char *why);
    void *arg;
};

/* The path of the program (heap): `given`, or nats-server of $PATH or where packages put it. */
MUST_USE int nats_server_find(const char *given, char **out, struct diag *d);

/* Starts it and waits (blocking, at most 10 s) until it accepts connections. Errors name what is
 * missing and the way out: no nats-server, port taken, folder not writable, its own last words. */
MUST_USE int nats_server_start(const struct nats_server_config *config, struct nats_server **out,
                               struct diag *d);
/* Ends it in an orderly way. NULL is allowed. */
void nats_server_stop(struct nats_server *s);
const char *nats_server_url(const struct nats_server *s); /* nats://127.0.0.1:PORT */
int nats_server_pid(const struct nats_server *s);
/* Its disk is: who publishes to a stream is held up, and with him all that he says on that
 * connection. */
bool nats_server_is_full(const struct nats_server *s);
/* Other users from now on: rewrites the configuration and has it read again. Connections stay, but
 * for those of users that are not among them any more, or have another password. Blocks until the
 * server says that it has, some milliseconds, at most 3 s. */
MUST_USE int nats_server_set_users(struct nats_server *s, const struct nats_user *users,
                                   size_t count, struct diag *d);

#endif
