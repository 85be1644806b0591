/* Who may enlist: --agent-users FILE, a line "ID PASSWORD" per agent, # begins a comment. Each
 * agent is then a NATS user of its own, held to its own subjects (docs/fleet.md). */
#ifndef CLI_AGENT_USERS_H
#define CLI_AGENT_USERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "fleet/nats_server.h"

struct agent_users {
    struct nats_user *list; /* owned, with the texts; the first is the controller's own */
    size_t count;
    int64_t changed_nsec; /* of the file */
};

/* ERR_INVALID with file and line for what is no user; nothing is out then. `password`: of the
 * controller. */
MUST_USE int agent_users_read(const char *path, const char *password, struct agent_users *out,
                              struct diag *d);
void agent_users_deinit(struct agent_users *users);
/* When the file was last changed; 0: it can't be looked at. */
int64_t agent_users_changed(const char *path);

#endif
