/* Who may enlist at the controller's own nats-server: --agent-users FILE, a line "ID PASSWORD" per
 * agent, # begins a comment; and the agents that the controller starts itself. Each is a NATS user
 * of its own, held to its own subjects (docs/fleet.md). */
#ifndef CLI_AGENT_USERS_H
#define CLI_AGENT_USERS_H

#include <stddef.h>

#include "base/compiler.h"
#include "base/diag.h"

struct agent_users;
struct loop;
struct nats_server;
struct nats_user;

/* Reads the file. ERR_INVALID with file and line for what is no user. */
MUST_USE int agent_users_new(const char *path, struct agent_users **out, struct diag *d);
void agent_users_free(struct agent_users *users); /* NULL is allowed */

/* All of them, the controller's own first; until the next change. */
const struct nats_user *agent_users_list(const struct agent_users *users, size_t *count);

/* From now on the server hears of every change, and the file is read again when it has changed:
 * connections of others stay. Both outlive the users. */
void agent_users_serve(struct agent_users *users, struct nats_server *server, struct loop *loop);

/* An agent that is started here may enlist; its password, valid until it is removed. Blocks while
 * the server takes it (fleet/nats_server.h). NULL: it did not, or the file has that id. */
const char *agent_users_add(struct agent_users *users, const char *id, struct diag *d);
void agent_users_remove(struct agent_users *users, const char *id);

#endif
