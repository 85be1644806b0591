#include "fleet/collector.h"

#include "base/clock.h"
#include "base/ensure.h"
#include "base/mem.h"
#include "fleet/collector_internal.h"
#include "fleet/series_book.h"
#include "fleet/unpack.h"
#include "fleet/window_wire.h"
#include "metrics/totals.h"
#include "metrics/window.h"

enum {
    SECONDS_AHEAD = 60, /* an agent's clock may be ahead by that; further on it is nonsense */
    MOST_NAME = 256,    /* bytes of an agent's, a boot's or a region's name */
};

/* --- life --------------------------------------------------------------------------------- */

const struct series *collector_gauge(struct collector *c, enum metric_builtin id,
                                     const char *region)
{
    struct metric_registry registry;
    struct tags *tags = mem_alloc(sizeof *tags + sizeof(struct tag));
    struct book_series *series = NULL;
    struct series like;
    int err;

    metric_registry_init(&registry);
    tags->count = region ? 1 : 0;
    if (region)
        tags->list[0] = (struct tag){STR("load_zone"), str_of(region)};
    like = (struct series){registry.metrics[id], tags};
    err = series_book_add(c->book, &like, &series, NULL);
    ensure(err == 0 || region); /* the first series of a book always have room */
    mem_free(tags);
    metric_registry_deinit(&registry);
    return series ? &series->series : NULL;
}

struct collector *collector_new(const struct collector_config *config)
{
    struct collector *c = mem_zalloc(sizeof *c);

    c->config = *config;
    c->run = mem_strdup(config->run);
    c->book = series_book_new(config->max_series);
    merged_series_init(&c->merged, c->book, config->keep_instances);
    arena_init(&c->arena);
    map_init(&c->agent_by_id);
    c->totals = totals_new();
    c->timeline = timeline_new();
    c->vus = collector_gauge(c, METRIC_VUS, NULL);
    c->vus_max = collector_gauge(c, METRIC_VUS_MAX, NULL);
    c->last_second = -1;
    return c;
}

void collector_free(struct collector *c)
{
    if (!c)
        return;
    collector_free_seconds(c);
    collector_free_agents(c);
    totals_free(c->totals);
    timeline_free(c->timeline);
    merged_series_deinit(&c->merged);
    series_book_free(c->book);
    arena_deinit(&c->arena);
    mem_free(c->run);
    mem_free(c);
}

void collector_started(struct collector *c, int64_t start_wall_nsec)
{
    c->start_wall_nsec = start_wall_nsec;
}

/* --- messages ----------------------------------------------------------------------------- */

static enum collector_verdict poison(struct collector *c, struct str agent, const char *why)
{
    c->counts.poison++;
    if (c->config.events.on_poison)
        c->config.events.on_poison(c->config.events.arg, agent, why);
    return COLLECTOR_POISON;
}

/* NULL, or what is wrong with the message itself. */
static const char *check(const struct collector *c, struct str agent, const Gale__Fleet__Data *data,
                         int64_t now_nsec)
{
    if (strcmp(data->run, c->run) != 0)
        return "it is of another run";
    if (!str_eq_c(agent, data->agent))
        return "it names another agent than its subject";
    if (data->agent[0] == '\0' || data->boot[0] == '\0' || data->region[0] == '\0' ||
        strlen(data->agent) > MOST_NAME || strlen(data->boot) > MOST_NAME ||
        strlen(data->region) > MOST_NAME)
        return "its agent, boot or region is empty or too long";
    if (data->sequence == 0)
        return "its sequence number is 0";
    if (data->second > SECONDS_AHEAD &&
        data->second - SECONDS_AHEAD > (now_nsec > 0 ? now_nsec / NSEC_PER_SEC : 0))
        return "its second is not yet to come";
    return NULL;
}

static bool is_entitled(const struct collector *c, const Gale__Fleet__Data *data)
{
    const struct collector_events *events = &c->config.events;
    struct collector_origin from = {str_of(data->agent), str_of(data->boot), data->epoch,
                                    data->second};

    return !events->is_entitled || events->is_entitled(events->arg, &from);
}

