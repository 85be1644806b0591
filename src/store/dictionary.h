/* The series and regions of a run, by their numbers in the store. Internal to src/store.
 *
 * The writer keeps one per active run and adds to it; a reader loads what there is for each answer.
 * Of every metric there is one more series, the sum of all it has: `total`. */
#ifndef STORE_DICTIONARY_H
#define STORE_DICTIONARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/map.h"
#include "metrics/window.h"

struct store;
struct diag;
struct store_where;

struct dict_metric {
    struct metric metric; /* its id: index into metrics */
    bool adds_up;         /* a gauge that does (point.h) */
    uint32_t total;       /* the series that is its sum */
};

struct dict_series {
    struct series series; /* tags NULL: a total */
    struct dict_metric *metric;
};

struct dict_region {
    struct str name; /* NUL-terminated */
    int64_t newest;  /* the newest second; -1: none */
    int64_t rolled;  /* seconds before are in rows of all levels */
    /* The next series whose ten minutes from `rolled` on are to be rolled; the writer's. */
    uint32_t roll_next;
};

struct dictionary {
    int64_t run; /* its key */
    struct dict_metric **metrics;
    size_t metric_count;
    struct dict_series *series; /* by id */
    size_t series_count;
    struct dict_region *regions; /* by id */
    size_t region_count;
    struct map _by_name;   /* metrics */
    struct map _by_series; /* series ids plus 1, by key_of */
    struct map _by_region; /* region ids plus 1 */
    struct arena _arena;
    struct buf _key;
};

MUST_USE int dictionary_load(struct store *s, int64_t run, struct dictionary **out, struct diag *d);
void dictionary_free(struct dictionary *dict); /* NULL is allowed */

/* The metric, or NULL. */
struct dict_metric *dictionary_metric(const struct dictionary *dict, struct str name);
/* The region's id, or -1. */
int64_t dictionary_region(const struct dictionary *dict, struct str name);
/* Whether `where` lets the series through (metric and tags only); totals never pass. */
bool dictionary_lets(const struct dict_series *series, const struct store_where *where);

/* The id, made and stored if there is none. Within a transaction; negative with a message. */
int64_t dictionary_add(struct dictionary *dict, struct store *s, const struct series *series,
                       struct diag *d);
int64_t dictionary_add_region(struct dictionary *dict, struct store *s, struct str name,
                              struct diag *d);

#endif
