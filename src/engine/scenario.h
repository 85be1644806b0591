/* Scenarios: who runs what, when and how much; derived from the options once, then read-only.
 *
 * Source of fields, defaults and rules: k6.md "Scenarios", k6-features.md OPT-03 and section 8. */
#ifndef ENGINE_SCENARIO_H
#define ENGINE_SCENARIO_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "engine/pacer.h"

struct options;

#define SCENARIO_MAX_VUS UINT64_C(100000000)

enum executor_kind {
    EXECUTOR_SHARED_ITERATIONS,
    EXECUTOR_PER_VU_ITERATIONS,
    EXECUTOR_CONSTANT_VUS,
    EXECUTOR_RAMPING_VUS,
    EXECUTOR_CONSTANT_ARRIVAL_RATE,
    EXECUTOR_RAMPING_ARRIVAL_RATE,
};

const char *executor_name(enum executor_kind kind); /* "shared-iterations", ... */
/* The fields that only scenarios of that executor have, with blanks between; empty: no such
 * executor. */
struct str executor_fields(struct str name);

struct scenario {
    char *name;
    size_t index; /* in the list */
    enum executor_kind kind;
    char *exec;         /* the exported function; "default" */
    json_t *env;        /* object of texts, or NULL */
    json_t *tags;       /* object of texts, or NULL */
    int64_t start_nsec; /* after the start of the test */
    int64_t graceful_stop_nsec;
    int64_t duration_nsec; /* of the executor's regular work; maxDuration for iterations */

    uint64_t vus;        /* planned VUs: vus, preAllocatedVUs, or the most of the stages */
    uint64_t max_vus;    /* of arrival rates: may grow to this; else as vus */
    uint64_t iterations; /* all, or per VU */
    uint64_t start_vus;  /* ramping-vus */
    int64_t graceful_ramp_down_nsec;
    uint64_t start_rate;  /* arrival rates: at the beginning */
    int64_t unit_nsec;    /* timeUnit */
    struct stage *stages; /* of ramps; a constant rate is one stage */
    size_t stage_count;
};

struct scenario_list {
    struct scenario **list;
    size_t count;
};

/* From the options: `scenarios`, or the shortcuts as the scenario "default". ERR_INVALID with a
 * message that names the scenario and field. */
MUST_USE int scenarios_derive(const struct options *o, struct scenario_list *out, struct diag *d);
void scenarios_deinit(struct scenario_list *list);

/* When the last scenario ends at the latest, graceful stop included. */
int64_t scenarios_duration(const struct scenario_list *list);

/* The most VUs at one time, with vus[i] of them in scenario i: those that don't overlap share. */
uint64_t scenarios_most_vus(const struct scenario_list *list, const uint64_t *vus);

/* Multiplies the load by num/den (both above 0): VUs, the targets of ramps, shared iterations
 * (those of per-vu-iterations are per VU), rounded half up but never to 0 where there was
 * something; rates exactly, by a longer timeUnit where they don't divide. Times stay. ERR_LIMIT
 * when a number gets too large: the list is of no use then. */
MUST_USE int scenarios_scale(struct scenario_list *list, uint64_t num, uint64_t den);

/* The most iterations per second of an arrival rate; 0: it is none. */
double scenario_most_rate(const struct scenario *s);

/* "2 looping VUs for 1s (gracefulStop: 30s)": heap. */
char *scenario_describe(const struct scenario *s);

#endif
