#include "api/retention.h"

#include "api/keeper.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "store/store.h"

#define FIRST_NSEC NSEC_PER_SEC
#define EVERY_NSEC (60 * NSEC_PER_SEC)

struct retention {
    struct retention_config config;
    struct timer timer;
    bool is_busy;
    size_t deleted;
};

static int retain(struct store *s, void *arg, struct diag *d)
{
    struct retention *r = arg;
    const struct store_retention wanted = {
        .now_wall_nsec = clock_wall(),
        .max_age_nsec = r->config.max_age_nsec,
        .max_bytes = r->config.max_bytes,
    };

    return store_retain(s, &wanted, &r->deleted, d);
}

static void retain_fiber(void *arg)
{
    static struct log_limit limit;
    struct retention *r = arg;
    struct diag d = DIAG_INIT;
    int err = keeper_write(r->config.keeper, retain, r, &d);

    if (err)
        log_limited(&limit, LOG_WARN, "old runs can't be deleted: %s",
                    d.message ? d.message : err_text(err));
    else if (r->deleted > 0)
        log_printf(LOG_INFO, "%zu old run%s deleted (--retain, --retain-size)", r->deleted,
                   r->deleted == 1 ? "" : "s");
    diag_deinit(&d);
    r->is_busy = false;
}

static void on_timer(struct timer *timer)
{
    struct retention *r = CONTAINER_OF(timer, struct retention, timer);

    timer_start(r->config.loop, timer, clock_now() + EVERY_NSEC);
    if (r->is_busy)
        return;
    r->is_busy = true;
    fiber_start(r->config.loop, retain_fiber, r);
}

struct retention *retention_start(const struct retention_config *config)
{
    struct retention *r = mem_zalloc(sizeof *r);

    r->config = *config;
    timer_init(&r->timer, on_timer);
    timer_start(config->loop, &r->timer, clock_now() + FIRST_NSEC);
    return r;
}

void retention_stop(struct retention *r)
{
    if (r)
        timer_stop(r->config.loop, &r->timer);
}

void retention_free(struct retention *r)
{
    mem_free(r);
}
