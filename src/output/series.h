/* The run's series as outputs send them: the windows of all workers, merged by metric and tags.
 *
 * A set is cumulative (each sink is the run so far) or not (what came since the last
 * series_set_sent). It copies names and tags, so that it outlives the windows. Control thread. */
#ifndef OUTPUT_SERIES_H
#define OUTPUT_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "base/str.h"
#include "metrics/metric.h"
#include "metrics/sink.h"

struct tags;
struct window;

struct out_series {
    struct metric metric;    /* id is not set */
    const struct tags *tags; /* sorted by key */
    struct sink sink;
    bool has_news; /* a sample came since the last series_set_sent */
    char *_memory; /* what the texts lie in; owned */
};

/* A metric with its series; both in order of first sight. */
struct out_metric {
    struct str name; /* that of its series */
    struct out_series **list;
    size_t count;
};

struct series_set {
    struct out_metric **metrics; /* owned, and all in it */
    size_t count;
    bool is_cumulative;
    bool without_tags;                                   /* one series per metric */
    bool (*leaves_out)(struct str key, const void *arg); /* NULL, or which tags don't count */
    const void *leaves_out_arg;
    struct map _by_name;
    struct map _by_key;
    struct map _by_address; /* of the windows' series: found again without building a key */
};

/* Empty; the other fields that have no underscore are the caller's to set before the first merge.
 */
void series_set_init(struct series_set *set, bool is_cumulative);
void series_set_deinit(struct series_set *set);

void series_set_merge(struct series_set *set, const struct window *w);
/* What there was is under way: news begin anew. */
void series_set_sent(struct series_set *set);

#endif
