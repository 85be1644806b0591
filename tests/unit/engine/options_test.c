#include "engine/options.h"

#include "base/clock.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/options_read.h"
#include "engine/scenario.h"
#include "support/test.h"

static int apply(struct options *o, enum option_tier tier, const char *json, struct diag *d)
{
    json_t *object = json_loads(json, 0, NULL);
    int err;

    CHECK(object != NULL);
    err = options_apply(o, tier, object, d);
    json_decref(object);
    return err;
}

TEST(options_later_tiers_win)
{
    struct options o;

    options_init(&o);
    CHECK_EQ(options_int(&o, OPTION_BATCH), 20);
    CHECK_EQ(options_nsec(&o, OPTION_SETUP_TIMEOUT), INT64_C(60000000000));
    CHECK_EQ(apply(&o, TIER_CONFIG, "{\"batch\": 3, \"rps\": 9}", NULL), 0);
    CHECK_EQ(apply(&o, TIER_SCRIPT, "{\"batch\": 4, \"setupTimeout\": 1500}", NULL), 0);
    CHECK_EQ(options_int(&o, OPTION_BATCH), 4);
    CHECK_EQ(options_int(&o, OPTION_RPS), 9);
    CHECK_EQ(options_nsec(&o, OPTION_SETUP_TIMEOUT), INT64_C(1500000000));
    CHECK_EQ(apply(&o, TIER_FLAGS, "{\"batch\": null}", NULL), 0);
    CHECK_EQ(options_int(&o, OPTION_BATCH), 4);
    options_deinit(&o);
}

/* `vus: __ENV.VUS`, `duration: __ENV.MSEC`: texts that are numbers count as numbers. */
TEST(options_take_numbers_of_the_environment)
{
    struct options o;
    struct diag d = DIAG_INIT;

    options_init(&o);
    CHECK_EQ(apply(&o, TIER_SCRIPT, "{\"batch\": \"7\", \"setupTimeout\": \"1500\"}", NULL), 0);
    CHECK_EQ(options_int(&o, OPTION_BATCH), 7);
    CHECK_EQ(options_nsec(&o, OPTION_SETUP_TIMEOUT), INT64_C(1500000000));
    CHECK_EQ(apply(&o, TIER_SCRIPT, "{\"batch\": \"7.5\"}", &d), ERR_INVALID);
    CHECK_TEXT(d.message, "option batch: expected a whole number, got \"7.5\"");
    diag_deinit(&d);
    CHECK_EQ(apply(&o, TIER_SCRIPT, "{\"batch\": \"-1\"}", NULL), ERR_INVALID);
    CHECK_EQ(apply(&o, TIER_SCRIPT, "{\"batch\": \"\"}", NULL), ERR_INVALID);
    options_deinit(&o);
}

TEST(options_execution_replaces_what_lower_tiers_said)
{
    struct options o;

    options_init(&o);
    CHECK_EQ(apply(&o, TIER_SCRIPT,
                   "{\"vus\": 5, \"scenarios\": {\"a\": {\"executor\": \"shared-iterations\"}}}",
                   NULL),
             0);
    CHECK_EQ(apply(&o, TIER_FLAGS, "{\"duration\": \"3s\"}", NULL), 0);
    CHECK(!options_is_set(&o, OPTION_SCENARIOS));
    CHECK_EQ(options_int(&o, OPTION_VUS), 5);
    CHECK_EQ(o.warning_count, 1);
    options_deinit(&o);
    options_init(&o);
    CHECK_EQ(apply(&o, TIER_SCRIPT,
                   "{\"scenarios\": {\"a\": {\"executor\": \"shared-iterations\"}}}", NULL),
             0);
    CHECK_EQ(apply(&o, TIER_FLAGS, "{\"vus\": 2}", NULL), 0);
    CHECK(!options_is_set(&o, OPTION_SCENARIOS));
    options_deinit(&o);
}

TEST(options_refuse_wrong_types_by_name)
{
    static const char *const bad[] = {
        "{\"vus\": 1.5}",
        "{\"vus\": -1}",
        "{\"vus\": \"three\"}",
        "{\"duration\": \"5 s\"}",
        "{\"duration\": true}",
        "{\"stages\": {}}",
        "{\"stages\": [{\"duration\": \"1s\"}]}",
        "{\"stages\": [{\"target\": 1}]}",
        "{\"thresholds\": []}",
        "{\"thresholds\": {\"a\": [3]}}",
        "{\"thresholds\": {\"a\": [{\"threshold\": \"x<1\", \"abortOnFial\": true}]}}",
        "{\"tags\": {\"a\": {}}}",
        "{\"hosts\": []}",
        "{\"dns\": {\"ttl\": \"soon\"}}",
        "{\"dns\": {\"colour\": \"red\"}}",
        "{\"tlsVersion\": \"ssl3\"}",
        "{\"tlsAuth\": [{\"cert\": 1}]}",
        "{\"blacklistIPs\": \"10.0.0.0/8\"}",
        "{\"throw\": \"yes\"}",
        "{\"iterations\": 1, \"stages\": []}",
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct options o;
        struct diag d = DIAG_INIT;

        options_init(&o);
        test_equal_int(__FILE__, __LINE__, bad[i], apply(&o, TIER_SCRIPT, bad[i], &d), ERR_INVALID);
        CHECK(d.message && strlen(d.message) > 20);
        diag_deinit(&d);
        options_deinit(&o);
    }
}

