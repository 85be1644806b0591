/* What a run measured: of one in the controller's memory from there, else from the store. */
#include <string.h>

#include "api/call.h"
#include "api/fleet_views.h"
#include "api/stored.h"
#include "base/buf.h"
#include "base/mem.h"
#include "fleet/controller.h"

/* NULL: not in memory; the store answers. */
static struct fleet_run *living(struct api_call *call)
{
    struct fleet_run *run =
        controller_find_run(call->context->config.controller, call_param(call, "run"));

    if (!run)
        stored_run(call);
    return run;
}

static void answer_json_text(struct api_call *call, char *text)
{
    api_answer(call->request, 200, "application/json", str_of(text ? text : ""));
    mem_free(text);
}

void results_summary(struct api_call *call)
{
    const char *format = call_query(call, "format");
    const char *color = call_query(call, "color");
    bool colored = color && strcmp(color, "true") == 0;
    const struct fleet_run *run = living(call);
    struct buf out = BUF_INIT(SIZE_MAX);

    if (!run)
        return;
    if (format && strcmp(format, "regions") == 0)
        fleet_run_region_table(run, colored, &out);
    else
        fleet_run_summary(run, NULL, colored, &out);
    api_answer(call->request, 200, "text/plain; charset=utf-8", buf_str(&out));
    buf_deinit(&out);
}

void results_custom_summary(struct api_call *call)
{
    const struct fleet_run *run = living(call);
    const char *custom = run ? fleet_run_custom_summary(run) : NULL;

    if (custom)
        answer_json_text(call, mem_strdup(custom));
    else if (run)
        api_answer(call->request, 204, NULL, STR(""));
}

void results_events(struct api_call *call)
{
    const struct fleet_run *run = living(call);
    json_t *items;
    size_t count;

    if (!run)
        return;
    items = json_array();
    for (size_t i = 0; i < (fleet_run_events(run, &count), count); i++)
        json_array_append_new(items, view_event(run, &fleet_run_events(run, &count)[i]));
    api_answer_json(call->request, 200, json_pack("{s:o, s:n}", "items", items, "next"));
}

void results_logs(struct api_call *call)
{
    const struct fleet_run *run = living(call);
    json_t *items;
    size_t count;

    if (!run)
        return;
    items = json_array();
    for (size_t i = 0; i < (fleet_run_logs(run, &count), count); i++)
        json_array_append_new(items, view_log(run, &fleet_run_logs(run, &count)[i]));
    api_answer_json(call->request, 200, json_pack("{s:o, s:n}", "items", items, "next"));
}

void results_thresholds(struct api_call *call)
{
    const struct fleet_run *run = living(call);

    if (run)
        api_answer_json(call->request, 200, view_thresholds(run));
}

void results_export(struct api_call *call)
{
    const char *format = call_param(call, "format");
    const struct fleet_run *run;

    if (strcmp(format, "json") == 0 || strcmp(format, "html") == 0) {
        stored_export(call);
        return;
    }
    run = living(call);
    if (!run)
        return;
    if (strcmp(format, "summary") == 0)
        answer_json_text(call, fleet_run_export(run, false));
    else if (strcmp(format, "machine") == 0)
        answer_json_text(call, fleet_run_export(run, true));
    else
        call_not_found(call, "export", format);
}
