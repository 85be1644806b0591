#include "fixture.h"

#include "base/err.h"
#include "metrics/hist.h"
#include "support/test.h"

static struct files *next_files;

static struct files *files(void)
{
    if (!next_files)
        next_files = files_new(NULL);
    return next_files;
}

void script_file(const char *url, const char *text)
{
    files_put(files(), str_of(url), str_of(text), true);
}

static int open_script(const char *text, struct script **out, struct diag *d)
{
    struct script_open how = {.url = MAIN_URL};

    script_file(MAIN_URL, text);
    how.files = next_files;
    next_files = NULL;
    return script_open(&how, out, d);
}

struct script *open_text(const char *text)
{
    struct script *script = NULL;
    struct diag d = DIAG_INIT;
    int err = open_script(text, &script, &d);

    if (err < 0)
        test_fail(__FILE__, __LINE__, "%s", d.message);
    return script;
}

int open_fails(const char *text, struct diag *d)
{
    struct script *script = NULL;
    int err = open_script(text, &script, d);

    CHECK(err < 0);
    CHECK(d->message);
    return err;
}

struct start {
    struct bench *bench;
    void (*fn)(struct bench *b);
};

static void run(void *arg)
{
    struct start *start = arg;
    struct bench *b = start->bench;
    struct diag d = DIAG_INIT;

    CHECK_EQ(b->runner->ops->worker_init(b->runner, &b->env, &d), 0);
    start->fn(b);
    b->runner->ops->worker_deinit(b->runner, &b->env);
    loop_stop(b->loop);
}

void bench_run(struct bench *b, const char *text, void (*fn)(struct bench *b))
{
    struct start start = {b, fn};
    const struct shard_options shard = {.max_series = 0};
    struct diag d = DIAG_INIT;
    json_t *exported;

    *b = (struct bench){.script = open_text(text)};
    options_init(&b->options);
    exported = json_loads(script_options_json(b->script), 0, NULL);
    CHECK_EQ(options_apply(&b->options, TIER_SCRIPT, exported, &d), 0);
    json_decref(exported);
    CHECK_EQ(scenarios_derive(&b->options, &b->scenarios, &d), 0);
    b->runner = script_runner_new(b->script, &b->options, &b->scenarios, NULL);
    CHECK_EQ(loop_new(&b->loop), 0);
    b->env = (struct worker_env){.loop = b->loop, .shard = shard_new(&shard)};
    fiber_start(b->loop, run, &start);
    loop_run(b->loop);
    b->window = shard_take_window(b->env.shard);
}

void bench_end(struct bench *b)
{
    window_free(b->window);
    shard_free(b->env.shard);
    loop_free(b->loop);
    script_runner_free(b->runner);
    scenarios_deinit(&b->scenarios);
    options_deinit(&b->options);
    script_free(b->script);
}

struct vu *bench_vu(struct bench *b, uint64_t id)
{
    struct vu *vu = NULL;
    struct diag d = DIAG_INIT;

    if (b->runner->ops->vu_new(b->runner, &b->env, id, id, &vu, &d) < 0)
        test_fail(__FILE__, __LINE__, "%s", d.message);
    return vu;
}

enum iteration_end bench_iterate(struct bench *b, struct vu *vu, int64_t deadline_ms)
{
    struct iteration iteration = {.scenario = b->scenarios.list[0],
                                  .deadline = clock_now() + deadline_ms * NSEC_PER_MSEC};

    return b->runner->ops->vu_run(vu, &iteration);
}

void bench_function(struct vu *vu, const char *name, JSCFunction *fn)
{
    JSValue global = JS_GetGlobalObject(vu->ctx);

    CHECK_EQ(host_set(vu->ctx, global, name, JS_NewCFunction(vu->ctx, fn, name, 0)), 0);
    JS_FreeValue(vu->ctx, global);
}

static double amount(const struct sink *s)
{
    if (s->type == METRIC_COUNTER)
        return s->sum;
    if (s->type == METRIC_RATE)
        return (double)s->rate.total;
    return s->type == METRIC_TREND && s->hist ? (double)hist_count(s->hist) : 0;
}

double bench_sum(const struct bench *b, const char *metric, const char *key, const char *value)
{
    double sum = 0;

    for (size_t i = 0; i < b->window->count; i++) {
        const struct window_series *s = &b->window->series[i];

        if (!str_eq_c(s->series->metric->name, metric))
            continue;
        if (key && !str_eq_c(tags_get(s->series->tags, str_of(key)), value))
            continue;
        sum += amount(&s->sink);
    }
    return sum;
}
