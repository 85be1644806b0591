#include "store/compare.h"

#include <math.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "metrics/hist.h"
#include "store/dictionary.h"
#include "store/point.h"
#include "store/scan.h"
#include "store/sql.h"
#include "store/tidy.h"

enum { SIDES = 2, BASE = 0, RUN = 1, MOST_EDGES = 512, MOST_AGGS = 4 };

/* A metric of both runs in a region, or in all: its blocks, and what is drawn from them. */
struct pair {
    const struct dict_metric *metric[SIDES];
    struct sink *blocks[SIDES]; /* one after another in time; owned */
    struct sink whole[SIDES];
    /* Of trends: the values at which blocks are counted, and the counts up to each of them. */
    double edges[MOST_EDGES];
    size_t edge_count;
    float *counts[SIDES]; /* by block, then edge; owned */
};

struct comparer {
    struct store *store;
    const struct store_compare *ask;
    struct dictionary *dict[SIDES];
    struct store_comparison *out;
    struct diag *diag;
    size_t blocks;
    unsigned char (*draws)[COMPARE_MOST_BLOCKS]; /* how often each block is drawn, by draw */
};

const char *compare_verdict_name(enum compare_verdict verdict)
{
    static const char *const names[] = {"same", "better", "worse", "different", "unclear"};

    return names[verdict];
}

/* --- blocks ------------------------------------------------------------------------------- */

static int64_t newest_of(const struct dictionary *dict)
{
    int64_t newest = -1;

    for (size_t i = 0; i < dict->region_count; i++) {
        if (dict->regions[i].newest > newest)
            newest = dict->regions[i].newest;
    }
    return newest;
}

/* Whole seconds, at least COMPARE_LEAST_SECONDS; of long runs a level's length, so that few rows
 * are read. */
static int64_t block_seconds(int64_t span)
{
    int64_t seconds = (span + COMPARE_MOST_BLOCKS - 1) / COMPARE_MOST_BLOCKS;

    if (seconds < COMPARE_LEAST_SECONDS)
        return COMPARE_LEAST_SECONDS;
    for (size_t i = LEVEL_COUNT; i-- > 0;) {
        if (seconds > tidy_levels[i])
            return (seconds + tidy_levels[i] - 1) / tidy_levels[i] * tidy_levels[i];
    }
    return seconds;
}

static int choose_blocks(struct comparer *c)
{
    struct store_comparison *out = c->out;
    int64_t end = newest_of(c->dict[BASE]) + 1;

    if (newest_of(c->dict[RUN]) + 1 < end)
        end = newest_of(c->dict[RUN]) + 1;
    if (c->ask->to && c->ask->to < end)
        end = c->ask->to;
    if (c->ask->from < 0 || c->ask->to < 0 || (c->ask->to && c->ask->from >= c->ask->to))
        return diag_set(c->diag, ERR_INVALID, "from %lld to %lld is no span",
                        (long long)c->ask->from, (long long)c->ask->to);
    out->from = c->ask->from;
    out->to = end > out->from ? end : out->from;
    out->block = block_seconds(out->to - out->from);
    if (out->block > out->to - out->from && out->to > out->from)
        out->block = out->to - out->from; /* too short to be judged, not to be shown */
    c->blocks = (size_t)((out->to - out->from) / out->block); /* a rest is left out */
    out->to = out->from + (int64_t)c->blocks * out->block;
    return 0;
}

static void draw_blocks(struct comparer *c)
{
    struct rng rng;

    rng_seed(&rng, 1);
    c->draws = mem_calloc(COMPARE_DRAWS, sizeof *c->draws);
    for (size_t i = 0; c->blocks && i < COMPARE_DRAWS; i++) {
        for (size_t j = 0; j < c->blocks; j++)
            c->draws[i][rng_below(&rng, c->blocks)]++;
    }
}

struct gathering {
    struct comparer *comparer;
    struct sink *blocks;
};

