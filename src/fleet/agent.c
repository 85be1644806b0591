#include "fleet/agent.h"

#include <ctype.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "fleet/agent_internal.h"
#include "fleet/message.h"
#include "fleet/outbox.h"

#define STATUS_NSEC NSEC_PER_SEC
#define TRIP_NSEC NSEC_PER_SEC
#define FIRST_TRIP_NSEC (100 * NSEC_PER_MSEC)
#define TRIP_TIMEOUT (2 * NSEC_PER_SEC)
#define STOP_NSEC (10 * NSEC_PER_SEC)
#define STOP_LOOK (20 * NSEC_PER_MSEC)

enum { FIRST_TRIPS = 10, ORDER_LIMIT = 64, NAME_MAX_LEN = 63 };

bool agent_name_is_valid(const char *name)
{
    size_t len = name ? strlen(name) : 0;

    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)name[i]) && name[i] != '-' && name[i] != '_')
            return false;
    }
    return len > 0 && len <= NAME_MAX_LEN;
}

/* --- status --------------------------------------------------------------------------------- */

int64_t agent_wall(const struct agent *a, int64_t mono)
{
    struct clock_trip best;

    return clock_sync_best(&a->clock, clock_now(), &best) ? mono + best.offset_nsec : 0;
}

static void fill_capacity(const struct agent *a, Gale__Fleet__Capacity *out)
{
    const struct agent_capacity *c = &a->config.capacity;

    gale__fleet__capacity__init(out);
    out->cores = c->cores;
    out->memory_bytes = c->memory_bytes;
    out->max_vus = c->max_vus;
    out->max_rate = c->max_rate;
    out->descriptors = c->descriptors;
}

static bool is_saturated(const struct agent *a)
{
    return a->run && a->run->was_saturated;
}

static void fill_health(const struct agent *a, Gale__Fleet__Health *out)
{
    struct outbox_stats stats;

    outbox_stats(a->outbox, &stats);
    gale__fleet__health__init(out);
    out->cpu_percent = a->load.cpu_percent;
    out->rss_bytes = a->load.rss_bytes;
    out->descriptors = a->load.descriptors;
    out->loop_lag_nsec = a->loop_lag_nsec;
    out->saturated = is_saturated(a);
    out->kept_data = stats.waiting;
    out->lost_data = stats.dropped;
}

static void fill_clock(const struct agent *a, Gale__Fleet__Clock *out)
{
    struct clock_trip best;
    int64_t now = clock_now();

    gale__fleet__clock__init(out);
    out->known = clock_sync_best(&a->clock, now, &best);
    if (!out->known)
        return;
    out->offset_nsec = now + best.offset_nsec - clock_wall();
    out->error_nsec = best.error_nsec;
}

static void send_status(struct agent *a)
{
    Gale__Fleet__Status status = GALE__FLEET__STATUS__INIT;
    Gale__Fleet__Capacity capacity;
    Gale__Fleet__Health health;
    Gale__Fleet__Clock clock;
    Gale__Fleet__RunStatus run;
    struct buf packed;

    fill_capacity(a, &capacity);
    fill_health(a, &health);
    fill_clock(a, &clock);
    status.protocol = FLEET_PROTOCOL;
    status.version = (char *)(uintptr_t)GALE_VERSION;
    status.id = (char *)(uintptr_t)a->config.id;
    status.boot = a->boot;
    status.region = (char *)(uintptr_t)a->config.region;
    status.zone = (char *)(uintptr_t)a->config.zone;
    status.labels = message_pairs(&a->labels, &status.n_labels);
    status.capacity = &capacity;
    status.health = &health;
    status.clock = &clock;
    if (a->config.emulated)
        status.emulated = (char *)(uintptr_t)a->config.emulated;
    status.order_seen = a->order_seen;
    if (a->is_stopping)
        status.refused = (char *)(uintptr_t)(a->has_left ? FLEET_LEFT : "it is stopping");
    if (a->run && !a->run->is_ending) {
        agent_run_status(a->run, &run);
        status.run = &run;
    }
    message_pack(&status.base, &packed);
    /* A status that is lost is followed by another. */
    if (bus_publish(a->bus, a->status_subject, buf_str(&packed)) < 0)
        a->status_is_due = false;
    buf_deinit(&packed);
    if (status.run)
        agent_run_status_free(&run);
    message_pairs_free(status.labels, status.n_labels);
}

static void send_due_status(void *arg)
{
    struct agent *a = arg;

    if (!a->status_is_due)
        return;
    a->status_is_due = false;
    send_status(a);
}

void agent_say(struct agent *a)
{
    if (a->status_is_due)
        return;
    a->status_is_due = true;
    loop_post(a->config.loop, send_due_status, a);
}

