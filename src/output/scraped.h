/* A target's metric as one of the run's (scrape.h): `queue{pool="db"}` of the target shop is the
 * series "scrape:shop/queue" with the tag pool. */
#ifndef OUTPUT_SCRAPED_H
#define OUTPUT_SCRAPED_H

#include <stdbool.h>

#include "base/str.h"
#include "metrics/metric.h"
#include "metrics/window.h"

struct scraped {
    struct series series;
    struct metric _metric;
    char *_memory; /* what the texts lie in */
};

/* `text` is exposition.h's. A label that is given twice counts once; what is no label is passed
 * over. */
struct scraped *scraped_new(const char *target, struct str text, bool is_counter);
void scraped_free(struct scraped *s); /* NULL is allowed */

#endif
