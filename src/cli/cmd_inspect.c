#include "base/clock.h"
#include "base/duration.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/command.h"
#include "cli/load.h"
#include "engine/plan.h"
#include "engine/run.h"

/* What --execution-requirements adds. */
static void add_requirements(const struct test *t, json_t *all)
{
    struct plan plan;
    uint64_t max;
    char text[48];

    plan_init(&plan, &t->scenarios, &t->segment, 1);
    json_object_set_new(
        all, "totalDuration",
        json_string(duration_format(scenarios_duration(&t->scenarios), text, sizeof text)));
    max = plan.seats;
    for (size_t i = 0; i < t->scenarios.count; i++)
        max += segment_scale(&t->segment, t->scenarios.list[i]->max_vus) -
               segment_scale(&t->segment, t->scenarios.list[i]->vus);
    json_object_set_new(all, "maxVUs", json_integer((json_int_t)max));
    plan_deinit(&plan);
}

int cmd_inspect(const struct args *args)
{
    struct test t;
    int code = load_test(args, false, &t);
    json_t *all;
    char *text;

    if (code)
        return code;
    code = load_scenarios(&t);
    if (code == 0) {
        all = options_to_json(&t.options);
        if (args_bool(args, FLAG_EXECUTION_REQUIREMENTS))
            add_requirements(&t, all);
        text = options_json_text(all);
        if (!print_out(str_of(text)) || !print_out(STR("\n")))
            code = EXIT_CODE_OTHER;
        mem_free(text);
        json_decref(all);
    }
    load_deinit(&t);
    return code;
}
