/* A run's parts together: what agents say goes to the conductor, what they measured to the
 * collector, and what comes of both to whoever watches. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/short_id.h"
#include "engine/run.h"
#include "fleet/blob_store.h"
#include "fleet/bus.h"
#include "fleet/controller.h"
#include "fleet/delivery.h"
#include "fleet/fleet_run_internal.h"
#include "fleet/message.h"
#include "fleet/scoring.h"
#include "metrics/totals.h"
#include "output/exemplars.h"
#include "output/export.h"

enum { FOLLOW_BYTES = 32 * 1024 * 1024 };

#define OUTPUT_MAX ((size_t)256 * 1024 * 1024)
/* Beside the script's own time for it. */
#define SUMMARY_GRACE (15 * NSEC_PER_SEC)

static void tell(struct fleet_run *r, struct controller_news news)
{
    news.run = r;
    r->config.tell(r->config.arg, &news);
}

/* Of the run, for the collector: from the start of the scenarios. */
static int64_t run_time(const struct fleet_run *r)
{
    int64_t start = r->conductor ? conductor_start_wall(r->conductor) : 0;

    return start ? clock_wall() - start : -1;
}

/* --- the timeline --------------------------------------------------------------------------- */

static void add_event(struct fleet_run *r, enum fleet_event_kind kind, const char *region,
                      const char *agent, const char *text)
{
    struct fleet_event *e;

    if (r->event_count == FLEET_RUN_EVENTS)
        return;
    if (r->event_count == r->event_cap) {
        r->event_cap = r->event_cap ? r->event_cap * 2 : 32;
        r->events = mem_reallocarray(r->events, r->event_cap, sizeof *r->events);
    }
    e = &r->events[r->event_count++];
    *e = (struct fleet_event){r->event_count,     clock_wall(),      kind,
                              mem_strdup(region), mem_strdup(agent), mem_strdup(text)};
    log_printf(kind == FLEET_EVENT_PHASE ? LOG_DEBUG : LOG_INFO, "run %s: %s", r->id, text);
    tell(r, (struct controller_news){.kind = NEWS_EVENT, .event = e});
}

void fleet_run_note(struct fleet_run *r, const char *text)
{
    add_event(r, FLEET_EVENT_NOTE, NULL, NULL, text);
}

static void on_event(void *arg, enum fleet_event_kind kind, const char *region, const char *agent,
                     const char *text)
{
    struct fleet_run *r = arg;

    r->is_dirty = true;
    add_event(r, kind, region, agent, text);
}

static void add_log(struct fleet_run *r, const Gale__Fleet__Data *data,
                    const Gale__Fleet__LogLine *line)
{
    struct fleet_log *l;

    if (r->log_count == FLEET_RUN_LOGS) {
        r->logs_dropped++;
        return;
    }
    if (r->log_count == r->log_cap) {
        r->log_cap = r->log_cap ? r->log_cap * 2 : 64;
        r->logs = mem_reallocarray(r->logs, r->log_cap, sizeof *r->logs);
    }
    l = &r->logs[r->log_count++];
    *l = (struct fleet_log){
        .id = r->log_count,
        .wall_nsec = line->wall_nsec,
        .level = line->level <= LOG_DEBUG ? (enum log_level)line->level : LOG_INFO,
        .region = mem_strdup(data->region),
        .agent = mem_strdup(data->agent),
        .text = mem_strdup(line->text),
    };
    tell(r, (struct controller_news){.kind = NEWS_LOG, .log = l});
}

/* --- measurements --------------------------------------------------------------------------- */

static bool is_entitled(void *arg, const struct collector_origin *from)
{
    const struct fleet_run *r = arg;

    for (size_t i = 0; i < r->fence_count; i++) {
        if (str_eq_c(from->boot, r->fences[i].boot) && r->current_sequence > r->fences[i].sequence)
            return false;
    }
    return true;
}

