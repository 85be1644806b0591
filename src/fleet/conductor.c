/* Phases follow one another by barriers; each tick looks whether the barrier of the present one is
 * reached. What is wanted of parts (their step) is set at the transitions. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "engine/run.h"
#include "fleet/conductor_internal.h"

/* From the order to the start: it must have reached everybody by then. */
#define START_LEAD (400 * NSEC_PER_MSEC)
/* After a failure others may say what they found, so that it is reported once with all of them. */
#define FAILURE_GATHER (2 * NSEC_PER_SEC)
/* A stop that somebody does not answer ends without them. */
#define STOP_GRACE (30 * NSEC_PER_SEC)
/* Last windows come within this. */
#define COLLECT_GRACE (15 * NSEC_PER_SEC)
/* Before the start a part that nobody can take is waited for so long. */
#define PLACE_GRACE (10 * NSEC_PER_SEC)
/* A part that has nobody is given up so long after the scenarios' end. */
#define ORPHAN_GRACE (30 * NSEC_PER_SEC)

const char *fleet_phase_name(enum fleet_phase phase)
{
    static const char *const names[] = {
        [FLEET_INIT] = "init",
        [FLEET_SETUP] = "setup",
        [FLEET_RUNNING] = "running",
        [FLEET_TEARDOWN] = "teardown",
        [FLEET_COLLECTING] = "collecting",
        [FLEET_SUMMARY] = "summary",
        [FLEET_OVER] = "over",
    };

    return names[phase];
}

const char *fleet_event_name(enum fleet_event_kind kind)
{
    static const char *const names[] = {
        [FLEET_EVENT_PHASE] = "phase",
        [FLEET_EVENT_LOST] = "agent-lost",
        [FLEET_EVENT_MOVED] = "load-moved",
        [FLEET_EVENT_RESTORED] = "load-restored",
        [FLEET_EVENT_ORPHANED] = "load-waiting",
        [FLEET_EVENT_BACK] = "agent-back",
        [FLEET_EVENT_FENCED] = "agent-fenced",
        [FLEET_EVENT_FAILED] = "agent-failed",
        [FLEET_EVENT_STOPPED] = "stopped",
        [FLEET_EVENT_CROSSED] = "thresholds-crossed",
        [FLEET_EVENT_NOTE] = "note",
    };

    return names[kind];
}

void conductor_say(struct conductor *c, enum fleet_event_kind kind, const struct conductor_part *p,
                   const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (c->hooks.event)
        c->hooks.event(c->hooks.arg, kind, p ? p->region : NULL, p ? p->agent : NULL, text);
}

/* --- parts ---------------------------------------------------------------------------------- */

bool part_is_live(const struct conductor_part *p)
{
    return !p->is_lost && !p->is_orphan;
}

struct conductor_part *conductor_lead(const struct conductor *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->parts[i]->leads && part_is_live(c->parts[i]))
            return c->parts[i];
    }
    return NULL;
}

uint32_t conductor_instance(struct conductor *c, const char *agent)
{
    uintptr_t number = (uintptr_t)map_get(&c->instances, str_of(agent));

    if (number == 0) {
        number = c->instances.count + 1;
        map_set(&c->instances, str_of(agent), (void *)number);
    }
    return (uint32_t)number;
}

struct conductor_part *conductor_add_part(struct conductor *c, const struct fleet_part *plan)
{
    struct conductor_part *p = mem_zalloc(sizeof *p);

    p->id = plan->id;
    p->agent = mem_strdup(plan->agent);
    p->region = mem_strdup(plan->region);
    p->depth = plan->depth;
    p->path = mem_calloc(plan->depth, sizeof *p->path);
    for (size_t i = 0; i < plan->depth; i++) {
        const struct plan_level *level = &plan->path[i];

        p->path[i] = *level;
        if (level->weights)
            p->path[i].weights = mem_dup(level->weights, level->count * sizeof *level->weights);
    }
    p->planned_vus = plan->vus;
    p->planned_rate = plan->rate;
    p->step = GALE__FLEET__STEP__STEP_INIT;
    c->parts = mem_reallocarray((void *)c->parts, c->count + 1, sizeof(struct conductor_part *));
    c->parts[c->count++] = p;
    if (p->id >= c->next_part)
        c->next_part = p->id + 1;
    conductor_instance(c, p->agent);
    return p;
}

