/* A part is one conducted run (engine/run.h). Its stage says how far it has come, its step how far
 * it may go; agent_part_drive closes the gap. */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/run.h"
#include "engine/scenario.h"
#include "engine/segment.h"
#include "fleet/agent_internal.h"
#include "fleet/host.h"
#include "fleet/planner.h"

static const struct host *host_of(const struct agent_part *p)
{
    return &p->owner->agent->config.host;
}

/* --- making --------------------------------------------------------------------------------- */

static void read_segment(struct agent_part *p, const Gale__Fleet__Part *wanted)
{
    struct plan_level *path = mem_calloc(wanted->n_path + 1, sizeof *path);

    for (size_t i = 0; i < wanted->n_path; i++) {
        const Gale__Fleet__Level *level = wanted->path[i];

        path[i] =
            (struct plan_level){level->n_weights ? level->weights : NULL,
                                level->n_weights ? level->n_weights : level->equal, level->index};
    }
    plan_path_segment(path, wanted->n_path, &p->segment);
    mem_free(path);
}

/* The order's list is by name; the run's by number. */
static void read_done(struct agent_part *p, const struct scenario_list *scenarios)
{
    const Gale__Fleet__Order *order = p->owner->order;

    p->done = mem_calloc(scenarios->count, sizeof *p->done);
    p->made = mem_calloc(scenarios->count, sizeof *p->made);
    for (size_t i = 0; i < order->n_parts; i++) {
        const Gale__Fleet__Part *part = order->parts[i];

        for (size_t j = 0; part->id == p->id && j < part->n_done; j++) {
            for (size_t k = 0; k < scenarios->count; k++) {
                if (strcmp(scenarios->list[k]->name, part->done[j]->scenario) == 0)
                    p->done[k] = (struct scenario_done){
                        part->done[j]->iterations, part->done[j]->dropped, part->done[j]->before};
            }
        }
    }
    p->join.done = p->done;
}

struct agent_part *agent_part_new(struct agent_run *r, const Gale__Fleet__Part *wanted)
{
    struct agent_part *p = mem_zalloc(sizeof *p);

    p->owner = r;
    p->id = wanted->id;
    p->leads = wanted->leads;
    p->step = wanted->step;
    p->stage = GALE__FLEET__STAGE__STAGE_FETCHING;
    p->scale_num = wanted->scale_num ? wanted->scale_num : 1;
    p->scale_den = wanted->scale_den ? wanted->scale_den : 1;
    read_segment(p, wanted);
    return p;
}

/* --- the run's hooks ------------------------------------------------------------------------ */

static void set_stage(struct agent_part *p, Gale__Fleet__Stage stage)
{
    p->stage = stage;
    agent_say(p->owner->agent);
}

static void on_phase(void *arg, enum run_phase phase)
{
    struct agent_part *p = arg;

    switch (phase) {
    case RUN_INIT_VUS:
        set_stage(p, GALE__FLEET__STAGE__STAGE_INIT);
        break;
    case RUN_INIT_DONE:
        set_stage(p, GALE__FLEET__STAGE__STAGE_READY);
        break;
    case RUN_SETUP:
        set_stage(p, GALE__FLEET__STAGE__STAGE_SETUP);
        break;
    case RUN_SETUP_DONE:
        agent_data_output(p, GALE__FLEET__STAGE__STAGE_SETUP_DONE, run_setup_data(p->run));
        set_stage(p, GALE__FLEET__STAGE__STAGE_SETUP_DONE);
        break;
    case RUN_RUNNING:
        set_stage(p, GALE__FLEET__STAGE__STAGE_RUNNING);
        break;
    case RUN_EXECUTED:
        set_stage(p, GALE__FLEET__STAGE__STAGE_EXECUTED);
        break;
    case RUN_TEARDOWN:
        set_stage(p, GALE__FLEET__STAGE__STAGE_TEARDOWN);
        break;
    default:
        break;
    }
    agent_run_drive(p->owner);
}

static void on_tick(void *arg, struct run_tick *tick)
{
    agent_data_tick(arg, tick);
}

static void on_over(void *arg)
{
    struct agent_part *p = arg;

    run_get_result(p->run, &p->result);
    p->exit_code = p->result.exit_code;
    p->is_over = true;
    agent_data_flush(p->owner);
    set_stage(p, GALE__FLEET__STAGE__STAGE_ENDED);
    agent_run_drive(p->owner);
}

static void on_summary(void *arg, int err, char *json, struct diag *d)
{
    struct agent_part *p = arg;

    if (err) {
        char *text = diag_text(d);

        log_printf(LOG_ERROR, "handleSummary: %s", text);
        mem_free(text);
        if (err == ERR_TIMEOUT)
            p->exit_code = EXIT_CODE_TIMEOUT;
    }
    diag_deinit(d);
    agent_data_output(p, GALE__FLEET__STAGE__STAGE_SUMMARISED, json);
    mem_free(json);
    set_stage(p, GALE__FLEET__STAGE__STAGE_SUMMARISED);
    agent_run_drive(p->owner);
}

