#include "fleet/planner.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "engine/options.h"
#include "engine/plan.h"
#include "engine/scenario.h"
#include "engine/segment.h"
#include "support/test.h"

enum { MOST_AGENTS = 600 };

static char ids[MOST_AGENTS][16];
static struct planner_agent agents[MOST_AGENTS];
static size_t agent_count;
static const char *const names[] = {"us-east-1", "eu-central-1", "ap-southeast-2", "sa-east-1",
                                    "af-south-1"};
static struct fleet_plan plan;

static struct planner_agent *add_agent(const char *region, uint64_t vus)
{
    struct planner_agent *a = &agents[agent_count];

    snprintf(ids[agent_count], sizeof ids[0], "a%zu", agent_count + 1);
    *a = (struct planner_agent){.id = ids[agent_count++],
                                .region = region,
                                .max_vus = vus,
                                .max_rate = 1e9,
                                .is_idle = true};
    return a;
}

static int plan_for(const char *text, bool per_region, struct planner_load load, struct diag *d)
{
    struct shares shares = {.kind = SHARE_EQUAL, .per_region = per_region};
    int err = 0;

    if (text)
        err = shares_parse(str_of(text), per_region, &shares, d);
    CHECK_EQ(err, 0);
    err = planner_plan(&shares, &load, agents, agent_count, &plan, d);
    shares_deinit(&shares);
    return err;
}

static void refused(const char *text, bool per_region, struct planner_load load, int want,
                    const char *why)
{
    struct diag d = DIAG_INIT;

    CHECK_EQ(plan_for(text, per_region, load, &d), want);
    if (!strstr(d.message, why))
        CHECK_TEXT(d.message, why);
    diag_deinit(&d);
}

static uint64_t region_vus(const char *region)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < plan.count; i++)
        sum += strcmp(plan.parts[i].region, region) == 0 ? plan.parts[i].vus : 0;
    return sum;
}

/* --- the whole, and never more ------------------------------------------------------------- */

/* What the parts make of each scenario: VUs, most VUs, iterations and arrivals. */
struct made {
    uint64_t vus;
    uint64_t max_vus;
    uint64_t iterations;
    uint64_t arrivals;
};

enum { ARRIVALS = 34 };

static struct made made_of(const struct scenario *s, const struct segment *segment)
{
    struct segment numbering;
    struct segment arrivals;
    struct made made = {.vus = segment_scale(segment, s->vus),
                        .max_vus = segment_scale(segment, s->max_vus)};

    made.iterations = plan_iterations(s, segment, &numbering);
    segment_for_arrivals(segment, s->max_vus, &arrivals);
    made.arrivals = segment_scale(&arrivals, ARRIVALS);
    CHECK(made.max_vus > 0 || made.arrivals == 0);
    segment_deinit(&numbering);
    segment_deinit(&arrivals);
    return made;
}

/* Notes which numbers the part's iterations have: each is given once, from 0 without gaps. */
static void note_numbers(const struct scenario *s, const struct segment *segment, bool *given,
                         uint64_t total)
{
    struct segment numbering;
    uint64_t count = plan_iterations(s, segment, &numbering);

    for (uint64_t i = 0; i < count; i++) {
        uint64_t number = segment_index(&numbering, i);

        CHECK(number < total && !given[number]);
        given[number] = true;
    }
    segment_deinit(&numbering);
}

static void check_whole(const struct scenario_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct scenario *s = list->list[i];
        struct segment whole;
        struct made want;
        struct made sum = {0};
        bool *given;

        segment_init(&whole);
        want = made_of(s, &whole);
        given = mem_calloc(want.iterations + 1, sizeof *given);
        for (size_t j = 0; j < plan.count; j++) {
            struct segment segment;
            struct made made;

            plan_path_segment(plan.parts[j].path, plan.parts[j].depth, &segment);
            made = made_of(s, &segment);
            note_numbers(s, &segment, given, want.iterations);
            sum.vus += made.vus;
            sum.max_vus += made.max_vus;
            sum.iterations += made.iterations;
            sum.arrivals += made.arrivals;
            segment_deinit(&segment);
        }
        CHECK_EQ(sum.vus, want.vus);
        CHECK_EQ(sum.max_vus, want.max_vus);
        CHECK_EQ(sum.iterations, want.iterations);
        CHECK_EQ(sum.arrivals, want.arrivals);
        mem_free(given);
        segment_deinit(&whole);
    }
}

