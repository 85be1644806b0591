/* Who is there: from the statuses that agents send each second. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "fleet/controller_internal.h"
#include "fleet/message.h"
#include "fleet/nats_server.h"

/* One that went is shown for so long. */
#define SHOWN_NSEC (24 * 3600 * NSEC_PER_SEC)

static void set(char **at, const char *text)
{
    if (*at && text && strcmp(*at, text) == 0)
        return;
    mem_free(*at);
    *at = mem_strdup(text);
}

static void free_agent(void *value)
{
    struct fleet_agent *a = value;

    mem_free(a->id);
    mem_free(a->boot);
    mem_free(a->region);
    mem_free(a->zone);
    mem_free(a->version);
    mem_free(a->emulated);
    map_deinit_with(&a->labels, mem_free);
    mem_free(a->run);
    mem_free(a->refused);
    buf_deinit(&a->order);
    mem_free(a);
}

void controller_free_agents(struct controller *c)
{
    map_deinit_with(&c->agents, free_agent);
}

/* --- statuses ------------------------------------------------------------------------------- */

/* Why it gets nothing to do; heap, NULL: it may. */
static char *refusal(const Gale__Fleet__Status *s)
{
    if (s->protocol != FLEET_PROTOCOL || strcmp(s->version, GALE_VERSION) != 0)
        return mem_printf("it is gale %s (protocol %u), the controller is gale %s (protocol %d): "
                          "install the same version",
                          s->version, s->protocol, GALE_VERSION, FLEET_PROTOCOL);
    if (!agent_name_is_valid(s->region))
        return mem_strdup("its region is no valid name");
    return s->refused[0] ? mem_strdup(s->refused) : NULL;
}

static void take_refusal(struct fleet_agent *a, const Gale__Fleet__Status *s)
{
    char *why = refusal(s);

    if (why && !a->refused)
        log_printf(LOG_WARN, "agent %s gets no work: %s", a->id, why);
    mem_free(a->refused);
    a->refused = why;
}

static void take_status(struct fleet_agent *a, const Gale__Fleet__Status *s)
{
    set(&a->region, s->region);
    set(&a->zone, s->zone);
    set(&a->version, s->version);
    set(&a->emulated, s->emulated);
    message_pairs_to_map(s->labels, s->n_labels < AGENT_MAX_LABELS ? s->n_labels : AGENT_MAX_LABELS,
                         &a->labels);
    set(&a->run, s->run && s->run->run[0] ? s->run->run : NULL);
    if (s->capacity)
        a->capacity = *s->capacity;
    if (s->health) {
        a->health = *s->health;
        a->health.saturated_by = NULL;
    }
    if (s->clock)
        a->clock = *s->clock;
    a->order_seen = s->order_seen;
    take_refusal(a, s);
}

static struct fleet_agent *enlist(struct controller *c, const Gale__Fleet__Status *s)
{
    struct fleet_agent *a = mem_zalloc(sizeof *a);

    a->id = mem_strdup(s->id);
    a->boot = mem_strdup(s->boot);
    buf_init(&a->order, SIZE_MAX);
    map_init(&a->labels);
    map_set(&c->agents, str_of(a->id), a);
    return a;
}

/* The process has begun anew: what the old one ran is lost. */
static void begin_anew(struct controller *c, struct fleet_agent *a, const Gale__Fleet__Status *s,
                       struct moment now)
{
    struct fleet_run *run = controller_run_of(c, a->id);

    if (run && c->leads)
        fleet_run_agent_lost(run, a->id, "it has begun anew", now);
    set(&a->boot, s->boot);
    map_deinit_with(&a->labels, mem_free);
    map_init(&a->labels);
    a->order_version = 0;
    buf_reset(&a->order);
    a->is_alive = false; /* said again below */
}

static bool is_sound(const Gale__Fleet__Status *s, const struct bus_message *m)
{
    char *subject;
    bool ok;

    if (!agent_name_is_valid(s->id) || !s->boot[0])
        return false;
    /* An agent speaks for itself alone: its subject is what NATS has let it use. */
    subject = mem_printf("gale.agent.%s.status", s->id);
    ok = str_eq_c(m->subject, subject);
    mem_free(subject);
    return ok;
}

static void lose(struct controller *c, struct fleet_agent *a, const char *why, struct moment now)
{
    struct fleet_run *run = controller_run_of(c, a->id);

    a->is_alive = false;
    log_printf(LOG_WARN, "agent %s is gone: %s", a->id, why);
    if (run && c->leads)
        fleet_run_agent_lost(run, a->id, why, now);
    controller_tell(c, &(struct controller_news){.kind = NEWS_AGENT});
}

