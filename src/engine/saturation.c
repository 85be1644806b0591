#include "engine/saturation.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

/* When a second counts; why these: a worker that is busy for 90 % of the time has a queue at least
 * part of it, but only a lag that shows next to usual latencies does harm; 100 ms is what a person
 * would take for the target's answer whatever caused it. */
#define BUSY_SHARE 0.9
#define BUSY_LAG_NSEC (5 * NSEC_PER_MSEC)
#define ANY_LAG_NSEC (100 * NSEC_PER_MSEC)
#define WAITED_SHARE 0.2
#define GAP_NSEC (2 * NSEC_PER_SEC + NSEC_PER_SEC / 2)
enum { SECONDS_TO_COUNT = 2, SPANS_TO_NAME = 5 };

void saturation_init(struct saturation *s)
{
    *s = (struct saturation){0};
}

void saturation_deinit(struct saturation *s)
{
    mem_free(s->spans);
}

/* --- one second --------------------------------------------------------------------------- */

static double share(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

static double busy_share(const struct worker_load *load)
{
    int64_t busy = load->busy_nsec > load->cpu_nsec ? load->busy_nsec : load->cpu_nsec;
    double part = share(busy, load->span_nsec);

    return part < 1 ? part : 1;
}

static int64_t lag_of(const struct worker_load *load)
{
    return load->max_lag_nsec > load->max_late_nsec ? load->max_lag_nsec : load->max_late_nsec;
}

static bool judge(const struct worker_load *load, enum saturation_cause *cause)
{
    int64_t lag = lag_of(load);

    if (share(load->waited_nsec, load->span_nsec) >= WAITED_SHARE) {
        *cause = SATURATION_WAIT;
        return true;
    }
    if (busy_share(load) >= BUSY_SHARE && lag >= BUSY_LAG_NSEC) {
        *cause = SATURATION_CPU;
        return true;
    }
    *cause = SATURATION_LAG;
    return lag >= ANY_LAG_NSEC;
}

/* Adds a worker's second to the second of all: the worst of each. */
static void merge(struct saturation_span *second, const struct worker_load *load,
                  enum saturation_cause cause)
{
    second->_seconds[cause] = 1;
    if (lag_of(load) > second->max_lag_nsec)
        second->max_lag_nsec = lag_of(load);
    if (busy_share(load) > second->max_busy)
        second->max_busy = busy_share(load);
}

/* --- spans -------------------------------------------------------------------------------- */

static void extend(struct saturation_span *span, const struct saturation_span *second)
{
    span->to_nsec = second->to_nsec;
    if (second->max_lag_nsec > span->max_lag_nsec)
        span->max_lag_nsec = second->max_lag_nsec;
    if (second->max_busy > span->max_busy)
        span->max_busy = second->max_busy;
    for (unsigned i = 0; i < 3; i++) {
        span->_seconds[i] += second->_seconds[i];
        if (span->_seconds[i] > span->_seconds[span->cause])
            span->cause = (enum saturation_cause)i;
    }
    span->_saturated++;
}

static void push(struct saturation *s, const struct saturation_span *span)
{
    s->spans = mem_reallocarray(s->spans, s->span_count + 1, sizeof *s->spans);
    s->spans[s->span_count++] = *span;
    s->_open = true;
    s->_has_candidate = false;
}

static void note_second(struct saturation *s, const struct saturation_span *second)
{
    struct saturation_span *last = s->span_count ? &s->spans[s->span_count - 1] : NULL;

    if (s->_open && last && second->from_nsec - last->to_nsec < GAP_NSEC) {
        extend(last, second);
        return;
    }
    s->_open = false;
    if (s->_has_candidate && second->from_nsec - s->_candidate.to_nsec < GAP_NSEC) {
        extend(&s->_candidate, second);
        if (s->_candidate._saturated >= SECONDS_TO_COUNT)
            push(s, &s->_candidate);
        return;
    }
    s->_candidate = (struct saturation_span){.from_nsec = second->from_nsec};
    extend(&s->_candidate, second);
    s->_has_candidate = true;
}

void saturation_note_workers(struct saturation *s, int64_t now_nsec,
                             const struct worker_load *loads, size_t count)
{
    struct saturation_span second = {.to_nsec = now_nsec, .from_nsec = now_nsec};
    bool saturated = false;

    for (size_t i = 0; i < count; i++) {
        enum saturation_cause cause;

        if (!judge(&loads[i], &cause))
            continue;
        saturated = true;
        merge(&second, &loads[i], cause);
        if (now_nsec - loads[i].span_nsec < second.from_nsec)
            second.from_nsec = now_nsec - loads[i].span_nsec;
    }
    if (second.from_nsec < 0)
        second.from_nsec = 0;
    if (saturated)
        note_second(s, &second);
}

/* --- words -------------------------------------------------------------------------------- */

static void append_time(struct buf *out, int64_t nsec)
{
    long long seconds = (nsec + NSEC_PER_SEC / 2) / NSEC_PER_SEC;

    if (seconds >= 3600)
        buf_printf(out, "%lld:%02lld:%02lld", seconds / 3600, seconds / 60 % 60, seconds % 60);
    else
        buf_printf(out, "%02lld:%02lld", seconds / 60, seconds % 60);
}

static void append_cause(struct buf *out, const struct saturation_span *span)
{
    double lag = nsec_to_ms(span->max_lag_nsec);

    switch (span->cause) {
    case SATURATION_CPU:
        buf_printf(out, "workers up to %.0f %% busy, up to %.0f ms late", span->max_busy * 100,
                   lag);
        break;
    case SATURATION_LAG:
        buf_printf(out, "a script kept its worker up to %.0f ms late", lag);
        break;
    case SATURATION_WAIT:
        buf_printf(out, "workers had to wait for a CPU, up to %.0f ms late", lag);
        break;
    }
}

static char *bottleneck_warning(const struct saturation *s)
{
    struct buf out = BUF_INIT(SIZE_MAX);

    buf_append_c(&out, "This machine is the bottleneck since ");
    append_time(&out, s->spans[0].from_nsec);
    buf_append_c(&out, " (");
    append_cause(&out, &s->spans[0]);
    buf_append_c(&out, "): latencies include gale's own queueing. Use more cores or machines, less "
                       "load, or a lighter script");
    return buf_take(&out);
}

static char *load_warning(enum saturation_warning which, const struct process_load *load)
{
    unsigned long long used;
    unsigned long long most;

    switch (which) {
    case SATURATION_WARN_DESCRIPTORS:
        used = load->descriptors;
        most = load->descriptor_limit;
        if (most > 0 && used >= most / 10 * 9)
            return mem_printf("%llu of %llu file descriptors are in use: connections will fail; "
                              "raise the hard limit (ulimit -Hn) or use fewer VUs",
                              used, most);
        break;
    case SATURATION_WARN_PORTS:
        used = load->ports_used;
        most = load->ports;
        if (most > 0 && used >= most / 10 * 8)
            return mem_printf("%llu of %llu local ports are in use: connections may fail; widen "
                              "net.ipv4.ip_local_port_range, keep connections open, or use "
                              "--local-ips",
                              used, most);
        break;
    case SATURATION_WARN_MEMORY:
        used = load->rss_bytes >> 20;
        most = load->memory_limit >> 20;
        if (most > 0 && used >= most / 10 * 9)
            return mem_printf("%llu of %llu MB of memory are in use: the system may end gale; use "
                              "fewer VUs, or discardResponseBodies",
                              used, most);
        break;
    case SATURATION_WARN_BOTTLENECK:
    case SATURATION_WARN_COUNT:
        break;
    }
    return NULL;
}

char *saturation_next_warning(struct saturation *s, const struct process_load *load)
{
    for (unsigned i = 0; i < SATURATION_WARN_COUNT; i++) {
        char *text = NULL;

        if (s->_said[i])
            continue;
        if (i == SATURATION_WARN_BOTTLENECK)
            text = s->span_count ? bottleneck_warning(s) : NULL;
        else if (load)
            text = load_warning((enum saturation_warning)i, load);
        if (!text)
            continue;
        s->_said[i] = true;
        return text;
    }
    return NULL;
}

bool saturation_is_on(const struct saturation *s, int64_t now_nsec)
{
    return s->span_count > 0 && now_nsec - s->spans[s->span_count - 1].to_nsec < GAP_NSEC;
}

char *saturation_text(const struct saturation *s)
{
    struct buf out = BUF_INIT(SIZE_MAX);

    if (s->span_count == 0)
        return NULL;
    buf_append_c(&out, "this machine was the bottleneck");
    for (size_t i = 0; i < s->span_count && i < SPANS_TO_NAME; i++) {
        buf_append_c(&out, i == 0 ? " from " : ", from ");
        append_time(&out, s->spans[i].from_nsec);
        buf_append_c(&out, " to ");
        append_time(&out, s->spans[i].to_nsec);
        buf_append_c(&out, " (");
        append_cause(&out, &s->spans[i]);
        buf_append_c(&out, ")");
    }
    if (s->span_count > SPANS_TO_NAME)
        buf_printf(&out, ", and %zu more times", s->span_count - SPANS_TO_NAME);
    buf_append_c(&out, s->span_count == 1
                           ? ": latencies in that span include gale's own queueing"
                           : ": latencies in those spans include gale's own queueing");
    return buf_take(&out);
}
