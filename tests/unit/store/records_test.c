/* Tests, versions and runs. */
#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "fixture.h"
#include "store/run.h"
#include "store/test.h"

/* What a listing gave: names, one after another. */
static char seen[4096];

static void see(const char *text)
{
    size_t len = strlen(seen);

    snprintf(seen + len, sizeof seen - len, "%s%s", len ? " " : "", text);
}

static void see_test(void *arg, const struct store_test *test)
{
    (void)arg;
    see(test->name);
}

static void see_run(void *arg, const struct store_run *run)
{
    (void)arg;
    see(run->id + 9);
}

static void add_test(struct store *s, const char *id, const char *name, const char *labels,
                     int64_t at)
{
    struct store_test test = {
        .id = id, .name = name, .description = "", .labels = labels, .created = at, .updated = at};
    struct diag d = DIAG_INIT;

    if (store_add_test(s, &test, &d) != 0)
        test_fail(__FILE__, __LINE__, "%s", d.message);
}

static struct store_run a_run(const char *id, const char *test)
{
    return (struct store_run){.id = id,
                              .test = test,
                              .version = 1,
                              .name = "Nightly",
                              .notes = "",
                              .labels = "{\"branch\":\"main\"}",
                              .phase = "planned",
                              .exit_code = STORE_NO_EXIT_CODE,
                              .created = 1000,
                              .created_by = "ci",
                              .spec = "{\"load\":\"total\"}",
                              .plan = "{}",
                              .state = "{}"};
}

/* --- tests -------------------------------------------------------------------------------- */

static void check_fresh_test(void *arg, const struct store_test *test)
{
    (void)arg;
    CHECK_TEXT(test->id, "test00000001");
    CHECK_TEXT(test->name, "Checkout <b>");
    CHECK_TEXT(test->labels, "{\"team\":\"shop\"}");
    CHECK_EQ(test->created, 5);
    CHECK_EQ(test->latest_version, 0);
    CHECK_EQ(test->run_count, 0);
    CHECK(!test->baseline && !test->last_run.id);
}

static void check_used_test(void *arg, const struct store_test *test)
{
    (void)arg;
    CHECK_TEXT(test->name, "Other");
    CHECK_EQ(test->updated, 77);
    CHECK_EQ(test->run_count, 2);
    CHECK_TEXT(test->baseline, "run000000001");
    CHECK_TEXT(test->last_run.id, "run000000002");
    CHECK_TEXT(test->last_run.phase, "planned");
    CHECK(!test->last_run.result);
}

TEST(records_of_tests)
{
    struct store *s = fixture_open();
    struct store_test change = {
        .id = "test00000001", .name = "Other", .description = "d", .labels = "{}", .updated = 77};
    struct store_run run = a_run("run000000001", "test00000001");
    struct diag d = DIAG_INIT;

    add_test(s, "test00000001", "Checkout <b>", "{\"team\":\"shop\"}", 5);
    fixture_check_error(&d, store_add_test(s, &change, &d), -EEXIST, "one already");
    CHECK_EQ(store_get_test(s, "test00000001", check_fresh_test, NULL, NULL), 0);
    CHECK_EQ(store_update_test(s, &change, NULL), 0);
    CHECK_EQ(store_add_run(s, &run, NULL), 0);
    run.id = "run000000002";
    CHECK_EQ(store_add_run(s, &run, NULL), 0);
    CHECK_EQ(store_set_baseline(s, "run000000001", true, NULL), 0);
    CHECK_EQ(store_get_test(s, "test00000001", check_used_test, NULL, NULL), 0);
    change.labels = "not JSON";
    fixture_check_error(&d, store_update_test(s, &change, &d), ERR_INVALID, "may stand there");
    change.labels = "{}";
    change.id = "test00000009";
    fixture_check_error(&d, store_update_test(s, &change, &d), ERR_NOT_FOUND, "test00000009");
    fixture_check_error(&d, store_get_test(s, "nonsense", check_used_test, NULL, &d), ERR_NOT_FOUND,
                        "nonsense");
    fixture_check_error(&d, store_delete_test(s, "test00000001", &d), -EBUSY, "not ended");
    fixture_end_run(s, "run000000001", 5);
    fixture_end_run(s, "run000000002", 6);
    CHECK_EQ(store_delete_test(s, "test00000001", NULL), 0);
    fixture_check_error(&d, store_get_run(s, "run000000001", see_run, NULL, &d), ERR_NOT_FOUND,
                        "no run");
    fixture_check_error(&d, store_delete_test(s, "test00000001", &d), ERR_NOT_FOUND, "no test");
    fixture_tidy_all(s);
    store_close(s);
}

