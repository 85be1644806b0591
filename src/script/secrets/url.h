/* Secrets behind a URL: what a url source is told, and one value of it (k6-features.md SEC-04).
 *
 *     urlTemplate             "https://vault.test/v1/{key}"; {key} is the secret's name, escaped
 *     method                  GET
 *     headers.NAME            a header of each request
 *     responsePath            where the value is in a JSON answer, a GJSON path; else all of it
 *     timeout                 30s, of one request
 *     requestsPerMinuteLimit  300, with requestsBurst 10 at once
 *     maxRetries              3, of network errors, time-outs, status 429 and 5xx
 *     retryBackoff            1s: the n-th wait is its n-th power in seconds, and up to 1 s by
 * chance config                  a JSON file with all of these; `headers` is an object
 *
 * The environment (K6_SECRET_SOURCE_URL_TIMEOUT, ..._HEADER_X_TOKEN) counts less than the file, the
 * file less than the flag. */
#ifndef SCRIPT_SECRETS_URL_H
#define SCRIPT_SECRETS_URL_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/map.h"
#include "base/str.h"

struct dialer;

/* Read-only once it is checked. */
struct secret_url {
    char *url_template;
    char *method;
    struct map headers;  /* char * by name */
    char *response_path; /* NULL: the whole answer */
    int64_t timeout_nsec;
    int64_t backoff_nsec;
    uint64_t per_minute;
    uint64_t burst;
    uint64_t retries;
};

enum {
    SECRET_MAX = 24 * 1024, /* bytes of an answer */
    SECRET_RETRIES_MAX = 100,
};

struct secret_url *secret_url_new(void);
void secret_url_free(struct secret_url *u); /* NULL is allowed */

/* ERR_INVALID, with a message that names the key. */
MUST_USE int secret_url_set(struct secret_url *u, struct str key, struct str value, struct diag *d);
MUST_USE int secret_url_read_env(struct secret_url *u, struct diag *d);
/* Reads the file, when `part` is "config=FILE". */
MUST_USE int secret_url_read_file(struct secret_url *u, struct str part, struct diag *d);
/* Whether it is complete. */
MUST_USE int secret_url_check(const struct secret_url *u, struct diag *d);

/* When a request may go: a token bucket (as a theoretical arrival time), one per worker, which has
 * its share of the limit. */
struct secret_pace {
    int64_t next; /* monotonic: when the bucket would be full again */
};
/* Takes a token: when the request that wants to go at `now` may go. `workers` share the limit. */
int64_t secret_pace_take(struct secret_pace *pace, const struct secret_url *u, unsigned workers,
                         int64_t now);

/* Asks for the value, again where that may help: heap, the caller's. On a fiber of the dialer's
 * loop. ERR_NOT_FOUND, ERR_LIMIT, ERR_CANCELLED, or what the network says, with a message. */
struct secret_fetch {
    const struct secret_url *url;
    struct dialer *dialer;
    struct secret_pace *pace;
    unsigned workers;
    struct str key;
};
MUST_USE YIELDS int secret_url_fetch(const struct secret_fetch *fetch, char **value, size_t *len,
                                     struct diag *d);

#endif
