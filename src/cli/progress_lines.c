#include "cli/progress_lines.h"

#include <string.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/ensure.h"
#include "base/mem.h"
#include "engine/scenario.h"
#include "output/format.h"

enum { BAR_WIDTH = 38, COLUMNS_MAX = 3 };

static int digits(uint64_t value)
{
    int count = 1;

    while (value >= 10) {
        value /= 10;
        count++;
    }
    return count;
}

/* --- times -------------------------------------------------------------------------------- */

void progress_clock(struct buf *out, int64_t nsec, int64_t most)
{
    long long tenths = nsec / (NSEC_PER_SEC / 10);
    int64_t longest = most > nsec ? most : nsec;
    long long hours = longest / (3600 * NSEC_PER_SEC);
    long long minutes = longest / (60 * NSEC_PER_SEC);

    if (hours > 0)
        buf_printf(out, "%0*lldh%02lldm%02lld.%llds", digits((uint64_t)hours), tenths / 36000,
                   tenths / 600 % 60, tenths / 10 % 60, tenths % 10);
    else if (minutes > 0)
        buf_printf(out, "%0*lldm%02lld.%llds", digits((uint64_t)minutes), tenths / 600,
                   tenths / 10 % 60, tenths % 10);
    else
        buf_printf(out, "%0*lld.%llds", digits((uint64_t)(longest / NSEC_PER_SEC)), tenths / 10,
                   tenths % 10);
}

static void put_time(const struct scenario_progress *s, struct buf *out)
{
    int64_t most = s->scenario->duration_nsec;
    char text[48];

    duration_format(most, text, sizeof text);
    if (s->phase == SCENARIO_WAITING) {
        buf_append_c(out, "waiting ");
        progress_clock(out, s->starts_in_nsec, s->scenario->start_nsec);
    } else if (s->phase == SCENARIO_DONE && s->iterations_all == 0 && s->elapsed_nsec >= most) {
        buf_append_c(out, text);
    } else {
        progress_clock(out, s->elapsed_nsec, most);
        buf_printf(out, "/%s", text);
    }
}

/* --- the running line --------------------------------------------------------------------- */

