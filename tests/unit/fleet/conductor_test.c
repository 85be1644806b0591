/* A run's life over a fleet that is made of statuses: barriers, take-overs, fences, failures. */
#include "fleet/conductor.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/run.h"
#include "support/test.h"

#define SEC NSEC_PER_SEC

enum { AGENTS = 4 };

static struct planner_agent agents[AGENTS];
static size_t agent_count;
static struct conductor *c;
static struct moment now;
static enum fleet_phase phases[16];
static size_t phase_count;
static unsigned events[16]; /* by kind */
static char last_event[512];
static unsigned fences;
static unsigned collected;
static struct scenario_done done[1];

static void on_phase(void *arg, enum fleet_phase phase)
{
    (void)arg;
    phases[phase_count++] = phase;
}

static void on_event(void *arg, enum fleet_event_kind kind, const char *region, const char *agent,
                     const char *text)
{
    (void)arg;
    (void)region;
    (void)agent;
    events[kind]++;
    snprintf(last_event, sizeof last_event, "%s", text);
}

static const struct planner_agent *on_agents(void *arg, size_t *count)
{
    (void)arg;
    *count = agent_count;
    return agents;
}

static void on_progress(void *arg, uint32_t part, struct part_progress *out)
{
    static const char *const names[] = {"default"};

    (void)arg;
    (void)part;
    *out = (struct part_progress){done, 1, names};
}

static void on_fence(void *arg, const char *agent, const char *boot)
{
    (void)arg;
    (void)agent;
    (void)boot;
    fences++;
}

static void on_collected(void *arg)
{
    struct blob_id id = {.size = 2};

    (void)arg;
    collected++;
    conductor_summarise(c, &id, 5 * SEC);
}

static const struct conductor_hooks hooks = {NULL,        on_phase, on_event,    on_agents,
                                             on_progress, on_fence, on_collected};

/* Two agents of region a, one of b; `spare` more in a that is idle. */
static void begin(enum loss_policy policy, bool spare)
{
    static const char *const ids[] = {"a1", "a2", "b1", "a3"};
    struct shares shares;
    struct planner_load load = {.vus = 9};
    struct fleet_plan plan;
    struct diag d = DIAG_INIT;

    now = (struct moment){100 * SEC, 1000 * SEC};
    for (size_t i = 0; i < AGENTS; i++)
        agents[i] = (struct planner_agent){
            .id = ids[i], .region = ids[i][0] == 'a' ? "a" : "b", .max_vus = 100, .is_idle = true};
    CHECK(shares_parse(STR("a=2/2,b=1"), false, &shares, &d) == 0);
    CHECK(planner_plan(&shares, &load, agents, 3, &plan, &d) == 0);
    CHECK_EQ(plan.count, 3);
    shares_deinit(&shares);
    c = conductor_new(&(struct conductor_config){
        .run = "r1",
        .plan = &plan,
        .on_loss = policy,
        .duration_nsec = 60 * SEC,
        .hooks = hooks,
    });
    fleet_plan_deinit(&plan);
    for (size_t i = 0; i < 3; i++)
        agents[i].is_idle = false;
    agent_count = spare ? 4 : 3;
}

static void end(void)
{
    conductor_free(c);
}

static void tick(int64_t after)
{
    now.mono += after;
    now.wall += after;
    conductor_tick(c, now);
}

/* What the agent is told of its first part (or the one with that id). */
static Gale__Fleet__Step step_of(const char *agent, uint32_t id)
{
    Gale__Fleet__Order order;
    Gale__Fleet__Step step = GALE__FLEET__STEP__STEP_NONE;

    if (!conductor_order(c, agent, &order))
        return step;
    for (size_t i = 0; i < order.n_parts; i++) {
        if (id == 0 || order.parts[i]->id == id)
            step = order.parts[i]->step;
    }
    conductor_order_free(&order);
    return step;
}

