#include "base/duration.h"

#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "support/test.h"

static int64_t parsed(const char *text)
{
    int64_t nsec = -1;
    int err = duration_parse(str_of(text), &nsec);

    return err ? err : nsec;
}

TEST(duration_parses_what_k6_writes)
{
    CHECK_EQ(parsed("0"), 0);
    CHECK_EQ(parsed("1s"), NSEC_PER_SEC);
    CHECK_EQ(parsed("1h2m3s4ms"), 3723004 * NSEC_PER_MSEC);
    CHECK_EQ(parsed("1.5h"), 5400 * NSEC_PER_SEC);
    CHECK_EQ(parsed(".5s"), 500 * NSEC_PER_MSEC);
    CHECK_EQ(parsed("1d"), 86400 * NSEC_PER_SEC);
    CHECK_EQ(parsed("-1m30s"), -90 * NSEC_PER_SEC);
    CHECK_EQ(parsed("3us"), 3000);
    CHECK_EQ(parsed("3µs"), 3000);
    CHECK_EQ(parsed("7ns"), 7);
}

TEST(duration_refuses_what_is_none)
{
    static const char *const bad[] = {"",  " ",    "1",   "s",   "1x",  "1s ", " 1s",
                                      "-", "1.s5", "..s", "1s2", "one", "1e3s"};

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK_EQ(parsed(bad[i]), ERR_SYNTAX);
    CHECK_EQ(parsed("99999999999h"), ERR_LIMIT);
    CHECK_EQ(parsed("99999999999999999999s"), ERR_LIMIT);
}

static void check_format(int64_t nsec, const char *want)
{
    char out[48];

    CHECK_TEXT(duration_format(nsec, out, sizeof out), want);
}

TEST(duration_of_a_bare_number_is_milliseconds)
{
    int64_t nsec = 0;

    CHECK_EQ(duration_parse_msec(STR("1500"), &nsec), 0);
    CHECK_EQ(nsec, INT64_C(1500000000));
    CHECK_EQ(duration_parse_msec(STR("0.5"), &nsec), 0);
    CHECK_EQ(nsec, 500000);
    CHECK_EQ(duration_parse_msec(STR("1m"), &nsec), 0);
    CHECK_EQ(nsec, INT64_C(60000000000));
    CHECK_EQ(duration_parse_msec(STR("1e300"), &nsec), ERR_LIMIT);
    CHECK_EQ(duration_parse_msec(STR("soon"), &nsec), ERR_SYNTAX);
    CHECK_EQ(nsec, INT64_C(60000000000));
}

TEST(duration_formats_as_go_does)
{
    check_format(0, "0s");
    check_format(1, "1ns");
    check_format(1500, "1.5µs");
    check_format(380920, "380.92µs");
    check_format(300 * NSEC_PER_MSEC, "300ms");
    check_format(NSEC_PER_SEC, "1s");
    check_format(90 * NSEC_PER_SEC, "1m30s");
    check_format(600 * NSEC_PER_SEC, "10m0s");
    check_format(3600 * NSEC_PER_SEC + 500 * NSEC_PER_MSEC, "1h0m0.5s");
    check_format(-1500 * NSEC_PER_MSEC, "-1.5s");
    check_format(INT64_MIN, "-2562047h47m16.854775808s");
}

TEST(duration_survives_a_round_trip)
{
    struct rng rng;
    char out[48];

    rng_seed(&rng, 3);
    for (int i = 0; i < 10000; i++) {
        int64_t nsec = (int64_t)(rng_next(&rng) >> (1 + rng_below(&rng, 62)));
        int64_t back = -1;

        CHECK_EQ(duration_parse(str_of(duration_format(nsec, out, sizeof out)), &back), 0);
        CHECK_EQ(back, nsec);
    }
}

TEST(clock_rfc3339_prints_utc)
{
    char out[40];

    clock_rfc3339(INT64_C(1795464832148173338), 9, out, sizeof out);
    CHECK_TEXT(out, "2026-11-23T20:13:52.148173338Z");
    clock_rfc3339(INT64_C(1795464832148173338), 0, out, sizeof out);
    CHECK_TEXT(out, "2026-11-23T20:13:52Z");
    clock_rfc3339(-1, 3, out, sizeof out);
    CHECK_TEXT(out, "1969-12-31T23:59:59.999Z");
}

TEST(diag_keeps_the_first_message_and_its_place)
{
    struct diag d = DIAG_INIT;
    char *text;

    CHECK_EQ(diag_set(&d, ERR_SYNTAX, "bad %s", "stage"), ERR_SYNTAX);
    CHECK_EQ(diag_set(&d, ERR_LIMIT, "second"), ERR_LIMIT);
    diag_prefix(&d, "scenario '%s'", "a");
    diag_at(&d, "script.js", 3, 7);
    diag_at(&d, "other.js", 1, 1);
    text = diag_text(&d);
    CHECK_TEXT(text, "script.js:3:7: scenario 'a': bad stage");
    mem_free(text);
    diag_deinit(&d);
    CHECK_EQ(diag_set(NULL, ERR_SYNTAX, "nobody listens"), ERR_SYNTAX);
}

TEST(err_texts_and_k6_codes)
{
    CHECK_EQ(err_k6_code(ERR_TIMEOUT), 1050);
    CHECK_EQ(err_k6_code(ERR_TLS_HOSTNAME), 1311);
    CHECK_EQ(err_k6_code(-32), 1201);
    CHECK_EQ(err_k6_code(ERR_SYNTAX), 1000);
    CHECK_TEXT(err_text(ERR_TIMEOUT), "request timeout");
    CHECK_TEXT(err_text(-104), "Connection reset by peer");
    CHECK_TEXT(err_text(0), "no error");
    CHECK_TEXT(err_text(-99999), "unknown error");
}
