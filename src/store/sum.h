/* Internal to src/store. */
#ifndef STORE_SUM_H
#define STORE_SUM_H

#include <stdint.h>

struct dictionary;
struct store_where;

/* The span of a sum in a region: [out[0], out[1]). */
void sum_span(const struct store_where *where, const struct dictionary *dict, int64_t region,
              int64_t out[2]);

#endif
