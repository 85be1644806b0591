/* Deletes what is old, or too much (store_retain): soon after the start, then every minute.
 *
 * Threads: the loop's. */
#ifndef API_RETENTION_H
#define API_RETENTION_H

#include <stdint.h>

struct keeper;
struct loop;
struct retention;

struct retention_config {
    struct keeper *keeper;
    struct loop *loop;
    int64_t max_age_nsec; /* of runs that have ended; 0: any, as is the size */
    int64_t max_bytes;    /* of the store */
};

struct retention *retention_start(const struct retention_config *config);
/* Before the keeper is closed; what is under way ends with that. Free it afterwards. NULL is
 * allowed, here and below. */
void retention_stop(struct retention *r);
void retention_free(struct retention *r);

#endif