static uint32_t part_of(const char *agent, bool last)
{
    uint32_t id = 0;

    for (size_t i = 0; i < conductor_part_count(c); i++) {
        struct conductor_part_view p;

        conductor_part(c, i, &p);
        if (!p.is_lost && p.agent && strcmp(p.agent, agent) == 0 && (id == 0 || last))
            id = p.id;
    }
    return id;
}

static void say_part(const char *agent, const char *boot, uint32_t id, Gale__Fleet__Stage stage,
                     const char *error)
{
    Gale__Fleet__Status status = GALE__FLEET__STATUS__INIT;
    Gale__Fleet__RunStatus run = GALE__FLEET__RUN_STATUS__INIT;
    Gale__Fleet__PartStatus part = GALE__FLEET__PART_STATUS__INIT;
    Gale__Fleet__PartStatus *parts[] = {&part};

    part.id = id;
    part.stage = stage;
    if (error) {
        part.error = (char *)(uintptr_t)error;
        part.exit_code = 107;
    }
    run.run = (char *)(uintptr_t) "r1";
    run.n_parts = 1;
    run.parts = parts;
    status.id = (char *)(uintptr_t)agent;
    status.boot = (char *)(uintptr_t)boot;
    status.region = (char *)(uintptr_t) "x";
    status.run = &run;
    conductor_status(c, &status, now);
}

static void say(const char *agent, Gale__Fleet__Stage stage)
{
    say_part(agent, agent, part_of(agent, false), stage, NULL);
}

static void say_all(Gale__Fleet__Stage stage)
{
    say("a1", stage);
    say("a2", stage);
    say("b1", stage);
}

/* To the running scenarios. */
static void start(void)
{
    tick(0);
    CHECK_EQ(step_of("a1", 0), GALE__FLEET__STEP__STEP_INIT);
    say_all(GALE__FLEET__STAGE__STAGE_READY);
    tick(SEC / 10);
    CHECK_EQ(conductor_phase(c), FLEET_SETUP);
    say("a1", GALE__FLEET__STAGE__STAGE_SETUP_DONE);
    conductor_output(c, GALE__FLEET__STAGE__STAGE_SETUP_DONE, NULL, NULL);
    tick(SEC / 10);
    CHECK_EQ(conductor_phase(c), FLEET_RUNNING);
    say_all(GALE__FLEET__STAGE__STAGE_RUNNING);
}

static void finish(void)
{
    tick(0);
    CHECK_EQ(conductor_phase(c), FLEET_TEARDOWN);
    for (size_t i = 0; i < conductor_part_count(c); i++) {
        struct conductor_part_view p;

        conductor_part(c, i, &p);
        if (p.is_lost)
            continue;
        say_part(p.agent, p.agent, p.id, GALE__FLEET__STAGE__STAGE_ENDED, NULL);
        conductor_ended(c, p.id);
    }
    tick(0);
    CHECK_EQ(collected, 1);
    CHECK_EQ(conductor_phase(c), FLEET_SUMMARY);
    conductor_output(c, GALE__FLEET__STAGE__STAGE_SUMMARISED, NULL, NULL);
    tick(0);
    CHECK_EQ(conductor_phase(c), FLEET_OVER);
    CHECK_EQ(step_of("a1", 0), GALE__FLEET__STEP__STEP_NONE);
}

static int exit_code(void)
{
    struct conductor_outcome o;

    conductor_outcome(c, &o);
    return o.exit_code;
}

TEST(conductor_goes_through_a_life)
{
    static const enum fleet_phase want[] = {FLEET_SETUP,      FLEET_RUNNING, FLEET_TEARDOWN,
                                            FLEET_COLLECTING, FLEET_SUMMARY, FLEET_OVER};

    begin(LOSS_CONTINUE, false);
    start();
    CHECK(conductor_start_wall(c) > now.wall);
    /* A barrier is passed by all or by none. */
    say("a1", GALE__FLEET__STAGE__STAGE_EXECUTED);
    say("a2", GALE__FLEET__STAGE__STAGE_ENDED);
    tick(SEC);
    CHECK_EQ(conductor_phase(c), FLEET_RUNNING);
    say("b1", GALE__FLEET__STAGE__STAGE_EXECUTED);
    finish();
    CHECK_EQ(phase_count, COUNT_OF(want));
    for (size_t i = 0; i < COUNT_OF(want); i++)
        CHECK_EQ(phases[i], want[i]);
    CHECK_EQ(exit_code(), 0);
    end();
}

