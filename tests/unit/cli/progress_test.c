/* The running line and the scenarios' lines, against what k6 printed (summary-compact.txt of the
 * reference) and k6's rules for widths. */
#include "base/clock.h"
#include "cli/progress_lines.h"
#include "engine/scenario.h"
#include "support/test.h"

static void check_clock(double seconds, double most, const char *want)
{
    struct buf out = BUF_INIT(SIZE_MAX);

    progress_clock(&out, (int64_t)(seconds * 1e9), (int64_t)(most * 1e9));
    CHECK_TEXT(out.data, want);
    buf_deinit(&out);
}

TEST(progress_clock_has_one_width)
{
    check_clock(1, 630, "00m01.0s");
    check_clock(69.35, 119, "1m09.3s");
    check_clock(5.2, 30, "05.2s");
    check_clock(1, 1, "1.0s");
    check_clock(0.04, 9, "0.0s");
    check_clock(61, 3700, "0h01m01.0s");
    check_clock(3 * 3600 + 62, 36000, "03h01m02.0s");
    check_clock(75, 60, "1m15.0s"); /* longer than it should be */
}

static struct scenario browse = {.name = (char *)(uintptr_t) "browse",
                                 .kind = EXECUTOR_CONSTANT_VUS,
                                 .duration_nsec = NSEC_PER_SEC};
static struct scenario buy = {.name = (char *)(uintptr_t) "buy",
                              .kind = EXECUTOR_PER_VU_ITERATIONS,
                              .duration_nsec = 600 * NSEC_PER_SEC,
                              .iterations = 2};

static void check_lines(struct progress_view view, const char *want)
{
    struct buf out = BUF_INIT(SIZE_MAX);

    progress_lines(&view, &out);
    CHECK_TEXT(out.data, want);
    buf_deinit(&out);
}

TEST(progress_lines_are_k6s)
{
    struct scenario_progress s[] = {
        {.scenario = &browse,
         .phase = SCENARIO_RUNNING,
         .fraction = 1,
         .elapsed_nsec = NSEC_PER_SEC,
         .vus = 2,
         .max_vus = 2},
        {.scenario = &buy,
         .phase = SCENARIO_DONE,
         .fraction = 1,
         .elapsed_nsec = 30 * NSEC_PER_MSEC,
         .iterations_all = 2,
         .vus = 1,
         .max_vus = 1,
         .counts = {.completed = 2}},
    };
    struct progress_view view = {.phase = RUN_RUNNING,
                                 .elapsed_nsec = NSEC_PER_SEC,
                                 .max_nsec = 630 * NSEC_PER_SEC,
                                 .vus_active = 2,
                                 .vus_initialised = 3,
                                 .vus_planned = 3,
                                 .vus_max = 3,
                                 .completed = 8,
                                 .scenarios = s,
                                 .scenario_count = 2};

    check_lines(view, "\nrunning (00m01.0s), 2/3 VUs, 8 complete and 0 interrupted iterations\n"
                      "browse   [ 100% ] 2 VUs  1.0s/1s        \n"
                      "buy    ✓ [ 100% ] 1 VUs  00m00.0s/10m0s  2/2 iters, 2 per VU\n");
    s[0].phase = SCENARIO_DONE;
    view.elapsed_nsec = 1236 * NSEC_PER_MSEC;
    view.vus_active = 0;
    view.completed = 10;
    check_lines(view, "\nrunning (00m01.2s), 0/3 VUs, 10 complete and 0 interrupted iterations\n"
                      "browse ✓ [ 100% ] 2 VUs  1s             \n"
                      "buy    ✓ [ 100% ] 1 VUs  00m00.0s/10m0s  2/2 iters, 2 per VU\n");
}