static struct scenario_list scenarios_of(struct options *options, const char *text)
{
    struct scenario_list list;
    char *json = mem_strdup(text);
    json_t *tier;

    for (char *c = json; *c; c++)
        *c = (char)(*c == '\'' ? '"' : *c);
    tier = json_loads(json, 0, NULL);
    options_init(options);
    CHECK(options_apply(options, TIER_FLAGS, tier, NULL) == 0);
    CHECK(scenarios_derive(options, &list, NULL) == 0);
    json_decref(tier);
    mem_free(json);
    return list;
}

/* Every executor; the first three are those that k6.md has measured. */
static const char every_executor[] =
    "{'scenarios': {"
    "'shared': {'executor': 'shared-iterations', 'vus': 5, 'iterations': 17},"
    "'per': {'executor': 'per-vu-iterations', 'vus': 7, 'iterations': 3},"
    "'rate': {'executor': 'constant-arrival-rate', 'rate': 11, 'duration': '3s',"
    "  'preAllocatedVUs': 2, 'maxVUs': 61},"
    "'constant': {'executor': 'constant-vus', 'vus': 113, 'duration': '1s'},"
    "'ramp': {'executor': 'ramping-vus', 'startVUs': 3, 'stages': ["
    "  {'duration': '1s', 'target': 29}, {'duration': '1s', 'target': 0}]},"
    "'rates': {'executor': 'ramping-arrival-rate', 'startRate': 6, 'timeUnit': '1m',"
    "  'preAllocatedVUs': 1, 'stages': [{'duration': '5s', 'target': 12}]}}}";

TEST(planner_parts_are_the_whole_for_every_executor)
{
    struct options options;
    struct scenario_list list = scenarios_of(&options, every_executor);
    struct planner_load load;

    planner_load_of(&list, &load);
    CHECK_EQ(load.vus, 5 + 7 + 61 + 113 + 29 + 1);
    CHECK_NEAR(load.rate, 11.2, 1e-9);
    for (size_t regions = 1; regions <= COUNT_OF(names); regions++) {
        for (size_t count = regions; count <= 100; count++) {
            struct buf text = BUF_INIT(SIZE_MAX);

            agent_count = 0;
            for (size_t i = 0; i < count; i++)
                add_agent(names[i % regions], 1000);
            for (size_t i = 0; i < regions; i++)
                buf_printf(&text, "%s%s/%zu", i ? "," : "", names[i],
                           count / regions + (i < count % regions));
            CHECK_EQ(plan_for(text.data, false, load, NULL), 0);
            CHECK_EQ(plan.count, count);
            check_whole(&list);
            fleet_plan_deinit(&plan);
            buf_deinit(&text);
        }
    }
    scenarios_deinit(&list);
    options_deinit(&options);
}

/* k6.md, "Execution segments, measured": three agents are three thirds. */
TEST(planner_thirds_are_those_that_k6_makes)
{
    static const uint64_t want[][3] = {{7, 7, 3}, {9, 6, 6}, {12, 11, 11}};
    struct options options;
    struct scenario_list list = scenarios_of(&options, every_executor);
    struct planner_load load;

    agent_count = 0;
    for (size_t i = 0; i < 3; i++)
        add_agent(names[i], 1000);
    planner_load_of(&list, &load);
    CHECK_EQ(plan_for(NULL, false, load, NULL), 0);
    CHECK_EQ(plan.count, 3);
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        for (size_t j = 0; j < plan.count; j++) {
            struct segment segment;
            struct made made;

            plan_path_segment(plan.parts[j].path, plan.parts[j].depth, &segment);
            made = made_of(list.list[i], &segment);
            CHECK_EQ(i == 2 ? made.arrivals : made.iterations, want[i][j]);
            segment_deinit(&segment);
        }
    }
    fleet_plan_deinit(&plan);
    scenarios_deinit(&list);
    options_deinit(&options);
}