TEST(options_environment_names)
{
    static const struct {
        enum option_id id;
        const char *name;
    } cases[] = {
        {OPTION_VUS, "K6_VUS"},
        {OPTION_BATCH_PER_HOST, "K6_BATCH_PER_HOST"},
        {OPTION_BLACKLIST_IPS, "K6_BLACKLIST_IPS"},
        {OPTION_LOCAL_IPS, "K6_LOCAL_IPS"},
        {OPTION_NO_VU_CONNECTION_REUSE, "K6_NO_VU_CONNECTION_REUSE"},
        {OPTION_INSECURE_SKIP_TLS_VERIFY, "K6_INSECURE_SKIP_TLS_VERIFY"},
        {OPTION_TLS_AUTH, "K6_TLSAUTH"},
        {OPTION_TLS_CIPHER_SUITES, "K6_TLS_CIPHER_SUITES"},
        {OPTION_DNS, "K6_DNS"},
        {OPTION_SUMMARY_TREND_STATS, "K6_SUMMARY_TREND_STATS"},
        {OPTION_MIN_ITERATION_DURATION, "K6_MIN_ITERATION_DURATION"},
        {OPTION_WORKERS, "GALE_WORKERS"},
    };
    char name[64];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CHECK(option_env_name(&option_table[cases[i].id], name, sizeof name));
        CHECK_TEXT(name, cases[i].name);
    }
    CHECK(!option_env_name(&option_table[OPTION_SCENARIOS], name, sizeof name));
}

static const char *fake_env(const char *name)
{
    if (strcmp(name, "K6_STAGES") == 0)
        return "10s:5,20000:0";
    if (strcmp(name, "K6_SETUP_TIMEOUT") == 0)
        return "1500";
    return strcmp(name, "K6_TAGS") == 0 ? "a:b,c:d" : NULL;
}

TEST(options_read_the_environment)
{
    struct options o;
    json_t *tier = NULL;

    options_init(&o);
    CHECK_EQ(options_read_env(fake_env, &tier, NULL), 0);
    CHECK_EQ(options_apply(&o, TIER_ENV, tier, NULL), 0);
    CHECK_EQ(json_array_size(o.values[OPTION_STAGES]), 2);
    CHECK_TEXT(
        json_string_value(json_object_get(json_array_get(o.values[OPTION_STAGES], 1), "duration")),
        "20s");
    CHECK_EQ(options_nsec(&o, OPTION_SETUP_TIMEOUT), 1500 * NSEC_PER_MSEC);
    CHECK_TEXT(json_string_value(json_object_get(o.values[OPTION_TAGS], "c")), "d");
    json_decref(tier);
    options_deinit(&o);
}

TEST(options_sizes)
{
    int64_t bytes;

    CHECK(option_parse_size(STR("512MB"), &bytes) && bytes == 512000000);
    CHECK(option_parse_size(STR("1.5 GiB"), &bytes) && bytes == 1610612736);
    CHECK(option_parse_size(STR("100"), &bytes) && bytes == 100);
    CHECK(!option_parse_size(STR("big"), &bytes) && !option_parse_size(STR("5 apples"), &bytes));
}

/* --- scenarios ---------------------------------------------------------------------------- */

static char *described(const char *json)
{
    struct options o;
    struct scenario_list list;
    struct diag d = DIAG_INIT;
    char *text;

    options_init(&o);
    CHECK_EQ(apply(&o, TIER_SCRIPT, json, NULL), 0);
    if (scenarios_derive(&o, &list, &d)) {
        text = mem_printf("!%s", d.message);
    } else {
        text = scenario_describe(list.list[0]);
        scenarios_deinit(&list);
    }
    diag_deinit(&d);
    options_deinit(&o);
    return text;
}

static void check_scenario(const char *json, const char *want)
{
    char *got = described(json);

    test_equal_text(__FILE__, __LINE__, json, got, want);
    mem_free(got);
}

TEST(scenario_shortcuts_and_descriptions)
{
    check_scenario("{}", "1 iterations for each of 1 VUs (maxDuration: 10m0s, gracefulStop: 30s)");
    check_scenario("{\"vus\": 3}",
                   "3 iterations shared among 3 VUs (maxDuration: 10m0s, gracefulStop: 30s)");
    check_scenario("{\"vus\": 2, \"duration\": \"1s\"}",
                   "2 looping VUs for 1s (gracefulStop: 30s)");
    check_scenario("{\"iterations\": 9, \"vus\": 2, \"duration\": \"5s\"}",
                   "9 iterations shared among 2 VUs (maxDuration: 5s, gracefulStop: 30s)");
    check_scenario("{\"stages\": [{\"duration\": \"3s\", \"target\": 10}]}",
                   "Up to 10 looping VUs for 3s over 1 stages (gracefulRampDown: 30s, "
                   "gracefulStop: 30s)");
    check_scenario("{\"scenarios\": {\"a\": {\"executor\": \"constant-arrival-rate\", \"rate\": 50,"
                   "\"duration\": \"2s\", \"preAllocatedVUs\": 5}}}",
                   "50.00 iterations/s for 2s (maxVUs: 5, gracefulStop: 30s)");
    check_scenario("{\"iterations\": 1, \"vus\": 2}",
                   "!scenario 'default': iterations (1) must not be fewer than vus (2): some would "
                   "never run");
    check_scenario(
        "{\"scenarios\": {\"a\": {\"executor\": \"constant-vus\", \"duration\": "
        "\"1s\", \"rate\": 3}}}",
        "!scenario 'a': unknown field 'rate': constant-vus has vus duration, and as every "
        "one executor startTime gracefulStop exec env tags options");
}
