/* Patterns of host names: a name, or "*" and the end of names ("*.example.com"; "*" alone is all).
 * Compared without regard to case and to a dot at the end. */
#ifndef NET_HOST_PATTERN_H
#define NET_HOST_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"

struct host_pattern {
    char *text;        /* owned, as written */
    struct str suffix; /* within text: what follows the "*", or all of it */
    bool is_wild;
};

/* ERR_INVALID, and nothing to free, for what is no pattern. */
MUST_USE int host_pattern_parse(struct str text, struct host_pattern *out);
void host_pattern_deinit(struct host_pattern *p);
bool host_pattern_matches(const struct host_pattern *p, struct str host);
bool host_pattern_eq(const struct host_pattern *a, const struct host_pattern *b);

/* Cuts "name:port" and "[name]:port"; *port is 0 without one. An IPv6 literal has several colons
 * and no port unless it is bracketed. ERR_INVALID. */
MUST_USE int host_split_port(struct str host, struct str *name, uint16_t *port);

#endif
