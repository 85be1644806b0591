#include "metrics/request.h"

#include <string.h>

#include "base/mem.h"

/* Where such a request belongs: the place of its series, a free one, or that of the fastest. */
static size_t place_of(const struct request_log *log, const struct tags *tags, bool failed)
{
    size_t fastest = 0;

    for (size_t i = 0; i < log->exemplar_count; i++) {
        const struct request_record *e = &log->exemplars[i];

        if (e->tags == tags && e->failed == failed)
            return i;
        if (request_duration(e) < request_duration(&log->exemplars[fastest]))
            fastest = i;
    }
    return log->exemplar_count < EXEMPLARS_MAX ? log->exemplar_count : fastest;
}

static bool is_slower(const struct request_log *log, size_t place, int64_t duration)
{
    return place == log->exemplar_count || duration > request_duration(&log->exemplars[place]);
}

bool request_log_wants(const struct request_log *log, const struct tags *tags, bool failed,
                       int64_t duration)
{
    return is_slower(log, place_of(log, tags, failed), duration);
}

void request_log_exemplar(struct request_log *log, const struct request_record *r)
{
    size_t place = place_of(log, r->tags, r->failed);

    if (!is_slower(log, place, request_duration(r)))
        return;
    if (!log->exemplars)
        log->exemplars = mem_calloc(EXEMPLARS_MAX, sizeof *log->exemplars);
    if (place == log->exemplar_count)
        log->exemplar_count++;
    log->exemplars[place] = *r;
}

void request_text(char *to, size_t size, struct str from)
{
    size_t len = from.len < size - 1 ? from.len : size - 1;

    if (len)
        memcpy(to, from.ptr, len);
    to[len] = '\0';
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)to[i] < ' ' || to[i] == 0x7f)
            to[i] = ' ';
    }
}

void request_log_span(struct request_log *log, const struct request_record *r)
{
    if (log->span_count == SPANS_PER_WINDOW_MAX) {
        log->dropped++;
        return;
    }
    if (log->span_count == log->span_cap) {
        log->span_cap = log->span_cap ? log->span_cap * 2 : 64;
        log->spans = mem_reallocarray(log->spans, log->span_cap, sizeof *log->spans);
    }
    log->spans[log->span_count++] = *r;
}

void request_log_deinit(struct request_log *log)
{
    mem_free(log->exemplars);
    mem_free(log->spans);
    *log = (struct request_log){0};
}
