/* The policy of a generator's operator, a JSON file:
 *
 *     {
 *       "allow": ["10.0.0.0/8", "*.example.com", "shop.test:443"],
 *       "deny": ["10.0.0.1"],
 *       "maxVUs": 1000,
 *       "maxRate": 5000,
 *       "maxBandwidth": "100mbit",
 *       "allowMetadata": false
 *     }
 *
 * All of it may be left out. The rules are those of net/policy.h; "allow": [] allows nothing.
 * maxVUs and maxRate (iterations per second of arrival rates) are what the generator takes at most;
 * maxBandwidth is its line, up and down each, over all its connections. */
#ifndef CLI_POLICY_FILE_H
#define CLI_POLICY_FILE_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"

struct policy;

struct policy_limits {
    uint64_t max_vus;   /* 0: no limit */
    double max_rate;    /* iterations per second; 0: no limit */
    uint64_t bandwidth; /* bits per second; 0: no limit */
};

/* ERR_INVALID with a message that names file and key. *out is the caller's. */
MUST_USE int policy_file_read(const char *path, struct policy **out, struct policy_limits *limits,
                              struct diag *d);

#endif