TEST(conductor_runs_setup_on_one)
{
    begin(LOSS_CONTINUE, false);
    tick(0);
    say("a1", GALE__FLEET__STAGE__STAGE_READY);
    say("a2", GALE__FLEET__STAGE__STAGE_READY);
    tick(SEC);
    CHECK_EQ(step_of("a1", 0), GALE__FLEET__STEP__STEP_INIT); /* b1 is not ready */
    say("b1", GALE__FLEET__STAGE__STAGE_READY);
    tick(0);
    CHECK_EQ(step_of("a1", 0), GALE__FLEET__STEP__STEP_SETUP);
    CHECK_EQ(step_of("a2", 0), GALE__FLEET__STEP__STEP_INIT);
    CHECK_EQ(step_of("b1", 0), GALE__FLEET__STEP__STEP_INIT);
    end();
}

TEST(conductor_splits_what_a_lost_agent_had)
{
    Gale__Fleet__Order order;
    uint32_t id;

    begin(LOSS_CONTINUE, false);
    start();
    done[0] = (struct scenario_done){10, 3, 0};
    now.wall += 5 * SEC;
    now.mono += 5 * SEC;
    conductor_lost(c, "a2", "not heard", now);
    CHECK_EQ(events[FLEET_EVENT_LOST], 1);
    CHECK_EQ(events[FLEET_EVENT_MOVED], 1);
    CHECK_EQ(fences, 1);
    id = part_of("a1", true);
    CHECK(id > 3);
    CHECK_EQ(step_of("a1", id), GALE__FLEET__STEP__STEP_INIT);
    CHECK_EQ(step_of("a2", 0), GALE__FLEET__STEP__STEP_NONE); /* should it come back: nothing */
    say_part("a1", "a1", id, GALE__FLEET__STAGE__STAGE_READY, NULL);
    tick(SEC / 10);
    CHECK_EQ(step_of("a1", id), GALE__FLEET__STEP__STEP_RUN);
    CHECK(conductor_order(c, "a1", &order));
    CHECK_EQ(order.n_parts, 2);
    CHECK(order.parts[1]->join_nsec > 4 * SEC);
    CHECK_EQ(order.parts[1]->done[0]->dropped, 3);
    CHECK_EQ(order.parts[1]->n_path, order.parts[0]->n_path + 1);
    CHECK_EQ(order.parts[1]->n_done, 1);
    CHECK_EQ(order.parts[1]->done[0]->iterations, 10);
    conductor_order_free(&order);
    say_part("a1", "a1", id, GALE__FLEET__STAGE__STAGE_RUNNING, NULL);
    CHECK_EQ(events[FLEET_EVENT_RESTORED], 1);
    say_part("a1", "a1", id, GALE__FLEET__STAGE__STAGE_EXECUTED, NULL);
    say("a1", GALE__FLEET__STAGE__STAGE_EXECUTED);
    say("b1", GALE__FLEET__STAGE__STAGE_EXECUTED);
    finish();
    CHECK_EQ(exit_code(), 0);
    end();
}

TEST(conductor_gives_the_lead_to_another)
{
    begin(LOSS_CONTINUE, false);
    start();
    conductor_lost(c, "a1", "not heard", now);
    say_part("a2", "a2", part_of("a2", true), GALE__FLEET__STAGE__STAGE_READY, NULL);
    tick(0);
    say_part("a2", "a2", part_of("a2", true), GALE__FLEET__STAGE__STAGE_EXECUTED, NULL);
    say("a2", GALE__FLEET__STAGE__STAGE_EXECUTED);
    say("b1", GALE__FLEET__STAGE__STAGE_EXECUTED);
    tick(0);
    CHECK_EQ(conductor_phase(c), FLEET_TEARDOWN);
    CHECK_EQ(step_of("a2", part_of("a2", false)), GALE__FLEET__STEP__STEP_TEARDOWN);
    end();
}