static int add_point(void *arg, int32_t number, int64_t region, int64_t second, struct str point)
{
    struct gathering *g = arg;
    const struct store_comparison *out = g->comparer->out;

    (void)number;
    (void)region;
    return point_add(&g->blocks[(second - out->from) / out->block], point);
}

/* The longest level whose steps lie within blocks. */
static int level_of(const struct store_comparison *out)
{
    for (size_t i = LEVEL_COUNT; i-- > 0;) {
        if (out->block % tidy_levels[i] == 0 && out->from % tidy_levels[i] == 0)
            return tidy_levels[i];
    }
    return 1;
}

/* One side's blocks of a metric; region ptr NULL: of all regions. */
static int gather(struct comparer *c, size_t side, const struct dict_metric *metric,
                  struct str region, struct sink *blocks)
{
    const struct dictionary *dict = c->dict[side];
    int32_t *in_rows = mem_calloc(dict->series_count + 1, sizeof *in_rows);
    int32_t *in_seconds = mem_calloc(dict->series_count + 1, sizeof *in_seconds);
    struct gathering g = {c, blocks};
    struct scan scan = {.store = c->store,
                        .dict = dict,
                        .in_rows = in_rows,
                        .in_seconds = in_seconds,
                        .max_level = level_of(c->out),
                        .fn = add_point,
                        .arg = &g,
                        .diag = c->diag};
    int err = 0;

    for (size_t i = 0; i < dict->series_count; i++) {
        bool ours = dict->series[i].metric == metric;

        in_rows[i] = ours && i == metric->total ? 0 : SCAN_SKIP;
        in_seconds[i] = ours ? 0 : SCAN_SKIP;
    }
    for (size_t i = 0; !err && i < dict->region_count; i++) {
        if (!region.ptr || str_eq(region, dict->regions[i].name))
            err = scan_region(&scan, (int64_t)i, c->out->from, c->out->to);
    }
    mem_free(in_rows);
    mem_free(in_seconds);
    return err == ERR_SYNTAX ? scan_damaged(&scan) : err;
}

/* --- counting trends ---------------------------------------------------------------------- */

/* The values at which to count: the quantiles of both runs together, closer to each other in the
 * upper twentieth, where percentiles are asked for. */
static void choose_edges(struct pair *p)
{
    struct hist *both = hist_new();

    for (size_t side = 0; side < SIDES; side++) {
        if (p->whole[side].hist)
            hist_merge(both, p->whole[side].hist);
    }
    p->edge_count = 0;
    for (size_t i = 0; i < MOST_EDGES && hist_count(both) > 0; i++) {
        const size_t half = MOST_EDGES / 2;
        double part = (double)(i % half + 1) / (double)half;
        double q = i < half ? part * 0.95 : 0.95 + part * 0.05;
        double value = hist_quantile(both, q);

        if (p->edge_count == 0 || value > p->edges[p->edge_count - 1])
            p->edges[p->edge_count++] = value;
    }
    hist_free(both);
}

struct counting {
    const struct pair *pair;
    float *counts;
    size_t edge;
};

/* Values come in ascending order. */
static void count_value(void *arg, double value, uint64_t count)
{
    struct counting *c = arg;

    while (c->edge + 1 < c->pair->edge_count && value > c->pair->edges[c->edge])
        c->edge++;
    c->counts[c->edge] += (float)count;
}

static void count_blocks(struct pair *p, size_t side, size_t blocks)
{
    p->counts[side] = mem_calloc(blocks * p->edge_count + 1, sizeof(float));
    for (size_t i = 0; i < blocks; i++) {
        struct counting c = {p, p->counts[side] + i * p->edge_count, 0};

        if (p->blocks[side][i].hist)
            hist_each(p->blocks[side][i].hist, count_value, &c);
    }
}

