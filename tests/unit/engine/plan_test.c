#include "engine/plan.h"

#include "base/clock.h"
#include "base/mem.h"
#include "engine/options.h"
#include "support/test.h"

static struct options options;
static struct scenario_list scenarios;
static struct plan plan;
static struct segment segment;

static void make(const char *text, size_t workers, const char *segment_text)
{
    struct diag d = DIAG_INIT;
    char *json = mem_strdup(text);
    json_t *tier;

    for (char *c = json; *c; c++)
        *c = (char)(*c == '\'' ? '"' : *c);
    tier = json_loads(json, 0, NULL);
    CHECK(tier != NULL);
    options_init(&options);
    CHECK(options_apply(&options, TIER_FLAGS, tier, &d) == 0);
    CHECK(scenarios_derive(&options, &scenarios, &d) == 0);
    segment_init(&segment);
    if (segment_text)
        CHECK(segment_parse(str_of(segment_text), STR("0,1/3,2/3,1"), &segment, &d) == 0);
    plan_init(&plan, &scenarios, &segment, workers);
    json_decref(tier);
    mem_free(json);
}

static void unmake(void)
{
    plan_deinit(&plan);
    segment_deinit(&segment);
    scenarios_deinit(&scenarios);
    options_deinit(&options);
}

static size_t tasks(size_t scenario)
{
    size_t count = 0;

    for (size_t i = 0; i < plan.workers; i++)
        count += plan_part(&plan, scenario, i)->task_count;
    return count;
}

TEST(plan_scenarios_at_one_time_need_a_seat_each)
{
    make("{'scenarios': {"
         "'a': {'executor': 'constant-vus', 'vus': 3, 'duration': '1s'},"
         "'b': {'executor': 'per-vu-iterations', 'vus': 1},"
         "'c': {'executor': 'constant-arrival-rate', 'rate': 5, 'duration': '1s',"
         "      'preAllocatedVUs': 4, 'maxVUs': 20}}}",
         3, NULL);
    CHECK_EQ(plan.seats, 8);
    CHECK_EQ(tasks(0), 3);
    CHECK_EQ(tasks(1), 1);
    CHECK_EQ(tasks(2), 4);
    CHECK_EQ(plan_worker_seats(&plan, 0), 3);
    CHECK_EQ(plan_worker_seats(&plan, 2), 2);
    /* Each scenario is spread as evenly as its number allows. */
    for (size_t i = 0; i < 3; i++)
        CHECK_EQ(plan_part(&plan, 0, i)->task_count, 1);
    unmake();
}

TEST(plan_scenarios_one_after_the_other_share_seats)
{
    make("{'scenarios': {"
         "'a': {'executor': 'constant-vus', 'vus': 3, 'duration': '1s', 'gracefulStop': '1s'},"
         "'b': {'executor': 'constant-vus', 'vus': 4, 'duration': '1s', 'gracefulStop': '0s',"
         "      'startTime': '2s'},"
         "'c': {'executor': 'constant-vus', 'vus': 2, 'duration': '1s', 'startTime': '2999ms'}}}",
         2, NULL);
    CHECK_EQ(plan.seats, 6);
    for (size_t i = 0; i < 2; i++)
        CHECK_EQ(plan_part(&plan, 1, i)->task_count, 2);
    unmake();
}

TEST(plan_ramps_share_what_they_leave)
{
    /* While the first ramp goes down the second goes up: never more than 10 at one time. */
    make("{'scenarios': {"
         "'a': {'executor': 'ramping-vus', 'startVUs': 10, 'gracefulRampDown': '0s',"
         "      'gracefulStop': '0s', 'stages': [{'duration': '10s', 'target': 0}]},"
         "'b': {'executor': 'ramping-vus', 'startVUs': 0, 'gracefulStop': '0s',"
         "      'stages': [{'duration': '10s', 'target': 10}]}}}",
         1, NULL);
    CHECK_EQ(plan.seats, 10);
    unmake();
}

