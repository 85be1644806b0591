/* The load of a running test is spread anew: the new parts are made while the old ones run, and
 * when all are ready one moment is fixed, soon enough and far enough for everybody to hear of it.
 * The old parts do what is due before it and end; the new ones begin there. So nothing is lost and
 * nothing made twice, and if a new part can't begin all stays as it was. */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/segment.h"
#include "fleet/conductor_internal.h"

/* From the orders to the moment: they must have reached everybody by then. */
#define SWAP_LEAD (1 * NSEC_PER_SEC)
/* New parts are ready within this. */
#define READY_GRACE (60 * NSEC_PER_SEC)
/* Windows tell of iterations so long after they were made, at most; plus the lead. */
enum { UNSEEN_SECONDS = 10 };

bool part_is_successor(const struct conductor_part *p)
{
    return p->is_joining && !p->is_lost && p->replace_count > 0;
}

bool conductor_is_spreading(const struct conductor *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (part_is_successor(c->parts[i]))
            return true;
    }
    return false;
}

/* --- what stays and what goes --------------------------------------------------------------- */

static bool is_same_path(const struct conductor_part *p, const struct fleet_part *wanted)
{
    if (p->depth != wanted->depth)
        return false;
    for (size_t i = 0; i < p->depth; i++) {
        const struct plan_level *a = &p->path[i];
        const struct plan_level *b = &wanted->path[i];

        if (a->index != b->index || a->count != b->count || !a->weights != !b->weights)
            return false;
        if (a->weights && memcmp(a->weights, b->weights, a->count * sizeof *a->weights) != 0)
            return false;
    }
    return true;
}

static struct conductor_part *find_same(const struct conductor *c, const struct fleet_part *wanted)
{
    for (size_t i = 0; i < c->count; i++) {
        struct conductor_part *p = c->parts[i];

        if (part_is_live(p) && p->until_nsec == 0 && strcmp(p->agent, wanted->agent) == 0 &&
            is_same_path(p, wanted))
            return p;
    }
    return NULL;
}

static bool stays(const struct conductor_part *p, const struct fleet_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (strcmp(p->agent, plan->parts[i].agent) == 0 && is_same_path(p, &plan->parts[i]))
            return true;
    }
    return false;
}

static int check(const struct conductor *c, struct diag *d)
{
    if (c->phase != FLEET_RUNNING || c->is_stopped)
        return diag_set(d, ERR_UNSUPPORTED, "the scenarios are not running");
    for (size_t i = 0; i < c->count; i++) {
        const struct conductor_part *p = c->parts[i];

        if (p->is_orphan)
            return diag_set(d, ERR_UNSUPPORTED,
                            "the load of %s waits for an agent there: start one first", p->region);
        if (p->is_joining && !p->is_lost)
            return diag_set(d, ERR_UNSUPPORTED,
                            "some of the load is being moved already: try again in some seconds");
        if (part_is_live(p) && p->stage > GALE__FLEET__STAGE__STAGE_RUNNING && p->until_nsec == 0)
            return diag_set(d, ERR_UNSUPPORTED, "the scenarios are over");
    }
    return 0;
}

int conductor_spread(struct conductor *c, struct fleet_plan *plan, struct diag *d)
{
    uint32_t *leaving = mem_calloc(c->count + 1, sizeof *leaving);
    size_t count = 0;
    int err = check(c, d);

    for (size_t i = 0; err == 0 && i < c->count; i++) {
        const struct conductor_part *p = c->parts[i];

        if (part_is_live(p) && p->until_nsec == 0 && !stays(p, plan))
            leaving[count++] = p->id;
    }
    for (size_t i = 0; count > 0 && i < plan->count; i++) {
        struct conductor_part *p = find_same(c, &plan->parts[i]);

        if (!p) {
            plan->parts[i].id = c->next_part;
            p = conductor_add_part(c, &plan->parts[i]);
            p->is_joining = true;
            p->replaces = mem_dup(leaving, count * sizeof *leaving);
            p->replace_count = count;
        }
        plan->parts[i].id = p->id;
    }
    c->spread_since = 0;
    if (count > 0)
        conductor_say(c, FLEET_EVENT_NOTE, NULL, "the load is to be spread anew, over %zu parts",
                      plan->count);
    mem_free(leaving);
    return err;
}

void conductor_cancel_spread(struct conductor *c, const char *agent, const char *why)
{
    bool is_about = agent == NULL;
    size_t kept = 0;

    if (!conductor_is_spreading(c))
        return;
    for (size_t i = 0; i < c->count; i++)
        is_about |=
            part_is_live(c->parts[i]) && strcmp(c->parts[i]->agent, agent ? agent : "") == 0;
    if (!is_about)
        return;
    for (size_t i = 0; i < c->count; i++) {
        if (part_is_successor(c->parts[i]))
            conductor_part_free(c->parts[i]); /* its agent finds it in no order any more */
        else
            c->parts[kept++] = c->parts[i];
    }
    c->count = kept;
    conductor_say(c, FLEET_EVENT_NOTE, NULL, "the load stays where it is: %s", why);
}