static void judge(struct fleet_run *r)
{
    int64_t run_nsec = fleet_run_duration(r, clock_wall());
    struct threshold_verdict verdict;

    if (r->thresholds.count == 0)
        return;
    verdict = threshold_evaluate(&r->thresholds, run_nsec, false);
    tell(r, (struct controller_news){.kind = NEWS_THRESHOLDS});
    if (verdict.abort)
        fleet_run_stop(r, RUN_ABORT_THRESHOLD, NULL);
}

static void on_second(void *arg, int64_t second)
{
    struct fleet_run *r = arg;
    struct second_numbers numbers;

    if (!collector_numbers(r->collector, NULL, second, &numbers))
        numbers = (struct second_numbers){.p95 = NAN};
    if (numbers.saturated > 0)
        r->saturated_seconds++;
    fleet_run_deliver_second(r, second, numbers.http_reqs > 0 ? numbers.p95 : NAN);
    tell(r, (struct controller_news){.kind = NEWS_SECOND, .second = second});
    judge(r);
}

static void on_window(void *arg, int64_t second, const char *region, const struct window *w,
                      bool is_late)
{
    struct fleet_run *r = arg;

    if (region) {
        exemplars_take(r->exemplars, w, second);
        fleet_run_deliver_window(r, second, w);
        tell(r, (struct controller_news){
                    .kind = NEWS_WINDOW, .second = second, .region = region, .window = w});
    }
    if (is_late)
        tell(r, (struct controller_news){.kind = NEWS_SECOND, .second = second, .is_late = true});
}

static void on_logs(void *arg, const struct Gale__Fleet__Data *data)
{
    struct fleet_run *r = arg;

    for (size_t i = 0; i < data->n_logs; i++)
        add_log(r, data, data->logs[i]);
    r->logs_dropped += data->logs_dropped;
}

static void on_poison(void *arg, struct str agent, const char *why)
{
    struct fleet_run *r = arg;
    char *text = mem_printf("a message of %.*s was passed over: %s", STR_ARG(agent), why);

    add_event(r, FLEET_EVENT_NOTE, NULL, NULL, text);
    mem_free(text);
}

static bool asks_for_instances(const struct options *options)
{
    const json_t *all = options_object(options, OPTION_THRESHOLDS);
    const char *selector;
    json_t *list;

    json_object_foreach((json_t *)(uintptr_t)all, selector, list)
    {
        if (strstr(selector, "instance_id"))
            return true;
    }
    return false;
}

/* --- outputs of setup() and handleSummary() -------------------------------------------------- */

static void take_output(struct fleet_run *r, const Gale__Fleet__Output *output)
{
    bool is_setup = output->stage == GALE__FLEET__STAGE__STAGE_SETUP_DONE;
    struct buf *buf = is_setup ? &r->setup_output : &r->summary_output;
    bool *has = is_setup ? &r->has_setup_output : &r->has_summary_output;
    struct blob_id blob = {.size = 0};
    char **json = is_setup ? &r->setup_json : &r->custom_summary;

    if (*has || output->total > OUTPUT_MAX)
        return;
    buf_append(buf, output->data.data, output->data.len);
    if (buf->len < output->total)
        return;
    *has = true;
    *json = output->none ? NULL : str_dup(buf_str(buf));
    if (is_setup && *json) {
        blob_store_put(r->config.blobs, str_of(*json), &blob);
        r->setup_blob = blob;
    }
    buf_deinit(buf);
    conductor_output(r->conductor, output->stage, *json, &blob);
    r->is_dirty = true;
}

/* --- data ----------------------------------------------------------------------------------- */

/* Of a part, by scenario; made if need be. */
static struct scenario_done *done_of(struct fleet_run *r, uint32_t part)
{
    struct scenario_done *done;
    char key[16];

    snprintf(key, sizeof key, "%u", part);
    done = map_get(&r->done, str_of(key));
    if (!done) {
        done = mem_calloc(r->prepared->scenarios.count + 1, sizeof *done);
        map_set(&r->done, str_of(key), done);
    }
    return done;
}

