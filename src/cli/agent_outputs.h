/* The outputs of gale agent: every sample that its parts measure goes there, of all tests that it
 * runs, until it ends. Thresholds are the controller's: these know none. */
#ifndef CLI_AGENT_OUTPUTS_H
#define CLI_AGENT_OUTPUTS_H

#include <stddef.h>

#include "base/compiler.h"
#include "base/diag.h"

struct agent_config;
struct args;
struct output;
struct threshold_set;
struct totals;

struct agent_outputs {
    struct output **list;
    size_t count;
    struct totals *totals;            /* empty */
    struct threshold_set *thresholds; /* empty */
    char **system_tags;
};

/* Opens what --out and --traces-output say, of the agent of that config (its id, region and loop);
 * its sink is set when there is any. ERR_INVALID for what is no output, or what opening it gave.
 * The list stays where it is until agent_outputs_close, error or not. */
MUST_USE int agent_outputs_open(struct agent_outputs *o, const struct args *args,
                                struct agent_config *config, struct diag *d);
/* Writes what is left, outside of the loop; what could not be written is logged. */
void agent_outputs_close(struct agent_outputs *o);

#endif