/* --- the moment ----------------------------------------------------------------------------- */

static bool leaves(const struct conductor *c, const struct conductor_part *p)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct conductor_part *q = c->parts[i];

        for (size_t j = 0; part_is_successor(q) && j < q->replace_count; j++) {
            if (q->replaces[j] == p->id)
                return true;
        }
    }
    return false;
}

/* The least number in the test that no part's iteration of the scenario has or may have come to by
 * the swap. */
static uint64_t free_number(const struct conductor *c, size_t scenario, int64_t elapsed)
{
    uint64_t seconds = (uint64_t)(elapsed / NSEC_PER_SEC);
    uint64_t most = 0;

    for (size_t i = 0; i < c->count; i++) {
        const struct conductor_part *p = c->parts[i];
        struct part_progress progress = {0};
        struct segment segment;
        uint64_t number = 0;

        if (part_is_successor(p))
            continue;
        c->hooks.progress(c->hooks.arg, p->id, &progress);
        if (scenario < p->done_count)
            number = p->done[scenario].done.completed;
        if (progress.done)
            number += progress.done[scenario].completed;
        number += number * UNSEEN_SECONDS / (seconds > UNSEEN_SECONDS ? seconds : UNSEEN_SECONDS) +
                  2 * p->planned_vus + 1;
        plan_path_segment(p->path, p->depth, &segment);
        number = segment_index(&segment, number);
        segment_deinit(&segment);
        most = number > most ? number : most;
    }
    return most;
}

/* Its iterations' numbers begin above all that others had. */
static void note_numbers(struct conductor *c, struct conductor_part *p, int64_t elapsed)
{
    struct part_progress progress = {0};
    struct segment segment;

    if (!c->hooks.progress)
        return;
    c->hooks.progress(c->hooks.arg, p->id, &progress);
    p->done = mem_calloc(progress.scenario_count + 1, sizeof *p->done);
    p->done_count = progress.scenario_count;
    plan_path_segment(p->path, p->depth, &segment);
    for (size_t i = 0; i < p->done_count; i++) {
        uint64_t first = segment_scale(&segment, free_number(c, i, elapsed) + 1);

        p->done[i] = (struct conductor_done){mem_strdup(progress.names[i]), {first, 0, first}};
    }
    segment_deinit(&segment);
}

static void swap(struct conductor *c, struct moment now)
{
    int64_t at = now.wall - c->start_wall + SWAP_LEAD + 2 * c->max_clock_error;

    for (size_t i = 0; i < c->count; i++) {
        if (part_is_successor(c->parts[i]))
            note_numbers(c, c->parts[i], at);
    }
    for (size_t i = 0; i < c->count; i++) {
        if (leaves(c, c->parts[i])) {
            c->parts[i]->until_nsec = at;
            c->parts[i]->step = GALE__FLEET__STEP__STEP_TEARDOWN;
        }
    }
    for (size_t i = 0; i < c->count; i++) {
        struct conductor_part *p = c->parts[i];

        if (!part_is_successor(p))
            continue;
        p->is_joining = false;
        p->join_nsec = p->from_nsec = at;
        p->step = GALE__FLEET__STEP__STEP_RUN;
        conductor_say(c, FLEET_EVENT_MOVED, p, "part %u on %s takes over", p->id, p->agent);
    }
    for (size_t i = 0; i < c->count; i++) {
        if (c->parts[i]->until_nsec > 0)
            conductor_move_lead(c, c->parts[i]);
    }
    c->epoch++;
}

void conductor_swap(struct conductor *c, struct moment now)
{
    bool ready = true;
    bool failed = false;
    bool late = false;

    if (!conductor_is_spreading(c))
        return;
    if (c->spread_since == 0)
        c->spread_since = now.mono;
    for (size_t i = 0; i < c->count; i++) {
        const struct conductor_part *p = c->parts[i];

        if (part_is_successor(p)) {
            ready &= p->stage >= GALE__FLEET__STAGE__STAGE_READY;
            failed |= p->stage == GALE__FLEET__STAGE__STAGE_FAILED;
        } else if (part_is_live(p) && p->until_nsec == 0) {
            late |= p->stage >= GALE__FLEET__STAGE__STAGE_EXECUTED;
        }
    }
    if (failed)
        conductor_cancel_spread(c, NULL, "a part can't be taken over");
    else if (late || c->is_stopped)
        conductor_cancel_spread(c, NULL, "the scenarios end");
    else if (now.mono - c->spread_since > READY_GRACE)
        conductor_cancel_spread(c, NULL, "some agents were not ready in time");
    else if (ready)
        swap(c, now);
}
