#include "output/push.h"

#include "base/clock.h"
#include "base/mem.h"
#include "metrics/window.h"
#include "output/transport.h"

static void take_window(struct output *base, const struct window *w)
{
    struct push *p = CONTAINER_OF(base, struct push, base);

    if (p->take_samples)
        p->take_samples(base, w);
    else
        series_set_merge(&p->set, w);
}

void push_payload(struct push *p, bool in_any_case)
{
    if (p->points == 0 || (!in_any_case && p->payload.len < PUSH_PAYLOAD_BYTES))
        return;
    if (p->finish)
        p->finish(p);
    sender_push(p->sender, &p->payload, p->points);
    p->points = 0;
}

void push_points(struct push *p, size_t before, uint64_t points, struct str metric)
{
    size_t size = points ? (p->payload.len - before) / points : 0;
    char *why;

    if (p->point_max == 0 || size <= p->point_max) {
        p->points += points;
        push_payload(p, false);
        return;
    }
    buf_cut(&p->payload, before);
    why =
        mem_printf("a point of %.*s has %zu bytes, at most %zu can be sent: its tags are too long",
                   STR_ARG(metric), size, p->point_max);
    sender_refuse(p->sender, points, why);
    mem_free(why);
}

void push_all(struct push *p, int64_t wall_nsec, bool only_news)
{
    int64_t next = p->wall_nsec + NSEC_PER_MSEC;
    size_t before;
    uint64_t points;

    p->wall_nsec = wall_nsec > next ? wall_nsec : next;
    for (size_t i = 0; i < p->set.count; i++) {
        const struct out_metric *m = p->set.metrics[i];

        for (size_t j = 0; j < m->count; j++) {
            if (only_news && !m->list[j]->has_news)
                continue;
            before = p->payload.len;
            points = p->encode(p, m->list[j]);
            push_points(p, before, points, m->list[j]->metric.name);
        }
    }
    push_payload(p, true);
    series_set_sent(&p->set);
}

static void tick(struct output *base, int64_t wall_nsec)
{
    struct push *p = CONTAINER_OF(base, struct push, base);

    if (++p->ticks % p->every == 0)
        push_all(p, wall_nsec, true);
}

static void end(struct output *base, int64_t wall_nsec)
{
    struct push *p = CONTAINER_OF(base, struct push, base);

    push_all(p, wall_nsec, true);
    if (p->at_end && !base->goes_on)
        p->at_end(p);
    sender_end(p->sender);
}

static int stop(struct output *base, struct diag *d)
{
    struct push *p = CONTAINER_OF(base, struct push, base);

    return sender_stop(p->sender, d);
}

static void free_push(struct output *base)
{
    struct push *p = CONTAINER_OF(base, struct push, base);

    sender_free(p->sender);
    series_set_deinit(&p->set);
    buf_deinit(&p->payload);
    mem_free(p->base.description);
    p->free(p);
}

void push_init(struct push *p, const struct output_context *context, int64_t interval,
               bool is_cumulative, char *description, struct transport *transport, int64_t timeout)
{
    static const struct output_ops ops = {take_window, tick, end, stop, free_push};
    struct sender_options sender = {
        .loop = context->loop,
        .name = description,
        .transport = transport,
        .timeout = timeout,
        .voice = context->voice,
    };
    int64_t seconds = (interval + NSEC_PER_SEC / 2) / NSEC_PER_SEC;

    p->base.ops = &ops;
    p->base.description = description;
    p->base.needs_samples = p->take_samples != NULL;
    p->base.is_cumulative = is_cumulative;
    p->sender = sender_new(&sender);
    series_set_init(&p->set, is_cumulative);
    buf_init(&p->payload, SIZE_MAX);
    p->every = seconds > 0 ? (uint64_t)seconds : 1;
}
