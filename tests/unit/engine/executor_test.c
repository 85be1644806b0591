/* The executors on real threads and clocks: counts are exact, times as loose as a busy machine
 * needs.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "fake_runner.h"

#define MS NSEC_PER_MSEC

static struct fake f;

static int64_t last_start(size_t scenario)
{
    int64_t last = 0;

    for (uint64_t i = 0; i < f.count; i++) {
        if (f.records[i].scenario == scenario && f.records[i].began > last)
            last = f.records[i].began;
    }
    return last;
}

static int64_t first_start(size_t scenario)
{
    int64_t first = INT64_MAX;

    for (uint64_t i = 0; i < f.count; i++) {
        if (f.records[i].scenario == scenario && f.records[i].began < first)
            first = f.records[i].began;
    }
    return first;
}

/* iterationInInstance runs from 0 without a gap, iterationInTest is unique too. */
static void check_numbers(size_t scenario)
{
    bool *in_instance = mem_calloc(f.count + 1, 1);
    uint64_t most = 0;
    uint64_t count = 0;

    for (uint64_t i = 0; i < f.count; i++) {
        const struct fake_record *r = &f.records[i];

        if (r->scenario != scenario)
            continue;
        CHECK(r->in_instance < f.count && !in_instance[r->in_instance]);
        in_instance[r->in_instance] = true;
        most = r->in_instance > most ? r->in_instance : most;
        count++;
        CHECK_EQ(r->in_test, r->in_instance); /* a whole test: the same */
    }
    CHECK(count == 0 || most == count - 1);
    mem_free(in_instance);
}

/* --- iterations --------------------------------------------------------------------------- */

TEST(shared_iterations_are_taken_from_one_pot)
{
    fake_init(&f);
    f.sleep_nsec[0] = 5 * MS;
    fake_run(&f,
             "{'workers': 2, 'scenarios': {'s': {'executor': 'shared-iterations', 'vus': 4,"
             "'iterations': 50}}}",
             NULL, NULL);
    CHECK_EQ(f.count, 50);
    CHECK_EQ(fake_metric(&f, "iterations"), 50);
    CHECK_EQ(fake_distinct_vus(&f, 0), 4);
    CHECK_EQ(fake_metric(&f, "dropped_iterations"), 0);
    CHECK_EQ(f.result.exit_code, 0);
    CHECK(f.result.duration_nsec < 8 * NSEC_PER_SEC); /* not maxDuration */
    check_numbers(0);
    fake_deinit(&f);
}

TEST(shared_iterations_left_at_max_duration_are_dropped)
{
    fake_init(&f);
    f.sleep_nsec[0] = 300 * MS;
    fake_run(&f,
             "{'workers': 2, 'scenarios': {'s': {'executor': 'shared-iterations', 'vus': 2,"
             "'iterations': 100, 'maxDuration': '1s'}}}",
             NULL, NULL);
    CHECK(f.count >= 2 && f.count <= 8);
    CHECK_EQ(fake_metric(&f, "iterations") + fake_metric(&f, "dropped_iterations"), 100);
    CHECK_EQ(fake_count(&f, 0, ITERATION_INTERRUPTED), 0); /* the graceful stop let them end */
    fake_deinit(&f);
}

TEST(shared_iterations_without_waiting_are_shared_fairly)
{
    fake_init(&f);
    fake_run(&f,
             "{'workers': 1, 'scenarios': {'s': {'executor': 'shared-iterations', 'vus': 10,"
             "'iterations': 10}}}",
             NULL, NULL);
    CHECK_EQ(fake_distinct_vus(&f, 0), 10);
    fake_deinit(&f);
}

TEST(per_vu_iterations_are_each_vus_own)
{
    uint64_t per_vu[8] = {0};

    fake_init(&f);
    f.sleep_nsec[0] = 2 * MS;
    fake_run(&f,
             "{'workers': 2, 'scenarios': {'p': {'executor': 'per-vu-iterations', 'vus': 7,"
             "'iterations': 6}}}",
             NULL, NULL);
    CHECK_EQ(f.count, 42);
    for (uint64_t i = 0; i < f.count; i++) {
        CHECK(f.records[i].vu >= 1 && f.records[i].vu <= 7);
        CHECK_EQ(f.records[i].in_scenario_vu, per_vu[f.records[i].vu]);
        per_vu[f.records[i].vu]++;
    }
    for (size_t i = 1; i <= 7; i++)
        CHECK_EQ(per_vu[i], 6);
    check_numbers(0);
    fake_deinit(&f);
}

