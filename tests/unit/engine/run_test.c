/* The life of a run: phases, setup and teardown, aborts, exit codes, windows, workers that hang. */
#include "engine/run.h"

#include "base/clock.h"
#include "base/mem.h"
#include "fake_runner.h"
#include "loop/loop.h"

#define MS NSEC_PER_MSEC

static struct fake f;
static enum run_phase phases[16];
static size_t phase_count;

static void note_phase(struct fake *fake, enum run_phase phase)
{
    (void)fake;
    CHECK(phase_count < COUNT_OF(phases));
    phases[phase_count++] = phase;
}

static void check_phases(const enum run_phase *want, size_t count)
{
    CHECK_EQ(phase_count, count);
    for (size_t i = 0; i < count; i++)
        CHECK_EQ(phases[i], want[i]);
}

static void begin(void)
{
    fake_init(&f);
    f.on_phase = note_phase;
    phase_count = 0;
    f.sleep_nsec[0] = 10 * MS;
}

static const char one[] = "{'workers': 2, 'vus': 2, 'iterations': 4}";
static const char loops[] = "{'workers': 2, 'vus': 3, 'duration': '20s'}";

TEST(run_goes_through_its_phases)
{
    static const enum run_phase want[] = {RUN_INIT_VUS, RUN_INIT_DONE, RUN_STARTED, RUN_SETUP,
                                          RUN_RUNNING,  RUN_TEARDOWN,  RUN_ENDED};

    begin();
    f.has_setup = true;
    f.has_teardown = true;
    fake_run(&f, one, NULL, NULL);
    check_phases(want, COUNT_OF(want));
    CHECK_EQ(f.setups, 1);
    CHECK_EQ(f.teardowns, 1);
    CHECK_TEXT("{\"token\":1}", "{\"token\":1}");
    CHECK_EQ(f.result.exit_code, 0);
    CHECK_EQ(f.result.reason, RUN_ABORT_NONE);
    CHECK_EQ(f.result.completed, 4);
    CHECK(f.result.start_wall_nsec > 0);
    CHECK(f.all_ended);
    fake_deinit(&f);
}

TEST(run_without_setup_and_teardown)
{
    static const enum run_phase want[] = {RUN_INIT_VUS, RUN_INIT_DONE, RUN_STARTED, RUN_RUNNING,
                                          RUN_ENDED};

    begin();
    f.has_setup = true;
    f.has_teardown = true;
    fake_run(&f, "{'vus': 2, 'iterations': 4, 'noSetup': true, 'noTeardown': true}", NULL, NULL);
    check_phases(want, COUNT_OF(want));
    CHECK_EQ(f.setups, 0);
    CHECK_EQ(f.teardowns, 0);
    fake_deinit(&f);
}

TEST(run_ends_when_setup_fails)
{
    begin();
    f.has_setup = true;
    f.has_teardown = true;
    f.setup = FAKE_FAILS;
    fake_run(&f, one, NULL, NULL);
    CHECK_EQ(f.result.exit_code, EXIT_CODE_SCRIPT_ERROR);
    CHECK_EQ(f.count, 0);
    CHECK_EQ(f.teardowns, 0);
    fake_deinit(&f);
}

TEST(run_tells_timeouts_of_setup_and_teardown)
{
    begin();
    f.has_setup = true;
    f.setup = FAKE_TIMES_OUT;
    fake_run(&f, one, NULL, NULL);
    CHECK_EQ(f.result.exit_code, EXIT_CODE_SETUP_TIMEOUT);
    fake_deinit(&f);
    begin();
    f.has_teardown = true;
    f.teardown = FAKE_TIMES_OUT;
    fake_run(&f, one, NULL, NULL);
    CHECK_EQ(f.result.exit_code, EXIT_CODE_TEARDOWN_TIMEOUT);
    CHECK_EQ(f.result.completed, 4);
    fake_deinit(&f);
    begin();
    f.has_teardown = true;
    f.teardown = FAKE_FAILS;
    fake_run(&f, one, NULL, NULL);
    CHECK_EQ(f.result.exit_code, EXIT_CODE_SCRIPT_ERROR);
    fake_deinit(&f);
}

TEST(run_ends_when_a_vus_init_fails)
{
    begin();
    f.has_setup = true;
    f.fail_vu = 3;
    fake_run(&f, "{'workers': 2, 'vus': 5, 'iterations': 5}", NULL, NULL);
    CHECK_EQ(f.result.exit_code, EXIT_CODE_SCRIPT_ERROR);
    CHECK_EQ(f.result.reason, RUN_ABORT_INIT_ERROR);
    CHECK_EQ(f.setups, 0);
    CHECK_EQ(f.count, 0);
    fake_deinit(&f);
}

