/* The controller's own metrics, in Prometheus' text format (0.0.4). Internal to src/api. */
#ifndef API_PROMETHEUS_H
#define API_PROMETHEUS_H

#include "base/buf.h"

struct api_context;
struct prometheus;

/* Counts from now on. */
struct prometheus *prometheus_new(const struct api_context *context);
void prometheus_stop(struct prometheus *p); /* before the controller's end */
void prometheus_free(struct prometheus *p);

/* An answer was given. */
void prometheus_count_answer(struct prometheus *p, unsigned status);

#endif