TEST(per_vu_iterations_left_are_dropped_per_vu)
{
    fake_init(&f);
    f.sleep_nsec[0] = 400 * MS;
    fake_run(&f,
             "{'workers': 2, 'scenarios': {'p': {'executor': 'per-vu-iterations', 'vus': 3,"
             "'iterations': 10, 'maxDuration': '1s'}}}",
             NULL, NULL);
    CHECK_EQ(fake_metric(&f, "iterations") + fake_metric(&f, "dropped_iterations"), 30);
    CHECK(fake_metric(&f, "dropped_iterations") >= 18);
    fake_deinit(&f);
}

TEST(segments_of_a_test_add_up)
{
    static const char *const thirds[] = {"0:1/3", "1/3:2/3", "2/3:1"};
    static const uint64_t want[] = {7, 7, 3};
    static const uint64_t want_arrivals[] = {12, 11, 11};
    bool seen[17] = {false};

    for (size_t i = 0; i < 3; i++) {
        fake_init(&f);
        f.sleep_nsec[0] = 2 * MS;
        fake_run(&f,
                 "{'workers': 2, 'scenarios': {'s': {'executor': 'shared-iterations', 'vus': 5,"
                 "'iterations': 17}, 'c': {'executor': 'constant-arrival-rate', 'rate': 11,"
                 "'duration': '3s', 'preAllocatedVUs': 9}}}",
                 thirds[i], "0,1/3,2/3,1");
        CHECK_EQ(fake_count(&f, 0, ITERATION_DONE), want[i]);
        CHECK_EQ(fake_count(&f, 1, ITERATION_DONE), want_arrivals[i]);
        for (uint64_t j = 0; j < f.count; j++) {
            if (f.records[j].scenario != 0)
                continue;
            CHECK(f.records[j].in_test < 17 && !seen[f.records[j].in_test]);
            seen[f.records[j].in_test] = true;
        }
        fake_deinit(&f);
    }
}

/* --- VUs that loop ------------------------------------------------------------------------ */

TEST(constant_vus_loop_until_the_end)
{
    fake_init(&f);
    f.sleep_nsec[0] = 20 * MS;
    fake_run(&f,
             "{'workers': 2, 'scenarios': {'c': {'executor': 'constant-vus', 'vus': 5,"
             "'duration': '1s'}}}",
             NULL, NULL);
    CHECK_EQ(fake_distinct_vus(&f, 0), 5);
    CHECK(f.count > 5 * 30 && f.count <= 5 * 50);
    CHECK(last_start(0) < NSEC_PER_SEC);
    CHECK_EQ(fake_metric(&f, "iterations"), f.count); /* the last ones had their grace */
    check_numbers(0);
    fake_deinit(&f);
}

TEST(constant_vus_are_interrupted_after_their_grace)
{
    fake_init(&f);
    f.sleep_nsec[0] = 20 * NSEC_PER_SEC;
    fake_run(&f,
             "{'workers': 2, 'scenarios': {'c': {'executor': 'constant-vus', 'vus': 3,"
             "'duration': '1s', 'gracefulStop': '200ms'}}}",
             NULL, NULL);
    CHECK_EQ(fake_count(&f, 0, ITERATION_INTERRUPTED), 3);
    CHECK_EQ(f.result.interrupted, 3);
    CHECK_EQ(fake_metric(&f, "iterations"), 0);
    CHECK(f.records[0].ended >= 1200 * MS && f.records[0].ended < 3 * NSEC_PER_SEC);
    CHECK_EQ(f.result.exit_code, 0);
    fake_deinit(&f);
}

TEST(iterations_that_never_wait_leave_the_others_their_turn)
{
    uint64_t per_vu[4] = {0};

    fake_init(&f);
    f.spin_nsec[0] = 50 * NSEC_PER_USEC;
    fake_run(&f,
             "{'workers': 1, 'scenarios': {'c': {'executor': 'constant-vus', 'vus': 3,"
             "'duration': '1s'}}}",
             NULL, NULL);
    for (uint64_t i = 0; i < f.count; i++)
        per_vu[f.records[i].vu]++;
    for (size_t i = 1; i <= 3; i++)
        CHECK(per_vu[i] > f.count / 6);
    CHECK(last_start(0) < NSEC_PER_SEC);
    fake_deinit(&f);
}

