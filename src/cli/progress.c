#include "cli/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/load.h"
#include "engine/run.h"
#include "loop/loop.h"
#include "output/format.h"

enum { BAR_WIDTH = 40 };
#define REFRESH_TERMINAL (100 * NSEC_PER_MSEC)
#define REFRESH_PLAIN NSEC_PER_SEC

struct progress {
    const struct test *test;
    struct run *run;
    struct loop *loop;
    struct timer timer;
    bool terminal;
    size_t drawn;    /* lines on the terminal now */
    struct buf text; /* what was drawn last, for redrawing under a log line */
};

/* --- banner ------------------------------------------------------------------------------- */

void progress_banner(const struct test *t, const char *outputs, uint64_t max_vus, bool color)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    char duration[48];
    size_t count = t->scenarios.count;

    buf_printf(&out, "\n   %sgale%s %s\n\n", color ? "\x1b[36;1m" : "", color ? "\x1b[0m" : "",
               GALE_VERSION);
    buf_printf(&out, "     execution: local\n        script: %s\n        output: %s\n\n", t->name,
               outputs);
    buf_printf(&out,
               "     scenarios: (%.2f%%) %zu scenario%s, %llu max VUs, %s max duration (incl. "
               "graceful stop):\n",
               100.0 * (double)segment_scale(&t->segment, 10000) / 10000.0, count,
               count == 1 ? "" : "s", (unsigned long long)max_vus,
               duration_format(scenarios_duration(&t->scenarios), duration, sizeof duration));
    for (size_t i = 0; i < count; i++) {
        char *text = scenario_describe(t->scenarios.list[i]);

        buf_printf(&out, "              * %s: %s\n", t->scenarios.list[i]->name, text);
        mem_free(text);
    }
    buf_append_c(&out, "\n\n");
    print_out(buf_str(&out));
    buf_deinit(&out);
}

/* --- lines -------------------------------------------------------------------------------- */

/* "00m01.0s", "1h02m03.4s": of one width while hours don't change. */
static void put_clock(struct buf *out, int64_t nsec)
{
    int64_t tenths = nsec / (NSEC_PER_SEC / 10);
    long long hours = tenths / 36000;

    if (hours > 0)
        buf_printf(out, "%lldh", hours);
    buf_printf(out, "%02lldm%02lld.%llds", (long long)(tenths / 600 % 60),
               (long long)(tenths / 10 % 60), (long long)(tenths % 10));
}

static const char *phase_name(enum run_phase phase)
{
    switch (phase) {
    case RUN_CREATED:
    case RUN_INIT_VUS:
    case RUN_INIT_DONE:
        return "init";
    case RUN_PAUSED:
        return "paused";
    case RUN_STARTED:
    case RUN_SETUP:
        return "setup";
    case RUN_TEARDOWN:
        return "teardown";
    case RUN_RUNNING:
    case RUN_ENDED:
    case RUN_INTERRUPTED:
        break;
    }
    return "running";
}

static void put_status(const struct progress *p, struct buf *out)
{
    const struct run_state *state = run_get_state(p->run);
    enum run_phase phase = run_get_phase(p->run);

    buf_printf(out, "%s (", phase_name(phase));
    put_clock(out, run_state_duration(state, clock_now()));
    if (phase == RUN_INIT_VUS)
        buf_printf(out, "), %llu/%llu VUs initialised\n",
                   (unsigned long long)run_state_vus_initialised(state),
                   (unsigned long long)run_planned_vus(p->run));
    else
        buf_printf(out, "), %llu/%llu VUs, %llu complete and %llu interrupted iterations\n",
                   (unsigned long long)run_state_vus_active(state),
                   (unsigned long long)run_state_vus_initialised(state),
                   (unsigned long long)run_state_completed(state),
                   (unsigned long long)run_state_interrupted(state));
}

static void put_bar(const struct progress *p, struct buf *out, double fraction)
{
    int width = p->terminal ? BAR_WIDTH - 2 : 0;
    int filled = (int)(fraction * width);

    if (!p->terminal) {
        buf_printf(out, "[ %3.0f%% ]", (double)(int)(fraction * 100));
        return;
    }
    buf_append_char(out, '[');
    for (int i = 0; i < width; i++)
        buf_append_char(out, i < filled - 1 || (i < filled && filled == width) ? '='
                             : i == filled - 1                                 ? '>'
                                                                               : '-');
    buf_append_char(out, ']');
}

/* VUs and, of arrival rates, the rate. */
static void put_vus(const struct scenario_progress *s, struct buf *out)
{
    unsigned long long vus = s->counts.vus_held ? s->counts.vus_active : s->vus;
    double unit = nsec_to_sec(s->scenario->unit_nsec ? s->scenario->unit_nsec : NSEC_PER_SEC);

    switch (s->scenario->kind) {
    case EXECUTOR_CONSTANT_ARRIVAL_RATE:
    case EXECUTOR_RAMPING_ARRIVAL_RATE:
        buf_printf(out, "%03llu/%03llu VUs", (unsigned long long)s->counts.vus_active,
                   (unsigned long long)(s->counts.vus_held ? s->counts.vus_held : s->vus));
        buf_printf(out, "  %.2f iters/s", s->rate / unit);
        break;
    case EXECUTOR_RAMPING_VUS:
        buf_printf(out, "%llu/%llu VUs", (unsigned long long)s->counts.vus_active,
                   (unsigned long long)s->vus);
        break;
    case EXECUTOR_SHARED_ITERATIONS:
    case EXECUTOR_PER_VU_ITERATIONS:
    case EXECUTOR_CONSTANT_VUS:
        buf_printf(out, "%llu VUs", s->phase == SCENARIO_DONE ? (unsigned long long)s->vus : vus);
        break;
    }
}

