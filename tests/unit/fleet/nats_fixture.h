/* What the tests of the bus share: a loop, a folder, and a nats-server of their own in it. */
#ifndef UNIT_FLEET_NATS_FIXTURE_H
#define UNIT_FLEET_NATS_FIXTURE_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/mem.h"
#include "fleet/bus.h"
#include "fleet/nats_server.h"
#include "loop/loop.h"

struct rig {
    struct loop *loop;
    struct nats_server *server;
    char folder[64];
    int exits; /* how often the server has ended */
    char *why; /* the last time */
    int ups;   /* news of the link of rig_bus's buses */
    int downs;
};

void rig_open(struct rig *r); /* without a server */
struct nats_server_config rig_config(struct rig *r);
void rig_start(struct rig *r);
void rig_close(struct rig *r); /* stops the server, removes the folder */

struct bus_config rig_bus_config(struct rig *r, const char *url);
/* Connects to the rig's server, as nobody in particular. */
struct bus *rig_bus(struct rig *r);

/* Runs the loop until `done` (or for 8 s, and the test has failed). */
#define RUN_UNTIL(r, done)                                                                         \
    do {                                                                                           \
        int64_t give_up_ = clock_now() + 8 * NSEC_PER_SEC;                                         \
        while (!(done)) {                                                                          \
            if (clock_now() > give_up_)                                                            \
                test_fail(__FILE__, __LINE__, "never: %s", #done);                                 \
            rig_turn((r), 2);                                                                      \
        }                                                                                          \
    } while (0)
void rig_turn(struct rig *r, int ms);

/* A TCP port of 127.0.0.1 where `text` is said to whoever connects, and then nothing; NULL:
 * nobody listens. */
int rig_talker(const char *text);

/* Gives the folder a file system of 3 MB, in a mount namespace of the test's own; false: this
 * machine does not let us make one. */
bool rig_mount_small(const char *folder);

#endif
