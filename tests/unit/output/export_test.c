/* The summary as data against what k6 wrote for the same values, and how files are written. */
#include "output/export.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "golden.h"
#include "support/test.h"

static const char *const stats[] = {"avg", "min", "med", "max", "p(90)", "p(95)"};

struct fixture {
    struct golden golden;
    struct summary_options options;
    struct export_input in;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){0};
    golden_begin(&f->golden, "summary-compact.values");
    CHECK_EQ(summary_stats_parse(stats, COUNT_OF(stats), &f->options, NULL), 0);
    f->in = (struct export_input){
        .totals = f->golden.totals,
        .thresholds = &f->golden.thresholds,
        .run_seconds = f->golden.seconds,
        .options = &f->options,
        .script = STR_INIT("export default function () {}\n"),
        .time_unit = "",
        .stdout_is_terminal = true,
    };
}

static void end(struct fixture *f)
{
    summary_stats_deinit(&f->options);
    golden_end(&f->golden);
}

static json_t *parse(char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);

    if (!json)
        test_fail(__FILE__, __LINE__, "no JSON: %s at %d", error.text, error.line);
    mem_free(text);
    return json;
}

/* Everything that `want` has, `got` has too; numbers to the last but few bits. */
static void compare(const char *path, const json_t *got, const json_t *want)
{
    json_t *object = (json_t *)(uintptr_t)want;

    if (json_is_object(want)) {
        for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
            char *below = mem_printf("%s/%s", path, json_object_iter_key(at));
            const json_t *value = json_object_get(got, json_object_iter_key(at));

            if (!value)
                test_fail(__FILE__, __LINE__, "%s is missing", below);
            compare(below, value, json_object_iter_value(at));
            mem_free(below);
        }
    } else if (json_is_number(want)) {
        double value = json_number_value(want);

        if (fabs(json_number_value(got) - value) > 1e-9 * fabs(value))
            test_fail(__FILE__, __LINE__, "%s: %.17g, want %.17g", path, json_number_value(got),
                      value);
    } else if (!json_equal(got, want)) {
        test_fail(__FILE__, __LINE__, "%s differs", path);
    }
}

TEST(export_is_k6s)
{
    struct fixture f;
    json_t *want = parse(golden_read("summary-export.json"));
    json_t *got;

    begin(&f);
    got = parse(export_summary(&f.in));
    json_object_del(json_object_get(want, "root_group"), "groups"); /* the fixture has none */
    compare("", got, want);
    json_decref(got);
    json_decref(want);
    end(&f);
}

TEST(export_has_setup_data)
{
    struct fixture f;
    json_t *got;

    begin(&f);
    f.in.setup_data_json = "{\"token\":\"x\"}";
    got = parse(export_summary(&f.in));
    CHECK_TEXT(json_string_value(json_object_get(json_object_get(got, "setup_data"), "token")),
               "x");
    json_decref(got);
    got = parse(export_handle_summary(&f.in));
    CHECK_TEXT(json_string_value(json_object_get(json_object_get(got, "setup_data"), "token")),
               "x");
    json_decref(got);
    end(&f);
}

TEST(export_for_handle_summary)
{
    static const char want[] =
        "{\"metrics\": {"
        "  \"checks\": {\"type\": \"rate\", \"contains\": \"default\","
        "    \"values\": {\"rate\": 0.5, \"passes\": 8, \"fails\": 8},"
        "    \"thresholds\": {\"rate>0.9\": {\"ok\": false}}},"
        "  \"http_req_duration{scenario:buy}\": {\"type\": \"trend\", \"contains\": \"time\","
        "    \"thresholds\": {\"max<300\": {\"ok\": true}}},"
        "  \"data_sent\": {\"type\": \"counter\", \"contains\": \"data\"},"
        "  \"vus\": {\"type\": \"gauge\", \"values\": {\"value\": 2, \"min\": 2, \"max\": 2}}},"
        " \"root_group\": {\"name\": \"\", \"path\": \"\","
        "  \"id\": \"d41d8cd98f00b204e9800998ecf8427e\", \"groups\": []},"
        " \"options\": {\"summaryTimeUnit\": \"\", \"noColor\": true,"
        "  \"summaryTrendStats\": [\"avg\", \"min\", \"med\", \"max\", \"p(90)\", \"p(95)\"]},"
        " \"state\": {\"isStdOutTTY\": true, \"isStdErrTTY\": false}}";
    struct fixture f;
    json_t *expected = json_loads(want, 0, NULL);
    json_t *got;

    begin(&f);
    got = parse(export_handle_summary(&f.in));
    compare("", got, expected);
    CHECK_NEAR(
        json_number_value(json_object_get(json_object_get(got, "state"), "testRunDurationMs")),
        f.golden.seconds * 1000, 1e-6);
    json_decref(got);
    json_decref(expected);
    end(&f);
}