static void note_progress(struct fleet_run *r, const Gale__Fleet__Data *data)
{
    for (size_t i = 0; i < data->n_done; i++) {
        const Gale__Fleet__Done *d = data->done[i];
        struct scenario_done *done = done_of(r, d->part);

        for (size_t j = 0; j < r->prepared->scenarios.count; j++) {
            if (strcmp(d->scenario, r->scenario_names[j]) == 0 &&
                d->iterations + d->dropped > done[j].completed + done[j].dropped)
                done[j] = (struct scenario_done){d->iterations, d->dropped, 0};
        }
    }
}

/* "gale.agent.ID.data.RUN": NATS has let nobody else use that subject. */
static struct str agent_of_subject(struct str subject)
{
    str_cut(&subject, '.');
    str_cut(&subject, '.');
    return str_cut(&subject, '.');
}

/* One that has nothing left to say is not waited for. */
static void unexpect_if_ended(struct fleet_run *r, const char *agent)
{
    for (size_t i = 0; i < conductor_part_count(r->conductor); i++) {
        struct conductor_part_view part;

        conductor_part(r->conductor, i, &part);
        if (part.agent && strcmp(part.agent, agent) == 0 && !part.is_lost && !part.is_ended)
            return;
    }
    collector_unexpect(r->collector, agent);
}

static void on_data(void *arg, const struct bus_message *m)
{
    struct fleet_run *r = arg;
    struct str agent = agent_of_subject(m->subject);
    Gale__Fleet__Data *data;

    r->current_sequence = m->sequence;
    r->last_sequence = m->sequence;
    if (collector_take(r->collector, agent, m->data, run_time(r)) != COLLECTOR_TAKEN)
        return;
    data = gale__fleet__data__unpack(NULL, m->data.len, (const uint8_t *)m->data.ptr);
    if (!data)
        return;
    note_progress(r, data);
    for (size_t i = 0; i < data->n_outputs; i++)
        take_output(r, data->outputs[i]);
    for (size_t i = 0; i < data->n_ended; i++)
        conductor_ended(r->conductor, data->ended[i]);
    if (data->n_ended > 0)
        unexpect_if_ended(r, data->agent);
    gale__fleet__data__free_unpacked(data, NULL);
}

int fleet_run_follow(struct fleet_run *r, struct diag *d)
{
    char *subject = mem_printf("gale.agent.*.data.%s", r->id);
    int err = bus_stream_follow(r->config.bus,
                                &(struct bus_follow){"GALE_DATA", subject, 1, FOLLOW_BYTES},
                                on_data, r, &r->data);

    mem_free(subject);
    return err ? diag_set(d, err, "the run's data can't be followed: %s", err_text(err)) : 0;
}

/* --- the conductor's hooks ------------------------------------------------------------------ */

static void expect_agents(struct fleet_run *r)
{
    for (size_t i = 0; i < conductor_part_count(r->conductor); i++) {
        struct conductor_part_view part;

        conductor_part(r->conductor, i, &part);
        if (part.agent && !part.is_lost && !part.is_orphan &&
            part.stage < GALE__FLEET__STAGE__STAGE_EXECUTED)
            collector_expect(r->collector, part.agent, part.region, 0);
    }
}

static void on_phase(void *arg, enum fleet_phase phase)
{
    struct fleet_run *r = arg;

    r->is_dirty = true;
    if (phase == FLEET_SETUP)
        r->started_wall = clock_wall();
    if (phase == FLEET_RUNNING) {
        collector_started(r->collector, conductor_start_wall(r->conductor));
        if (r->delivery)
            delivery_started(r->delivery, conductor_start_wall(r->conductor));
        expect_agents(r);
    }
    add_event(r, FLEET_EVENT_PHASE, NULL, NULL, fleet_phase_name(phase));
    if (phase == FLEET_OVER && fleet_run_end_delivery(r))
        fleet_run_finish(r);
    tell(r, (struct controller_news){.kind = NEWS_RUN});
}

static const struct planner_agent *on_agents(void *arg, size_t *count)
{
    struct fleet_run *r = arg;

    return r->config.agents(r->config.arg, count);
}