TEST(plan_ramping_spans_have_their_times)
{
    const struct plan_part *part;
    const struct plan_task *first;

    make("{'scenarios': {'r': {'executor': 'ramping-vus', 'startVUs': 0, 'startTime': '5s',"
         " 'gracefulRampDown': '2s', 'gracefulStop': '1s', 'stages': ["
         "{'duration': '4s', 'target': 4}, {'duration': '4s', 'target': 0},"
         "{'duration': '4s', 'target': 4}]}}}",
         1, NULL);
    CHECK_EQ(plan.seats, 4);
    part = plan_part(&plan, 0, 0);
    /* VU 0 comes at 1 s, goes at 8 s, and is back at 9 s: within its 2 s of grace it is one stay.
     */
    first = &part->tasks[0];
    CHECK_EQ(first->span_count, 2);
    CHECK_EQ(first->spans[0].from, 6 * NSEC_PER_SEC);
    CHECK_EQ(first->spans[0].to, 13 * NSEC_PER_SEC);
    CHECK_EQ(first->spans[0].kill, 15 * NSEC_PER_SEC);
    CHECK_EQ(first->spans[1].from, 14 * NSEC_PER_SEC);
    CHECK_EQ(first->spans[1].to, 17 * NSEC_PER_SEC);
    CHECK_EQ(first->spans[1].kill, 18 * NSEC_PER_SEC);
    /* VUs 1 and 2 stay twice; VU 3 would be back only at the very end. */
    CHECK_EQ(part->task_count, 6);
    unmake();
}

TEST(plan_ramp_down_is_not_longer_than_the_graceful_stop)
{
    make("{'scenarios': {'r': {'executor': 'ramping-vus', 'startVUs': 2,"
         " 'gracefulRampDown': '30s', 'gracefulStop': '1s',"
         " 'stages': [{'duration': '2s', 'target': 0}]}}}",
         1, NULL);
    for (size_t i = 0; i < 2; i++)
        CHECK_EQ(plan_part(&plan, 0, 0)->tasks[i].spans[0].kill, 3 * NSEC_PER_SEC);
    unmake();
}

/* Every arrival of the test belongs to exactly one worker. */
static void check_arrivals(size_t workers, uint64_t limit)
{
    uint64_t seen[1000] = {0};

    for (size_t i = 0; i < workers; i++) {
        const struct plan_part *part = plan_part(&plan, 0, i);

        for (uint64_t k = 0; part->arrival_weight > 0; k++) {
            uint64_t number = segment_index(&part->arrivals, k);

            if (number >= limit)
                break;
            seen[number]++;
        }
    }
    for (uint64_t i = 0; i < limit; i++)
        CHECK_EQ(seen[i], 1);
}

TEST(plan_arrivals_follow_the_vus)
{
    make("{'scenarios': {'c': {'executor': 'constant-arrival-rate', 'rate': 5, 'duration': '1s',"
         "'preAllocatedVUs': 1}}}",
         3, NULL);
    check_arrivals(3, 1000);
    CHECK_EQ(plan_part(&plan, 0, 0)->arrival_weight, 1);
    CHECK_EQ(plan_part(&plan, 0, 1)->arrival_weight, 0);
    unmake();
    make("{'scenarios': {'c': {'executor': 'constant-arrival-rate', 'rate': 5, 'duration': '1s',"
         "'preAllocatedVUs': 1, 'maxVUs': 300000}}}",
         2, NULL);
    check_arrivals(2, 1000);
    unmake();
}

TEST(plan_segments_divide_as_measured)
{
    static const char *const thirds[] = {"0:1/3", "1/3:2/3", "2/3:1"};
    static const uint64_t shared[] = {7, 7, 3};
    static const uint64_t per_vu[] = {9, 6, 6};
    bool seen[17] = {false};

    for (size_t i = 0; i < 3; i++) {
        struct segment numbering;
        uint64_t count;

        make("{'scenarios': {"
             "'s': {'executor': 'shared-iterations', 'vus': 5, 'iterations': 17},"
             "'p': {'executor': 'per-vu-iterations', 'vus': 7, 'iterations': 3}}}",
             2, thirds[i]);
        count = plan_iterations(scenarios.list[0], &segment, &numbering);
        CHECK_EQ(count, shared[i]);
        for (uint64_t k = 0; k < count; k++) {
            uint64_t number = segment_index(&numbering, k);

            CHECK(number < 17 && !seen[number]);
            seen[number] = true;
        }
        segment_deinit(&numbering);
        CHECK_EQ(plan_iterations(scenarios.list[1], &segment, &numbering), per_vu[i]);
        CHECK_EQ(tasks(1), per_vu[i] / 3);
        segment_deinit(&numbering);
        unmake();
    }
}

TEST(plan_a_hundred_thousand_ramping_vus_are_laid_out_at_once)
{
    int64_t began = clock_now();

    make("{'scenarios': {'r': {'executor': 'ramping-vus', 'startVUs': 0, 'stages': ["
         "{'duration': '60s', 'target': 100000}, {'duration': '60s', 'target': 0}]}}}",
         4, NULL);
    CHECK_EQ(plan.seats, 100000);
    CHECK(clock_now() - began < 3 * NSEC_PER_SEC);
    unmake();
}
