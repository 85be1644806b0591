/* gale run: wires a script's metrics, thresholds, outputs and progress to the engine, runs the
 * test, and says how it went. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/command.h"
#include "cli/dashboard.h"
#include "cli/local_run.h"
#include "cli/progress.h"
#include "cli/rest.h"
#include "cli/run_fleet.h"
#include "cli/session.h"
#include "fleet/planner.h"
#include "fleet/scoring.h"
#include "loop/offload.h"
#include "metrics/hist.h"
#include "metrics/totals.h"
#include "metrics/window.h"
#include "output/baseline.h"
#include "output/exemplars.h"
#include "output/scrape.h"
#include "script/script.h"

/* --- signals ------------------------------------------------------------------------------ */

static int signal_pipe[2] = {-1, -1};
static volatile sig_atomic_t signal_count;

/* The first asks for a graceful end, the second ends at once. */
static void on_signal(int number)
{
    int saved = errno;
    char byte = (char)number;

    if (++signal_count > 1)
        _exit(EXIT_CODE_SIGNAL);
    if (write(signal_pipe[1], &byte, 1) < 0)
        _exit(EXIT_CODE_SIGNAL);
    errno = saved;
}

static void on_signal_ready(struct io *io)
{
    struct session *s = CONTAINER_OF(io, struct session, signals);
    char byte;

    io_clear(io, IO_READ);
    if (read(io->fd, &byte, 1) != 1)
        return;
    log_printf(LOG_WARN, "stopping the test in response to %s; once more ends it at once",
               byte == SIGTERM ? "SIGTERM" : "Ctrl-C");
    if (s->run)
        run_abort(s->run, RUN_ABORT_SIGNAL, NULL);
    loop_stop(s->loop); /* for --linger; while the test runs, run_test goes on */
}

static int watch_signals(struct session *s)
{
    struct sigaction action = {.sa_handler = on_signal};

    if (pipe2(signal_pipe, O_NONBLOCK | O_CLOEXEC) != 0)
        return -errno;
    s->signals.on_ready = on_signal_ready;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    return io_add(s->loop, &s->signals, signal_pipe[0]);
}

static int open_loop(struct session *s)
{
    struct diag d = DIAG_INIT;

    if (loop_new(&s->loop) == 0 && watch_signals(s) == 0)
        return 0;
    diag_set(&d, ERR_LIMIT, "the system refuses an event loop: raise the limit of descriptors");
    return load_fail(EXIT_CODE_OTHER, &d);
}

/* --- while it runs ------------------------------------------------------------------------ */

/* The second's p(95) of http_req_duration, over all workers and series. */
static double second_p95(const struct run_tick *tick)
{
    struct hist *all = hist_new();
    double p95;

    for (size_t i = 0; i < tick->window_count; i++) {
        const struct window *w = tick->windows[i];

        for (size_t j = 0; w && j < w->count; j++) {
            if (w->series[j].series->metric->id == METRIC_HTTP_REQ_DURATION &&
                w->series[j].sink.hist)
                hist_merge(all, w->series[j].sink.hist);
        }
    }
    p95 = hist_count(all) ? hist_quantile(all, 0.95) : NAN;
    hist_free(all);
    return p95;
}

static void judge(struct session *s)
{
    int64_t run_nsec = run_state_duration(run_get_state(s->run), clock_now());
    struct threshold_verdict verdict = threshold_evaluate(&s->thresholds, run_nsec, false);

    if (verdict.abort)
        run_abort(s->run, RUN_ABORT_THRESHOLD, NULL);
}

static void on_phase(void *arg, enum run_phase phase)
{
    struct session *s = arg;

    if (s->local)
        local_run_phase(s->local, phase);
}

static void on_tick(void *arg, struct run_tick *tick)
{
    struct session *s = arg;
    int64_t second = s->local ? local_run_second(s->local, tick->second) : tick->second - 1;

    if (s->scrape && !tick->is_last) {
        scrape_tick(s->scrape, tick->second - 1); /* that ends now */
        scrape_note(s->scrape, tick->second - 1, second_p95(tick));
    }
    for (size_t i = 0; i < tick->window_count; i++) {
        if (!tick->windows[i])
            continue;
        totals_merge(s->totals, tick->windows[i], tick->second);
        if (s->exemplars)
            exemplars_take(s->exemplars, tick->windows[i], second);
        for (size_t j = 0; j < s->output_count; j++)
            s->outputs[j]->ops->window(s->outputs[j], tick->windows[i]);
    }
    for (size_t j = 0; j < s->output_count; j++) {
        if (s->outputs[j]->ops->tick)
            s->outputs[j]->ops->tick(s->outputs[j], clock_wall());
    }
    if (!tick->is_last && s->thresholds.count > 0)
        judge(s);
    if (s->local)
        local_run_tick(s->local, tick);
}

static char *describe_outputs(const struct session *s)
{
    struct buf out = BUF_INIT(SIZE_MAX);

    for (size_t i = 0; i < s->output_count; i++)
        buf_printf(&out, "%s%s", i ? ", " : "", s->outputs[i]->description);
    if (s->output_count == 0)
        buf_append_char(&out, '-');
    return buf_take(&out);
}

/* This machine's share of the test against what its operator allows. */
static int check_load(const struct session *s, struct diag *d)
{
    const uint64_t parts = 1000000;
    double share = (double)segment_scale(&s->test.segment, parts) / (double)parts;
    struct planner_load load;

    planner_load_of(&s->test.scenarios, &load);
    return network_check_load(&s->network, run_max_vus(s->run), load.rate * share, d);
}