TEST(progress_bars_of_arrivals_and_waiting)
{
    struct scenario rate = {.name = (char *)(uintptr_t) "rate",
                            .kind = EXECUTOR_CONSTANT_ARRIVAL_RATE,
                            .start_nsec = 20 * NSEC_PER_SEC,
                            .duration_nsec = 30 * NSEC_PER_SEC,
                            .unit_nsec = 2 * NSEC_PER_SEC};
    struct scenario_progress s = {.scenario = &rate,
                                  .phase = SCENARIO_RUNNING,
                                  .fraction = 0.5,
                                  .elapsed_nsec = 15 * NSEC_PER_SEC,
                                  .rate = 2000,
                                  .vus = 9,
                                  .max_vus = 148,
                                  .counts = {.vus_active = 36, .vus_held = 148}};
    struct progress_view view = {.phase = RUN_RUNNING,
                                 .elapsed_nsec = 35 * NSEC_PER_SEC,
                                 .max_nsec = 80 * NSEC_PER_SEC,
                                 .vus_active = 36,
                                 .vus_initialised = 148,
                                 .vus_max = 148,
                                 .completed = 15000,
                                 .interrupted = 1,
                                 .scenarios = &s,
                                 .scenario_count = 1,
                                 .bars = true};

    check_lines(view,
                "\nrunning (0m35.0s), 036/148 VUs, 15000 complete and 1 interrupted iterations\n"
                "rate   [==================>-------------------] 036/148 VUs  15.0s/30s  1000.00 "
                "iters/s\n");
    s.phase = SCENARIO_WAITING;
    s.fraction = 0;
    s.starts_in_nsec = 4 * NSEC_PER_SEC;
    s.counts.vus_active = s.counts.vus_held = 0;
    s.rate = 0;
    check_lines(view,
                "\nrunning (0m35.0s), 036/148 VUs, 15000 complete and 1 interrupted iterations\n"
                "rate • [--------------------------------------] 000/009 VUs  waiting 04.0s  0.00 "
                "iters/s\n");
    s.phase = SCENARIO_DONE;
    s.fraction = 1;
    s.elapsed_nsec = 30 * NSEC_PER_SEC;
    s.rate = 2000;
    s.counts.vus_held = 148;
    check_lines(view,
                "\nrunning (0m35.0s), 036/148 VUs, 15000 complete and 1 interrupted iterations\n"
                "rate ✓ [======================================] 000/148 VUs  30s  1000.00 "
                "iters/s\n");
}

TEST(progress_of_an_aborted_run)
{
    struct scenario_progress s = {.scenario = &browse,
                                  .phase = SCENARIO_DONE,
                                  .fraction = 0.4,
                                  .elapsed_nsec = 400 * NSEC_PER_MSEC,
                                  .vus = 2};
    struct progress_view view = {.phase = RUN_ENDED,
                                 .elapsed_nsec = 400 * NSEC_PER_MSEC,
                                 .max_nsec = 31 * NSEC_PER_SEC,
                                 .vus_initialised = 2,
                                 .vus_max = 2,
                                 .interrupted = 2,
                                 .scenarios = &s,
                                 .scenario_count = 1};

    check_lines(view, "\nrunning (00.4s), 0/2 VUs, 0 complete and 2 interrupted iterations\n"
                      "browse ✗ [  40% ] 2 VUs  0.4s/1s\n");
}

TEST(progress_before_the_start)
{
    check_lines(
        (struct progress_view){.phase = RUN_INIT_VUS, .vus_initialised = 7, .vus_planned = 1000},
        "\ninit: 0007/1000 VUs initialized\n");
    check_lines((struct progress_view){.phase = RUN_PAUSED, .max_nsec = NSEC_PER_SEC},
                "\npaused (0.0s), 0/0 VUs, 0 complete and 0 interrupted iterations\n");
    check_lines(
        (struct progress_view){
            .phase = RUN_SETUP, .vus_initialised = 5, .vus_max = 12, .max_nsec = NSEC_PER_SEC},
        "\nsetup (0.0s), 00/05 VUs, 0 complete and 0 interrupted iterations\n");
}
