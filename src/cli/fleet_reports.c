#include "cli/fleet_reports.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/short_id.h"
#include "cli/args.h"
#include "cli/command.h"
#include "cli/fleet_client.h"
#include "cli/load.h"
#include "output/baseline.h"
#include "output/export.h"
#include "script/files.h"

struct fleet_reports {
    const struct test *test;
    struct baseline *baseline; /* NULL: none */
    char *text;                /* its JSON; owned */
};

struct fleet_reports *fleet_reports_new(const struct test *t)
{
    struct fleet_reports *r = mem_zalloc(sizeof *r);

    r->test = t;
    return r;
}

void fleet_reports_free(struct fleet_reports *r)
{
    if (!r)
        return;
    baseline_free(r->baseline);
    mem_free(r->text);
    mem_free(r);
}

/* --- the run before ------------------------------------------------------------------------- */

static int read_text(const char *path, char **out, struct diag *d)
{
    struct files *disk = files_new(NULL);
    char *url = files_url(str_of(path));
    const struct file *file;
    int err = files_get(disk, str_of(url), false, &file, d);

    if (err == 0)
        *out = str_dup(str_from(file->data, file->len));
    files_free(disk);
    mem_free(url);
    return err;
}

/* Ids of runs: what a file is not called by chance, and a file goes first. */
static bool is_run(const char *name)
{
    return access(name, F_OK) != 0 && strlen(name) == SHORT_ID_SIZE - 1 &&
           strspn(name, "0123456789abcdefghjkmnpqrstvwxyz") == SHORT_ID_SIZE - 1;
}

YIELDS static int fetch(struct fleet_client *c, const char *run, char **out, struct diag *d)
{
    char *path = mem_printf("/api/v1/runs/%s/export/baseline", run);
    int err = fleet_client_call(c, "GET", path, NULL, STR(""), out, d);

    if (err)
        diag_prefix(d, "flag --baseline: run %s", run);
    mem_free(path);
    return err;
}

YIELDS int fleet_reports_prepare(struct fleet_reports *r, struct fleet_client *c, struct diag *d)
{
    const char *name = args_text(r->test->args, FLAG_BASELINE, NULL);
    int err;

    if (!name)
        return 0;
    err = is_run(name) ? fetch(c, name, &r->text, d) : read_text(name, &r->text, d);
    return err ? err : baseline_read(str_of(r->text), name, &r->baseline, d);
}

const struct baseline *fleet_reports_baseline(const struct fleet_reports *r)
{
    return r->baseline;
}

/* --- writing -------------------------------------------------------------------------------- */

/* "-" is stdout. */
static int write_text(const char *path, const char *text, struct diag *d)
{
    if (strcmp(path, "-") != 0)
        return export_write_file(path, str_of(text), d);
    return print_out(str_of(text)) ? 0 : diag_set(d, ERR_INVALID, "can't write to stdout");
}

YIELDS static int make_report(const struct fleet_reports *r, struct fleet_client *c,
                              const char *path, char **out, struct diag *d)
{
    const char *name = args_text(r->test->args, FLAG_BASELINE, NULL);
    struct buf full = BUF_INIT(SIZE_MAX);
    int err;

    buf_append_c(&full, path);
    fleet_client_add_query(&full, "script", r->test->name);
    fleet_client_add_query(&full, "baseline", r->text ? name : NULL);
    buf_append_char(&full, '\0');
    err = fleet_client_call(c, "POST", full.data, "application/json",
                            str_of(r->text ? r->text : ""), out, d);
    buf_deinit(&full);
    return err;
}

YIELDS static int write_one(const struct fleet_reports *r, struct fleet_client *c, const char *path,
                            const char *file)
{
    struct diag d = DIAG_INIT;
    char *text = NULL;
    bool is_baseline = strstr(path, "/export/") != NULL;
    int err = is_baseline ? fleet_client_call(c, "GET", path, NULL, STR(""), &text, &d)
                          : make_report(r, c, path, &text, &d);

    if (err == 0)
        err = write_text(file, text, &d);
    if (err)
        load_fail(0, &d);
    mem_free(text);
    return err;
}

YIELDS int fleet_reports_write(struct fleet_reports *r, struct fleet_client *c, const char *run)
{
    static const struct {
        enum flag_id flag;
        const char *page;
    } reports[] = {
        {FLAG_SUMMARY_JUNIT, "report/junit"},
        {FLAG_SUMMARY_GITHUB, "report/github"},
        {FLAG_SUMMARY_MARKDOWN, "report/markdown"},
        {FLAG_SUMMARY_BASELINE, "export/baseline"},
    };
    int err = 0;

    for (size_t i = 0; i < COUNT_OF(reports); i++) {
        const char *file = args_text(r->test->args, reports[i].flag, NULL);
        char *path = mem_printf("/api/v1/runs/%s/%s", run, reports[i].page);
        int failed = file ? write_one(r, c, path, file) : 0;

        err = failed ? failed : err;
        mem_free(path);
    }
    return err;
}
