/* How much an agent believes it can run, from what it sees of its machine.
 *
 * VUs are bounded by memory and descriptors, iterations per second by the CPU. The costs per VU and
 * request are those that bench/ measures on a reference core; a short computation tells how fast
 * this core is beside that one. It is an estimate on the cautious side: the agent watches itself
 * while it runs and says when it was wrong (engine/saturation.h). */
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/saturation.h"
#include "fleet/agent.h"

/* Measured (README, "How it compares"): 93 KB for a VU that checks and parses JSON, twice that for
 * scripts that hold more; 8 us for a request, and as much again for a script's own work. */
enum { VU_BYTES = 200 * 1024, VU_DESCRIPTORS = 2, RESERVED_DESCRIPTORS = 256 };
#define REQUEST_NSEC (16.0 * (double)NSEC_PER_USEC)
/* A core is planned to this share: beyond it queueing begins to show. */
#define CORE_SHARE 0.7
/* How long the computation takes on the reference core. */
#define REFERENCE_NSEC (3.3 * (double)NSEC_PER_MSEC)

enum { ROUNDS = 400, TABLE = 4096 };

static double core_speed(void)
{
    static uint64_t table[TABLE];
    double best = 0;

    for (unsigned attempt = 0; attempt < 3; attempt++) {
        uint64_t x = 88172645463325252U;
        int64_t began = clock_thread_cpu();
        int64_t took;

        for (unsigned i = 0; i < ROUNDS * TABLE; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            table[x % TABLE] += x;
        }
        took = clock_thread_cpu() - began;
        if (took > 0 && REFERENCE_NSEC / (double)took > best)
            best = REFERENCE_NSEC / (double)took;
    }
    return best > 4 ? 4 : best;
}

/* MemAvailable of /proc/meminfo; elsewhere half of what there is. */
static uint64_t available_memory(void)
{
    uint64_t fallback = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2;
    unsigned long long kb = 0;
    char line[128];
    FILE *f = fopen("/proc/meminfo", "r");

    while (f && fgets(line, sizeof line, f) && sscanf(line, "MemAvailable: %llu", &kb) != 1)
        kb = 0;
    if (f)
        fclose(f);
    return kb ? (uint64_t)kb * 1024 : fallback;
}

void agent_measure(struct agent_capacity *out)
{
    struct process_load load;
    struct probe probe;
    cpu_set_t cpus;
    uint64_t memory = available_memory();
    uint64_t by_memory;
    uint64_t by_descriptors;

    *out = (struct agent_capacity){.cores = 1, .descriptors = probe_raise_descriptors()};
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0)
        out->cores = (unsigned)CPU_COUNT(&cpus);
    probe_init(&probe, clock_now());
    probe_read(&probe, clock_now(), &load);
    if (load.memory_limit > 0 && load.memory_limit < memory)
        memory = load.memory_limit; /* of the control group */
    out->memory_bytes = memory / 10 * 8;
    by_memory = out->memory_bytes / VU_BYTES;
    by_descriptors = out->descriptors > RESERVED_DESCRIPTORS
                         ? (out->descriptors - RESERVED_DESCRIPTORS) / VU_DESCRIPTORS
                         : 1;
    out->max_vus = by_memory < by_descriptors ? by_memory : by_descriptors;
    out->max_rate = core_speed() * out->cores * CORE_SHARE * (double)NSEC_PER_SEC / REQUEST_NSEC;
}
