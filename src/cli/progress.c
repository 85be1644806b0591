#include "cli/progress.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/load.h"
#include "cli/overlay.h"
#include "cli/progress_lines.h"
#include "engine/run.h"
#include "loop/loop.h"

#define REFRESH_TERMINAL (100 * NSEC_PER_MSEC)
#define REFRESH_PLAIN NSEC_PER_SEC

struct progress {
    const struct test *test;
    struct run *run;
    struct loop *loop;
    struct timer timer;
    bool terminal;
    struct overlay *overlay; /* NULL: taken away */
    struct buf next;         /* what will be drawn */
};

/* --- banner ------------------------------------------------------------------------------- */

void progress_banner(const struct test *t, const char *outputs, const char *distance,
                     const char *dashboard, uint64_t max_vus, bool color)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    char duration[48];
    size_t count = t->scenarios.count;

    buf_printf(&out, "\n   %sgale%s %s\n\n", color ? "\x1b[36;1m" : "", color ? "\x1b[0m" : "",
               GALE_VERSION);
    buf_printf(&out, "     execution: local\n        script: %s\n        output: %s\n", t->name,
               outputs);
    if (dashboard)
        buf_printf(&out, "     web dashboard: %s\n", dashboard);
    if (distance[0])
        buf_printf(&out, "     emulated distance: %s\n", distance);
    buf_append_char(&out, '\n');
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
    buf_append_c(&out, "\n");
    print_out(buf_str(&out));
    buf_deinit(&out);
}

/* --- drawing ------------------------------------------------------------------------------ */

static void compose(struct progress *p)
{
    const struct run_state *state = run_get_state(p->run);
    size_t count = p->test->scenarios.count;
    struct scenario_progress *scenarios = mem_calloc(count, sizeof *scenarios);
    struct progress_view view = {
        .phase = run_get_phase(p->run),
        .elapsed_nsec = run_state_duration(state, clock_now()),
        .max_nsec = scenarios_duration(&p->test->scenarios),
        .vus_active = run_state_vus_active(state),
        .vus_initialised = run_state_vus_initialised(state),
        .vus_planned = run_planned_vus(p->run),
        .vus_max = run_max_vus(p->run),
        .completed = run_state_completed(state),
        .interrupted = run_state_interrupted(state),
        .scenarios = scenarios,
        .bars = p->terminal,
    };

    if (view.phase >= RUN_STARTED)
        view.scenario_count = count;
    for (size_t i = 0; i < view.scenario_count; i++)
        run_scenario_progress(p->run, i, &scenarios[i]);
    buf_reset(&p->next);
    progress_lines(&view, &p->next);
    mem_free(scenarios);
}

static void redraw(struct progress *p)
{
    compose(p);
    overlay_set(p->overlay, buf_str(&p->next));
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
    p->overlay = overlay_new();
    p->terminal = overlay_is_terminal(p->overlay);
    buf_init(&p->next, SIZE_MAX);
    timer_init(&p->timer, refresh);
    timer_start(loop, &p->timer, clock_now() + (p->terminal ? 0 : REFRESH_PLAIN));
    return p;
}

void progress_stop(struct progress *p)
{
    if (!p)
        return;
    timer_stop(p->loop, &p->timer);
    overlay_free(p->overlay);
    p->overlay = NULL;
}

void progress_free(struct progress *p, bool draw)
{
    if (!p)
        return;
    progress_stop(p);
    compose(p);
    if (draw)
        print_out(buf_str(&p->next));
    buf_deinit(&p->next);
    mem_free(p);
}
