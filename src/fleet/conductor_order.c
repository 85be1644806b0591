/* Orders to agents, and the record of a run. */
#include <string.h>

#include "base/mem.h"
#include "fleet/conductor_internal.h"
#include "fleet/message.h"

/* Texts and bytes in the messages below are the conductor's own, but for the lists. */

static Gale__Fleet__Blob *blob_new(const struct blob_id *id)
{
    Gale__Fleet__Blob *blob = mem_alloc(sizeof *blob);

    gale__fleet__blob__init(blob);
    blob->sha256 = (ProtobufCBinaryData){BLOB_HASH, (uint8_t *)(uintptr_t)id->sha256};
    blob->size = id->size;
    return blob;
}

static void fill_path(const struct conductor_part *p, Gale__Fleet__Part *out)
{
    out->path = mem_calloc(p->depth + 1, sizeof(Gale__Fleet__Level *));
    out->n_path = p->depth;
    for (size_t i = 0; i < p->depth; i++) {
        Gale__Fleet__Level *level = mem_alloc(sizeof *level);

        gale__fleet__level__init(level);
        level->weights = p->path[i].weights;
        level->n_weights = p->path[i].weights ? p->path[i].count : 0;
        level->equal = p->path[i].weights ? 0 : (uint32_t)p->path[i].count;
        level->index = (uint32_t)p->path[i].index;
        out->path[i] = level;
    }
}

static void fill_done(const struct conductor_part *p, Gale__Fleet__Part *out)
{
    out->done = mem_calloc(p->done_count + 1, sizeof(Gale__Fleet__Done *));
    out->n_done = p->done_count;
    for (size_t i = 0; i < p->done_count; i++) {
        Gale__Fleet__Done *done = mem_alloc(sizeof *done);

        gale__fleet__done__init(done);
        done->scenario = p->done[i].scenario;
        done->iterations = p->done[i].done.completed;
        done->dropped = p->done[i].done.dropped;
        done->before = p->done[i].done.before;
        out->done[i] = done;
    }
}

static Gale__Fleet__Part *part_message(const struct conductor *c, const struct conductor_part *p)
{
    Gale__Fleet__Part *out = mem_alloc(sizeof *out);

    gale__fleet__part__init(out);
    out->id = p->id;
    out->scale_num = c->scale_num;
    out->scale_den = c->scale_den;
    out->leads = p->leads;
    out->step = p->step;
    out->join_nsec = p->join_nsec;
    out->from_nsec = p->from_nsec;
    out->until_nsec = p->until_nsec;
    out->replaces = p->replaces;
    out->n_replaces = p->replace_count;
    fill_path(p, out);
    fill_done(p, out);
    return out;
}

static void free_part(Gale__Fleet__Part *part)
{
    for (size_t i = 0; i < part->n_path; i++)
        mem_free(part->path[i]);
    for (size_t i = 0; i < part->n_done; i++)
        mem_free(part->done[i]);
    mem_free((void *)part->path);
    mem_free((void *)part->done);
    mem_free(part);
}

bool conductor_order(const struct conductor *c, const char *agent, Gale__Fleet__Order *out)
{
    gale__fleet__order__init(out);
    if (c->phase == FLEET_OVER)
        return false;
    out->parts = mem_calloc(c->count + 1, sizeof(Gale__Fleet__Part *));
    for (size_t i = 0; i < c->count; i++) {
        const struct conductor_part *p = c->parts[i];

        if (!p->is_lost && p->agent && strcmp(p->agent, agent) == 0)
            out->parts[out->n_parts++] = part_message(c, p);
    }
    if (out->n_parts == 0) {
        conductor_order_free(out);
        return false;
    }
    out->run = c->run;
    out->epoch = c->epoch;
    out->archive = blob_new(&c->archive);
    out->instance = (uint32_t)(uintptr_t)map_get(&c->instances, str_of(agent));
    out->start_wall_nsec = c->start_wall;
    if (c->has_setup_data)
        out->setup_data = blob_new(&c->setup_data);
    if (c->has_summary_input)
        out->summary_input = blob_new(&c->summary_input);
    out->stop = c->is_stopped;
    out->stop_reason = c->stop_reason;
    if (c->stop_message)
        out->stop_message = c->stop_message;
    out->env = message_pairs(&c->env, &out->n_env);
    return true;
}

void conductor_order_free(Gale__Fleet__Order *order)
{
    for (size_t i = 0; i < order->n_parts; i++)
        free_part(order->parts[i]);
    mem_free((void *)order->parts);
    mem_free(order->archive);
    mem_free(order->setup_data);
    mem_free(order->summary_input);
    message_pairs_free(order->env, order->n_env);
    gale__fleet__order__init(order);
}

/* --- the record ----------------------------------------------------------------------------- */

