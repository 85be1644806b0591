/* gale run: loads the script, wires metrics, thresholds, outputs and progress to the engine, runs
 * the test, and says how it went. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/command.h"
#include "cli/load.h"
#include "cli/progress.h"
#include "engine/run.h"
#include "engine/saturation.h"
#include "loop/loop.h"
#include "loop/offload.h"
#include "metrics/threshold.h"
#include "metrics/totals.h"
#include "metrics/window.h"
#include "output/export.h"
#include "output/output.h"
#include "output/summary.h"
#include "script/script.h"

struct session {
    const struct args *args;
    struct test test;
    struct loop *loop;
    struct totals *totals;
    struct threshold_set thresholds;
    struct output **outputs;
    size_t output_count;
    bool needs_samples;
    char **system_tags; /* enabled, sorted; NULL at the end */
    struct summary_options summary;
    struct runner *runner;
    struct run *run;
    struct progress *progress;
    struct run_result result;
    struct io signals;
    int exit_code;
};

static int fail(int exit_code, struct diag *d)
{
    char *text = diag_text(d);

    log_msg(LOG_ERROR, str_of(text), NULL);
    mem_free(text);
    diag_deinit(d);
    return exit_code;
}

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
    loop_stop(s->loop); /* of --linger; the run's own loop goes on */
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

/* --- set-up ------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void read_system_tags(struct session *s)
{
    json_t *list = options_list(&s->test.options, OPTION_SYSTEM_TAGS);
    size_t count = json_array_size(list);
    size_t kept = 0;

    s->system_tags = mem_calloc(count + 1, sizeof(char *));
    for (size_t i = 0; i < count; i++) {
        const char *tag = json_string_value(json_array_get(list, i));

        /* vu and iter are metadata, not tags. */
        if (tag && strcmp(tag, "vu") != 0 && strcmp(tag, "iter") != 0)
            s->system_tags[kept++] = mem_strdup(tag);
    }
    qsort((void *)s->system_tags, kept, sizeof(char *), by_text);
    json_decref(list);
}

static bool has_system_tag(const struct session *s, const char *name)
{
    for (char **tag = s->system_tags; *tag; tag++) {
        if (strcmp(*tag, name) == 0)
            return true;
    }
    return false;
}

static int64_t nsec_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    int64_t nsec = 0;

    return value && options_json_nsec(value, &nsec, NULL) == 0 ? nsec : 0;
}

static int add_threshold(struct session *s, const char *selector, const json_t *item,
                         struct diag *d)
{
    struct threshold_spec spec = {0};

    if (json_is_string(item)) {
        spec.text = str_of(json_string_value(item));
    } else {
        spec.text = str_of(json_string_value(json_object_get(item, "threshold")));
        spec.abort_on_fail = json_is_true(json_object_get(item, "abortOnFail"));
        spec.delay_abort_nsec = nsec_of(item, "delayAbortEval");
        spec.window_nsec = nsec_of(item, "window");
        spec.for_nsec = nsec_of(item, "for");
    }
    return threshold_add(&s->thresholds, s->totals, str_of(selector), &spec, d);
}

static int compile_thresholds(struct session *s, struct diag *d)
{
    const json_t *all = options_object(&s->test.options, OPTION_THRESHOLDS);
    const char *selector;
    json_t *list;
    json_t *item;
    size_t i;

    json_object_foreach((json_t *)(uintptr_t)all, selector, list)
    {
        json_array_foreach(list, i, item)
        {
            int err = add_threshold(s, selector, item, d);

            if (err)
                return err;
        }
    }
    return 0;
}

static int set_up_metrics(struct session *s, struct diag *d)
{
    const struct metric_registry *registry = script_metrics(s->test.script);
    struct metric_total *duration;
    struct submetric *sub;
    int err = 0;

    s->totals = totals_new();
    for (uint32_t i = 0; i < registry->count; i++)
        totals_metric(s->totals, registry->metrics[i]);
    if (!args_bool(s->args, FLAG_NO_THRESHOLDS))
        err = compile_thresholds(s, d);
    duration = totals_find(s->totals, STR("http_req_duration"));
    if (err == 0 && has_system_tag(s, "expected_response"))
        err = totals_add_submetric(s->totals, duration, STR("expected_response:true"), &sub, d);
    return err;
}

static const char *get_env(const char *name)
{
    return getenv(name);
}

static int open_output(struct session *s, struct str spec, struct diag *d)
{
    struct output_context context = {
        .totals = s->totals,
        .thresholds = &s->thresholds,
        .system_tags = (const char *const *)s->system_tags,
        .env = get_env,
    };
    struct output *output;
    int err = output_new(spec, &context, &output, d);

    if (err)
        return err;
    s->outputs = mem_reallocarray((void *)s->outputs, s->output_count + 1, sizeof *s->outputs);
    s->outputs[s->output_count++] = output;
    s->needs_samples |= output->ops->needs_samples;
    return 0;
}

