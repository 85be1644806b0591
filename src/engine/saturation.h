/* Watches whether this machine, and not the target, is the bottleneck.
 *
 * Once a second main hands over what the workers counted and this adds what the system knows: CPU
 * time of the process, time that threads waited for a CPU, memory, descriptors, local ports. A
 * second is saturated when gale itself must have delayed what it measures:
 *
 *   - a worker was busy for 90 % of it or more and handled something 5 ms or more after it was due,
 * or
 *   - a worker handled something 100 ms or more late, whatever the reason (one busy script), or
 *   - a worker's thread was ready but waited for a CPU for 20 % of it or more.
 *
 * Single seconds happen (a thousand VUs start at once); a span counts when at least two seconds of
 * it are saturated, and goes on over gaps of up to two seconds.
 *
 * Threads: main's only; the clock and what was measured are arguments, so that tests can make them
 * up.
 */
#ifndef ENGINE_SATURATION_H
#define ENGINE_SATURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One worker's second. */
struct worker_load {
    int64_t span_nsec;     /* how long the second was */
    int64_t busy_nsec;     /* the loop did not wait */
    int64_t cpu_nsec;      /* the thread's CPU time */
    int64_t waited_nsec;   /* ready, but without a CPU */
    int64_t max_lag_nsec;  /* longest time from readiness or deadline to its handling */
    int64_t max_late_nsec; /* longest delay of an arrival's start */
};

/* The process's second. */
struct process_load {
    double cpu_percent; /* of one CPU: 200 is two of them */
    uint64_t rss_bytes;
    uint64_t memory_limit; /* of the machine or the control group */
    uint64_t descriptors;
    uint64_t descriptor_limit;
    uint64_t ports_used; /* by connections of this process, and by those that linger (TIME_WAIT) */
    uint64_t ports;
};

enum saturation_cause {
    SATURATION_CPU,  /* the workers had no time left */
    SATURATION_LAG,  /* a script kept its worker for too long */
    SATURATION_WAIT, /* other processes had the CPUs */
};

struct saturation_span {
    int64_t from_nsec; /* since the start of the run */
    int64_t to_nsec;
    enum saturation_cause cause; /* of most of its seconds */
    int64_t max_lag_nsec;
    double max_busy;      /* 0 to 1, of the busiest worker */
    unsigned _seconds[3]; /* by cause */
    unsigned _saturated;  /* seconds */
};

enum saturation_warning {
    SATURATION_WARN_BOTTLENECK,  /* a span counts, for the first time */
    SATURATION_WARN_DESCRIPTORS, /* 90 % of the limit */
    SATURATION_WARN_PORTS,       /* 80 % of the local ports */
    SATURATION_WARN_MEMORY,      /* 90 % of the memory */
    SATURATION_WARN_COUNT,
};

struct saturation {
    struct saturation_span *spans; /* that count; the last one may still go on */
    size_t span_count;
    struct saturation_span _candidate; /* not yet long enough */
    bool _open;                        /* the last span may go on */
    bool _has_candidate;
    bool _said[SATURATION_WARN_COUNT];
};

void saturation_init(struct saturation *s);
void saturation_deinit(struct saturation *s);

/* Judges the second that ends at `now_nsec` (since the start of the run). */
void saturation_note_workers(struct saturation *s, int64_t now_nsec,
                             const struct worker_load *loads, size_t count);

/* Warnings that are due now and have not been given before: the text of the next one (heap), or
 * NULL when there is none. Call until NULL. `load` may be NULL. */
char *saturation_next_warning(struct saturation *s, const struct process_load *load);

/* Whether a span that counts goes on at `now_nsec` (since the start of the run). */
bool saturation_is_on(const struct saturation *s, int64_t now_nsec);

/* "this machine was the bottleneck from 00:12 to 00:31 (...): latencies in that span include gale's
 * own queueing": for the summary. Heap; NULL when no span counts. */
char *saturation_text(const struct saturation *s);

/* --- what the system knows ---------------------------------------------------------------- */

/* State between two probes. */
struct probe {
    int64_t _cpu_nsec;
    int64_t _at_nsec;
    uint64_t _memory_limit;
    uint64_t _ports;
};
void probe_init(struct probe *p, int64_t now_nsec);
void probe_read(struct probe *p, int64_t now_nsec, struct process_load *out);

/* Time that the calling thread was ready but waited for a CPU, since it began; 0 when the system
 * does not tell. */
int64_t probe_thread_waited(void);

/* Raises the soft limit of descriptors to the hard one; returns the limit now. */
uint64_t probe_raise_descriptors(void);

#endif
