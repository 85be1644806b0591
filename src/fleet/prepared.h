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

/* What somebody has uploaded: a script's text or an archive. */
struct upload {
    const char *name; /* decides how it is read: "checkout.ts", "checkout.tar" */
    struct str input;
    const json_t *env; /* texts by name, for __ENV; NULL: none, as is the other */
    /* {"options": {...}, "thresholds": {selector: [...]}, "tags": {...}}: options take precedence
     * over the script's; thresholds take the place of the script's for that selector (an empty
     * list: there are none); tags are added to its own. */
    const json_t *changes;
};

/* Makes a test of an upload. Errors are those of the script, with the name that it was given, line
 * and column; the message's second line, if there is one, is the script's. */
struct preparer {
    void *arg;
    /* Called on a thread of the offload pool. 0, or the exit code of the test with a message. */
    int (*prepare)(void *arg, const struct upload *upload, struct prepared **out, struct diag *d);
};

#endif