static void on_progress(void *arg, uint32_t part, struct part_progress *out)
{
    struct fleet_run *r = arg;

    *out = (struct part_progress){
        .done = done_of(r, part),
        .scenario_count = r->prepared->scenarios.count,
        .names = r->scenario_names,
    };
}

static void on_fence(void *arg, const char *agent, const char *boot)
{
    struct fleet_run *r = arg;

    r->fences = mem_reallocarray(r->fences, r->fence_count + 1, sizeof *r->fences);
    r->fences[r->fence_count].agent = mem_strdup(agent);
    r->fences[r->fence_count].boot = mem_strdup(boot);
    r->fences[r->fence_count++].sequence = r->last_sequence;
    collector_unexpect(r->collector, agent);
    r->is_dirty = true;
}

static void on_collected(void *arg)
{
    struct fleet_run *r = arg;
    struct export_input in;
    char *json;

    if (r->asked_summary)
        return;
    r->asked_summary = true;
    r->ended_wall = clock_wall();
    collector_finish(r->collector);
    fleet_run_end_delivery(r);
    threshold_evaluate(&r->thresholds, fleet_run_duration(r, r->ended_wall), true);
    in = fleet_run_export_input(r);
    json = export_handle_summary(&in);
    blob_store_put(r->config.blobs, str_of(json), &r->summary_blob);
    mem_free(json);
    conductor_summarise(r->conductor, &r->summary_blob,
                        options_nsec(&r->prepared->options, OPTION_HANDLE_SUMMARY_TIMEOUT) +
                            SUMMARY_GRACE);
}

static struct conductor_hooks hooks_of(struct fleet_run *r)
{
    return (struct conductor_hooks){
        .arg = r,
        .phase = on_phase,
        .event = on_event,
        .agents = on_agents,
        .progress = on_progress,
        .fence = on_fence,
        .collected = on_collected,
    };
}

/* --- the end -------------------------------------------------------------------------------- */

static void say_crossed(struct fleet_run *r)
{
    struct buf names = BUF_INIT(SIZE_MAX);
    char *text;

    scoring_crossed(&r->thresholds, &names);
    text = mem_printf("thresholds on metrics '%.*s' have been crossed", STR_ARG(buf_str(&names)));
    add_event(r, FLEET_EVENT_CROSSED, NULL, NULL, text);
    mem_free(text);
    buf_deinit(&names);
}

void fleet_run_forget_data(struct fleet_run *r)
{
    char *subject = mem_printf("gale.agent.*.data.%s", r->id);

    bus_unsubscribe(r->data);
    r->data = NULL;
    bus_stream_purge(r->config.bus, "GALE_DATA", subject);
    blob_store_drop(r->config.blobs, &r->archive);
    if (r->setup_json)
        blob_store_drop(r->config.blobs, &r->setup_blob);
    if (r->asked_summary)
        blob_store_drop(r->config.blobs, &r->summary_blob);
    mem_free(subject);
}

void fleet_run_finish(struct fleet_run *r)
{
    struct conductor_outcome *o = &r->outcome;
    bool any_failed = false;

    if (r->is_over)
        return;
    conductor_outcome(r->conductor, o);
    if (r->ended_wall == 0)
        r->ended_wall = clock_wall();
    for (size_t i = 0; i < r->thresholds.count; i++)
        any_failed |= !r->thresholds.list[i]->ok;
    if (any_failed && r->asked_summary) {
        say_crossed(r);
        if (o->exit_code == EXIT_CODE_OK || o->exit_code == EXIT_CODE_MARKED_FAILED)
            o->exit_code = EXIT_CODE_THRESHOLDS;
    }
    fleet_run_prepare_reports(r);
    r->is_over = true;
    r->is_dirty = false;
    log_printf(LOG_INFO, "run %s: over, exit code %d", r->id, o->exit_code);
    r->config.changed(r->config.arg, r);
}

/* --- making --------------------------------------------------------------------------------- */