void conductor_part_free(struct conductor_part *p)
{
    for (size_t i = 0; i < p->depth; i++)
        mem_free(p->path[i].weights);
    for (size_t i = 0; i < p->done_count; i++)
        mem_free(p->done[i].scenario);
    mem_free(p->path);
    mem_free(p->replaces);
    mem_free(p->done);
    mem_free(p->agent);
    mem_free(p->boot);
    mem_free(p->region);
    mem_free(p->error);
    mem_free(p);
}

struct conductor *conductor_new(const struct conductor_config *config)
{
    struct conductor *c = mem_zalloc(sizeof *c);

    c->hooks = config->hooks;
    c->run = mem_strdup(config->run);
    c->archive = config->archive;
    c->on_loss = config->on_loss;
    c->duration_nsec = config->duration_nsec;
    c->epoch = 1;
    c->next_part = 1;
    map_init(&c->env);
    map_init(&c->instances);
    for (struct map_entry *e = config->env ? map_first(config->env) : NULL; e;
         e = map_next(config->env, e))
        map_set(&c->env, e->key, mem_strdup(e->value));
    if (!config->plan)
        return c;
    c->scale_num = config->plan->scale_num;
    c->scale_den = config->plan->scale_den;
    for (size_t i = 0; i < config->plan->count; i++)
        conductor_add_part(c, &config->plan->parts[i]);
    if (c->count > 0)
        c->parts[0]->leads = true;
    return c;
}

void conductor_free(struct conductor *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        conductor_part_free(c->parts[i]);
    mem_free((void *)c->parts);
    map_deinit_with(&c->env, mem_free);
    map_deinit(&c->instances);
    mem_free(c->run);
    mem_free(c->stop_message);
    mem_free(c);
}

/* --- barriers ------------------------------------------------------------------------------- */

/* Whether every part that somebody has is at the stage or beyond. */
static bool all_at(const struct conductor *c, Gale__Fleet__Stage stage)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct conductor_part *p = c->parts[i];

        if (part_is_live(p) && p->stage < stage)
            return false;
    }
    return true;
}

static size_t count_live(const struct conductor *c)
{
    size_t count = 0;

    for (size_t i = 0; i < c->count; i++)
        count += part_is_live(c->parts[i]);
    return count;
}

static bool has_orphans(const struct conductor *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->parts[i]->is_orphan)
            return true;
    }
    return false;
}

static void set_phase(struct conductor *c, enum fleet_phase phase)
{
    c->phase = phase;
    c->phase_since = 0;
    if (c->hooks.phase)
        c->hooks.phase(c->hooks.arg, phase);
}

static void all_step(struct conductor *c, Gale__Fleet__Step step)
{
    for (size_t i = 0; i < c->count; i++) {
        struct conductor_part *p = c->parts[i];

        if (!p->is_lost && !p->is_joining && p->step < step)
            p->step = step;
    }
}

static void lead_step(struct conductor *c, Gale__Fleet__Step step)
{
    struct conductor_part *lead = conductor_lead(c);

    if (lead && lead->step < step)
        lead->step = step;
}

/* --- failures ------------------------------------------------------------------------------- */

/* One message for all that failed alike: "MESSAGE (on a1, a2)". */
static void report_failures(struct conductor *c)
{
    for (size_t i = 0; i < c->count; i++) {
        struct conductor_part *p = c->parts[i];
        struct buf names = BUF_INIT(512);
        bool is_first = true;

        if (p->stage != GALE__FLEET__STAGE__STAGE_FAILED || !p->error)
            continue;
        for (size_t j = 0; j < c->count; j++) {
            const struct conductor_part *q = c->parts[j];

            if (q->stage != GALE__FLEET__STAGE__STAGE_FAILED || !q->error ||
                strcmp(q->error, p->error) != 0)
                continue;
            is_first &= j >= i;
            buf_printf(&names, "%s%s", names.len ? ", " : "", q->agent);
        }
        if (is_first)
            conductor_say(c, FLEET_EVENT_FAILED, p, "%s (on %.*s)", p->error,
                          STR_ARG(buf_str(&names)));
        if (c->exit_code == 0)
            c->exit_code = p->exit_code;
        buf_deinit(&names);
    }
}

static bool any_failed(const struct conductor *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (part_is_live(c->parts[i]) && c->parts[i]->stage == GALE__FLEET__STAGE__STAGE_FAILED)
            return true;
    }
    return false;
}