/* A message that counts, for the first time. */
static enum collector_verdict count(struct collector *c, struct agent *a,
                                    const Gale__Fleet__Data *data, int64_t now_nsec)
{
    const struct collector_events *events = &c->config.events;
    struct window *w = NULL;
    struct diag d = DIAG_INIT;
    int err = 0;

    if (events->on_logs && (data->n_logs > 0 || data->logs_dropped > 0))
        events->on_logs(events->arg, data);
    c->counts.logs_dropped += data->logs_dropped;
    if (data->window.len > 0)
        err = window_decode(c->book, str_from((const char *)data->window.data, data->window.len),
                            &w, &d);
    for (size_t i = 0; w && i < w->requests.exemplar_count; i++)
        w->requests.exemplars[i].agent = a->id;
    collector_note_agent(a, data, w);
    collector_add(c, a->region, data->second, w, now_nsec);
    window_free(w);
    if (err)
        poison(c, str_of(data->agent), d.message);
    else
        c->counts.taken++;
    diag_deinit(&d);
    return err ? COLLECTOR_POISON : COLLECTOR_TAKEN;
}

static enum collector_verdict take(struct collector *c, struct str agent,
                                   const Gale__Fleet__Data *data, int64_t now_nsec)
{
    const char *wrong = check(c, agent, data, now_nsec);
    struct agent *a;
    struct boot *boot;

    if (wrong)
        return poison(c, agent, wrong);
    if (!is_entitled(c, data)) {
        c->counts.fenced++;
        return COLLECTOR_FENCED;
    }
    a = collector_agent(c, agent, str_of(data->region));
    boot = a ? collector_boot(a, str_of(data->boot)) : NULL;
    if (!boot)
        return poison(c, agent, "more agents, regions or boots than a run can have");
    if (!sequence_set_add(&boot->had, data->sequence)) {
        c->counts.duplicates++;
        return COLLECTOR_DUPLICATE;
    }
    return count(c, a, data, now_nsec);
}

enum collector_verdict collector_take(struct collector *c, struct str agent, struct str bytes,
                                      int64_t now_nsec)
{
    ProtobufCAllocator memory = arena_allocator(&c->arena);
    const Gale__Fleet__Data *data =
        gale__fleet__data__unpack(&memory, bytes.len, (const uint8_t *)bytes.ptr);
    enum collector_verdict verdict =
        data ? take(c, agent, data, now_nsec) : poison(c, agent, "no message of that kind");

    c->counts.bytes += bytes.len;
    arena_reset(&c->arena);
    return verdict;
}

/* --- views -------------------------------------------------------------------------------- */

uint64_t collector_upto(const struct collector *c, const char *agent, const char *boot)
{
    const struct agent *a = map_get(&c->agent_by_id, str_of(agent));

    for (size_t i = 0; a && i < a->boot_count; i++) {
        if (strcmp(a->boots[i].name, boot) == 0)
            return a->boots[i].had.upto;
    }
    return 0;
}

struct totals *collector_totals(struct collector *c)
{
    return c->totals;
}

struct totals *collector_region_totals(struct collector *c, const char *region)
{
    struct region *r = collector_find_region(c, str_of(region));

    return r ? r->totals : NULL;
}

int64_t collector_last_second(const struct collector *c)
{
    return c->last_second;
}

bool collector_numbers(const struct collector *c, const char *region, int64_t second,
                       struct second_numbers *out)
{
    const struct region *r = region ? collector_find_region(c, str_of(region)) : NULL;

    if (region && !r)
        return false;
    return timeline_get(r ? r->timeline : c->timeline, second, out);
}

void collector_counts(const struct collector *c, struct collector_counts *out)
{
    *out = c->counts;
    out->folded_series = series_book_folded(c->book);
    out->series = series_book_count(c->book);
    out->missing = 0;
    for (size_t i = 0; i < c->agent_count; i++) {
        for (size_t j = 0; j < c->agents[i]->boot_count; j++)
            out->missing += sequence_set_missing(&c->agents[i]->boots[j].had);
    }
}
