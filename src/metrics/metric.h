/* What a metric is: a name, a type, and what its values contain; and the registry of a process.
 *
 * The built-in metrics (builtin.def) have fixed ids; custom ones are added by name while scripts
 * run their init context. Each worker has a registry of its own, filled alike; those who merge map
 * ids by name. Source of the rules: k6-features.md MET-19. */
#ifndef METRICS_METRIC_H
#define METRICS_METRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/map.h"
#include "base/str.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_RATE, METRIC_TREND };
enum metric_contains { METRIC_DEFAULT, METRIC_TIME, METRIC_DATA };

enum metric_builtin {
#define METRIC(id, name, type, contains) METRIC_##id,
#include "metrics/builtin.def"
#undef METRIC
    METRIC_BUILTIN_COUNT
};

struct metric {
    uint32_t id;
    struct str name; /* NUL-terminated */
    enum metric_type type;
    enum metric_contains contains;
};

struct metric_registry {
    struct metric **metrics; /* by id; owned */
    uint32_t count;
    struct map _by_name;
};

void metric_registry_init(struct metric_registry *r); /* holds the built-in ones */
void metric_registry_deinit(struct metric_registry *r);

/* The metric of that name, made if there is none. ERR_INVALID with a message when the name breaks
 * the rules (a letter or underscore, then letters, digits, underscores; 2 to 129 characters) or
 * when the name exists with another type or content. *out is owned by the registry. */
MUST_USE
int metric_registry_add(struct metric_registry *r, struct str name, enum metric_type type,
                        enum metric_contains contains, const struct metric **out, struct diag *d);
const struct metric *metric_registry_find(const struct metric_registry *r, struct str name);

const char *metric_type_name(enum metric_type type);             /* "counter", ... */
const char *metric_contains_name(enum metric_contains contains); /* "default", "time", "data" */

#endif