static void next_status(struct timer *timer)
{
    struct agent *a = CONTAINER_OF(timer, struct agent, status_timer);
    struct loop_stats stats;

    timer_start(a->config.loop, timer, clock_now() + STATUS_NSEC);
    probe_read(&a->probe, clock_now(), &a->load);
    loop_take_stats(a->config.loop, &stats);
    a->loop_lag_nsec = stats.max_lag_nsec;
    send_status(a);
}

/* --- the clock ------------------------------------------------------------------------------ */

struct trip {
    struct agent *agent;
    int64_t sent;
};

static void on_time(void *arg, int err, const struct bus_message *m)
{
    struct trip *trip = arg;
    Gale__Fleet__Answer *answer = NULL;

    if (err == 0)
        answer = gale__fleet__answer__unpack(NULL, m->data.len, (const uint8_t *)m->data.ptr);
    if (answer) {
        bool was_known = agent_wall(trip->agent, 1) != 0;

        clock_sync_add(&trip->agent->clock, trip->sent, m->mono_nsec, answer->wall_nsec);
        gale__fleet__answer__free_unpacked(answer, NULL);
        if (!was_known && trip->agent->run)
            agent_run_drive(trip->agent->run);
    }
    mem_free(trip);
}

static void next_trip(struct timer *timer)
{
    struct agent *a = CONTAINER_OF(timer, struct agent, clock_timer);
    Gale__Fleet__Ask ask = GALE__FLEET__ASK__INIT;
    struct trip *trip = mem_alloc(sizeof *trip);
    struct buf packed;

    timer_start(a->config.loop, timer,
                clock_now() + (a->trips++ < FIRST_TRIPS ? FIRST_TRIP_NSEC : TRIP_NSEC));
    message_pack(&ask.base, &packed);
    *trip = (struct trip){a, clock_now()};
    if (bus_request(a->bus, a->ask_subject, buf_str(&packed), TRIP_TIMEOUT, on_time, trip) < 0)
        mem_free(trip);
    buf_deinit(&packed);
}

/* --- orders --------------------------------------------------------------------------------- */

static void free_order(Gale__Fleet__Order *order)
{
    if (order)
        gale__fleet__order__free_unpacked(order, NULL);
}

/* Takes the order over. */
static void obey(struct agent *a, Gale__Fleet__Order *order)
{
    bool is_same = a->run && !a->run->is_ending && strcmp(a->run->id, order->run) == 0;

    if (is_same && order->n_parts > 0) {
        agent_run_order(a->run, order);
        return;
    }
    free_order(a->next_order);
    a->next_order = NULL;
    if (a->run) {
        /* An order for another run, or for none, while parts still run: they are not wanted. */
        if (!a->run->is_ending && agent_run_is_busy(a->run))
            log_printf(LOG_WARN, "run %s was given to others, or is over: stopping it", a->run->id);
        a->next_order = order;
        agent_run_end(a->run, true);
    } else if (order->n_parts > 0 && !a->is_stopping) {
        outbox_clear(a->outbox);
        a->run = agent_run_new(a, order);
    } else {
        free_order(order);
    }
}

void agent_run_gone(struct agent *a)
{
    Gale__Fleet__Order *order = a->next_order;

    a->run = NULL;
    a->next_order = NULL;
    if (order)
        obey(a, order);
    agent_say(a);
}

static bool is_sound(const Gale__Fleet__Order *order)
{
    if (order->n_parts > 0 && (!order->archive || !agent_name_is_valid(order->run)))
        return false;
    for (size_t i = 0; i < order->n_parts; i++) {
        const Gale__Fleet__Part *part = order->parts[i];

        for (size_t j = 0; j < part->n_path; j++) {
            const Gale__Fleet__Level *level = part->path[j];

            if (level->index >= (level->n_weights ? level->n_weights : level->equal))
                return false;
        }
    }
    return true;
}

static void on_order(void *arg, const struct bus_message *m)
{
    struct agent *a = arg;
    Gale__Fleet__Order *order =
        gale__fleet__order__unpack(NULL, m->data.len, (const uint8_t *)m->data.ptr);

    if (!order || !is_sound(order)) {
        log_printf(LOG_WARN, "an order of %zu bytes made no sense: passed over", m->data.len);
        free_order(order);
        return;
    }
    if (order->version <= a->order_seen) { /* sent again, or overtaken */
        free_order(order);
        return;
    }
    a->order_seen = order->version;
    if (order->refused && order->refused[0])
        log_printf(LOG_ERROR, "the controller refuses this agent: %s", order->refused);
    obey(a, order);
    agent_say(a);
}

/* --- the link ------------------------------------------------------------------------------- */

