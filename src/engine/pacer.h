/* When arrivals are due, and when ramping VUs come and go: pure functions of the number asked for.
 *
 * Nothing accumulates, so nothing drifts: the k-th start is computed from k, however long the run
 * (128-bit integers for constant rates; for ramps, the inverse of the integral of the rate). */
#ifndef ENGINE_PACER_H
#define ENGINE_PACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A stage of a ramp: linear from the target before it to `target` within `duration_nsec`; 0 jumps.
 */
struct stage {
    int64_t duration_nsec;
    uint64_t target;
};

struct pacer {
    int64_t unit_nsec;          /* rates are per this much time */
    uint64_t start_rate;        /* at the beginning */
    const struct stage *stages; /* not owned; a constant rate is one stage to the same rate */
    size_t stage_count;
    double *_before; /* arrivals due before each stage */
};

/* The stages must outlive the pacer. */
void pacer_init(struct pacer *p, uint64_t start_rate, int64_t unit_nsec, const struct stage *stages,
                size_t count);
void pacer_deinit(struct pacer *p);

int64_t pacer_duration(const struct pacer *p);

/* Nanoseconds from the start of the scenario to arrival k (from 0; arrival 0 is due at the first
 * moment with a rate above 0); INT64_MAX when the stages end before it. An arrival that is due
 * exactly at the end belongs to the run, as in k6. */
int64_t pacer_due(const struct pacer *p, uint64_t k);

/* The rate per unit at a time, for progress. */
double pacer_rate_at(const struct pacer *p, int64_t nsec);

/* Spans in which VU `index` (from 0) of a ramp is wanted. */
struct vu_span {
    int64_t from_nsec;
    int64_t to_nsec;  /* the end of the stages when it stays */
    bool ramped_down; /* it ends because the target sinks, not because the scenario does */
};

/* Fills `out` with at most `max` spans, returns how many there are. */
size_t pacer_vu_spans(uint64_t start_vus, const struct stage *stages, size_t count, uint64_t index,
                      struct vu_span *out, size_t max);

/* VUs wanted at a time. */
uint64_t pacer_vus_at(uint64_t start_vus, const struct stage *stages, size_t count, int64_t nsec);
uint64_t pacer_max_vus(uint64_t start_vus, const struct stage *stages, size_t count);

#endif