/* 1 to 100 agents in 1 to 5 regions, of random sizes and with random shares: totals of VUs. */
TEST(planner_parts_are_the_whole_whatever_the_agents)
{
    struct rng rng;
    size_t planned = 0;

    rng_seed(&rng, 11);
    for (size_t count = 1; count <= 100; count++) {
        for (size_t regions = 1; regions <= COUNT_OF(names) && regions <= count; regions++) {
            struct buf text = BUF_INIT(SIZE_MAX);
            struct planner_load load = {1 + rng_below(&rng, 3000), rng_unit(&rng) * 1e4};
            uint64_t sum = 0;

            agent_count = 0;
            for (size_t i = 0; i < count; i++) {
                struct planner_agent *a = add_agent(names[i % regions], rng_below(&rng, 400));

                a->zone = rng_below(&rng, 2) ? "z1" : "z2";
                a->max_rate = rng_unit(&rng) * 1e4;
            }
            for (size_t i = 0; i < regions; i++)
                buf_printf(&text, "%s%s=%llu", i ? "," : "", names[i],
                           (unsigned long long)rng_below(&rng, 9) + 1);
            if (plan_for(text.data, false, load, NULL) == 0) {
                planned++;
                for (size_t i = 0; i < plan.count; i++) {
                    size_t agent = (size_t)strtoul(plan.parts[i].agent + 1, NULL, 10) - 1;

                    sum += plan.parts[i].vus;
                    CHECK_EQ(plan.parts[i].id, i + 1);
                    CHECK(plan.parts[i].vus <= agents[agent].max_vus);
                    CHECK(plan.parts[i].rate <= agents[agent].max_rate * 1.0001);
                }
                CHECK_EQ(sum, load.vus);
                fleet_plan_deinit(&plan);
            }
            buf_deinit(&text);
        }
    }
    CHECK(planned > 100);
}

/* --- modes ---------------------------------------------------------------------------------- */

TEST(planner_per_region_gives_each_the_scripts_load)
{
    struct options options;
    struct scenario_list list = scenarios_of(&options, every_executor);
    struct options others;
    struct scenario_list scaled = scenarios_of(&others, every_executor);
    struct planner_load load;

    agent_count = 0;
    for (size_t i = 0; i < 12; i++)
        add_agent(names[i % 3], 60);
    planner_load_of(&list, &load);
    CHECK_EQ(plan_for("us-east-1,eu-central-1,ap-southeast-2", true, load, NULL), 0);
    CHECK_EQ(plan.scale_num, 3);
    CHECK_EQ(plan.scale_den, 1);
    CHECK_EQ(plan.load.vus, 3 * load.vus);
    for (size_t i = 0; i < 3; i++)
        CHECK_EQ(region_vus(names[i]), load.vus);
    CHECK_EQ(scenarios_scale(&scaled, plan.scale_num, plan.scale_den), 0);
    check_whole(&scaled);
    for (size_t i = 0; i < list.count; i++) {
        struct segment whole;
        struct made want;

        segment_init(&whole);
        want = made_of(list.list[i], &whole);
        for (uint64_t r = 0; r < 3; r++) {
            struct segment region;
            struct made made;

            plan_path_segment(&plan.parts[r * 4].path[0], 1, &region);
            made = made_of(scaled.list[i], &region);
            CHECK_EQ(made.vus, want.vus);
            CHECK_EQ(made.max_vus, want.max_vus);
            CHECK_EQ(made.iterations, want.iterations);
            segment_deinit(&region);
        }
    }
    fleet_plan_deinit(&plan);
    scenarios_deinit(&list);
    scenarios_deinit(&scaled);
    options_deinit(&others);
    options_deinit(&options);
}

