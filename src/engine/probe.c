/* What the system tells about this process; on systems without /proc, less. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/saturation.h"

/* The file's first bytes as text; false when it can't be read. */
static bool read_text(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "re");
    size_t got;

    if (!f)
        return false;
    got = fread(out, 1, size - 1, f);
    out[got] = '\0';
    fclose(f);
    return true;
}

static uint64_t read_number(const char *path)
{
    char text[64];

    return read_text(path, text, sizeof text) ? strtoull(text, NULL, 10) : 0;
}

/* The number after `key` and white space, 0 without one. */
static uint64_t number_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);

    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static int64_t process_cpu(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* The machine's memory, or what the control group allows of it. */
static uint64_t memory_limit(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);
    uint64_t limit = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    uint64_t group = read_number("/sys/fs/cgroup/memory.max"); /* "max" reads as 0 */

    if (group == 0)
        group = read_number("/sys/fs/cgroup/memory/memory.limit_in_bytes");
    return group > 0 && group < limit ? group : limit;
}

static uint64_t local_ports(void)
{
    char text[64];
    char *end;
    unsigned long first;
    unsigned long last;

    if (!read_text("/proc/sys/net/ipv4/ip_local_port_range", text, sizeof text))
        return 0;
    first = strtoul(text, &end, 10);
    last = strtoul(end, NULL, 10);
    return last >= first ? last - first + 1 : 0;
}

/* Linux 6.2 and later give the number of open descriptors as the directory's size. */
static uint64_t open_descriptors(void)
{
    struct stat st;
    uint64_t count = 0;
    DIR *dir;

    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
        return (uint64_t)st.st_size;
    dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count > 3 ? count - 3 : 0; /* ".", ".." and the directory itself */
}

static uint64_t resident_bytes(void)
{
    char text[128];
    char *end;

    if (!read_text("/proc/self/statm", text, sizeof text))
        return 0;
    strtoull(text, &end, 10);
    return strtoull(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Sockets of other processes in this network namespace count too (a target on this very machine),
 * so no more than our own descriptors are taken as ours. */
static uint64_t ports_used(uint64_t descriptors)
{
    char text[1024];
    uint64_t used = 0;
    uint64_t lingering = 0;

    if (read_text("/proc/net/sockstat", text, sizeof text)) {
        const char *tcp = strstr(text, "TCP: ");

        if (tcp) {
            used = number_after(tcp, "inuse ");
            lingering = number_after(tcp, "tw ");
        }
    }
    if (read_text("/proc/net/sockstat6", text, sizeof text))
        used += number_after(text, "TCP6: inuse ");
    return (used < descriptors ? used : descriptors) + lingering;
}

void probe_init(struct probe *p, int64_t now_nsec)
{
    *p = (struct probe){process_cpu(), now_nsec, memory_limit(), local_ports()};
}

void probe_read(struct probe *p, int64_t now_nsec, struct process_load *out)
{
    int64_t cpu = process_cpu();
    int64_t span = now_nsec - p->_at_nsec;
    struct rlimit limit = {0, 0};

    getrlimit(RLIMIT_NOFILE, &limit);
    *out = (struct process_load){
        .cpu_percent = span > 0 ? 100.0 * (double)(cpu - p->_cpu_nsec) / (double)span : 0,
        .rss_bytes = resident_bytes(),
        .memory_limit = p->_memory_limit,
        .descriptors = open_descriptors(),
        .descriptor_limit = limit.rlim_cur == RLIM_INFINITY ? 0 : limit.rlim_cur,
        .ports = p->_ports,
    };
    out->ports_used = ports_used(out->descriptors);
    p->_cpu_nsec = cpu;
    p->_at_nsec = now_nsec;
}

int64_t probe_thread_waited(void)
{
    char text[128];
    char *end;

    if (!read_text("/proc/thread-self/schedstat", text, sizeof text))
        return 0;
    strtoull(text, &end, 10);
    return (int64_t)strtoull(end, NULL, 10);
}

uint64_t probe_raise_descriptors(void)
{
    struct rlimit limit = {0, 0};

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    if (limit.rlim_cur < limit.rlim_max) {
        rlim_t before = limit.rlim_cur;

        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            limit.rlim_cur = before;
    }
    return limit.rlim_cur;
}
