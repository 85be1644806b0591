#include <string.h>

#include "base/mem.h"
#include "metrics/threshold.h"
#include "metrics/totals.h"
#include "output/report.h"

void report_put_markdown(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n' || *text == '\r') {
            buf_append_char(out, ' ');
            continue;
        }
        if (strchr("|\\`*<[", *text))
            buf_append_char(out, '\\');
        buf_append_char(out, *text);
    }
}

static void put_verdict(const struct report_input *in, struct buf *out)
{
    size_t crossed = 0;

    for (size_t i = 0; i < in->thresholds->count; i++)
        crossed += !in->thresholds->list[i]->ok;
    buf_append_c(out, "## ");
    report_put_markdown(out, in->script);
    if (in->failure) {
        buf_append_c(out, ": ❌ failed\n\n");
        report_put_markdown(out, in->failure);
        buf_printf(out, " (exit code %d). ", in->exit_code);
    } else if (crossed > 0) {
        buf_printf(out, ": ❌ %zu of %zu thresholds crossed\n\n", crossed, in->thresholds->count);
    } else {
        buf_append_c(out, ": ✅ passed\n\n");
    }
    buf_printf(out, "Took %.1f s.", in->run_seconds);
    if (in->summary->notice) {
        buf_append_c(out, "\n\n⚠️ ");
        report_put_markdown(out, in->summary->notice);
    }
    buf_append_c(out, "\n\n");
}

static void put_thresholds(const struct report_input *in, struct buf *out)
{
    if (in->thresholds->count == 0)
        return;
    buf_append_c(out,
                 "### Thresholds\n\n| | Metric | Threshold | Value |\n| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < in->thresholds->count; i++) {
        const struct threshold *t = in->thresholds->list[i];
        struct buf value = BUF_INIT(SIZE_MAX);

        summary_threshold_value(t, in->summary->unit, &value);
        buf_printf(out, "| %s | ", t->ok ? "✅" : "❌");
        report_put_markdown(out, report_metric_name(t));
        buf_append_c(out, " | ");
        report_put_markdown(out, t->expr.source);
        buf_append_c(out, " | ");
        report_put_markdown(out, value.data);
        buf_append_c(out, " |\n");
        buf_deinit(&value);
    }
    buf_append_char(out, '\n');
}

static void put_checks(const struct report_input *in, struct buf *out)
{
    if (in->totals->checks.count == 0)
        return;
    buf_append_c(out, "### Checks\n\n| | Check | Passed | Failed |\n| --- | --- | ---: | ---: |\n");
    for (size_t i = 0; i < in->totals->checks.count; i++) {
        const struct check_total *check = in->totals->checks.checks[i];

        buf_printf(out, "| %s | ", check->fails ? "❌" : "✅");
        report_put_markdown(out, check->path + 2); /* without the leading "::" */
        buf_printf(out, " | %llu | %llu |\n", (unsigned long long)check->passes,
                   (unsigned long long)check->fails);
    }
    buf_append_char(out, '\n');
}

/* --- against the baseline ----------------------------------------------------------------- */

struct changes {
    const struct report_input *in;
    struct buf *out;
    bool has_any;
};

static void put_change(void *arg, const struct estimates *e, size_t stat,
                       const struct estimate *then, const struct change *change)
{
    struct changes *c = arg;
    struct agg agg = e->stats[stat].agg;

    if (!c->has_any)
        buf_append_c(c->out, "| Metric | | Baseline | Now | Change (95 % interval) |\n"
                             "| --- | --- | ---: | ---: | :--- |\n");
    c->has_any = true;
    buf_append_c(c->out, "| ");
    report_put_markdown(c->out, e->name);
    buf_printf(c->out, " | %s | ", e->stats[stat].name);
    report_put_value(c->in, e->metric, agg, then->value, c->out);
    buf_append_c(c->out, " | ");
    report_put_value(c->in, e->metric, agg, e->values[stat].value, c->out);
    buf_printf(c->out, " | %s", change->is_clear ? "**" : "");
    change_format(change, e->metric->type == METRIC_RATE, c->out);
    buf_printf(c->out, "%s |\n", change->is_clear ? "**" : "");
}

static void put_changes(const struct report_input *in, struct buf *out)
{
    struct changes c = {in, out, false};

    if (!in->baseline)
        return;
    buf_append_c(out, "### Against ");
    report_put_markdown(out, in->baseline_name);
    buf_append_c(out, "\n\n");
    report_each_change(in, put_change, &c);
    if (c.has_any)
        buf_append_c(out,
                     "\nBold: the interval excludes no change. Of many rows one in twenty does so "
                     "by chance. No interval: one of the runs was too short, or the baseline "
                     "has no errors.\n\n");
    else
        buf_append_c(out, "The baseline has no metric of this run.\n\n");
}

/* --- all metrics -------------------------------------------------------------------------- */

static void put_metric(const struct report_input *in, const struct estimates *e, struct buf *out)
{
    size_t shown = e->metric->type == METRIC_TREND ? in->summary->stat_count : e->count;

    buf_append_c(out, "| ");
    report_put_markdown(out, e->name);
    buf_append_c(out, " | ");
    for (size_t i = 0; i < shown; i++) { /* those that were asked for come first */
        buf_printf(out, "%s%s=", i ? ", " : "", e->stats[i].name);
        report_put_value(in, e->metric, e->stats[i].agg, e->values[i].value, out);
    }
    buf_append_c(out, " |\n");
}

void report_markdown(const struct report_input *in, struct buf *out)
{
    put_verdict(in, out);
    put_thresholds(in, out);
    put_changes(in, out);
    put_checks(in, out);
    buf_append_c(out, "<details><summary>All metrics</summary>\n\n| Metric | |\n| --- | --- |\n");
    for (size_t i = 0; i < in->estimate_count; i++)
        put_metric(in, &in->estimates[i], out);
    buf_append_c(out, "\n</details>\n");
}