TEST(planner_vus_mode_gives_exactly_these)
{
    struct rng rng;

    rng_seed(&rng, 5);
    agent_count = 0;
    for (size_t i = 0; i < 9; i++)
        add_agent(names[i % 3], 2000);
    for (int round = 0; round < 200; round++) {
        struct options options;
        struct scenario_list list;
        struct planner_load load;
        char script[64];
        char text[128];
        unsigned long long vus[3];

        for (int i = 0; i < 3; i++)
            vus[i] = 1 + rng_below(&rng, 1500);
        snprintf(script, sizeof script, "{'vus': %llu, 'duration': '1s'}",
                 (unsigned long long)rng_below(&rng, 999) + 1);
        snprintf(text, sizeof text,
                 "us-east-1=%lluvus,eu-central-1=%lluvus/2,ap-southeast-2=%lluvus", vus[0],
                 ++vus[1], vus[2]);
        list = scenarios_of(&options, script);
        planner_load_of(&list, &load);
        CHECK_EQ(plan_for(text, false, load, NULL), 0);
        for (size_t i = 0; i < 3; i++)
            CHECK_EQ(region_vus(names[i]), vus[i]);
        CHECK_EQ(scenarios_scale(&list, plan.scale_num, plan.scale_den), 0);
        CHECK_EQ(list.list[0]->vus, vus[0] + vus[1] + vus[2]);
        check_whole(&list);
        fleet_plan_deinit(&plan);
        scenarios_deinit(&list);
        options_deinit(&options);
    }
}

TEST(planner_without_shares_uses_every_idle_region)
{
    agent_count = 0;
    add_agent("b", 50);
    add_agent("a", 50);
    add_agent("c", 50)->is_idle = false;
    CHECK_EQ(plan_for(NULL, false, (struct planner_load){31, 0}, NULL), 0);
    CHECK_EQ(plan.count, 2);
    CHECK_TEXT(plan.parts[0].region, "a");
    CHECK_EQ(plan.parts[0].vus, 16);
    CHECK_EQ(plan.parts[1].vus, 15);
    CHECK(plan.parts[0].path[0].weights == NULL);
    fleet_plan_deinit(&plan);
    /* One VU is one region's. */
    CHECK_EQ(plan_for(NULL, false, (struct planner_load){1, 0}, NULL), 0);
    CHECK_EQ(plan.count, 1);
    fleet_plan_deinit(&plan);
    CHECK_EQ(plan_for(NULL, true, (struct planner_load){1, 0}, NULL), 0);
    CHECK_EQ(plan.count, 2);
    CHECK_EQ(plan.load.vus, 2);
    fleet_plan_deinit(&plan);
}

/* --- agents --------------------------------------------------------------------------------- */

TEST(planner_uses_as_many_agents_as_needed_over_zones_in_turn)
{
    char *text;

    agent_count = 0;
    add_agent("r", 100)->zone = "z1"; /* a1 */
    add_agent("r", 90)->zone = "z1";
    add_agent("r", 80)->zone = "z2"; /* a3 */
    add_agent("r", 70)->zone = "z3"; /* a4 */
    CHECK_EQ(plan_for("r", false, (struct planner_load){100, 0}, NULL), 0);
    CHECK_EQ(plan.count, 1);
    CHECK_TEXT(plan.parts[0].agent, "a1");
    fleet_plan_deinit(&plan);
    CHECK_EQ(plan_for("r", false, (struct planner_load){101, 0}, NULL), 0);
    CHECK_EQ(plan.count, 2);
    CHECK_TEXT(plan.parts[1].agent, "a3");
    CHECK_EQ(plan.parts[0].vus, 51);
    CHECK_EQ(plan.parts[1].vus, 50);
    fleet_plan_deinit(&plan);
    CHECK_EQ(plan_for("r", false, (struct planner_load){240, 0}, NULL), 0);
    CHECK_EQ(plan.count, 3);
    CHECK_TEXT(plan.parts[2].agent, "a4");
    CHECK_EQ(plan.parts[2].vus, 67);
    fleet_plan_deinit(&plan);
    /* An equal share is too much for a4: by capacity. */
    CHECK_EQ(plan_for("r", false, (struct planner_load){340, 0}, NULL), 0);
    CHECK_EQ(plan.parts[0].vus, 100);
    CHECK_EQ(plan.parts[1].vus, 80);
    CHECK_EQ(plan.parts[2].vus, 70);
    CHECK_EQ(plan.parts[3].vus, 90);
    fleet_plan_deinit(&plan);
    CHECK_EQ(plan_for("r/3", false, (struct planner_load){9, 6}, NULL), 0);
    text = fleet_plan_describe(&plan);
    CHECK_TEXT(text, "r: 9 VUs, 6 iterations/s on 3 agents\n"
                     "  a1: 3 VUs, 2 iterations/s\n"
                     "  a3: 3 VUs, 2 iterations/s\n"
                     "  a4: 3 VUs, 2 iterations/s\n");
    mem_free(text);
    fleet_plan_deinit(&plan);
}

