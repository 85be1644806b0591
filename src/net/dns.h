/* Name resolution for one worker: asynchronous (c-ares on the loop), cached as options.dns says.
 *
 * IP literals pass through and /etc/hosts is honoured. Fibers that want a name that is being looked
 * up already wait for the same answer. Failures are not cached. Nothing is set up, and no file
 * read, before the first name that needs it.
 *
 * Source: k6-features.md OPT-21. */
#ifndef NET_DNS_H
#define NET_DNS_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"
#include "net/addr.h"

struct loop;
struct dns;

enum dns_select { DNS_RANDOM, DNS_FIRST, DNS_ROUND_ROBIN };
enum dns_policy { DNS_PREFER_IPV4, DNS_PREFER_IPV6, DNS_ONLY_IPV4, DNS_ONLY_IPV6, DNS_ANY };

struct dns_options {
    int64_t ttl; /* nanoseconds; 0: ask each time, INT64_MAX: for ever */
    enum dns_select select;
    enum dns_policy policy;
    const char *servers; /* "127.0.0.1:5353,..." instead of the system's; NULL. Copied */
};
#define DNS_OPTIONS_DEFAULT                                                                        \
    {                                                                                              \
        INT64_C(300000000000), DNS_RANDOM, DNS_PREFER_IPV4, NULL                                   \
    }

/* "random", "first", "roundRobin"; "preferIPv4", ...; "5m", "inf", "0", "500" (ms). ERR_INVALID. */
MUST_USE int dns_select_parse(struct str text, enum dns_select *out);
MUST_USE int dns_policy_parse(struct str text, enum dns_policy *out);
MUST_USE int dns_ttl_parse(struct str text, int64_t *out);

struct dns *dns_new(struct loop *loop, const struct dns_options *options);
void dns_free(struct dns *dns); /* nobody waits any more */

/* One address for `host` (port 0), selected as the options say. ERR_DNS_NO_HOST ("lookup NAME: no
 * such host"), ERR_DNS, ERR_TIMEOUT, ERR_CANCELLED. `d` may be NULL. */
MUST_USE YIELDS int dns_resolve(struct dns *dns, struct str host, int64_t deadline,
                                struct addr *out, struct diag *d);

#endif
