/* Reports for CI, and comparing with a run before. */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/command.h"
#include "cli/session.h"
#include "engine/saturation.h"
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

/* What a threshold compares its metric with. */
static void set_baseline(const struct session *s, struct threshold *t, const char *path)
{
    const char *name = t->submetric ? t->submetric->full_name : t->metric->metric.name.ptr;
    struct str source = str_of(t->expr.source);
    size_t end = 0;
    char *stat;
    struct estimate then;

    while (end < source.len && !strchr("<>=!", source.ptr[end]))
        end++;
    stat = str_dup(str_trim(str_slice(source, 0, end)));
    t->has_baseline = baseline_find(s->baseline, name, stat, &then);
    t->baseline = then.value;
    if (!t->has_baseline)
        log_printf(LOG_WARN, "baseline '%s' has no %s of %s: the threshold '%s' is not judged",
                   path, stat, name, t->expr.source);
    mem_free(stat);
}

int session_load_baseline(struct session *s, struct diag *d)
{
    const char *path = args_text(s->args, FLAG_BASELINE, NULL);
    int err = path ? baseline_load(path, &s->baseline, d) : 0;

    if (err)
        return err;
    for (size_t i = 0; s->baseline && i < s->thresholds.count; i++) {
        if (s->thresholds.list[i]->expr.of_change)
            set_baseline(s, s->thresholds.list[i], path);
    }
    return 0;
}

/* Why the run failed, other than by its thresholds; NULL: it did not. */
static const char *failure(const struct session *s)
{
    if (s->result.message)
        return s->result.message;
    switch (s->exit_code) {
    case EXIT_CODE_OK:
    case EXIT_CODE_THRESHOLDS:
        return NULL;
    case EXIT_CODE_SETUP_TIMEOUT:
        return "setup() took too long";
    case EXIT_CODE_TEARDOWN_TIMEOUT:
        return "teardown() took too long";
    case EXIT_CODE_REST:
        return "the run was stopped over the REST API";
    case EXIT_CODE_SIGNAL:
        return "the run was interrupted";
    case EXIT_CODE_SCRIPT_ERROR:
        return "the script threw an exception in its init context, setup() or teardown()";
    case EXIT_CODE_SCRIPT_ABORT:
        return "the script aborted the run";
    case EXIT_CODE_MARKED_FAILED:
        return "the script marked the run as failed";
    default:
        return "the run failed: see the log";
    }
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
        .failure = failure(s),
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
    s->summary.notice = NULL;
    estimates_free(estimates, count);
    mem_free(notice);
}