/* However many agents a region uses, no zone has two more than another that has some left. */
TEST(planner_spreads_a_region_over_its_zones)
{
    static const char *const zones[] = {"a", "b", "c"};

    agent_count = 0;
    for (size_t i = 0; i < 12; i++)
        add_agent("r", 100)->zone = zones[i / 4];
    for (uint64_t used = 1; used <= 12; used++) {
        size_t in_zone[COUNT_OF(zones)] = {0};

        CHECK_EQ(plan_for("r", false, (struct planner_load){used * 100, 0}, NULL), 0);
        CHECK_EQ(plan.count, used);
        for (size_t i = 0; i < plan.count; i++)
            in_zone[(strtoul(plan.parts[i].agent + 1, NULL, 10) - 1) / 4]++;
        for (size_t i = 0; i < COUNT_OF(zones); i++)
            CHECK(in_zone[i] == used / 3 || in_zone[i] == used / 3 + 1);
        CHECK_EQ(region_vus("r"), used * 100);
        fleet_plan_deinit(&plan);
    }
}

TEST(planner_counts_rates_too)
{
    agent_count = 0;
    add_agent("r", 1000)->max_rate = 500;
    add_agent("r", 1000)->max_rate = 500;
    add_agent("r", 1000)->max_rate = 300;
    CHECK_EQ(plan_for("r", false, (struct planner_load){100, 500}, NULL), 0);
    CHECK_EQ(plan.count, 1);
    fleet_plan_deinit(&plan);
    CHECK_EQ(plan_for("r", false, (struct planner_load){100, 1250}, NULL), 0);
    CHECK_EQ(plan.count, 3);
    CHECK(plan.parts[2].rate <= 300);
    fleet_plan_deinit(&plan);
    refused("r", false, (struct planner_load){100, 1400}, ERR_LIMIT,
            "region r needs 1400 iterations/s on 100 VUs, its 3 idle agents take 1300/s "
            "(a1: 500/s, a2: 500/s, a3: 300/s): start another agent there");
}

TEST(planner_refuses_with_the_arithmetic)
{
    agent_count = 0;
    refused(NULL, false, (struct planner_load){1, 0}, ERR_LIMIT, "no agent is idle (0 known)");
    refused("x", false, (struct planner_load){1, 0}, ERR_INVALID,
            "region x has no agents: there are none; gale agent --region x starts one");
    add_agent("eu-central-1", 150);
    add_agent("eu-central-1", 150);
    add_agent("us-east-1", 1000);
    refused("us-east-1=50%,eu-central-1=50%", false, (struct planner_load){800, 0}, ERR_LIMIT,
            "region eu-central-1 needs 400 VUs, its 2 idle agents take 300 (a1: 150, a2: 150): "
            "start another agent there, give the region a smaller share, or lower the load");
    refused("eu-central-1/1", false, (struct planner_load){200, 0}, ERR_LIMIT,
            "region eu-central-1 needs 200 VUs, the chosen 1 idle agent takes 150 (a1: 150): ");
    refused("us-east-1,mars", false, (struct planner_load){8, 0}, ERR_INVALID,
            "region mars has no agents: there are eu-central-1 (2 idle), us-east-1 (1 idle); gale "
            "agent --region mars starts one");
    refused("us-east-1=1,eu-central-1=1000", false, (struct planner_load){5, 0}, ERR_LIMIT,
            "region us-east-1 would get none of the VUs");
    refused("us-east-1,eu-central-1/2", false, (struct planner_load){3, 0}, ERR_LIMIT,
            "region eu-central-1 has 1 VUs, fewer than the 2 agents that it shall use");
    refused("us-east-1=100000000vus,eu-central-1=100000000vus", false, (struct planner_load){3, 0},
            ERR_LIMIT, "more than 100000000 VUs in all");
    agents[2].is_idle = false;
    agents[2].why_not = "runs test 7";
    refused("us-east-1,eu-central-1", false, (struct planner_load){3, 0}, ERR_LIMIT,
            "region us-east-1 has 1 agent, none idle (a3: runs test 7): wait for them");
    refused("eu-central-1/3", false, (struct planner_load){3, 0}, ERR_LIMIT,
            "region eu-central-1 has 2 agents, 2 of the 3 asked for idle (no more there)");
    /* A line for each region. */
    refused("us-east-1=2vus,eu-central-1=500vus", false, (struct planner_load){3, 0}, ERR_LIMIT,
            "take the region out\nregion eu-central-1 needs 500 VUs");
}

