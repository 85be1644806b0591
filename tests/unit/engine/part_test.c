/* Conducted runs: the steps of a part, numbers over the whole test, and joining for a lost part. */
#include "base/clock.h"
#include "fake_runner.h"

#define MS NSEC_PER_MSEC

static struct fake f;
static enum run_phase phases[16];
static size_t phase_count;
static bool leads;
static int64_t leave_at; /* of the scenarios' time; 0: it stays */
static int64_t start_at; /* of the scenarios; 0: when the order is given */

static void conduct(struct fake *fake, enum run_phase phase)
{
    int64_t at = start_at ? start_at : clock_now() + 20 * MS;

    phases[phase_count++] = phase;
    switch (phase) {
    case RUN_INIT_DONE:
        if (leads)
            run_do_setup(fake->run);
        else
            run_do_scenarios(fake->run, "{\"token\":2}", at);
        break;
    case RUN_SETUP_DONE:
        run_do_scenarios(fake->run, NULL, at);
        break;
    case RUN_RUNNING:
        if (leave_at)
            run_leave(fake->run, leave_at);
        break;
    case RUN_EXECUTED:
        if (leads)
            run_do_teardown(fake->run);
        else
            run_do_end(fake->run);
        break;
    default:
        break;
    }
}

static void conducted(const char *options, const char *segment, struct run_part part)
{
    phase_count = 0;
    f.on_phase = conduct;
    f.part = &part;
    f.has_setup = true;
    f.has_teardown = true;
    fake_run(&f, options, segment, "0,1/3,2/3,1");
    f.part = NULL;
}

static void check_phases(const enum run_phase *want, size_t count)
{
    CHECK_EQ(phase_count, count);
    for (size_t i = 0; i < count; i++)
        CHECK_EQ(phases[i], want[i]);
}

TEST(part_that_leads_goes_by_orders)
{
    static const enum run_phase want[] = {RUN_INIT_VUS, RUN_INIT_DONE,  RUN_STARTED,
                                          RUN_SETUP,    RUN_SETUP_DONE, RUN_RUNNING,
                                          RUN_EXECUTED, RUN_TEARDOWN,   RUN_ENDED};

    fake_init(&f);
    leads = true;
    conducted("{'workers': 2, 'vus': 3, 'iterations': 9}", "0:1/3", (struct run_part){0});
    check_phases(want, COUNT_OF(want));
    CHECK_EQ(f.setups, 1);
    CHECK_EQ(f.teardowns, 1);
    CHECK_EQ(f.result.completed, 3);
    CHECK_EQ(f.result.exit_code, 0);
    CHECK_TEXT(f.summary, "{}");
    CHECK_EQ(fake_metric(&f, "vus_max"), 0); /* whoever has all parts counts them */
    fake_deinit(&f);
}

TEST(part_that_follows_gets_the_setup_data)
{
    static const enum run_phase want[] = {RUN_INIT_VUS, RUN_INIT_DONE, RUN_STARTED,
                                          RUN_RUNNING,  RUN_EXECUTED,  RUN_ENDED};

    fake_init(&f);
    leads = false;
    conducted("{'workers': 2, 'vus': 3, 'iterations': 9}", "1/3:2/3", (struct run_part){0});
    check_phases(want, COUNT_OF(want));
    CHECK_EQ(f.setups, 0);
    CHECK_EQ(f.teardowns, 0);
    CHECK_EQ(f.result.completed, 3);
    /* __VU is the number in the test. */
    for (uint64_t i = 0; i < f.count; i++)
        CHECK_EQ(f.records[i].vu, f.records[i].vu_in_test);
    fake_deinit(&f);
}

TEST(part_begins_at_the_agreed_moment)
{
    fake_init(&f);
    leads = true;
    start_at = clock_now() + 300 * MS;
    conducted("{'workers': 2, 'vus': 3, 'iterations': 3}", "0:1/3", (struct run_part){0});
    for (uint64_t i = 0; i < f.count; i++)
        CHECK(f.records[i].began >= 0);
    CHECK(clock_now() >= start_at);
    start_at = 0;
    fake_deinit(&f);
}

/* Of 100 arrivals in 1 s a third is this part's; those before 600 ms are done or lost. */
TEST(part_joins_arrivals)
{
    static const struct scenario_done known[] = {{15, 1, 0}};
    struct run_part part = {.join_nsec = 600 * MS, .done = known};
    uint64_t done;

    fake_init(&f);
    leads = false;
    start_at = clock_now() - 580 * MS;
    conducted("{'workers': 2, 'scenarios': {'a': {'executor': 'constant-arrival-rate', 'rate': 100,"
              "'duration': '1s', 'preAllocatedVUs': 9, 'maxVUs': 9}}}",
              "0:1/3", part);
    start_at = 0;
    done = f.result.completed;
    /* Of the 34 of this part, the one at the end included, 20 were due before; 16 are accounted
     * for. */
    CHECK_EQ(done, 14);
    CHECK_EQ(fake_metric(&f, "dropped_iterations"), 4);
    for (uint64_t i = 0; i < f.count; i++)
        CHECK(f.records[i].in_test >= 59);
    fake_deinit(&f);
}