TEST(run_is_marked_failed)
{
    begin();
    f.marks_failed = true;
    fake_run(&f, one, NULL, NULL);
    CHECK_EQ(f.result.exit_code, EXIT_CODE_MARKED_FAILED);
    CHECK(f.result.marked_failed);
    CHECK_EQ(f.result.completed, 4);
    fake_deinit(&f);
}

/* --- aborts ------------------------------------------------------------------------------- */

TEST(run_aborted_by_a_script_still_tears_down)
{
    begin();
    f.has_teardown = true;
    f.abort_at = 10;
    f.sleep_nsec[0] = 30 * MS;
    fake_run(&f, loops, NULL, NULL);
    CHECK_EQ(f.result.exit_code, EXIT_CODE_SCRIPT_ABORT);
    CHECK_TEXT("enough", "enough");
    CHECK_EQ(f.result.reason, RUN_ABORT_SCRIPT);
    CHECK_EQ(f.teardowns, 1);
    CHECK(f.result.duration_nsec < 5 * NSEC_PER_SEC);
    CHECK(f.count < 20);
    fake_deinit(&f);
}

static void abort_at_tick(struct fake *fake)
{
    run_abort(fake->run, RUN_ABORT_THRESHOLD, "crossed");
    run_abort(fake->run, RUN_ABORT_SIGNAL, NULL); /* the first reason stays */
}

TEST(run_aborted_from_main_interrupts_at_once)
{
    static const enum run_phase want[] = {RUN_INIT_VUS, RUN_INIT_DONE, RUN_STARTED,
                                          RUN_RUNNING,  RUN_TEARDOWN,  RUN_INTERRUPTED};

    begin();
    f.has_teardown = true;
    f.on_tick = abort_at_tick;
    f.sleep_nsec[0] = 15 * NSEC_PER_SEC;
    fake_run(&f, loops, NULL, NULL);
    check_phases(want, COUNT_OF(want));
    CHECK_EQ(f.result.exit_code, EXIT_CODE_THRESHOLDS);
    CHECK_EQ(f.result.interrupted, 3);
    CHECK(f.result.duration_nsec < 5 * NSEC_PER_SEC);
    fake_deinit(&f);
}

TEST(run_aborted_stops_every_kind_of_executor)
{
    begin();
    f.on_tick = abort_at_tick;
    for (size_t i = 0; i < 6; i++)
        f.sleep_nsec[i] = 7 * MS;
    fake_run(&f,
             "{'workers': 2, 'minIterationDuration': '50ms', 'scenarios': {"
             "'a': {'executor': 'constant-vus', 'vus': 3, 'duration': '20s'},"
             "'b': {'executor': 'ramping-vus', 'stages': [{'duration': '20s', 'target': 9}]},"
             "'c': {'executor': 'shared-iterations', 'vus': 3, 'iterations': 10000},"
             "'d': {'executor': 'per-vu-iterations', 'vus': 3, 'iterations': 10000},"
             "'e': {'executor': 'constant-arrival-rate', 'rate': 50, 'duration': '20s',"
             "      'preAllocatedVUs': 3, 'maxVUs': 9},"
             "'f': {'executor': 'ramping-arrival-rate', 'startRate': 5, 'preAllocatedVUs': 2,"
             "      'stages': [{'duration': '20s', 'target': 9}]},"
             "'g': {'executor': 'constant-vus', 'vus': 2, 'duration': '5s', 'startTime': '9s'}}}",
             NULL, NULL);
    CHECK(f.result.duration_nsec < 5 * NSEC_PER_SEC);
    for (size_t i = 0; i < 6; i++)
        CHECK(fake_count(&f, i, ITERATION_DONE) > 0);
    CHECK_EQ(fake_count(&f, 6, ITERATION_DONE), 0);
    CHECK_EQ(f.result.completed + f.result.interrupted, f.count);
    fake_deinit(&f);
}

TEST(run_aborted_stops_busy_scripts)
{
    begin();
    f.on_tick = abort_at_tick;
    f.spins_for_ever = true;
    fake_run(&f, loops, NULL, NULL);
    CHECK_EQ(f.result.exit_code, EXIT_CODE_THRESHOLDS);
    CHECK(f.all_ended);
    CHECK(f.result.duration_nsec < 5 * NSEC_PER_SEC);
    fake_deinit(&f);
}

