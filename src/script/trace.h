/* Trace contexts: the ids by which a request is found again in a tracing backend, and the header
 * fields that carry them (option tracing, --trace-propagation).
 *
 * Formats: W3C Trace Context (traceparent), B3 single header, Jaeger's uber-trace-id, Datadog's
 * x-datadog-*. A context that a script has put into its own headers is the request's: it is read,
 * and nothing is added. Threads: a tracer belongs to a worker. */
#ifndef SCRIPT_TRACE_H
#define SCRIPT_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/rng.h"
#include "base/str.h"
#include "proto/header.h"

struct options;

enum trace_format { TRACE_W3C, TRACE_B3, TRACE_JAEGER, TRACE_DATADOG };

struct tracer {
    enum trace_format format;
    double sampling; /* share of the contexts that ask to be recorded */
    struct rng rng;
};

struct trace_context {
    uint64_t trace[2]; /* high and low half; both 0: there is none */
    uint64_t span;
    bool sampled;
};

enum { TRACE_ID_TEXT = 33 };

static inline bool trace_is_set(const struct trace_context *c)
{
    return c->trace[0] != 0 || c->trace[1] != 0;
}

/* By the option tracing; NULL without it. The caller frees it (mem_free). */
struct tracer *tracer_new(const struct options *options);

/* A new context. */
void tracer_begin(struct tracer *t, struct trace_context *out);
/* A span's id. */
uint64_t tracer_span(struct tracer *t);

/* Gives a request its context: the one in its list of header fields, or a new one, whose fields are
 * added in a longer list in the arena. */
void tracer_attach(struct tracer *t, struct arena *arena, const struct http_header **list,
                   size_t *count, struct trace_context *out);

/* The context that a list of fields carries in any of the formats. True when a field of theirs is
 * there, even if it can't be read: *out is empty then. */
bool trace_read(const struct http_header *list, size_t count, struct trace_context *out);

/* 32 digits, the form in which samples' metadata trace_id and backends have it. */
void trace_id_text(const struct trace_context *c, char out[TRACE_ID_TEXT]);

#endif
