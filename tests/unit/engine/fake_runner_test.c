#include "fake_runner.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/segment.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "metrics/shard.h"
#include "metrics/window.h"

struct vu {
    struct fake *fake;
    struct worker_env *env;
    struct fiber *fiber; /* while it runs */
    uint64_t id;
    uint64_t id_in_test;
    bool interrupted;
    bool running;
};

static struct fake *fake_of(struct runner *runner)
{
    return CONTAINER_OF(runner, struct fake, base);
}

/* --- VUs ---------------------------------------------------------------------------------- */

static int worker_init(struct runner *runner, struct worker_env *env, struct diag *d)
{
    (void)env;
    (void)d;
    atomic_fetch_add(&fake_of(runner)->workers, 1);
    return 0;
}

static void worker_deinit(struct runner *runner, struct worker_env *env)
{
    (void)env;
    atomic_fetch_sub(&fake_of(runner)->workers, 1);
}

YIELDS static int vu_new(struct runner *runner, struct worker_env *env, uint64_t id,
                         uint64_t id_in_test, struct vu **out, struct diag *d)
{
    struct fake *f = fake_of(runner);

    if (f->init_nsec)
        CHECK(fiber_sleep_until(clock_now() + f->init_nsec) == 0);
    if (id == f->fail_vu)
        return diag_set(d, ERR_INVALID, "the init context of VU %llu threw",
                        (unsigned long long)id);
    *out = mem_zalloc(sizeof **out);
    **out = (struct vu){.fake = f, .env = env, .id = id, .id_in_test = id_in_test};
    atomic_fetch_add(&f->vus_made, 1);
    return 0;
}

static void vu_free(struct vu *vu)
{
    CHECK(!vu->running);
    atomic_fetch_add(&vu->fake->vus_freed, 1);
    mem_free(vu);
}

static void spin(struct vu *vu, const struct iteration *it, int64_t until)
{
    while (clock_now() < until && !vu->interrupted) {
        if (vu->fake->is_deaf ? atomic_load(&vu->fake->hears)
                              : clock_now() >= it->deadline || run_state_is_stopping(vu->env->run))
            vu->interrupted = true;
    }
}

YIELDS static void work(struct vu *vu, const struct iteration *it)
{
    const struct fake *f = vu->fake;
    size_t i = it->scenario->index;

    if (f->spins_for_ever || f->is_deaf)
        spin(vu, it, INT64_MAX);
    if (f->spin_nsec[i])
        spin(vu, it, clock_now() + f->spin_nsec[i]);
    if (f->sleep_nsec[i] && !vu->interrupted &&
        fiber_sleep_until(clock_now() + f->sleep_nsec[i]) != 0)
        vu->interrupted = true;
}

static void emit(struct vu *vu, const struct iteration *it, int64_t began)
{
    struct shard *shard = vu->env->shard;
    tag_id tag = shard_tag(shard, STR("scenario"), str_of(it->scenario->name));
    tagset_id tags = shard_tagset(shard, 0, &tag, 1);

    shard_add(shard, METRIC_ITERATIONS, tags, 1, clock_wall());
    shard_add(shard, METRIC_ITERATION_DURATION, tags, nsec_to_ms(clock_now() - began),
              clock_wall());
}

YIELDS static enum iteration_end vu_run(struct vu *vu, const struct iteration *it)
{
    struct fake *f = vu->fake;
    uint64_t at = atomic_fetch_add(&f->count, 1);
    int64_t began = clock_now();
    enum iteration_end end = ITERATION_DONE;
    bool aborts = f->abort_at && it->in_instance + 1 == f->abort_at;

    CHECK(!vu->running);
    CHECK(at < FAKE_RECORDS);
    vu->running = true;
    vu->fiber = fiber_current();
    vu->interrupted = false;
    work(vu, it);
    if (f->marks_failed)
        run_state_mark_failed(vu->env->run);
    if (aborts)
        run_state_abort(vu->env->run, RUN_ABORT_SCRIPT, "enough");
    vu->running = false;
    if (aborts)
        end = ITERATION_ABORT;
    else if (vu->interrupted)
        end = ITERATION_INTERRUPTED;
    else
        emit(vu, it, began);
    f->records[at] = (struct fake_record){
        vu->id,
        vu->id_in_test,
        it->scenario->index,
        vu->env->index,
        it->in_scenario_vu,
        it->in_instance,
        it->in_test,
        began - atomic_load(&vu->env->run->execution),
        clock_now() - atomic_load(&vu->env->run->execution),
        end,
    };
    return end;
}