static const char *phase_name(enum run_phase phase)
{
    switch (phase) {
    case RUN_SETUP_DONE: /* of conducted runs: not shown here */
    case RUN_EXECUTED:
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

static void put_status(const struct progress_view *v, struct buf *out)
{
    uint64_t most = v->vus_max > v->vus_initialised ? v->vus_max : v->vus_initialised;

    if (v->phase < RUN_STARTED && v->phase != RUN_PAUSED) {
        buf_printf(out, "init: %0*llu/%llu VUs initialized\n", digits(v->vus_planned),
                   (unsigned long long)v->vus_initialised, (unsigned long long)v->vus_planned);
        return;
    }
    buf_printf(out, "%s (", phase_name(v->phase));
    progress_clock(out, v->elapsed_nsec, v->max_nsec);
    buf_printf(out, "), %0*llu/%0*llu VUs, %llu complete and %llu interrupted iterations\n",
               digits(most), (unsigned long long)v->vus_active, digits(most),
               (unsigned long long)v->vus_initialised, (unsigned long long)v->completed,
               (unsigned long long)v->interrupted);
}

/* --- a line for each scenario ------------------------------------------------------------- */

static void put_bar(struct buf *out, double fraction, bool bars)
{
    int filled = (int)(fraction * BAR_WIDTH);

    if (!bars) {
        buf_printf(out, "[ %3.0f%% ]", (double)(int)(fraction * 100));
        return;
    }
    buf_append_char(out, '[');
    for (int i = 0; i < BAR_WIDTH; i++) {
        bool tip = i == filled - 1 && filled < BAR_WIDTH;

        buf_append_char(out, tip ? '>' : i < filled ? '=' : '-');
    }
    buf_append_char(out, ']');
}

static void put_vus(const struct scenario_progress *s, struct buf *out)
{
    bool arrivals = s->scenario->kind == EXECUTOR_CONSTANT_ARRIVAL_RATE ||
                    s->scenario->kind == EXECUTOR_RAMPING_ARRIVAL_RATE;
    uint64_t held = s->counts.vus_held && arrivals ? s->counts.vus_held : s->vus;
    int width = digits(arrivals ? s->max_vus : s->vus);

    if (arrivals || s->scenario->kind == EXECUTOR_RAMPING_VUS)
        buf_printf(out, "%0*llu/%0*llu VUs", width, (unsigned long long)s->counts.vus_active, width,
                   (unsigned long long)held);
    else
        buf_printf(out, "%llu VUs", (unsigned long long)s->vus);
}

/* Iterations where they are counted, or the rate at which they start. */
static void put_work(const struct scenario_progress *s, struct buf *out)
{
    double unit = nsec_to_sec(s->scenario->unit_nsec ? s->scenario->unit_nsec : NSEC_PER_SEC);

    switch (s->scenario->kind) {
    case EXECUTOR_CONSTANT_ARRIVAL_RATE:
    case EXECUTOR_RAMPING_ARRIVAL_RATE:
        buf_printf(out, "%.2f iters/s", s->rate / unit);
        break;
    case EXECUTOR_SHARED_ITERATIONS:
        buf_printf(out, "%0*llu/%llu shared iters", digits(s->iterations_all),
                   (unsigned long long)s->counts.completed, (unsigned long long)s->iterations_all);
        break;
    case EXECUTOR_PER_VU_ITERATIONS:
        buf_printf(out, "%0*llu/%llu iters, %llu per VU", digits(s->iterations_all),
                   (unsigned long long)s->counts.completed, (unsigned long long)s->iterations_all,
                   (unsigned long long)s->scenario->iterations);
        break;
    case EXECUTOR_CONSTANT_VUS:
    case EXECUTOR_RAMPING_VUS:
        break;
    }
}

/* What is right of the bar. */
struct columns {
    char *text[COLUMNS_MAX]; /* owned; "" at the end */
};

static struct columns columns_of(const struct scenario_progress *s)
{
    static void (*const put[COLUMNS_MAX])(const struct scenario_progress *s,
                                          struct buf *out) = {put_vus, put_time, put_work};
    struct columns c;

    for (size_t i = 0; i < COLUMNS_MAX; i++) {
        struct buf text = BUF_INIT(SIZE_MAX);

        put[i](s, &text);
        c.text[i] = buf_take(&text);
    }
    return c;
}

static const char *mark_of(const struct scenario_progress *s)
{
    if (s->phase == SCENARIO_WAITING)
        return "•";
    if (s->phase == SCENARIO_RUNNING)
        return " ";
    return s->fraction >= 1 ? "✓" : "✗";
}

/* Columns are as wide as the widest of all lines, and the last of all is not padded. */
static void put_columns(const struct columns *c, const size_t *widths, struct buf *out)
{
    for (size_t i = 0; i < COLUMNS_MAX && widths[i] > 0; i++) {
        bool last = i + 1 == COLUMNS_MAX || widths[i + 1] == 0;

        if (c->text[i][0] == '\0' && last)
            return;
        buf_append_char(out, ' ');
        format_padded(out, c->text[i], last ? 0 : widths[i] + 1);
    }
}

void progress_lines(const struct progress_view *v, struct buf *out)
{
    struct columns *columns = mem_calloc(v->scenario_count + 1, sizeof *columns);
    size_t widths[COLUMNS_MAX] = {0};
    size_t names = 0;

    buf_append_char(out, '\n');
    put_status(v, out);
    for (size_t i = 0; i < v->scenario_count; i++) {
        size_t name = format_width(v->scenarios[i].scenario->name);

        names = name > names ? name : names;
        columns[i] = columns_of(&v->scenarios[i]);
        for (size_t j = 0; j < COLUMNS_MAX; j++) {
            size_t width = format_width(columns[i].text[j]);

            widths[j] = width > widths[j] ? width : widths[j];
        }
    }
    for (size_t i = 0; i < v->scenario_count; i++) {
        const struct scenario_progress *s = &v->scenarios[i];

        format_padded(out, s->scenario->name, names);
        buf_printf(out, " %s ", mark_of(s));
        put_bar(out, s->fraction, v->bars);
        put_columns(&columns[i], widths, out);
        buf_append_char(out, '\n');
        for (size_t j = 0; j < COLUMNS_MAX; j++)
            mem_free(columns[i].text[j]);
    }
    mem_free(columns);
}