static int set_up_scoring(struct fleet_run *r, struct diag *d)
{
    const struct options *options = &r->prepared->options;
    struct collector_config config = {
        .run = r->id,
        .keep_instances = asks_for_instances(options),
        .events = {is_entitled, on_window, on_second, on_logs, on_poison, r},
    };
    int err;

    r->collector = collector_new(&config);
    r->exemplars = exemplars_new();
    collector_totals(r->collector)->keeps_blocks = true;
    err = scoring_compile(options, &r->prepared->metrics, r->without_thresholds,
                          collector_totals(r->collector), &r->thresholds, d);
    if (err == 0)
        err = scoring_summary(options, r->summary_mode, &r->summary, d);
    if (err == 0)
        collector_totals(r->collector)->without_scopes = r->summary.mode != SUMMARY_FULL;
    fleet_run_set_baseline(r);
    return err;
}

static struct fleet_run *make(const struct fleet_run_config *config, struct prepared *prepared)
{
    struct fleet_run *r = mem_zalloc(sizeof *r);
    size_t count = prepared->scenarios.count;

    r->config = *config;
    r->prepared = prepared;
    r->delivered = INT64_MIN;
    map_init(&r->done);
    map_init(&r->emulated);
    buf_init(&r->setup_output, OUTPUT_MAX);
    buf_init(&r->summary_output, OUTPUT_MAX);
    r->scenario_names = mem_calloc(count + 1, sizeof *r->scenario_names);
    for (size_t i = 0; i < count; i++)
        r->scenario_names[i] = prepared->scenarios.list[i]->name;
    return r;
}

static struct conductor_config conductor_config(struct fleet_run *r)
{
    return (struct conductor_config){
        .run = r->id,
        .plan = &r->plan,
        .archive = r->archive,
        .on_loss = r->on_loss,
        .duration_nsec = scenarios_duration(&r->prepared->scenarios),
        .hooks = hooks_of(r),
    };
}

struct fleet_run *fleet_run_new(const struct fleet_run_config *config, struct run_request *request,
                                const struct fleet_plan *plan, struct diag *d)
{
    struct fleet_run *r = make(config, request->prepared);
    struct conductor_config conducted;

    r->created_wall = clock_wall();
    short_id_new(r->created_wall, r->id);
    r->extra = request->extra;
    r->settings = request->settings;
    fleet_run_deliver(r, request->delivery);
    r->on_loss = request->on_loss;
    r->summary_mode = mem_strdup(request->summary_mode ? request->summary_mode : "compact");
    r->without_thresholds = request->without_thresholds;
    shares_deinit(&request->shares);
    fleet_run_set_plan(r, plan);
    if (set_up_scoring(r, d)) {
        fleet_run_free(r);
        return NULL;
    }
    blob_store_put(config->blobs, str_from(r->prepared->archive, r->prepared->archive_len),
                   &r->archive);
    conducted = conductor_config(r);
    r->conductor = conductor_new(&conducted);
    add_event(r, FLEET_EVENT_PHASE, NULL, NULL, fleet_phase_name(FLEET_INIT));
    return r;
}

void fleet_run_free(struct fleet_run *r)
{
    if (!r)
        return;
    bus_unsubscribe(r->data);
    delivery_free(r->delivery);
    conductor_free(r->conductor);
    fleet_run_free_reports(r);
    threshold_set_deinit(&r->thresholds);
    summary_stats_deinit(&r->summary);
    exemplars_free(r->exemplars);
    collector_free(r->collector);
    for (size_t i = 0; i < r->event_count; i++) {
        mem_free(r->events[i].region);
        mem_free(r->events[i].agent);
        mem_free(r->events[i].text);
    }
    for (size_t i = 0; i < r->log_count; i++) {
        mem_free(r->logs[i].region);
        mem_free(r->logs[i].agent);
        mem_free(r->logs[i].text);
    }
    for (size_t i = 0; i < r->fence_count; i++) {
        mem_free(r->fences[i].agent);
        mem_free(r->fences[i].boot);
    }
    map_deinit_with(&r->done, mem_free);
    map_deinit(&r->emulated);
    fleet_run_free_plans(r);
    prepared_free(r->prepared);
    json_decref(r->extra);
    json_decref(r->settings);
    mem_free(r->findings);
    buf_deinit(&r->setup_output);
    buf_deinit(&r->summary_output);
    mem_free((void *)r->scenario_names);
    mem_free(r->fences);
    mem_free(r->events);
    mem_free(r->logs);
    mem_free(r->setup_json);
    mem_free(r->custom_summary);
    mem_free(r->summary_mode);
    mem_free(r);
}

