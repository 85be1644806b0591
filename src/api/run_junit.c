#include <math.h>
#include <string.h>

#include "api/run_files.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "output/json_text.h"
#include "output/report.h"
#include "store/journal.h"
#include "store/run.h"
#include "store/tables.h"

struct suites {
    struct buf *thresholds; /* test cases */
    size_t threshold_count;
    size_t failed;
    char *name; /* of the run; owned */
    double seconds;
};

static void note_run(void *arg, const struct store_run *run)
{
    struct suites *x = arg;

    x->name = mem_strdup(run->name);
    x->seconds = run->ended && run->started ? nsec_to_sec(run->ended - run->started) : 0;
}

static void open_case(struct buf *out, const char *class_name, const char *name)
{
    buf_append_c(out, "    <testcase classname=\"");
    report_put_xml(out, class_name);
    buf_append_c(out, "\" name=\"");
    report_put_xml(out, name);
    buf_append_char(out, '"');
}

static void add_threshold(void *arg, const struct store_threshold *t)
{
    struct suites *x = arg;
    struct str rest = str_of(t->expression);
    size_t agg = strcspn(rest.ptr, "<>=! ");

    open_case(x->thresholds, t->metric, t->expression);
    x->threshold_count++;
    x->failed += !t->ok;
    if (t->ok) {
        buf_append_c(x->thresholds, "/>\n");
        return;
    }
    buf_printf(x->thresholds, ">\n      <failure message=\"%.*s is ", (int)agg, rest.ptr);
    json_text_number(x->thresholds, t->value);
    if (t->unit && strcmp(t->unit, "none") != 0)
        buf_printf(x->thresholds, " %s", t->unit);
    buf_append_c(x->thresholds, "\" type=\"threshold\"/>\n    </testcase>\n");
}

static void put_checks(const struct store_checks *checks, struct buf *out)
{
    buf_printf(out, "  <testsuite name=\"checks\" tests=\"%zu\" failures=\"0\">\n", checks->count);
    for (size_t i = 0; i < checks->count; i++) {
        const struct store_check_row *row = &checks->list[i];
        char *group = str_dup(row->group);
        char *name = str_dup(row->name);

        open_case(out, group[0] ? group : "checks", name);
        buf_printf(out,
                   ">\n      <system-out>%llu passed, %llu failed</system-out>\n"
                   "    </testcase>\n",
                   (unsigned long long)row->passes, (unsigned long long)row->fails);
        mem_free(group);
        mem_free(name);
    }
    buf_append_c(out, "  </testsuite>\n");
}

static void put_all(const struct suites *x, const struct store_checks *checks, struct buf *out)
{
    buf_append_c(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"");
    report_put_xml(out, x->name ? x->name : "");
    buf_printf(out, "\" tests=\"%zu\" failures=\"%zu\" time=\"%.3f\">\n",
               x->threshold_count + checks->count, x->failed, x->seconds);
    buf_printf(out, "  <testsuite name=\"thresholds\" tests=\"%zu\" failures=\"%zu\">\n",
               x->threshold_count, x->failed);
    buf_append(out, x->thresholds->data, x->thresholds->len);
    buf_append_c(out, "  </testsuite>\n");
    put_checks(checks, out);
    buf_append_c(out, "</testsuites>\n");
}

int run_junit(struct store *s, const char *run, struct buf *out, struct diag *d)
{
    const struct store_table table = {.run = run};
    struct buf thresholds = BUF_INIT(SIZE_MAX);
    struct suites x = {.thresholds = &thresholds};
    struct store_checks checks;
    int err = store_get_run(s, run, note_run, &x, d);

    if (err == 0)
        err = store_list_thresholds(s, run, add_threshold, &x, d);
    if (err == 0)
        err = store_get_checks(s, &table, &checks, d);
    if (err == 0) {
        put_all(&x, &checks, out);
        store_checks_deinit(&checks);
    }
    buf_deinit(&thresholds);
    mem_free(x.name);
    return err;
}