static void vu_interrupt(struct vu *vu)
{
    CHECK(vu->running);
    vu->interrupted = true;
    fiber_cancel(vu->fiber);
}

/* --- setup() and teardown() --------------------------------------------------------------- */

YIELDS static int call(enum fake_call how, const char *name, struct diag *d)
{
    switch (how) {
    case FAKE_FAILS:
        return diag_set(d, ERR_INVALID, "%s threw", name);
    case FAKE_TIMES_OUT:
        return diag_set(d, ERR_TIMEOUT, "%s timed out", name);
    case FAKE_SLEEPS:
        return fiber_sleep_until(clock_now() + 20 * NSEC_PER_SEC);
    case FAKE_OK:
        break;
    }
    return 0;
}

YIELDS static int setup(struct runner *runner, struct worker_env *env, int64_t timeout_nsec,
                        char **json_out, struct diag *d)
{
    (void)env;
    CHECK(timeout_nsec > 0);
    atomic_fetch_add(&fake_of(runner)->setups, 1);
    *json_out = NULL;
    if (fake_of(runner)->setup == FAKE_OK)
        *json_out = mem_strdup("{\"token\":1}");
    return call(fake_of(runner)->setup, "setup", d);
}

static void set_setup_data(struct runner *runner, const char *json)
{
    fake_of(runner)->setup_data = json;
}

YIELDS static int teardown(struct runner *runner, struct worker_env *env, int64_t timeout_nsec,
                           struct diag *d)
{
    (void)env;
    CHECK(timeout_nsec > 0);
    CHECK(fiber_sleep_until(clock_now() + NSEC_PER_MSEC) == 0); /* parks also after an abort */
    atomic_fetch_add(&fake_of(runner)->teardowns, 1);
    return call(fake_of(runner)->teardown, "teardown", d);
}

YIELDS static int handle_summary(struct runner *runner, struct worker_env *env,
                                 const char *data_json, int64_t timeout_nsec, char **json_out,
                                 struct diag *d)
{
    (void)runner;
    (void)env;
    (void)timeout_nsec;
    (void)d;
    *json_out = mem_strdup(data_json);
    return 0;
}

static bool has_setup(const struct runner *runner)
{
    return ((const struct fake *)(const void *)runner)->has_setup;
}

static bool has_teardown(const struct runner *runner)
{
    return ((const struct fake *)(const void *)runner)->has_teardown;
}

static bool has_handle_summary(const struct runner *runner)
{
    (void)runner;
    return true;
}

static bool has_function(const struct runner *runner, struct str name)
{
    (void)runner;
    (void)name;
    return true;
}

static const struct runner_ops fake_ops = {
    .worker_init = worker_init,
    .worker_deinit = worker_deinit,
    .vu_new = vu_new,
    .vu_free = vu_free,
    .vu_run = vu_run,
    .vu_interrupt = vu_interrupt,
    .setup = setup,
    .set_setup_data = set_setup_data,
    .teardown = teardown,
    .handle_summary = handle_summary,
    .has_setup = has_setup,
    .has_teardown = has_teardown,
    .has_handle_summary = has_handle_summary,
    .has_function = has_function,
};

/* --- runs --------------------------------------------------------------------------------- */

void fake_init(struct fake *f)
{
    memset(f, 0, sizeof *f);
    f->base.ops = &fake_ops;
    f->records = mem_calloc(FAKE_RECORDS, sizeof *f->records);
    f->totals = totals_new();
}

void fake_deinit(struct fake *f)
{
    mem_free(f->summary);
    totals_free(f->totals);
    mem_free(f->records);
}

static void take_tick(void *arg, struct run_tick *tick)
{
    struct fake *f = arg;

    f->ticks++;
    for (size_t i = 0; i < tick->window_count; i++)
        totals_merge(f->totals, tick->windows[i], tick->second);
    if (f->on_tick)
        f->on_tick(f);
}

