/* The life of a run, as a row of steps on main's loop. Each step posts orders to workers; their
 * answers call the next one. An abort jumps ahead: to teardown() when setup() had succeeded, else
 * to the end. */
#include "engine/run.h"

#include "base/clock.h"
#include "base/ensure.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/options.h"
#include "engine/run_internal.h"
#include "engine/runner.h"

/* Time for the order to start to reach every worker, so that all begin at one instant. */
#define START_LEAD_NSEC (2 * NSEC_PER_MSEC)

static void finish(struct run *run);
static void teardown(struct run *run);

static void set_phase(struct run *run, enum run_phase phase)
{
    run->phase = phase;
    atomic_store(&run->state.phase, (int)phase);
    if (run->config.hooks.phase)
        run->config.hooks.phase(run->config.hooks.arg, phase);
}

static bool is_aborted(const struct run *run)
{
    return run_state_aborted(&run->state) != NULL;
}

static void log_error(const char *what, const struct diag *d, int err)
{
    char *text = d->message ? diag_text(d) : NULL;

    log_printf(LOG_ERROR, "%s%s", what, text ? text : err_text(err));
    mem_free(text);
}

/* A worker for setup() and its like: the first that answers. */
struct worker *run_first_worker(const struct run *run)
{
    for (size_t i = 0; i < run->worker_count; i++) {
        if (run->workers[i].worker && !run->workers[i].is_lost)
            return run->workers[i].worker;
    }
    return NULL;
}

int64_t run_answer_grace(const struct run *run)
{
    return 5 * NSEC_PER_SEC + (int64_t)run_max_vus(run) * NSEC_PER_MSEC;
}

/* Allows `nsec` for the answers that are due now. */
static void expect_answers(struct run *run, int64_t nsec)
{
    timer_start(run->loop, &run->grace, loop_now(run->loop) + nsec);
}

/* --- setup() and teardown() --------------------------------------------------------------- */

static void call_runner(struct run *run, enum worker_call_kind kind, int64_t timeout_nsec,
                        void (*on_done)(struct worker_call *call))
{
    run->call = (struct worker_call){
        .kind = kind,
        .worker = run_first_worker(run),
        .timeout_nsec = timeout_nsec,
        .arg = run,
        .on_done = on_done,
    };
    worker_call(&run->call);
}

static void take_call_error(struct run *run, const char *what, int timeout_code)
{
    struct worker_call *call = &run->call;
    bool by_abort = is_aborted(run) && (call->kind == WORKER_SETUP || call->err == ERR_INTERRUPTED);

    if (call->err && !by_abort) { /* why it was aborted is said elsewhere */
        log_error(what, &call->diag, call->err);
        run->phase_error = call->err == ERR_TIMEOUT ? timeout_code : EXIT_CODE_SCRIPT_ERROR;
    }
    diag_deinit(&call->diag);
}

static void torn_down(struct worker_call *call)
{
    struct run *run = call->arg;

    if (run->is_finished)
        return;
    take_call_error(run, "teardown: ", EXIT_CODE_TEARDOWN_TIMEOUT);
    finish(run);
}

static void teardown(struct run *run)
{
    const struct options *options = run->config.options;
    struct runner *runner = run->config.runner;
    int64_t timeout = options_nsec(options, OPTION_TEARDOWN_TIMEOUT);

    timer_stop(run->loop, &run->grace);
    if (!run->setup_done || !runner->ops->has_teardown(runner) || !run_first_worker(run) ||
        options_bool(options, OPTION_NO_TEARDOWN)) {
        finish(run);
        return;
    }
    set_phase(run, RUN_TEARDOWN);
    call_runner(run, WORKER_TEARDOWN, timeout, torn_down);
    expect_answers(run, timeout + run_answer_grace(run));
}

/* --- the scenarios ------------------------------------------------------------------------ */

static bool all_executed(const struct run *run)
{
    for (size_t i = 0; i < run->worker_count; i++) {
        const struct run_worker *w = &run->workers[i];

        if (w->worker && !w->is_executed && !w->is_lost)
            return false;
    }
    return true;
}

static void executed(struct run *run)
{
    if (!run->config.part) {
        teardown(run);
        return;
    }
    timer_stop(run->loop, &run->grace);
    set_phase(run, RUN_EXECUTED);
}

