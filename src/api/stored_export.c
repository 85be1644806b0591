/* A run as a file. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "api/fleet_views.h"
#include "api/result_views.h"
#include "api/run_export.h"
#include "api/run_files.h"
#include "api/run_report.h"
#include "api/server.h"
#include "api/stored_internal.h"
#include "base/mem.h"
#include "fleet/controller.h"
#include "store/run.h"

enum { MAX_STEP = 86400 };

static int read_export(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;

    return run_export(s, stored_path(q, "run"), &q->json, d);
}

/* "checkout-01hs4m8vz6d1.json": letters and digits of the run's name, then its id. */
static void name_file(struct stored *q, const json_t *run)
{
    const char *name = json_string_value(json_object_get(run, "name"));
    const char *format = stored_path(q, "format");
    char *file = mem_printf("%.60s-%s.%s", name && *name ? name : "run", stored_path(q, "run"),
                            strcmp(format, "junit") == 0 ? "xml" : format);
    char *header;

    for (char *at = file; *at; at++) {
        if (!isalnum((unsigned char)*at) && *at != '.')
            *at = '-';
    }
    header = mem_printf("attachment; filename=\"%s\"", file);
    api_add_header(q->request, "Content-Disposition", header);
    mem_free(header);
    mem_free(file);
}

/* What is in the controller's memory is newer than what the store has of the run. */
static void finish(struct stored *q)
{
    json_t *run = json_object_get(q->json, "run");
    char *text;

    stored_overlay(&q->context, run);
    name_file(q, run);
    if (strcmp(stored_path(q, "format"), "html") != 0)
        return;
    text = run_report_html(q->json);
    q->type = "text/html; charset=utf-8";
    q->text = arena_strdup(&q->arena, text);
    q->len = strlen(text);
    mem_free(text);
    json_decref(q->json);
    q->json = NULL;
}

/* --- for other programs --------------------------------------------------------------------- */

static void note_run(void *arg, const struct store_run *run)
{
    ((struct stored *)arg)->work = view_stored_run(run);
}

static int read_file(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    const char *run = stored_path(q, "run");
    bool csv = strcmp(stored_path(q, "format"), "csv") == 0;
    struct buf out = BUF_INIT(RUN_CSV_MAX);
    int64_t step = 0;
    int err = stored_number(q, "step", &step, MAX_STEP, d);

    if (err == 0)
        err = store_get_run(s, run, note_run, q, d);
    if (err == 0)
        err = csv ? run_csv(s, run, step, &out, d) : run_junit(s, run, &out, d);
    if (err == 0) {
        q->type = csv ? "text/csv; charset=utf-8" : "application/xml";
        q->text = arena_str(&q->arena, buf_str(&out)).ptr;
        q->len = out.len;
    } else {
        json_decref(q->work);
    }
    buf_deinit(&out);
    return err;
}

static void finish_file(struct stored *q)
{
    name_file(q, q->work);
    json_decref(q->work);
}

void stored_export(struct api_call *call)
{
    const char *format = call_param(call, "format");

    if (strcmp(format, "csv") == 0 || strcmp(format, "junit") == 0)
        stored_start(call, read_file, finish_file);
    else
        stored_start(call, read_export, finish);
}
