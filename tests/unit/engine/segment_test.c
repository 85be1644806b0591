#include "engine/segment.h"

#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "engine/pacer.h"
#include "support/test.h"

static const char *const thirds[] = {"0:1/3", "1/3:2/3", "2/3:1"};

static void parse(const char *text, const char *sequence, struct segment *out)
{
    CHECK_EQ(segment_parse(str_of(text), str_of(sequence), out, NULL), 0);
}

TEST(segment_shares_are_k6s)
{
    static const uint64_t shared[] = {7, 7, 3};
    static const uint64_t vus[] = {3, 2, 2};
    static const uint64_t arrivals[] = {12, 11, 11};

    for (int i = 0; i < 3; i++) {
        struct segment s;
        struct segment by_vus;

        parse(thirds[i], "0,1/3,2/3,1", &s);
        segment_by_vus(&s, 5, &by_vus);
        CHECK_EQ(segment_scale(&by_vus, 17), shared[i]);
        CHECK_EQ(segment_scale(&s, 7), vus[i]);
        CHECK_EQ(segment_scale(&s, 34), arrivals[i]);
        segment_deinit(&by_vus);
        segment_deinit(&s);
    }
}

TEST(segment_parts_always_add_up)
{
    for (uint64_t parts = 1; parts <= 100; parts++) {
        for (uint64_t total = 0; total < 400; total += 1 + total / 7) {
            uint64_t sum = 0;
            uint64_t seen = 0;

            for (uint64_t i = 0; i < parts; i++) {
                struct segment s;
                uint64_t count;

                segment_init(&s);
                segment_nest_equal(&s, i, parts);
                count = segment_scale(&s, total);
                sum += count;
                for (uint64_t k = 0; k < count; k++) {
                    CHECK(segment_index(&s, k) < total);
                    seen++;
                }
                segment_deinit(&s);
            }
            CHECK_EQ(sum, total);
            CHECK_EQ(seen, total);
        }
    }
}

/* Three regions of unequal shares, agents of unequal size in each, two workers in each agent: every
 * number has one owner. */
TEST(segment_nesting_gives_each_number_one_owner)
{
    enum { TOTAL = 1009 };
    static const uint64_t regions[] = {50, 30, 20};
    static const uint64_t agents[] = {3, 2};
    unsigned owners[TOTAL] = {0};

    for (size_t region = 0; region < 3; region++) {
        for (size_t agent = 0; agent < 2; agent++) {
            for (uint64_t worker = 0; worker < 2; worker++) {
                struct segment s;
                uint64_t before = 0;

                segment_init(&s);
                segment_nest_weighted(&s, regions, 3, region);
                segment_nest_weighted(&s, agents, 2, agent);
                segment_nest_equal(&s, worker, 2);
                for (uint64_t k = 0; k < segment_scale(&s, TOTAL); k++) {
                    uint64_t index = segment_index(&s, k);

                    CHECK(index < TOTAL && (k == 0 || index > before));
                    owners[index]++;
                    before = index;
                }
                segment_deinit(&s);
            }
        }
    }
    for (int i = 0; i < TOTAL; i++)
        CHECK_EQ(owners[i], 1);
}

TEST(segment_refuses_what_is_none)
{
    static const char *const bad[] = {"2",   "1:0", "0:2",  "a:b",  "-1:1", "0.5:0.5",
                                      "1/0", "%",   "120%", "1/3:", ":",    "0:1/99999999999"};
    struct segment s;
    struct diag d = DIAG_INIT;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_EQ(segment_parse(str_of(bad[i]), STR(""), &s, NULL), ERR_INVALID);
    CHECK_EQ(segment_parse(STR("0:1/4"), STR("0,1/3,1"), &s, &d), ERR_INVALID);
    CHECK(strstr(d.message, "does not hold"));
    diag_deinit(&d);
    CHECK_EQ(segment_parse(STR("0:1/3"), STR("0,2/3,1/3,1"), &s, NULL), ERR_INVALID);
    parse("25%", "", &s);
    CHECK_EQ(segment_scale(&s, 100), 25);
    segment_deinit(&s);
    parse("", "", &s);
    CHECK_EQ(segment_scale(&s, 100), 100);
    segment_deinit(&s);
}

/* --- pacers ------------------------------------------------------------------------------- */

#define SECOND INT64_C(1000000000)