/* --- a lost part ---------------------------------------------------------------------------- */

static void check_split(const struct fleet_part *lost, const struct fleet_plan *split,
                        uint64_t total)
{
    struct segment before;
    uint64_t vus = 0;
    uint64_t numbers = 0;

    plan_path_segment(lost->path, lost->depth, &before);
    for (size_t i = 0; i < split->count; i++) {
        struct segment after;

        plan_path_segment(split->parts[i].path, split->parts[i].depth, &after);
        vus += split->parts[i].vus;
        CHECK_EQ(split->parts[i].vus, segment_scale(&after, plan.load.vus));
        numbers += segment_scale(&after, total);
        CHECK_TEXT(split->parts[i].region, lost->region);
        segment_deinit(&after);
    }
    CHECK_EQ(vus, lost->vus);
    CHECK_EQ(numbers, segment_scale(&before, total));
    segment_deinit(&before);
}

TEST(planner_split_parts_are_the_lost_one)
{
    struct rng rng;

    rng_seed(&rng, 23);
    for (int round = 0; round < 300; round++) {
        struct fleet_plan split;
        size_t lost;

        agent_count = 0;
        for (size_t i = 0; i < 3 + rng_below(&rng, 20); i++)
            add_agent(names[i % 2], 40 + rng_below(&rng, 100));
        if (plan_for("us-east-1=3,eu-central-1=2", false,
                     (struct planner_load){10 + rng_below(&rng, 400), 50}, NULL) != 0)
            continue;
        lost = (size_t)rng_below(&rng, plan.count);
        for (size_t i = 0; i < agent_count; i++) {
            agents[i].is_idle = strcmp(agents[i].id, plan.parts[lost].agent) != 0;
            agents[i].max_vus = rng_below(&rng, 60);
        }
        if (planner_split(&plan.parts[lost], agents, agent_count, 77, false, &split, NULL) == 0) {
            check_split(&plan.parts[lost], &split, 1009);
            CHECK_EQ(split.parts[0].id, 77);
            fleet_plan_deinit(&split);
        } else if (planner_split(&plan.parts[lost], agents, agent_count, 77, true, &split, NULL)) {
            if (split.count > 0)
                check_split(&plan.parts[lost], &split, 1009);
            fleet_plan_deinit(&split);
        }
        fleet_plan_deinit(&plan);
    }
}

TEST(planner_split_says_when_nobody_can)
{
    struct fleet_plan split = {0};
    struct diag d = DIAG_INIT;

    agent_count = 0;
    add_agent("r", 100);
    add_agent("r", 100);
    add_agent("s", 100);
    CHECK_EQ(plan_for("r", false, (struct planner_load){200, 0}, NULL), 0);
    agents[0].is_idle = false;
    agents[1].max_vus = 30;
    CHECK_EQ(planner_split(&plan.parts[0], agents, agent_count, 3, false, &split, &d), ERR_LIMIT);
    CHECK_TEXT(d.message, "the load of a1: region r needs 100 VUs, its 1 idle agent takes 30 (a2: "
                          "30): start another agent there, give the region a smaller share, or "
                          "lower the load");
    diag_deinit(&d);
    CHECK(split.parts == NULL);
    CHECK_EQ(planner_split(&plan.parts[0], agents, agent_count, 3, true, &split, NULL), ERR_LIMIT);
    CHECK_EQ(split.count, 1);
    CHECK_EQ(split.parts[0].vus, 100);
    CHECK_EQ(split.parts[0].depth, 3);
    fleet_plan_deinit(&split);
    agents[1].is_idle = false;
    CHECK_EQ(planner_split(&plan.parts[0], agents, agent_count, 3, true, &split, &d), ERR_LIMIT);
    CHECK_TEXT(d.message, "region r has no agent that could take over the load of a1");
    CHECK_EQ(split.count, 0);
    diag_deinit(&d);
    fleet_plan_deinit(&split);
    fleet_plan_deinit(&plan);
}