TEST(conductor_waits_for_a_region_that_is_cut_off)
{
    begin(LOSS_CONTINUE, false);
    start();
    conductor_lost(c, "b1", "not heard", now);
    CHECK_EQ(events[FLEET_EVENT_ORPHANED], 1);
    CHECK_EQ(fences, 0); /* it may be at work still */
    say("a1", GALE__FLEET__STAGE__STAGE_EXECUTED);
    say("a2", GALE__FLEET__STAGE__STAGE_EXECUTED);
    tick(20 * SEC);
    CHECK_EQ(conductor_phase(c), FLEET_RUNNING);
    say_part("b1", "b1", 3, GALE__FLEET__STAGE__STAGE_EXECUTED, NULL);
    CHECK_EQ(events[FLEET_EVENT_BACK], 1);
    tick(0);
    CHECK_EQ(conductor_phase(c), FLEET_TEARDOWN);
    end();
}

TEST(conductor_gives_a_region_up_in_the_end)
{
    begin(LOSS_CONTINUE, false);
    start();
    conductor_lost(c, "b1", "not heard", now);
    say("a1", GALE__FLEET__STAGE__STAGE_EXECUTED);
    say("a2", GALE__FLEET__STAGE__STAGE_EXECUTED);
    tick(100 * SEC);
    CHECK_EQ(conductor_phase(c), FLEET_TEARDOWN);
    end();
}

TEST(conductor_aborts_when_a_region_is_lost_and_that_is_the_policy)
{
    begin(LOSS_ABORT, false);
    start();
    conductor_lost(c, "b1", "not heard", now);
    CHECK_EQ(exit_code(), 105);
    say("a1", GALE__FLEET__STAGE__STAGE_EXECUTED);
    say("a2", GALE__FLEET__STAGE__STAGE_EXECUTED);
    finish();
    CHECK_EQ(exit_code(), 105);
    end();
}

TEST(conductor_takes_a_new_boot_for_a_loss)
{
    begin(LOSS_CONTINUE, true);
    start();
    say_part("a2", "another boot", part_of("a2", false), GALE__FLEET__STAGE__STAGE_NONE, NULL);
    CHECK_EQ(events[FLEET_EVENT_LOST], 1);
    CHECK(part_of("a3", false) > 0 || part_of("a1", true) > 3);
    CHECK_EQ(fences, 1);
    end();
}

TEST(conductor_replaces_an_agent_before_the_start)
{
    uint32_t id;

    begin(LOSS_CONTINUE, true);
    tick(0);
    say_all(GALE__FLEET__STAGE__STAGE_INIT);
    conductor_lost(c, "a2", "not heard", now);
    say("a1", GALE__FLEET__STAGE__STAGE_READY);
    say("b1", GALE__FLEET__STAGE__STAGE_READY);
    tick(0);
    CHECK_EQ(conductor_phase(c), FLEET_INIT);
    for (uint32_t part = 4; (id = part) < 6; part++) {
        say_part("a1", "a1", id, GALE__FLEET__STAGE__STAGE_READY, NULL);
        say_part("a3", "a3", id, GALE__FLEET__STAGE__STAGE_READY, NULL);
    }
    tick(0);
    CHECK_EQ(conductor_phase(c), FLEET_SETUP);
    end();
}

TEST(conductor_reports_a_failure_once_with_all_that_had_it)
{
    begin(LOSS_CONTINUE, false);
    tick(0);
    say_part("a1", "a1", 1, GALE__FLEET__STAGE__STAGE_FAILED, "init threw");
    say_part("a2", "a2", 2, GALE__FLEET__STAGE__STAGE_FAILED, "init threw");
    tick(0);
    CHECK_EQ(conductor_phase(c), FLEET_INIT);
    say_part("b1", "b1", 3, GALE__FLEET__STAGE__STAGE_FAILED, "init threw");
    tick(0);
    CHECK_EQ(conductor_phase(c), FLEET_OVER);
    CHECK_EQ(events[FLEET_EVENT_FAILED], 1);
    CHECK_TEXT(last_event, "init threw (on a1, a2, b1)");
    CHECK_EQ(exit_code(), 107);
    end();
}