static void abort_in_setup(struct fake *fake, enum run_phase phase)
{
    if (phase == RUN_SETUP)
        run_abort(fake->run, RUN_ABORT_SIGNAL, NULL);
}

TEST(run_aborted_during_setup)
{
    begin();
    f.on_phase = abort_in_setup;
    f.has_setup = true;
    f.has_teardown = true;
    f.setup = FAKE_SLEEPS;
    fake_run(&f, one, NULL, NULL);
    CHECK_EQ(f.result.exit_code, EXIT_CODE_SIGNAL);
    CHECK_EQ(f.teardowns, 0);
    CHECK_EQ(f.count, 0);
    CHECK(f.result.duration_nsec < 5 * NSEC_PER_SEC);
    fake_deinit(&f);
}

static void abort_in_init(struct fake *fake, enum run_phase phase)
{
    if (phase == RUN_INIT_VUS)
        run_abort(fake->run, RUN_ABORT_SIGNAL, NULL);
}

TEST(run_aborted_during_init)
{
    begin();
    f.on_phase = abort_in_init;
    f.has_setup = true;
    f.init_nsec = 10 * MS;
    fake_run(&f, "{'workers': 2, 'vus': 2000, 'duration': '1s'}", NULL, NULL);
    CHECK_EQ(f.result.exit_code, EXIT_CODE_SIGNAL);
    CHECK(f.vus_made < 100);
    CHECK_EQ(f.setups, 0);
    CHECK_EQ(f.result.duration_nsec, 0);
    fake_deinit(&f);
}

static void abort_in_teardown(struct fake *fake, enum run_phase phase)
{
    if (phase == RUN_TEARDOWN)
        run_abort(fake->run, RUN_ABORT_SIGNAL, NULL);
}

TEST(run_teardown_is_not_interrupted)
{
    begin();
    f.on_phase = abort_in_teardown;
    f.has_teardown = true;
    fake_run(&f, one, NULL, NULL);
    CHECK_EQ(f.teardowns, 1);
    CHECK_EQ(f.result.exit_code, EXIT_CODE_SIGNAL);
    CHECK_EQ(f.result.completed, 4);
    fake_deinit(&f);
}

/* --- pause -------------------------------------------------------------------------------- */

static void resume_at_tick(struct fake *fake)
{
    if (run_get_phase(fake->run) == RUN_PAUSED)
        run_resume(fake->run);
}

TEST(run_paused_waits_to_be_resumed)
{
    begin();
    f.on_tick = resume_at_tick;
    fake_run(&f, "{'vus': 2, 'iterations': 4, 'paused': true}", NULL, NULL);
    CHECK_EQ(f.result.completed, 4);
    CHECK_EQ(phases[2], RUN_PAUSED);
    CHECK_EQ(f.ticks, 2);                             /* that and the last */
    CHECK(f.result.duration_nsec < NSEC_PER_SEC / 2); /* the pause does not count */
    fake_deinit(&f);
}

TEST(run_paused_can_be_aborted)
{
    begin();
    f.on_tick = abort_at_tick;
    f.has_teardown = true;
    fake_run(&f, "{'vus': 2, 'iterations': 4, 'paused': true}", NULL, NULL);
    CHECK_EQ(f.result.exit_code, EXIT_CODE_THRESHOLDS);
    CHECK_EQ(f.count, 0);
    CHECK_EQ(f.teardowns, 0);
    fake_deinit(&f);
}

static void stop_loop(struct fake *fake)
{
    loop_stop(fake->loop);
}

TEST(run_goes_on_when_the_loop_is_stopped_by_somebody_else)
{
    begin();
    f.on_tick = stop_loop;
    fake_run(&f, "{'vus': 2, 'duration': '2s'}", NULL, NULL);
    CHECK_EQ(f.result.exit_code, 0);
    CHECK(f.result.duration_nsec >= 2 * NSEC_PER_SEC);
    fake_deinit(&f);
}

/* --- windows ------------------------------------------------------------------------------ */

TEST(run_hands_out_every_sample)
{
    begin();
    f.sleep_nsec[0] = 2 * MS;
    fake_run(&f, "{'workers': 2, 'vus': 10, 'duration': '2500ms'}", NULL, NULL);
    CHECK_EQ(f.ticks, 3);
    CHECK_EQ(fake_metric(&f, "iterations"), f.count);
    CHECK_EQ(fake_metric(&f, "iteration_duration"), f.count);
    CHECK_EQ(fake_metric(&f, "vus"), 10);
    CHECK_EQ(fake_metric(&f, "vus_max"), 10);
    CHECK(fake_metric(&f, "load_generator_memory_bytes") > 100000);
    CHECK(fake_metric(&f, "load_generator_descriptors") > 2);
    CHECK(fake_metric(&f, "load_generator_loop_lag") >= 4);
    fake_deinit(&f);
}