void run_on_executed(void *arg, struct worker *w)
{
    struct run *run = arg;

    run->workers[w->env.index].is_executed = true;
    if (run->phase == RUN_RUNNING && all_executed(run))
        executed(run);
}

/* `at`: time 0 of the scenarios. */
static void execute(struct run *run, int64_t at)
{
    int64_t end = at + scenarios_duration(run->config.scenarios);
    int64_t now = clock_now();

    if (is_aborted(run)) {
        executed(run);
        return;
    }
    set_phase(run, RUN_RUNNING);
    atomic_store(&run->state.execution, at);
    for (size_t i = 0; i < run->worker_count; i++)
        worker_execute(run->workers[i].worker);
    expect_answers(run, (end > now ? end - now : 0) + run_answer_grace(run));
}

static void set_up(struct worker_call *call)
{
    struct run *run = call->arg;
    struct runner *runner = run->config.runner;

    if (run->is_finished)
        return;
    timer_stop(run->loop, &run->grace);
    take_call_error(run, "setup: ", EXIT_CODE_SETUP_TIMEOUT);
    run->setup_data = call->json_out;
    if (call->err) {
        finish(run);
        return;
    }
    run->setup_done = true;
    if (run->config.part) {
        set_phase(run, RUN_SETUP_DONE);
        return;
    }
    runner->ops->set_setup_data(runner, run->setup_data);
    execute(run, clock_now() + START_LEAD_NSEC);
}

static void mark_started(struct run *run)
{
    atomic_store(&run->state.started, clock_now());
    atomic_store(&run->state.started_wall, clock_wall());
    set_phase(run, RUN_STARTED);
}

static bool wants_setup(const struct run *run)
{
    struct runner *runner = run->config.runner;

    return runner->ops->has_setup(runner) && !options_bool(run->config.options, OPTION_NO_SETUP);
}

static void call_setup(struct run *run)
{
    int64_t timeout = options_nsec(run->config.options, OPTION_SETUP_TIMEOUT);

    set_phase(run, RUN_SETUP);
    call_runner(run, WORKER_SETUP, timeout, set_up);
    expect_answers(run, timeout + run_answer_grace(run));
}

static void start_test(struct run *run)
{
    mark_started(run);
    if (wants_setup(run)) {
        call_setup(run);
        return;
    }
    run->setup_done = true;
    execute(run, clock_now() + START_LEAD_NSEC);
}

/* --- init --------------------------------------------------------------------------------- */

static void all_ready(struct run *run)
{
    timer_stop(run->loop, &run->grace);
    if (is_aborted(run)) {
        finish(run);
        return;
    }
    set_phase(run, RUN_INIT_DONE);
    if (run->config.part)
        return;
    if (options_bool(run->config.options, OPTION_PAUSED) && !run->was_resumed)
        set_phase(run, RUN_PAUSED);
    else
        start_test(run);
}

static bool is_all_ready(const struct run *run)
{
    for (size_t i = 0; i < run->worker_count; i++) {
        const struct run_worker *w = &run->workers[i];

        if (w->worker && !w->is_ready && !w->is_lost)
            return false;
    }
    return true;
}

void run_on_ready(void *arg, struct worker *w)
{
    struct run *run = arg;

    run->workers[w->env.index].is_ready = true;
    if (w->error && w->error != ERR_CANCELLED && !is_aborted(run)) {
        log_error("", &w->diag, w->error);
        run_abort(run, w->is_inited ? RUN_ABORT_INIT_ERROR : RUN_ABORT_OPTIONS, NULL);
    }
    if (run->phase == RUN_INIT_VUS && is_all_ready(run))
        all_ready(run);
}

void run_on_aborted(void *arg)
{
    struct run *run = arg;

    run_abort(run, RUN_ABORT_SCRIPT, NULL);
}

