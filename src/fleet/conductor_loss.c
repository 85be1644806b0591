/* An agent is lost: its parts go to the others of its region, each as new parts whose path is the
 * lost one's with one level more. What it had sent counts; iterations that were done are not run
 * again, and arrivals that nobody made are dropped and counted (engine/run.h, run_part). */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/segment.h"
#include "fleet/conductor_internal.h"

/* From the order to the beginning of a part that joins. */
#define JOIN_LEAD (150 * NSEC_PER_MSEC)

/* --- what was done -------------------------------------------------------------------------- */

/* How many of the lost part's first `count` iterations are those of a new one. */
static uint64_t share_of(const struct plan_level *level, uint64_t count)
{
    struct segment segment;
    uint64_t share;

    plan_path_segment(level, 1, &segment);
    share = segment_scale(&segment, count);
    segment_deinit(&segment);
    return share;
}

/* What the lost part itself took over as done. */
static struct scenario_done done_before(const struct conductor_part *p, const char *scenario)
{
    for (size_t i = 0; i < p->done_count; i++) {
        if (strcmp(p->done[i].scenario, scenario) == 0)
            return p->done[i].done;
    }
    return (struct scenario_done){0};
}

/* Shares of completed and of accounted-for iterations, so that both add up over the new parts. */
static void note_done(struct conductor_part *p, const struct conductor_part *lost,
                      const struct part_progress *progress)
{
    const struct plan_level *level = &p->path[p->depth - 1];

    p->done = mem_calloc(progress->scenario_count + 1, sizeof *p->done);
    p->done_count = progress->scenario_count;
    for (size_t i = 0; i < p->done_count; i++) {
        struct scenario_done all = done_before(lost, progress->names[i]);
        uint64_t completed;

        if (progress->done) {
            all.completed += progress->done[i].completed;
            all.dropped += progress->done[i].dropped;
        }
        completed = share_of(level, all.completed);
        p->done[i] = (struct conductor_done){
            mem_strdup(progress->names[i]),
            {completed, share_of(level, all.completed + all.dropped) - completed,
             share_of(level, all.before)}};
    }
}

/* --- giving parts away ---------------------------------------------------------------------- */

void conductor_move_lead(struct conductor *c, struct conductor_part *from)
{
    static const Gale__Fleet__Step steps[] = {
        [FLEET_INIT] = GALE__FLEET__STEP__STEP_INIT,
        [FLEET_SETUP] = GALE__FLEET__STEP__STEP_SETUP,
        [FLEET_RUNNING] = GALE__FLEET__STEP__STEP_RUN,
        [FLEET_TEARDOWN] = GALE__FLEET__STEP__STEP_TEARDOWN,
        [FLEET_COLLECTING] = GALE__FLEET__STEP__STEP_TEARDOWN,
        [FLEET_SUMMARY] = GALE__FLEET__STEP__STEP_SUMMARY,
    };

    if (!from->leads)
        return;
    for (size_t i = 0; i < c->count; i++) {
        struct conductor_part *p = c->parts[i];

        if (p == from || !part_is_live(p) || p->is_joining || p->until_nsec > 0)
            continue;
        from->leads = false;
        p->leads = true;
        if (c->phase < FLEET_OVER && p->step < steps[c->phase])
            p->step = steps[c->phase];
        return;
    }
}

static struct fleet_part plan_of(const struct conductor_part *p)
{
    return (struct fleet_part){
        .id = p->id,
        .agent = p->agent,
        .region = p->region,
        .path = p->path,
        .depth = p->depth,
        .vus = p->planned_vus,
        .rate = p->planned_rate,
    };
}

/* Agents of the part's region that could take it, its own left out. */
static struct planner_agent *candidates(struct conductor *c, const struct conductor_part *lost,
                                        size_t *count)
{
    size_t all = 0;
    const struct planner_agent *agents = c->hooks.agents(c->hooks.arg, &all);
    struct planner_agent *list = mem_calloc(all + 1, sizeof *list);

    *count = 0;
    for (size_t i = 0; i < all; i++) {
        struct planner_agent agent = agents[i];
        bool has_part = false;

        if (strcmp(agent.region, lost->region) != 0 ||
            (strcmp(agent.id, lost->agent) == 0 && !lost->is_orphan))
            continue;
        for (size_t j = 0; j < c->count; j++) {
            const struct conductor_part *p = c->parts[j];

            if (!part_is_live(p) || strcmp(p->agent, agent.id) != 0)
                continue;
            has_part = true;
            if (p->until_nsec > 0)
                continue;
            agent.max_vus -= p->planned_vus < agent.max_vus ? p->planned_vus : agent.max_vus;
            agent.max_rate -= p->planned_rate < agent.max_rate ? p->planned_rate : agent.max_rate;
        }
        if (!agent.is_idle && !has_part)
            continue;
        agent.is_idle = true;
        list[(*count)++] = agent;
    }
    return list;
}

