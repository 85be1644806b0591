/* Modules over the network: `import x from 'https://jslib.k6.io/x/1.0.0/index.js'`.
 *
 * A module is fetched by its URL, then named by the SHA-256 of its bytes. The lock, a file beside
 * the script, holds for each URL the hash that it had the first time; the cache, a folder of the
 * user's, holds bytes by hash. So the lock alone decides what a script runs: what it names is taken
 * from the cache, or fetched and compared, and a server that sends something else is an error.
 * Hosts are refused unless they are allowed: whoever serves a module runs code in the test.
 *
 * k6 has neither lock nor cache, appends "?_k6=1" to a first try of each URL, and asks any host
 * (k6-features.md JSL-12); gale asks once, for the URL as it stands.
 *
 * Threads: main, while a script's init context runs for the first time. */
#ifndef SCRIPT_REMOTE_REMOTE_H
#define SCRIPT_REMOTE_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct remote;

/* All is copied. */
struct remote_options {
    const char *lock_path; /* "/dir/gale.lock" */
    const char *cache_dir; /* made when it is needed; NULL: nothing is cached */
    bool update_lock;      /* what the servers send now is what the lock says from now on */
    int64_t timeout_nsec;  /* for one module, redirects included */
};

enum {
    REMOTE_MAX_MODULE = 16 * 1024 * 1024, /* bytes of one module */
    REMOTE_MAX_MODULES = 1000,            /* that one script may fetch */
    REMOTE_MAX_REDIRECTS = 10,
};

struct remote *remote_new(const struct remote_options *options);
void remote_free(struct remote *r); /* NULL is allowed */

/* Allows one more host beside jslib.k6.io: "HOST" (port 443) or "HOST:PORT". A loopback host may be
 * asked by http:// too. ERR_INVALID with a message. */
MUST_USE int remote_allow(struct remote *r, struct str host, struct diag *d);

/* A file_source's `read`; `arg` is the struct remote, `url` an absolute http(s) URL. Errors say
 * what to do: ERR_INVALID (not allowed, changed), ERR_LIMIT, ERR_NOT_FOUND, those of the network.
 */
MUST_USE YIELDS int remote_read(void *arg, const char *url, size_t max, char **data, size_t *len,
                                struct diag *d);

/* Writes the lock when there is something new in it. */
MUST_USE int remote_save(struct remote *r, struct diag *d);

#endif
