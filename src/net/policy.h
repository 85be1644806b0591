/* Which targets the operator of a generator allows, whatever a script or a controller asks for.
 *
 * A rule is an address ("10.0.0.7"), a network ("10.0.0.0/8"), a name, or "*." and the end of
 * names, each with or without a port: "shop.test:443", "[fd00::/8]:443". Denied beats allowed; when
 * something is allowed, all else is refused. Link-local addresses and those at which clouds hand
 * out credentials are refused unless allow_metadata was called or they are allowed by their own
 * address or a network within the refused one ("0.0.0.0/0" does not).
 *
 * The dialer asks with the address that it is about to connect to, so that neither a second answer
 * of DNS, nor the option hosts, nor a redirect leads around it. A rule with a name allows what DNS
 * says of that name; an address that the script gave it (hosts) needs a rule of its own. Of a proxy
 * it asks only for tunnels to addresses that were checked.
 *
 * An address counts as what it leads to: IPv4 within IPv6 (mapped, compatible, NAT64, 6to4) as that
 * IPv4, and 0.0.0.0 and :: as loopback.
 *
 * Built once, then frozen and shared by all workers. */
#ifndef NET_POLICY_H
#define NET_POLICY_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"
#include "net/addr.h"

struct policy;

/* Allows all but link-local and metadata addresses. `name` is for messages ("policy NAME: ...");
 * copied. */
struct policy *policy_new(const char *name);
void policy_free(struct policy *p); /* NULL is allowed */

enum { POLICY_MAX_RULES = 10000 };
/* ERR_INVALID with a message that has the rule, ERR_LIMIT past POLICY_MAX_RULES. */
MUST_USE int policy_allow(struct policy *p, struct str rule, struct diag *d);
MUST_USE int policy_deny(struct policy *p, struct str rule, struct diag *d);
/* From now on what is not allowed is refused, even with no rule at all. */
void policy_allow_only(struct policy *p);
void policy_allow_metadata(struct policy *p);

/* Before a lookup: 0, or ERR_POLICY when the name alone decides ("policy NAME: metadata.goog:80 is
 * refused: ..."). `p` may be NULL here and below. */
MUST_USE int policy_check_name(const struct policy *p, struct str host, uint16_t port,
                               struct diag *d);
/* Before a connection to `to` (with its port): 0, or ERR_POLICY with the rule in its message.
 * `by_dns`: the address is what DNS, or the host itself as a literal, says. */
MUST_USE int policy_check(const struct policy *p, struct str host, const struct addr *to,
                          bool by_dns, struct diag *d);

#endif
