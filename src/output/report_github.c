/* Workflow commands of GitHub Actions (docs.github.com, "Workflow commands"): lines on stdout that
 * become annotations. */
#include <string.h>

#include "metrics/threshold.h"
#include "metrics/totals.h"
#include "output/report.h"

static void put_escaped(struct buf *out, const char *text, const char *special)
{
    for (; *text; text++) {
        if (strchr(special, *text))
            buf_printf(out, "%%%02X", (unsigned)*text);
        else
            buf_append_char(out, *text);
    }
}

static void put(const struct report_input *in, const char *command, const char *title,
                const char *message, struct buf *out)
{
    buf_printf(out, "::%s ", command);
    if (strcmp(in->script, "-") != 0) {
        buf_append_c(out, "file=");
        put_escaped(out, in->script, "%\r\n:,");
        buf_append_char(out, ',');
    }
    buf_append_c(out, "title=");
    put_escaped(out, title, "%\r\n:,");
    buf_append_c(out, "::");
    put_escaped(out, message, "%\r\n");
    buf_append_char(out, '\n');
}

static void put_threshold(const struct report_input *in, const struct threshold *t, struct buf *out)
{
    struct buf text = BUF_INIT(SIZE_MAX);

    if (t->ok)
        return;
    buf_printf(&text, "%s: '%s' does not hold: ", report_metric_name(t), t->expr.source);
    summary_threshold_value(t, in->summary->unit, &text);
    put(in, "error", "Threshold crossed", text.data, out);
    buf_deinit(&text);
}

static void put_check(const struct report_input *in, const struct check_total *check,
                      struct buf *out)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    unsigned long long all = check->passes + check->fails;

    if (check->fails == 0)
        return;
    buf_printf(&text, "%s: %llu of %llu failed", check->path, (unsigned long long)check->fails,
               all);
    put(in, "warning", "Check failed", text.data, out);
    buf_deinit(&text);
}

struct changes {
    const struct report_input *in;
    struct buf text;
};

static void put_change(void *arg, const struct estimates *e, size_t stat,
                       const struct estimate *then, const struct change *change)
{
    struct changes *c = arg;
    struct agg agg = e->stats[stat].agg;

    if (!change->is_clear)
        return;
    buf_printf(&c->text, "%s%s %s: ", c->text.len ? "\n" : "", e->name, e->stats[stat].name);
    report_put_value(c->in, e->metric, agg, then->value, &c->text);
    buf_append_c(&c->text, " became ");
    report_put_value(c->in, e->metric, agg, e->values[stat].value, &c->text);
    buf_append_c(&c->text, ", ");
    change_format(change, e->metric->type == METRIC_RATE, &c->text);
}

/* One annotation for all: GitHub shows ten of a kind. */
static void put_changes(const struct report_input *in, struct buf *out)
{
    struct changes c = {in, BUF_INIT(SIZE_MAX)};

    report_each_change(in, put_change, &c);
    if (c.text.len)
        put(in, "notice", "Differs from the baseline", c.text.data, out);
    buf_deinit(&c.text);
}

void report_github(const struct report_input *in, struct buf *out)
{
    if (in->failure)
        put(in, "error", "The run failed", in->failure, out);
    for (size_t i = 0; i < in->thresholds->count; i++)
        put_threshold(in, in->thresholds->list[i], out);
    for (size_t i = 0; i < in->totals->checks.count; i++)
        put_check(in, in->totals->checks.checks[i], out);
    if (in->summary->notice)
        put(in, "warning", "This machine was the bottleneck", in->summary->notice, out);
    put_changes(in, out);
}
