#include "output/summary.h"

#include <stdio.h>

#include "base/mem.h"
#include "metrics/metric.h"
#include "metrics/shard.h"
#include "metrics/threshold.h"
#include "metrics/totals.h"
#include "metrics/window.h"
#include "output/export.h"
#include "support/test.h"

static void check_value(enum metric_contains contains, double value, enum time_unit unit,
                        const char *want)
{
    struct buf out = BUF_INIT(SIZE_MAX);

    format_value(&out, contains, value, unit);
    CHECK_TEXT(out.data, want);
    buf_deinit(&out);
}

TEST(format_values_as_k6_does)
{
    check_value(METRIC_TIME, 0, TIME_AUTO, "0s");
    check_value(METRIC_TIME, 0.000922, TIME_AUTO, "922ns");
    check_value(METRIC_TIME, 0.00458, TIME_AUTO, "4.58µs");
    check_value(METRIC_TIME, 0.380929, TIME_AUTO, "380.92µs");
    check_value(METRIC_TIME, 1.261182, TIME_AUTO, "1.26ms");
    check_value(METRIC_TIME, 28.4094391, TIME_AUTO, "28.4ms");
    check_value(METRIC_TIME, 302.184, TIME_AUTO, "302.18ms");
    check_value(METRIC_TIME, 1500, TIME_AUTO, "1.5s");
    check_value(METRIC_TIME, 90500, TIME_AUTO, "1m30s");
    check_value(METRIC_TIME, 3661000, TIME_AUTO, "1h1m1s");
    check_value(METRIC_TIME, 1234.5678, TIME_MS, "1234.56ms");
    check_value(METRIC_TIME, 1234.5678, TIME_S, "1.23s");
    check_value(METRIC_TIME, 1.5, TIME_US, "1500µs");
    check_value(METRIC_DATA, 890.186, TIME_AUTO, "890 B");
    check_value(METRIC_DATA, 3516, TIME_AUTO, "3.5 kB");
    check_value(METRIC_DATA, 25000000, TIME_AUTO, "25 MB");
    check_value(METRIC_DEFAULT, 1000, TIME_AUTO, "1000");
    check_value(METRIC_DEFAULT, 0.1234567, TIME_AUTO, "0.123457");
    check_value(METRIC_DEFAULT, -2.5, TIME_AUTO, "-2.5");
}

TEST(format_percent_is_cut_not_rounded)
{
    struct buf out = BUF_INIT(SIZE_MAX);

    format_percent(&out, 2.0 / 12);
    format_percent(&out, 1);
    format_percent(&out, 0.99999);
    CHECK_TEXT(out.data, "16.66%100.00%99.99%");
    buf_deinit(&out);
}

struct fixture {
    struct shard *shard;
    struct totals *totals;
    struct threshold_set thresholds;
    struct summary_options options;
};

static uint32_t custom(struct fixture *f, const char *name, enum metric_type type,
                       enum metric_contains contains)
{
    const struct metric *m = NULL;

    CHECK_EQ(metric_registry_add(shard_registry(f->shard), str_of(name), type, contains, &m, NULL),
             0);
    totals_metric(f->totals, m);
    return m->id;
}

static void threshold(struct fixture *f, const char *selector, const char *text)
{
    struct threshold_spec spec = {.text = str_of(text)};

    CHECK_EQ(threshold_add(&f->thresholds, f->totals, str_of(selector), &spec, NULL), 0);
}

/* What samples/sample.js of the reference does, without its HTTP. */
static void begin(struct fixture *f)
{
    static const char *const stats[] = {"avg", "min", "med", "max", "p(90)", "p(95)"};
    static const char *const checks[] = {"is 200", "is wrong"};
    struct metric_registry *r;
    struct window *w;
    uint32_t counter;
    uint32_t gauge;
    uint32_t rate;
    uint32_t trend;
    uint32_t size;

    *f = (struct fixture){shard_new(&(struct shard_options){0}), totals_new(), {NULL, 0}, {0}};
    r = shard_registry(f->shard);
    for (uint32_t i = 0; i < METRIC_BUILTIN_COUNT; i++)
        totals_metric(f->totals, r->metrics[i]);
    counter = custom(f, "my_counter", METRIC_COUNTER, METRIC_DEFAULT);
    gauge = custom(f, "my_gauge", METRIC_GAUGE, METRIC_DEFAULT);
    rate = custom(f, "my_rate", METRIC_RATE, METRIC_DEFAULT);
    trend = custom(f, "my_trend", METRIC_TREND, METRIC_TIME);
    size = custom(f, "my_size", METRIC_TREND, METRIC_DEFAULT);
    threshold(f, "checks", "rate>0.9");
    threshold(f, "my_trend", "p(95)<500");
    threshold(f, "my_trend", "avg<1");
    threshold(f, "my_trend{scenario:buy}", "max<300");
    CHECK_EQ(summary_stats_parse(stats, 6, &f->options, NULL), 0);
    for (int i = 0; i < 8; i++) {
        for (int j = 0; j < 2; j++) {
            tag_id check = shard_tag(f->shard, STR("check"), str_of(checks[j]));

            shard_add(f->shard, METRIC_CHECKS, shard_tagset(f->shard, 0, &check, 1), j == 0, 0);
        }
        shard_add(f->shard, counter, 0, 2, 0);
        shard_add(f->shard, gauge, 0, 5, 0);
        shard_add(f->shard, rate, 0, 1, 0);
        shard_add(f->shard, trend, 0, 1.5, 0);
        shard_add(f->shard, size, 0, 1000, 0);
    }
    w = shard_take_window(f->shard);
    totals_merge(f->totals, w, 0);
    window_free(w);
    threshold_evaluate(&f->thresholds, 1, true);
}

