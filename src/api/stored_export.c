/* A run as a file. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "api/fleet_views.h"
#include "api/run_export.h"
#include "api/run_report.h"
#include "api/server.h"
#include "api/stored_internal.h"
#include "base/mem.h"
#include "fleet/controller.h"

static int read_export(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;

    return run_export(s, stored_path(q, "run"), &q->json, d);
}

/* "checkout-01hs4m8vz6d1.json": letters and digits of the run's name, then its id. */
static void name_file(struct stored *q, const json_t *run)
{
    const char *name = json_string_value(json_object_get(run, "name"));
    char *file = mem_printf("%.60s-%s.%s", name && *name ? name : "run", stored_path(q, "run"),
                            stored_path(q, "format"));
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

    stored_overlay(q->context.config.controller, run);
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

void stored_export(struct api_call *call)
{
    stored_start(call, read_export, finish);
}
