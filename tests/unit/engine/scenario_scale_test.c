#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/options.h"
#include "engine/scenario.h"
#include "support/test.h"

static struct options options;
static struct scenario_list list;

static void make(const char *text)
{
    char *json = mem_strdup(text);
    json_t *tier;

    for (char *c = json; *c; c++)
        *c = (char)(*c == '\'' ? '"' : *c);
    tier = json_loads(json, 0, NULL);
    CHECK(tier != NULL);
    options_init(&options);
    CHECK(options_apply(&options, TIER_FLAGS, tier, NULL) == 0);
    CHECK(scenarios_derive(&options, &list, NULL) == 0);
    json_decref(tier);
    mem_free(json);
}

static void unmake(void)
{
    scenarios_deinit(&list);
    options_deinit(&options);
}

static const char all[] =
    "{'scenarios': {"
    "'shared': {'executor': 'shared-iterations', 'vus': 5, 'iterations': 17},"
    "'per': {'executor': 'per-vu-iterations', 'vus': 7, 'iterations': 3},"
    "'constant': {'executor': 'constant-vus', 'vus': 1, 'duration': '1s'},"
    "'ramp': {'executor': 'ramping-vus', 'startVUs': 3, 'stages': ["
    "  {'duration': '1s', 'target': 10}, {'duration': '1s', 'target': 0}]},"
    "'rate': {'executor': 'constant-arrival-rate', 'rate': 11, 'duration': '3s',"
    "  'preAllocatedVUs': 2, 'maxVUs': 9},"
    "'rates': {'executor': 'ramping-arrival-rate', 'startRate': 6, 'timeUnit': '1m',"
    "  'preAllocatedVUs': 1, 'stages': [{'duration': '5s', 'target': 12}]}}}";

TEST(scenarios_scale_rounds_half_up_and_not_to_nothing)
{
    make(all);
    CHECK_EQ(scenarios_scale(&list, 3, 10), 0);
    CHECK_EQ(list.list[0]->vus, 2); /* 1.5 */
    CHECK_EQ(list.list[0]->iterations, 5);
    CHECK_EQ(list.list[1]->vus, 2);
    CHECK_EQ(list.list[1]->iterations, 3);
    CHECK_EQ(list.list[2]->vus, 1);
    CHECK_EQ(list.list[2]->max_vus, 1);
    CHECK_EQ(list.list[3]->start_vus, 1);
    CHECK_EQ(list.list[3]->vus, 3);
    CHECK_EQ(list.list[3]->stages[0].target, 3);
    CHECK_EQ(list.list[3]->stages[1].target, 0);
    CHECK_EQ(list.list[3]->stages[0].duration_nsec, NSEC_PER_SEC);
    CHECK_EQ(list.list[4]->vus, 1);
    CHECK_EQ(list.list[4]->max_vus, 3);
    unmake();
}

TEST(scenarios_scale_keeps_rates_exact)
{
    make(all);
    CHECK_EQ(scenarios_scale(&list, 6, 20), 0);
    CHECK_EQ(list.list[4]->start_rate, 33); /* 11/s by 3/10: 33 per 10 s */
    CHECK_EQ(list.list[4]->stages[0].target, 33);
    CHECK_EQ(list.list[4]->unit_nsec, 10 * NSEC_PER_SEC);
    CHECK_NEAR(scenario_most_rate(list.list[4]), 3.3, 1e-12);
    CHECK_EQ(list.list[5]->start_rate, 9); /* 6/m and 12/m by 3/10: 9 and 18 per 5 m */
    CHECK_EQ(list.list[5]->stages[0].target, 18);
    CHECK_EQ(list.list[5]->unit_nsec, 300 * NSEC_PER_SEC);
    CHECK_NEAR(scenario_most_rate(list.list[0]), 0, 0);
    unmake();
    make(all);
    CHECK_EQ(scenarios_scale(&list, 7, 3), 0);
    CHECK_EQ(list.list[5]->start_rate, 14);
    CHECK_EQ(list.list[5]->unit_nsec, 60 * NSEC_PER_SEC);
    CHECK_EQ(scenarios_scale(&list, 3, 7), 0); /* and back */
    CHECK_EQ(list.list[5]->start_rate, 6);
    CHECK_EQ(list.list[4]->start_rate, 11 * 7 * 3 / 7);
    unmake();
}

TEST(scenarios_scale_by_one_changes_nothing)
{
    make(all);
    CHECK_EQ(scenarios_scale(&list, 12, 12), 0);
    CHECK_EQ(list.list[0]->iterations, 17);
    CHECK_EQ(list.list[3]->stages[0].target, 10);
    CHECK_EQ(list.list[4]->unit_nsec, NSEC_PER_SEC);
    unmake();
}

TEST(scenarios_scale_has_limits)
{
    make("{'vus': 90, 'duration': '1s'}");
    CHECK_EQ(scenarios_scale(&list, SCENARIO_MAX_VUS, 91), 0);
    CHECK_EQ(scenarios_scale(&list, 2, 1), ERR_LIMIT);
    unmake();
    make("{'vus': 90, 'iterations': 1000000000}");
    CHECK_EQ(scenarios_scale(&list, 1, UINT64_MAX), 0);
    CHECK_EQ(list.list[0]->iterations, 1);
    unmake();
    make("{'scenarios': {'rate': {'executor': 'constant-arrival-rate', 'rate': 11,"
         "'duration': '3s', 'preAllocatedVUs': 2}}}");
    CHECK_EQ(scenarios_scale(&list, UINT64_MAX / 2, UINT64_MAX / 3), ERR_LIMIT);
    unmake();
}
