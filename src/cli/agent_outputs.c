#include "cli/agent_outputs.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/args.h"
#include "engine/options.h"
#include "fleet/agent.h"
#include "fleet/scoring.h"
#include "metrics/threshold.h"
#include "metrics/totals.h"
#include "output/output.h"

static const char *get_env(const char *name)
{
    return getenv(name);
}

static void on_second(void *arg, struct window *const *windows, size_t count)
{
    struct agent_outputs *o = arg;

    for (size_t i = 0; i < o->count; i++) {
        struct output *output = o->list[i];

        for (size_t j = 0; j < count; j++) {
            if (windows[j])
                output->ops->window(output, windows[j]);
        }
        if (output->ops->tick)
            output->ops->tick(output, clock_wall());
    }
}

static char **default_system_tags(void)
{
    struct options options;
    char **tags;

    options_init(&options);
    tags = scoring_system_tags(&options);
    options_deinit(&options);
    return tags;
}

static void add(struct agent_outputs *o, struct output *output)
{
    o->list = mem_reallocarray((void *)o->list, o->count + 1, sizeof *o->list);
    o->list[o->count++] = output;
}

static int open_one(struct agent_outputs *o, struct str spec, const struct output_context *context,
                    struct diag *d)
{
    struct output *output;
    int err = output_new(spec, context, &output, d);

    if (err == 0)
        add(o, output);
    return err;
}

static int open_all(struct agent_outputs *o, const struct args *args,
                    const struct output_context *context, struct diag *d)
{
    struct output *traces = NULL;
    int err = 0;

    for (size_t i = 0; i < args->value_count[FLAG_OUT] && err == 0; i++) {
        struct str rest = str_of(args->values[FLAG_OUT][i]);
        bool several = args->from_env[FLAG_OUT];

        do {
            err = open_one(o, several ? str_cut(&rest, ',') : rest, context, d);
        } while (several && rest.len > 0 && err == 0);
    }
    if (err == 0)
        err = output_traces_new(args_text(args, FLAG_TRACES_OUTPUT, "none"), context, &traces, d);
    if (traces)
        add(o, traces);
    return err;
}

int agent_outputs_open(struct agent_outputs *o, const struct args *args,
                       struct agent_config *config, struct diag *d)
{
    struct output_context context = {
        .env = get_env,
        .environment = environ,
        .loop = config->loop,
        .agent = config->id,
        .region = config->region,
    };
    struct host_sink *sink = &config->host.sink;
    int err;

    context.totals = o->totals = totals_new();
    context.thresholds = o->thresholds = mem_zalloc(sizeof *o->thresholds);
    o->system_tags = default_system_tags();
    context.system_tags = (const char *const *)o->system_tags;
    err = open_all(o, args, &context, d);
    *sink = (struct host_sink){.second = NULL};
    for (size_t i = 0; i < o->count; i++) {
        sink->arg = o;
        sink->second = on_second;
        sink->keep_samples |= o->list[i]->needs_samples;
        sink->keep_spans |= o->list[i]->needs_spans;
    }
    return err;
}

void agent_outputs_close(struct agent_outputs *o)
{
    for (size_t i = 0; i < o->count; i++) {
        if (o->list[i]->ops->end)
            o->list[i]->ops->end(o->list[i], clock_wall());
    }
    for (size_t i = 0; i < o->count; i++) {
        struct diag d = DIAG_INIT;

        if (o->list[i]->ops->stop(o->list[i], &d))
            log_printf(LOG_ERROR, "%s", d.message);
        diag_deinit(&d);
        output_free(o->list[i]);
    }
    mem_free((void *)o->list);
    if (!o->totals)
        return;
    threshold_set_deinit(o->thresholds);
    mem_free(o->thresholds);
    scoring_free_tags(o->system_tags);
    totals_free(o->totals);
}