/* --- what comes in -------------------------------------------------------------------------- */

void fleet_run_status(struct fleet_run *r, const Gale__Fleet__Status *status, struct moment now)
{
    if (status->emulated[0])
        fleet_run_set_emulated(r, status->region);
    conductor_status(r->conductor, status, now);
}

void fleet_run_agent_lost(struct fleet_run *r, const char *agent, const char *why,
                          struct moment now)
{
    collector_unexpect(r->collector, agent);
    conductor_lost(r->conductor, agent, why, now);
    if (conductor_phase(r->conductor) == FLEET_RUNNING)
        expect_agents(r);
    r->is_dirty = true;
}

void fleet_run_tick(struct fleet_run *r, struct moment now)
{
    uint64_t epoch = conductor_epoch(r->conductor);

    collector_tick(r->collector, run_time(r));
    conductor_tick(r->conductor, now);
    if (conductor_epoch(r->conductor) != epoch && conductor_phase(r->conductor) == FLEET_RUNNING)
        expect_agents(r);
    fleet_run_note_spread(r);
    if (r->is_over && r->data && !r->is_held)
        fleet_run_forget_data(r);
    if (r->is_dirty) {
        r->is_dirty = false;
        r->config.changed(r->config.arg, r);
    }
}

void fleet_run_order(const struct fleet_run *r, const char *agent, Gale__Fleet__Order *out)
{
    conductor_order(r->conductor, agent, out);
}

bool fleet_run_has_agent(const struct fleet_run *r, const char *agent)
{
    for (size_t i = 0; i < conductor_part_count(r->conductor); i++) {
        struct conductor_part_view part;

        conductor_part(r->conductor, i, &part);
        if (!part.is_lost && part.agent && strcmp(part.agent, agent) == 0)
            return true;
    }
    return false;
}

void fleet_run_stop(struct fleet_run *r, enum run_abort_reason reason, const char *message)
{
    conductor_stop(r->conductor, reason, message);
    r->is_dirty = true;
}

uint64_t fleet_run_epoch(const struct fleet_run *r)
{
    return conductor_epoch(r->conductor);
}

/* --- coming back ---------------------------------------------------------------------------- */

static json_t *request_json(const struct fleet_run *r)
{
    json_t *json = json_pack("{s:s, s:s, s:b, s:i, s:I}", "name", r->prepared->name, "summary_mode",
                             r->summary_mode, "without_thresholds", (int)r->without_thresholds,
                             "on_loss", (int)r->on_loss, "started", (json_int_t)r->started_wall);

    if (r->extra)
        json_object_set(json, "extra", r->extra);
    if (r->settings)
        json_object_set(json, "settings", r->settings);
    json_object_set_new(json, "delivered", json_integer(r->delivered));
    return json;
}

void fleet_run_save(const struct fleet_run *r, struct buf *out)
{
    Gale__Fleet__RunRecord record = GALE__FLEET__RUN_RECORD__INIT;
    json_t *json = request_json(r);

    conductor_save(r->conductor, &record);
    record.request = json_dumps(json, JSON_COMPACT);
    record.created_wall_nsec = r->created_wall;
    record.fences = mem_calloc(r->fence_count + 1, sizeof(Gale__Fleet__Fence *));
    for (size_t i = 0; i < r->fence_count; i++) {
        Gale__Fleet__Fence *fence = mem_alloc(sizeof *fence);

        gale__fleet__fence__init(fence);
        fence->agent = r->fences[i].agent;
        fence->boot = r->fences[i].boot;
        fence->sequence = r->fences[i].sequence;
        record.fences[record.n_fences++] = fence;
    }
    message_pack(&record.base, out);
    for (size_t i = 0; i < record.n_fences; i++)
        mem_free(record.fences[i]);
    mem_free((void *)record.fences);
    free(record.request);
    conductor_record_free(&record);
    json_decref(json);
}