static void end(struct fixture *f)
{
    summary_stats_deinit(&f->options);
    threshold_set_deinit(&f->thresholds);
    totals_free(f->totals);
    shard_free(f->shard);
}

TEST(summary_has_k6s_layout)
{
    static const char want[] =
        "\n\n  █ THRESHOLDS \n\n"
        "    checks\n"
        "    ✗ 'rate>0.9' rate=50.00%\n\n"
        "    my_trend\n"
        "    ✓ 'p(95)<500' p(95)=1.5ms\n"
        "    ✗ 'avg<1' avg=1.5ms\n\n"
        "      {scenario:buy}\n"
        "      ✓ 'max<300' max=0s\n\n\n"
        "  █ TOTAL RESULTS \n\n"
        "    checks_total.......: 16     12.948164/s\n"
        "    checks_succeeded...: 50.00% 8 out of 16\n"
        "    checks_failed......: 50.00% 8 out of 16\n\n"
        "    ✓ is 200\n"
        "    ✗ is wrong\n"
        "      ↳  0% — ✓ 0 / ✗ 8\n\n"
        "    CUSTOM\n"
        "    my_counter...........: 16      12.948164/s\n"
        "    my_gauge.............: 5       min=5       max=5\n"
        "    my_rate..............: 100.00% 8 out of 8\n"
        "    my_size..............: avg=1000  min=1000  med=1000  max=1000  p(90)=1000  "
        "p(95)=1000 \n"
        "    my_trend.............: avg=1.5ms min=1.5ms med=1.5ms max=1.5ms p(90)=1.5ms "
        "p(95)=1.5ms\n"
        "      { scenario:buy }...: avg=0s    min=0s    med=0s    max=0s    p(90)=0s    "
        "p(95)=0s   \n\n\n\n";
    struct fixture f;
    struct buf out = BUF_INIT(SIZE_MAX);

    begin(&f);
    summary_text(f.totals, &f.thresholds, 16 / 12.948164, &f.options, &out);
    CHECK_TEXT(out.data, want);
    buf_deinit(&out);
    end(&f);
}

TEST(summary_stats_are_checked)
{
    static const char *const bad[] = {"avg", "mode"};
    struct summary_options o = {0};
    struct diag d = DIAG_INIT;

    CHECK(summary_stats_parse(bad, 2, &o, &d) < 0);
    CHECK(strstr(d.message, "'mode'"));
    diag_deinit(&d);
}

TEST(export_threshold_true_means_failed)
{
    struct fixture f;
    struct export_input in;
    char *text;

    begin(&f);
    in = (struct export_input){.totals = f.totals,
                               .thresholds = &f.thresholds,
                               .run_seconds = 2,
                               .options = &f.options,
                               .time_unit = ""};
    text = export_summary(&in);
    CHECK(strstr(text, "\"rate>0.9\": true"));
    CHECK(strstr(text, "\"p(95)<500\": false"));
    CHECK(strstr(text, "\"id\": \"b90917b286da7eb763f41c72548efc6d\""));
    mem_free(text);
    text = export_handle_summary(&in);
    CHECK(strstr(text, "\"rate>0.9\":{\"ok\":false}"));
    CHECK(strstr(text, "\"testRunDurationMs\":2000}"));
    mem_free(text);
    text = export_machine_readable(&in);
    CHECK(strstr(text, "\"version\": \"1.0.0\""));
    CHECK(strstr(text, "\"p95\": 1.5"));
    mem_free(text);
    end(&f);
}