TEST(pacer_constant_rate_never_drifts)
{
    const struct stage days[] = {{30 * 86400 * SECOND, 7}};
    struct pacer p;
    uint64_t k = UINT64_C(7) * 30 * 86400;

    pacer_init(&p, 7, SECOND, days, 1);
    CHECK_EQ(pacer_due(&p, 0), 0);
    CHECK_EQ(pacer_due(&p, 1), 142857142);
    CHECK_EQ(pacer_due(&p, k), 30 * 86400 * SECOND);
    CHECK_EQ(pacer_due(&p, k - 7), (30 * 86400 - 1) * SECOND);
    CHECK_EQ(pacer_due(&p, k + 1), INT64_MAX);
    pacer_deinit(&p);
}

TEST(pacer_ramps_make_the_area_under_the_line)
{
    const struct stage stages[] = {
        {2 * SECOND, 100}, {SECOND, 100}, {0, 20}, {SECOND, 20}, {SECOND, 0}};
    struct pacer p;
    int64_t before = -1;
    uint64_t counts[6] = {0};

    pacer_init(&p, 0, SECOND, stages, 5);
    CHECK_EQ(pacer_duration(&p), 5 * SECOND);
    for (uint64_t k = 0;; k++) {
        int64_t due = pacer_due(&p, k);

        if (due == INT64_MAX)
            break;
        CHECK(due >= before && due <= 5 * SECOND);
        before = due;
        counts[due / SECOND < 5 ? due / SECOND : 5]++;
    }
    /* 25 and 75 on the ramp, 100 flat, 20 flat, 10 on the way down. */
    CHECK_NEAR((double)counts[0], 25, 1);
    CHECK_NEAR((double)counts[1], 75, 1);
    CHECK_NEAR((double)counts[2], 100, 1);
    CHECK_NEAR((double)counts[3], 20, 1);
    CHECK_NEAR((double)(counts[4] + counts[5]), 10, 1.5);
    pacer_deinit(&p);
}

TEST(pacer_waits_out_a_rate_of_nothing)
{
    const struct stage stages[] = {{3 * SECOND, 0}, {0, 10}, {SECOND, 10}};
    struct pacer p;

    pacer_init(&p, 0, SECOND, stages, 3);
    CHECK_EQ(pacer_due(&p, 0), 3 * SECOND);
    CHECK_NEAR((double)pacer_due(&p, 1), 3.1e9, 10);
    pacer_deinit(&p);
}

TEST(pacer_vus_come_and_go_at_the_crossings)
{
    const struct stage stages[] = {{10 * SECOND, 10}, {10 * SECOND, 0}, {0, 3}, {SECOND, 3}};
    struct vu_span spans[4];

    CHECK_EQ(pacer_vu_spans(0, stages, 4, 0, spans, 4), 2);
    CHECK_EQ(spans[0].from_nsec, SECOND);
    CHECK_EQ(spans[0].to_nsec, 20 * SECOND);
    CHECK(spans[0].ramped_down);
    CHECK_EQ(spans[1].from_nsec, 20 * SECOND);
    CHECK_EQ(spans[1].to_nsec, 21 * SECOND);
    CHECK(!spans[1].ramped_down);
    CHECK_EQ(pacer_vu_spans(0, stages, 4, 9, spans, 4), 1);
    CHECK_EQ(spans[0].from_nsec, 10 * SECOND);
    CHECK_EQ(spans[0].to_nsec, 11 * SECOND);
    CHECK_EQ(pacer_vu_spans(0, stages, 4, 10, spans, 4), 0);
    CHECK_EQ(pacer_max_vus(0, stages, 4), 10);
    CHECK_EQ(pacer_vus_at(0, stages, 4, 5 * SECOND), 5);
}

/* Three VUs and hundreds of arrivals over more parts than that, nested. */
TEST(segment_arrivals_come_where_vus_are)
{
    static const uint64_t weights[] = {5, 1, 3, 1};

    for (uint64_t vus = 1; vus < 40; vus++) {
        uint64_t arrivals = 0;
        uint64_t owned = 0;

        for (size_t i = 0; i < 4; i++) {
            for (size_t j = 0; j < 3; j++) {
                struct segment s;
                struct segment by;
                uint64_t own;

                segment_init(&s);
                segment_nest_weighted(&s, weights, 4, i);
                segment_nest_equal(&s, j, 3);
                segment_for_arrivals(&s, vus, &by);
                own = segment_scale(&s, vus);
                CHECK(own > 0 || segment_scale(&by, 1000) == 0);
                /* Where all have some, nothing changes. */
                CHECK(vus < 38 || segment_scale(&by, 333) == segment_scale(&s, 333));
                owned += own;
                arrivals += segment_scale(&by, 333);
                segment_deinit(&s);
                segment_deinit(&by);
            }
        }
        CHECK_EQ(owned, vus);
        CHECK_EQ(arrivals, 333);
    }
}
