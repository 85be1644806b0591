/* Where agents come from when they do not join by themselves: something that starts `gale agent`
 * processes in a region and stops them again. One file per kind behind this interface.
 *
 * An agent that ends is not started again by itself: how many there should be is its caller's to
 * know, who is told. All of them end with the provisioner, and with the process that it is in.
 *
 * Threads: the loop's, which lives on (fleet/process.h). */
#ifndef FLEET_PROVISIONER_H
#define FLEET_PROVISIONER_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"

struct loop;
struct provisioner;

enum { PROVISION_MAX_AGENTS = 1000 }; /* of one provisioner */

struct provisioned_agent {
    const char *id; /* its --id: REGION-XXXXXXXX */
    const char *region;
    const char *zone;  /* "": none */
    const char *place; /* where it runs: "pid 123", "gale@10.0.0.7" */
    bool is_stopping;
};

struct provisioner_ops {
    /* Starts `count` agents; `zone` NULL or "": any. Returns once they are started, not when they
     * have joined. On an error (ERR_LIMIT, ERR_NOT_FOUND, ...) those that were started stay. */
    int (*start)(struct provisioner *p, const char *region, const char *zone, size_t count,
                 struct diag *d);
    /* Asks an agent to end, and sees to it that it does. ERR_NOT_FOUND. */
    int (*stop)(struct provisioner *p, const char *id, struct diag *d);
    /* The agents that have not ended. `fn` must not start or stop any. */
    void (*each)(const struct provisioner *p,
                 void (*fn)(void *arg, const struct provisioned_agent *agent), void *arg);
    /* Ends every agent; blocks for some seconds at most. */
    void (*free)(struct provisioner *p);
};

struct provisioner {
    const struct provisioner_ops *ops;
    const char *name; /* "local", "ssh" */
};

MUST_USE static inline int provisioner_start(struct provisioner *p, const char *region,
                                             const char *zone, size_t count, struct diag *d)
{
    return p->ops->start(p, region, zone, count, d);
}

MUST_USE static inline int provisioner_stop(struct provisioner *p, const char *id, struct diag *d)
{
    return p->ops->stop(p, id, d);
}

static inline void provisioner_each(const struct provisioner *p,
                                    void (*fn)(void *arg, const struct provisioned_agent *agent),
                                    void *arg)
{
    p->ops->each(p, fn, arg);
}

/* NULL is allowed. */
static inline void provisioner_free(struct provisioner *p)
{
    if (p)
        p->ops->free(p);
}

/* --- the kinds ---------------------------------------------------------------------------- */

/* What all have in common. Texts are copied. */
struct provisioner_config {
    struct loop *loop;
    const char *program;      /* gale's path; local NULL: this process's own, ssh NULL: "gale" */
    const char *nats;         /* --nats; without a password: command lines are no secret */
    int64_t patience;         /* nanoseconds from asking an agent to end to killing it; 0: 10 s */
    const char *const *flags; /* more of the agents' flags, as "--max-vus", "500"; NULL: none */
    /* What only the agent may see: lines "NAME=VALUE" for its environment, as in
     * "GALE_NATS_USER=a\nGALE_NATS_PASSWORD=b" (heap); NULL, or returning NULL: none. */
    char *(*environment)(void *arg, const char *id);
    /* An agent has ended, asked to or not: "exit code 1". The agent is forgotten afterwards. May be
     * NULL; may start others. */
    void (*on_end)(void *arg, const struct provisioned_agent *agent, const char *how);
    void *arg;
};

/* Child processes of this one, for one machine. Their log lines are ours too, with the agent's id.
 */
MUST_USE int provision_local_new(const struct provisioner_config *config, struct provisioner **out,
                                 struct diag *d);

struct provision_ssh_config {
    struct provisioner_config common;
    /* A file with a host per line: REGION[/ZONE] [USER@]HOST [FLAG...], flags of its agents with no
     * spaces in them; "#" begins a comment. A region's agents go to the host that has the fewest.
     */
    const char *hosts;
    const char *ssh;        /* the program; NULL: ssh of $PATH */
    const char *ssh_config; /* its -F; NULL: the user's */
};

/* `ssh HOST gale agent`: keys and the hosts' keys are ssh's business (it never asks: BatchMode),
 * and gale has to be on the host. The agent ends when the connection does. */
MUST_USE int provision_ssh_new(const struct provision_ssh_config *config, struct provisioner **out,
                               struct diag *d);

#endif
