/* layer: metrics
 *
 * Threshold expressions and sub-metric selectors: the first line is a selector, the rest an
 * expression. */
#include <stdint.h>

#include "base/diag.h"
#include "base/ensure.h"
#include "metrics/metric.h"
#include "metrics/threshold.h"
#include "metrics/totals.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str expression = str_from((const char *)data, size);
    struct str selector = str_cut(&expression, '\n');
    struct totals *totals = totals_new();
    struct threshold_set set = {NULL, 0};
    struct metric_registry registry;
    struct threshold_spec spec = {.text = expression};
    struct diag d = DIAG_INIT;

    metric_registry_init(&registry);
    for (uint32_t i = 0; i < registry.count; i++)
        totals_metric(totals, registry.metrics[i]);
    if (threshold_add(&set, totals, selector, &spec, &d) == 0) {
        ensure(set.count == 1 && set.list[0]->expr.source);
        threshold_evaluate(&set, 1000000000, true);
    } else {
        ensure(d.message && set.count == 0);
    }
    diag_deinit(&d);
    threshold_set_deinit(&set);
    totals_free(totals);
    metric_registry_deinit(&registry);
    return 0;
}
