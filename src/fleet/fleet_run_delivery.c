/* A run's outputs and the targets that it reads: what is merged goes there, what they say comes
 * onto the timeline. */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "fleet/controller.h"
#include "fleet/delivery.h"
#include "fleet/fleet_run_internal.h"

static void on_said(void *arg, enum log_level level, const char *text)
{
    (void)level;
    fleet_run_note(arg, text);
}

/* Beside the regions' windows, as if the target was one: who keeps those keeps it too. */
static void on_scraped(void *arg, int64_t second, const char *target, const struct window *w)
{
    struct fleet_run *r = arg;
    char *region = mem_printf("scrape:%s", target);

    if (!r->is_over)
        r->config.tell(
            r->config.arg,
            &(struct controller_news){
                .kind = NEWS_WINDOW, .run = r, .second = second, .region = region, .window = w});
    mem_free(region);
}

static void on_compared(void *arg, const char *text)
{
    struct fleet_run *r = arg;

    mem_free(r->findings);
    r->findings = mem_strdup(text);
}

static void on_over(void *arg)
{
    struct fleet_run *r = arg;

    if (conductor_phase(r->conductor) != FLEET_OVER)
        return;
    fleet_run_finish(r);
    r->config.tell(r->config.arg, &(struct controller_news){.kind = NEWS_RUN, .run = r});
}

void fleet_run_deliver(struct fleet_run *r, struct delivery *delivery)
{
    const struct delivery_events events = {
        .say = on_said,
        .scraped = on_scraped,
        .compared = on_compared,
        .over = on_over,
        .arg = r,
    };
    int err = delivery ? delivery_start(delivery, r->config.loop, r->delivered, &events) : 0;

    if (err) {
        log_printf(LOG_ERROR, "run %s: outputs can't be started: %s", r->id, err_text(err));
        delivery_free(delivery);
        delivery = NULL;
    }
    r->delivery = delivery;
}

void fleet_run_deliver_window(struct fleet_run *r, int64_t second, const struct window *w)
{
    if (r->delivery)
        delivery_window(r->delivery, second, w);
}

void fleet_run_deliver_second(struct fleet_run *r, int64_t second, double p95)
{
    int64_t end = conductor_start_wall(r->conductor) + (second + 1) * NSEC_PER_SEC;
    int64_t now = clock_wall();

    if (!r->delivery)
        return;
    delivery_second(r->delivery, second, end < now ? end : now, p95); /* the last one isn't full */
    if (second <= r->delivered)
        return;
    r->delivered = second;
    r->is_dirty = true; /* whoever comes after this controller goes on behind it */
}

bool fleet_run_end_delivery(struct fleet_run *r)
{
    if (!r->delivery)
        return true;
    delivery_end(r->delivery);
    return delivery_is_over(r->delivery);
}

void fleet_run_hold_delivery(struct fleet_run *r, bool hold)
{
    if (!r->delivery)
        return;
    if (hold)
        delivery_hold(r->delivery);
    else
        delivery_release(r->delivery);
}
