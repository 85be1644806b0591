/* What an operator says of the network that connections are made from: --emulate. */
#ifndef CLI_NETWORK_H
#define CLI_NETWORK_H

#include "base/compiler.h"
#include "base/diag.h"
#include "net/dialer.h"
#include "net/emulate.h"

struct args;

struct operator_network {
    struct network network;
    char distance[DISTANCE_TEXT_MAX]; /* "rtt=230ms"; empty: none is emulated */
};

/* From the flags. ERR_INVALID with a message that names the flag. */
MUST_USE int network_read(const struct args *args, struct operator_network *out, struct diag *d);
void network_deinit(struct operator_network *n); /* a zeroed one is allowed */

#endif
