/* Baselines: all three forms of file, files that are none, and what a change comes to. */
#include "output/baseline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "metrics/blocks.h"
#include "metrics/shard.h"
#include "metrics/totals.h"
#include "metrics/window.h"
#include "support/test.h"

static struct baseline *load(const char *text, int want_err, const char *want_message)
{
    char path[] = "/tmp/gale-baseline-XXXXXX";
    int fd = mkstemp(path);
    struct baseline *b = NULL;
    struct diag d = DIAG_INIT;

    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    CHECK_EQ(baseline_load(path, &b, &d), want_err);
    if (want_message)
        CHECK(strstr(d.message, want_message) && strstr(d.message, path));
    diag_deinit(&d);
    unlink(path);
    return b;
}

TEST(baseline_reads_every_form)
{
    static const char *const forms[] = {
        "{\"gale_baseline\": 1, \"metrics\": {\"took\": {\"stats\": {\"p(95)\": {\"value\": 7.5, "
        "\"error\": 0.5, \"blocks\": 9}}}, \"errs\": {\"stats\": {\"rate\": {\"value\": 0.25}}}}}",
        "{\"metrics\": {\"took\": {\"p(95)\": 7.5}, \"errs\": {\"value\": 0.25, \"passes\": 1}}}",
        "{\"results\": {\"metrics\": [{\"name\": \"took\", \"values\": {\"p95\": 7.5}}, {\"name\": "
        "\"errs\", \"values\": {\"rate\": 0.25}}]}}",
    };

    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        struct baseline *b = load(forms[i], 0, NULL);
        struct estimate e;

        CHECK(baseline_find(b, "took", "p(95)", &e));
        CHECK_NEAR(e.value, 7.5, 0);
        CHECK_EQ(e.blocks, i == 0 ? 9 : 0);
        CHECK(baseline_find(b, "errs", "rate", &e));
        CHECK_NEAR(e.value, 0.25, 0);
        CHECK(!baseline_find(b, "took", "p(99)", &e));
        CHECK(!baseline_find(b, "other", "avg", &e));
        baseline_free(b);
    }
}

TEST(baseline_that_is_none_says_so)
{
    struct diag d = DIAG_INIT;
    struct baseline *b;

    CHECK(!load("{\"metrics\":\n {", ERR_INVALID, "line"));
    CHECK(!load("[1]", ERR_INVALID, "--summary-baseline"));
    CHECK(!load("{\"metrics\": {}}", ERR_INVALID, "no metrics"));
    CHECK_EQ(baseline_load("/no/such/file", &b, &d), ERR_INVALID);
    CHECK(strstr(d.message, "/no/such/file"));
    diag_deinit(&d);
}

TEST(baseline_of_a_run_reads_back)
{
    struct totals *totals = totals_new();
    struct shard *shard = shard_new(&(struct shard_options){0});
    struct summary_options options = {0};
    struct estimates *list;
    struct estimate e;
    struct baseline *b;
    size_t count;
    char *text;

    totals->keeps_blocks = true;
    for (int64_t second = 0; second < 10; second++) {
        struct window *w;

        for (int i = 0; i < 20; i++)
            shard_add(shard, METRIC_HTTP_REQ_DURATION, 0, (double)(i + second % 2), 0);
        shard_add(shard, METRIC_HTTP_REQS, 0, 20, 0);
        shard_add(shard, METRIC_VUS, 0, 3, 0);
        w = shard_take_window(shard);
        totals_merge(totals, w, second);
        window_free(w);
    }
    list = estimates_of(totals, &options, 10, &count);
    CHECK_EQ(count, 3);
    text = baseline_text(list, count, 10);
    b = load(text, 0, NULL);
    CHECK(baseline_find(b, "http_req_duration", "avg", &e));
    CHECK_NEAR(e.value, 10, 1e-9);
    CHECK_EQ(e.blocks, 10);
    CHECK_NEAR(e.error, 0.5 / 3, 1e-9); /* of ten means that are half from the middle */
    CHECK(baseline_find(b, "http_req_duration", "max", &e));
    CHECK_EQ(e.blocks, 0);
    CHECK(baseline_find(b, "http_reqs", "rate", &e));
    CHECK_NEAR(e.value, 20, 1e-9);
    CHECK(baseline_find(b, "vus", "value", &e));
    mem_free(text);
    baseline_free(b);
    estimates_free(list, count);
    shard_free(shard);
    totals_free(totals);
}

static void check_change(struct estimate then, struct estimate now, bool is_share, const char *want,
                         bool want_clear)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    struct change change;

    change_of(&then, &now, is_share, &change);
    change_format(&change, is_share, &text);
    CHECK_TEXT(text.data, want);
    CHECK_EQ(change.is_clear, want_clear);
    buf_deinit(&text);
}

TEST(baseline_changes)
{
    struct estimate a = {100, 1, 30};
    struct estimate b = {110, 1, 30};

    /* t(58) = 2.00; the logarithms' errors are 1 % and 0.91 %. */
    check_change(a, b, false, "+10.0 % (+7.1 to +13.0)", true);
    check_change(b, a, false, "-9.1 % (-11.5 to -6.6)", true);
    check_change(a, a, false, "+0.0 % (-2.8 to +2.9)", false);
    check_change((struct estimate){100, 0, 0}, b, false, "+10.0 %", false);
    check_change((struct estimate){0, 0, 30}, b, false, "+∞ %", false);
    check_change((struct estimate){0.02, 0.001, 20}, (struct estimate){0.05, 0.001, 20}, true,
                 "+3.0 points (+2.7 to +3.3)", true);
    check_change((struct estimate){0, 0, 20}, (struct estimate){0, 0, 20}, true,
                 "+0.0 points (+0.0 to +0.0)", false);
    /* Without any spread, but by less than is shown. */
    check_change((struct estimate){100, 0, 20}, (struct estimate){100.001, 0, 20}, false,
                 "+0.0 % (+0.0 to +0.0)", false);
}
