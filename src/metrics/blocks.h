/* A metric over the run in at most BLOCKS_MAX blocks of equal length, to tell how much of a
 * difference between two runs may be chance.
 *
 * Blocks begin as seconds of the run; when there are too many, neighbours merge and blocks are
 * twice as long. So they grow with the run, and with them what little one block's values have to do
 * with the next one's. The standard error of a statistic is that of the grouped jackknife: the
 * statistic of all blocks but one, for each of them, and how far these are apart. It needs nothing
 * of the values' distribution, and holds for quantiles too, as a block has many values. */
#ifndef METRICS_BLOCKS_H
#define METRICS_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

#include "metrics/sink.h"

struct blocks;

enum {
    BLOCKS_MAX = 32, /* even */
    BLOCKS_MIN = 5,  /* fewer say nothing */
};

struct blocks *blocks_new(enum metric_type type);
void blocks_free(struct blocks *b); /* NULL is allowed */

/* Adds what came in a second of the run. */
void blocks_merge(struct blocks *b, const struct sink *sink, int64_t second);

/* The standard error of each of `count` aggregates, into errors[]; returns how many blocks that
 * rests on, 0 when they are too few. A counter has errors of AGG_RATE, per second, from whole
 * blocks: the first and the last one are left out. A gauge has none. */
size_t blocks_errors(const struct blocks *b, const struct agg *aggs, size_t count, double *errors);

#endif
