/* Where a run's page is, by flags, --out and k6's variables. */
#include "cli/dashboard_settings.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "support/test.h"

static const char *const *variables; /* name, value, ...; NULL at the end */

static const char *env(const char *name)
{
    for (size_t i = 0; variables && variables[i]; i += 2) {
        if (strcmp(variables[i], name) == 0)
            return variables[i + 1];
    }
    return NULL;
}

static struct dashboard_settings got;

static int settings_of(struct dashboard_asked asked)
{
    struct diag d = DIAG_INIT;
    int err;

    dashboard_settings_deinit(&got);
    asked.env = env;
    err = dashboard_settings_read(&asked, &got, &d);
    CHECK(!err == !d.message);
    diag_deinit(&d);
    return err;
}

static bool is_at(const char *address)
{
    return got.address && strcmp(got.address, address) == 0;
}

TEST(dashboard_only_where_it_is_asked_for)
{
    static const char *const set[] = {"K6_WEB_DASHBOARD_PORT", "80", "K6_WEB_DASHBOARD_OPEN",
                                      "nonsense", NULL};

    variables = set;
    CHECK_EQ(settings_of((struct dashboard_asked){0}), 0);
    CHECK(!got.address && !got.report && !got.opens && !got.ignored);
    CHECK_EQ(settings_of((struct dashboard_asked){.is_wanted = true}), ERR_INVALID);
}

TEST(dashboard_is_at_k6s_port_of_this_machine)
{
    CHECK_EQ(settings_of((struct dashboard_asked){.is_wanted = true}), 0);
    CHECK(is_at("127.0.0.1:5665") && !got.opens);
    CHECK_EQ(settings_of((struct dashboard_asked){.output = ""}), 0);
    CHECK(is_at("127.0.0.1:5665"));
    CHECK_EQ(settings_of((struct dashboard_asked){.address = ":80"}), 0);
    CHECK(is_at(":80"));
    dashboard_settings_deinit(&got);
}

TEST(dashboard_by_variables)
{
    static const char *const set[] = {"K6_WEB_DASHBOARD_HOST",
                                      "::",
                                      "K6_WEB_DASHBOARD_PORT",
                                      "0",
                                      "K6_WEB_DASHBOARD_OPEN",
                                      "true",
                                      "K6_WEB_DASHBOARD_EXPORT",
                                      "a.html",
                                      "K6_WEB_DASHBOARD_REPORT",
                                      "b.html",
                                      "K6_WEB_DASHBOARD_PERIOD",
                                      "2s",
                                      "K6_WEB_DASHBOARD_RECORD",
                                      "x",
                                      NULL};

    variables = set;
    CHECK_EQ(settings_of((struct dashboard_asked){.is_wanted = true}), 0);
    CHECK(is_at("[::]:0") && got.opens && strcmp(got.report, "a.html") == 0);
    CHECK(strcmp(got.ignored, "period, record") == 0);
    dashboard_settings_deinit(&got);
}

TEST(dashboard_by_the_outputs_argument)
{
    static const char *const set[] = {"K6_WEB_DASHBOARD_HOST", "elsewhere", "K6_WEB_DASHBOARD_PORT",
                                      "-1", NULL};

    variables = set;
    CHECK_EQ(settings_of((struct dashboard_asked){.is_wanted = true}), 0);
    CHECK(!got.address);
    CHECK_EQ(settings_of((struct dashboard_asked){.output = "=port=99&report=b.html"}), 0);
    CHECK(is_at("elsewhere:99") && strcmp(got.report, "b.html") == 0);
    CHECK_EQ(settings_of((struct dashboard_asked){.output = "=port=99", .address = "[::1]:1"}), 0);
    CHECK(is_at("[::1]:1"));
    CHECK_EQ(settings_of((struct dashboard_asked){.output = "=colour=red"}), ERR_INVALID);
    CHECK_EQ(settings_of((struct dashboard_asked){.output = "=port=65536"}), ERR_INVALID);
    CHECK_EQ(settings_of((struct dashboard_asked){.output = "=port="}), ERR_INVALID);
    CHECK_EQ(settings_of((struct dashboard_asked){.output = "=period=-3s"}), ERR_INVALID);
    CHECK_EQ(settings_of((struct dashboard_asked){.output = "=open"}), ERR_INVALID);
    dashboard_settings_deinit(&got);
}

TEST(dashboard_is_an_output_by_its_whole_name)
{
    struct str rest;

    CHECK(dashboard_is_output(STR("web-dashboard"), &rest) && rest.len == 0);
    CHECK(dashboard_is_output(STR("web-dashboard=port=0"), &rest) && str_eq_c(rest, "=port=0"));
    CHECK(!dashboard_is_output(STR("web-dashboards"), &rest));
    CHECK(!dashboard_is_output(STR("web"), &rest));
}