/* --- phases --------------------------------------------------------------------------------- */

static void over(struct conductor *c)
{
    set_phase(c, FLEET_OVER);
}

static void tick_init(struct conductor *c, struct moment now)
{
    if (any_failed(c)) {
        if (c->first_failure == 0)
            c->first_failure = now.mono;
        if (now.mono - c->first_failure > FAILURE_GATHER ||
            all_at(c, GALE__FLEET__STAGE__STAGE_READY)) {
            report_failures(c);
            over(c);
        }
        return;
    }
    if (has_orphans(c)) {
        if (now.mono - c->phase_since > PLACE_GRACE)
            conductor_stop(c, RUN_ABORT_SIGNAL,
                           "an agent was lost before the start and nobody can take its part");
        return;
    }
    if (!all_at(c, GALE__FLEET__STAGE__STAGE_READY))
        return;
    c->began = true;
    set_phase(c, FLEET_SETUP);
    lead_step(c, GALE__FLEET__STEP__STEP_SETUP);
}

static void begin_scenarios(struct conductor *c, struct moment now)
{
    c->start_wall = now.wall + START_LEAD + 2 * c->max_clock_error;
    set_phase(c, FLEET_RUNNING);
    all_step(c, GALE__FLEET__STEP__STEP_RUN);
}

static void tick_setup(struct conductor *c, struct moment now)
{
    struct conductor_part *lead = conductor_lead(c);

    if (!lead)
        return;                                           /* conductor_loss.c finds another */
    if (lead->stage == GALE__FLEET__STAGE__STAGE_ENDED) { /* setup() threw, or took too long */
        if (c->exit_code == 0)
            c->exit_code = lead->exit_code;
        set_phase(c, FLEET_COLLECTING);
    } else if (lead->stage == GALE__FLEET__STAGE__STAGE_SETUP_DONE && c->setup_came) {
        begin_scenarios(c, now);
    }
}

static bool is_past_end(const struct conductor *c, struct moment now, int64_t grace)
{
    return now.wall > c->start_wall + c->duration_nsec + grace;
}

static void give_up_orphans(struct conductor *c)
{
    for (size_t i = 0; i < c->count; i++) {
        struct conductor_part *p = c->parts[i];

        if (!p->is_orphan)
            continue;
        conductor_say(c, FLEET_EVENT_NOTE, p,
                      "the load of part %u (%s) was not made to its end: no agent came back", p->id,
                      p->region);
        p->is_orphan = false;
        p->is_lost = true;
    }
}

static void tick_running(struct conductor *c, struct moment now)
{
    conductor_swap(c, now);
    conductor_join(c, now);
    if (has_orphans(c)) {
        /* Agents that are cut off may be at work still: their data comes when they are back. */
        if (!c->is_stopped && !is_past_end(c, now, ORPHAN_GRACE))
            return;
        give_up_orphans(c);
    }
    if (!all_at(c, GALE__FLEET__STAGE__STAGE_EXECUTED))
        return;
    set_phase(c, FLEET_TEARDOWN);
    lead_step(c, GALE__FLEET__STEP__STEP_TEARDOWN);
}

static void tick_teardown(struct conductor *c)
{
    struct conductor_part *lead = conductor_lead(c);

    /* The others stay until it has been run: should its agent die, one of them runs it. */
    if (!lead || lead->stage >= GALE__FLEET__STAGE__STAGE_ENDED)
        all_step(c, GALE__FLEET__STEP__STEP_TEARDOWN);
    if (!all_at(c, GALE__FLEET__STAGE__STAGE_ENDED))
        return;
    if (lead && c->exit_code == 0 && !c->is_stopped)
        c->exit_code = lead->exit_code;
    set_phase(c, FLEET_COLLECTING);
}

static bool all_ended(const struct conductor *c)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct conductor_part *p = c->parts[i];
        bool can = part_is_live(p) && p->stage != GALE__FLEET__STAGE__STAGE_FAILED;

        /* After a failed setup() the others have not begun, and have nothing to say. */
        if (can && !p->is_ended && p->stage >= GALE__FLEET__STAGE__STAGE_RUNNING)
            return false;
    }
    return true;
}

