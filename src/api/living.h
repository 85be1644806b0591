/* The runs that are in this process's memory: a controller's, or the one of `gale run --dashboard`.
 * Of these the API shows what is true now; others come from the store.
 *
 * All is called on the loop; what JSON is given is the caller's. */
#ifndef API_LIVING_H
#define API_LIVING_H

#include <jansson.h>
#include <stdbool.h>

struct living {
    json_t *(*ids)(void *arg);                       /* of all, newest first: an array of texts */
    bool (*has)(void *arg, const char *run);         /* whether it is one of them */
    json_t *(*view)(void *arg, const char *run);     /* Run; NULL: it is not in memory */
    json_t *(*snapshot)(void *arg, const char *run); /* Snapshot of one that is */
    /* Ends one that is; `by` is who wants it, the reason may be NULL. One that has ended, or is
     * being stopped, stays as it is. */
    void (*stop)(void *arg, const char *run, const char *by, const char *reason);
    void *arg;
};

#endif
