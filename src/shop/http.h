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
    struct str body;
};

struct shop_response {
    int status;
    struct buf body;    /* JSON */
    int64_t delay_nsec; /* before it is sent */
};

/* Listens on 127.0.0.1:port (0: any free one; *port tells which) and answers with `handle`, which
 * must not park. Negative errno. */
MUST_USE int shop_listen(struct loop *loop, uint16_t *port,
                         void (*handle)(void *arg, const struct shop_request *request,
                                        struct shop_response *response),
                         void *arg);

#endif
