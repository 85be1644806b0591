/* The shop's own metrics, as Prometheus reads them. */
#ifndef SHOP_METERS_H
#define SHOP_METERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum { METER_BUCKETS = 10, METER_ROUTES = 8, METER_CLASSES = 6, METER_REGIONS = 16 };

/* Of what took so long. */
struct meter_times {
    uint64_t buckets[METER_BUCKETS + 1]; /* the last: longer than all */
    uint64_t count;
    double seconds;
};

struct meters {
    const char *const *routes;                      /* METER_ROUTES names */
    uint64_t requests[METER_ROUTES][METER_CLASSES]; /* by the status' first digit */
    struct meter_times times[METER_ROUTES];
    struct {
        char name[32];
        struct meter_times times;
        uint64_t fallbacks;
    } replicas[METER_REGIONS]; /* of the catalogue; the last one takes what is too many */
    size_t replica_count;
};

void meters_request(struct meters *m, size_t route, int status, int64_t nsec);
/* A question to the catalogue of that region. */
void meters_catalogue(struct meters *m, struct str region, int64_t nsec, int is_fallback);
void meters_text(const struct meters *m, struct buf *out);

#endif
