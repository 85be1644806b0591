/* layer: engine
 *
 * Options as JSON: what is accepted derives scenarios, describes them and prints; what is not has a
 * message. */
#include <stdint.h>

#include "base/diag.h"
#include "base/ensure.h"
#include "base/mem.h"
#include "engine/options.h"
#include "engine/scenario.h"
#include "engine/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct options *o)
{
    struct scenario_list list;
    struct segment segment;
    struct diag d = DIAG_INIT;
    json_t *all = options_to_json(o);
    char *text = options_json_text(all);

    ensure(text[0] == '{');
    mem_free(text);
    json_decref(all);
    if (scenarios_derive(o, &list, &d) == 0) {
        for (size_t i = 0; i < list.count; i++)
            mem_free(scenario_describe(list.list[i]));
        scenarios_deinit(&list);
    } else {
        ensure(d.message);
    }
    diag_deinit(&d);
    if (segment_parse(options_text(o, OPTION_EXECUTION_SEGMENT),
                      options_text(o, OPTION_EXECUTION_SEGMENT_SEQUENCE), &segment, &d) == 0)
        segment_deinit(&segment);
    diag_deinit(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *tier = json_loadb((const char *)data, size, 0, NULL);
    struct options o;
    struct diag d = DIAG_INIT;

    if (!json_is_object(tier)) {
        json_decref(tier);
        return 0;
    }
    options_init(&o);
    if (options_apply(&o, TIER_SCRIPT, tier, &d) == 0)
        use(&o);
    else
        ensure(d.message);
    diag_deinit(&d);
    options_deinit(&o);
    json_decref(tier);
    return 0;
}