static const json_t *named(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);

        if (strcmp(json_string_value(json_object_get(item, "name")), name) == 0)
            return item;
    }
    test_fail(__FILE__, __LINE__, "%s is missing", name);
}

TEST(export_machine_readable_has_the_schema)
{
    static const char rate[] = "{\"contains\": \"default\", \"type\": \"rate\","
                               " \"values\": {\"matches\": 2, \"total\": 12,"
                               " \"rate\": 0.16666666666666666}}";
    static const char checks[] = "{\"fails\": 8, \"passes\": 0}";
    struct fixture f;
    json_t *got;
    json_t *expected = json_loads(rate, 0, NULL);
    const json_t *results;
    const json_t *trend;

    begin(&f);
    got = parse(export_machine_readable(&f.in));
    results = json_object_get(got, "results");
    CHECK_TEXT(json_string_value(json_object_get(got, "version")), "1.0.0");
    CHECK_TEXT(json_string_value(json_object_get(json_object_get(got, "config"), "script")),
               f.in.script.ptr);
    CHECK_TEXT(json_string_value(json_object_get(json_object_get(got, "config"), "execution")),
               "local");
    compare("http_req_failed", named(json_object_get(results, "metrics"), "http_req_failed"),
            expected);
    json_decref(expected);
    trend = named(json_object_get(results, "metrics"), "http_req_duration{scenario:buy}");
    CHECK(json_object_get(json_object_get(trend, "values"), "p95"));
    CHECK(!json_object_get(json_object_get(trend, "values"), "p(95)"));
    expected = json_loads(checks, 0, NULL);
    compare("checks",
            named(json_object_get(json_object_get(results, "checks"), "results"), "is wrong"),
            expected);
    json_decref(expected);
    json_decref(got);
    end(&f);
}

static void check_file(const char *path, const char *want, size_t len)
{
    char text[64] = "";
    FILE *file = fopen(path, "rb");

    CHECK(file);
    CHECK_EQ(fread(text, 1, sizeof text, file), len);
    fclose(file);
    CHECK(memcmp(text, want, len) == 0);
}

TEST(export_writes_what_handle_summary_returned)
{
    char folder[] = "/tmp/gale-export-XXXXXX";
    struct diag d = DIAG_INIT;
    char *text;
    char *path;
    char *bytes;

    CHECK(mkdtemp(folder));
    path = mem_printf("%s/a.txt", folder);
    bytes = mem_printf("%s/b.bin", folder);
    text = mem_printf("{\"%s\": \"hellö\", \"/no/such/folder/x\": \"y\", \"%s\": {\"$base64\": "
                      "\"AAEC/w==\"}}",
                      path, bytes);
    CHECK(export_write_files(text, &d) < 0);
    CHECK(strstr(d.message, "/no/such/folder/x"));
    check_file(path, "hellö", 6);
    check_file(bytes, "\x00\x01\x02\xff", 4);
    diag_deinit(&d);
    unlink(path);
    unlink(bytes);
    rmdir(folder);
    mem_free(text);
    mem_free(path);
    mem_free(bytes);
}

TEST(export_refuses_what_is_no_text)
{
    struct diag d = DIAG_INIT;

    CHECK_EQ(export_write_files("{\"stdout\": 3}", &d), ERR_INVALID);
    CHECK(strstr(d.message, "'stdout'"));
    diag_deinit(&d);
    d = (struct diag)DIAG_INIT;
    CHECK_EQ(export_write_files("\"all\"", &d), ERR_INVALID);
    CHECK(strstr(d.message, "object"));
    diag_deinit(&d);
}

TEST(export_full_disk_is_an_error)
{
    struct diag d = DIAG_INIT;

    CHECK(export_write_file("/dev/full", STR("text"), &d) < 0);
    CHECK(strstr(d.message, "/dev/full"));
    CHECK(strstr(d.message, "space"));
    diag_deinit(&d);
}
