/* What the operator of a generator says of its network and of what it may be used for: --emulate
 * and
 * --policy. No script and no controller can change it. */
#ifndef CLI_NETWORK_H
#define CLI_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "cli/policy_file.h"
#include "net/dialer.h"
#include "net/emulate.h"

struct args;

struct operator_network {
    struct network network;
    struct policy *policy; /* owned: network.policy */
    struct policy_limits limits;
    char distance[DISTANCE_TEXT_MAX]; /* "rtt=230ms"; empty: none is emulated */
};

/* From the flags. Agents and controllers have a policy without one too: it refuses link-local and
 * metadata addresses. ERR_INVALID with a message that names the flag. */
MUST_USE int network_read(const struct args *args, bool is_fleet, struct operator_network *out,
                          struct diag *d);
void network_deinit(struct operator_network *n); /* a zeroed one is allowed */

/* Whether a load keeps to the policy: 0, or ERR_POLICY with the arithmetic. `rate`: iterations per
 * second of arrival rates; 0: none. */
MUST_USE int network_check_load(const struct operator_network *n, uint64_t vus, double rate,
                                struct diag *d);

#endif
