/* What one shard gathered in a span of time: each series' sink, and the samples where they are
 * kept.
 *
 * Series are described by their metric and tags, which belong to the shard, never change and live
 * as long as it does; so a window may be read on another thread while the shard goes on. */
#ifndef METRICS_WINDOW_H
#define METRICS_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "metrics/metric.h"
#include "metrics/request.h"
#include "metrics/sink.h"

struct arena;

struct tag {
    struct str key;
    struct str value;
};

struct tags {
    uint32_t count;
    struct tag list[]; /* sorted by key */
};

/* A metric with a tag set. Addresses are stable: consumers may key their own state by them. */
struct series {
    const struct metric *metric;
    const struct tags *tags;
};

struct window_series {
    const struct series *series;
    struct sink sink;
};

struct sample {
    const struct series *series;
    const struct tags *meta; /* vu, iter and the like; NULL: none */
    int64_t wall_nsec;
    double value;
};

struct window {
    struct window_series *series;
    size_t count;
    struct sample *samples; /* in the order of their making */
    size_t sample_count;
    struct request_log requests;
    struct arena *meta; /* owned: metadata of single samples; NULL: none */
};

void window_free(struct window *w); /* NULL is allowed */

/* The sinks, without samples and requests; of the same series, or of copies of them that live as
 * long as the window. */
struct window *window_copy(const struct window *w, bool with_series);

/* The tag's value; ptr NULL when the set has no such key. */
struct str tags_get(const struct tags *tags, struct str key);

#endif
