#include "metrics/threshold.h"

#include "base/clock.h"
#include "base/compiler.h"
#include "base/err.h"
#include "metrics/shard.h"
#include "metrics/totals.h"
#include "metrics/window.h"
#include "support/test.h"

static const struct metric trend = {0, STR_INIT("took"), METRIC_TREND, METRIC_TIME};
static const struct metric plain = {0, STR_INIT("size"), METRIC_TREND, METRIC_DEFAULT};
static const struct metric rate = {0, STR_INIT("errs"), METRIC_RATE, METRIC_DEFAULT};
static const struct metric counter = {0, STR_INIT("hits"), METRIC_COUNTER, METRIC_DEFAULT};
static const struct metric gauge = {0, STR_INIT("now"), METRIC_GAUGE, METRIC_DEFAULT};

TEST(threshold_grammar)
{
    static const struct {
        const struct metric *metric;
        const char *text;
        const char *shown; /* NULL: refused */
    } cases[] = {
        {&trend, "p(95)<500", "p(95)<500"},
        {&trend, " p(99.9) <= 1.5e3 ", "p(99.9) <= 1.5e3"},
        {&trend, "avg<1", "avg<1"},
        {&trend, "med===3", "med===3"},
        {&trend, "max!=0", "max!=0"},
        {&trend, "500ms", "p(95)<500"},
        {&trend, "1.5s", "p(95)<1500"},
        {&plain, "500ms", NULL},
        {&trend, "p(95)<+10%", "p(95)<+10%"},
        {&counter, "rate >= -5.5 %", "rate >= -5.5 %"},
        {&rate, "rate<+50%", "rate<+50%"},
        {&trend, "avg<10%", NULL}, /* of what? */
        {&trend, "avg<+%", NULL},
        {&trend, "avg<+-1%", NULL},
        {&rate, "2%", "rate<0.02"},
        {&rate, "rate>=0.99", "rate>=0.99"},
        {&rate, "500ms", NULL},
        {&counter, "count>100", "count>100"},
        {&counter, "rate<5", "rate<5"},
        {&counter, "2%", NULL},
        {&gauge, "value==3", "value==3"},
        {&gauge, "max<3", NULL},
        {&trend, "p(101)<1", NULL},
        {&trend, "p(-1)<1", NULL},
        {&trend, "p95<1", NULL},
        {&trend, "rate<1", NULL},
        {&trend, "count<1", NULL},
        {&trend, "avg<", NULL},
        {&trend, "<1", NULL},
        {&trend, "avg<1<2", NULL},
        {&trend, "avg<one", NULL},
        {&trend, "avg=1", NULL},
        {&trend, "", NULL},
        {&trend, "0", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct diag d = DIAG_INIT;
        struct threshold_expr e = {0};
        int err = threshold_parse(str_of(cases[i].text), cases[i].metric, &e, &d);

        if (cases[i].shown) {
            CHECK_EQ(err, 0);
            CHECK_TEXT(e.source, cases[i].shown);
        } else {
            test_equal_int(__FILE__, __LINE__, cases[i].text, err < 0, 1);
            CHECK(d.message != NULL);
        }
        threshold_expr_deinit(&e);
        diag_deinit(&d);
    }
}

struct fixture {
    struct shard *shard;
    struct totals *totals;
    struct threshold_set set;
};

static void begin(struct fixture *f)
{
    struct metric_registry *r;

    *f = (struct fixture){shard_new(&(struct shard_options){0}), totals_new(), {NULL, 0}};
    r = shard_registry(f->shard);
    for (uint32_t i = 0; i < r->count; i++)
        totals_metric(f->totals, r->metrics[i]);
}

static void add(struct fixture *f, const char *selector, const struct threshold_spec *spec)
{
    CHECK_EQ(threshold_add(&f->set, f->totals, str_of(selector), spec, NULL), 0);
}

static void sample(struct fixture *f, uint32_t metric, double value, int64_t second)
{
    struct window *w;

    shard_add(f->shard, metric, 0, value, 0);
    w = shard_take_window(f->shard);
    totals_merge(f->totals, w, second);
    window_free(w);
}

static void end(struct fixture *f)
{
    threshold_set_deinit(&f->set);
    totals_free(f->totals);
    shard_free(f->shard);
}

TEST(threshold_abort_waits_for_its_delay)
{
    struct fixture f;
    struct threshold_verdict v;

    begin(&f);
    add(&f, "http_req_failed",
        &(struct threshold_spec){
            .text = STR("rate<0.1"), .abort_on_fail = true, .delay_abort_nsec = 5 * NSEC_PER_SEC});
    v = threshold_evaluate(&f.set, NSEC_PER_SEC, false);
    CHECK(!v.any_failed); /* no samples yet */
    CHECK_EQ(f.set.list[0]->failed_nsec, -1);
    sample(&f, METRIC_HTTP_REQ_FAILED, 1, 1);
    v = threshold_evaluate(&f.set, 4 * NSEC_PER_SEC, false);
    CHECK(v.any_failed && !v.abort);
    v = threshold_evaluate(&f.set, 6 * NSEC_PER_SEC, false);
    CHECK(v.any_failed && v.abort);
    CHECK_EQ(f.set.list[0]->failed_nsec, 4 * NSEC_PER_SEC); /* the first time */
    end(&f);
}

TEST(threshold_counter_rate_is_per_second_of_the_run)
{
    struct fixture f;

    begin(&f);
    add(&f, "iterations", &(struct threshold_spec){.text = STR("rate>=10")});
    sample(&f, METRIC_ITERATIONS, 100, 1);
    CHECK(!threshold_evaluate(&f.set, 10 * NSEC_PER_SEC, true).any_failed);
    CHECK(threshold_evaluate(&f.set, 11 * NSEC_PER_SEC, true).any_failed);
    end(&f);
}

TEST(threshold_window_looks_back_and_needs_its_time)
{
    struct fixture f;

    begin(&f);
    add(&f, "iteration_duration",
        &(struct threshold_spec){
            .text = STR("max<100"), .window_nsec = 3 * NSEC_PER_SEC, .for_nsec = 4 * NSEC_PER_SEC});
    for (int64_t second = 0; second < 20; second++) {
        bool bad = second == 5 || (second >= 12 && second <= 16);

        sample(&f, METRIC_ITERATION_DURATION, bad ? 500 : 1, second);
        threshold_evaluate(&f.set, second * NSEC_PER_SEC, false);
        if (second == 7 || second == 9)
            CHECK(f.set.list[0]->ok); /* one bad second: not bad for long enough */
        if (second == 16)
            CHECK(!f.set.list[0]->ok);
    }
    CHECK(!f.set.list[0]->ok); /* once crossed, it stays so */
    end(&f);
}

TEST(threshold_on_a_change_is_judged_at_the_end)
{
    struct fixture f;
    struct threshold *t;
    struct diag d = DIAG_INIT;
    struct threshold_spec spec = {.text = STR("avg<+10%"), .window_nsec = NSEC_PER_SEC};

    begin(&f);
    CHECK_EQ(threshold_add(&f.set, f.totals, STR("iteration_duration"), &spec, &d), ERR_INVALID);
    CHECK(strstr(d.message, "window"));
    diag_deinit(&d);
    add(&f, "iteration_duration", &(struct threshold_spec){.text = STR("avg<+10%")});
    sample(&f, METRIC_ITERATION_DURATION, 112, 1);
    t = f.set.list[0];
    CHECK(!threshold_evaluate(&f.set, NSEC_PER_SEC, true).any_failed); /* nothing to compare with */
    t->has_baseline = true;
    t->baseline = 100;
    CHECK(!threshold_evaluate(&f.set, NSEC_PER_SEC, false).any_failed);
    CHECK(threshold_evaluate(&f.set, NSEC_PER_SEC, true).any_failed);
    CHECK_NEAR(t->last_change, 0.12, 1e-12);
    t->baseline = 103;
    CHECK(!threshold_evaluate(&f.set, NSEC_PER_SEC, true).any_failed);
    t->baseline = 0;
    CHECK(threshold_evaluate(&f.set, NSEC_PER_SEC, true).any_failed);
    end(&f);
    CHECK_NEAR(threshold_change(0, 0), 0, 0);
    CHECK_NEAR(threshold_change(-4, -2), 0.5, 0);
}

TEST(threshold_on_what_does_not_exist)
{
    struct fixture f;
    struct diag d = DIAG_INIT;
    struct threshold_spec spec = {.text = STR("count>1")};

    begin(&f);
    CHECK_EQ(threshold_add(&f.set, f.totals, STR("no_such"), &spec, &d), ERR_NOT_FOUND);
    CHECK(strstr(d.message, "no_such"));
    diag_deinit(&d);
    CHECK_EQ(threshold_add(&f.set, f.totals, STR("iterations{a:b"), &spec, &d), ERR_SYNTAX);
    diag_deinit(&d);
    CHECK_EQ(threshold_add(&f.set, f.totals, STR("iterations{a:}"), &spec, &d), ERR_SYNTAX);
    diag_deinit(&d);
    CHECK_EQ(f.set.count, 0);
    end(&f);
}
