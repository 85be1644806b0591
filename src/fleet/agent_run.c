/* One test on an agent: fetches the archive, loads it, makes its parts, and hands each what it
 * waits for. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/options.h"
#include "engine/scenario.h"
#include "fleet/agent_internal.h"
#include "fleet/host.h"
#include "fleet/message.h"
#include "fleet/outbox.h"
#include "loop/fiber.h"
#include "loop/offload.h"

#define FETCH_NSEC (60 * NSEC_PER_SEC)

/* --- loading -------------------------------------------------------------------------------- */

static void blob_of(const Gale__Fleet__Blob *message, struct blob_id *out)
{
    *out = (struct blob_id){.size = message->size};
    if (message->sha256.len == BLOB_HASH)
        memcpy(out->sha256, message->sha256.data, BLOB_HASH);
}

YIELDS static int fetch(struct agent_run *r, const Gale__Fleet__Blob *message, char **out,
                        struct diag *d)
{
    struct blob_id id;

    blob_of(message, &id);
    return blob_fetch(r->agent->bus, r->agent->ask_subject, &id, clock_now() + FETCH_NSEC, out, d);
}

struct loading {
    struct agent_run *run;
    struct host_load what;
    struct host_test *test;
    struct diag diag;
    int code;
};

static void load_offloaded(void *arg)
{
    struct loading *l = arg;
    const struct host *host = &l->run->agent->config.host;

    l->code = host->load(host->arg, &l->what, &l->test, &l->diag);
}

static void set_number(struct map *map, const char *name, uint64_t value)
{
    mem_free(map_set(map, str_of(name), mem_printf("%llu", (unsigned long long)value)));
}

static void set_text(struct map *map, const char *name, const char *value)
{
    mem_free(map_set(map, str_of(name), mem_strdup(value)));
}

/* Names as k6's cloud has them: k6.md, "Cloud names that scripts use, kept on a fleet". */
static void describe_instance(struct agent_run *r, struct map *env, struct map *tags)
{
    const struct agent_config *config = &r->agent->config;

    message_pairs_to_map(r->order->env, r->order->n_env, env);
    set_text(env, "K6_CLOUDRUN_LOAD_ZONE", config->region);
    set_number(env, "K6_CLOUDRUN_INSTANCE_ID", r->instance);
    set_text(env, "K6_CLOUDRUN_TEST_RUN_ID", r->id);
    if (!map_has(env, STR("K6_CLOUDRUN_DISTRIBUTION")))
        set_text(env, "K6_CLOUDRUN_DISTRIBUTION", config->region);
    set_text(tags, "load_zone", config->region);
    set_number(tags, "instance_id", r->instance);
}

YIELDS static int load(struct agent_run *r, struct diag *d)
{
    struct loading l = {.run = r};
    struct map env;
    struct map tags;

    map_init(&env);
    map_init(&tags);
    describe_instance(r, &env, &tags);
    l.what = (struct host_load){
        .archive = str_from(r->archive, r->order->archive->size),
        .env = &env,
        .tags = &tags,
        .scale_num = r->parts ? r->parts->scale_num : 1,
        .scale_den = r->parts ? r->parts->scale_den : 1,
    };
    offload_run(load_offloaded, &l);
    map_deinit_with(&env, mem_free);
    map_deinit_with(&tags, mem_free);
    r->test = l.test;
    *d = l.diag;
    return l.code;
}

static void begin_parts(struct agent_run *r)
{
    for (struct agent_part *p = r->parts; p; p = p->next) {
        if (!p->run && !p->is_over)
            agent_part_begin(p);
    }
}

static void fail_parts(struct agent_run *r, int code, struct diag *d)
{
    char *text = d->message ? diag_text(d) : mem_strdup("could not be loaded");

    r->load_failed = true;
    log_printf(LOG_ERROR, "%s", text);
    for (struct agent_part *p = r->parts; p; p = p->next)
        agent_part_fail(p, code, text);
    mem_free(text);
}

static void load_fiber(void *arg)
{
    struct agent_run *r = arg;
    struct diag d = DIAG_INIT;
    int err = r->order->archive ? fetch(r, r->order->archive, &r->archive, &d) : ERR_NOT_FOUND;
    int code = err ? EXIT_CODE_OTHER : load(r, &d);

    r->loader = NULL;
    if (code && !r->is_ending)
        fail_parts(r, code, &d);
    diag_deinit(&d);
    if (code == 0) {
        agent_data_init(r);
        begin_parts(r);
    }
    agent_run_drive(r);
}

/* --- what comes later ----------------------------------------------------------------------- */