static void add_parts(struct conductor *c, struct conductor_part *lost,
                      const struct fleet_plan *plan)
{
    struct part_progress progress = {0};

    if (c->phase == FLEET_RUNNING && c->hooks.progress)
        c->hooks.progress(c->hooks.arg, lost->id, &progress);
    for (size_t i = 0; i < plan->count; i++) {
        struct conductor_part *p = conductor_add_part(c, &plan->parts[i]);

        p->from_nsec = lost->from_nsec;
        p->is_joining = c->phase == FLEET_RUNNING;
        if (!p->is_joining)
            continue;
        note_done(p, lost, &progress);
    }
}

/* False when nobody is there. */
static bool give_away(struct conductor *c, struct conductor_part *lost)
{
    struct fleet_part part = plan_of(lost);
    struct fleet_plan plan = {0};
    struct diag d = DIAG_INIT;
    size_t count;
    struct planner_agent *agents = candidates(c, lost, &count);
    bool ok =
        count > 0 &&
        (planner_split(&part, agents, count, c->next_part, true, &plan, &d) == 0 || plan.count > 0);

    if (ok) {
        add_parts(c, lost, &plan);
        lost->is_lost = true;
        lost->is_orphan = false;
        c->epoch++;
        if (lost->boot && c->hooks.fence)
            c->hooks.fence(c->hooks.arg, lost->agent, lost->boot);
        conductor_move_lead(c, lost);
        if (lost->leads && plan.count > 0) { /* it was the only one */
            lost->leads = false;
            c->parts[c->count - plan.count]->leads = true;
        }
        for (size_t i = c->count - plan.count; i < c->count; i++)
            conductor_say(c, FLEET_EVENT_MOVED, c->parts[i],
                          "part %u of %s goes on as part %u on %s", lost->id, lost->agent,
                          c->parts[i]->id, c->parts[i]->agent);
    }
    fleet_plan_deinit(&plan);
    diag_deinit(&d);
    mem_free(agents);
    return ok;
}

static bool is_work_left(const struct conductor *c, const struct conductor_part *p)
{
    return !c->is_stopped && p->until_nsec == 0 && p->stage < GALE__FLEET__STAGE__STAGE_EXECUTED &&
           c->phase <= FLEET_RUNNING;
}

static void orphan(struct conductor *c, struct conductor_part *p)
{
    p->is_orphan = true;
    conductor_move_lead(c, p);
    conductor_say(c, FLEET_EVENT_ORPHANED, p,
                  "region %s has no other agent: the load of part %u waits for one", p->region,
                  p->id);
    if (c->on_loss == LOSS_ABORT) {
        char *why = mem_printf("region %s has lost its last agent", p->region);

        conductor_stop(c, RUN_ABORT_SIGNAL, why);
        mem_free(why);
    }
}

void conductor_lost(struct conductor *c, const char *agent, const char *why, struct moment now)
{
    size_t count;
    bool said = false;

    (void)now;
    if (c->phase == FLEET_OVER)
        return;
    conductor_cancel_spread(c, agent, "an agent is lost");
    count = c->count; /* parts that are added below are not looked at */
    for (size_t i = 0; i < count; i++) {
        struct conductor_part *p = c->parts[i];

        if (!part_is_live(p) || strcmp(p->agent, agent) != 0 ||
            (p->is_ended && p->stage >= GALE__FLEET__STAGE__STAGE_EXECUTED))
            continue;
        if (!said)
            conductor_say(c, FLEET_EVENT_LOST, p, "%s is lost: %s", agent, why);
        said = true;
        if (!is_work_left(c, p)) {
            p->is_lost = true;
            conductor_move_lead(c, p);
        } else if (!give_away(c, p)) {
            orphan(c, p);
        }
    }
}

void conductor_place_orphans(struct conductor *c, struct moment now)
{
    size_t count = c->count;

    (void)now;
    for (size_t i = 0; i < count; i++) {
        if (c->parts[i]->is_orphan && is_work_left(c, c->parts[i]))
            give_away(c, c->parts[i]);
    }
}

void conductor_join(struct conductor *c, struct moment now)
{
    for (size_t i = 0; i < c->count; i++) {
        struct conductor_part *p = c->parts[i];

        if (!p->is_joining || p->is_lost || part_is_successor(p) ||
            p->stage < GALE__FLEET__STAGE__STAGE_READY)
            continue;
        p->is_joining = false;
        p->join_nsec = now.wall - c->start_wall + JOIN_LEAD;
        if (p->join_nsec < 1)
            p->join_nsec = 1;
        p->step = GALE__FLEET__STEP__STEP_RUN;
    }
}