TEST(records_of_tests_are_listed_by_use)
{
    struct store *s = fixture_open();
    struct store_test_filter all = {0};
    struct store_test_filter shop = {.labels = "{\"team\":\"shop\"}"};
    struct store_page page = {.limit = 2};
    struct store_run run = a_run("run000000001", "test00000002");

    add_test(s, "test00000001", "One", "{\"team\":\"shop\",\"x\":\"y\"}", 5);
    add_test(s, "test00000002", "two", "{}", 6);
    add_test(s, "test00000003", "three", "{\"team\":\"shop\"}", 7);
    CHECK_EQ(store_add_run(s, &run, NULL), 0);
    CHECK_EQ(store_list_tests(s, &all, &page, see_test, NULL, NULL), 1);
    CHECK_TEXT(seen, "two three");
    CHECK_EQ(store_list_tests(s, &all, &page, see_test, NULL, NULL), 0);
    CHECK_TEXT(seen, "two three One");
    seen[0] = '\0';
    page = (struct store_page){.limit = 9};
    CHECK_EQ(store_list_tests(s, &shop, &page, see_test, NULL, NULL), 0);
    CHECK_TEXT(seen, "three One");
    seen[0] = '\0';
    page = (struct store_page){.limit = 9};
    all.text = "ONE";
    CHECK_EQ(store_list_tests(s, &all, &page, see_test, NULL, NULL), 0);
    CHECK_TEXT(seen, "One");
    store_close(s);
}

/* --- versions ----------------------------------------------------------------------------- */

static void check_version(void *arg, const struct store_version *v)
{
    CHECK_EQ(v->version, *(int *)arg);
    CHECK_TEXT(v->kind, "script");
    CHECK_EQ(v->bytes, 3);
    CHECK_EQ(v->sha256[0], v->version);
    CHECK_TEXT(v->found, "{}");
}

static void check_content(void *arg, struct str content)
{
    CHECK(str_eq_c(content, arg));
}

static void see_version(void *arg, const struct store_version *v)
{
    char text[24];

    (void)arg;
    snprintf(text, sizeof text, "%lld", (long long)v->version);
    see(text);
}

TEST(records_of_versions)
{
    struct store *s = fixture_open();
    struct store_version v = {.test = "test00000001",
                              .kind = "script",
                              .filename = "a.js",
                              .found = "{}",
                              .created_by = "me",
                              .created = 9,
                              .sha256 = {1}};
    struct store_page page = {.limit = 2};
    struct str huge = {"", STORE_MAX_CONTENT + 1};
    struct diag d = DIAG_INIT;
    int64_t number = 0;

    fixture_check_error(&d, store_add_version(s, &v, STR("one"), &number, &d), ERR_NOT_FOUND,
                        "no test");
    add_test(s, "test00000001", "t", "{}", 5);
    CHECK_EQ(store_add_version(s, &v, STR("one"), &number, NULL), 0);
    CHECK_EQ(number, 1);
    CHECK_EQ(store_add_version(s, &v, STR("one"), &number, NULL), 1);
    CHECK_EQ(number, 1);
    v.sha256[0] = 2;
    CHECK_EQ(store_add_version(s, &v, STR("t\0o"), &number, NULL), 0);
    CHECK_EQ(number, 2);
    v.sha256[0] = 1; /* the one before the latest: a new version */
    CHECK_EQ(store_add_version(s, &v, STR("one"), &number, NULL), 0);
    CHECK_EQ(number, 3);
    fixture_check_error(&d, store_add_version(s, &v, huge, &number, &d), ERR_LIMIT, "at most");
    CHECK_EQ(store_get_version(s, "test00000001", 1, check_version, &(int){1}, NULL), 0);
    CHECK_EQ(store_get_version(s, "test00000001", 2, check_version, &(int){2}, NULL), 0);
    CHECK_EQ(
        store_get_content(s, "test00000001", 1, check_content, (void *)(uintptr_t) "one", NULL), 0);
    CHECK_EQ(
        store_get_content(s, "test00000001", 0, check_content, (void *)(uintptr_t) "one", NULL), 0);
    fixture_check_error(&d, store_get_version(s, "test00000001", 9, see_version, NULL, &d),
                        ERR_NOT_FOUND, "no version 9");
    CHECK_EQ(store_list_versions(s, "test00000001", &page, see_version, NULL, NULL), 1);
    CHECK_EQ(store_list_versions(s, "test00000001", &page, see_version, NULL, NULL), 0);
    CHECK_TEXT(seen, "3 2 1");
    store_close(s);
}

/* --- runs --------------------------------------------------------------------------------- */

static void check_planned(void *arg, const struct store_run *run)
{
    (void)arg;
    CHECK_TEXT(run->test, "test00000001");
    CHECK_TEXT(run->test_name, "Checkout");
    CHECK_TEXT(run->phase, "planned");
    CHECK_TEXT(run->spec, "{\"load\":\"total\"}");
    CHECK(!run->result && !run->summary && !run->rerun_of && !run->is_baseline);
    CHECK_EQ(run->exit_code, STORE_NO_EXIT_CODE);
    CHECK_EQ(run->started, 0);
}