static bool start_workers(struct run *run)
{
    struct shard_options shard = {
        .max_series = (uint32_t)options_int(run->config.options, OPTION_MAX_SERIES),
        .keep_samples = run->config.keep_samples,
        .keep_spans = run->config.keep_spans,
        .keep_exemplars = run->config.keep_exemplars,
    };

    for (size_t i = 0; i < run->worker_count; i++) {
        int err = worker_start(&run->shared, (unsigned)i, &shard, &run->workers[i].worker);

        if (err) {
            log_printf(LOG_ERROR, "can't start worker %zu: %s", i, err_text(err));
            return false;
        }
        run->worker_list[i] = run->workers[i].worker;
    }
    return true;
}

static void begin(void *arg)
{
    struct run *run = arg;

    run->made_at = clock_now();
    probe_init(&run->probe, run->made_at);
    set_phase(run, RUN_INIT_VUS);
    run_reports_start(run);
    if (!start_workers(run)) {
        run_state_abort(&run->state, RUN_ABORT_INTERNAL, NULL);
        finish(run);
        return;
    }
    for (size_t i = 0; i < run->worker_count; i++)
        worker_init_vus(run->workers[i].worker);
}

/* --- the end ------------------------------------------------------------------------------ */

static void finish(struct run *run)
{
    if (run->is_finished)
        return;
    run->is_finished = true;
    timer_stop(run->loop, &run->grace);
    log_say_held();
    atomic_store(&run->state.ended, clock_now());
    set_phase(run, is_aborted(run) ? RUN_INTERRUPTED : RUN_ENDED);
    run_reports_finish(run);
}

void run_reports_over(struct run *run)
{
    run->is_over = true;
    if (run->config.part)
        run->config.hooks.over(run->config.hooks.arg);
    else
        loop_stop(run->loop);
}

/* Marks those that owe an answer. */
void run_lose_worker(struct run_worker *w)
{
    if (!w->worker || w->is_lost)
        return;
    w->is_lost = true;
    log_printf(LOG_ERROR,
               "Worker %u does not answer: a script neither waits nor can be interrupted. Its VUs "
               "are left behind",
               w->worker->env.index);
}

void run_answers_overdue(struct timer *timer)
{
    struct run *run = CONTAINER_OF(timer, struct run, grace);
    enum run_phase phase = run->phase;

    run_state_abort(&run->state, RUN_ABORT_INTERNAL, "a worker does not answer");
    for (size_t i = 0; i < run->worker_count; i++) {
        struct run_worker *w = &run->workers[i];
        bool owes = phase == RUN_INIT_VUS  ? !w->is_ready
                    : phase == RUN_RUNNING ? !w->is_executed
                                           : w->worker == run->call.worker;

        if (owes)
            run_lose_worker(w);
    }
    if (phase == RUN_RUNNING)
        executed(run);
    else
        finish(run);
}

void run_abort(struct run *run, enum run_abort_reason reason, const char *message)
{
    run_state_abort(&run->state, reason, message);
    if (run->is_stopping || run->is_finished || run->phase == RUN_TEARDOWN)
        return;
    run->is_stopping = true;
    for (size_t i = 0; i < run->worker_count; i++) {
        if (run->workers[i].worker)
            worker_stop(run->workers[i].worker);
    }
    if (run->phase == RUN_PAUSED || (run->config.part && run->phase == RUN_INIT_DONE))
        finish(run);
    else if (run->phase == RUN_INIT_VUS || run->phase == RUN_SETUP || run->phase == RUN_RUNNING)
        expect_answers(run, run_answer_grace(run));
}

void run_resume(struct run *run)
{
    run->was_resumed = true;
    if (run->phase == RUN_PAUSED)
        start_test(run);
}

/* --- conducted runs ----------------------------------------------------------------------- */

void run_do_setup(struct run *run)
{
    if (run->phase != RUN_INIT_DONE)
        return;
    mark_started(run);
    if (wants_setup(run)) {
        call_setup(run);
        return;
    }
    run->setup_done = true;
    set_phase(run, RUN_SETUP_DONE);
}

void run_do_scenarios(struct run *run, const char *setup_json, int64_t at)
{
    struct runner *runner = run->config.runner;

    if (run->phase != RUN_INIT_DONE && run->phase != RUN_SETUP_DONE)
        return;
    if (run->phase == RUN_INIT_DONE)
        mark_started(run);
    if (!run->setup_done) {
        run->setup_done = true;
        run->setup_data = mem_strdup(setup_json);
    }
    runner->ops->set_setup_data(runner, run->setup_data);
    run_state_join(&run->state, &run->part);
    run_reports_align(run, at);
    execute(run, at);
}

