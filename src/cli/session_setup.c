/* What a run needs before it starts: metrics with thresholds, outputs, the summary's form. */
#include "cli/session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/features.h"
#include "fleet/scoring.h"
#include "metrics/totals.h"
#include "metrics/window.h"
#include "output/exemplars.h"
#include "output/scrape.h"
#include "script/script.h"

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

static int set_up_metrics(struct session *s, struct diag *d)
{
    int err;

    s->totals = totals_new();
    s->totals->keeps_blocks = session_needs_blocks(s);
    err = scoring_compile(&s->test.options, script_metrics(s->test.script),
                          args_bool(s->args, FLAG_NO_THRESHOLDS), s->totals, &s->thresholds, d);
    if (err == 0)
        warn_of_metadata(s);
    return err;
}

static const char *get_env(const char *name)
{
    return getenv(name);
}

static void add_output(struct session *s, struct output *output)
{
    s->outputs = mem_reallocarray((void *)s->outputs, s->output_count + 1, sizeof *s->outputs);
    s->outputs[s->output_count++] = output;
    s->needs_samples |= output->needs_samples;
    s->needs_spans |= output->needs_spans;
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
        .native_histograms = s->test.features & 1u << FEATURE_NATIVE_HISTOGRAMS,
    };
    struct output *output;
    int err = output_new(spec, &context, &output, d);

    if (err)
        return err;
    add_output(s, output);
    return 0;
}

struct wanted {
    struct session *session;
    char *dashboard; /* owned; NULL: not among them */
};

static int open_wanted(void *arg, struct str spec, struct diag *d)
{
    struct wanted *w = arg;
    struct str rest;

    if (!dashboard_is_output(spec, &rest))
        return open_output(w->session, spec, d);
    mem_free(w->dashboard);
    w->dashboard = str_dup(rest);
    return 0;
}

static int set_up_outputs(struct session *s, struct diag *d)
{
    struct wanted w = {.session = s};
    int err = load_each_output(&s->test, open_wanted, &w, d);
    const struct dashboard_asked asked = {
        .is_wanted = args_bool(s->args, FLAG_DASHBOARD),
        .address = args_text(s->args, FLAG_DASHBOARD_ADDR, NULL),
        .output = w.dashboard,
        .env = get_env,
    };

    if (err == 0)
        err = dashboard_settings_read(&asked, &s->dashboard_settings, d);
    if (s->dashboard_settings.ignored)
        log_printf(LOG_WARN, "of the dashboard's settings these have no effect: %s",
                   s->dashboard_settings.ignored);
    s->report = args_text(s->args, FLAG_REPORT, s->dashboard_settings.report);
    mem_free(w.dashboard);
    return err;
}

static int set_up_summary(struct session *s, struct diag *d)
{
    int err = scoring_summary(&s->test.options, args_text(s->args, FLAG_SUMMARY_MODE, "compact"),
                              &s->summary, d);

    s->summary.color =
        isatty(STDOUT_FILENO) && !args_bool(s->args, FLAG_NO_COLOR) && !getenv("NO_COLOR");
    s->totals->without_scopes = s->summary.mode != SUMMARY_FULL;
    return err;
}

static int set_up_scrape(struct session *s, struct diag *d)
{
    int err = 0;

    if (s->args->value_count[FLAG_SCRAPE] > 0)
        s->scrape = scrape_new(&(struct output_context){.loop = s->loop, .env = get_env});
    for (size_t i = 0; i < s->args->value_count[FLAG_SCRAPE] && err == 0; i++)
        err = scrape_add(s->scrape, str_of(s->args->values[FLAG_SCRAPE][i]), d);
    return err;
}

static int set_up_traces(struct session *s, struct diag *d)
{
    const struct output_context context = {.env = get_env, .loop = s->loop};
    struct output *output;
    int err;

    if (args_bool(s->args, FLAG_SUMMARY_EXEMPLARS))
        s->exemplars = exemplars_new();
    err = output_traces_new(args_text(s->args, FLAG_TRACES_OUTPUT, "none"), &context, &output, d);
    if (err || !output)
        return err;
    add_output(s, output);
    if (!options_is_set(&s->test.options, OPTION_TRACING))
        return diag_set(d, ERR_INVALID,
                        "flag --traces-output: requests have no trace context that spans could "
                        "belong to: add --trace-propagation w3c");
    return 0;
}

int session_set_up(struct session *s)
{
    struct diag d = DIAG_INIT;

    s->summary.distance = s->network.distance;
    s->system_tags = scoring_system_tags(&s->test.options);
    s->linger = args_is_set(s->args, FLAG_LINGER)
                    ? args_bool(s->args, FLAG_LINGER)
                    : json_is_true(json_object_get(s->test.config, "linger"));
    if (network_read(s->args, false, &s->network, &d) || set_up_metrics(s, &d) ||
        session_load_baseline(s, &d) || set_up_summary(s, &d) || set_up_outputs(s, &d) ||
        set_up_traces(s, &d) || set_up_scrape(s, &d))
        return load_fail(EXIT_CODE_CONFIG, &d);
    return 0;
}