/* The value that a share `q` of the drawn values does not exceed. */
static double drawn_quantile(const struct pair *p, const float *sums, double q)
{
    double all = 0;
    double seen = 0;

    for (size_t i = 0; i < p->edge_count; i++)
        all += (double)sums[i];
    for (size_t i = 0; i < p->edge_count; i++) {
        seen += (double)sums[i];
        if (seen >= q * all && seen > 0)
            return p->edges[i];
    }
    return (double)NAN;
}

/* --- a draw ------------------------------------------------------------------------------- */

/* What a mean or a rate is made of. */
static void parts_of(const struct sink *sink, double *sum, double *count, int64_t seconds)
{
    *sum = *count = 0;
    switch (sink->type) {
    case METRIC_TREND:
        *sum = sink->hist ? hist_sum(sink->hist) : 0;
        *count = sink->hist ? (double)hist_count(sink->hist) : 0;
        break;
    case METRIC_RATE:
        *sum = (double)sink->rate.trues;
        *count = (double)sink->rate.total;
        break;
    case METRIC_COUNTER:
    case METRIC_GAUGE:
        *sum = sink->sum;
        *count = (double)seconds;
        break;
    }
}

static double drawn_mean(const struct comparer *c, const struct pair *p, size_t side,
                         const unsigned char *draw)
{
    double sum = 0;
    double count = 0;

    for (size_t i = 0; i < c->blocks; i++) {
        double parts[2];

        if (!draw[i])
            continue;
        parts_of(&p->blocks[side][i], &parts[0], &parts[1], c->out->block);
        sum += draw[i] * parts[0];
        count += draw[i] * parts[1];
    }
    return count > 0 ? sum / count : (double)NAN;
}

static void sum_counts(const struct comparer *c, const struct pair *p, size_t side,
                       const unsigned char *draw, float *sums)
{
    memset(sums, 0, p->edge_count * sizeof *sums);
    for (size_t i = 0; i < c->blocks; i++) {
        const float *counts = p->counts[side] + i * p->edge_count;
        float times = draw[i];

        for (size_t e = 0; times > 0 && e < p->edge_count; e++)
            sums[e] += times * counts[e];
    }
}

/* Each aggregation's difference in one draw. */
static void draw_once(const struct comparer *c, const struct pair *p, const unsigned char *draw,
                      const struct agg *aggs, size_t count, double *out)
{
    float sums[SIDES][MOST_EDGES];
    bool has_sums = p->metric[RUN]->metric.type == METRIC_TREND;

    for (size_t side = 0; has_sums && side < SIDES; side++)
        sum_counts(c, p, side, draw, sums[side]);
    for (size_t a = 0; a < count; a++) {
        double value[SIDES];

        for (size_t side = 0; side < SIDES; side++)
            value[side] = aggs[a].kind == AGG_P ? drawn_quantile(p, sums[side], aggs[a].p / 100)
                                                : drawn_mean(c, p, side, draw);
        out[a] = value[RUN] - value[BASE];
    }
}

/* --- verdicts ----------------------------------------------------------------------------- */

/* -1: less is better, 1: more is. */
static int better_direction(const struct metric *metric)
{
    static const char *const less[] = {"http_req_failed", "dropped_iterations"};
    static const char *const more[] = {"http_reqs", "iterations", "checks"};

    for (size_t i = 0; i < COUNT_OF(less); i++) {
        if (str_eq_c(metric->name, less[i]))
            return -1;
    }
    for (size_t i = 0; i < COUNT_OF(more); i++) {
        if (str_eq_c(metric->name, more[i]))
            return 1;
    }
    return metric->type == METRIC_TREND && metric->contains == METRIC_TIME ? -1 : 0;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return (left > right) - (left < right);
}