void run_set_join(struct run *run, int64_t join_nsec, int64_t from_nsec)
{
    run->part.join_nsec = join_nsec;
    run->part.from_nsec = from_nsec;
}

void run_leave(struct run *run, int64_t leave_nsec)
{
    int64_t never = INT64_MAX;

    if (!atomic_compare_exchange_strong(&run->state.leave_nsec, &never, leave_nsec))
        return;
    for (size_t i = 0; i < run->worker_count; i++) {
        if (run->workers[i].worker)
            worker_leave(run->workers[i].worker);
    }
}

void run_do_teardown(struct run *run)
{
    if (run->phase == RUN_EXECUTED || run->phase == RUN_SETUP_DONE)
        teardown(run);
    else
        run_do_end(run);
}

void run_do_end(struct run *run)
{
    if (run->phase != RUN_RUNNING && run->phase != RUN_TEARDOWN && run->phase != RUN_SETUP)
        finish(run);
}

/* --- running ------------------------------------------------------------------------------ */

int run_abort_exit_code(enum run_abort_reason reason)
{
    static const int codes[] = {
        [RUN_ABORT_NONE] = EXIT_CODE_OK,
        [RUN_ABORT_THRESHOLD] = EXIT_CODE_THRESHOLDS,
        [RUN_ABORT_REST] = EXIT_CODE_REST,
        [RUN_ABORT_SIGNAL] = EXIT_CODE_SIGNAL,
        [RUN_ABORT_SCRIPT] = EXIT_CODE_SCRIPT_ABORT,
        [RUN_ABORT_OPTIONS] = EXIT_CODE_CONFIG,
        [RUN_ABORT_INIT_ERROR] = EXIT_CODE_SCRIPT_ERROR,
        [RUN_ABORT_INTERNAL] = EXIT_CODE_OTHER,
    };

    return reason < COUNT_OF(codes) ? codes[reason] : EXIT_CODE_OTHER;
}

const char *run_abort_text(enum run_abort_reason reason)
{
    static const char *const texts[] = {
        [RUN_ABORT_NONE] = "it came to its end",
        [RUN_ABORT_THRESHOLD] = "a threshold with abortOnFail was crossed",
        [RUN_ABORT_REST] = "stopped over the REST API",
        [RUN_ABORT_SIGNAL] = "stopped from outside",
        [RUN_ABORT_SCRIPT] = "the script called exec.test.abort()",
        [RUN_ABORT_OPTIONS] = "an option is wrong",
        [RUN_ABORT_INIT_ERROR] = "the init context of a VU failed",
        [RUN_ABORT_INTERNAL] = "the system refused something",
    };

    return reason < COUNT_OF(texts) ? texts[reason] : "unknown";
}

static int exit_code(const struct run *run)
{
    const struct run_abort *abort = run_state_aborted(&run->state);

    if (abort)
        return run_abort_exit_code(abort->reason);
    if (run->phase_error)
        return run->phase_error;
    return run_state_is_marked_failed(&run->state) ? EXIT_CODE_MARKED_FAILED : EXIT_CODE_OK;
}

void run_begin(struct run *run)
{
    ensure(run->phase == RUN_CREATED);
    probe_raise_descriptors();
    loop_post(run->loop, begin, run);
}

void run_test(struct run *run, struct run_result *out)
{
    run_begin(run);
    while (!run->is_over)
        loop_run(run->loop); /* again when something of the caller's has stopped it */
    run_get_result(run, out);
}

void run_get_result(const struct run *run, struct run_result *out)
{
    const struct run_abort *abort = run_state_aborted(&run->state);

    *out = (struct run_result){
        .exit_code = exit_code(run),
        .reason = abort ? abort->reason : RUN_ABORT_NONE,
        .message = abort ? abort->message : NULL,
        .marked_failed = run_state_is_marked_failed(&run->state),
        .start_wall_nsec = atomic_load(&run->state.started_wall),
        .duration_nsec = run_state_duration(&run->state, clock_now()),
        .completed = run_state_completed(&run->state),
        .interrupted = run_state_interrupted(&run->state),
    };
}
