/* What options say about where a host name may lead: hosts, blockHostnames and blacklistIPs.
 *
 * Built once from options, then frozen and shared by all workers. Patterns are compared without
 * regard to case and to a dot at the end; "*" stands at their beginning only and matches anything.
 *
 * Source: k6-features.md OPT-19, OPT-20. */
#ifndef NET_RULES_H
#define NET_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"
#include "net/addr.h"

struct rules;

struct rules *rules_new(void);
void rules_free(struct rules *r); /* NULL is allowed */

/* hosts: `host` is "name", "name:port", "*.wild" or "*.wild:port"; `target` is "ip" or "ip:port".
 * A later one for the same host replaces the earlier. ERR_INVALID with a message. */
MUST_USE int rules_add_host(struct rules *r, struct str host, struct str target, struct diag *d);
MUST_USE int rules_add_blocked(struct rules *r, struct str pattern, struct diag *d);
MUST_USE int rules_add_blacklisted(struct rules *r, struct str cidr, struct diag *d);

/* The override for a host: true and `*out` with IP and port (`port` when the target has none). An
 * exact name wins over a wildcard, a longer wildcard over a shorter one, one with the port over one
 * without. `r` may be NULL in this and the next two. */
bool rules_find_host(const struct rules *r, struct str host, uint16_t port, struct addr *out);

/* 0, or ERR_HOST_BLOCKED: "hostname (x) is in a blocked pattern (y)". */
MUST_USE int rules_check_host(const struct rules *r, struct str host, struct diag *d);
/* 0, or ERR_IP_BLACKLISTED: "IP (x) is in a blacklisted range (cidr)". */
MUST_USE int rules_check_ip(const struct rules *r, const struct addr *ip, struct diag *d);

#endif