static void tick_collecting(struct conductor *c, struct moment now)
{
    if (!all_ended(c) && now.mono - c->phase_since < COLLECT_GRACE)
        return;
    if (!all_ended(c))
        conductor_say(c, FLEET_EVENT_NOTE, NULL, "the last windows of some agents did not come");
    c->phase_since = now.mono;
    if (c->hooks.collected)
        c->hooks.collected(c->hooks.arg);
}

static void tick_summary(struct conductor *c, struct moment now)
{
    const struct conductor_part *lead = conductor_lead(c);
    bool is_late = now.mono - c->phase_since > c->summary_timeout;

    if (lead && !c->summary_came && !is_late)
        return;
    if (!c->summary_came)
        conductor_say(c, FLEET_EVENT_NOTE, NULL, "nobody could run handleSummary()");
    else if (lead && lead->exit_code == EXIT_CODE_TIMEOUT && c->exit_code == 0)
        c->exit_code = EXIT_CODE_TIMEOUT;
    over(c);
}

/* A stop before the scenarios: nobody answers to a barrier any more. */
static bool tick_stopped(struct conductor *c, struct moment now)
{
    if (c->stopped_at == 0)
        c->stopped_at = now.mono;
    if (c->phase >= FLEET_COLLECTING)
        return false;
    if (now.mono - c->stopped_at > STOP_GRACE) {
        conductor_say(c, FLEET_EVENT_NOTE, NULL, "some agents do not answer: ended without them");
        set_phase(c, FLEET_COLLECTING);
        return true;
    }
    if (c->phase > FLEET_SETUP)
        return false;
    if (!all_at(c, GALE__FLEET__STAGE__STAGE_ENDED) && count_live(c) > 0)
        return true;
    if (c->began)
        set_phase(c, FLEET_COLLECTING);
    else
        over(c);
    return true;
}

void conductor_tick(struct conductor *c, struct moment now)
{
    enum fleet_phase before;

    do {
        before = c->phase;
        if (c->phase_since == 0)
            c->phase_since = now.mono;
        if (c->phase < FLEET_COLLECTING)
            conductor_place_orphans(c, now);
        if (c->is_stopped && tick_stopped(c, now))
            continue;
        switch (c->phase) {
        case FLEET_INIT:
            tick_init(c, now);
            break;
        case FLEET_SETUP:
            tick_setup(c, now);
            break;
        case FLEET_RUNNING:
            tick_running(c, now);
            break;
        case FLEET_TEARDOWN:
            tick_teardown(c);
            break;
        case FLEET_COLLECTING:
            tick_collecting(c, now);
            break;
        case FLEET_SUMMARY:
            tick_summary(c, now);
            break;
        case FLEET_OVER:
            break;
        }
    } while (c->phase != before);
}

/* --- what comes in -------------------------------------------------------------------------- */

static void take_part_status(struct conductor *c, struct conductor_part *p,
                             const Gale__Fleet__PartStatus *status)
{
    bool was_running = p->stage >= GALE__FLEET__STAGE__STAGE_RUNNING;

    if (status->stage > p->stage || c->phase == FLEET_SETUP)
        p->stage = status->stage;
    p->exit_code = (int)status->exit_code;
    p->vus = status->vus;
    p->vus_max = status->vus_max;
    p->completed = status->completed;
    if (status->began_wall_nsec)
        p->began_wall_nsec = status->began_wall_nsec;
    if (status->error && status->error[0] && !p->error) {
        p->error = mem_strdup(status->error);
        if (c->phase >
            FLEET_INIT) /* one that was to take another's load: report_failures is past */
            conductor_say(c, FLEET_EVENT_FAILED, p, "part %u does not run on %s: %s", p->id,
                          p->agent, p->error);
    }
    c->marked_failed |= status->marked_failed;
    if (!was_running && p->stage >= GALE__FLEET__STAGE__STAGE_RUNNING && p->join_nsec > 0)
        conductor_say(c, FLEET_EVENT_RESTORED, p, "part %u runs on %s", p->id, p->agent);
    if (status->abort_reason != RUN_ABORT_NONE && !c->is_stopped &&
        p->stage != GALE__FLEET__STAGE__STAGE_FAILED)
        conductor_stop(c, (enum run_abort_reason)status->abort_reason,
                       status->abort_message && status->abort_message[0] ? status->abort_message
                                                                         : NULL);
}

static void take_back(struct conductor *c, struct conductor_part *p)
{
    if (!p->is_orphan)
        return;
    p->is_orphan = false;
    conductor_say(c, FLEET_EVENT_BACK, p, "%s is back and still at work", p->agent);
}