TEST(a_script_that_never_yields_ends_with_its_scenario)
{
    fake_init(&f);
    f.spins_for_ever = true;
    fake_run(&f,
             "{'workers': 2, 'scenarios': {'c': {'executor': 'constant-vus', 'vus': 4,"
             "'duration': '1s', 'gracefulStop': '100ms'}}}",
             NULL, NULL);
    CHECK(f.result.interrupted >= 2);
    CHECK(f.all_ended);
    CHECK(f.result.duration_nsec < 4 * NSEC_PER_SEC);
    CHECK(f.ticks >= 1);
    fake_deinit(&f);
}

static uint64_t running_at(size_t scenario, int64_t at)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < f.count; i++) {
        const struct fake_record *r = &f.records[i];

        count += r->scenario == scenario && r->began <= at && at < r->ended;
    }
    return count;
}

TEST(ramping_vus_come_and_go)
{
    fake_init(&f);
    f.sleep_nsec[0] = 20 * MS;
    fake_run(&f,
             "{'workers': 2, 'scenarios': {'r': {'executor': 'ramping-vus', 'startVUs': 0,"
             "'stages': [{'duration': '1s', 'target': 10}, {'duration': '500ms', 'target': 10},"
             "{'duration': '1s', 'target': 0}], 'gracefulRampDown': '1s'}}}",
             NULL, NULL);
    CHECK_EQ(fake_distinct_vus(&f, 0), 10);
    CHECK(running_at(0, 520 * MS) >= 3 && running_at(0, 520 * MS) <= 6);
    CHECK(running_at(0, 1300 * MS) >= 8 && running_at(0, 1300 * MS) <= 10);
    CHECK(running_at(0, 2020 * MS) >= 3 && running_at(0, 2020 * MS) <= 6);
    CHECK(first_start(0) >= 100 * MS);
    CHECK(last_start(0) < 2500 * MS);
    CHECK_EQ(fake_metric(&f, "iterations"), f.count);
    /* 15 VU seconds of 20 ms each. */
    CHECK(f.count > 500 && f.count <= 760);
    fake_deinit(&f);
}

TEST(ramping_down_interrupts_after_its_own_grace)
{
    fake_init(&f);
    f.sleep_nsec[0] = 20 * NSEC_PER_SEC;
    fake_run(&f,
             "{'workers': 2, 'scenarios': {'r': {'executor': 'ramping-vus', 'startVUs': 4,"
             "'stages': [{'duration': '0s', 'target': 2}, {'duration': '1s', 'target': 2}],"
             "'gracefulRampDown': '300ms', 'gracefulStop': '100ms'}}}",
             NULL, NULL);
    /* Two are not wanted for any time; the other two are cut at the end's grace. */
    CHECK_EQ(f.result.interrupted, f.count);
    CHECK(f.count == 2);
    CHECK(f.records[0].ended >= 1100 * MS);
    fake_deinit(&f);
    fake_init(&f);
    f.sleep_nsec[0] = 20 * NSEC_PER_SEC;
    fake_run(&f,
             "{'workers': 2, 'scenarios': {'r': {'executor': 'ramping-vus', 'startVUs': 4,"
             "'stages': [{'duration': '200ms', 'target': 4}, {'duration': '0s', 'target': 1},"
             "{'duration': '1s', 'target': 1}],"
             "'gracefulRampDown': '300ms', 'gracefulStop': '100ms'}}}",
             NULL, NULL);
    CHECK_EQ(f.count, 4);
    for (uint64_t i = 0; i < 4; i++) {
        if (f.records[i].vu == 1)
            CHECK(f.records[i].ended >= 1300 * MS);
        else
            CHECK(f.records[i].ended >= 500 * MS && f.records[i].ended < 1200 * MS);
    }
    fake_deinit(&f);
}

TEST(a_vu_wanted_again_within_its_grace_goes_on)
{
    fake_init(&f);
    f.sleep_nsec[0] = 900 * MS;
    fake_run(&f,
             "{'workers': 1, 'scenarios': {'r': {'executor': 'ramping-vus', 'startVUs': 1,"
             "'stages': [{'duration': '200ms', 'target': 1}, {'duration': '0s', 'target': 0},"
             "{'duration': '200ms', 'target': 0}, {'duration': '0s', 'target': 1},"
             "{'duration': '1s', 'target': 1}], 'gracefulRampDown': '500ms'}}}",
             NULL, NULL);
    CHECK_EQ(f.vus_made, 1);
    CHECK_EQ(fake_count(&f, 0, ITERATION_DONE), 2);
    CHECK_EQ(f.result.interrupted, 0);
    fake_deinit(&f);
}

