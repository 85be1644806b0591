/* What comes after a run: the summary in its forms, and the verdict. */
#include "cli/session.h"

#include <errno.h>
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
#include "engine/saturation.h"
#include "fleet/scoring.h"
#include "metrics/totals.h"
#include "output/exemplars.h"
#include "output/export.h"
#include "output/scrape.h"

/* --- the end ------------------------------------------------------------------------------ */

static void note_error(struct session *s, int exit_code, struct diag *d)
{
    load_fail(0, d);
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
    struct diag d = DIAG_INIT;

    if (!print_out(str_of(text))) {
        diag_set(&d, -errno, "can't write the summary to stdout: %s", err_text(-errno));
        note_error(s, EXIT_CODE_OTHER, &d);
    }
    mem_free(text);
}

/* True when handleSummary gave something to print instead of the default. */
static bool custom_summary(struct session *s, const struct export_input *in)
{
    struct diag d = DIAG_INIT;
    char *data = args_bool(s->args, FLAG_MACHINE_SUMMARY) ? export_machine_readable(in)
                                                          : export_handle_summary(in);
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
    if (s->summary.mode != SUMMARY_DISABLED) {
        if (!custom_summary(s, &in))
            print_summary(s);
        export_to_file(s, &in);
    }
    mem_free(notice);
    mem_free(unit);
}

/* Exemplars and the target's side: after the summary, whoever has made that. */
static void print_findings(struct session *s)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    struct diag d = DIAG_INIT;

    if (s->exemplars)
        exemplars_text(s->exemplars, str_of(args_text(s->args, FLAG_TRACE_LINK, "")), &out);
    if (s->scrape && s->result.start_wall_nsec > 0)
        scrape_text(s->scrape, &out);
    if (!print_out(buf_str(&out))) {
        diag_set(&d, -errno, "can't write to stdout: %s", err_text(-errno));
        note_error(s, EXIT_CODE_OTHER, &d);
    }
    buf_deinit(&out);
}

static void say_crossed(const struct session *s)
{
    struct buf names = BUF_INIT(SIZE_MAX);

    scoring_crossed(&s->thresholds, &names);
    log_printf(LOG_ERROR, "thresholds on metrics '%.*s' have been crossed",
               STR_ARG(buf_str(&names)));
    buf_deinit(&names);
}

/* All of them begin to end before the first is waited for. */
static void stop_outputs(struct session *s)
{
    for (size_t i = 0; i < s->output_count; i++) {
        if (s->outputs[i]->ops->end)
            s->outputs[i]->ops->end(s->outputs[i], clock_wall());
    }
    for (size_t i = 0; i < s->output_count; i++) {
        struct diag d = DIAG_INIT;

        if (s->outputs[i]->ops->stop(s->outputs[i], &d))
            load_fail(0, &d);
    }
}

void session_end(struct session *s)
{
    struct threshold_verdict verdict =
        threshold_evaluate(&s->thresholds, s->result.duration_nsec, true);

    if (s->result.start_wall_nsec > 0)
        summarise(s);
    print_findings(s);
    progress_free(s->progress, s->result.start_wall_nsec > 0);
    s->progress = NULL;
    stop_outputs(s);
    if (s->result.start_wall_nsec > 0 && verdict.any_failed) {
        say_crossed(s);
        if (s->result.exit_code == EXIT_CODE_OK || s->result.exit_code == EXIT_CODE_MARKED_FAILED)
            s->exit_code = EXIT_CODE_THRESHOLDS;
    }
    if (s->local)
        local_run_end(s->local);
    if (s->dashboard)
        dashboard_end(s->dashboard);
    session_report(s);
}