static void take_phase(void *arg, enum run_phase phase)
{
    struct fake *f = arg;

    if (f->on_phase)
        f->on_phase(f, phase);
}

static void take_over(void *arg)
{
    struct fake *f = arg;

    run_do_summary(f->run, "{}");
}

static void take_summary(void *arg, int err, char *json, struct diag *d)
{
    struct fake *f = arg;

    (void)d;
    CHECK_EQ(err, 0);
    f->summary = json;
    loop_stop(f->loop);
}

static void run_whole(struct fake *f)
{
    struct diag d = DIAG_INIT;
    char *json;

    run_test(f->run, &f->result);
    CHECK(run_handle_summary(f->run, "{}", &json, &d) == 0);
    CHECK(run_state_aborted(run_get_state(f->run)) == NULL || f->result.reason != RUN_ABORT_NONE);
    mem_free(json);
}

static void run_conducted(struct fake *f)
{
    run_begin(f->run);
    while (!f->summary)
        loop_run(f->loop);
    run_get_result(f->run, &f->result);
}

static void read_options(const char *text, struct options *out)
{
    struct diag d = DIAG_INIT;
    char *json = mem_strdup(text);
    json_t *tier;

    for (char *c = json; *c; c++) {
        if (*c == '\'')
            *c = '"';
    }
    tier = json_loads(json, 0, NULL);
    if (!tier)
        test_fail(__FILE__, __LINE__, "bad options in the test: %s", text);
    options_init(out);
    if (options_apply(out, TIER_FLAGS, tier, &d) != 0)
        test_fail(__FILE__, __LINE__, "options: %s", d.message);
    json_decref(tier);
    mem_free(json);
}

void fake_run(struct fake *f, const char *text, const char *segment_text, const char *sequence)
{
    /* Static: what a hung worker still uses is no leak. */
    static struct options options;
    static struct scenario_list scenarios;
    static struct segment segment;
    struct diag d = DIAG_INIT;
    struct loop *loop;

    read_options(text, &options);
    if (scenarios_derive(&options, &scenarios, &d) != 0)
        test_fail(__FILE__, __LINE__, "scenarios: %s", d.message);
    segment_init(&segment);
    if (segment_text)
        CHECK(segment_parse(str_of(segment_text), str_of(sequence), &segment, &d) == 0);
    CHECK(loop_new(&loop) == 0);
    f->loop = loop;
    f->run = run_new(
        &(struct run_config){
            .options = &options,
            .scenarios = &scenarios,
            .segment = &segment,
            .runner = &f->base,
            .part = f->part,
            .hooks = {f, take_phase, take_tick, take_over, take_summary},
        },
        loop);
    if (f->part)
        run_conducted(f);
    else
        run_whole(f);
    f->saturation = *run_saturation(f->run);
    atomic_store(&f->hears, true);
    f->all_ended = run_free(f->run);
    if (!f->all_ended)
        return; /* as a process would: what a hung worker uses stays */
    CHECK_EQ(f->vus_made, f->vus_freed);
    CHECK_EQ(f->workers, 0);
    loop_free(loop);
    segment_deinit(&segment);
    scenarios_deinit(&scenarios);
    options_deinit(&options);
}

double fake_metric(const struct fake *f, const char *name)
{
    const struct metric_total *m = totals_find(f->totals, str_of(name));

    if (!m || m->sink.is_empty)
        return 0;
    if (m->sink.type == METRIC_GAUGE)
        return m->sink.gauge.value;
    return sink_aggregate(&m->sink, (struct agg){AGG_COUNT, 0}, 1);
}

uint64_t fake_count(const struct fake *f, size_t scenario, enum iteration_end end)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < f->count; i++)
        count += f->records[i].scenario == scenario && f->records[i].end == end;
    return count;
}

uint64_t fake_distinct_vus(const struct fake *f, size_t scenario)
{
    static bool seen[FAKE_RECORDS];
    uint64_t count = 0;

    memset(seen, 0, sizeof seen);
    for (uint64_t i = 0; i < f->count; i++) {
        if (f->records[i].scenario != scenario || seen[f->records[i].vu])
            continue;
        seen[f->records[i].vu] = true;
        count++;
    }
    return count;
}