TEST(minimum_iteration_duration_pads)
{
    fake_init(&f);
    f.sleep_nsec[0] = 5 * MS;
    fake_run(&f,
             "{'workers': 1, 'minIterationDuration': '100ms', 'scenarios': {'c': {"
             "'executor': 'constant-vus', 'vus': 2, 'duration': '1s'}}}",
             NULL, NULL);
    CHECK(f.count >= 10 && f.count <= 20);
    for (uint64_t i = 0; i < f.count; i++)
        CHECK(f.records[i].ended - f.records[i].began < 100 * MS);
    CHECK(f.result.duration_nsec < 2 * NSEC_PER_SEC);
    fake_deinit(&f);
}

/* --- scenarios together ------------------------------------------------------------------- */

TEST(scenarios_start_at_their_times_and_share_vus)
{
    fake_init(&f);
    for (size_t i = 0; i < 3; i++)
        f.sleep_nsec[i] = 10 * MS;
    fake_run(&f,
             "{'workers': 2, 'scenarios': {"
             "'a': {'executor': 'constant-vus', 'vus': 3, 'duration': '1s', 'gracefulStop': '0s'},"
             "'b': {'executor': 'constant-vus', 'vus': 3, 'duration': '1s', 'startTime': '1s'},"
             "'c': {'executor': 'per-vu-iterations', 'vus': 1, 'iterations': 2,"
             "      'startTime': '500ms', 'maxDuration': '1s'}}}",
             NULL, NULL);
    CHECK_EQ(f.vus_made, 4);
    CHECK(first_start(0) < 500 * MS);
    CHECK(first_start(1) >= NSEC_PER_SEC && first_start(1) < 1500 * MS);
    CHECK(first_start(2) >= 500 * MS && first_start(2) < NSEC_PER_SEC);
    CHECK_EQ(fake_distinct_vus(&f, 0), 3);
    CHECK_EQ(fake_distinct_vus(&f, 1), 3);
    CHECK_EQ(fake_metric(&f, "vus_max"), 4);
    fake_deinit(&f);
}

/* --- arrivals ----------------------------------------------------------------------------- */

TEST(constant_arrival_rate_starts_when_due)
{
    double late = 0;

    fake_init(&f);
    f.sleep_nsec[0] = 20 * MS;
    fake_run(&f,
             "{'workers': 2, 'scenarios': {'c': {'executor': 'constant-arrival-rate', 'rate': 200,"
             "'duration': '2s', 'preAllocatedVUs': 40}}}",
             NULL, NULL);
    CHECK_EQ(f.count + (uint64_t)fake_metric(&f, "dropped_iterations"), 401);
    CHECK(f.count > 380);
    check_numbers(0);
    if (f.count == 401) {
        /* Sorted by their numbers arrivals are 5 ms apart: no drift, whatever the delays. */
        for (uint64_t i = 0; i < f.count; i++) {
            int64_t slot = f.records[i].began / (5 * MS);

            late += nsec_to_ms(f.records[i].began - slot * 5 * MS);
        }
        CHECK(last_start(0) >= 2 * NSEC_PER_SEC);
        CHECK(first_start(0) < 200 * MS);
        CHECK(late / 401 < 4);
    }
    CHECK_EQ(fake_metric(&f, "iterations"), f.count);
    fake_deinit(&f);
}

TEST(arrival_rate_vus_take_turns)
{
    fake_init(&f);
    fake_run(&f,
             "{'workers': 2, 'scenarios': {'c': {'executor': 'constant-arrival-rate', 'rate': 100,"
             "'duration': '1s', 'preAllocatedVUs': 10}}}",
             NULL, NULL);
    CHECK_EQ(f.count, 101);
    CHECK_EQ(fake_distinct_vus(&f, 0), 10);
    fake_deinit(&f);
}

TEST(all_vus_of_a_high_arrival_rate_join_in_the_end)
{
    fake_init(&f);
    fake_run(&f,
             "{'workers': 1, 'scenarios': {'c': {'executor': 'constant-arrival-rate', 'rate': 5000,"
             "'duration': '1s', 'preAllocatedVUs': 50}}}",
             NULL, NULL);
    CHECK_EQ(f.count + (uint64_t)fake_metric(&f, "dropped_iterations"), 5001);
    CHECK_EQ(fake_distinct_vus(&f, 0), 50);
    fake_deinit(&f);
}