TEST(conductor_stops_everybody)
{
    Gale__Fleet__Order order;

    begin(LOSS_CONTINUE, false);
    start();
    conductor_stop(c, RUN_ABORT_THRESHOLD, NULL);
    conductor_stop(c, RUN_ABORT_SIGNAL, "later");
    CHECK(conductor_order(c, "b1", &order));
    CHECK(order.stop);
    CHECK_EQ(order.stop_reason, RUN_ABORT_THRESHOLD);
    conductor_order_free(&order);
    say_all(GALE__FLEET__STAGE__STAGE_EXECUTED);
    finish();
    CHECK_EQ(exit_code(), 99);
    end();
}

TEST(conductor_stops_before_the_start)
{
    begin(LOSS_CONTINUE, false);
    tick(0);
    conductor_stop(c, RUN_ABORT_SIGNAL, NULL);
    tick(SEC);
    CHECK_EQ(conductor_phase(c), FLEET_INIT);
    say_all(GALE__FLEET__STAGE__STAGE_ENDED);
    tick(0);
    CHECK_EQ(conductor_phase(c), FLEET_OVER);
    CHECK_EQ(exit_code(), 105);
    end();
}

/* Region a over three agents, b as it is. */
static void plan_anew(struct fleet_plan *plan)
{
    struct shares shares;
    struct planner_load load = {.vus = 9};
    struct planner_agent free_agents[AGENTS];
    struct diag d = DIAG_INIT;

    for (size_t i = 0; i < AGENTS; i++) {
        free_agents[i] = agents[i];
        free_agents[i].is_idle = true;
    }
    CHECK(shares_parse(STR("a=2/3,b=1"), false, &shares, &d) == 0);
    CHECK(planner_plan(&shares, &load, free_agents, AGENTS, plan, &d) == 0);
    shares_deinit(&shares);
}

static void spread_anew(void)
{
    struct fleet_plan plan;
    struct diag d = DIAG_INIT;

    plan_anew(&plan);
    CHECK_EQ(plan.count, 4);
    CHECK(conductor_spread(c, &plan, &d) == 0);
    CHECK(conductor_is_spreading(c));
    CHECK_EQ(plan.parts[0].id, 4);
    CHECK_EQ(plan.parts[3].id, 3); /* b1 goes on */
    fleet_plan_deinit(&plan);
    tick(SEC / 10);
    CHECK_EQ(step_of("a3", 0), GALE__FLEET__STEP__STEP_INIT);
    CHECK_EQ(step_of("a1", 1), GALE__FLEET__STEP__STEP_RUN);
}

static void say_successors(Gale__Fleet__Stage stage)
{
    for (uint32_t i = 0; i < 3; i++)
        say_part(agents[i == 2 ? 3 : i].id, agents[i == 2 ? 3 : i].id, 4 + i, stage, NULL);
}