/* Fetches a blob that the order names; false when it could not be had and will be tried again. */
YIELDS static bool fetch_json(struct agent_run *r, const Gale__Fleet__Blob *message, char **out)
{
    struct diag d = DIAG_INIT;
    struct blob_id id;
    int err;

    blob_of(message, &id);
    err = blob_fetch(r->agent->bus, r->agent->ask_subject, &id, clock_now() + FETCH_NSEC, out, &d);
    if (err && err != ERR_CANCELLED)
        log_printf(LOG_ERROR, "data of the run: %s", d.message ? d.message : err_text(err));
    diag_deinit(&d);
    return err == 0;
}

static void setup_fiber(void *arg)
{
    struct agent_run *r = arg;
    bool ok = !r->order->setup_data || fetch_json(r, r->order->setup_data, &r->setup_data);

    r->setup_fetcher = NULL;
    r->has_setup_data = ok;
    agent_run_drive(r);
}

static void summary_fiber(void *arg)
{
    struct agent_run *r = arg;

    if (r->order->summary_input)
        fetch_json(r, r->order->summary_input, &r->summary_input);
    r->summary_fetcher = NULL;
    agent_run_drive(r);
}

/* An order that lets parts run tells of setup()'s data, too. */
static void look_for_data(struct agent_run *r)
{
    const Gale__Fleet__Order *order = r->order;
    struct loop *loop = r->agent->config.loop;

    if (order->start_wall_nsec > 0 && !r->has_setup_data && !r->setup_fetcher) {
        if (order->setup_data)
            r->setup_fetcher = fiber_start(loop, setup_fiber, r);
        else
            r->has_setup_data = true;
    }
    if (order->summary_input && !r->summary_input && !r->summary_fetcher)
        r->summary_fetcher = fiber_start(loop, summary_fiber, r);
}

/* --- orders --------------------------------------------------------------------------------- */

static struct agent_part *find_part(const struct agent_run *r, uint32_t id)
{
    for (struct agent_part *p = r->parts; p; p = p->next) {
        if (p->id == id)
            return p;
    }
    return NULL;
}

static void take_part(struct agent_run *r, const Gale__Fleet__Part *wanted)
{
    struct agent_part *p = find_part(r, wanted->id);

    if (!p) {
        struct agent_part **last = &r->parts;

        while (*last)
            last = &(*last)->next;
        p = *last = agent_part_new(r, wanted);
        if (r->load_failed)
            agent_part_fail(p, EXIT_CODE_OTHER, "the test could not be loaded");
        else if (r->test)
            agent_part_begin(p);
    }
    p->step = wanted->step;
    p->leads = wanted->leads;
    p->join.join_nsec = wanted->join_nsec;
    p->join.from_nsec = wanted->from_nsec;
    if (p->run && wanted->until_nsec > 0)
        run_leave(p->run, wanted->until_nsec);
    if (p->run)
        run_set_join(p->run, wanted->join_nsec, wanted->from_nsec);
}

/* Parts that the order does not name are somebody else's now. */
static void fence(struct agent_run *r)
{
    for (struct agent_part *p = r->parts; p; p = p->next) {
        bool wanted = false;

        for (size_t i = 0; i < r->order->n_parts; i++)
            wanted |= r->order->parts[i]->id == p->id;
        if (wanted || p->is_fenced)
            continue;
        p->is_fenced = true;
        log_printf(LOG_WARN, "part %u was given to others: stopping it", p->id);
        agent_part_abort(p, RUN_ABORT_INTERNAL, "it was given to other agents");
    }
}

static void take_stop(struct agent_run *r)
{
    const Gale__Fleet__Order *order = r->order;
    const char *message =
        order->stop_message && order->stop_message[0] ? order->stop_message : NULL;

    for (struct agent_part *p = r->parts; order->stop && p; p = p->next)
        agent_part_abort(p, (enum run_abort_reason)order->stop_reason, message);
}

static void free_order(Gale__Fleet__Order *order)
{
    if (order)
        gale__fleet__order__free_unpacked(order, NULL);
}

void agent_run_order(struct agent_run *r, Gale__Fleet__Order *order)
{
    free_order(r->order); /* fibers copy what they need of it before they park */
    r->order = order;
    r->epoch = order->epoch;
    for (size_t i = 0; i < order->n_parts; i++)
        take_part(r, order->parts[i]);
    fence(r);
    take_stop(r);
    look_for_data(r);
    agent_run_drive(r);
}

struct agent_run *agent_run_new(struct agent *a, Gale__Fleet__Order *order)
{
    struct agent_run *r = mem_zalloc(sizeof *r);

    r->agent = a;
    r->id = mem_strdup(order->run);
    r->subject = mem_printf("gale.agent.%s.data.%s", a->config.id, r->id);
    r->instance = order->instance;
    log_printf(LOG_INFO, "run %s: %zu part%s", r->id, order->n_parts,
               order->n_parts == 1 ? "" : "s");
    agent_run_order(r, order);
    r->loader = fiber_start(a->config.loop, load_fiber, r);
    return r;
}

