#include "fleet/controller.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "fleet/controller_internal.h"

#define TICK_NSEC (100 * NSEC_PER_MSEC)
#define AGENT_TIMEOUT (3 * NSEC_PER_SEC)

enum { STATUS_LIMIT = 65536, ASK_LIMIT = 65536 };

struct moment controller_now(void)
{
    return (struct moment){clock_now(), clock_wall()};
}

void controller_tell(struct controller *c, const struct controller_news *news)
{
    for (struct controller_watch *w = c->watches, *next; w; w = next) {
        next = w->_next;
        w->fn(w->arg, news);
    }
}

void controller_watch(struct controller *c, struct controller_watch *watch)
{
    watch->_next = c->watches;
    c->watches = watch;
}

void controller_unwatch(struct controller *c, struct controller_watch *watch)
{
    struct controller_watch **at = &c->watches;

    while (*at && *at != watch)
        at = &(*at)->_next;
    if (*at)
        *at = watch->_next;
}

static void on_tick(struct timer *timer)
{
    struct controller *c = CONTAINER_OF(timer, struct controller, tick);
    struct moment now = controller_now();

    timer_start(c->loop, timer, now.mono + TICK_NSEC);
    controller_check_lease(c);
    controller_check_agents(c, now);
    if (!c->leads || !c->is_recovered)
        return;
    controller_tick_runs(c, now);
    controller_send_orders(c, now);
}

static void on_link(void *arg, bool is_up, const char *why)
{
    struct controller *c = arg;

    if (!c->bus || is_up != c->was_cut_off)
        return;
    c->was_cut_off = !is_up;
    if (is_up)
        log_printf(LOG_INFO, "connected to NATS again");
    else
        log_printf(LOG_WARN, "cut off from NATS (%s): agents go on by themselves", why);
    controller_forgive_silence(c);
}

static int make_places(struct controller *c, struct diag *d)
{
    const struct bus_stream_config data = {.name = DATA_STREAM, .subjects = "gale.agent.*.data.*"};
    int err = bus_stream_make(c->bus, &data, d);

    if (err == 0)
        err = bus_bucket_make(c->bus, RUNS_BUCKET, 0, d);
    if (err == 0)
        err = bus_bucket_make(c->bus, LEAD_BUCKET, 8 * NSEC_PER_SEC, d);
    if (err == 0)
        err = blob_store_new(c->bus, &c->blobs, d);
    return err;
}

static int subscribe(struct controller *c, struct diag *d)
{
    int err = bus_subscribe(c->bus, "gale.agent.*.status", STATUS_LIMIT, controller_on_status, c,
                            &c->statuses);

    if (err == 0)
        err = bus_subscribe(c->bus, "gale.agent.*.ask", ASK_LIMIT, controller_on_ask, c, &c->asks);
    return err ? diag_set(d, err, "can't listen to agents: %s", err_text(err)) : 0;
}

int controller_start(const struct controller_config *config, struct controller **out,
                     struct diag *d)
{
    struct controller *c = mem_zalloc(sizeof *c);
    struct bus_config bus = config->bus;
    int err;

    c->config = *config;
    c->name = mem_strdup(config->name);
    c->url = mem_strdup(config->url);
    c->loop = config->loop;
    if (c->config.agent_timeout_nsec == 0)
        c->config.agent_timeout_nsec = AGENT_TIMEOUT;
    map_init(&c->agents);
    timer_init(&c->tick, on_tick);
    bus.loop = c->loop;
    bus.on_link = on_link;
    bus.arg = c;
    err = bus_open(&bus, &c->bus, d);
    if (err == 0)
        err = make_places(c, d);
    if (err == 0)
        err = subscribe(c, d);
    if (err) {
        controller_free(c);
        return err;
    }
    timer_start(c->loop, &c->tick, clock_now());
    controller_lead_start(c);
    *out = c;
    return 0;
}

void controller_free(struct controller *c)
{
    if (!c)
        return;
    timer_stop(c->loop, &c->tick);
    controller_lead_stop(c);
    for (size_t i = 0; i < c->run_count; i++)
        fleet_run_free(c->runs[i]);
    mem_free((void *)c->runs);
    bus_unsubscribe(c->statuses);
    bus_unsubscribe(c->asks);
    blob_store_free(c->blobs);
    bus_close(c->bus);
    controller_free_agents(c);
    mem_free(c->planner_agents);
    mem_free(c->leader_url);
    mem_free(c->name);
    mem_free(c->url);
    mem_free(c);
}

bool controller_leads(const struct controller *c)
{
    return c->leads && c->is_recovered;
}

const char *controller_leader_url(const struct controller *c)
{
    return c->leads ? c->url : c->leader_url;
}

bool controller_is_connected(const struct controller *c)
{
    return bus_is_up(c->bus);
}

const struct preparer *controller_preparer(const struct controller *c)
{
    return &c->config.preparer;
}

struct loop *controller_loop(const struct controller *c)
{
    return c->loop;
}