static int set_up_outputs(struct session *s, struct diag *d)
{
    const char *env = getenv("K6_OUT");
    bool from_env = env && s->args->value_count[FLAG_OUT] == 1 &&
                    strcmp(s->args->values[FLAG_OUT][0], env) == 0;

    for (size_t i = 0; i < s->args->value_count[FLAG_OUT]; i++) {
        struct str rest = str_of(s->args->values[FLAG_OUT][i]);

        do { /* in the environment several stand in one variable */
            int err = open_output(s, from_env ? str_cut(&rest, ',') : rest, d);

            if (err)
                return err;
        } while (from_env && rest.len > 0);
    }
    return 0;
}

static int set_up_summary(struct session *s, struct diag *d)
{
    const char *mode = args_text(s->args, FLAG_SUMMARY_MODE, "compact");
    json_t *list = options_list(&s->test.options, OPTION_SUMMARY_TREND_STATS);
    size_t count = json_array_size(list);
    const char **names = mem_calloc(count + 1, sizeof(char *));
    int err;

    for (size_t i = 0; i < count; i++)
        names[i] = json_string_value(json_array_get(list, i));
    err = summary_stats_parse(names, count, &s->summary, d);
    mem_free((void *)names);
    json_decref(list);
    s->summary.color =
        isatty(STDOUT_FILENO) && !args_bool(s->args, FLAG_NO_COLOR) && !getenv("NO_COLOR");
    if (err)
        return err;
    if (strcmp(mode, "compact") == 0)
        s->summary.mode = SUMMARY_COMPACT;
    else if (strcmp(mode, "full") == 0)
        s->summary.mode = SUMMARY_FULL;
    else if (strcmp(mode, "disabled") == 0)
        s->summary.mode = SUMMARY_DISABLED;
    else
        return diag_set(d, ERR_INVALID,
                        "flag --summary-mode: '%s' is none: use compact, full or disabled", mode);
    if (!time_unit_parse(options_text(&s->test.options, OPTION_SUMMARY_TIME_UNIT),
                         &s->summary.unit))
        return diag_set(d, ERR_INVALID, "option summaryTimeUnit: use s, ms or us");
    return 0;
}

static int set_up(struct session *s)
{
    struct diag d = DIAG_INIT;

    read_system_tags(s);
    if (set_up_metrics(s, &d) || set_up_summary(s, &d) || set_up_outputs(s, &d))
        return fail(EXIT_CODE_CONFIG, &d);
    if (loop_new(&s->loop) || watch_signals(s)) {
        diag_set(&d, ERR_LIMIT, "the system refuses an event loop: raise the limit of descriptors");
        return fail(EXIT_CODE_OTHER, &d);
    }
    return 0;
}

/* --- while it runs ------------------------------------------------------------------------ */

