/* Windows of all parts become one message a second. A second is sent when every part that runs has
 * given its own, or when the next one begins. */
#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/options.h"
#include "engine/scenario.h"
#include "fleet/agent_internal.h"
#include "fleet/bus.h"
#include "fleet/host.h"
#include "fleet/message.h"
#include "fleet/outbox.h"
#include "fleet/window_wire.h"
#include "metrics/shard.h"
#include "metrics/window.h"

enum { LOG_LINES = 500, LOG_BYTES = 256 * 1024 }; /* a second */

/* Of a message, for all that is not its window. */
enum { MESSAGE_ROOM = LOG_BYTES + 64 * 1024 };

#define OUTPUT_CHUNK ((size_t)512 * 1024)

/* --- a run's own metrics -------------------------------------------------------------------- */

static tagset_id make_tags(struct agent_run *r)
{
    const json_t *tags = options_object(r->test->options, OPTION_TAGS);
    const char *key;
    json_t *value;
    tagset_id set = 0;

    json_object_foreach((json_t *)(uintptr_t)tags, key, value)
    {
        tag_id tag = shard_tag(r->shard, str_of(key), str_of(json_string_value(value)));

        set = shard_tagset(r->shard, set, &tag, 1);
    }
    return set;
}

void agent_data_init(struct agent_run *r)
{
    r->shard = shard_new(&(struct shard_options){0});
    r->tags = make_tags(r);
    r->second = -1;
    r->windows = mem_calloc(PENDING_WINDOWS, sizeof(struct window *));
    log_keep(LOG_LINES, LOG_BYTES);
}

void agent_data_deinit(struct agent_run *r)
{
    if (!r->shard)
        return;
    for (size_t i = 0; i < r->window_count; i++)
        window_free(r->windows[i]);
    mem_free((void *)r->windows);
    shard_free(r->shard);
    log_keep(0, 0);
}

static void add(struct agent_run *r, uint32_t metric, double value)
{
    shard_add(r->shard, metric, r->tags, value, clock_wall());
}

static void add_own_metrics(struct agent_run *r)
{
    const struct process_load *load = &r->agent->load;
    uint64_t active = 0;
    uint64_t all = 0;
    bool is_over = true;

    for (struct agent_part *p = r->parts; p; p = p->next) {
        is_over &= p->is_over && !p->is_fenced;
        if (!p->run || p->is_fenced)
            continue;
        active += p->is_over ? 0 : run_state_vus_active(run_get_state(p->run));
        all += p->is_over ? run_max_vus(p->run) : run_state_vus_initialised(run_get_state(p->run));
    }
    if (!is_over || !r->said_vus) { /* a short test is over before anything is said */
        r->said_vus = true;
        add(r, METRIC_VUS, (double)active);
        add(r, METRIC_VUS_MAX, (double)all);
    }
    add(r, METRIC_LOAD_GENERATOR_CPU_PERCENT, load->cpu_percent);
    add(r, METRIC_LOAD_GENERATOR_MEMORY_BYTES, (double)load->rss_bytes);
    add(r, METRIC_LOAD_GENERATOR_DESCRIPTORS, (double)load->descriptors);
}

static bool is_saturated(const struct agent_run *r)
{
    for (const struct agent_part *p = r->parts; p; p = p->next) {
        if (p->run && !p->is_over &&
            saturation_is_on(run_saturation(p->run),
                             run_state_duration(run_get_state(p->run), clock_now())))
            return true;
    }
    return false;
}

/* --- messages ------------------------------------------------------------------------------- */

/* Packs the message with its number and hands it to the outbox. */
static void post(struct agent_run *r, Gale__Fleet__Data *data)
{
    const struct agent_config *config = &r->agent->config;
    struct buf packed;
    size_t len;
    char *id;

    if (r->is_detached)
        return;
    data->run = r->id;
    data->agent = (char *)(uintptr_t)config->id;
    data->boot = r->agent->boot;
    data->region = (char *)(uintptr_t)config->region;
    data->epoch = r->epoch;
    data->sequence = ++r->sequence;
    data->late = !bus_is_up(r->agent->bus);
    message_pack(&data->base, &packed);
    /* Sequences begin anew with each run. */
    id = mem_printf("%s.%s.%llu", r->agent->boot, r->id, (unsigned long long)data->sequence);
    len = packed.len;
    outbox_add(r->agent->outbox, r->subject, id, data->sequence, buf_take(&packed), len);
    mem_free(id);
}

