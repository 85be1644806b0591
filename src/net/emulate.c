/* Each way of a connection is a queue of parcels, each with the moment at which it arrives:
 *
 *     write ──▶ | out: parcels | ──timer──▶ socket ──▶ peer
 *     read  ◀── | in: parcels  | ◀──ready── socket ◀── peer
 *
 * The socket is emptied as soon as it has something, on the loop and by no fiber, so that arrivals
 * are stamped and the peer sees a window of its own; a full queue leaves the rest to the kernel,
 * whose window then closes. One timer per connection looks at whatever is due next. */
#include "net/emulate.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "loop/fiber.h"
#include "net/bandwidth.h"
#include "net/tcp.h"
#include "net/transport.h"

enum {
    SEGMENT = 1448,            /* bytes of TCP in an Ethernet frame, with time stamps */
    WINDOW = 4 * 1024 * 1024,  /* bytes under way each way: Linux' tcp_wmem */
    QUANTUM_MIN = 3 * SEGMENT, /* of the shared line at a time */
    QUANTUM_MAX = 64 * 1024,
    RETRANSMIT_AFTER = 3, /* duplicate ACKs before a fast retransmit: RFC 5681, 3.2 */
    RETRIES_MAX = 8,      /* losses in a row of one segment */
};

/* A connection is that far ahead of the line, so that a late timer leaves no gap in it. */
static const int64_t ahead = 5 * NSEC_PER_MSEC;
static const int64_t rto_min = 200 * NSEC_PER_MSEC; /* Linux' TCP_RTO_MIN, on top of the rtt */
static const int64_t rto_syn = NSEC_PER_SEC;        /* RFC 6298, 2.1 */
static const int64_t rto_max = 120 * NSEC_PER_SEC;
/* A closed connection whose peer takes nothing more is cut. */
static const int64_t linger_max = 5 * NSEC_PER_SEC;

struct distance {
    struct distance_spec spec;
    struct bandwidth up; /* the process's line, shared by all workers */
    struct bandwidth down;
    size_t quantum;
};

struct emulator {
    struct loop *loop;
    struct distance *distance;
    struct rng rng;
    struct emulated *lingering; /* closed, with something under way */
    char scratch[QUANTUM_MAX];
};

struct parcel {
    struct parcel *next;
    int64_t due;
    size_t len;
    size_t taken;
    char data[];
};

/* One way of a connection. */
struct flow {
    struct bandwidth *line;
    struct parcel *first;
    struct parcel *last;
    size_t bytes;      /* in parcels */
    int64_t last_due;  /* nothing arrives before it any more */
    int64_t line_free; /* when its last byte leaves the line */
    bool is_ended;     /* behind the parcels comes `end`, at `last_due` */
    int end;           /* 0: the orderly end; else an error */
};

struct emulated {
    struct transport transport; /* what is seen */
    struct transport *below;    /* owned */
    struct emulator *em;
    struct flow out;
    struct flow in;
    struct timer timer;
    bool is_closed;        /* lingers */
    int64_t close_at;      /* of a closed one: when its end has reached the peer */
    struct emulated *next; /* in em->lingering */
};

static struct emulated *emulated_of(struct transport *t)
{
    return CONTAINER_OF(t, struct emulated, transport);
}

