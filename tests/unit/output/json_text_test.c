#include "output/json_text.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "support/test.h"

static void check_number(double value, const char *want)
{
    struct buf out = BUF_INIT(SIZE_MAX);

    json_text_number(&out, value);
    CHECK_TEXT(out.data, want);
    buf_deinit(&out);
}

TEST(json_text_numbers_are_gos)
{
    check_number(0, "0");
    check_number(-0.0, "0");
    check_number(12, "12");
    check_number(-3, "-3");
    check_number(0.1, "0.1");
    check_number(-2.5, "-2.5");
    check_number(7.749508666666666, "7.749508666666666");
    check_number(12.948163923447753, "12.948163923447753");
    check_number(0.16666666666666666, "0.16666666666666666");
    check_number(0.000001, "0.000001");
    check_number(0.00000025, "2.5e-7");
    check_number(-1e-9, "-1e-9");
    check_number(123456789012345680, "123456789012345680");
    check_number(1e20, "100000000000000000000");
    check_number(1e21, "1e+21");
    check_number(5e-324, "5e-324");
    check_number(1.7976931348623157e308, "1.7976931348623157e+308");
    check_number(NAN, "null");
    check_number(INFINITY, "null");
}

TEST(json_text_numbers_read_back)
{
    struct rng rng;

    rng_seed(&rng, 7);
    for (int i = 0; i < 20000; i++) {
        struct buf out = BUF_INIT(SIZE_MAX);
        uint64_t bits = rng_next(&rng);
        double value;
        double back;

        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        json_text_number(&out, value);
        back = strtod(out.data, NULL);
        CHECK(memcmp(&back, &value, sizeof value) == 0);
        buf_deinit(&out);
    }
}

static void check_string(struct str s, const char *want)
{
    struct buf out = BUF_INIT(SIZE_MAX);

    json_text_string(&out, s);
    CHECK_TEXT(out.data, want);
    buf_deinit(&out);
}

TEST(json_text_strings)
{
    check_string(STR(""), "\"\"");
    check_string(STR("plain ünd"), "\"plain ünd\"");
    check_string(STR("a\"b\\c\n\r\t\x01\x7f<&>"), "\"a\\\"b\\\\c\\n\\r\\t\\u0001\x7f<&>\"");
    check_string(str_from("nul\0end", 7), "\"nul\\u0000end\"");
    check_string(STR("\n\n"), "\"\\n\\n\"");
}

TEST(json_text_strings_become_utf8)
{
    check_string(STR("\xff"), "\"\xef\xbf\xbd\"");
    check_string(STR("a\xc3\x28z"), "\"a\xef\xbf\xbd(z\"");
    check_string(STR("\xe2\x82"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    check_string(STR("ü\xed\xa0\x80ü\"\xfe"),
                 "\"ü\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdü\\\"\xef\xbf\xbd\"");
}

TEST(json_text_values)
{
    json_t *json =
        json_loads("{\"b\": [1, 2.5, [], {}], \"a\": {\"x\": null, \"y\": true}}", 0, NULL);
    char *text = json_text(json, 0);

    CHECK_TEXT(text, "{\"b\":[1,2.5,[],{}],\"a\":{\"x\":null,\"y\":true}}");
    mem_free(text);
    text = json_text(json, 2);
    CHECK_TEXT(text, "{\n  \"b\": [\n    1,\n    2.5,\n    [],\n    {}\n  ],\n"
                     "  \"a\": {\n    \"x\": null,\n    \"y\": true\n  }\n}");
    mem_free(text);
    json_decref(json);
}
