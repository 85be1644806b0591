/* A small HTTP/1.1 server on the loop: a fiber per connection, requests parsed and answered in
 * turn. It exists for the bundled shop (shop.c), which demos and tests have as their target. */
#ifndef SHOP_HTTP_H
#define SHOP_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

struct loop;

struct shop_request {
    struct str method;
    struct str path;  /* without the query */
    struct str query; /* without "?" */
    struct str authorization;
    struct str traceparent;
    struct str baggage;
    struct str body;
};

struct shop_response {
    int status;
    const char *type; /* NULL: application/json */
    struct buf body;
    int64_t delay_nsec; /* before it is sent */
    void *note;         /* of `handle`, for `answered` */
};

struct shop_handlers {
    /* Fills the response in; must not park. */
    void (*handle)(void *arg, const struct shop_request *request, struct shop_response *response);
    /* It has been sent, or the client has left; times by the monotonic clock. */
    void (*answered)(void *arg, const struct shop_request *request,
                     const struct shop_response *response, int64_t began_nsec, int64_t ended_nsec);
    void *arg;
};

/* Listens on 127.0.0.1:port (0: any free one; *port tells which). Negative errno. */
MUST_USE int shop_listen(struct loop *loop, uint16_t *port, const struct shop_handlers *handlers);

#endif
