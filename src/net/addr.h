/* IP addresses, networks in CIDR form, and pools of local addresses.
 *
 * An IPv4 address mapped into IPv6 (::ffff:1.2.3.4) is always kept as IPv4, so that two spellings
 * of one address are equal. Nothing here allocates except addr_pool_parse. */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

enum addr_family { ADDR_NONE = 0, ADDR_V4 = 4, ADDR_V6 = 6 };

enum {
    ADDR_TEXT_MAX = 64,      /* bytes for addr_format, the NUL included */
    ADDR_PORT_TEXT_MAX = 72, /* bytes for addr_format_port */
};

struct addr {
    uint8_t family; /* enum addr_family; ADDR_NONE: no address */
    uint16_t port;  /* host byte order; 0: none */
    uint32_t zone;  /* interface index of a link-local IPv6 address, else 0 */
    uint8_t ip[16]; /* network byte order; IPv4 uses the first 4, the rest is zero */
};

/* An IP literal without brackets or port ("127.0.0.1", "::1", "fe80::1%eth0"); the port is 0.
 * ERR_SYNTAX when it is none. */
MUST_USE int addr_parse(struct str text, struct addr *out);

/* "ip", "ip:port", "[ipv6]:port", "[ipv6]" or "ipv6". ERR_SYNTAX. */
MUST_USE int addr_parse_port(struct str text, struct addr *out);

/* The IP alone; `out` holds ADDR_TEXT_MAX bytes. Returns `out`. ADDR_NONE gives "". */
char *addr_format(const struct addr *a, char *out);
/* "1.2.3.4:80", "[::1]:80"; `out` holds ADDR_PORT_TEXT_MAX bytes. Returns `out`. */
char *addr_format_port(const struct addr *a, char *out);

bool addr_ip_eq(const struct addr *a, const struct addr *b); /* without the port */
bool addr_is_loopback(const struct addr *a);

socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *out);
void addr_from_sockaddr(const struct sockaddr *sa, struct addr *out); /* ADDR_NONE: not IP */

/* --- networks ----------------------------------------------------------------------------- */

struct cidr {
    struct addr base; /* host bits are zero */
    uint8_t bits;     /* length of the prefix: 0 to 32, or 0 to 128 */
};

/* "10.0.0.0/8", "fd00::/8"; a lone IP is a network of one. ERR_SYNTAX. */
MUST_USE int cidr_parse(struct str text, struct cidr *out);
bool cidr_contains(const struct cidr *net, const struct addr *a);
/* "10.0.0.0/8"; `out` holds ADDR_PORT_TEXT_MAX bytes. Returns `out`. */
char *cidr_format(const struct cidr *net, char *out);

/* --- pools of local addresses (--local-ips) ------------------------------------------------ */

struct addr_pool;

/* A comma-separated list of IPs, ranges "a-b" (both ends included) and networks. Of an IPv4 network
 * of 4 and more addresses the first and the last (network, broadcast) are left out. ERR_SYNTAX and
 * ERR_INVALID with a message in `d`. */
MUST_USE int addr_pool_parse(struct str text, struct addr_pool **out, struct diag *d);
void addr_pool_free(struct addr_pool *pool);           /* NULL is allowed */
uint64_t addr_pool_size(const struct addr_pool *pool); /* saturates; at least 1 */
/* Address number `index` modulo the size: VU i takes number i - 1 (OPT-22). */
void addr_pool_at(const struct addr_pool *pool, uint64_t index, struct addr *out);

#endif
