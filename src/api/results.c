/* What a run measured: of one in the controller's memory from there, else from the store. */
#include <string.h>

#include "api/call.h"
#include "api/fleet_views.h"
#include "api/stored.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "fleet/controller.h"

/* NULL: not in memory; the store answers. */
static struct fleet_run *living(struct api_call *call)
{
    struct fleet_run *run = call_fleet_run(call);

    if (!run)
        stored_text(call);
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
    bool is_text = format && (strcmp(format, "text") == 0 || strcmp(format, "regions") == 0);
    const char *color = call_query(call, "color");
    bool colored = color && strcmp(color, "true") == 0;
    const struct fleet_run *run;
    struct buf out = BUF_INIT(SIZE_MAX);

    if (!is_text) {
        stored_summary(call);
        return;
    }
    run = living(call);
    if (!run)
        return;
    if (strcmp(format, "regions") == 0)
        fleet_run_region_table(run, colored, &out);
    else
        fleet_run_summary(run, NULL, colored, &out);
    api_answer(call->request, 200, "text/plain; charset=utf-8", buf_str(&out));
    buf_deinit(&out);
}

static void answer_custom(struct api_call *call, const struct fleet_run *run)
{
    const char *custom = fleet_run_custom_summary(run);

    if (custom)
        answer_json_text(call, mem_strdup(custom));
    else
        api_answer(call->request, 204, NULL, STR(""));
}

void results_custom_summary(struct api_call *call)
{
    const struct fleet_run *run = living(call);

    if (run)
        answer_custom(call, run);
}

/* With a run before in the body, if there is one to compare with. */
static void answer_report(struct api_call *call, const struct fleet_run *run, const char *format,
                          const char *type)
{
    const struct fleet_report_input input = {
        .script = call_query(call, "script"),
        .baseline = api_body(call->request),
        .baseline_name = call_query(call, "baseline"),
    };
    struct buf text = BUF_INIT(SIZE_MAX);
    struct diag d = DIAG_INIT;
    int err = fleet_run_report(run, format, &input, &text, &d);

    if (err == ERR_NOT_FOUND)
        call_not_found(call, "report", format);
    else if (err)
        call_invalid(call, "%s", d.message);
    else
        api_answer(call->request, 200, type, buf_str(&text));
    diag_deinit(&d);
    buf_deinit(&text);
}

static bool is_file(const char *format)
{
    static const char *const formats[] = {"json", "csv", "junit", "html"};

    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        if (strcmp(formats[i], format) == 0)
            return true;
    }
    return false;
}

void results_export(struct api_call *call)
{
    const char *format = call_param(call, "format");
    bool machine = strcmp(format, "machine") == 0;
    bool baseline = strcmp(format, "baseline") == 0;
    const struct fleet_run *run;

    if (machine || baseline || strcmp(format, "summary") == 0) {
        run = living(call);
        if (run && baseline)
            answer_json_text(call, mem_strdup(fleet_run_baseline(run)));
        else if (run)
            answer_json_text(call, fleet_run_export(run, machine));
    } else if (is_file(format)) {
        stored_export(call);
    } else {
        call_not_found(call, "export", format);
    }
}

void results_report(struct api_call *call)
{
    const struct fleet_run *run = call_fleet_run(call);

    if (run)
        answer_report(call, run, call_param(call, "format"), "text/plain; charset=utf-8");
    else
        call_not_found(call, "run in the controller's memory that is called",
                       call_param(call, "run"));
}
