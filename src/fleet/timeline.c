#include "fleet/timeline.h"

#include "base/buf.h"
#include "base/mem.h"
#include "metrics/hist.h"
#include "metrics/window.h"

struct row {
    struct second_numbers numbers;
    uint64_t failed;
    uint64_t failed_of;
    uint64_t durations;
    double duration_sum;
    char *hist; /* encoded; owned; NULL: none, or no longer kept */
    size_t hist_len;
};

struct timeline {
    struct row rows[TIMELINE_SECONDS]; /* by second modulo their number; second -1: empty */
};

/* --- sums --------------------------------------------------------------------------------- */

void second_sums_init(struct second_sums *s)
{
    *s = (struct second_sums){.durations = hist_new()};
}

void second_sums_deinit(struct second_sums *s)
{
    hist_free(s->durations);
    s->durations = NULL;
}

void second_sums_add(struct second_sums *s, const struct window *w)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct sink *sink = &w->series[i].sink;

        if (sink->is_empty)
            continue;
        switch (w->series[i].series->metric->id) {
        case METRIC_HTTP_REQS:
            s->http_reqs += sink->sum;
            break;
        case METRIC_ITERATIONS:
            s->iterations += sink->sum;
            break;
        case METRIC_DROPPED_ITERATIONS:
            s->dropped_iterations += sink->sum;
            break;
        case METRIC_HTTP_REQ_FAILED:
            s->failed += sink->rate.trues;
            s->failed_of += sink->rate.total;
            break;
        case METRIC_HTTP_REQ_DURATION:
            hist_merge(s->durations, sink->hist);
            break;
        default:
            break;
        }
    }
}

void second_sums_merge(struct second_sums *dst, const struct second_sums *src)
{
    dst->http_reqs += src->http_reqs;
    dst->iterations += src->iterations;
    dst->dropped_iterations += src->dropped_iterations;
    dst->failed += src->failed;
    dst->failed_of += src->failed_of;
    hist_merge(dst->durations, src->durations);
}

/* --- rows --------------------------------------------------------------------------------- */

struct timeline *timeline_new(void)
{
    struct timeline *t = mem_zalloc(sizeof *t);

    for (size_t i = 0; i < TIMELINE_SECONDS; i++)
        t->rows[i].numbers.second = -1;
    return t;
}

static void forget_hist(struct row *row)
{
    mem_free(row->hist);
    row->hist = NULL;
    row->hist_len = 0;
}

void timeline_free(struct timeline *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < TIMELINE_SECONDS; i++)
        forget_hist(&t->rows[i]);
    mem_free(t);
}

static struct row *row_of(const struct timeline *t, int64_t second)
{
    return (struct row *)(uintptr_t)&t->rows[second % TIMELINE_SECONDS];
}

/* Percentiles of all durations of the second, when its histogram is there. */
static void add_durations(struct row *row, const struct hist *added)
{
    struct hist *all = hist_new();
    struct buf bytes = BUF_INIT(SIZE_MAX);
    bool is_whole = row->durations == 0 || row->hist;

    if (is_whole && (!row->hist || hist_decode(all, str_from(row->hist, row->hist_len)) == 0)) {
        hist_merge(all, added);
        row->numbers.p50 = hist_quantile(all, 0.5);
        row->numbers.p95 = hist_quantile(all, 0.95);
        row->numbers.p99 = hist_quantile(all, 0.99);
        forget_hist(row);
        hist_encode(all, &bytes);
        row->hist_len = bytes.len;
        row->hist = mem_dup(bytes.data, bytes.len);
    }
    row->durations += hist_count(added);
    row->duration_sum += hist_sum(added);
    row->numbers.avg = row->durations ? row->duration_sum / (double)row->durations : 0;
    buf_deinit(&bytes);
    hist_free(all);
}

void timeline_add(struct timeline *t, int64_t second, const struct second_sums *sums, bool is_late)
{
    struct row *row = row_of(t, second);

    if (row->numbers.second > second)
        return;
    if (row->numbers.second != second) {
        forget_hist(row);
        *row = (struct row){.numbers.second = second};
        if (second >= TIMELINE_REOPEN)
            forget_hist(row_of(t, second - TIMELINE_REOPEN));
    }
    row->numbers.http_reqs += sums->http_reqs;
    row->numbers.iterations += sums->iterations;
    row->numbers.dropped_iterations += sums->dropped_iterations;
    row->numbers.late += is_late;
    row->failed += sums->failed;
    row->failed_of += sums->failed_of;
    row->numbers.failed = row->failed_of ? (double)row->failed / (double)row->failed_of : 0;
    if (hist_count(sums->durations) > 0)
        add_durations(row, sums->durations);
}

void timeline_set_agents(struct timeline *t, int64_t second, double vus, double vus_max,
                         uint32_t agents, uint32_t saturated)
{
    struct row *row = row_of(t, second);

    if (row->numbers.second != second)
        return;
    row->numbers.vus = vus;
    row->numbers.vus_max = vus_max;
    row->numbers.agents = agents;
    row->numbers.saturated = saturated;
}

bool timeline_get(const struct timeline *t, int64_t second, struct second_numbers *out)
{
    const struct row *row = second < 0 ? NULL : row_of(t, second);

    if (!row || row->numbers.second != second)
        return false;
    *out = row->numbers;
    return true;
}
