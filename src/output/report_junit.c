#include <math.h>

#include "metrics/threshold.h"
#include "metrics/totals.h"
#include "output/report.h"

void report_put_xml(struct buf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '&')
            buf_append_c(out, "&amp;");
        else if (c == '<')
            buf_append_c(out, "&lt;");
        else if (c == '>')
            buf_append_c(out, "&gt;");
        else if (c == '"')
            buf_append_c(out, "&quot;");
        else if (c == '\n' || c == '\t')
            buf_printf(out, "&#%d;", c);
        else
            buf_append_char(out, c < ' ' ? '?' : (char)c);
    }
}

static void open_case(struct buf *out, const char *class_name, const char *name, double seconds)
{
    buf_append_c(out, "    <testcase classname=\"");
    report_put_xml(out, class_name);
    buf_append_c(out, "\" name=\"");
    report_put_xml(out, name);
    buf_printf(out, "\" time=\"%.3f\"", seconds);
}

static void put_threshold(const struct report_input *in, const struct threshold *t, struct buf *out)
{
    struct buf value = BUF_INIT(SIZE_MAX);

    summary_threshold_value(t, in->summary->unit, &value);
    open_case(out, report_metric_name(t), t->expr.source, 0);
    buf_append_c(out, t->ok ? ">\n      <system-out>" : ">\n      <failure message=\"");
    report_put_xml(out, value.data);
    buf_append_c(out, t->ok ? "</system-out>\n    </testcase>\n"
                            : "\" type=\"threshold\"/>\n    </testcase>\n");
    buf_deinit(&value);
}

static void put_check(const struct check_total *check, struct buf *out)
{
    open_case(out, "checks", check->path, 0);
    buf_printf(out, ">\n      <system-out>%llu passed, %llu failed</system-out>\n    </testcase>\n",
               (unsigned long long)check->passes, (unsigned long long)check->fails);
}

static void put_run(const struct report_input *in, struct buf *out)
{
    open_case(out, "run", in->script, in->run_seconds);
    if (!in->failure) {
        buf_append_c(out, "/>\n");
        return;
    }
    buf_append_c(out, ">\n      <error message=\"");
    report_put_xml(out, in->failure);
    buf_printf(out, "\" type=\"exit code %d\"/>\n    </testcase>\n", in->exit_code);
}

static void put_counts(const struct report_input *in, size_t failures, struct buf *out)
{
    size_t tests = in->thresholds->count + in->totals->checks.count + 1;

    buf_printf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%d\" time=\"%.3f\">\n", tests,
               failures, in->failure != NULL, in->run_seconds);
}

void report_junit(const struct report_input *in, struct buf *out)
{
    size_t failures = 0;

    for (size_t i = 0; i < in->thresholds->count; i++)
        failures += !in->thresholds->list[i]->ok;
    buf_append_c(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"gale\"");
    put_counts(in, failures, out);
    buf_append_c(out, "  <testsuite name=\"");
    report_put_xml(out, in->script);
    buf_append_char(out, '"');
    put_counts(in, failures, out);
    put_run(in, out);
    for (size_t i = 0; i < in->thresholds->count; i++)
        put_threshold(in, in->thresholds->list[i], out);
    for (size_t i = 0; i < in->totals->checks.count; i++)
        put_check(in->totals->checks.checks[i], out);
    buf_append_c(out, "  </testsuite>\n</testsuites>\n");
}
