/* Making a run of its configuration, and freeing it. */
#include <sched.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/options.h"
#include "engine/run_internal.h"

enum { MOST_WORKERS = 256 };

static size_t count_workers(const struct run *run)
{
    int64_t wanted = options_int(run->config.options, OPTION_WORKERS);
    uint64_t vus = run_max_vus(run);
    cpu_set_t cpus;

    if (wanted <= 0) {
        wanted = 1;
        if (sched_getaffinity(0, sizeof cpus, &cpus) == 0)
            wanted = CPU_COUNT(&cpus);
        if ((uint64_t)wanted > vus)
            wanted = (int64_t)(vus ? vus : 1); /* one without a VU has nothing to do */
    }
    return wanted < MOST_WORKERS ? (size_t)wanted : MOST_WORKERS;
}

static tagset_id make_tags(struct run *run)
{
    const json_t *tags = options_object(run->config.options, OPTION_TAGS);
    const char *key;
    json_t *value;
    tagset_id set = 0;

    json_object_foreach((json_t *)(uintptr_t)tags, key, value)
    {
        tag_id tag = shard_tag(run->shard, str_of(key), str_of(json_string_value(value)));

        set = shard_tagset(run->shard, set, &tag, 1);
    }
    return set;
}

static void copy_part(struct run *run, const struct run_config *config)
{
    run->part = *config->part;
    if (run->part.done)
        run->part.done =
            mem_dup(config->part->done, config->scenarios->count * sizeof *run->part.done);
    run->config.part = &run->part;
}

struct run *run_new(const struct run_config *config, struct loop *loop)
{
    struct run *run = mem_zalloc(sizeof *run);
    struct shard_options shard = {.keep_samples = config->keep_samples};
    int64_t rps = options_int(config->options, OPTION_RPS);

    run->config = *config;
    run->loop = loop;
    if (config->part)
        copy_part(run, config);
    segment_init(&run->whole);
    run->segment = config->segment ? config->segment : &run->whole;
    run->worker_count = count_workers(run);
    run->workers = mem_calloc(run->worker_count, sizeof *run->workers);
    run->worker_list = mem_calloc(run->worker_count, sizeof(struct worker *));
    plan_init(&run->plan, config->scenarios, run->segment, run->worker_count);
    run_state_init(&run->state, config->scenarios, run->segment, (unsigned)run->worker_count,
                   rps > 0 ? (uint64_t)rps : 0);
    run->state.ids_in_test = config->part != NULL;
    atomic_store(&run->state.next_vu, run->plan.seats);
    run->shared = (struct worker_shared){
        .state = &run->state,
        .plan = &run->plan,
        .runner = config->runner,
        .options = config->options,
        .min_iteration_nsec = options_nsec(config->options, OPTION_MIN_ITERATION_DURATION),
        .main_loop = loop,
        .workers = run->worker_list,
        .count = run->worker_count,
        .arg = run,
        .on_ready = run_on_ready,
        .on_executed = run_on_executed,
        .on_aborted = run_on_aborted,
    };
    run->shard = shard_new(&shard);
    run->tags = make_tags(run);
    saturation_init(&run->saturation);
    timer_init(&run->grace, run_answers_overdue);
    run_reports_init(run);
    return run;
}

bool run_free(struct run *run)
{
    bool all_ended = true;
    int64_t deadline;

    if (!run)
        return true;
    deadline = clock_now() + run_answer_grace(run);
    for (size_t i = 0; i < run->worker_count; i++) {
        if (run->workers[i].worker && !run->workers[i].is_lost)
            worker_quit(run->workers[i].worker);
    }
    for (size_t i = 0; i < run->worker_count; i++) {
        struct run_worker *w = &run->workers[i];

        if (w->worker && (w->is_lost || !worker_join(w->worker, deadline)))
            all_ended = false;
    }
    if (!all_ended)
        return false;
    run_reports_deinit(run);
    shard_free(run->shard);
    saturation_deinit(&run->saturation);
    run_state_deinit(&run->state);
    plan_deinit(&run->plan);
    segment_deinit(&run->whole);
    mem_free((void *)run->worker_list);
    mem_free(run->workers);
    mem_free(run->setup_data);
    mem_free((void *)(uintptr_t)run->part.done);
    mem_free(run);
    return true;
}
