/* What provisioners of child processes share: an agent is a child (gale itself, or ssh), whose log
 * lines are forwarded and whose end is told of. */
#ifndef FLEET_PROVISION_CHILDREN_H
#define FLEET_PROVISION_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>

#include "fleet/provisioner.h"

struct child_agent;

struct children {
    struct provisioner provisioner;   /* its ops are those of each kind */
    struct provisioner_config config; /* copied */
    char **flags;                     /* owned; NULL at the end */
    char *program;                    /* owned: a path */
    struct child_agent *first;
    size_t count;
};

/* `program` is taken over. */
void children_init(struct children *c, const char *name, const struct provisioner_ops *ops,
                   const struct provisioner_config *config, char *program);
void children_deinit(struct children *c); /* ends them all */

/* One to start. `argv` begins with the program; lines of `input` (NULL: none) are its standard
 * input, which stays open until it is to end. */
struct child_start {
    const char *id;
    const char *region;
    const char *zone;
    const char *place; /* NULL: "pid N" */
    const char *const *argv;
    const char *const *env;
    const char *input;
};
MUST_USE int children_start(struct children *c, const struct child_start *how, struct diag *d);

/* Whether names are fit for a command line and a NATS subject, and `count` more fit in. */
MUST_USE int children_check(const struct children *c, const char *region, const char *zone,
                            size_t count, struct diag *d);
/* REGION-XXXXXXXX, heap. */
char *children_new_id(const char *region);
/* How many agents run at a place. */
size_t children_at(const struct children *c, const char *place);

/* A growing argument list; its texts are owned. */
struct arg_list {
    char **args; /* NULL at the end, once something was added */
    size_t count;
};
void arg_list_add(struct arg_list *list, const char *text);
/* "agent --id ID --region R [--zone Z] --nats URL --log-format json" and the common flags. */
void arg_list_add_agent(struct arg_list *list, const struct children *c, const char *id,
                        const char *region, const char *zone);
void arg_list_deinit(struct arg_list *list);

/* For provisioner_ops. */
int children_stop(struct provisioner *p, const char *id, struct diag *d);
void children_each(const struct provisioner *p,
                   void (*fn)(void *arg, const struct provisioned_agent *agent), void *arg);

#endif