static void on_tick(void *arg, struct run_tick *tick)
{
    struct session *s = arg;
    struct threshold_verdict verdict;
    int64_t run_nsec;

    for (size_t i = 0; i < tick->window_count; i++) {
        if (!tick->windows[i])
            continue;
        totals_merge(s->totals, tick->windows[i], tick->second);
        for (size_t j = 0; j < s->output_count; j++)
            s->outputs[j]->ops->window(s->outputs[j], tick->windows[i]);
    }
    if (tick->is_last || s->thresholds.count == 0)
        return;
    run_nsec = run_state_duration(run_get_state(s->run), clock_now());
    verdict = threshold_evaluate(&s->thresholds, run_nsec, false);
    if (verdict.abort)
        run_abort(s->run, RUN_ABORT_THRESHOLD, NULL);
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

static void run(struct session *s)
{
    struct run_config config = {
        .options = &s->test.options,
        .scenarios = &s->test.scenarios,
        .segment = &s->test.segment,
        .keep_samples = s->needs_samples,
        .hooks = {.arg = s, .tick = on_tick},
    };
    char *outputs = describe_outputs(s);

    s->runner = script_runner_new(s->test.script, &s->test.options, &s->test.scenarios);
    config.runner = s->runner;
    s->run = run_new(&config, s->loop);
    if (!args_bool(s->args, FLAG_QUIET)) {
        progress_banner(&s->test, outputs, run_max_vus(s->run), s->summary.color);
        s->progress = progress_new(&s->test, s->run, s->loop);
    }
    mem_free(outputs);
    run_test(s->run, &s->result);
    progress_free(s->progress);
    s->progress = NULL;
    s->exit_code = s->result.exit_code;
}

/* --- the end ------------------------------------------------------------------------------ */

static void note_error(struct session *s, int exit_code, struct diag *d)
{
    fail(0, d);
    if (s->exit_code == 0)
        s->exit_code = exit_code;
}

static char *summary_as_text(struct session *s)
{
    struct buf out = BUF_INIT(SIZE_MAX);

    summary_text(s->totals, &s->thresholds, nsec_to_sec(s->result.duration_nsec), &s->summary,
                 &out);
    return buf_take(&out);
}

static void print_summary(struct session *s)
{
    char *text = summary_as_text(s);

    print_out(str_of(text));
    mem_free(text);
}

/* True when handleSummary gave something to print instead of the default. */
static bool custom_summary(struct session *s, const struct export_input *in)
{
    struct diag d = DIAG_INIT;
    char *data = export_handle_summary(in);
    char *returned = NULL;
    int err = run_handle_summary(s->run, data, &returned, &d);

    mem_free(data);
    if (err) {
        bool timeout = err == ERR_TIMEOUT;

        diag_prefix(&d, "handleSummary");
        note_error(s, timeout ? EXIT_CODE_TIMEOUT : 0, &d);
        return false;
    }
    if (!returned)
        return false;
    if (export_write_files(returned, &d))
        note_error(s, EXIT_CODE_OTHER, &d);
    mem_free(returned);
    return true;
}

static void export_to_file(struct session *s, const struct export_input *in)
{
    const char *path = args_text(s->args, FLAG_SUMMARY_EXPORT, NULL);
    struct diag d = DIAG_INIT;
    char *text;

    if (!path)
        return;
    text =
        args_bool(s->args, FLAG_MACHINE_SUMMARY) ? export_machine_readable(in) : export_summary(in);
    if (export_write_file(path, str_of(text), &d))
        note_error(s, EXIT_CODE_OTHER, &d);
    mem_free(text);
}

static void summarise(struct session *s)
{
    char *notice = saturation_text(run_saturation(s->run));
    char *unit = str_dup(options_text(&s->test.options, OPTION_SUMMARY_TIME_UNIT));
    struct export_input in = {
        .totals = s->totals,
        .thresholds = &s->thresholds,
        .run_seconds = nsec_to_sec(s->result.duration_nsec),
        .options = &s->summary,
        .setup_data_json = run_setup_data(s->run),
        .script = load_source(&s->test),
        .time_unit = unit,
        .stdout_is_terminal = isatty(STDOUT_FILENO) == 1,
        .stderr_is_terminal = isatty(STDERR_FILENO) == 1,
    };

    s->summary.notice = notice;
    if (s->summary.mode != SUMMARY_DISABLED && !custom_summary(s, &in))
        print_summary(s);
    export_to_file(s, &in);
    mem_free(notice);
    mem_free(unit);
}

/* The names of the metrics whose thresholds were crossed, in order and once each. */
static void say_crossed(const struct session *s)
{
    struct buf names = BUF_INIT(SIZE_MAX);

    for (size_t i = 0; i < s->totals->metric_count; i++) {
        const struct metric_total *m = s->totals->metrics[i];
        bool crossed = false;

        for (size_t j = 0; j < s->thresholds.count; j++)
            crossed |= s->thresholds.list[j]->metric == m && !s->thresholds.list[j]->ok;
        if (crossed)
            buf_printf(&names, "%s%.*s", names.len ? ", " : "", STR_ARG(m->metric.name));
    }
    log_printf(LOG_ERROR, "thresholds on metrics '%.*s' have been crossed",
               STR_ARG(buf_str(&names)));
    buf_deinit(&names);
}

static void stop_outputs(struct session *s)
{
    for (size_t i = 0; i < s->output_count; i++) {
        struct diag d = DIAG_INIT;

        if (s->outputs[i]->ops->stop(s->outputs[i], &d))
            fail(0, &d);
    }
}

static void finish(struct session *s)
{
    struct threshold_verdict verdict =
        threshold_evaluate(&s->thresholds, s->result.duration_nsec, true);

    if (s->result.start_wall_nsec > 0)
        summarise(s);
    stop_outputs(s);
    if (s->result.start_wall_nsec == 0)
        return;
    if (verdict.any_failed) {
        say_crossed(s);
        if (s->exit_code == EXIT_CODE_OK || s->exit_code == EXIT_CODE_MARKED_FAILED)
            s->exit_code = EXIT_CODE_THRESHOLDS;
    }
}

static void linger(struct session *s)
{
    if (!args_bool(s->args, FLAG_LINGER) || signal_count > 0)
        return;
    log_printf(LOG_INFO, "the test has ended; staying because of --linger, Ctrl-C ends it");
    loop_run(s->loop);
}

static void tear_down(struct session *s)
{
    if (s->run && !run_free(s->run))
        _exit(s->exit_code); /* a worker is still in a script: leave its memory alone */
    if (s->runner)
        script_runner_free(s->runner);
    for (size_t i = 0; i < s->output_count; i++)
        output_free(s->outputs[i]);
    mem_free((void *)s->outputs);
    threshold_set_deinit(&s->thresholds);
    totals_free(s->totals);
    summary_stats_deinit(&s->summary);
    for (char **tag = s->system_tags; tag && *tag; tag++)
        mem_free(*tag);
    mem_free((void *)s->system_tags);
    if (s->loop && s->signals.on_ready)
        io_remove(s->loop, &s->signals);
    loop_free(s->loop);
    offload_shutdown();
    load_deinit(&s->test);
}

int cmd_run(const struct args *args)
{
    struct session s = {.args = args};
    int code = load_test(args, true, &s.test);

    if (code)
        return code;
    code = load_scenarios(&s.test);
    if (code == 0)
        code = set_up(&s);
    if (code == 0) {
        run(&s);
        finish(&s);
        linger(&s);
        code = s.exit_code;
    }
    tear_down(&s);
    return code;
}
