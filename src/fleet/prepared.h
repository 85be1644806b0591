/* A test as the controller knows it: its archive, and what was found in it without running it in
 * the controller's process. */
#ifndef FLEET_PREPARED_H
#define FLEET_PREPARED_H

#include <jansson.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"
#include "engine/options.h"
#include "engine/scenario.h"
#include "metrics/metric.h"

struct prepared {
    char *name;    /* of the script, "checkout.js"; owned, as is all below */
    char *archive; /* a tar's bytes */
    size_t archive_len;
    char *script; /* the main script's text */
    json_t *metadata;
    struct options options;
    struct scenario_list scenarios; /* not scaled */
    struct metric_registry metrics; /* the script's own among them */
};
void prepared_free(struct prepared *p); /* NULL is allowed */

/* Makes one of what somebody has uploaded: a script's text or an archive. Errors are those of the
 * script, with file and line. */
struct preparer {
    void *arg;
    /* Called on a thread of the offload pool. 0, or the exit code of the test with a message. */
    int (*prepare)(void *arg, const char *name, struct str input, struct prepared **out,
                   struct diag *d);
};

#endif
