#include "metrics/request.h"

#include "base/mem.h"

void request_log_exemplar(struct request_log *log, const struct request_record *r)
{
    struct request_record *place = NULL;
    struct request_record *fastest = NULL;

    if (!log->exemplars)
        log->exemplars = mem_calloc(EXEMPLARS_MAX, sizeof *log->exemplars);
    for (size_t i = 0; i < log->exemplar_count && !place; i++) {
        struct request_record *e = &log->exemplars[i];

        if (e->tags == r->tags && e->failed == r->failed)
            place = e;
        if (!fastest || request_duration(e) < request_duration(fastest))
            fastest = e;
    }
    if (!place && log->exemplar_count < EXEMPLARS_MAX) {
        log->exemplars[log->exemplar_count++] = *r;
        return;
    }
    if (!place)
        place = fastest;
    if (request_duration(r) > request_duration(place))
        *place = *r;
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