static void hear(struct controller *c, const Gale__Fleet__Status *s)
{
    struct fleet_agent *a = map_get(&c->agents, str_of(s->id));
    struct moment now = controller_now();
    struct fleet_run *run;

    controller_check_lease(c);
    if (!a)
        a = enlist(c, s);
    if (strcmp(a->boot, s->boot) != 0) {
        if (a->is_alive && now.mono - a->heard_nsec < c->config.agent_timeout_nsec) {
            static struct log_limit limit;

            log_limited(&limit, LOG_WARN,
                        "two agents call themselves %s: the later one waits until "
                        "the other is gone",
                        s->id);
            return;
        }
        begin_anew(c, a, s, now);
    }
    a->heard_nsec = now.mono;
    take_status(a, s);
    if (strcmp(s->refused, FLEET_LEFT) == 0) {
        if (a->is_alive)
            lose(c, a, "it was stopped", now);
        return;
    }
    if (!a->is_alive) {
        a->is_alive = true;
        a->since_wall_nsec = now.wall;
        log_printf(LOG_INFO, "agent %s is there: region %s%s%s", a->id, a->region,
                   a->zone[0] ? ", zone " : "", a->zone);
        controller_tell(c, &(struct controller_news){.kind = NEWS_AGENT});
    }
    run = controller_run_of(c, a->id);
    if (!c->leads || !run || a->refused)
        return;
    fleet_run_status(run, s, now);
}

void controller_on_status(void *arg, const struct bus_message *m)
{
    Gale__Fleet__Status *s =
        gale__fleet__status__unpack(NULL, m->data.len, (const uint8_t *)m->data.ptr);
    static struct log_limit limit;

    if (s && is_sound(s, m))
        hear(arg, s);
    else
        log_limited(&limit, LOG_WARN, "a status on %.*s made no sense: passed over",
                    STR_ARG(m->subject));
    if (s)
        gale__fleet__status__free_unpacked(s, NULL);
}

/* --- time ----------------------------------------------------------------------------------- */

static void lose_silent(struct controller *c, struct fleet_agent *a, struct moment now)
{
    char *why = mem_printf("not heard for %.1f s", nsec_to_sec(now.mono - a->heard_nsec));

    lose(c, a, why, now);
    mem_free(why);
}

void controller_forgive_silence(struct controller *c)
{
    for (struct map_entry *e = map_first(&c->agents); e; e = map_next(&c->agents, e)) {
        struct fleet_agent *a = e->value;

        if (a->is_alive)
            a->heard_nsec = clock_now();
    }
}

void controller_check_agents(struct controller *c, struct moment now)
{
    if (!bus_is_up(c->bus))
        return; /* it is we who hear nothing */
    if (c->config.server && nats_server_is_full(c->config.server)) {
        controller_forgive_silence(c);
        return;
    }
    for (struct map_entry *e = map_first(&c->agents); e; e = map_next(&c->agents, e)) {
        struct fleet_agent *a = e->value;
        int64_t silent = now.mono - a->heard_nsec;

        if (a->is_alive && silent > c->config.agent_timeout_nsec)
            lose_silent(c, a, now);
        else if (!a->is_alive && silent > SHOWN_NSEC)
            free_agent(map_remove(&c->agents, e->key));
    }
}

/* --- views ---------------------------------------------------------------------------------- */

const struct planner_agent *controller_planner_agents(struct controller *c, size_t *count)
{
    *count = 0;
    if (c->planner_cap < c->agents.count) {
        c->planner_cap = c->agents.count;
        c->planner_agents =
            mem_reallocarray(c->planner_agents, c->planner_cap, sizeof *c->planner_agents);
    }
    for (struct map_entry *e = map_first(&c->agents); e; e = map_next(&c->agents, e)) {
        const struct fleet_agent *a = e->value;
        const struct fleet_run *run = controller_run_of(c, a->id);
        bool is_idle = !run && !a->run && !a->refused;

        if (!a->is_alive)
            continue;
        c->planner_agents[(*count)++] = (struct planner_agent){
            .id = a->id,
            .region = a->region,
            .zone = a->zone,
            .max_vus = a->capacity.max_vus,
            .max_rate = a->capacity.max_rate,
            .is_idle = is_idle,
            .why_not = a->refused      ? a->refused
                       : run || a->run ? "it runs another test"
                                       : NULL,
        };
    }
    return c->planner_agents;
}

static int by_region(const void *left, const void *right)
{
    const struct agent_view *a = left;
    const struct agent_view *b = right;
    int order = strcmp(a->region, b->region);

    return order ? order : strcmp(a->id, b->id);
}

static struct agent_view view(const struct fleet_agent *a)
{
    return (struct agent_view){
        .id = a->id,
        .region = a->region,
        .zone = a->zone,
        .version = a->version,
        .emulated = a->emulated,
        .labels = &a->labels,
        .run = a->run,
        .refused = a->refused,
        .is_alive = a->is_alive,
        .heard_nsec = a->heard_nsec,
        .since_wall_nsec = a->since_wall_nsec,
        .capacity = {a->capacity.cores, a->capacity.memory_bytes, a->capacity.max_vus,
                     a->capacity.max_rate, a->capacity.descriptors},
        .cpu_percent = a->health.cpu_percent,
        .rss_bytes = a->health.rss_bytes,
        .loop_lag_nsec = a->health.loop_lag_nsec,
        .saturated = a->health.saturated,
        .kept_data = a->health.kept_data,
        .lost_data = a->health.lost_data,
        .clock_known = a->clock.known,
        .clock_offset_nsec = a->clock.offset_nsec,
        .clock_error_nsec = a->clock.error_nsec,
    };
}

size_t controller_agents(const struct controller *c, struct agent_view **out)
{
    size_t count = 0;

    *out = mem_calloc(c->agents.count + 1, sizeof **out);
    for (struct map_entry *e = map_first(&c->agents); e; e = map_next(&c->agents, e))
        (*out)[count++] = view(e->value);
    qsort(*out, count, sizeof **out, by_region);
    return count;
}
