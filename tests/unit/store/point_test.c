#include "store/point.h"

#include "base/err.h"
#include "fixture.h"
#include "metrics/hist.h"

static void round_trip(const struct sink *sink, size_t most)
{
    struct buf bytes = BUF_INIT(SIZE_MAX);
    struct sink back;

    point_encode(sink, &bytes);
    CHECK(bytes.len <= most);
    sink_init(&back, sink->type);
    CHECK_EQ(point_add(&back, buf_str(&bytes)), 0);
    CHECK(!back.is_empty);
    if (sink->type == METRIC_COUNTER)
        CHECK_NEAR(back.sum, sink->sum, 0);
    if (sink->type == METRIC_GAUGE)
        CHECK(back.gauge.value == sink->gauge.value && back.gauge.min == sink->gauge.min &&
              back.gauge.max == sink->gauge.max && back.gauge.wall_nsec == sink->gauge.wall_nsec);
    if (sink->type == METRIC_TREND)
        CHECK_NEAR(hist_sum(back.hist), hist_sum(sink->hist), 0);
    sink_deinit(&back);
    for (size_t cut = 0; cut < bytes.len; cut++) {
        sink_init(&back, sink->type);
        CHECK_EQ(point_add(&back, str_from(bytes.data, cut)), ERR_SYNTAX);
        CHECK(back.is_empty);
        sink_deinit(&back);
    }
    buf_append_char(&bytes, 1);
    sink_init(&back, sink->type);
    CHECK_EQ(point_add(&back, buf_str(&bytes)), ERR_SYNTAX);
    sink_deinit(&back);
    buf_deinit(&bytes);
}

TEST(points_are_small_and_exact)
{
    static const double values[] = {0, 1, -1, 12345, 0.1, 1e300, -2.5, 9007199254740993.0};

    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct sink sink;

        sink_init(&sink, METRIC_COUNTER);
        sink_add(&sink, values[i], 0);
        round_trip(&sink, values[i] == 12345 ? 3 : 9);
        sink_init(&sink, METRIC_GAUGE);
        sink_add(&sink, values[i], 1700000000000000000);
        round_trip(&sink, 40);
        sink_init(&sink, METRIC_RATE);
        sink_add(&sink, values[i], 0);
        round_trip(&sink, 2);
        sink_init(&sink, METRIC_TREND);
        sink_add(&sink, values[i], 0);
        round_trip(&sink, 12);
        sink_deinit(&sink);
    }
}

TEST(rows_hold_points_by_slot)
{
    struct buf row = BUF_INIT(SIZE_MAX);
    struct row_writer w;
    struct row_reader r;
    struct str point;

    row_begin(&w, &row);
    row_put(&w, 0, STR("a"));
    row_put(&w, 1, STR(""));
    row_put(&w, 59, STR("ccc"));
    CHECK_EQ(row_open(&r, buf_str(&row)), 0);
    CHECK(!r.is_alias);
    CHECK_EQ(row_next(&r, &point), 1);
    CHECK(r.slot == 0 && str_eq_c(point, "a"));
    CHECK_EQ(row_next(&r, &point), 1);
    CHECK(r.slot == 1 && point.len == 0);
    CHECK_EQ(row_next(&r, &point), 1);
    CHECK(r.slot == 59 && str_eq_c(point, "ccc"));
    CHECK_EQ(row_next(&r, &point), 0);
    CHECK_EQ(row_open(&r, str_from(row.data, row.len - 1)), 0);
    CHECK_EQ(row_next(&r, &point), 1);
    CHECK_EQ(row_next(&r, &point), 1);
    CHECK_EQ(row_next(&r, &point), ERR_SYNTAX);
    buf_reset(&row);
    row_alias(&row, 300);
    CHECK_EQ(row_open(&r, buf_str(&row)), 0);
    CHECK(r.is_alias && r.alias == 300);
    CHECK_EQ(row_open(&r, STR("")), ERR_SYNTAX);
    CHECK_EQ(row_open(&r, STR("\x05xx")), ERR_SYNTAX);
    buf_deinit(&row);
}
