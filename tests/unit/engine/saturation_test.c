#include "engine/saturation.h"

#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "support/test.h"

#define MS NSEC_PER_MSEC

static struct saturation s;
static int64_t now;

static const struct worker_load calm = {NSEC_PER_SEC, 300 * MS, 300 * MS, 5 * MS, 2 * MS, 1 * MS};
static const struct worker_load busy = {NSEC_PER_SEC, 980 * MS, 900 * MS, 5 * MS, 43 * MS, 9 * MS};
static const struct worker_load laggy = {NSEC_PER_SEC, 400 * MS, 400 * MS, 0, 350 * MS, 0};
static const struct worker_load starved = {NSEC_PER_SEC, 500 * MS, 300 * MS, 400 * MS, 30 * MS, 0};

static void begin(void)
{
    saturation_init(&s);
    now = 0;
}

/* Seconds as letters: c calm, b busy, l laggy, w waits for a CPU. The other worker is calm. */
static void seconds(const char *text)
{
    for (; *text; text++) {
        struct worker_load loads[] = {calm, calm};

        loads[1] = *text == 'b' ? busy : *text == 'l' ? laggy : *text == 'w' ? starved : calm;
        now += NSEC_PER_SEC;
        saturation_note_workers(&s, now, loads, 2);
    }
}

TEST(saturation_single_seconds_do_not_count)
{
    begin();
    seconds("bccccbcccclccccw");
    CHECK_EQ(s.span_count, 0);
    CHECK(saturation_text(&s) == NULL);
    CHECK(saturation_next_warning(&s, NULL) == NULL);
    saturation_deinit(&s);
}

TEST(saturation_names_the_span_and_says_so_once)
{
    char *text;

    begin();
    seconds("ccccccccccccb");
    CHECK(saturation_next_warning(&s, NULL) == NULL);
    seconds("b");
    text = saturation_next_warning(&s, NULL);
    CHECK(text && strstr(text, "since 00:12"));
    mem_free(text);
    seconds("bbbbbbbbbbbbbbbbbcccccc");
    CHECK(saturation_next_warning(&s, NULL) == NULL);
    CHECK_EQ(s.span_count, 1);
    text = saturation_text(&s);
    CHECK_TEXT(text, "this machine was the bottleneck from 00:12 to 00:31 (workers up to 98 % "
                     "busy, up to 43 ms late): latencies in that span include gale's own queueing");
    mem_free(text);
    saturation_deinit(&s);
}

TEST(saturation_spans_go_over_short_gaps_only)
{
    char *text;

    begin();
    seconds("bbccbbcccbb"); /* a gap of two seconds, and one of three */
    CHECK_EQ(s.span_count, 2);
    CHECK_EQ(s.spans[0].from_nsec, 0);
    CHECK_EQ(s.spans[0].to_nsec, 6 * NSEC_PER_SEC);
    CHECK_EQ(s.spans[1].from_nsec, 9 * NSEC_PER_SEC);
    text = saturation_text(&s);
    CHECK(strstr(text, "from 00:00 to 00:06") && strstr(text, "those spans"));
    mem_free(text);
    saturation_deinit(&s);
}

TEST(saturation_tells_causes_apart)
{
    begin();
    seconds("lllcccccwwwcccccbbb");
    CHECK_EQ(s.span_count, 3);
    CHECK_EQ(s.spans[0].cause, SATURATION_LAG);
    CHECK_EQ(s.spans[1].cause, SATURATION_WAIT);
    CHECK_EQ(s.spans[2].cause, SATURATION_CPU);
    saturation_deinit(&s);
}

TEST(saturation_a_full_core_without_lag_is_no_bottleneck)
{
    const struct worker_load full = {NSEC_PER_SEC, NSEC_PER_SEC, NSEC_PER_SEC, 0, MS, MS};

    begin();
    for (int i = 1; i < 10; i++)
        saturation_note_workers(&s, i * NSEC_PER_SEC, &full, 1);
    CHECK_EQ(s.span_count, 0);
    saturation_deinit(&s);
}

TEST(saturation_late_arrivals_count_as_lag)
{
    struct worker_load late = calm;

    late.max_late_nsec = 120 * MS;
    begin();
    for (int i = 1; i < 4; i++)
        saturation_note_workers(&s, i * NSEC_PER_SEC, &late, 1);
    CHECK_EQ(s.span_count, 1);
    CHECK_EQ(s.spans[0].max_lag_nsec, 120 * MS);
    saturation_deinit(&s);
}

TEST(saturation_warns_before_limits_once_each)
{
    struct process_load load = {
        .rss_bytes = UINT64_C(950) << 20,
        .memory_limit = UINT64_C(1000) << 20,
        .descriptors = 18000,
        .descriptor_limit = 20000,
        .ports_used = 25000,
        .ports = 28232,
    };
    unsigned warnings = 0;
    char *text;

    begin();
    while ((text = saturation_next_warning(&s, &load))) {
        warnings++;
        CHECK(strstr(text, "18000 of 20000") || strstr(text, "25000 of 28232") ||
              strstr(text, "950 of 1000 MB"));
        mem_free(text);
    }
    CHECK_EQ(warnings, 3);
    CHECK(saturation_next_warning(&s, &load) == NULL);
    saturation_deinit(&s);
}

TEST(saturation_below_limits_is_quiet)
{
    struct process_load load = {
        .rss_bytes = 800,
        .memory_limit = 1000,
        .descriptors = 170,
        .descriptor_limit = 200,
        .ports_used = 200,
        .ports = 282,
    };

    begin();
    CHECK(saturation_next_warning(&s, &load) == NULL);
    load = (struct process_load){.descriptors = 5}; /* limits unknown */
    CHECK(saturation_next_warning(&s, &load) == NULL);
    saturation_deinit(&s);
}

TEST(probe_sees_this_process)
{
    struct process_load before;
    struct process_load after;
    struct probe p;
    int64_t start = clock_now();
    int fd;

    probe_init(&p, start);
    probe_read(&p, start + 1, &before);
    fd = dup(1);
    while (clock_now() - start < 50 * MS)
        ;
    probe_read(&p, clock_now(), &after);
    CHECK_EQ(after.descriptors, before.descriptors + 1);
    CHECK(after.cpu_percent > 5);
    CHECK(after.rss_bytes > 100000 && after.rss_bytes < after.memory_limit);
    CHECK(after.ports > 1000);
    CHECK(probe_thread_waited() >= 0);
    close(fd);
}

TEST(probe_raises_the_descriptor_limit)
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 64;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK_EQ(probe_raise_descriptors(), limit.rlim_max);
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK_EQ(limit.rlim_cur, limit.rlim_max);
}