/* Whether q leaves when p joins. */
static bool is_replaced(const struct agent_part *p, const struct agent_part *q)
{
    const Gale__Fleet__Order *order = p->owner->order;

    for (size_t i = 0; i < order->n_parts; i++) {
        const Gale__Fleet__Part *part = order->parts[i];

        for (size_t j = 0; part->id == p->id && j < part->n_replaces; j++) {
            if (part->replaces[j] == q->id)
                return true;
        }
    }
    return false;
}

/* What this agent would run at once with this part, against what its operator allows: capacity is
 * for planning, and when agents are lost those that stay may be asked for more. */
static int check_load(const struct agent_part *p, struct diag *d)
{
    const uint64_t pieces = 1000000;
    struct planner_load load;
    uint64_t vus = 0;
    double rate = 0;

    planner_load_of(p->owner->test->scenarios, &load);
    for (const struct agent_part *q = p->owner->parts; q; q = q->next) {
        if (!q->run || q->is_over || is_replaced(p, q))
            continue;
        vus += run_max_vus(q->run);
        rate += load.rate * (double)segment_scale(&q->segment, pieces) / (double)pieces;
    }
    return host_of(p)->allow(host_of(p)->arg, vus, rate, d);
}

void agent_part_begin(struct agent_part *p)
{
    struct host_test *test = p->owner->test;
    struct run_config config = {
        .options = test->options,
        .scenarios = test->scenarios,
        .segment = &p->segment,
        .keep_samples = host_of(p)->sink.keep_samples,
        .keep_spans = host_of(p)->sink.keep_spans,
        .keep_exemplars = true,
        .part = &p->join,
        .hooks = {p, on_phase, on_tick, on_over, on_summary},
    };
    struct diag d = DIAG_INIT;

    read_done(p, test->scenarios);
    p->runner = host_of(p)->runner_new(host_of(p)->arg, test);
    config.runner = p->runner;
    p->run = run_new(&config, p->owner->agent->config.loop);
    if (check_load(p, &d)) {
        agent_part_fail(p, EXIT_CODE_CONFIG, d.message);
        diag_deinit(&d);
        return;
    }
    run_begin(p->run);
    set_stage(p, GALE__FLEET__STAGE__STAGE_INIT);
}

void agent_part_fail(struct agent_part *p, int exit_code, const char *error)
{
    mem_free(p->error);
    p->error = mem_strdup(error);
    p->exit_code = exit_code;
    p->is_over = true;
    set_stage(p, GALE__FLEET__STAGE__STAGE_FAILED);
}

/* --- orders --------------------------------------------------------------------------------- */

static void start_scenarios(struct agent_part *p)
{
    const struct agent *a = p->owner->agent;
    int64_t wall = p->owner->order->start_wall_nsec;
    int64_t at = clock_sync_to_mono(&a->clock, clock_now(), wall);

    if (!p->owner->has_setup_data || at == INT64_MIN)
        return;
    run_do_scenarios(p->run, p->owner->setup_data, at);
}

void agent_part_drive(struct agent_part *p)
{
    enum run_phase phase = p->run ? run_get_phase(p->run) : RUN_CREATED;
    bool may_run = p->step >= GALE__FLEET__STEP__STEP_RUN;

    if (phase == RUN_INIT_DONE && p->leads && p->step == GALE__FLEET__STEP__STEP_SETUP)
        run_do_setup(p->run);
    else if ((phase == RUN_INIT_DONE || phase == RUN_SETUP_DONE) && may_run)
        start_scenarios(p);
    else if (phase == RUN_EXECUTED && p->leads && p->step >= GALE__FLEET__STEP__STEP_TEARDOWN)
        run_do_teardown(p->run);
    else if (phase == RUN_EXECUTED && !p->leads && p->step >= GALE__FLEET__STEP__STEP_TEARDOWN)
        run_do_end(p->run);
    else if (p->is_over && p->leads && !p->summary_asked && p->owner->summary_input &&
             p->step >= GALE__FLEET__STEP__STEP_SUMMARY) {
        p->summary_asked = true;
        run_do_summary(p->run, p->owner->summary_input);
    }
}

void agent_part_abort(struct agent_part *p, enum run_abort_reason reason, const char *message)
{
    if (p->run && !p->is_over)
        run_abort(p->run, reason, message);
}

bool agent_part_free(struct agent_part *p)
{
    bool all_ended = run_free(p->run);

    if (all_ended) {
        if (p->runner)
            host_of(p)->runner_free(host_of(p)->arg, p->runner);
        segment_deinit(&p->segment);
        mem_free(p->done);
        mem_free(p->made);
    }
    mem_free(p->error);
    mem_free(p);
    return all_ended;
}
