/* Targets' metrics as series of a run. */
#include "output/scraped.h"

#include <stdio.h>

#include "support/test.h"

static void check(const char *text, const char *name, const char *const *tags)
{
    struct scraped *s = scraped_new("shop", str_of(text), false);
    uint32_t i = 0;

    CHECK_TEXT(s->series.metric->name.ptr, name);
    for (; tags[2 * i]; i++) {
        CHECK(i < s->series.tags->count);
        CHECK(str_eq_c(s->series.tags->list[i].key, tags[2 * i]));
        CHECK(str_eq_c(s->series.tags->list[i].value, tags[2 * i + 1]));
    }
    CHECK_EQ(s->series.tags->count, i);
    scraped_free(s);
}

TEST(scraped_series_have_labels_as_tags)
{
    const char *const none[] = {NULL};
    const char *const two[] = {"a", "1", "b", "x,y}\"\\\nz", NULL};
    const char *const spaced[] = {"a", "1", NULL};

    check("up", "scrape:shop/up", none);
    check("up{}", "scrape:shop/up", none);
    check("q{b=\"x,y}\\\"\\\\\\nz\",a=\"1\"}", "scrape:shop/q", two);
    check("q{ a = \"1\" , }", "scrape:shop/q", spaced);
    check("q{a=\"1\",a=\"2\",b=\"\"}", "scrape:shop/q", spaced);
    check("q{a=1}", "scrape:shop/q", none);
    check("q{a=\"1}", "scrape:shop/q", spaced);
}

TEST(scraped_series_have_a_bound)
{
    char text[4096] = "q{";
    size_t len = 2;
    struct scraped *s;

    for (int i = 0; i < 100; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "l%d=\"v\",", i);
    text[len++] = '}';
    s = scraped_new("t", str_from(text, len), true);
    CHECK_EQ(s->series.tags->count, 40);
    CHECK_EQ(s->series.metric->type, METRIC_COUNTER);
    scraped_free(s);
    scraped_free(NULL);
}
