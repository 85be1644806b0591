#include "output/correlate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "output/exposition.h"
#include "support/test.h"

enum { SECONDS = 60 };

TEST(correlate_finds_lag_and_sign)
{
    double cause[SECONDS];
    double effect[SECONDS];
    struct correlation c;

    for (int i = 0; i < SECONDS; i++) {
        cause[i] = i >= 30 ? 9 : 1;
        effect[i] = i >= 33 ? 100 : 500;
    }
    CHECK(correlate(cause, effect, SECONDS, &c));
    CHECK_EQ(c.lag, 3);
    CHECK_NEAR(c.coefficient, -1, 1e-9);
    CHECK_EQ(correlate_onset(cause, SECONDS), 30);
    CHECK(!correlate(cause, effect, CORRELATE_SECONDS_MIN - 1, &c));
    for (int i = 0; i < SECONDS; i++)
        cause[i] = 4;
    CHECK(!correlate(cause, effect, SECONDS, &c));
    CHECK(correlate_chance(15, 100) > correlate_chance(500, 100));
}

static void note(void *arg, const struct exposed *e)
{
    char *text = arg;
    size_t len = strlen(text);

    snprintf(text + len, 200 - len, "%.*s|%d|%g;", STR_ARG(e->series), (int)e->kind, e->value);
}

TEST(exposition_reads_both_formats_and_refuses_others)
{
    static const char *const bad[] = {"<html>", "a{x=\"1\" 3", "a", "a{} x", "{} 1", "a{x=\"\\"};
    char text[200] = "";
    size_t line;

    CHECK_EQ(exposition_read(STR("# TYPE a counter\na_total{x=\"}\\\"\"} 3 17 # {t=\"q\"} 1\n\n"
                                 "# TYPE g gauge\r\ng -Inf\nother 1e3\n# EOF\n"),
                             note, text, &line),
             3);
    CHECK(strcmp(text, "a_total{x=\"}\\\"\"}|1|3;g|2|-inf;other|0|1000;") == 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK_EQ(exposition_read(str_of(bad[i]), note, text, &line), ERR_SYNTAX);
}
