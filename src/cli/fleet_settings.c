#include "cli/fleet_settings.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/dashboard_settings.h"
#include "cli/features.h"
#include "cli/load.h"
#include "fleet/scoring.h"
#include "metrics/threshold.h"
#include "metrics/totals.h"
#include "output/baseline.h"
#include "output/output.h"
#include "output/report.h"
#include "script/script.h"

/* Of the header: servers take some tens of kilobytes in all. */
enum { MOST_BYTES = 20000 };

static int check_output(void *arg, struct str spec, struct diag *d)
{
    struct str rest;

    (void)arg;
    /* A fleet's run has a page anyway. */
    return dashboard_is_output(spec, &rest) ? 0 : output_check_merged(spec, d);
}

int fleet_settings_check(const struct test *t, struct diag *d)
{
    return load_each_output(t, check_output, NULL, d);
}

/* --- outputs -------------------------------------------------------------------------------- */

static int add_output(void *arg, struct str spec, struct diag *d)
{
    json_t *settings = arg;
    json_t *env = json_object_get(settings, "env");
    struct str rest;

    (void)d;
    if (dashboard_is_output(spec, &rest))
        return 0;
    json_array_append_new(json_object_get(settings, "outputs"), json_stringn(spec.ptr, spec.len));
    for (char *const *at = environ; *at; at++) {
        struct str value = str_of(*at);
        struct str name = str_cut(&value, '=');

        if (value.len > 0 && output_takes_variable(spec, name))
            json_object_setn_new(env, name.ptr, name.len, json_stringn(value.ptr, value.len));
    }
    return 0;
}

/* --- the baseline --------------------------------------------------------------------------- */

/* What thresholds on the change compare with. */
static json_t *baseline_values(const struct threshold_set *thresholds)
{
    json_t *values = json_array();

    for (size_t i = 0; i < thresholds->count; i++) {
        const struct threshold *t = thresholds->list[i];

        if (t->has_baseline)
            json_array_append_new(values,
                                  json_pack("{s:s, s:s, s:f}", "metric", report_metric_name(t),
                                            "threshold", t->expr.source, "value", t->baseline));
    }
    return values;
}

static int add_baseline(const struct test *t, const struct baseline *b, json_t *settings,
                        struct diag *d)
{
    const char *name = args_text(t->args, FLAG_BASELINE, "");
    struct totals *totals = totals_new();
    struct threshold_set thresholds = {0};
    int err = scoring_compile(&t->options, script_metrics(t->script),
                              args_bool(t->args, FLAG_NO_THRESHOLDS), totals, &thresholds, d);

    if (err == 0) {
        baseline_set(b, name, &thresholds);
        json_object_set_new(
            settings, "baseline",
            json_pack("{s:s, s:o}", "name", name, "values", baseline_values(&thresholds)));
    }
    threshold_set_deinit(&thresholds);
    totals_free(totals);
    return err;
}

/* --- all ------------------------------------------------------------------------------------ */

static char *encode(const json_t *settings)
{
    char *text = json_dumps(settings, JSON_COMPACT);
    struct buf out = BUF_INIT(SIZE_MAX);

    base64_encode(str_of(text ? text : "{}"), BASE64_STD, true, &out);
    free(text);
    return buf_take(&out);
}

int fleet_settings(const struct test *t, const struct baseline *baseline, char **out,
                   struct diag *d)
{
    json_t *settings =
        json_pack("{s:[], s:{}, s:[], s:b}", "outputs", "env", "scrape", "native_histograms",
                  (t->features & 1u << FEATURE_NATIVE_HISTOGRAMS) != 0);
    json_t *scrape = json_object_get(settings, "scrape");
    int err = load_each_output(t, add_output, settings, d);

    for (size_t i = 0; i < t->args->value_count[FLAG_SCRAPE]; i++)
        json_array_append_new(scrape, json_string(t->args->values[FLAG_SCRAPE][i]));
    if (err == 0 && baseline)
        err = add_baseline(t, baseline, settings, d);
    if (err == 0 && (baseline || json_array_size(scrape) > 0 ||
                     json_array_size(json_object_get(settings, "outputs")) > 0))
        *out = encode(settings);
    json_decref(settings);
    if (err == 0 && *out && strlen(*out) > MOST_BYTES)
        err = diag_set(d, ERR_LIMIT,
                       "outputs, their variables, --scrape and thresholds on the change take more "
                       "than %d bytes together: use fewer",
                       MOST_BYTES / 4 * 3);
    return err;
}
