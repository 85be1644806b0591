/* The text of the progress: the running line and one for each scenario (k6-features.md section 26;
 * reference: summary-compact.txt). No I/O, no clock. */
#ifndef CLI_PROGRESS_LINES_H
#define CLI_PROGRESS_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "engine/run.h"

struct progress_view {
    enum run_phase phase;
    int64_t elapsed_nsec;
    int64_t max_nsec; /* the longest that the test may take */
    uint64_t vus_active;
    uint64_t vus_initialised;
    uint64_t vus_planned;
    uint64_t vus_max;
    uint64_t completed;
    uint64_t interrupted;
    const struct scenario_progress *scenarios;
    size_t scenario_count;
    bool bars; /* of [====>---]; without, the share alone */
};

/* Appends an empty line, then the lines. */
void progress_lines(const struct progress_view *v, struct buf *out);

/* "00m01.0s" where `most` is "10m30s": as wide as the longest time there will be. */
void progress_clock(struct buf *out, int64_t nsec, int64_t most);

#endif