static void fill_logs(Gale__Fleet__Data *data, const struct log_kept *kept)
{
    data->logs = mem_calloc(kept->count + 1, sizeof(Gale__Fleet__LogLine *));
    for (size_t i = 0; i < kept->count; i++) {
        Gale__Fleet__LogLine *line = mem_alloc(sizeof *line);

        gale__fleet__log_line__init(line);
        line->wall_nsec = kept->lines[i].wall_nsec;
        line->level = kept->lines[i].level;
        line->text = kept->lines[i].text;
        data->logs[data->n_logs++] = line;
    }
    data->logs_dropped = kept->dropped;
}

static void fill_ended(struct agent_run *r, Gale__Fleet__Data *data)
{
    size_t count = 0;

    for (struct agent_part *p = r->parts; p; p = p->next)
        count++;
    data->ended = mem_calloc(count + 1, sizeof *data->ended);
    for (struct agent_part *p = r->parts; p; p = p->next) {
        if (!p->is_over || p->end_said)
            continue;
        p->end_said = true;
        data->ended[data->n_ended++] = p->id;
    }
}

/* Adds up the iterations that a part's window holds, by scenario: what is not in a window was not
 * measured, whoever ran it. */
static void count_made(struct agent_part *p, const struct window *w)
{
    const struct scenario_list *scenarios = p->owner->test->scenarios;

    for (size_t i = 0; i < w->count; i++) {
        const struct window_series *s = &w->series[i];
        uint32_t metric = s->series->metric->id;
        struct str name;
        size_t k = 0;

        if (metric != METRIC_ITERATIONS && metric != METRIC_DROPPED_ITERATIONS)
            continue;
        name = tags_get(s->series->tags, STR("scenario"));
        while (name.ptr && k < scenarios->count && !str_eq_c(name, scenarios->list[k]->name))
            k++;
        if (k < scenarios->count && metric == METRIC_ITERATIONS)
            p->made[k].completed += (uint64_t)s->sink.sum;
        else if (k < scenarios->count)
            p->made[k].dropped += (uint64_t)s->sink.sum;
    }
}

static void add_done(Gale__Fleet__Data *data, const struct agent_part *p, size_t scenario)
{
    Gale__Fleet__Done *done = mem_alloc(sizeof *done);

    gale__fleet__done__init(done);
    done->part = p->id;
    done->scenario = p->owner->test->scenarios->list[scenario]->name;
    done->iterations = p->made[scenario].completed;
    done->dropped = p->made[scenario].dropped;
    data->done[data->n_done++] = done;
}

static void fill_done(const struct agent_run *r, Gale__Fleet__Data *data)
{
    size_t scenarios = r->test->scenarios->count;
    size_t parts = 0;

    for (const struct agent_part *p = r->parts; p; p = p->next)
        parts++;
    data->done = mem_calloc(parts * scenarios + 1, sizeof(Gale__Fleet__Done *));
    for (const struct agent_part *p = r->parts; p; p = p->next) {
        for (size_t i = 0; p->made && i < scenarios; i++)
            add_done(data, p, i);
    }
}

/* What a message has beside its window: set in the last of a second. */
static void send_rest(struct agent_run *r, Gale__Fleet__Data *data)
{
    struct log_kept kept;

    log_take_kept(&kept);
    fill_logs(data, &kept);
    fill_ended(r, data);
    fill_done(r, data);
    post(r, data);
    for (size_t i = 0; i < data->n_logs; i++)
        mem_free(data->logs[i]);
    for (size_t i = 0; i < data->n_done; i++)
        mem_free(data->done[i]);
    mem_free((void *)data->logs);
    mem_free((void *)data->done);
    mem_free(data->ended);
    log_kept_deinit(&kept);
}

struct sending {
    struct agent_run *run;
    Gale__Fleet__Data data; /* a copy goes with each piece */
    struct buf held;        /* the last piece so far */
};

