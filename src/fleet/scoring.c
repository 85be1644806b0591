#include "fleet/scoring.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "engine/options.h"
#include "engine/run.h"
#include "metrics/totals.h"

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* --- tags ----------------------------------------------------------------------------------- */

char **scoring_system_tags(const struct options *options)
{
    json_t *list = options_list(options, OPTION_SYSTEM_TAGS);
    size_t count = json_array_size(list);
    char **tags = mem_calloc(count + 1, sizeof(char *));
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        const char *tag = json_string_value(json_array_get(list, i));

        if (tag && strcmp(tag, "vu") != 0 && strcmp(tag, "iter") != 0)
            tags[kept++] = mem_strdup(tag);
    }
    qsort((void *)tags, kept, sizeof(char *), by_text);
    json_decref(list);
    return tags;
}

void scoring_free_tags(char **tags)
{
    for (char **tag = tags; tag && *tag; tag++)
        mem_free(*tag);
    mem_free((void *)tags);
}

static bool has_system_tag(const struct options *options, const char *name)
{
    char **tags = scoring_system_tags(options);
    bool found = false;

    for (char **tag = tags; *tag && !found; tag++)
        found = strcmp(*tag, name) == 0;
    scoring_free_tags(tags);
    return found;
}

/* --- thresholds ----------------------------------------------------------------------------- */

static int64_t nsec_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    int64_t nsec = 0;

    return value && options_json_nsec(value, &nsec, NULL) == 0 ? nsec : 0;
}

static int add_threshold(struct totals *totals, const char *selector, const json_t *item,
                         struct threshold_set *out, struct diag *d)
{
    struct threshold_spec spec = {0};

    if (json_is_string(item)) {
        spec.text = str_of(json_string_value(item));
    } else {
        spec.text = str_of(json_string_value(json_object_get(item, "threshold")));
        spec.abort_on_fail = json_is_true(json_object_get(item, "abortOnFail"));
        spec.delay_abort_nsec = nsec_of(item, "delayAbortEval");
        spec.window_nsec = nsec_of(item, "window");
        spec.for_nsec = nsec_of(item, "for");
    }
    return threshold_add(out, totals, str_of(selector), &spec, d);
}

static int compile_thresholds(const struct options *options, struct totals *totals,
                              struct threshold_set *out, struct diag *d)
{
    const json_t *all = options_object(options, OPTION_THRESHOLDS);
    const char *selector;
    json_t *list;
    json_t *item;
    size_t i;

    json_object_foreach((json_t *)(uintptr_t)all, selector, list)
    {
        json_array_foreach(list, i, item)
        {
            int err = add_threshold(totals, selector, item, out, d);

            if (err)
                return err;
        }
    }
    return 0;
}

int scoring_compile(const struct options *options, const struct metric_registry *metrics,
                    bool without_thresholds, struct totals *totals, struct threshold_set *out,
                    struct diag *d)
{
    struct submetric *sub;
    int err = 0;

    for (uint32_t i = 0; i < metrics->count; i++)
        totals_metric(totals, metrics->metrics[i]);
    if (!without_thresholds)
        err = compile_thresholds(options, totals, out, d);
    if (err == 0 && has_system_tag(options, "expected_response"))
        err = totals_add_submetric(totals, totals_find(totals, STR("http_req_duration")),
                                   STR("expected_response:true"), &sub, d);
    return err;
}

void scoring_crossed(const struct threshold_set *thresholds, struct buf *out)
{
    const char **list = mem_calloc(thresholds->count + 1, sizeof *list);
    size_t count = 0;

    for (size_t i = 0; i < thresholds->count; i++) {
        const struct threshold *t = thresholds->list[i];

        if (!t->ok)
            list[count++] = t->submetric ? t->submetric->full_name : t->metric->metric.name.ptr;
    }
    qsort((void *)list, count, sizeof *list, by_text);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(list[i], list[i - 1]) != 0)
            buf_printf(out, "%s%s", i ? ", " : "", list[i]);
    }
    mem_free((void *)list);
}

/* --- the summary ---------------------------------------------------------------------------- */

int scoring_summary(const struct options *options, const char *mode, struct summary_options *out,
                    struct diag *d)
{
    json_t *list = options_list(options, OPTION_SUMMARY_TREND_STATS);
    size_t count = json_array_size(list);
    const char **names = mem_calloc(count + 1, sizeof(char *));
    int err;

    for (size_t i = 0; i < count; i++)
        names[i] = json_string_value(json_array_get(list, i));
    err = summary_stats_parse(names, count, out, d);
    mem_free((void *)names);
    json_decref(list);
    if (err)
        return err;
    if (strcmp(mode, "compact") == 0)
        out->mode = SUMMARY_COMPACT;
    else if (strcmp(mode, "full") == 0)
        out->mode = SUMMARY_FULL;
    else if (strcmp(mode, "disabled") == 0)
        out->mode = SUMMARY_DISABLED;
    else
        return diag_set(d, ERR_INVALID,
                        "flag --summary-mode: '%s' is none: use compact, full or disabled", mode);
    if (!time_unit_parse(options_text(options, OPTION_SUMMARY_TIME_UNIT), &out->unit))
        return diag_set(d, ERR_INVALID, "option summaryTimeUnit: use s, ms or us");
    return 0;
}

const char *scoring_failure(int exit_code, const char *message)
{
    if (message)
        return message;
    switch (exit_code) {
    case EXIT_CODE_OK:
    case EXIT_CODE_THRESHOLDS:
        return NULL;
    case EXIT_CODE_SETUP_TIMEOUT:
        return "setup() took too long";
    case EXIT_CODE_TEARDOWN_TIMEOUT:
        return "teardown() took too long";
    case EXIT_CODE_REST:
        return "the run was stopped over the REST API";
    case EXIT_CODE_SIGNAL:
        return "the run was interrupted";
    case EXIT_CODE_SCRIPT_ERROR:
        return "the script threw an exception in its init context, setup() or teardown()";
    case EXIT_CODE_SCRIPT_ABORT:
        return "the script aborted the run";
    case EXIT_CODE_MARKED_FAILED:
        return "the script marked the run as failed";
    default:
        return "the run failed: see the log";
    }
}