void conductor_save(const struct conductor *c, Gale__Fleet__RunRecord *out)
{
    out->run = c->run;
    out->archive = blob_new(&c->archive);
    out->phase = c->phase;
    out->epoch = c->epoch;
    out->next_part = c->next_part;
    out->start_wall_nsec = c->start_wall;
    if (c->has_setup_data)
        out->setup_data = blob_new(&c->setup_data);
    out->stop = c->is_stopped;
    out->stop_reason = c->stop_reason;
    if (c->stop_message)
        out->stop_message = c->stop_message;
    out->parts = mem_calloc(c->count + 1, sizeof(Gale__Fleet__PartRecord *));
    for (size_t i = 0; i < c->count; i++) {
        const struct conductor_part *p = c->parts[i];
        Gale__Fleet__PartRecord *record = mem_alloc(sizeof *record);

        gale__fleet__part_record__init(record);
        record->part = part_message(c, p);
        record->agent = p->agent ? p->agent : record->agent;
        record->boot = p->boot ? p->boot : record->boot;
        record->region = p->region;
        record->lost = p->is_lost;
        record->executed = p->stage >= GALE__FLEET__STAGE__STAGE_EXECUTED;
        record->vus = p->planned_vus;
        record->rate = p->planned_rate;
        out->parts[out->n_parts++] = record;
    }
}

void conductor_record_free(Gale__Fleet__RunRecord *record)
{
    for (size_t i = 0; i < record->n_parts; i++) {
        free_part(record->parts[i]->part);
        mem_free(record->parts[i]);
    }
    mem_free((void *)record->parts);
    mem_free(record->archive);
    mem_free(record->setup_data);
    record->n_parts = 0;
    record->parts = NULL;
    record->archive = NULL;
    record->setup_data = NULL;
}

static void read_blob(const Gale__Fleet__Blob *message, struct blob_id *out)
{
    out->size = message->size;
    if (message->sha256.len == BLOB_HASH)
        memcpy(out->sha256, message->sha256.data, BLOB_HASH);
}

static void load_part(struct conductor *c, const Gale__Fleet__PartRecord *record)
{
    const Gale__Fleet__Part *part = record->part;
    struct plan_level *path = mem_calloc(part->n_path + 1, sizeof *path);
    struct fleet_part plan = {
        .id = part->id,
        .agent = record->agent[0] ? record->agent : NULL,
        .region = record->region,
        .path = path,
        .depth = part->n_path,
        .vus = record->vus,
        .rate = record->rate,
    };
    struct conductor_part *p;

    for (size_t i = 0; i < part->n_path; i++)
        path[i] = (struct plan_level){part->path[i]->n_weights ? part->path[i]->weights : NULL,
                                      part->path[i]->n_weights ? part->path[i]->n_weights
                                                               : part->path[i]->equal,
                                      part->path[i]->index};
    p = conductor_add_part(c, &plan);
    mem_free(path);
    p->boot = record->boot[0] ? mem_strdup(record->boot) : NULL;
    p->leads = part->leads;
    p->step = part->step;
    p->join_nsec = part->join_nsec;
    p->from_nsec = part->from_nsec;
    p->until_nsec = part->until_nsec;
    p->replaces = part->n_replaces
                      ? mem_dup(part->replaces, part->n_replaces * sizeof *part->replaces)
                      : NULL;
    p->replace_count = part->n_replaces;
    p->is_lost = record->lost;
    p->is_joining = part->step < GALE__FLEET__STEP__STEP_RUN && c->phase == FLEET_RUNNING;
    if (record->executed)
        p->stage = GALE__FLEET__STAGE__STAGE_EXECUTED;
    p->done = mem_calloc(part->n_done + 1, sizeof *p->done);
    for (; p->done_count < part->n_done; p->done_count++) {
        const Gale__Fleet__Done *done = part->done[p->done_count];

        p->done[p->done_count] = (struct conductor_done){
            mem_strdup(done->scenario), {done->iterations, done->dropped, done->before}};
    }
    c->scale_num = part->scale_num;
    c->scale_den = part->scale_den;
}

struct conductor *conductor_load(const struct conductor_config *config,
                                 const Gale__Fleet__RunRecord *record, struct moment now)
{
    struct conductor_config bare = *config;
    struct conductor *c;

    bare.plan = NULL;
    c = conductor_new(&bare);
    c->phase = record->phase < FLEET_OVER ? (enum fleet_phase)record->phase : FLEET_OVER;
    /* The summary is made anew: what was asked of the lead is lost with who asked. */
    if (c->phase == FLEET_SUMMARY)
        c->phase = FLEET_COLLECTING;
    c->phase_since = now.mono;
    c->epoch = record->epoch;
    c->start_wall = record->start_wall_nsec;
    c->began = c->phase > FLEET_INIT;
    c->is_stopped = record->stop;
    c->stop_reason = (enum run_abort_reason)record->stop_reason;
    if (record->stop_message && record->stop_message[0])
        c->stop_message = mem_strdup(record->stop_message);
    if (record->setup_data) {
        c->has_setup_data = true;
        read_blob(record->setup_data, &c->setup_data);
    }
    c->setup_came = c->phase > FLEET_SETUP;
    for (size_t i = 0; i < record->n_parts; i++)
        load_part(c, record->parts[i]);
    c->next_part = record->next_part;
    return c;
}