void conductor_status(struct conductor *c, const Gale__Fleet__Status *status, struct moment now)
{
    const Gale__Fleet__RunStatus *run = status->run;

    if (c->phase == FLEET_OVER)
        return;
    for (size_t i = 0; i < c->count; i++) {
        struct conductor_part *p = c->parts[i];

        if (p->is_lost || !p->agent || strcmp(p->agent, status->id) != 0)
            continue;
        if (p->boot && strcmp(p->boot, status->boot) != 0) {
            conductor_lost(c, status->id, "it has begun anew", now);
            return;
        }
        if (!p->boot)
            p->boot = mem_strdup(status->boot);
        if (status->clock && status->clock->known && status->clock->error_nsec > c->max_clock_error)
            c->max_clock_error = status->clock->error_nsec;
        take_back(c, p);
        for (size_t j = 0; run && strcmp(run->run, c->run) == 0 && j < run->n_parts; j++) {
            if (run->parts[j]->id == p->id)
                take_part_status(c, p, run->parts[j]);
        }
    }
}

void conductor_output(struct conductor *c, Gale__Fleet__Stage stage, const char *json,
                      const struct blob_id *blob)
{
    if (stage == GALE__FLEET__STAGE__STAGE_SETUP_DONE && !c->setup_came) {
        c->setup_came = true;
        c->has_setup_data = json != NULL;
        if (json)
            c->setup_data = *blob;
    } else if (stage == GALE__FLEET__STAGE__STAGE_SUMMARISED) {
        c->summary_came = true;
    }
}

void conductor_ended(struct conductor *c, uint32_t part)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->parts[i]->id == part)
            c->parts[i]->is_ended = true;
    }
}

void conductor_stop(struct conductor *c, enum run_abort_reason reason, const char *message)
{
    if (c->is_stopped || c->phase >= FLEET_COLLECTING)
        return;
    c->is_stopped = true;
    c->stop_reason = reason;
    c->stop_message = mem_strdup(message);
    conductor_say(c, FLEET_EVENT_STOPPED, NULL, "%s", message ? message : run_abort_text(reason));
}

void conductor_summarise(struct conductor *c, const struct blob_id *input, int64_t timeout_nsec)
{
    c->has_summary_input = true;
    c->summary_input = *input;
    c->summary_timeout = timeout_nsec;
    set_phase(c, FLEET_SUMMARY);
    lead_step(c, GALE__FLEET__STEP__STEP_SUMMARY);
}

void conductor_finish(struct conductor *c)
{
    over(c);
}

/* --- what comes out ------------------------------------------------------------------------- */

void conductor_outcome(const struct conductor *c, struct conductor_outcome *out)
{
    *out = (struct conductor_outcome){
        .exit_code = c->exit_code,
        .reason = c->is_stopped ? c->stop_reason : RUN_ABORT_NONE,
        .message = c->stop_message,
        .marked_failed = c->marked_failed,
        .began = c->began,
    };
    if (c->is_stopped)
        out->exit_code = run_abort_exit_code(c->stop_reason);
    else if (c->exit_code == 0 && c->marked_failed)
        out->exit_code = EXIT_CODE_MARKED_FAILED;
}

enum fleet_phase conductor_phase(const struct conductor *c)
{
    return c->phase;
}

uint64_t conductor_epoch(const struct conductor *c)
{
    return c->epoch;
}

int64_t conductor_start_wall(const struct conductor *c)
{
    return c->start_wall;
}

size_t conductor_part_count(const struct conductor *c)
{
    return c->count;
}

void conductor_part(const struct conductor *c, size_t index, struct conductor_part_view *out)
{
    const struct conductor_part *p = c->parts[index];

    *out = (struct conductor_part_view){
        .id = p->id,
        .agent = p->agent,
        .region = p->region,
        .stage = p->stage,
        .leads = p->leads,
        .is_lost = p->is_lost,
        .is_orphan = p->is_orphan,
        .is_ended = p->is_ended,
        .is_leaving = p->until_nsec > 0,
        .is_coming = part_is_successor(p),
        .path = p->path,
        .depth = p->depth,
        .planned_vus = p->planned_vus,
        .planned_rate = p->planned_rate,
        .vus = p->vus,
        .vus_max = p->vus_max,
        .completed = p->completed,
        .began_wall_nsec = p->began_wall_nsec,
    };
}
