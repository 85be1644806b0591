/* What a run needs before it starts: metrics with thresholds, outputs, the summary's form. */
#include "cli/session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/args.h"
#include "metrics/totals.h"
#include "metrics/window.h"
#include "script/script.h"

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void read_system_tags(struct session *s)
{
    json_t *list = options_list(&s->test.options, OPTION_SYSTEM_TAGS);
    size_t count = json_array_size(list);
    size_t kept = 0;

    s->system_tags = mem_calloc(count + 1, sizeof(char *));
    for (size_t i = 0; i < count; i++) {
        const char *tag = json_string_value(json_array_get(list, i));

        /* vu and iter are metadata, not tags. */
        if (tag && strcmp(tag, "vu") != 0 && strcmp(tag, "iter") != 0)
            s->system_tags[kept++] = mem_strdup(tag);
    }
    qsort((void *)s->system_tags, kept, sizeof(char *), by_text);
    json_decref(list);
}

static bool has_system_tag(const struct session *s, const char *name)
{
    for (char **tag = s->system_tags; *tag; tag++) {
        if (strcmp(*tag, name) == 0)
            return true;
    }
    return false;
}

static int64_t nsec_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    int64_t nsec = 0;

    return value && options_json_nsec(value, &nsec, NULL) == 0 ? nsec : 0;
}

static int add_threshold(struct session *s, const char *selector, const json_t *item,
                         struct diag *d)
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
    return threshold_add(&s->thresholds, s->totals, str_of(selector), &spec, d);
}

/* k6-features.md THR-04: nothing of the kind is part of a series. */
static void warn_of_metadata(const struct session *s)
{
    for (size_t i = 0; i < s->thresholds.count; i++) {
        const struct submetric *sub = s->thresholds.list[i]->submetric;

        for (uint32_t t = 0; sub && t < sub->tags->count; t++) {
            struct str key = sub->tags->list[t].key;

            if (str_eq_c(key, "vu") || str_eq_c(key, "iter"))
                log_printf(LOG_WARN,
                           "the threshold on '%s' sees nothing: '%.*s' is metadata of samples, "
                           "not a tag by which metrics are divided",
                           sub->full_name, STR_ARG(key));
        }
    }
}

static int compile_thresholds(struct session *s, struct diag *d)
{
    const json_t *all = options_object(&s->test.options, OPTION_THRESHOLDS);
    const char *selector;
    json_t *list;
    json_t *item;
    size_t i;

    json_object_foreach((json_t *)(uintptr_t)all, selector, list)
    {
        json_array_foreach(list, i, item)
        {
            int err = add_threshold(s, selector, item, d);

            if (err)
                return err;
        }
    }
    warn_of_metadata(s);
    return 0;
}

static int set_up_metrics(struct session *s, struct diag *d)
{
    const struct metric_registry *registry = script_metrics(s->test.script);
    struct metric_total *duration;
    struct submetric *sub;
    int err = 0;

    s->totals = totals_new();
    s->totals->keeps_blocks = session_needs_blocks(s);
    for (uint32_t i = 0; i < registry->count; i++)
        totals_metric(s->totals, registry->metrics[i]);
    if (!args_bool(s->args, FLAG_NO_THRESHOLDS))
        err = compile_thresholds(s, d);
    duration = totals_find(s->totals, STR("http_req_duration"));
    if (err == 0 && has_system_tag(s, "expected_response"))
        err = totals_add_submetric(s->totals, duration, STR("expected_response:true"), &sub, d);
    return err;
}

static const char *get_env(const char *name)
{
    return getenv(name);
}

static int open_output(struct session *s, struct str spec, struct diag *d)
{
    struct output_context context = {
        .totals = s->totals,
        .thresholds = &s->thresholds,
        .system_tags = (const char *const *)s->system_tags,
        .env = get_env,
        .environment = environ,
        .loop = s->loop,
    };
    struct output *output;
    int err = output_new(spec, &context, &output, d);

    if (err)
        return err;
    s->outputs = mem_reallocarray((void *)s->outputs, s->output_count + 1, sizeof *s->outputs);
    s->outputs[s->output_count++] = output;
    s->needs_samples |= output->needs_samples;
    return 0;
}

