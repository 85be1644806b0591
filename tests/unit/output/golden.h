/* The totals of a run of which golden/ holds what k6 made: golden/NAME.values, in lines
 *
 *   seconds S                      how long it took
 *   check SCOPE PASSES FAILS NAME
 *   metric SCOPE NAME VALUES       a counter's sum, a rate's trues and total, samples of the others
 *
 * SCOPE is - for the whole run, a scenario, or a group of it (buy::cart). */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "metrics/metric.h"
#include "metrics/threshold.h"
#include "metrics/totals.h"

struct golden {
    struct metric_registry registry;
    struct totals *totals;
    struct threshold_set thresholds;
    double seconds;
};

void golden_begin(struct golden *g, const char *values);
void golden_end(struct golden *g);

/* A file of golden/; mem_free it. */
char *golden_read(const char *name);

#endif
