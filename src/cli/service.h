/* What the commands that stay (agent, controller, demo) have in common: a loop, signals, and the
 * way to NATS. */
#ifndef CLI_SERVICE_H
#define CLI_SERVICE_H

#include <stdbool.h>

#include "fleet/bus.h"
#include "loop/loop.h"

struct args;

struct service {
    struct loop *loop;
    /* The first SIGINT or SIGTERM; it stops the loop in its time. A second one ends the process. */
    void (*on_stop)(struct service *service);
    struct io _signals;
};

/* 0, or an exit code after a message. */
int service_open(struct service *s, const struct args *args);
void service_run(struct service *s); /* until the loop is stopped */
void service_close(struct service *s);

/* Whether only this machine reaches the address, "host:port". */
bool service_is_loopback(const char *address);

/* From --nats and its kin. */
void service_bus(const struct args *args, struct bus_config *out);

#endif