static int64_t max_nsec(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min_nsec(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* --- the path ----------------------------------------------------------------------------- */

struct distance *distance_new(const struct distance_spec *spec)
{
    struct distance *distance = mem_zalloc(sizeof *distance);
    double worth = (double)spec->rate / 8 * nsec_to_sec(ahead);

    distance->spec = *spec;
    bandwidth_init(&distance->up, spec->rate);
    bandwidth_init(&distance->down, spec->rate);
    distance->quantum = QUANTUM_MAX;
    if (spec->rate && worth < QUANTUM_MAX)
        distance->quantum = worth < QUANTUM_MIN ? QUANTUM_MIN : (size_t)worth;
    return distance;
}

void distance_free(struct distance *distance)
{
    mem_free(distance);
}

/* How long one way takes now. */
static int64_t one_way(struct emulator *em)
{
    const struct distance_spec *spec = &em->distance->spec;
    double shift = spec->jitter ? rng_unit(&em->rng) - 0.5 : 0;

    return spec->rtt / 2 + (int64_t)(shift * (double)spec->jitter);
}

static bool is_lost(struct emulator *em)
{
    double loss = em->distance->spec.loss;

    return loss > 0 && rng_unit(&em->rng) < loss;
}

/* How much later a segment arrives because it was lost, `following` segments behind it. */
static int64_t loss_delay(struct emulator *em, size_t following)
{
    int64_t rtt = em->distance->spec.rtt;
    int64_t rto = rtt + rto_min;
    int64_t delay = 0;

    for (int i = 0; i < RETRIES_MAX && is_lost(em); i++) {
        if (i == 0 && following >= RETRANSMIT_AFTER) {
            delay += rtt;
            continue;
        }
        delay += rto;
        rto = min_nsec(2 * rto, rto_max);
    }
    return delay;
}

static int64_t syn_delay(struct emulator *em)
{
    int64_t rto = rto_syn;
    int64_t delay = 0;

    for (int i = 0; i < RETRIES_MAX && is_lost(em); i++) {
        delay += rto;
        rto = min_nsec(2 * rto, rto_max);
    }
    return delay;
}

/* --- flows -------------------------------------------------------------------------------- */

static void flow_add(struct flow *f, const char *data, size_t len, int64_t due)
{
    struct parcel *p = mem_alloc(sizeof *p + len);

    *p = (struct parcel){.due = due, .len = len};
    memcpy(p->data, data, len);
    if (f->first)
        f->last->next = p;
    else
        f->first = p;
    f->last = p;
    f->bytes += len;
    f->last_due = due;
}

/* Bytes leave at `now`: over the line, then the distance. Segments that arrive together become one
 * parcel. */
static void flow_send(struct emulator *em, struct flow *f, const char *data, size_t len,
                      int64_t now)
{
    int64_t begin = bandwidth_take(f->line, len, now);
    int64_t delay = one_way(em);
    int64_t due = f->last_due;
    size_t from = 0;

    for (size_t at = 0; at < len;) {
        size_t end = min_size(at + SEGMENT, len);
        int64_t arrival = begin + bandwidth_nsec(f->line, end) + delay +
                          loss_delay(em, (len - end + SEGMENT - 1) / SEGMENT);

        arrival = max_nsec(arrival, due);
        if (arrival > due && at > from) {
            flow_add(f, data + from, at - from, due);
            from = at;
        }
        due = arrival;
        at = end;
    }
    flow_add(f, data + from, len - from, due);
    f->line_free = begin + bandwidth_nsec(f->line, len);
}

/* Whether it may put more on its way. */
static bool flow_has_room(const struct flow *f, int64_t now)
{
    return f->bytes < WINDOW && (f->line->nsec_per_byte == 0 || f->line_free - now <= ahead);
}

static void flow_drop(struct flow *f, size_t len)
{
    struct parcel *p = f->first;

    p->taken += len;
    f->bytes -= len;
    if (p->taken < p->len)
        return;
    f->first = p->next;
    mem_free(p);
}

static void flow_deinit(struct flow *f)
{
    while (f->first)
        flow_drop(f, f->first->len - f->first->taken);
}

/* When the next thing arrives; INT64_MAX: nothing is under way. */
static int64_t flow_next(const struct flow *f)
{
    if (f->first)
        return f->first->due;
    return f->is_ended ? f->last_due : INT64_MAX;
}

/* --- a connection's turn ------------------------------------------------------------------ */

/* The peer gets what has come over. */
static void deliver(struct emulated *e, int64_t now)
{
    struct flow *out = &e->out;

    while (out->first && out->first->due <= now && !out->is_ended) {
        struct parcel *p = out->first;
        ptrdiff_t put = transport_try_write(e->below, p->data + p->taken, p->len - p->taken);

        if (put == -EAGAIN)
            return;
        if (put < 0) {
            out->is_ended = true;
            out->end = (int)put;
            flow_deinit(out);
            return;
        }
        flow_drop(out, (size_t)put);
    }
}

/* What the peer sent sets out at `now`. */
static void collect(struct emulated *e, int64_t now)
{
    struct emulator *em = e->em;
    struct flow *in = &e->in;

    while (!e->is_closed && !in->is_ended && flow_has_room(in, now)) {
        ptrdiff_t got = transport_try_read(e->below, em->scratch, em->distance->quantum);

        if (got == -EAGAIN)
            return;
        if (got > 0) {
            flow_send(em, in, em->scratch, (size_t)got, now);
            continue;
        }
        in->is_ended = true;
        in->end = (int)got;
        in->last_due = max_nsec(in->last_due, now + one_way(em));
    }
}

static void free_now(struct emulated *e)
{
    timer_stop(e->em->loop, &e->timer);
    flow_deinit(&e->in);
    flow_deinit(&e->out);
    stream_close(&e->below->stream);
    mem_free(e);
}

static void unlink_lingering(struct emulated *e)
{
    struct emulated **at = &e->em->lingering;

    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
}

/* When the timer has something to do; INT64_MAX: only the socket or a fiber can bring news. */
static int64_t next_turn(const struct emulated *e)
{
    const struct transport *t = &e->transport;
    bool peer_takes = e->below->io.ready & IO_WRITE;
    int64_t next = INT64_MAX;

    if (e->out.first && peer_takes)
        next = flow_next(&e->out);
    if (e->is_closed)
        return min_nsec(next, peer_takes ? e->close_at : e->close_at + linger_max);
    if (!(t->io.ready & IO_WRITE) && e->out.bytes < WINDOW)
        next = min_nsec(next, e->out.line_free - ahead);
    if (!(t->io.ready & IO_READ))
        next = min_nsec(next, flow_next(&e->in));
    if (!e->in.is_ended && transport_has_news(e->below) && e->in.bytes < WINDOW)
        next = min_nsec(next, e->in.line_free - ahead);
    return next;
}

/* Does what is due at `now`. A closed connection may be gone afterwards. */
static void take_turn(struct emulated *e, int64_t now, int64_t arrived)
{
    struct transport *t = &e->transport;
    int64_t next;

    deliver(e, now);
    collect(e, arrived);
    if (e->is_closed &&
        ((!e->out.first && now >= e->close_at) || now >= e->close_at + linger_max)) {
        unlink_lingering(e);
        free_now(e);
        return;
    }
    if (flow_next(&e->in) <= now)
        t->io.ready |= IO_READ;
    if (e->out.is_ended || flow_has_room(&e->out, now))
        t->io.ready |= IO_WRITE;
    transport_wake(t);
    next = next_turn(e);
    if (next == INT64_MAX)
        timer_stop(e->em->loop, &e->timer);
    else
        timer_start(e->em->loop, &e->timer, next);
}

static void on_timer(struct timer *timer)
{
    int64_t now = clock_now();

    take_turn(CONTAINER_OF(timer, struct emulated, timer), now, now);
}

static void on_below(void *arg)
{
    struct emulated *e = arg;

    take_turn(e, clock_now(), transport_ready_nsec(e->below));
}

/* --- the transport ------------------------------------------------------------------------ */

/* One read gives what arrived at one moment, which is its stamp. */
static ptrdiff_t try_read(struct transport *t, void *out, size_t size)
{
    struct emulated *e = emulated_of(t);
    struct flow *in = &e->in;
    int64_t now = clock_now();
    int64_t due = flow_next(in);
    size_t got = 0;

    if (due > now) {
        io_clear(&t->io, IO_READ);
        take_turn(e, now, now);
        return -EAGAIN;
    }
    t->io.ready_nsec = due;
    if (!in->first)
        return in->end;
    while (got < size && in->first && in->first->due == due) {
        struct parcel *p = in->first;
        size_t n = min_size(size - got, p->len - p->taken);

        memcpy((char *)out + got, p->data + p->taken, n);
        got += n;
        flow_drop(in, n);
    }
    t->stream.bytes.received += got;
    if (flow_next(in) > now) {
        io_clear(&t->io, IO_READ);
        take_turn(e, now, now);
    }
    return (ptrdiff_t)got;
}

static ptrdiff_t try_write(struct transport *t, const struct iovec *parts, size_t count)
{
    struct emulated *e = emulated_of(t);
    struct emulator *em = e->em;
    int64_t now = clock_now();
    size_t room = min_size(em->distance->quantum, WINDOW - e->out.bytes);
    size_t put = 0;

    if (e->out.is_ended)
        return e->out.end;
    if (!flow_has_room(&e->out, now)) {
        io_clear(&t->io, IO_WRITE);
        take_turn(e, now, now);
        return -EAGAIN;
    }
    for (size_t i = 0; i < count && put < room; i++) {
        size_t n = min_size(parts[i].iov_len, room - put);

        if (n)
            memcpy(em->scratch + put, parts[i].iov_base, n);
        put += n;
    }
    if (put)
        flow_send(em, &e->out, em->scratch, put, now);
    t->stream.bytes.sent += put;
    take_turn(e, now, now);
    return (ptrdiff_t)put;
}

static bool emulated_is_idle_healthy(struct stream *s)
{
    struct transport *t = transport_of(s);

    return !transport_has_news(t) && flow_next(&emulated_of(t)->in) > clock_now();
}

static void emulated_close(struct stream *s)
{
    struct emulated *e = emulated_of(transport_of(s));
    int64_t now = clock_now();

    if (e->out.is_ended) {
        free_now(e);
        return;
    }
    flow_deinit(&e->in);
    e->is_closed = true;
    e->close_at = max_nsec(e->out.last_due, now + one_way(e->em));
    e->next = e->em->lingering;
    e->em->lingering = e;
    take_turn(e, now, now);
}

static const struct stream_ops emulated_ops = {
    .read = transport_read,
    .write = transport_write,
    .is_idle_healthy = emulated_is_idle_healthy,
    .close = emulated_close,
};

static const struct transport_ops attempts = {
    .try_read = try_read,
    .try_write = try_write,
};

/* --- the emulator ------------------------------------------------------------------------- */

struct emulator *emulator_new(struct loop *loop, struct distance *distance)
{
    struct emulator *em = mem_zalloc(sizeof *em);
    uint64_t seed;

    em->loop = loop;
    em->distance = distance;
    rng_system(&seed, sizeof seed);
    rng_seed(&em->rng, seed);
    return em;
}

void emulator_free(struct emulator *em)
{
    if (!em)
        return;
    while (em->lingering) {
        struct emulated *e = em->lingering;

        em->lingering = e->next;
        deliver(e, INT64_MAX);
        free_now(e);
    }
    mem_free(em);
}

struct stream *emulator_wrap(struct emulator *em, struct stream *below)
{
    struct emulated *e = mem_zalloc(sizeof *e);

    transport_init(&e->transport, &emulated_ops, &attempts, em->loop);
    e->transport.stream.remote = below->remote;
    e->transport.io.ready = IO_WRITE;
    e->below = transport_of(below);
    e->below->watch = on_below;
    e->below->watch_arg = e;
    e->em = em;
    e->out.line = &em->distance->up;
    e->in.line = &em->distance->down;
    timer_init(&e->timer, on_timer);
    on_below(e);
    return &e->transport.stream;
}

YIELDS static int sleep_until(int64_t until, int64_t deadline)
{
    int err = fiber_sleep_until(min_nsec(until, deadline));

    return err == 0 && until > deadline ? ERR_TIMEOUT : err;
}

/* The SYN takes its way before the socket connects, the answer afterwards: the peer accepts, and
 * what it says then sets out, in the middle. */
int emulator_dial(struct emulator *em, const struct addr *remote, const struct addr *local,
                  int64_t deadline, struct stream **out, struct diag *d)
{
    struct diag why = DIAG_INIT;
    struct stream *s = NULL;
    int64_t answered;
    int err = sleep_until(clock_now() + one_way(em) + syn_delay(em), deadline);
    int late;

    if (err)
        return err;
    err = tcp_dial(em->loop, remote, local, deadline, &s, &why);
    if (err == 0) {
        answered = transport_ready_nsec(transport_of(s));
        s = emulator_wrap(em, s);
    } else {
        answered = clock_now();
    }
    answered += one_way(em);
    late = err == ERR_TIMEOUT || err == ERR_CANCELLED ? err : sleep_until(answered, deadline);
    if (err && late == 0)
        diag_set(d, err, "%s", why.message);
    diag_deinit(&why);
    if (late) {
        stream_close(s);
        return late;
    }
    if (err)
        return err;
    transport_of(s)->io.ready_nsec = answered;
    *out = s;
    return 0;
}