static struct scenario_progress seen[2];
static uint64_t seen_active;
static uint64_t seen_initialised;

static void look(struct fake *fake)
{
    const struct run_state *state = run_get_state(fake->run);
    const struct scenario *s = state->scenarios[0].scenario;
    double progress = run_state_scenario_progress(state, s, clock_now());

    if (fake->ticks != 1)
        return;
    for (size_t i = 0; i < 2; i++)
        run_scenario_progress(fake->run, i, &seen[i]);
    seen_active = run_state_vus_active(state);
    seen_initialised = run_state_vus_initialised(state);
    CHECK(progress > 0.3 && progress < 0.8);
    CHECK(run_state_duration(state, clock_now()) > NSEC_PER_SEC / 2);
    CHECK(run_state_scenario_start_wall(state, s) / NSEC_PER_SEC - clock_wall() / NSEC_PER_SEC <=
          0);
    CHECK_EQ(run_planned_vus(fake->run), 5);
    CHECK_EQ(run_max_vus(fake->run), 8);
}

TEST(run_shows_its_progress)
{
    begin();
    f.on_tick = look;
    f.sleep_nsec[1] = 20 * MS;
    fake_run(&f,
             "{'workers': 2, 'scenarios': {"
             "'a': {'executor': 'constant-vus', 'vus': 3, 'duration': '2s'},"
             "'b': {'executor': 'ramping-arrival-rate', 'startRate': 20, 'preAllocatedVUs': 2,"
             "      'maxVUs': 5, 'stages': [{'duration': '500ms', 'target': 20}],"
             "      'startTime': '1500ms'}}}",
             NULL, NULL);
    CHECK_EQ(seen_active, 3);
    CHECK_EQ(seen_initialised, 5);
    CHECK_EQ(seen[0].phase, SCENARIO_RUNNING);
    CHECK_EQ(seen[0].vus, 3);
    CHECK_EQ(seen[0].counts.vus_active, 3);
    CHECK(seen[0].counts.completed > 50);
    CHECK(seen[0].fraction > 0.3 && seen[0].fraction < 0.8);
    CHECK_EQ(seen[1].phase, SCENARIO_WAITING);
    CHECK_EQ(seen[1].max_vus, 5);
    CHECK(seen[1].starts_in_nsec > 0 && seen[1].starts_in_nsec < NSEC_PER_SEC);
    fake_deinit(&f);
}

/* --- a worker that hangs ------------------------------------------------------------------ */

TEST(run_leaves_a_hung_worker_behind)
{
    begin();
    f.is_deaf = true;
    f.has_teardown = true;
    f.on_tick = abort_at_tick;
    fake_run(&f, "{'workers': 2, 'vus': 1, 'duration': '2s', 'gracefulStop': '0s'}", NULL, NULL);
    CHECK(!f.all_ended);
    CHECK_EQ(f.teardowns, 1); /* on the other worker */
    CHECK_EQ(f.result.exit_code, EXIT_CODE_THRESHOLDS);
}

/* --- many VUs ----------------------------------------------------------------------------- */

#ifdef __SANITIZE_THREAD__
enum { MANY = 100 }; /* ThreadSanitizer takes a millisecond to make a fiber */
#else
enum { MANY = 10000 };
#endif

TEST(run_of_many_vus)
{
    char *options = mem_printf("{'workers': 2, 'vus': %d, 'duration': '1s'}", MANY);

    begin();
    f.sleep_nsec[0] = 400 * MS;
    fake_run(&f, options, NULL, NULL);
    mem_free(options);
    CHECK_EQ(fake_distinct_vus(&f, 0), MANY);
    CHECK_EQ(f.result.completed, f.count);
    fake_deinit(&f);
}

TEST(run_numbers_vus_in_the_fleet)
{
    begin();
    fake_run(&f, "{'workers': 2, 'vus': 9, 'iterations': 9}", "1/3:2/3", "0,1/3,2/3,1");
    CHECK_EQ(f.vus_made, 3);
    for (uint64_t i = 0; i < f.count; i++) {
        CHECK(f.records[i].vu >= 1 && f.records[i].vu <= 3);
        CHECK_EQ(f.records[i].vu_in_test, 3 * (f.records[i].vu - 1) + 2);
    }
    fake_deinit(&f);
}
