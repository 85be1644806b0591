/* What of a run's settings is about its delivery (delivery.h). */
#ifndef FLEET_DELIVERY_SETTINGS_H
#define FLEET_DELIVERY_SETTINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/diag.h"

struct delivery_settings {
    char **outputs; /* "influxdb=http://..."; owned, as are all texts */
    size_t output_count;
    char **scrapes;
    size_t scrape_count;
    char **environment; /* "NAME=value", NULL at the end */
    size_t environment_count;
    bool native_histograms;
};

/* `settings` NULL: none. What was read of them is to be freed in any case. ERR_INVALID with a
 * message: a variable that configures none of the outputs among others. */
MUST_USE int delivery_settings_read(const json_t *settings, struct delivery_settings *out,
                                    struct diag *d);
void delivery_settings_deinit(struct delivery_settings *s);

/* A variable of this process. */
const char *delivery_own_env(const char *name);

#endif
