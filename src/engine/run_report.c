/* Rounds: once a second main asks every worker for its window and hands all of them to the caller.
 * A worker that is too busy to answer soon comes with a later round; nothing is lost. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/run_internal.h"
#include "metrics/window.h"

#define ROUND_GRACE_NSEC (300 * NSEC_PER_MSEC)
#define LAST_GRACE_NSEC (3 * NSEC_PER_SEC)

/* --- the run's own metrics ---------------------------------------------------------------- */

static void add(struct run *run, uint32_t metric, double value)
{
    shard_add(run->shard, metric, run->tags, value, clock_wall());
}

static void add_own_metrics(struct run *run, const struct process_load *load)
{
    if (run->config.part)
        return;
    add(run, METRIC_VUS, (double)run_state_vus_active(&run->state));
    add(run, METRIC_VUS_MAX, (double)run_state_vus_initialised(&run->state));
    add(run, METRIC_LOAD_GENERATOR_CPU_PERCENT, load->cpu_percent);
    add(run, METRIC_LOAD_GENERATOR_MEMORY_BYTES, (double)load->rss_bytes);
    add(run, METRIC_LOAD_GENERATOR_DESCRIPTORS, (double)load->descriptors);
}

static void watch_machine(struct run *run, const struct process_load *load)
{
    char *warning;

    /* Before the scenarios start workers are busy with VUs' init, which delays no measurement. */
    if (run->phase == RUN_RUNNING)
        saturation_note_workers(&run->saturation, run_state_duration(&run->state, clock_now()),
                                run->round.loads, run->round.load_count);
    while ((warning = saturation_next_warning(&run->saturation, load))) {
        log_printf(LOG_WARN, "%s", warning);
        mem_free(warning);
    }
}

/* --- one round ---------------------------------------------------------------------------- */

static void deliver(struct run *run)
{
    struct run_round *round = &run->round;
    struct process_load load;
    struct run_tick tick;

    round->is_open = false;
    timer_stop(run->loop, &round->grace);
    if (!round->is_last) {
        probe_read(&run->probe, clock_now(), &load);
        add_own_metrics(run, &load);
        watch_machine(run, &load);
    }
    round->windows[round->count++] = shard_take_window(run->shard);
    round->is_delivering = true;
    tick = (struct run_tick){round->windows, round->count, round->second, round->is_last};
    if (run->config.hooks.tick)
        run->config.hooks.tick(run->config.hooks.arg, &tick);
    for (size_t i = 0; i < round->count; i++)
        window_free(round->windows[i]);
    round->count = 0;
    round->load_count = 0;
    round->is_delivering = false;
    if (round->is_last)
        run_reports_over(run);
    else if (round->is_finishing)
        run_reports_finish(run);
}

static void ask(struct run *run, struct run_worker *w);

static void take_answer(struct worker_report *report)
{
    struct run *run = report->arg;
    struct run_round *round = &run->round;
    struct run_worker *w = &run->workers[report->worker->env.index];
    bool is_late = report->second != round->second;

    w->is_reporting = false;
    round->windows[round->count++] = report->window;
    round->loads[round->load_count++] = report->load;
    if (round->is_open && round->is_last && is_late)
        ask(run, w); /* what it has gathered since must not be lost */
    else if (round->is_open && (round->is_last || !is_late) && --round->waiting == 0)
        deliver(run);
}

static void ask(struct run *run, struct run_worker *w)
{
    w->is_reporting = true;
    w->report = (struct worker_report){
        .worker = w->worker, .second = run->round.second, .arg = run, .on_done = take_answer};
    worker_take_report(&w->report);
}

static void begin_round(struct run *run, int64_t grace)
{
    struct run_round *round = &run->round;

    round->is_open = true;
    round->waiting = 0;
    for (size_t i = 0; i < run->worker_count; i++) {
        struct run_worker *w = &run->workers[i];

        if (!w->worker || w->is_lost || (w->is_reporting && !round->is_last))
            continue;
        round->waiting++;
        if (!w->is_reporting)
            ask(run, w);
    }
    if (round->waiting == 0)
        deliver(run);
    else
        timer_start(run->loop, &round->grace, loop_now(run->loop) + grace);
}

static void grace_over(struct timer *timer)
{
    struct run *run = CONTAINER_OF(timer, struct run, round.grace);

    deliver(run);
}

static void next_second(struct timer *timer)
{
    struct run *run = CONTAINER_OF(timer, struct run, round.tick);
    struct run_round *round = &run->round;

    if (round->is_open)
        deliver(run);
    round->second = round->next_second++;
    /* From a fixed moment, not from the last tick: seconds don't drift. */
    timer_start(run->loop, timer, round->base + round->next_second * NSEC_PER_SEC);
    begin_round(run, ROUND_GRACE_NSEC);
}

/* --- the rounds --------------------------------------------------------------------------- */

void run_reports_init(struct run *run)
{
    struct run_round *round = &run->round;

    *round = (struct run_round){
        /* A late answer and a new one of each worker, and main's own. */
        .windows = mem_calloc(2 * run->worker_count + 1, sizeof(struct window *)),
        .loads = mem_calloc(2 * run->worker_count, sizeof *round->loads),
        .next_second = 1,
    };
    timer_init(&round->tick, next_second);
    timer_init(&round->grace, grace_over);
}

void run_reports_deinit(struct run *run)
{
    for (size_t i = 0; i < run->round.count; i++)
        window_free(run->round.windows[i]);
    mem_free((void *)run->round.windows);
    mem_free(run->round.loads);
}

void run_reports_start(struct run *run)
{
    run->round.base = run->made_at;
    timer_start(run->loop, &run->round.tick, run->made_at + NSEC_PER_SEC);
}

void run_reports_align(struct run *run, int64_t at)
{
    struct run_round *round = &run->round;
    int64_t now = clock_now();

    /* A round that ends at second k of the run holds what happened in second k - 1. */
    round->base = at;
    round->next_second = now < at ? 0 : (now - at) / NSEC_PER_SEC + 1;
    timer_start(run->loop, &round->tick, at + round->next_second * NSEC_PER_SEC);
}

void run_reports_finish(struct run *run)
{
    struct run_round *round = &run->round;

    round->is_finishing = true;
    if (round->is_delivering)
        return; /* the caller's hook has aborted the run: after it */
    timer_stop(run->loop, &round->tick);
    if (round->is_open)
        deliver(run);
    round->second = round->next_second;
    round->is_last = true;
    begin_round(run, LAST_GRACE_NSEC);
}