TEST(arrivals_without_an_idle_vu_are_dropped)
{
    fake_init(&f);
    f.sleep_nsec[0] = 300 * MS;
    fake_run(&f,
             "{'workers': 2, 'scenarios': {'few': {'executor': 'constant-arrival-rate',"
             "'rate': 20, 'duration': '1s', 'preAllocatedVUs': 1, 'maxVUs': 1}}}",
             NULL, NULL);
    CHECK_EQ(f.count + (uint64_t)fake_metric(&f, "dropped_iterations"), 21);
    CHECK(f.count >= 3 && f.count <= 5);
    CHECK_EQ(f.vus_made, 1);
    check_numbers(0);
    fake_deinit(&f);
}

TEST(arrivals_add_vus_up_to_the_most)
{
    fake_init(&f);
    f.sleep_nsec[0] = 5 * NSEC_PER_SEC;
    fake_run(&f,
             "{'workers': 2, 'scenarios': {'c': {'executor': 'constant-arrival-rate', 'rate': 100,"
             "'duration': '1s', 'preAllocatedVUs': 2, 'maxVUs': 7, 'gracefulStop': '0s'}}}",
             NULL, NULL);
    CHECK_EQ(f.vus_made, 7);
    CHECK_EQ(f.count, 7);
    CHECK_EQ(f.result.interrupted, 7);
    CHECK_EQ(fake_metric(&f, "dropped_iterations"), 94);
    fake_deinit(&f);
}

TEST(an_arrival_goes_to_a_worker_that_has_an_idle_vu)
{
    /* Two VUs on two workers, and arrivals in pairs: each worker's next arrival finds its own VU
     * busy now and then, but one of the two is always idle. */
    fake_init(&f);
    f.sleep_nsec[0] = 90 * MS;
    fake_run(&f,
             "{'workers': 2, 'scenarios': {'c': {'executor': 'ramping-arrival-rate',"
             "'startRate': 10, 'stages': [{'duration': '500ms', 'target': 10},"
             "{'duration': '0s', 'target': 14}, {'duration': '1s', 'target': 14}],"
             "'preAllocatedVUs': 2, 'maxVUs': 2}}}",
             NULL, NULL);
    CHECK(f.count >= 18); /* a busy machine may cost one */
    check_numbers(0);
    fake_deinit(&f);
}

TEST(ramping_arrival_rate_follows_the_line)
{
    uint64_t first_half = 0;

    fake_init(&f);
    fake_run(&f,
             "{'workers': 2, 'scenarios': {'r': {'executor': 'ramping-arrival-rate',"
             "'startRate': 0, 'stages': [{'duration': '2s', 'target': 100}],"
             "'preAllocatedVUs': 20}}}",
             NULL, NULL);
    CHECK(f.count >= 99 && f.count <= 101);
    for (uint64_t i = 0; i < f.count; i++)
        first_half += f.records[i].began < NSEC_PER_SEC;
    CHECK(first_half >= 22 && first_half <= 26); /* a quarter of the area */
    check_numbers(0);
    fake_deinit(&f);
}

TEST(arrival_rate_iterations_are_interrupted_after_their_grace)
{
    fake_init(&f);
    f.sleep_nsec[0] = 20 * NSEC_PER_SEC;
    fake_run(&f,
             "{'workers': 2, 'scenarios': {'c': {'executor': 'constant-arrival-rate', 'rate': 10,"
             "'duration': '1s', 'preAllocatedVUs': 4, 'gracefulStop': '300ms'}}}",
             NULL, NULL);
    CHECK_EQ(f.count, 4);
    CHECK_EQ(f.result.interrupted, 4);
    CHECK(f.records[0].ended >= 1300 * MS && f.records[0].ended < 3 * NSEC_PER_SEC);
    fake_deinit(&f);
}

TEST(arrival_rate_without_waiting_is_fast)
{
    fake_init(&f);
    fake_run(&f,
             "{'workers': 2, 'scenarios': {'c': {'executor': 'constant-arrival-rate',"
             "'rate': 20000, 'duration': '2s', 'preAllocatedVUs': 200, 'maxVUs': 200}}}",
             NULL, NULL);
    CHECK_EQ(f.count + (uint64_t)fake_metric(&f, "dropped_iterations"), 40001);
    CHECK_EQ(fake_metric(&f, "iterations"), f.count);
    fake_deinit(&f);
}
