/* What OTLP's signals have in common: attributes, who sends, times, answers. Numbers of fields are
 * those of opentelemetry-proto, which are the same in metrics and traces. */
#ifndef OUTPUT_OTLP_H
#define OUTPUT_OTLP_H

#include <stdint.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/str.h"

/* An attribute (KeyValue) in the field `number`. */
void otlp_put_text(struct buf *out, uint32_t number, struct str key, struct str value);
void otlp_put_int(struct buf *out, uint32_t number, struct str key, int64_t value);
void otlp_put_double(struct buf *out, uint32_t number, struct str key, double value);
/* Nanoseconds since 1970. */
void otlp_put_time(struct buf *out, uint32_t number, int64_t wall_nsec);

/* Who sends. */
struct otlp_resource {
    struct str service;
    struct str version;
    struct str instance; /* service.instance.id; empty: not said, as is the region */
    struct str region;   /* cloud.region */
};

/* Opens a request: ResourceMetrics or ResourceSpans with its resource, and the scope in it. Two
 * pb_end close them, the scope's first. */
struct otlp_open {
    size_t resource;
    size_t scope;
};
void otlp_open(struct buf *out, const struct otlp_resource *from, struct otlp_open *at);

/* Of an answer that says yes: how many points were refused all the same, with why in `d`. */
uint64_t otlp_read_answer(struct str body, struct diag *d);

#endif