static void on_link(void *arg, bool is_up, const char *why)
{
    struct agent *a = arg;

    if (!a->bus || is_up != a->was_cut_off)
        return;
    a->was_cut_off = !is_up;
    if (is_up) {
        log_printf(LOG_INFO, "connected to the fleet again");
        outbox_kick(a->outbox);
        agent_say(a);
    } else {
        log_printf(LOG_WARN, "cut off from the fleet (%s)%s", why,
                   a->run ? ": the test goes on, measurements wait" : "");
    }
}

static void stop_overdue(struct timer *timer)
{
    struct agent *a = CONTAINER_OF(timer, struct agent, stop_timer);
    void (*fn)(void *arg) = a->on_stopped;
    struct outbox_stats stats;

    outbox_stats(a->outbox, &stats);
    if (clock_now() < a->stop_deadline && (a->run || stats.waiting > 0)) {
        timer_start(a->config.loop, timer, clock_now() + STOP_LOOK);
        return;
    }
    a->has_left = true;
    send_status(a);
    a->on_stopped = NULL;
    if (fn)
        fn(a->on_stopped_arg);
}

static int link_up(struct agent *a, struct diag *d)
{
    struct bus_config bus = a->config.bus;
    char *name = mem_printf("gale agent %s", a->config.id);
    char *subject = mem_printf("gale.agent.%s.order", a->config.id);
    int err;

    bus.name = name;
    bus.inbox = a->inbox;
    bus.loop = a->config.loop;
    bus.on_link = on_link;
    bus.arg = a;
    err = bus_open(&bus, &a->bus, d);
    if (err == 0) {
        err = bus_subscribe(a->bus, subject, ORDER_LIMIT, on_order, a, &a->orders);
        if (err)
            diag_set(d, err, "can't listen for orders: %s", err_text(err));
    }
    mem_free(name);
    mem_free(subject);
    return err;
}

static void make_boot(struct agent *a)
{
    unsigned char random[16];

    RAND_bytes(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(a->boot + 2 * i, 3, "%02x", random[i]);
}

static int check_config(const struct agent_config *config, struct diag *d)
{
    if (!agent_name_is_valid(config->id))
        return diag_set(d, ERR_INVALID,
                        "the agent's id '%s' must be 1 to 63 letters, digits, '-' and '_'",
                        config->id);
    if (!agent_name_is_valid(config->region))
        return diag_set(d, ERR_INVALID,
                        "the region '%s' must be 1 to 63 letters, digits, '-' and '_', as in "
                        "us-east-1",
                        config->region ? config->region : "");
    return 0;
}

int agent_start(const struct agent_config *config, struct agent **out, struct diag *d)
{
    struct agent *a;
    int err = check_config(config, d);

    if (err)
        return err;
    a = mem_zalloc(sizeof *a);
    a->config = *config;
    map_init(&a->labels);
    for (struct map_entry *e = config->labels ? map_first(config->labels) : NULL; e;
         e = map_next(config->labels, e))
        map_set(&a->labels, e->key, mem_strdup(e->value));
    make_boot(a);
    a->status_subject = mem_printf("gale.agent.%s.status", config->id);
    a->ask_subject = mem_printf("gale.agent.%s.ask", config->id);
    a->inbox = mem_printf("_INBOX_%s", config->id);
    clock_sync_init(&a->clock);
    probe_init(&a->probe, clock_now());
    timer_init(&a->status_timer, next_status);
    timer_init(&a->clock_timer, next_trip);
    timer_init(&a->stop_timer, stop_overdue);
    err = link_up(a, d);
    if (err) {
        agent_free(a);
        return err;
    }
    a->outbox = outbox_new(
        &(struct outbox_config){.bus = a->bus, .loop = config->loop, .folder = config->folder});
    timer_start(config->loop, &a->status_timer, clock_now());
    timer_start(config->loop, &a->clock_timer, clock_now());
    *out = a;
    return 0;
}

void agent_stop(struct agent *a, void (*done)(void *arg), void *arg)
{
    a->is_stopping = true;
    a->on_stopped = done;
    a->on_stopped_arg = arg;
    a->stop_deadline = clock_now() + STOP_NSEC;
    timer_start(a->config.loop, &a->stop_timer, clock_now());
    if (a->run)
        agent_run_end(a->run, false);
    send_status(a);
}

void agent_free(struct agent *a)
{
    if (!a)
        return;
    timer_stop(a->config.loop, &a->status_timer);
    timer_stop(a->config.loop, &a->clock_timer);
    timer_stop(a->config.loop, &a->stop_timer);
    bus_unsubscribe(a->orders);
    outbox_free(a->outbox);
    bus_close(a->bus);
    free_order(a->next_order);
    map_deinit_with(&a->labels, mem_free);
    mem_free(a->status_subject);
    mem_free(a->ask_subject);
    mem_free(a->inbox);
    mem_free(a);
}