static void put_time(const struct scenario_progress *s, struct buf *out)
{
    char text[48];

    if (s->phase == SCENARIO_WAITING) {
        buf_printf(out, "waiting ");
        put_clock(out, s->starts_in_nsec);
        return;
    }
    if (s->iterations_all > 0) {
        put_clock(out, s->elapsed_nsec);
    } else if (s->phase == SCENARIO_DONE) {
        buf_append_c(out, duration_format(s->scenario->duration_nsec, text, sizeof text));
        return;
    } else {
        int64_t tenth = NSEC_PER_SEC / 10;

        if (s->elapsed_nsec < 60 * NSEC_PER_SEC)
            buf_printf(out, "%.1fs", nsec_to_sec(s->elapsed_nsec / tenth * tenth));
        else
            put_clock(out, s->elapsed_nsec);
    }
    buf_printf(out, "/%s", duration_format(s->scenario->duration_nsec, text, sizeof text));
}

static void put_iterations(const struct scenario_progress *s, struct buf *out)
{
    if (s->iterations_all == 0)
        return;
    buf_printf(out, "  %llu/%llu %siters", (unsigned long long)s->counts.completed,
               (unsigned long long)s->iterations_all,
               s->scenario->kind == EXECUTOR_SHARED_ITERATIONS ? "shared " : "");
    if (s->scenario->kind == EXECUTOR_PER_VU_ITERATIONS)
        buf_printf(out, ", %llu per VU", (unsigned long long)s->scenario->iterations);
}

static void put_scenario(const struct progress *p, size_t index, size_t name_width, struct buf *out)
{
    struct scenario_progress s;
    const char *mark = " ";

    run_scenario_progress(p->run, index, &s);
    if (s.phase == SCENARIO_DONE)
        mark = s.fraction >= 1 ? "✓" : "✗";
    else if (s.phase == SCENARIO_WAITING)
        mark = "•";
    format_padded(out, s.scenario->name, name_width);
    buf_printf(out, " %s ", mark);
    put_bar(p, out, s.fraction);
    buf_append_char(out, ' ');
    put_vus(&s, out);
    buf_append_c(out, "  ");
    put_time(&s, out);
    put_iterations(&s, out);
    buf_append_char(out, '\n');
}

static void compose(struct progress *p)
{
    size_t width = 0;

    for (size_t i = 0; i < p->test->scenarios.count; i++) {
        size_t len = strlen(p->test->scenarios.list[i]->name);

        width = len > width ? len : width;
    }
    buf_reset(&p->text);
    buf_append_char(&p->text, '\n');
    put_status(p, &p->text);
    if (run_get_phase(p->run) < RUN_STARTED)
        return;
    for (size_t i = 0; i < p->test->scenarios.count; i++)
        put_scenario(p, i, width, &p->text);
}

/* --- drawing ------------------------------------------------------------------------------ */

/* Under the log's lock, or on main while nobody logs: moves up and clears to the end. */
static void hide(void *arg)
{
    struct progress *p = arg;
    char move[32];
    int len;

    if (p->drawn == 0)
        return;
    len = snprintf(move, sizeof move, "\x1b[%zuA\x1b[J", p->drawn);
    print_out(str_from(move, (size_t)len));
    p->drawn = 0;
}

/* Lines longer than the terminal are cut: a wrapped one could not be drawn over. */
static void show(void *arg)
{
    struct progress *p = arg;
    struct winsize size;
    size_t columns = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
    struct buf out = BUF_INIT(SIZE_MAX);
    struct str rest = buf_str(&p->text);

    p->drawn = 0;
    while (rest.len > 0) {
        struct str line = str_cut(&rest, '\n');
        size_t at = 0;
        size_t width = 0;

        while (at < line.len && width < columns) {
            at++;
            while (at < line.len && ((unsigned char)line.ptr[at] & 0xc0) == 0x80)
                at++;
            width++;
        }
        buf_append(&out, line.ptr, at);
        buf_append_char(&out, '\n');
        p->drawn++;
    }
    print_out(buf_str(&out));
    buf_deinit(&out);
}

static void redraw(struct progress *p)
{
    /* Taken away from log lines of other threads while it changes. */
    if (p->terminal)
        log_set_overlay(NULL, NULL, NULL);
    compose(p);
    if (p->terminal) {
        hide(p);
        show(p);
        log_set_overlay(hide, show, p);
    } else {
        print_out(buf_str(&p->text));
    }
}

static void refresh(struct timer *timer)
{
    struct progress *p = CONTAINER_OF(timer, struct progress, timer);

    redraw(p);
    timer_start(p->loop, &p->timer, clock_now() + (p->terminal ? REFRESH_TERMINAL : REFRESH_PLAIN));
}

struct progress *progress_new(const struct test *t, struct run *run, struct loop *loop)
{
    struct progress *p = mem_zalloc(sizeof *p);

    p->test = t;
    p->run = run;
    p->loop = loop;
    p->terminal = isatty(STDOUT_FILENO) == 1;
    buf_init(&p->text, SIZE_MAX);
    timer_init(&p->timer, refresh);
    timer_start(loop, &p->timer, clock_now() + (p->terminal ? 0 : REFRESH_PLAIN));
    return p;
}

void progress_free(struct progress *p)
{
    if (!p)
        return;
    timer_stop(p->loop, &p->timer);
    redraw(p);
    log_set_overlay(NULL, NULL, NULL);
    buf_deinit(&p->text);
    mem_free(p);
}
