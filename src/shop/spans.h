/* The shop's spans: its side of each request that carries a recorded traceparent (W3C Trace
 * Context), sent to a collector as OTLP over HTTP (output/sender.h). */
#ifndef SHOP_SPANS_H
#define SHOP_SPANS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct loop;
struct spans;

/* What a request carried. */
struct shop_trace {
    uint64_t trace[2]; /* both 0: none */
    uint64_t parent;
    bool sampled;
};

struct shop_span {
    struct shop_trace trace;
    struct str method;
    struct str route;
    struct str path;
    struct str region; /* of the client; empty: not said */
    int status;
    int64_t began_wall; /* nanoseconds, as are the others */
    int64_t ended_wall;
    int64_t catalogue; /* how long the catalogue took of it, from the beginning on; 0: not asked */
};

/* `address` is "HOST:PORT" of the collector. */
MUST_USE int spans_new(struct loop *loop, struct str address, struct spans **out, struct diag *d);

void spans_add(struct spans *s, const struct shop_span *span);

/* The value of a traceparent; nothing is set for what is none. */
void trace_parse(struct str value, struct shop_trace *out);

#endif
