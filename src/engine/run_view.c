/* handleSummary, and what others may see of a run. */
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/options.h"
#include "engine/run_internal.h"
#include "engine/runner.h"

static void summarised(struct run *run)
{
    const struct run_hooks *hooks = &run->config.hooks;

    timer_stop(run->loop, &run->grace);
    run->is_over = true;
    if (run->config.part)
        hooks->summary(hooks->arg, run->call.err, run->call.json_out, &run->call.diag);
    else
        loop_stop(run->loop);
}

static void summary_done(struct worker_call *call)
{
    summarised(call->arg);
}

static void summary_overdue(struct timer *timer)
{
    struct run *run = CONTAINER_OF(timer, struct run, grace);

    run_lose_worker(&run->workers[run->call.worker->env.index]);
    run->call.err = ERR_TIMEOUT;
    summarised(run);
}

/* False when there is none to call. */
static bool call_summary(struct run *run, const char *data_json)
{
    struct runner *runner = run->config.runner;
    int64_t timeout = options_nsec(run->config.options, OPTION_HANDLE_SUMMARY_TIMEOUT);

    run->is_over = false;
    if (!runner->ops->has_handle_summary(runner) || !run_first_worker(run))
        return false;
    run->call = (struct worker_call){
        .kind = WORKER_HANDLE_SUMMARY,
        .worker = run_first_worker(run),
        .timeout_nsec = timeout,
        .json_in = data_json,
        .arg = run,
        .on_done = summary_done,
    };
    worker_call(&run->call);
    timer_init(&run->grace, summary_overdue);
    timer_start(run->loop, &run->grace, clock_now() + timeout + run_answer_grace(run));
    return true;
}

void run_do_summary(struct run *run, const char *data_json)
{
    run->call = (struct worker_call){0};
    if (!call_summary(run, data_json))
        summarised(run);
}

int run_handle_summary(struct run *run, const char *data_json, char **json_out, struct diag *d)
{
    int err;

    *json_out = NULL;
    if (!call_summary(run, data_json))
        return 0;
    while (!run->is_over)
        loop_run(run->loop);
    err = run->call.err;
    if (err)
        *d = run->call.diag;
    else
        *json_out = run->call.json_out;
    return err;
}

/* --- views -------------------------------------------------------------------------------- */

const struct run_state *run_get_state(const struct run *run)
{
    return &run->state;
}

enum run_phase run_get_phase(const struct run *run)
{
    return run->phase;
}

const char *run_setup_data(const struct run *run)
{
    return run->setup_data;
}

const struct saturation *run_saturation(const struct run *run)
{
    return &run->saturation;
}

uint64_t run_planned_vus(const struct run *run)
{
    return run->plan.seats;
}

uint64_t run_max_vus(const struct run *run)
{
    const struct scenario_list *scenarios = run->config.scenarios;
    uint64_t *vus = mem_calloc(scenarios->count, sizeof *vus);
    uint64_t most;

    for (size_t i = 0; i < scenarios->count; i++)
        vus[i] = segment_scale(run->segment, scenarios->list[i]->max_vus);
    most = scenarios_most_vus(scenarios, vus);
    mem_free(vus);
    return most > run->plan.seats ? most : run->plan.seats;
}

static double wanted_rate(const struct scenario *s, int64_t at)
{
    struct pacer pacer;
    double rate;

    pacer_init(&pacer, s->start_rate, s->unit_nsec, s->stages, s->stage_count);
    rate = pacer_rate_at(&pacer, at);
    pacer_deinit(&pacer);
    return rate;
}

static void set_wanted(struct scenario_progress *p, int64_t at)
{
    const struct scenario *s = p->scenario;

    switch (s->kind) {
    case EXECUTOR_CONSTANT_ARRIVAL_RATE:
    case EXECUTOR_RAMPING_ARRIVAL_RATE:
        p->rate = wanted_rate(s, at);
        break;
    case EXECUTOR_RAMPING_VUS:
        p->vus_wanted = pacer_vus_at(s->start_vus, s->stages, s->stage_count, at);
        break;
    default:
        p->vus_wanted = p->vus;
        break;
    }
}

void run_scenario_progress(const struct run *run, size_t index, struct scenario_progress *out)
{
    const struct scenario_state *state = &run->state.scenarios[index];
    const struct scenario *s = state->scenario;
    int64_t execution = atomic_load(&run->state.execution);
    int64_t ended = atomic_load(&state->ended);
    int64_t now = clock_now();
    int64_t at = ended ? ended : now;

    *out = (struct scenario_progress){
        .scenario = s,
        .iterations_all = state->iterations,
        .vus = state->vus,
        .max_vus = state->max_vus,
        .starts_in_nsec = s->start_nsec,
    };
    run_state_scenario_counts(&run->state, index, &out->counts);
    if (execution == 0)
        return;
    out->starts_in_nsec = execution + s->start_nsec - now;
    at -= execution + s->start_nsec;
    if (at < 0)
        return;
    out->starts_in_nsec = 0;
    out->phase = ended ? SCENARIO_DONE : SCENARIO_RUNNING;
    out->elapsed_nsec = at < s->duration_nsec ? at : s->duration_nsec;
    out->fraction = run_state_scenario_progress(&run->state, s, now);
    set_wanted(out, out->elapsed_nsec);
}
