/* Feature flags: --features, else K6_FEATURES, else `features` of the config file. */
#ifndef CLI_FEATURES_H
#define CLI_FEATURES_H

#include <jansson.h>

struct args;

enum feature {
#define FEATURE(id, name, lifecycle, description) FEATURE_##id,
#include "cli/features.def"
#undef FEATURE
    FEATURE_COUNT
};

/* A bit (1 << FEATURE_X) for each that is on. Logs an error for a name that is unknown. `config`
 * holds the settings of the config file, or is NULL. */
unsigned features_read(const struct args *args, const json_t *config);

#endif
