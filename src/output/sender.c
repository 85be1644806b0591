#include "output/sender.h"

#include "base/clock.h"
#include "base/ensure.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "output/transport.h"

#define PAUSE_FIRST (500 * NSEC_PER_MSEC)
#define PAUSE_MAX (10 * NSEC_PER_SEC)
#define PAUSE_ASKED_MAX (60 * NSEC_PER_SEC) /* a peer's Retry-After beyond that is not heeded */
#define END_TIMEOUT (5 * NSEC_PER_SEC)

struct payload {
    char *bytes; /* owned */
    size_t len;
    uint64_t points;
    struct payload *next;
};

struct sender {
    struct sender_options options; /* name is owned */
    struct sender_counts counts;
    struct payload *first; /* the oldest */
    struct payload *last;
    size_t bytes;         /* of all that wait */
    struct fiber *fiber;  /* lives while there is something to send */
    int64_t pause;        /* after the next failure */
    int64_t end_deadline; /* INT64_MAX: the run goes on */
    bool is_pausing;      /* the fiber waits for its next attempt */
    bool was_said;        /* that it fails */
    bool recovery_said;
    bool refusal_said; /* of points that can't be sent */
    char *why;         /* the last failure; owned */
};

struct sender *sender_new(const struct sender_options *options)
{
    struct sender *s = mem_zalloc(sizeof *s);

    s->options = *options;
    s->options.name = mem_strdup(options->name);
    if (s->options.queue_bytes == 0)
        s->options.queue_bytes = SENDER_QUEUE_BYTES;
    if (s->options.end_timeout == 0)
        s->options.end_timeout = END_TIMEOUT;
    s->pause = PAUSE_FIRST;
    s->end_deadline = INT64_MAX;
    return s;
}

static void free_payload(struct payload *p)
{
    mem_free(p->bytes);
    mem_free(p);
}

static struct payload *take_first(struct sender *s)
{
    struct payload *p = s->first;

    s->first = p->next;
    if (!s->first)
        s->last = NULL;
    s->bytes -= p->len;
    return p;
}

static void drop(struct sender *s, struct payload *p)
{
    s->counts.dropped += p->points;
    free_payload(p);
}

void sender_free(struct sender *s)
{
    if (!s)
        return;
    ensure(!s->fiber);
    while (s->first)
        free_payload(take_first(s));
    transport_free(s->options.transport);
    mem_free((void *)(uintptr_t)s->options.name);
    mem_free(s->why);
    mem_free(s);
}

/* --- what is said ------------------------------------------------------------------------- */

static void note_failure(struct sender *s, struct diag *d, bool is_refused)
{
    char *why = d->message ? diag_text(d) : mem_strdup("no reason given");

    mem_free(s->why);
    s->why = why;
    if (s->was_said)
        return;
    s->was_said = true;
    if (is_refused)
        output_say(&s->options.voice, LOG_WARN, "output %s: %s; that part of the data is lost",
                   s->options.name, why);
    else
        output_say(&s->options.voice, LOG_WARN,
                   "output %s: %s; trying again, the last %zu MB are kept until then. The test is "
                   "not affected",
                   s->options.name, why, s->options.queue_bytes >> 20);
}

static void note_delivery(struct sender *s, uint64_t points, uint64_t lost)
{
    lost = lost < points ? lost : points;
    s->counts.delivered += points - lost;
    s->counts.dropped += lost;
    s->pause = PAUSE_FIRST;
    if (!s->was_said || s->recovery_said || lost > 0)
        return;
    s->recovery_said = true;
    output_say(&s->options.voice, LOG_INFO, "output %s: delivering again", s->options.name);
}

/* --- sending ------------------------------------------------------------------------------ */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Waits before the next attempt, or until the run ends. */
YIELDS static void pause_after_failure(struct sender *s, int64_t asked)
{
    int64_t nsec = asked > 0 ? earlier(asked, PAUSE_ASKED_MAX) : s->pause;

    s->pause = earlier(2 * s->pause, PAUSE_MAX);
    s->is_pausing = true;
    (void)!fiber_park_until(earlier(clock_now() + nsec, s->end_deadline));
    s->is_pausing = false;
}

/* Until it is delivered, refused, or given up. */
YIELDS static void deliver(struct sender *s, struct payload *p)
{
    struct transport *t = s->options.transport;

    for (;;) {
        struct diag d = DIAG_INIT;
        struct send_answer answer = {0};
        int64_t now = clock_now();
        enum send_result result;

        if (now >= s->end_deadline) {
            drop(s, p);
            return;
        }
        result = t->ops->send(t, str_from(p->bytes, p->len),
                              earlier(now + s->options.timeout, s->end_deadline), &answer, &d);
        if (result != SEND_OK || answer.lost > 0)
            note_failure(s, &d, result != SEND_AGAIN);
        diag_deinit(&d);
        if (result == SEND_OK) {
            note_delivery(s, p->points, answer.lost);
            free_payload(p);
            return;
        }
        if (result == SEND_REFUSED) {
            drop(s, p);
            return;
        }
        pause_after_failure(s, answer.wait_nsec);
    }
}

static void send_all(void *arg)
{
    struct sender *s = arg;

    while (s->first)
        deliver(s, take_first(s));
    s->fiber = NULL;
    if (s->end_deadline != INT64_MAX)
        loop_stop(s->options.loop); /* sender_stop waits */
}

void sender_push(struct sender *s, struct buf *payload, uint64_t points)
{
    struct payload *p = mem_zalloc(sizeof *p);

    p->len = payload->len;
    p->bytes = buf_take(payload);
    p->points = points;
    if (s->last)
        s->last->next = p;
    else
        s->first = p;
    s->last = p;
    s->bytes += p->len;
    s->counts.made += points;
    while (s->bytes > s->options.queue_bytes && s->first != s->last)
        drop(s, take_first(s));
    if (!s->fiber)
        s->fiber = fiber_start(s->options.loop, send_all, s);
}

void sender_refuse(struct sender *s, uint64_t points, const char *why)
{
    s->counts.made += points;
    s->counts.dropped += points;
    if (!s->refusal_said)
        output_say(&s->options.voice, LOG_WARN, "output %s: %s; such points are left out",
                   s->options.name, why);
    s->refusal_said = true;
    if (!s->why)
        s->why = mem_strdup(why);
}

/* --- the end ------------------------------------------------------------------------------ */

void sender_end(struct sender *s)
{
    if (s->end_deadline != INT64_MAX)
        return;
    s->end_deadline = clock_now() + s->options.end_timeout;
    s->pause = PAUSE_FIRST;
    if (s->is_pausing)
        fiber_wake(s->fiber);
}

int sender_stop(struct sender *s, struct diag *d)
{
    const struct sender_counts *n = &s->counts;

    sender_end(s);
    while (s->fiber)
        loop_run(s->options.loop);
    ensure(n->made == n->delivered + n->dropped);
    if (n->dropped > 0)
        return diag_set(
            d, ERR_NET, "output %s: %llu of %llu points could not be delivered, %llu were: %s",
            s->options.name, (unsigned long long)n->dropped, (unsigned long long)n->made,
            (unsigned long long)n->delivered, s->why ? s->why : "too much waited");
    if (s->was_said)
        output_say(&s->options.voice, LOG_INFO,
                   "output %s: all %llu points were delivered in the end", s->options.name,
                   (unsigned long long)n->made);
    return 0;
}

void sender_get_counts(const struct sender *s, struct sender_counts *out)
{
    *out = s->counts;
}
