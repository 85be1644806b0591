/* A worker's share of the metrics: where samples go, with no lock, no allocation and no formatting.
 *
 * A sample is (series, value). A series is a metric with a tag set; both are interned here and have
 * dense ids, so that the hot path is: look up the tag set of a request once, then add a dozen
 * values to sinks. Once a second the control thread asks for what was gathered: the worker swaps in
 * an empty half and hands the full one over as a window (shard_take_window).
 *
 * Totals are never lost: past a limit of series, new values of the tags `url` and `name` fold into
 * one overflow value (shard_overflowed says so once).
 *
 * Threads: a shard belongs to one worker. */
#ifndef METRICS_SHARD_H
#define METRICS_SHARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "metrics/metric.h"

struct request_record;
struct shard;
struct window;

/* Dense ids; stay valid for the shard's life. */
typedef uint32_t tag_id;    /* one key=value */
typedef uint32_t tagset_id; /* a set of them with distinct keys; 0 is the empty set */

struct shard_options {
    uint32_t max_series; /* 0: the default, 100,000 */
    bool keep_samples;   /* every sample is kept too, for outputs that need them (JSON, CSV) */
    bool keep_spans;     /* and every request whose trace is recorded (metrics/request.h) */
    bool keep_exemplars; /* and the slowest and the failed requests of each series */
};

struct shard *shard_new(const struct shard_options *options);
void shard_free(struct shard *s);

/* The worker's metrics, for adding custom ones. */
struct metric_registry *shard_registry(struct shard *s);

/* --- tags --------------------------------------------------------------------------------- */

/* Interns key=value; the strings are copied when new. */
tag_id shard_tag(struct shard *s, struct str key, struct str value);

/* The set `base` with `tags` added, one after another: a key that is there already is replaced.
 * Amortised constant time for sets that were asked for before. */
tagset_id shard_tagset(struct shard *s, tagset_id base, const tag_id *tags, size_t count);
tagset_id shard_tagset_without(struct shard *s, tagset_id base, struct str key);

/* The value of a key in a set; ptr NULL when it has none. Valid for the shard's life. */
struct str shard_tagset_get(const struct shard *s, tagset_id set, struct str key);
/* Calls fn for each tag, sorted by key. */
void shard_tagset_each(const struct shard *s, tagset_id set,
                       void (*fn)(void *arg, struct str key, struct str value), void *arg);

/* --- samples ------------------------------------------------------------------------------ */

/* Adds one value. wall_nsec is the sample's time; only kept samples use it, and gauges for
 * "latest". meta: an id from shard_meta, or 0. */
void shard_add(struct shard *s, uint32_t metric, tagset_id tags, double value, int64_t wall_nsec);

/* Metadata (vu, iter, exec.vu.metrics.metadata) for the samples from now on: kept with samples but
 * not part of a series. Pairs as "k=v" tag ids; count 0 clears it. */
void shard_set_meta(struct shard *s, const tag_id *pairs, size_t count);

/* Adds one pair to what shard_set_meta has set, for samples whose value is theirs alone (trace_id):
 * it is not interned and goes with the window. Until shard_set_meta. Costs nothing when samples are
 * not kept. */
void shard_add_meta(struct shard *s, struct str key, struct str value);

/* Whether a request is to be kept: with the tags of its samples, failed or not, its trace recorded
 * or not, and how long it took in nanoseconds. */
bool shard_wants_request(const struct shard *s, tagset_id tags, bool failed, bool sampled,
                         int64_t duration);
void shard_add_request(struct shard *s, tagset_id tags, struct request_record *r);

/* Hands over what was gathered since the last call (never NULL); the caller frees it with
 * window_free. On the worker's thread. */
struct window *shard_take_window(struct shard *s);

/* True once, after series were first folded. */
bool shard_overflowed(struct shard *s);

#endif