/* Several pieces when one would be too large for a message. */
static void take_piece(void *arg, struct str bytes)
{
    struct sending *s = arg;

    if (s->held.len > 0) {
        Gale__Fleet__Data data = s->data;

        data.more = true;
        data.window = (ProtobufCBinaryData){s->held.len, (uint8_t *)s->held.data};
        post(s->run, &data);
    }
    buf_reset(&s->held);
    buf_append_str(&s->held, bytes);
}

/* Sends the second that is gathered. */
static void send_second(struct agent_run *r)
{
    struct sending s = {.run = r, .data = GALE__FLEET__DATA__INIT, .held = BUF_INIT(SIZE_MAX)};
    size_t max = (size_t)bus_max_payload(r->agent->bus) - MESSAGE_ROOM;

    add_own_metrics(r);
    r->was_saturated = is_saturated(r);
    r->windows[r->window_count++] = shard_take_window(r->shard);
    s.data.second = r->second > 0 ? r->second - 1 : -1; /* a tick ends a second */
    s.data.saturated = r->was_saturated;
    s.data.more = r->is_opening;
    window_encode((const struct window *const *)r->windows, r->window_count,
                  max < WINDOW_MAX_BYTES ? max : WINDOW_MAX_BYTES, take_piece, &s);
    s.data.window = (ProtobufCBinaryData){s.held.len, (uint8_t *)s.held.data};
    send_rest(r, &s.data);
    buf_deinit(&s.held);
    for (size_t i = 0; i < r->window_count; i++)
        window_free(r->windows[i]);
    r->window_count = 0;
    for (struct agent_part *p = r->parts; p; p = p->next)
        p->gave_window = false;
}

void agent_data_flush(struct agent_run *r)
{
    if (r->shard && !r->is_detached)
        send_second(r);
}

static bool all_gave(const struct agent_run *r)
{
    for (const struct agent_part *p = r->parts; p; p = p->next) {
        if (p->run && !p->is_over && !p->is_fenced && !p->gave_window)
            return false;
    }
    return true;
}

void agent_data_tick(struct agent_part *p, struct run_tick *tick)
{
    struct agent_run *r = p->owner;
    const struct host_sink *sink = &r->agent->config.host.sink;
    /* What comes before the start (setup(), say) has no second. */
    bool has_begun = atomic_load(&run_get_state(p->run)->execution) != 0;
    /* The tick at the start itself may hold the first milliseconds of second 0 already. */
    int64_t second = !has_begun ? 0 : tick->second > 0 ? tick->second : 1;

    if (p->is_fenced || r->is_detached)
        return;
    if (sink->second)
        sink->second(sink->arg, tick->windows, tick->window_count);
    if (r->window_count > 0 &&
        (second != r->second || r->window_count + tick->window_count >= PENDING_WINDOWS))
        send_second(r);
    r->second = second;
    r->is_opening = has_begun && tick->second == 0;
    for (size_t i = 0; i < tick->window_count && r->window_count < PENDING_WINDOWS - 1; i++) {
        if (!tick->windows[i])
            continue;
        count_made(p, tick->windows[i]);
        r->windows[r->window_count++] = tick->windows[i];
        tick->windows[i] = NULL;
    }
    p->gave_window = true;
    if (!tick->is_last && all_gave(r)) /* the last one goes when the part is over */
        send_second(r);
}

void agent_data_output(struct agent_part *p, Gale__Fleet__Stage stage, const char *json)
{
    size_t total = json ? strlen(json) : 0;
    size_t at = 0;

    do {
        Gale__Fleet__Data data = GALE__FLEET__DATA__INIT;
        Gale__Fleet__Output output = GALE__FLEET__OUTPUT__INIT;
        Gale__Fleet__Output *list[] = {&output};
        size_t len = total - at < OUTPUT_CHUNK ? total - at : OUTPUT_CHUNK;

        output.part = p->id;
        output.stage = stage;
        output.none = !json;
        output.total = total;
        output.data = (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)(json ? json + at : NULL)};
        data.n_outputs = 1;
        data.outputs = list;
        post(p->owner, &data);
        at += len;
    } while (at < total);
}
