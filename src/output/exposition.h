/* Reading what targets expose of themselves: the Prometheus text format (0.0.4) and OpenMetrics, of
 * which the lines of samples are the same: NAME{LABEL="VALUE",...} NUMBER [TIME] [# EXEMPLAR]. */
#ifndef OUTPUT_EXPOSITION_H
#define OUTPUT_EXPOSITION_H

#include <stddef.h>

#include "base/compiler.h"
#include "base/str.h"

enum exposed_kind { EXPOSED_UNTYPED, EXPOSED_COUNTER, EXPOSED_GAUGE, EXPOSED_DISTRIBUTION };

struct exposed {
    struct str series; /* name with its labels, as it stands in the text */
    struct str name;
    enum exposed_kind kind; /* as the TYPE line above says */
    double value;
};

/* Calls fn for each sample. Returns how many there were, or ERR_SYNTAX at the first line that is
 * none (*line is its number, from 1). The body may be anything. */
MUST_USE int exposition_read(struct str body, void (*fn)(void *arg, const struct exposed *sample),
                             void *arg, size_t *line);

#endif