/* The plan of the parts that the run began with, or that its load was spread over since: for
 * people. */
static void plan_of_record(struct fleet_run *r, const Gale__Fleet__RunRecord *record)
{
    struct fleet_part *parts = mem_calloc(record->n_parts + 1, sizeof *parts);
    struct fleet_plan plan = {.parts = parts};

    for (size_t i = 0; i < record->n_parts; i++) {
        const Gale__Fleet__PartRecord *p = record->parts[i];

        if (p->part->join_nsec != p->part->from_nsec || p->part->until_nsec > 0 ||
            (p->part->n_replaces > 0 && p->part->join_nsec == 0))
            continue;
        parts[plan.count++] = (struct fleet_part){
            .id = p->part->id,
            .agent = p->agent,
            .region = p->region,
            .vus = p->vus,
            .rate = p->rate,
        };
        plan.load.vus += p->vus;
        plan.load.rate += p->rate;
        plan.scale_num = p->part->scale_num;
        plan.scale_den = p->part->scale_den;
    }
    fleet_run_set_plan(r, &plan);
    mem_free(parts);
}

static void read_request(struct fleet_run *r, const char *text)
{
    json_t *json = json_loads(text ? text : "{}", 0, NULL);
    const char *mode = json_string_value(json_object_get(json, "summary_mode"));
    const char *name = json_string_value(json_object_get(json, "name"));

    r->summary_mode = mem_strdup(mode ? mode : "compact");
    r->without_thresholds = json_is_true(json_object_get(json, "without_thresholds"));
    r->on_loss = json_integer_value(json_object_get(json, "on_loss")) == LOSS_ABORT ? LOSS_ABORT
                                                                                    : LOSS_CONTINUE;
    r->started_wall = json_integer_value(json_object_get(json, "started"));
    r->extra = json_incref(json_object_get(json, "extra"));
    r->settings = json_incref(json_object_get(json, "settings"));
    if (r->settings)
        r->delivered = json_integer_value(json_object_get(json, "delivered"));
    if (name) {
        mem_free(r->prepared->name);
        r->prepared->name = mem_strdup(name);
    }
    json_decref(json);
}

struct fleet_run *fleet_run_load(const struct fleet_run_config *config,
                                 const Gale__Fleet__RunRecord *record, struct prepared *prepared,
                                 struct delivery *delivery, struct diag *d)
{
    struct fleet_run *r = make(config, prepared);
    struct conductor_config conducted;

    snprintf(r->id, sizeof r->id, "%s", record->run);
    r->created_wall = record->created_wall_nsec;
    read_request(r, record->request);
    fleet_run_deliver(r, delivery);
    plan_of_record(r, record);
    if (set_up_scoring(r, d)) {
        fleet_run_free(r);
        return NULL;
    }
    r->archive.size = record->archive->size;
    memcpy(r->archive.sha256, record->archive->sha256.data, BLOB_HASH);
    for (size_t i = 0; i < record->n_fences; i++) {
        r->fences = mem_reallocarray(r->fences, i + 1, sizeof *r->fences);
        r->fences[i].agent = mem_strdup(record->fences[i]->agent);
        r->fences[i].boot = mem_strdup(record->fences[i]->boot);
        r->fences[i].sequence = record->fences[i]->sequence;
        r->fence_count = i + 1;
    }
    conducted = conductor_config(r);
    r->conductor = conductor_load(&conducted, record, (struct moment){clock_now(), clock_wall()});
    if (conductor_start_wall(r->conductor)) {
        collector_started(r->collector, conductor_start_wall(r->conductor));
        if (r->delivery)
            delivery_started(r->delivery, conductor_start_wall(r->conductor));
        expect_agents(r);
    }
    add_event(r, FLEET_EVENT_NOTE, NULL, NULL, "a controller has come back and goes on");
    return r;
}