static void check_ended(void *arg, const struct store_run *run)
{
    (void)arg;
    CHECK_TEXT(run->phase, "ended");
    CHECK_TEXT(run->result, "failed");
    CHECK_EQ(run->exit_code, 99);
    CHECK_EQ(run->started, 1100);
    CHECK_EQ(run->ended, 2000);
    CHECK_TEXT(run->summary, "{\"a\":1}");
    CHECK_TEXT(run->name, "New name");
    CHECK_TEXT(run->notes, "a note");
    CHECK(run->is_baseline);
}

TEST(records_of_a_runs_life)
{
    struct store *s = fixture_open();
    struct store_run run = a_run("run000000001", "test00000001");
    struct store_phase running = {
        .phase = "running", .exit_code = STORE_NO_EXIT_CODE, .started = 1100};
    struct store_phase ended = {.phase = "ended",
                                .result = "failed",
                                .exit_code = 99,
                                .ended = 2000,
                                .summary = "{\"a\":1}"};
    struct diag d = DIAG_INIT;

    fixture_check_error(&d, store_add_run(s, &run, &d), ERR_NOT_FOUND, "no test");
    add_test(s, "test00000001", "Checkout", "{}", 5);
    CHECK_EQ(store_add_run(s, &run, NULL), 0);
    fixture_check_error(&d, store_add_run(s, &run, &d), -EEXIST, "one already");
    CHECK_EQ(store_get_run(s, run.id, check_planned, NULL, NULL), 0);
    CHECK_EQ(store_update_phase(s, run.id, &running, NULL), 0);
    fixture_check_error(&d, store_delete_run(s, run.id, &d), -EBUSY, "stop it");
    CHECK_EQ(store_update_phase(s, run.id, &ended, NULL), 0);
    CHECK_EQ(store_update_run(s, run.id, "New name", "a note", NULL, NULL), 0);
    CHECK_EQ(store_set_baseline(s, run.id, true, NULL), 0);
    CHECK_EQ(store_get_run(s, run.id, check_ended, NULL, NULL), 0);
    CHECK_EQ(store_set_baseline(s, run.id, false, NULL), 0);
    CHECK_EQ(store_delete_run(s, run.id, NULL), 0);
    fixture_check_error(&d, store_update_phase(s, run.id, &ended, &d), ERR_NOT_FOUND, "no run");
    fixture_check_error(&d, store_set_baseline(s, run.id, true, &d), ERR_NOT_FOUND, "no run");
    fixture_check_error(&d, store_delete_run(s, run.id, &d), ERR_NOT_FOUND, "no run");
    store_close(s);
}

static void list(struct store *s, const struct store_run_filter *filter, const char *want)
{
    struct store_page page = {.limit = 2};

    seen[0] = '\0';
    while (store_list_runs(s, filter, &page, see_run, NULL, NULL) > 0)
        continue;
    CHECK_TEXT(seen, want);
}

TEST(records_of_runs_are_listed)
{
    struct store *s = fixture_open();
    struct store_run run = a_run("run000000001", "test00000001");
    struct store_phase ended = {.phase = "ended", .result = "passed", .exit_code = 0};

    add_test(s, "test00000001", "Checkout", "{}", 5);
    add_test(s, "test00000002", "Login", "{}", 5);
    CHECK_EQ(store_add_run(s, &run, NULL), 0);
    run.id = "run000000002";
    run.labels = "{\"branch\":\"dev\"}";
    CHECK_EQ(store_add_run(s, &run, NULL), 0);
    run.id = "run000000003";
    run.test = "test00000002";
    run.name = "By hand";
    CHECK_EQ(store_add_run(s, &run, NULL), 0);
    CHECK_EQ(store_update_phase(s, "run000000002", &ended, NULL), 0);
    fixture_put_value(s, "run000000003", "eu", 1, 1);
    list(s, &(struct store_run_filter){0}, "003 002 001");
    list(s, &(struct store_run_filter){.test = "test00000001"}, "002 001");
    list(s, &(struct store_run_filter){.test = "test00000009"}, "");
    list(s, &(struct store_run_filter){.phases = "[\"planned\",\"running\"]"}, "003 001");
    list(s, &(struct store_run_filter){.results = "[\"passed\"]"}, "002");
    list(s, &(struct store_run_filter){.region = "eu"}, "003");
    list(s, &(struct store_run_filter){.text = "login"}, "003");
    list(s, &(struct store_run_filter){.text = "NIGHT"}, "002 001");
    list(s, &(struct store_run_filter){.labels = "{\"branch\":\"dev\"}"}, "003 002");
    list(s, &(struct store_run_filter){.labels = "{\"branch\":\"dev\",\"x\":\"y\"}"}, "");
    store_close(s);
}
