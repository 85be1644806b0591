/* AWS Signature Version 4 (docs.aws.amazon.com, "Create a signed AWS API request"): of POSTs whose
 * body is at hand. The headers that are signed are Host and X-Amz-Date. */
#ifndef OUTPUT_SIGV4_H
#define OUTPUT_SIGV4_H

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct sigv4_keys {
    struct str region;
    struct str service; /* "aps": Amazon's Prometheus */
    struct str access_key;
    struct str secret_key;
};

struct sigv4_request {
    struct str host;  /* as in the Host field */
    struct str path;  /* percent-encoded, as on the wire; empty: "/" */
    struct str query; /* without "?" */
    struct str body;
    int64_t wall_nsec;
};

/* Appends the values of X-Amz-Date and Authorization. */
void sigv4_sign(const struct sigv4_keys *keys, const struct sigv4_request *request,
                struct buf *date, struct buf *authorization);

#endif
