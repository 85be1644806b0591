/* Reports for CI, and comparing with a run before. */
#include <string.h>

#include "api/run_report.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/command.h"
#include "cli/local_run.h"
#include "cli/session.h"
#include "engine/saturation.h"
#include "fleet/scoring.h"
#include "metrics/totals.h"
#include "output/baseline.h"
#include "output/export.h"
#include "output/report.h"

static const struct {
    enum flag_id flag;
    void (*report)(const struct report_input *in, struct buf *out);
} reports[] = {
    {FLAG_SUMMARY_JUNIT, report_junit},
    {FLAG_SUMMARY_GITHUB, report_github},
    {FLAG_SUMMARY_MARKDOWN, report_markdown},
};

bool session_needs_blocks(const struct session *s)
{
    return args_is_set(s->args, FLAG_SUMMARY_BASELINE) || args_is_set(s->args, FLAG_BASELINE);
}

int session_load_baseline(struct session *s, struct diag *d)
{
    const char *path = args_text(s->args, FLAG_BASELINE, NULL);
    int err = path ? baseline_load(path, &s->baseline, d) : 0;

    if (err)
        return err;
    if (s->baseline)
        baseline_set(s->baseline, path, &s->thresholds);
    return 0;
}

/* "-" is stdout. */
static void write_report(struct session *s, const char *path, struct str text)
{
    struct diag d = DIAG_INIT;
    int err = strcmp(path, "-") != 0 ? export_write_file(path, text, &d)
              : print_out(text)      ? 0
                                     : diag_set(&d, ERR_INVALID, "can't write to stdout");

    if (err == 0)
        return;
    load_fail(0, &d);
    if (s->exit_code == 0)
        s->exit_code = EXIT_CODE_OTHER;
}

static void write_baseline(struct session *s, const struct report_input *in)
{
    const char *path = args_text(s->args, FLAG_SUMMARY_BASELINE, NULL);
    char *text;

    if (!path)
        return;
    text = baseline_text(in->estimates, in->estimate_count, in->run_seconds);
    write_report(s, path, str_of(text));
    mem_free(text);
}

/* The page of HTML. */
static void write_html(struct session *s)
{
    const char *path = s->report;
    struct diag d = DIAG_INIT;
    json_t *data = NULL;
    char *html;

    if (!path)
        return;
    if (local_run_export(s->local, &data, &d)) {
        diag_prefix(&d, "flag --report");
        load_fail(0, &d);
        if (s->exit_code == 0)
            s->exit_code = EXIT_CODE_OTHER;
        return;
    }
    json_object_set_new(data, "trace_link", json_string(args_text(s->args, FLAG_TRACE_LINK, "")));
    html = run_report_html(data);
    write_report(s, path, str_of(html));
    mem_free(html);
    json_decref(data);
}

void session_report(struct session *s)
{
    char *notice = saturation_text(run_saturation(s->run));
    double seconds = nsec_to_sec(s->result.duration_nsec);
    size_t count;
    struct estimates *estimates = estimates_of(s->totals, &s->summary, seconds, &count);
    struct report_input in = {
        .script = s->test.name,
        .totals = s->totals,
        .thresholds = &s->thresholds,
        .summary = &s->summary,
        .run_seconds = seconds,
        .exit_code = s->exit_code,
        .failure = scoring_failure(s->exit_code, s->result.message),
        .estimates = estimates,
        .estimate_count = count,
        .baseline_name = args_text(s->args, FLAG_BASELINE, NULL),
        .baseline = s->baseline,
    };

    s->summary.notice = notice;
    for (size_t i = 0; i < COUNT_OF(reports); i++) {
        const char *path = args_text(s->args, reports[i].flag, NULL);
        struct buf text = BUF_INIT(SIZE_MAX);

        if (!path)
            continue;
        reports[i].report(&in, &text);
        write_report(s, path, buf_str(&text));
        buf_deinit(&text);
    }
    write_baseline(s, &in);
    write_html(s);
    s->summary.notice = NULL;
    estimates_free(estimates, count);
    mem_free(notice);
}