TEST(part_takes_over_iterations)
{
    static const struct scenario_done done[] = {{4, 0, 0}};

    fake_init(&f);
    leads = false;
    conducted("{'workers': 2, 'vus': 6, 'iterations': 30}", "0:1/3",
              (struct run_part){.done = done});
    CHECK_EQ(f.result.completed, 6);
    for (uint64_t i = 0; i < f.count; i++)
        CHECK(f.records[i].in_instance >= 4);
    fake_deinit(&f);

    fake_init(&f);
    conducted("{'workers': 2, 'scenarios': {'p': {'executor': 'per-vu-iterations', 'vus': 6,"
              "'iterations': 5}}}",
              "0:1/3", (struct run_part){.done = (struct scenario_done[]){{3, 0, 0}}});
    CHECK_EQ(f.result.completed, 7);
    CHECK_EQ(fake_metric(&f, "dropped_iterations"), 0);
    fake_deinit(&f);
}

static void abort_soon(struct fake *fake)
{
    run_abort(fake->run, RUN_ABORT_SIGNAL, NULL);
}

TEST(part_that_is_aborted_waits_for_its_end)
{
    fake_init(&f);
    leads = true;
    f.sleep_nsec[0] = 10 * MS;
    f.on_tick = abort_soon;
    conducted("{'workers': 2, 'vus': 3, 'duration': '20s'}", "0:1/3", (struct run_part){0});
    CHECK_EQ(f.result.reason, RUN_ABORT_SIGNAL);
    CHECK_EQ(f.teardowns, 1);
    CHECK_EQ(phases[phase_count - 1], RUN_INTERRUPTED);
    fake_deinit(&f);
}

/* Of 34 arrivals in 1 s the 14 before 400 ms are its own; whoever has the others begins there. */
TEST(part_leaves_arrivals_to_another)
{
    static const char options[] =
        "{'workers': 2, 'scenarios': {'a': {'executor': 'constant-arrival-rate', 'rate': 100,"
        "'duration': '1s', 'preAllocatedVUs': 9, 'maxVUs': 9}}}";

    fake_init(&f);
    leads = false;
    leave_at = 400 * MS;
    conducted(options, "0:1/3", (struct run_part){0});
    leave_at = 0;
    CHECK_EQ(f.result.completed, 14);
    CHECK_EQ(fake_metric(&f, "dropped_iterations"), 0);
    fake_deinit(&f);
    fake_init(&f);
    start_at = clock_now() - 390 * MS;
    conducted(options, "0:1/3", (struct run_part){.join_nsec = 400 * MS, .from_nsec = 400 * MS});
    start_at = 0;
    CHECK_EQ(f.result.completed, 20);
    CHECK_EQ(fake_metric(&f, "dropped_iterations"), 0);
    fake_deinit(&f);
}

/* VUs that loop, ramp, and come in a scenario that has not begun when it leaves. */
TEST(part_leaves_vus_to_another)
{
    static const char *const all[] = {
        "{'workers': 2, 'scenarios': {'a': {'executor': 'constant-vus', 'vus': 6,"
        "'duration': '60s'}, 'b': {'executor': 'constant-vus', 'vus': 3, 'duration': '60s',"
        "'startTime': '30s'}, 'c': {'executor': 'constant-arrival-rate', 'rate': 9,"
        "'duration': '60s', 'preAllocatedVUs': 3, 'startTime': '30s'}}}",
        "{'workers': 2, 'scenarios': {'a': {'executor': 'ramping-vus', 'startVUs': 6, 'stages': ["
        "{'duration': '100ms', 'target': 0}, {'duration': '60s', 'target': 6}]}}}",
    };

    for (size_t i = 0; i < COUNT_OF(all); i++) {
        fake_init(&f);
        f.sleep_nsec[0] = 5 * MS;
        leads = false;
        leave_at = 200 * MS;
        conducted(all[i], "0:1/3", (struct run_part){0});
        leave_at = 0;
        CHECK(f.result.completed > 0);
        for (uint64_t j = 0; j < f.count; j++)
            CHECK(f.records[j].began < 20 * NSEC_PER_SEC);
        fake_deinit(&f);
    }
}

TEST(part_joins_vus_at_its_moment)
{
    fake_init(&f);
    f.sleep_nsec[0] = 5 * MS;
    leads = false;
    conducted("{'workers': 2, 'vus': 6, 'duration': '1s'}", "0:1/3",
              (struct run_part){.join_nsec = 200 * MS, .from_nsec = 200 * MS});
    CHECK(f.result.completed > 0);
    for (uint64_t i = 0; i < f.count; i++)
        CHECK(f.records[i].began >= 200 * MS);
    fake_deinit(&f);
}