/* The interval that holds 95 of 100 draws, and how rarely chance alone crosses zero. */
static void take_interval(struct store_difference *row, double *draws)
{
    size_t count = 0;
    size_t below = 0;
    size_t above = 0;

    for (size_t i = 0; i < COMPARE_DRAWS; i++) {
        if (!isnan(draws[i]))
            draws[count++] = draws[i];
    }
    if (count < COMPARE_DRAWS / 2)
        return;
    qsort(draws, count, sizeof *draws, by_value);
    for (size_t i = 0; i < count; i++) {
        below += draws[i] <= 0;
        above += draws[i] >= 0;
    }
    row->low = draws[(size_t)((double)(count - 1) * 0.025)];
    row->high = draws[(size_t)ceil((double)(count - 1) * 0.975)];
    row->p = 2 * (double)((below < above ? below : above) + 1) / (double)(count + 1);
    row->p = row->p > 1 ? 1 : row->p;
}

static enum compare_verdict judge(const struct comparer *c, const struct store_difference *row)
{
    double difference = row->value - row->base;
    double least = fabs(row->base) * c->ask->least_percent / 100;

    if (c->blocks < COMPARE_LEAST_BLOCKS || isnan(difference) || isnan(row->low))
        return COMPARE_UNCLEAR;
    if ((row->low <= 0 && row->high >= 0) || fabs(difference) < least)
        return COMPARE_SAME;
    if (row->better == 0)
        return COMPARE_DIFFERENT;
    return (difference > 0) == (row->better > 0) ? COMPARE_BETTER : COMPARE_WORSE;
}

/* --- a pair ------------------------------------------------------------------------------- */

static size_t aggs_of(enum metric_type type, struct agg *out)
{
    static const struct agg trend[MOST_AGGS] = {
        {AGG_AVG, 0}, {AGG_P, 50}, {AGG_P, 95}, {AGG_P, 99}};

    if (type == METRIC_GAUGE)
        return 0;
    if (type == METRIC_TREND) {
        memcpy(out, trend, sizeof trend);
        return MOST_AGGS;
    }
    out[0] = (struct agg){AGG_RATE, 0};
    return 1;
}

static struct store_difference *add_row(struct store_comparison *out)
{
    if ((out->count & (out->count - 1)) == 0)
        out->list = mem_reallocarray(out->list, out->count ? out->count * 2 : 1, sizeof *out->list);
    return &out->list[out->count++];
}

static double whole_value(const struct comparer *c, const struct sink *sink, struct agg agg)
{
    if (sink->is_empty)
        return (double)NAN;
    return sink_aggregate(sink, agg, (double)(c->out->to - c->out->from));
}

static void compare_pair(struct comparer *c, struct pair *p, struct str region)
{
    const struct metric *metric = &p->metric[RUN]->metric;
    struct arena *texts = c->out->_texts;
    double *draws = mem_calloc((size_t)MOST_AGGS * COMPARE_DRAWS, sizeof *draws);
    struct agg aggs[MOST_AGGS];
    size_t count = aggs_of(metric->type, aggs);

    for (size_t i = 0; i < COMPARE_DRAWS; i++) {
        double once[MOST_AGGS];

        draw_once(c, p, c->draws[i], aggs, count, once);
        for (size_t a = 0; a < count; a++)
            draws[a * COMPARE_DRAWS + i] = once[a];
    }
    for (size_t a = 0; a < count; a++) {
        struct store_difference *row = add_row(c->out);

        *row = (struct store_difference){.metric = arena_str(texts, metric->name),
                                         .type = metric->type,
                                         .contains = metric->contains,
                                         .agg = aggs[a],
                                         .region = region.ptr ? arena_str(texts, region) : region,
                                         .better = better_direction(metric),
                                         .low = (double)NAN,
                                         .high = (double)NAN,
                                         .p = (double)NAN};
        row->base = whole_value(c, &p->whole[BASE], aggs[a]);
        row->value = whole_value(c, &p->whole[RUN], aggs[a]);
        take_interval(row, draws + a * COMPARE_DRAWS);
        row->verdict = judge(c, row);
    }
    mem_free(draws);
}