TEST(conductor_spreads_the_load_anew)
{
    Gale__Fleet__Order order;
    struct fleet_plan plan;
    struct diag d = DIAG_INIT;

    begin(LOSS_CONTINUE, true);
    start();
    done[0] = (struct scenario_done){10, 3, 0};
    spread_anew();
    plan_anew(&plan);
    CHECK(conductor_spread(c, &plan, &d) == ERR_UNSUPPORTED);
    diag_deinit(&d);
    fleet_plan_deinit(&plan);
    say_part("a1", "a1", 4, GALE__FLEET__STAGE__STAGE_READY, NULL);
    tick(SEC / 10);
    CHECK(conductor_is_spreading(c));
    say_successors(GALE__FLEET__STAGE__STAGE_READY);
    tick(SEC / 10);
    CHECK(!conductor_is_spreading(c));
    CHECK(conductor_order(c, "a1", &order));
    CHECK_EQ(order.n_parts, 2);
    CHECK_EQ(order.epoch, 2);
    CHECK(order.parts[0]->until_nsec > 0);
    CHECK_EQ(order.parts[1]->join_nsec, order.parts[0]->until_nsec);
    CHECK_EQ(order.parts[1]->from_nsec, order.parts[0]->until_nsec);
    CHECK(!order.parts[0]->leads);
    CHECK(order.parts[1]->done[0]->before > 0);
    CHECK_EQ(order.parts[1]->done[0]->before, order.parts[1]->done[0]->iterations);
    conductor_order_free(&order);
    CHECK_EQ(fences, 0); /* what the old parts still say counts */
    say_part("a1", "a1", 1, GALE__FLEET__STAGE__STAGE_ENDED, NULL);
    say_part("a2", "a2", 2, GALE__FLEET__STAGE__STAGE_ENDED, NULL);
    say_successors(GALE__FLEET__STAGE__STAGE_RUNNING);
    conductor_ended(c, 1);
    conductor_ended(c, 2);
    tick(SEC);
    CHECK_EQ(conductor_phase(c), FLEET_RUNNING);
    say_successors(GALE__FLEET__STAGE__STAGE_EXECUTED);
    say_part("b1", "b1", 3, GALE__FLEET__STAGE__STAGE_EXECUTED, NULL);
    finish();
    end();
}

/* One that dies before it has taken over, one that can't begin, and the test's end. */
TEST(conductor_leaves_the_load_where_it_is)
{
    begin(LOSS_CONTINUE, true);
    start();
    spread_anew();
    conductor_lost(c, "a3", "no word", now);
    CHECK(!conductor_is_spreading(c));
    CHECK_EQ(conductor_part_count(c), 3);
    CHECK_EQ(step_of("a1", 0), GALE__FLEET__STEP__STEP_RUN);
    CHECK_EQ(step_of("a3", 0), GALE__FLEET__STEP__STEP_NONE);
    CHECK_EQ(events[FLEET_EVENT_LOST], 0);
    end();
    begin(LOSS_CONTINUE, true);
    start();
    spread_anew();
    say_part("a3", "a3", 6, GALE__FLEET__STAGE__STAGE_FAILED, "no memory");
    tick(SEC / 10);
    CHECK_EQ(conductor_part_count(c), 3);
    end();
    begin(LOSS_CONTINUE, true);
    start();
    spread_anew();
    say_all(GALE__FLEET__STAGE__STAGE_EXECUTED);
    tick(SEC / 10);
    CHECK_EQ(conductor_part_count(c), 3);
    CHECK_EQ(conductor_phase(c), FLEET_TEARDOWN);
    end();
}

TEST(conductor_comes_back_from_its_record)
{
    Gale__Fleet__RunRecord record = GALE__FLEET__RUN_RECORD__INIT;
    Gale__Fleet__RunRecord *read;
    size_t size;
    uint8_t *bytes;
    int64_t started;

    begin(LOSS_CONTINUE, false);
    start();
    started = conductor_start_wall(c);
    conductor_save(c, &record);
    size = gale__fleet__run_record__get_packed_size(&record);
    bytes = mem_alloc(size);
    gale__fleet__run_record__pack(&record, bytes);
    conductor_record_free(&record);
    conductor_free(c);
    read = gale__fleet__run_record__unpack(NULL, size, bytes);
    CHECK(read != NULL);
    c = conductor_load(
        &(struct conductor_config){.run = "r1", .duration_nsec = 60 * SEC, .hooks = hooks}, read,
        now);
    gale__fleet__run_record__free_unpacked(read, NULL);
    mem_free(bytes);
    CHECK_EQ(conductor_phase(c), FLEET_RUNNING);
    CHECK_EQ(conductor_start_wall(c), started);
    CHECK_EQ(step_of("b1", 0), GALE__FLEET__STEP__STEP_RUN);
    say_all(GALE__FLEET__STAGE__STAGE_EXECUTED);
    finish();
    CHECK_EQ(exit_code(), 0);
    end();
}