/* What a report and a dashboard need. 0, or an exit code after a message. */
static int make_local(struct session *s)
{
    struct diag d = DIAG_INIT;

    if ((!s->report && !s->dashboard_settings.address) || local_run_new(s, &s->local, &d) == 0)
        return 0;
    return load_fail(EXIT_CODE_OTHER, &d);
}

/* 0, or an exit code after a message. */
static int make_dashboard(struct session *s)
{
    const struct dashboard_settings *settings = &s->dashboard_settings;
    struct diag d = DIAG_INIT;

    if (!settings->address)
        return 0;
    if (dashboard_start(s, settings, &s->dashboard, &d)) {
        diag_prefix(&d, "the dashboard (--dashboard-addr HOST:PORT says where; 127.0.0.1:0 is any "
                        "port that is free)");
        return load_fail(EXIT_CODE_ADDRESS, &d);
    }
    if (settings->opens)
        dashboard_open(s->dashboard);
    return 0;
}

/* 0, or an exit code after a message. */
static int make_run(struct session *s)
{
    struct run_config config = {
        .options = &s->test.options,
        .scenarios = &s->test.scenarios,
        .segment = &s->test.segment,
        .keep_samples = s->needs_samples,
        .keep_spans = s->needs_spans,
        .keep_exemplars = s->exemplars != NULL,
        .hooks = {.arg = s, .phase = on_phase, .tick = on_tick},
    };
    const char *address = args_text(s->args, FLAG_ADDRESS, "");
    struct diag d = DIAG_INIT;

    if (options_bool(&s->test.options, OPTION_PAUSED) && !address[0]) {
        diag_set(
            &d, ERR_INVALID,
            "option paused: nothing could end the pause: give the REST API an --address, as in "
            "localhost:6565");
        return load_fail(EXIT_CODE_CONFIG, &d);
    }
    s->runner = script_runner_new(s->test.script, &s->test.options, &s->test.scenarios,
                                  &s->network.network);
    config.runner = s->runner;
    s->run = run_new(&config, s->loop);
    if (check_load(s, &d))
        return load_fail(EXIT_CODE_CONFIG, &d);
    if (address[0]) {
        s->rest = rest_start(s, address, &d);
        if (!s->rest) {
            diag_prefix(&d, "REST API");
            return load_fail(EXIT_CODE_ADDRESS, &d);
        }
    }
    return 0;
}

static void run(struct session *s)
{
    char *outputs = describe_outputs(s);

    if (!args_bool(s->args, FLAG_QUIET)) {
        progress_banner(&s->test, outputs, s->network.distance,
                        s->dashboard ? dashboard_url(s->dashboard) : NULL, run_max_vus(s->run),
                        s->summary.color);
        s->progress = progress_new(&s->test, s->run, s->loop);
    }
    mem_free(outputs);
    run_test(s->run, &s->result);
    progress_stop(s->progress);
    s->exit_code = s->result.exit_code;
}

static void linger(struct session *s)
{
    if (!s->linger || signal_count > 0)
        return;
    log_printf(LOG_INFO, "the test has ended; staying because of --linger, Ctrl-C ends it");
    loop_run(s->loop);
}

static void tear_down(struct session *s)
{
    rest_stop(s->rest);
    dashboard_stop(s->dashboard);
    local_run_free(s->local);
    dashboard_free(s->dashboard);
    dashboard_settings_deinit(&s->dashboard_settings);
    if (s->run && !run_free(s->run))
        _exit(s->exit_code); /* a worker is still in a script: leave its memory alone */
    if (s->runner)
        script_runner_free(s->runner);
    network_deinit(&s->network);
    for (size_t i = 0; i < s->output_count; i++)
        output_free(s->outputs[i]);
    mem_free((void *)s->outputs);
    scrape_free(s->scrape);
    exemplars_free(s->exemplars);
    baseline_free(s->baseline);
    threshold_set_deinit(&s->thresholds);
    totals_free(s->totals);
    summary_stats_deinit(&s->summary);
    scoring_free_tags(s->system_tags);
    if (s->loop && s->signals.on_ready)
        io_remove(s->loop, &s->signals);
    loop_free(s->loop);
    offload_shutdown();
    load_deinit(&s->test);
}

/* Whoever forgets --fleet does not want all of the load from here. */
static int check_fleet_flags(const struct args *args)
{
    static const enum flag_id of_fleets[] = {FLAG_REGIONS, FLAG_LOAD, FLAG_ON_REGION_LOST};
    struct diag d = DIAG_INIT;

    for (size_t i = 0; i < COUNT_OF(of_fleets); i++) {
        enum flag_id id = of_fleets[i];

        if (!args_is_set(args, id) || args->from_env[id])
            continue;
        diag_set(&d, ERR_INVALID,
                 "flag --%s needs --fleet (or GALE_FLEET): the address of the fleet's controller, "
                 "as in --fleet http://127.0.0.1:6580",
                 flag_table[id].name);
        return load_fail(EXIT_CODE_CONFIG, &d);
    }
    return 0;
}

int cmd_run(const struct args *args)
{
    struct session s = {.args = args};
    int code;

    if (args_is_set(args, FLAG_FLEET))
        return run_fleet(args);
    code = check_fleet_flags(args);
    if (code == 0)
        code = load_test(args, true, &s.test);

    if (code)
        return code;
    code = load_scenarios(&s.test);
    if (code == 0)
        code = open_loop(&s);
    if (code == 0)
        code = session_set_up(&s);
    if (code == 0)
        code = make_local(&s);
    if (code == 0)
        code = make_run(&s);
    if (code == 0)
        code = make_dashboard(&s);
    if (code == 0) {
        run(&s);
        session_end(&s);
        linger(&s);
        code = s.exit_code;
    }
    tear_down(&s);
    return code;
}