/* From the flags; else from K6_OUT, which holds several; else from the config file. */
static int set_up_outputs(struct session *s, struct diag *d)
{
    const json_t *config = json_object_get(s->test.config, "out");
    int err = 0;

    for (size_t i = 0; i < s->args->value_count[FLAG_OUT] && err == 0; i++) {
        struct str rest = str_of(s->args->values[FLAG_OUT][i]);
        bool several = s->args->from_env[FLAG_OUT];

        do {
            err = open_output(s, several ? str_cut(&rest, ',') : rest, d);
        } while (several && rest.len > 0 && err == 0);
    }
    if (s->args->value_count[FLAG_OUT] > 0)
        return err;
    if (json_is_string(config))
        return open_output(s, str_of(json_string_value(config)), d);
    for (size_t i = 0; i < json_array_size(config) && err == 0; i++)
        err = open_output(s, str_of(json_string_value(json_array_get(config, i))), d);
    return err;
}

static int set_up_summary(struct session *s, struct diag *d)
{
    const char *mode = args_text(s->args, FLAG_SUMMARY_MODE, "compact");
    json_t *list = options_list(&s->test.options, OPTION_SUMMARY_TREND_STATS);
    size_t count = json_array_size(list);
    const char **names = mem_calloc(count + 1, sizeof(char *));
    int err;

    for (size_t i = 0; i < count; i++)
        names[i] = json_string_value(json_array_get(list, i));
    err = summary_stats_parse(names, count, &s->summary, d);
    mem_free((void *)names);
    json_decref(list);
    s->summary.color =
        isatty(STDOUT_FILENO) && !args_bool(s->args, FLAG_NO_COLOR) && !getenv("NO_COLOR");
    if (err)
        return err;
    if (strcmp(mode, "compact") == 0)
        s->summary.mode = SUMMARY_COMPACT;
    else if (strcmp(mode, "full") == 0)
        s->summary.mode = SUMMARY_FULL;
    else if (strcmp(mode, "disabled") == 0)
        s->summary.mode = SUMMARY_DISABLED;
    else
        return diag_set(d, ERR_INVALID,
                        "flag --summary-mode: '%s' is none: use compact, full or disabled", mode);
    s->totals->without_scopes = s->summary.mode != SUMMARY_FULL;
    if (!time_unit_parse(options_text(&s->test.options, OPTION_SUMMARY_TIME_UNIT),
                         &s->summary.unit))
        return diag_set(d, ERR_INVALID, "option summaryTimeUnit: use s, ms or us");
    return 0;
}

/* Flags that are k6's and name what gale has in one way only. */
static int check_flags(const struct session *s, struct diag *d)
{
    const char *traces = args_text(s->args, FLAG_TRACES_OUTPUT, "none");

    if (strcmp(traces, "none") != 0)
        return diag_set(d, ERR_INVALID, "flag --traces-output: '%s': gale sends no traces: none",
                        traces);
    return 0;
}

int session_set_up(struct session *s)
{
    struct diag d = DIAG_INIT;

    read_system_tags(s);
    s->summary.distance = s->network.distance;
    s->linger = args_is_set(s->args, FLAG_LINGER)
                    ? args_bool(s->args, FLAG_LINGER)
                    : json_is_true(json_object_get(s->test.config, "linger"));
    if (check_flags(s, &d) || network_read(s->args, false, &s->network, &d) ||
        set_up_metrics(s, &d) || session_load_baseline(s, &d) || set_up_summary(s, &d) ||
        set_up_outputs(s, &d))
        return load_fail(EXIT_CODE_CONFIG, &d);
    return 0;
}