static void pair_deinit(struct pair *p, size_t blocks)
{
    for (size_t side = 0; side < SIDES; side++) {
        for (size_t i = 0; p->blocks[side] && i < blocks; i++)
            sink_deinit(&p->blocks[side][i]);
        mem_free(p->blocks[side]);
        mem_free(p->counts[side]);
        sink_deinit(&p->whole[side]);
    }
}

static int gather_side(struct comparer *c, struct pair *p, size_t side, struct str region)
{
    enum metric_type type = p->metric[side]->metric.type;
    int err;

    sink_init(&p->whole[side], type);
    p->blocks[side] = mem_calloc(c->blocks + 1, sizeof(struct sink));
    for (size_t i = 0; i < c->blocks; i++)
        sink_init(&p->blocks[side][i], type);
    err = gather(c, side, p->metric[side], region, p->blocks[side]);
    for (size_t i = 0; !err && i < c->blocks; i++)
        sink_merge(&p->whole[side], &p->blocks[side][i]);
    return err;
}

/* A metric in a region (ptr NULL: in all of them). */
static int compare_metric(struct comparer *c, const struct dict_metric *metric, struct str region)
{
    struct pair p = {.metric = {dictionary_metric(c->dict[BASE], metric->metric.name), metric}};
    int err = 0;

    if (metric->metric.type == METRIC_GAUGE || !p.metric[BASE] ||
        p.metric[BASE]->metric.type != metric->metric.type)
        return 0;
    for (size_t side = 0; !err && side < SIDES; side++)
        err = gather_side(c, &p, side, region);
    if (!err && metric->metric.type == METRIC_TREND) {
        choose_edges(&p);
        for (size_t side = 0; side < SIDES; side++)
            count_blocks(&p, side, c->blocks);
    }
    if (!err && (!p.whole[BASE].is_empty || !p.whole[RUN].is_empty))
        compare_pair(c, &p, region);
    pair_deinit(&p, c->blocks);
    return err;
}

static int compare_all(struct comparer *c)
{
    const struct dictionary *dict = c->dict[RUN];
    int err = choose_blocks(c);

    if (!err)
        draw_blocks(c);
    for (size_t m = 0; !err && m < dict->metric_count; m++) {
        err = compare_metric(c, dict->metrics[m], (struct str){NULL, 0});
        for (size_t r = 0; !err && c->ask->by_region && r < dict->region_count; r++) {
            if (dictionary_region(c->dict[BASE], dict->regions[r].name) >= 0)
                err = compare_metric(c, dict->metrics[m], dict->regions[r].name);
        }
    }
    mem_free(c->draws);
    return err;
}

static int load_side(struct comparer *c, size_t side, const char *run)
{
    int64_t key;
    int err = sql_run_key(c->store, run, &key, c->diag);

    return err ? err : dictionary_load(c->store, key, &c->dict[side], c->diag);
}

int store_compare_runs(struct store *s, const struct store_compare *ask,
                       struct store_comparison *out, struct diag *d)
{
    struct store_comparison comparison = {0};
    struct comparer c = {.store = s, .ask = ask, .out = &comparison, .diag = d};
    struct sql_scope scope;
    int err = sql_enter(s, &scope, d);

    if (err)
        return err;
    comparison._texts = mem_alloc(sizeof *comparison._texts);
    arena_init(comparison._texts);
    err = load_side(&c, BASE, ask->base);
    if (!err)
        err = load_side(&c, RUN, ask->run);
    if (!err)
        err = compare_all(&c);
    dictionary_free(c.dict[BASE]);
    dictionary_free(c.dict[RUN]);
    err = sql_leave(s, scope, err, d);
    if (err)
        store_comparison_deinit(&comparison);
    else
        *out = comparison;
    return err;
}

void store_comparison_deinit(struct store_comparison *c)
{
    mem_free(c->list);
    if (c->_texts) {
        arena_deinit(c->_texts);
        mem_free(c->_texts);
    }
    *c = (struct store_comparison){0};
}
