/* One request of gale's own, with its redirects: for modules and for secrets, which are no part of
 * the load. Nothing of it is measured. */
#ifndef SCRIPT_REMOTE_GET_H
#define SCRIPT_REMOTE_GET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"
#include "proto/header.h"
#include "proto/url.h"

struct dialer;
struct loop;

/* A dialer for such requests: certificates are verified by the system's roots (SSL_CERT_FILE and
 * SSL_CERT_DIR), proxies are those of the environment. Freed by get_dialer_free, on the loop's
 * thread, once its loop is quiet. */
struct get_dialer {
    struct dialer *dialer;
    struct proxy_config *_proxies;
    struct tls_config *_tls;
};
MUST_USE int get_dialer_init(struct get_dialer *g, struct loop *loop, struct diag *d);
void get_dialer_deinit(struct get_dialer *g);

/* What is asked, and what came. */
struct get {
    struct str method;
    struct str url;                    /* absolute */
    const char *what;                  /* for messages; NULL: the URL, as far as it may be shown */
    const struct http_header *headers; /* not sent to another origin */
    size_t header_count;
    int64_t timeout_nsec; /* for all of it */
    int max_redirects;    /* more are an error */
    size_t max_body;
    /* Whether a URL may be asked: the first one and those of redirects. 0, or an error with a
     * message. */
    int (*check)(void *arg, const struct url *url, struct str text, struct diag *d);
    void *check_arg;

    int status; /* the HTTP status; 0: no response */
    char *body; /* heap, the caller's; a NUL behind its end; NULL: no response */
    size_t body_len;
};

/* On a fiber of the dialer's loop. 0 when there is a response, whatever its status. */
MUST_USE YIELDS int get_send(struct dialer *dialer, struct get *get, struct diag *d);
/* On any fiber: on a thread with a loop of its own, while the calling fiber waits. */
MUST_USE YIELDS int get_offloaded(struct get *get, struct diag *d);

#endif