/* --- the end -------------------------------------------------------------------------------- */

static void free_run(void *arg)
{
    struct agent_run *r = arg;
    struct agent *a = r->agent;
    const struct host *host = &a->config.host;
    bool all_ended = true;

    for (struct agent_part *p = r->parts, *next; p; p = next) {
        next = p->next;
        all_ended &= agent_part_free(p);
    }
    if (!all_ended) {
        log_printf(LOG_ERROR, "a script can't be stopped: this agent ends, start it again");
        _exit(EXIT_CODE_OTHER);
    }
    agent_data_deinit(r);
    if (r->test)
        host->unload(host->arg, r->test);
    free_order(r->order);
    mem_free(r->archive);
    mem_free(r->setup_data);
    mem_free(r->summary_input);
    mem_free(r->subject);
    log_printf(LOG_INFO, "run %s: over", r->id);
    mem_free(r->id);
    mem_free(r);
    agent_run_gone(a);
}

static void end_if_over(struct agent_run *r)
{
    if (!r->is_ending || r->loader || r->setup_fetcher || r->summary_fetcher || r->is_freeing)
        return;
    for (struct agent_part *p = r->parts; p; p = p->next) {
        if (p->run && !p->is_over)
            return;
    }
    r->is_freeing = true;
    agent_data_flush(r);
    loop_post(r->agent->config.loop, free_run, r); /* not from within a hook of its runs */
}

bool agent_run_is_busy(const struct agent_run *r)
{
    for (const struct agent_part *p = r->parts; p; p = p->next) {
        if (!p->is_over)
            return true;
    }
    return false;
}

void agent_run_drive(struct agent_run *r)
{
    for (struct agent_part *p = r->parts; p; p = p->next) {
        if (p->is_fenced || r->is_ending) {
            if (p->run && !p->is_over)
                run_do_end(p->run); /* once its iterations have ended */
        } else {
            agent_part_drive(p);
        }
    }
    end_if_over(r);
}

void agent_run_end(struct agent_run *r, bool detach)
{
    r->is_ending = true;
    r->is_detached |= detach;
    if (r->loader)
        fiber_cancel(r->loader);
    if (r->setup_fetcher)
        fiber_cancel(r->setup_fetcher);
    if (r->summary_fetcher)
        fiber_cancel(r->summary_fetcher);
    for (struct agent_part *p = r->parts; p; p = p->next)
        agent_part_abort(p, RUN_ABORT_INTERNAL, NULL);
    agent_run_drive(r);
}

/* --- its status ----------------------------------------------------------------------------- */

static void part_status(struct agent_part *p, Gale__Fleet__PartStatus *out)
{
    gale__fleet__part_status__init(out);
    out->id = p->id;
    out->stage = p->stage;
    out->exit_code = (uint32_t)p->exit_code;
    out->error = p->error ? p->error : out->error;
    if (p->run) {
        const struct run_state *state = run_get_state(p->run);
        const struct run_abort *abort = run_state_aborted(state);
        int64_t execution = atomic_load(&state->execution);

        out->vus = run_state_vus_active(state);
        out->vus_max = run_state_vus_initialised(state);
        out->completed = run_state_completed(state);
        out->interrupted = run_state_interrupted(state);
        out->marked_failed = run_state_is_marked_failed(state);
        if (execution && clock_now() >= execution)
            out->began_wall_nsec = agent_wall(p->owner->agent, execution);
        if (abort) {
            out->abort_reason = (uint32_t)abort->reason;
            out->abort_message = abort->message ? abort->message : out->abort_message;
        }
    }
}

void agent_run_status(struct agent_run *r, Gale__Fleet__RunStatus *out)
{
    struct outbox_stats stats;
    size_t count = 0;

    gale__fleet__run_status__init(out);
    outbox_stats(r->agent->outbox, &stats);
    out->run = r->id;
    out->epoch = r->epoch;
    out->sequence = r->sequence;
    out->acknowledged = stats.acknowledged < r->sequence ? stats.acknowledged : r->sequence;
    for (struct agent_part *p = r->parts; p; p = p->next)
        count++;
    out->parts = mem_calloc(count + 1, sizeof(Gale__Fleet__PartStatus *));
    for (struct agent_part *p = r->parts; p; p = p->next) {
        if (p->is_fenced)
            continue;
        out->parts[out->n_parts] = mem_alloc(sizeof **out->parts);
        part_status(p, out->parts[out->n_parts++]);
    }
}

void agent_run_status_free(Gale__Fleet__RunStatus *status)
{
    for (size_t i = 0; i < status->n_parts; i++)
        mem_free(status->parts[i]);
    mem_free((void *)status->parts);
}
