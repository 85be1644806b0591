/* A runner without JavaScript: its VUs sleep, spin, abort or fail as a test wants, and write down
 * every iteration. With it, tests run whole tests on real threads. */
#ifndef UNIT_ENGINE_FAKE_RUNNER_H
#define UNIT_ENGINE_FAKE_RUNNER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/options.h"
#include "engine/run.h"
#include "engine/runner.h"
#include "engine/saturation.h"
#include "metrics/totals.h"
#include "support/test.h"

enum { FAKE_RECORDS = 400000, FAKE_SCENARIOS = 8 };

struct fake_record {
    uint64_t vu;
    uint64_t vu_in_test;
    size_t scenario;
    unsigned worker;
    uint64_t in_scenario_vu;
    uint64_t in_instance;
    uint64_t in_test;
    int64_t began; /* after the start of the scenarios */
    int64_t ended;
    enum iteration_end end;
};

enum fake_call { FAKE_OK, FAKE_FAILS, FAKE_TIMES_OUT, FAKE_SLEEPS };

struct fake {
    struct runner base;

    /* What iterations do, by scenario index. */
    int64_t sleep_nsec[FAKE_SCENARIOS];
    int64_t spin_nsec[FAKE_SCENARIOS];
    bool spins_for_ever; /* until its deadline, or the stop of the run */
    bool is_deaf;        /* cannot be interrupted either, until `hears` */
    atomic_bool hears;
    uint64_t abort_at; /* the iteration of the instance that aborts, plus 1 */
    bool marks_failed;

    bool has_setup;
    bool has_teardown;
    enum fake_call setup;
    enum fake_call teardown;
    uint64_t fail_vu;  /* this VU's init fails; 0: none */
    int64_t init_nsec; /* a VU's init sleeps so long */

    atomic_uint_fast64_t vus_made;
    atomic_uint_fast64_t vus_freed;
    atomic_uint setups;
    atomic_uint teardowns;
    atomic_uint workers;
    const char *setup_data; /* as set */
    atomic_uint_fast64_t count;
    struct fake_record *records;

    /* Of the run. */
    struct totals *totals;
    unsigned ticks;
    struct run *run;
    struct loop *loop; /* main's */
    struct run_result result;
    struct saturation saturation; /* its spans are gone */
    bool all_ended;
    void (*on_tick)(struct fake *f); /* or NULL */
    void (*on_phase)(struct fake *f, enum run_phase phase);
    const struct run_part *part; /* conducted: on_phase gives the orders */
    char *summary;               /* of a conducted run: what handleSummary gave */
};

void fake_init(struct fake *f);
void fake_deinit(struct fake *f);

/* Runs a test with these options (JSON, with ' for "); `segment` may be NULL. */
void fake_run(struct fake *f, const char *options, const char *segment, const char *sequence);

/* A metric's sum (counters), value (gauges) or count (trends); 0 without samples. */
double fake_metric(const struct fake *f, const char *name);
/* Iterations of a scenario that ended so. */
uint64_t fake_count(const struct fake *f, size_t scenario, enum iteration_end end);
uint64_t fake_distinct_vus(const struct fake *f, size_t scenario);

#endif
